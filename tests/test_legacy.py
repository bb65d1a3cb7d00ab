"""The words of PyTorch's first years: type constructors, type names, Variable."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.autograd import Variable

NAMES = [f"{word}Tensor" for word in ("Float", "Double", "Half", "Byte", "Char", "Short", "Int", "Long", "Bool")]


@given(st.sampled_from(NAMES), st.lists(st.lists(st.integers(0, 100), min_size=2, max_size=2), min_size=1, max_size=3))
def test_constructors_make_what_pytorch_makes(name: str, rows: list[list[int]]) -> None:
    torch = pytest.importorskip("torch")
    for data in (rows, rows[0], tuple(rows[0]), np.array(rows), np.array(rows) + 0.5, range(3)):
        ours, theirs = getattr(tg, name)(data), getattr(torch, name)(data)
        assert ours.tolist() == theirs.tolist() and ours.type() == theirs.type()
        assert isinstance(ours, getattr(tg, name)) and sum(isinstance(ours, getattr(tg, n)) for n in NAMES) == 1
        for other in NAMES:
            assert ours.type(getattr(tg, other)).tolist() == theirs.type(getattr(torch, other)).tolist()
            assert ours.type(f"torch.{other}").type() == f"torch.{other}"


@pytest.mark.parametrize("sizes", [(), (3,), (2, 3), (2, 0), (np.int64(2),)])
def test_numbers_are_sizes(sizes: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    for name in [*NAMES, "Tensor"]:
        assert tuple(getattr(tg, name)(*sizes).shape) == tuple(getattr(torch, name)(*sizes).shape)
    assert tg.Tensor(tg.zeros(2, 3).shape).shape == tg.FloatTensor(tg.zeros(2, 3).shape).shape == (2, 3)


def test_a_tensor_of_the_same_type_shares_its_memory() -> None:
    x = tg.ones(2)
    tg.FloatTensor(x)[0] = 5.0
    assert x.tolist() == [5.0, 1.0]
    with pytest.raises(TypeError, match=r"LongTensor: got a tensor of tg.float32"):
        tg.LongTensor(x)
    with pytest.raises(TypeError, match=r"FloatTensor: expected sizes or a sequence, got 3.5"):
        tg.FloatTensor(3.5)


def test_a_card_that_is_not_there_is_said_to_be_missing() -> None:
    if tg.cuda.is_available():
        pytest.skip("there is a card")
    assert repr(tg.cuda.FloatTensor) == "<class 'torch.cuda.FloatTensor'>"
    assert not isinstance(tg.ones(2), tg.cuda.FloatTensor)
    with pytest.raises(TypeError, match="FloatTensor: this type is not available"):
        tg.cuda.FloatTensor(2)
    with pytest.raises(tg.BackendError):
        tg.ones(2).type("torch.cuda.FloatTensor")


def test_the_default_type_by_its_old_name() -> None:
    try:
        tg.set_default_tensor_type("torch.DoubleTensor")
        assert tg.zeros(1).type() == "torch.DoubleTensor"
    finally:
        tg.set_default_tensor_type(tg.FloatTensor)
    assert tg.zeros(1).dtype is tg.float32
    with pytest.raises(TypeError, match="floating-point"):
        tg.set_default_tensor_type(tg.LongTensor)


def test_variables_are_tensors() -> None:
    x = tg.tensor([1.0, 2.0])
    v = Variable(x, requires_grad=True)
    (v * v).sum().backward()
    assert isinstance(v, Variable) and isinstance(x, Variable) and not isinstance(3, Variable)
    assert v.grad is not None and v.grad.tolist() == [2.0, 4.0] and not x.requires_grad
    assert not Variable(v * 2).requires_grad
    with pytest.warns(UserWarning, match="volatile has no effect"):
        Variable(x, volatile=True)
    with pytest.raises(TypeError, match="Variable: expected a Tensor, got"):
        Variable([1.0])  # type: ignore[arg-type]


def test_what_is_not_compiled_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tg.jit, "_said", set())
    model = tg.nn.Linear(2, 2)
    with pytest.warns(UserWarning, match="nothing is compiled here") as said:
        assert tg.compile(model) is model and tg.compile(mode="max")(model) is model
    assert len(said) == 1

    with pytest.warns(UserWarning, match="jit.script"):

        @tg.jit.script
        def twice(x: tg.Tensor) -> tg.Tensor:
            return 2 * x

    assert twice(tg.ones(1)).item() == 2
    assert not tg.jit.is_scripting()
    with pytest.raises(AttributeError, match="save a state_dict"):
        tg.jit.save  # noqa: B018


def test_switches_of_other_libraries() -> None:
    assert not tg.backends.mps.is_available() and not tg.backends.cudnn.is_available()
    tg.backends.cudnn.benchmark = False
    tg.backends.cudnn.deterministic = True
    assert tg.are_deterministic_algorithms_enabled()
    tg.backends.cudnn.deterministic = False
    assert not tg.are_deterministic_algorithms_enabled()
    vars(tg.backends.mkldnn)["_said"] = False
    with pytest.warns(UserWarning, match="enabled has no effect"):
        tg.backends.mkldnn.enabled = True
    with pytest.raises(AttributeError, match=r"backends.cudnn has no switch 'bencmark'"):
        tg.backends.cudnn.bencmark = True


def test_the_choice_of_a_kernel_of_attention_says_that_it_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = tg.nn.attention
    monkeypatch.setattr(attention, "_said", False)
    q = tg.randn(1, 2, 3, 4)
    with pytest.warns(UserWarning, match="sdpa_kernel: .* has no effect") as said:
        for chosen in (attention.SDPBackend.MATH, [attention.SDPBackend.FLASH_ATTENTION]):
            with attention.sdpa_kernel(chosen):
                assert tg.nn.functional.scaled_dot_product_attention(q, q, q).shape == q.shape
    assert len(said) == 1
    with pytest.raises(TypeError, match="sdpa_kernel: expected members of SDPBackend, got 'flash'"):
        attention.sdpa_kernel(["flash"]).__enter__()  # type: ignore[list-item]
    with pytest.raises(ValueError, match="sdpa_kernel: expected at least one"):
        attention.sdpa_kernel([]).__enter__()


def test_the_accelerator_is_the_card() -> None:
    there = tg.cuda.is_available()
    assert tg.accelerator.is_available() is there
    assert tg.accelerator.device_count() == tg.cuda.device_count()
    assert tg.accelerator.current_accelerator() == (tg.device("cuda") if there else None)
    tg.accelerator.empty_cache()
    with pytest.raises(AttributeError, match="the nearest name is synchronize"):
        tg.accelerator.synchronise  # noqa: B018


def test_gradients_of_inputs_only() -> None:
    x, w = (tg.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    (dx,) = tg.autograd.grad(w * x, x, None, None, False, True)
    assert dx.item() == 3 and w.grad is None
    assert tg.autograd.grad(outputs=x, inputs=w, only_inputs=True, allow_unused=True) == (None,)
    with pytest.raises(ValueError, match="grad: only_inputs=False"):
        tg.autograd.grad(w * x, x, only_inputs=False)


@pytest.mark.parametrize("name", ["stft", "storage", "to_sparse"])
def test_attributes_that_tensors_lack_say_why(name: str) -> None:
    assert not hasattr(tg.ones(1), name) and not hasattr(tg.Tensor, name)
    with pytest.raises(AttributeError, match=f"there is no Tensor.{name} here, since"):
        getattr(tg.ones(1), name)
