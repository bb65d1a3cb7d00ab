"""Facts about tensors that scripts ask for, functions beside methods, windows, and what calls back when a gradient was added."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn


def test_facts_like_pytorch() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = tg.ones(2, 3), torch.ones(2, 3)
    names = "is_cpu is_cuda is_meta is_nested is_quantized is_mps is_mkldnn is_xla is_xpu is_sparse is_sparse_csr retains_grad"
    for name in names.split():
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in "is_conj is_neg is_inference is_shared is_distributed get_device is_contiguous".split():
        assert getattr(ours, name)() == getattr(theirs, name)(), name
    for name in "is_conj is_neg is_inference is_signed get_device typename".split():
        assert getattr(tg, name)(ours) == getattr(torch, name)(theirs), name
    assert ours.layout is tg.strided and repr(tg.strided) == "tg.strided"
    assert ours.data_ptr() == ours.detach().view(-1).data_ptr() != ours.clone().data_ptr()
    assert ours[1:].data_ptr() - ours.data_ptr() == theirs[1:].data_ptr() - theirs.data_ptr()
    y = tg.ones(1, requires_grad=True) * 2
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad


def test_real_numbers() -> None:
    torch = pytest.importorskip("torch")
    array = np.array([2.0, -3.0, 0.0, -0.0, math.nan, math.inf, -math.inf])
    for name in ("real", "conj", "conj_physical", "resolve_conj", "resolve_neg"):
        assert (
            getattr(tg, name)(tg.tensor(array)).tolist()[:2] == getattr(torch, name)(torch.tensor(array)).tolist()[:2]
        )
    ours, theirs = tg.angle(tg.tensor(array[:5])), torch.angle(torch.tensor(array[:5]))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy())
    x = tg.tensor([1.0, -1.0], requires_grad=True)
    x.angle().sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 0.0] and x.real is x


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=6))
def test_python_functions_on_every_element(values: list[int]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = tg.tensor(values), torch.tensor(values)
    assert ours.clone().apply_(lambda v: v * v).tolist() == theirs.clone().apply_(lambda v: v * v).tolist()
    assert (
        ours.clone().map_(ours * 2, lambda a, b: a - b).tolist()
        == theirs.clone().map_(theirs * 2, lambda a, b: a - b).tolist()
    )
    assert ours.clone().map2_(ours, ours, lambda a, b, c: a + b * c).tolist() == [v + v * v for v in values]
    with pytest.raises(RuntimeError, match="a Python function has no derivative"):
        tg.ones(1, requires_grad=True).apply_(abs)


def test_other_shapes() -> None:
    x = tg.arange(6.0).reshape(2, 3)
    assert x.clone().resize_(4).tolist() == [0, 1, 2, 3] and x.clone().resize_(3, 3)[:2].tolist() == x.tolist()
    assert x.clone().resize_as_(tg.ones(3, 2)).tolist() == x.reshape(3, 2).tolist()
    with pytest.raises(RuntimeError, match="resize_: a tensor that requires a gradient keeps its shape"):
        tg.ones(2, requires_grad=True).resize_(3)
    part = x.narrow_copy(1, 0, 2)
    part[0, 0] = 9.0
    assert x[0, 0] == 0 and part.shape == (2, 2)
    assert (
        [p.tolist() for p in x.unsafe_chunk(2)]
        == [p.tolist() for p in x.chunk(2)]
        == [p.tolist() for p in tg.unsafe_split(x, 1)]
    )
    assert x.new(2, 2).shape == (2, 2) and x.new([1, 2]).tolist() == [1.0, 2.0] and x.int().new([3]).dtype is tg.int32
    assert x.to_dense() is x


@given(st.sampled_from(["hann", "hamming", "blackman", "bartlett"]), st.integers(0, 12), st.booleans())
def test_windows(name: str, length: int, periodic: bool) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (getattr(t, f"{name}_window")(length, periodic, dtype=t.float64) for t in (tg, torch))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-12)
    assert getattr(tg, f"{name}_window")(length).dtype is tg.float32


def test_functions_beside_methods() -> None:
    torch = pytest.importorskip("torch")
    for arguments in ((1, 4), (0, 1, 0.25), (5, 1, -2)):
        np.testing.assert_allclose(
            tg.range(*arguments).numpy(),
            torch.arange(
                arguments[0], arguments[1] + np.sign(arguments[2] if len(arguments) > 2 else 1) * 1e-9, *arguments[2:]
            ).numpy(),
        )
    places, shape = [0, 5, 7, -1], (2, 4)
    ours, theirs = tg.unravel_index(tg.tensor(places), shape), torch.unravel_index(torch.tensor(places), shape)
    assert [o.tolist() for o in ours] == [t.tolist() for t in theirs]
    with pytest.raises(ValueError, match="an index does not fit into the shape"):
        tg.unravel_index(tg.tensor([8]), shape)
    assert repr(tg.scalar_tensor(3)) == "tensor(3.)" and tg.fill(tg.zeros(2), 1.5).tolist() == [1.5, 1.5]
    assert tg.typename(3) == "int" and tg.typename(tg.ones(1).long()) == "torch.LongTensor"
    assert not tg.detach(tg.ones(1, requires_grad=True)).requires_grad
    tg.set_anomaly_enabled(True)
    try:
        assert tg.is_anomaly_enabled() and tg.is_anomaly_check_nan_enabled()
    finally:
        tg.set_anomaly_enabled(False)
    assert tg.conv2d(tg.ones(1, 1, 3, 3), tg.ones(1, 1, 3, 3)).item() == 9.0


def test_a_hook_is_called_when_the_gradient_was_added() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for t in (tg, torch):
        w = t.ones(2, requires_grad=True)
        seen: list[Any] = []

        def step(p: Any, seen: Any = seen) -> None:
            seen.append(p.grad.tolist())

        handle = w.register_post_accumulate_grad_hook(step)
        for _ in range(2):
            (w * w + w).sum().backward()
        handle.remove()
        w.sum().backward()
        found.append((seen, w.grad.tolist()))
        with pytest.raises(RuntimeError):
            (w * 2).register_post_accumulate_grad_hook(step)
    assert found[0] == found[1] == ([[3.0, 3.0], [6.0, 6.0]], [7.0, 7.0])


def test_older_names() -> None:
    w = nn.Parameter(tg.ones(4))
    w.sum().backward()
    with pytest.warns(UserWarning, match="an old name of clip_grad_norm_"):
        assert nn.utils.clip_grad_norm([w], 1.0).item() == 2.0
    assert nn.NLLLoss2d()(tg.zeros(1, 2, 1, 1), tg.zeros(1, 1, 1).long()).item() == 0.0


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("count", "replicas"), [(5, 2), (6, 3), (2, 5), (7, 4)])
def test_shares_of_a_data_set(count: int, replicas: int, drop_last: bool) -> None:
    torch = pytest.importorskip("torch")
    data = range(count)
    for rank in range(replicas):
        settings = {"num_replicas": replicas, "rank": rank, "drop_last": drop_last}
        ours = tg.utils.data.DistributedSampler(data, shuffle=False, **settings)
        assert list(ours) == list(torch.utils.data.DistributedSampler(data, shuffle=False, **settings))
        assert len(ours) == len(list(ours))
    samplers = [tg.utils.data.DistributedSampler(data, replicas, rank) for rank in range(replicas)]
    first = [list(s) for s in samplers]
    assert {i for share in first for i in share} == set(data)
    samplers[0].set_epoch(1)
    assert len(list(samplers[0])) == len(first[0])
    with pytest.raises(RuntimeError, match="say num_replicas= and rank="):
        tg.utils.data.DistributedSampler(data)
