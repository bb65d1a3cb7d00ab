"""Normalising layers: PyTorch's results, derivatives, running statistics, starting values and texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.ops.normalization import BatchNorm, GroupNorm, LayerNorm, RMSNorm

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(["float64", "float32"])


def numbers(shape: Any, dtype: str, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 2.0, shape).astype(dtype)


def pair(name: str, *args: Any, dtype: str = "float64", seed: int = 0, **kwargs: Any) -> tuple[Any, Any]:
    """A layer of ours and PyTorch's in the same state, their variances positive."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **kwargs, dtype=dtype)
    theirs = getattr(torch.nn, name)(*args, **kwargs, dtype=getattr(torch, dtype))
    same_state(ours, theirs, seed)
    for layer in (ours, theirs):
        if getattr(layer, "running_var", None) is not None:
            layer.running_var.copy_(layer.running_var**2 + 0.5)
            layer.num_batches_tracked.zero_()
    assert repr(ours) == repr(theirs)
    return ours, theirs


def check(ours: Any, theirs: Any, x: np.ndarray, seed: int) -> None:
    tolerance = 1e-9 if x.dtype == np.float64 else 2e-4
    agree(ours, theirs, [x], (list(ours.parameters()), list(theirs.parameters())), seed=seed, tolerance=tolerance)
    for (name, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(1, 3), max_size=3),
    st.sampled_from([0.1, 0.7, None]),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    dtypes,
    seeds,
)
def test_batch_norm_is_that_of_pytorch(
    n: int, channels: int, rest: list[int], momentum: float | None, flags: Any, dtype: str, seed: int
) -> None:
    affine, tracked, bias, training = flags
    name = f"BatchNorm{max(len(rest), 1)}d"
    ours, theirs = pair(
        name, channels, 0.25, momentum, affine, tracked, bias=bias, dtype=dtype, seed=seed
    )  # a large eps keeps groups of nearly equal numbers from magnifying rounding
    ours.train(training), theirs.train(training)
    x = numbers((n + 1, channels, *rest), dtype, seed)
    check(ours, theirs, x, seed)


@given(
    st.integers(1, 3),
    st.lists(st.integers(2, 3), min_size=1, max_size=3),
    st.booleans(),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    dtypes,
    seeds,
)
def test_instance_norm_is_that_of_pytorch(
    channels: int, rest: list[int], alone: bool, flags: Any, dtype: str, seed: int
) -> None:
    affine, tracked, bias, training = flags
    ours, theirs = pair(
        f"InstanceNorm{len(rest)}d", channels, 0.25, 0.3, affine, tracked, bias=bias, dtype=dtype, seed=seed
    )
    ours.train(training), theirs.train(training)
    lead = (channels,) if alone else (2, channels)
    check(ours, theirs, numbers((*lead, *rest), dtype, seed), seed)


@given(st.integers(1, 3), st.integers(1, 2), st.lists(st.integers(1, 3), max_size=2), st.booleans(), dtypes, seeds)
def test_group_norm_is_that_of_pytorch(
    groups: int, width: int, rest: list[int], affine: bool, dtype: str, seed: int
) -> None:
    ours, theirs = pair("GroupNorm", groups, groups * width, 0.25, affine, dtype=dtype, seed=seed)
    check(ours, theirs, numbers((2, groups * width, *rest), dtype, seed), seed)


@given(
    st.lists(st.integers(1, 3), max_size=2),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.sampled_from(["LayerNorm", "RMSNorm"]),
    st.booleans(),
    dtypes,
    seeds,
)
def test_layer_norm_and_rms_norm_are_those_of_pytorch(
    lead: list[int], sizes: list[int], name: str, affine: bool, dtype: str, seed: int
) -> None:
    ours, theirs = pair(name, sizes, 0.25, affine, dtype=dtype, seed=seed)
    check(ours, theirs, numbers((*lead, *sizes), dtype, seed), seed)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 2), dtypes, seeds)
def test_local_response_norm_is_that_of_pytorch(size: int, channels: int, dims: int, dtype: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.LocalResponseNorm(size, 0.5, 0.6, 1.5), torch.nn.LocalResponseNorm(size, 0.5, 0.6, 1.5)
    assert repr(ours) == repr(theirs)
    check(ours, theirs, numbers((2, channels, *[2] * dims), dtype, seed), seed)


@pytest.mark.parametrize("name", ["BatchNorm2d", "InstanceNorm1d", "GroupNorm", "LayerNorm", "RMSNorm"])
def test_half_precision_is_computed_in_single(name: str) -> None:
    torch = pytest.importorskip("torch")
    args = {"BatchNorm2d": (4,), "InstanceNorm1d": (4,), "GroupNorm": (2, 4), "LayerNorm": (9,), "RMSNorm": (9,)}[name]
    x = (np.random.default_rng(0).normal(size=(3, 4, 9, 9)) * 300).astype("float16")  # whose squares are infinite
    x = x[..., 0] if name == "InstanceNorm1d" else x
    found = getattr(nn, name)(*args, dtype=tg.float16)(tg.tensor(x))
    expected = getattr(torch.nn, name)(*args, dtype=torch.float16)(torch.tensor(x))
    assert found.dtype is tg.float16
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=2e-3, atol=2e-3)


# The kernels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "shape", "parameter", "axes"),
    [
        (BatchNorm, (16, 6, 40, 50), (6, 1, 1), (0, 2, 3)),
        (BatchNorm, (2000, 150), (150,), (0,)),
        (LayerNorm, (3000, 100), (100,), (1,)),
        (LayerNorm, (8, 20000), (20000,), (1,)),
        (RMSNorm, (3000, 100), (100,), (1,)),
        (GroupNorm, (16, 2, 3, 60, 50), (2, 3, 1, 1), (2, 3, 4)),
    ],
)
@pytest.mark.parametrize("given", ["both", "bias", "neither"])
def test_kernels_in_blocks_agree_with_the_reference(op: Any, shape: Any, parameter: Any, axes: Any, given: str) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(3.0, 2.0, shape), rng.normal(size=shape)
    if given == "neither":  # and in another order of memory
        x, g = np.asfortranarray(x), np.asfortranarray(g)
    weight = rng.normal(size=parameter) if given == "both" else None
    bias = None if given == "neither" else rng.normal(size=parameter)
    results = []
    for call in (op.apply, op.reference):
        leaves = [None if a is None else tg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
        out = call(*leaves, axes, 1e-5)
        out.backward(tg.tensor(g))
        results.append([out.detach().numpy(), *(v.grad.numpy() for v in leaves if v is not None)])
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-8, atol=1e-8)


def test_statistics_of_numbers_far_from_0_are_exact() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3, 8, 8)) + 1e3
    out = F.batch_norm(tg.tensor(x, dtype=tg.float32), None, None, training=True).numpy()
    exact = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(out, exact, atol=2e-3)


# What is special about running statistics -------------------------------------------------------------------------------


def test_evaluation_leaves_running_statistics_alone_and_training_without_them_uses_the_batch() -> None:
    norm = nn.BatchNorm1d(3).eval()
    before = norm.running_mean.clone()
    norm(tg.randn(4, 3))
    assert norm.running_mean.tolist() == before.tolist() and int(norm.num_batches_tracked) == 0
    free = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert list(free.state_dict()) == ["weight", "bias"]
    assert abs(float(free(tg.randn(50, 3)).mean())) < 1e-5


def test_checkpoints_that_do_not_count_batches_load() -> None:
    state = {k: v for k, v in nn.BatchNorm1d(2).state_dict().items() if k != "num_batches_tracked"}
    assert nn.BatchNorm1d(2).load_state_dict(state).missing_keys == []
    with pytest.raises(RuntimeError, match="running_mean"):
        nn.BatchNorm1d(2).load_state_dict({k: v for k, v in state.items() if k != "running_mean"})


def test_running_statistics_that_moved_on_make_an_older_graph_refuse() -> None:
    norm = nn.BatchNorm1d(2).eval()
    out = norm(tg.randn(3, 2, requires_grad=True))
    norm.train()(tg.randn(3, 2))
    try:
        out.sum().backward()
    except RuntimeError as error:
        assert "overwritten" in str(error)
    else:
        np.testing.assert_allclose(norm.bias.grad.numpy(), [3, 3])


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (nn.BatchNorm1d(3), (3,), r"BatchNorm1d: expected 2D or 3D input, got 1D input of shape \(3,\)"),
        (nn.BatchNorm2d(3), (2, 3), r"BatchNorm2d: expected 4D input, got 2D"),
        (nn.BatchNorm2d(3), (2, 4, 1, 1), r"BatchNorm2d: expected 3 channels, got 4 in shape \(2, 4, 1, 1\)"),
        (nn.InstanceNorm2d(3, affine=True), (2, 4, 2, 2), r"InstanceNorm2d: expected 3 channels, got 4"),
        (nn.LayerNorm(3), (2, 4), r"layer_norm: the input must end in dimensions of sizes \(3,\), got shape \(2, 4\)"),
        (nn.GroupNorm(2, 4), (2, 5), r"GroupNorm: expected an input \(N, 4, …\), got shape \(2, 5\)"),
        (nn.GroupNorm(2, 4), (4,), r"GroupNorm: expected an input \(N, 4, …\), got shape \(4,\)"),
    ],
)
def test_bad_input_names_the_layer_and_the_sizes(layer: Any, shape: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        layer(tg.zeros(shape))


def test_groups_that_do_not_divide_the_channels_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="GroupNorm: 5 channels"):
        nn.GroupNorm(2, 5)


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 6, 5, 7), (2, 4, 9000)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_over_long_channels_is_its_reference(shape: tuple[int, ...], affine: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(3.0, 2.0, shape), *rng.standard_normal((2, shape[1]))][: 3 if affine else 1]
    g = tg.tensor(rng.standard_normal(shape))
    found = [tg.tensor(a, requires_grad=True) for a in arrays]
    expected = [tg.tensor(a, requires_grad=True) for a in arrays]
    out = F.group_norm(found[0], 2, *found[1:])
    spare = len(shape) - 2
    x, *affine_ones = expected
    lead = (2, shape[1] // 2)
    parameters = [v.reshape(*lead, *(1,) * spare) for v in affine_ones] or [None, None]
    x = x.reshape(shape[0], *lead, *shape[2:])
    want = GroupNorm.reference(x, *parameters, tuple(range(2, len(shape) + 1)), 1e-5).reshape(shape)
    np.testing.assert_allclose(out.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-11)
    out.backward(g), want.backward(g)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-9)
