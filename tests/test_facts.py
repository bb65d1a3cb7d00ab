"""What can be asked about tensors and types, beside PyTorch's answers; views and functions that are refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some

torch = pytest.importorskip("torch")
TYPES = "bool uint8 int8 int16 int32 int64 float16 float32 float64".split()


@pytest.mark.parametrize(("a", "b"), list(itertools.product(TYPES, TYPES)))
def test_types_of_results_are_those_of_pytorch(a: str, b: str) -> None:
    for shape_a, shape_b in itertools.product([(), (2,)], repeat=2):
        ours = tg.result_type(tg.ones(shape_a, dtype=a), tg.ones(shape_b, dtype=b))
        theirs = torch.result_type(
            torch.ones(shape_a, dtype=getattr(torch, a)), torch.ones(shape_b, dtype=getattr(torch, b))
        )
        assert ours.name == str(theirs).removeprefix("torch.")
    assert tg.can_cast(getattr(tg, a), getattr(tg, b)) == torch.can_cast(getattr(torch, a), getattr(torch, b))


@pytest.mark.parametrize(("dtype", "number"), list(itertools.product(TYPES, [True, 2, 1.5])))
def test_numbers_give_way_to_tensors(dtype: str, number: float) -> None:
    for shape in ((), (2,)):
        for swap in (False, True):
            ours: list[object] = [tg.ones(shape, dtype=dtype), number]
            theirs: list[object] = [torch.ones(shape, dtype=getattr(torch, dtype)), number]
            if swap:
                ours.reverse()
                theirs.reverse()
            assert tg.result_type(*ours).name == str(torch.result_type(*theirs)).removeprefix("torch.")
    assert tg.result_type(1, 2.0) is tg.float32 and tg.result_type(True, 2) is tg.int64


@given(some.tensors())
def test_facts(x: tg.Tensor) -> None:
    y = torch.tensor(x.numpy())
    assert tg.is_tensor(x) and not tg.is_tensor(x.numpy())
    assert tg.numel(x) == torch.numel(y) and x.ndimension() == y.ndimension()
    assert tg.is_floating_point(x) and not tg.is_complex(x) and x.is_signed()
    assert x.stride() == y.stride() and x.is_contiguous()
    for dims in itertools.permutations(range(x.dim())):
        ours, theirs = x.permute(dims), y.permute(dims)
        assert ours.is_contiguous() == theirs.is_contiguous() or 1 in x.shape
        assert ours.stride() == theirs.stride()
    assert tg.is_same_size(x, x + 1)
    if x.numel() == 1:
        assert tg.is_nonzero(x) == torch.is_nonzero(y)
    else:
        with pytest.raises(RuntimeError, match="is_nonzero: only a tensor with one element"):
            tg.is_nonzero(x)


@pytest.mark.parametrize("function", [tg.numel, tg.is_floating_point, tg.is_complex, tg.is_nonzero])
def test_what_is_no_tensor_has_no_facts(function) -> None:
    with pytest.raises(TypeError, match=f"{function.__name__}: expected a Tensor"):
        function([1.0])


@given(some.tensors(some.shapes(1, 3)), st.data())
def test_view_refuses_where_only_a_copy_can_have_the_shape(x: tg.Tensor, data: st.DataObject) -> None:
    dims = data.draw(st.permutations(range(x.dim())))
    flat = data.draw(st.booleans())
    ours, theirs = x.permute(dims), torch.tensor(x.numpy()).permute(dims)
    shape = (-1,) if flat else (*ours.shape[:1], -1)
    try:
        want = theirs.view(shape)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=r"view: .* use reshape"):
            ours.view(shape)
        assert ours.reshape(shape).tolist() == theirs.reshape(shape).tolist()
    else:
        got = ours.view(shape)
        assert got.tolist() == want.tolist()
        assert np.shares_memory(got.numpy(), x.numpy())


def test_a_strided_view_shares_memory_and_refuses_what_it_cannot_see() -> None:
    x = tg.zeros(4)
    tg.as_strided(x, (2,), (2,), 1)[...] = 5.0
    assert x.tolist() == [0, 5, 0, 5]
    with pytest.raises(RuntimeError, match="cannot be written"):
        tg.as_strided(x, (3, 2), (1, 1))[...] = 1.0
    with pytest.raises(RuntimeError, match=r"as_strided: .* use contiguous"):
        tg.as_strided(tg.zeros(2, 3).T, (2,), (1,))
    y = tg.zeros(2, requires_grad=True)
    z = y * 1
    z.as_strided((1,), (1,), 1).mul_(3)
    z.sum().backward()
    assert y.grad.tolist() == [1, 3]


def test_a_function_says_that_it_cannot_write_on_its_arguments() -> None:
    class Double(tg.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"Double: mark_dirty is not supported, .* return a new tensor"):
        Double.apply(tg.ones(2, requires_grad=True) * 1)


def test_methods_that_take_probabilities() -> None:
    tg.manual_seed(0)
    p = tg.tensor([0.0, 1.0])
    assert p.bernoulli().tolist() == [0, 1] and tg.ones(3).bernoulli(0.0).tolist() == [0, 0, 0]
    assert tg.tensor([0.0, 3.0, 0.0]).multinomial(4, replacement=True).tolist() == [1] * 4


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "add", "mul", "maximum", "atan2", "where"])
def test_an_operand_that_is_none_is_refused_by_the_name_of_the_operation(name: str) -> None:
    x = tg.tensor([1.0, 2.0])
    args = (x > 1, x, "a") if name == "where" else (x, "a")
    with pytest.raises(TypeError, match=rf"^{name}: "):
        getattr(tg, name)(*args)
    with pytest.raises(TypeError, match=r"^lt: "):
        _ = x < "a"


@pytest.mark.parametrize("dtype", [t for t in [*TYPES, "bfloat16"] if t != "bool"])
def test_limits_of_types_are_those_of_pytorch(dtype: str) -> None:
    kind = "finfo" if "float" in dtype else "iinfo"
    ours, theirs = getattr(tg, kind)(dtype), getattr(torch, kind)(getattr(torch, dtype))
    for name in ("bits", "max", "min", "dtype", *(("eps", "tiny", "smallest_normal") if kind == "finfo" else ())):
        assert getattr(ours, name) == getattr(theirs, name)
    if kind == "finfo":
        assert math.isclose(ours.resolution, theirs.resolution)
    other = "iinfo" if kind == "finfo" else "finfo"
    with pytest.raises(TypeError, match=f"{other}: expected .*use {kind}"):
        getattr(tg, other)(dtype)
    assert tg.finfo().dtype == "float32" and "max=" in repr(ours)


def test_the_order_of_channels_is_asked_for_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_edu import layouts

    monkeypatch.setattr(layouts, "_said", False)
    x = tg.randn(2, 3, 4, 5)
    with pytest.warns(UserWarning, match="channels_last has no effect") as said:
        y = x.to(memory_format=tg.channels_last).contiguous(memory_format=tg.channels_last)
        assert tg.empty(1, 2, 3, 4, memory_format=tg.channels_last).shape == (1, 2, 3, 4)
        layer = tg.nn.Conv2d(3, 2, 1).to(memory_format=tg.channels_last)
        assert x.clone(memory_format=tg.preserve_format).shape == layer(y).shape[:1] + x.shape[1:]
    assert len(said) == 1 and y is x
    for name in ("contiguous", "clone", "to"):
        with pytest.raises(ValueError, match=f"{name}: memory_format must be"):
            getattr(x, name)(memory_format="channels_first")


@given(some.tensors())
def test_whether_the_channels_are_fastest(x: tg.Tensor) -> None:
    y = torch.tensor(x.numpy())
    for dims in itertools.permutations(range(x.dim())):
        for name in ("channels_last", "channels_last_3d", "contiguous_format"):
            ours = x.permute(dims).is_contiguous(memory_format=getattr(tg, name))
            theirs = y.permute(dims).is_contiguous(memory_format=getattr(torch, name))
            assert ours == theirs or 1 in x.shape or 0 in x.shape
    image = tg.ones(2, 4, 5, 3).permute(0, 3, 1, 2)
    assert image.is_contiguous(memory_format=tg.channels_last) and not image.is_contiguous()


@given(st.integers(0, 12), st.booleans(), st.floats(-300, 300), st.sampled_from(["float32", "float64"]))
def test_kaisers_window(length: int, periodic: bool, beta: float, dtype: str) -> None:
    ours = tg.kaiser_window(length, periodic, beta, dtype=getattr(tg, dtype))
    theirs = torch.kaiser_window(length, periodic, beta, dtype=torch.float64)
    if bool(theirs.isfinite().all()):  # PyTorch's own quotient overflows
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9 if dtype == "float64" else 3e-4, atol=1e-7)
    assert ours.dtype.name == dtype and ours.shape == (length,)
    with pytest.raises(ValueError, match="kaiser_window: the length must not be negative, got -1"):
        tg.kaiser_window(-1)
