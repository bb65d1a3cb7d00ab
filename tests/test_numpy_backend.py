"""The NumPy backend's fast paths against plain NumPy, at sizes on both sides of the point where threads share the work."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import backends
from tinygrad_edu.backends import _numpy_elementwise as fast
from tinygrad_edu.backends import _numpy_indexing, _numpy_losses, _numpy_threads

cpu = backends.get("cpu")
SHAPES = [(), (1,), (7,), (3, 5), (0, 4), (64, 64), (fast.LARGE - 1,), (fast.LARGE + 777,), (300, 1000), (2, 100, 1024)]


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4, shape).clip(-9, 9).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
def test_large_work_agrees_with_plain_numpy(shape: tuple[int, ...], dtype: str, layout: str) -> None:
    x = drawn(shape, dtype)
    if layout == "transposed":
        x = x.T
    wide = x.astype(np.float64)
    close = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[dtype]
    sigmoid = np.where(wide >= 0, 1 / (1 + np.exp(-np.abs(wide))), np.exp(-np.abs(wide)) / (1 + np.exp(-np.abs(wide))))
    for got, want in [
        (cpu.exp(x), np.exp(wide)),
        (cpu.tanh(x), np.tanh(wide)),
        (cpu.relu(x), np.maximum(wide, 0)),
        (cpu.sigmoid(x), sigmoid),
        (cpu.log(np.abs(x) + 1), np.log((np.abs(x) + 1).astype(np.float64))),
    ]:
        assert got.dtype == x.dtype and got.shape == x.shape
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=4 * close, atol=close)
    if x.ndim and x.size:
        for axis in range(x.ndim):
            e = np.exp(wide - wide.max(axis, keepdims=True))
            got = cpu.softmax(x, axis)
            assert got.dtype == x.dtype and got.shape == x.shape
            np.testing.assert_allclose(
                got.astype(np.float64), e / e.sum(axis, keepdims=True), rtol=20 * close, atol=close
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_are_as_exact_as_numpys(shape: tuple[int, ...], dtype: str, keepdims: bool) -> None:
    x = drawn(shape, dtype, 1) + 3
    eps = np.finfo(dtype).eps
    for axis in [None, *range(x.ndim), -1 if x.ndim else None]:
        got = cpu.sum(x, axis=axis, keepdims=keepdims)
        want = x.astype(np.longdouble).sum(axis, keepdims=keepdims)
        assert np.shape(got) == np.shape(want) and got.dtype == x.dtype
        size = np.abs(x).astype(np.longdouble).sum(axis, keepdims=keepdims)
        assert np.all(np.abs(got - want) <= 16 * eps * size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_keeps_its_relative_precision_far_to_the_left(dtype: str) -> None:
    x = np.array([-1e4, -80.0, -40.0, -20.0, 0.0, 20.0, 1e4], dtype)
    want = np.exp(x.astype(np.longdouble)) / (1 + np.exp(x.astype(np.longdouble)))
    want[-1] = 1
    for got in (cpu.sigmoid(x), np.array([cpu.sigmoid(v) for v in x])):
        np.testing.assert_allclose(got, want.astype(dtype), rtol=8 * np.finfo(dtype).eps)


def test_no_warning_from_inside_the_package_and_other_peoples_warnings_stay() -> None:
    code = """
import warnings, numpy as np, tinygrad_edu as tg
x = tg.tensor([0.0, -1.0, 1e30], requires_grad=True)
((x.log() / 0).exp() * x.sqrt()).sum().backward()
with warnings.catch_warnings(record=True) as seen:
    np.log(np.zeros(1))
assert len(seen) == 1, seen
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_formula_in_blocks_is_the_formula_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, fast.LARGE + 3)).astype(np.float32)

    def formula(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return a * b - a, a > b

    for arrays in ((x, y), (x[:9], y[:9]), (x[::2], y[::2]), (x.reshape(-1, 1), y[:2])):
        for got, want in zip(fast.in_blocks(formula, *arrays), formula(*arrays), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("n", [5, fast.LARGE + 3])
def test_nan_and_infinity_pass_through(n: int) -> None:
    x = np.zeros(n, np.float32)
    x[:3] = np.nan, np.inf, -np.inf
    assert np.isnan(cpu.relu(x)[0]) and cpu.relu(x)[1] == np.inf and cpu.relu(x)[2] == 0
    assert np.isnan(cpu.sigmoid(x)[0]) and cpu.sigmoid(x)[1] == 1 and cpu.sigmoid(x)[2] == 0
    assert np.isnan(cpu.sum(x))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(7,), (3, 4), ()])
@pytest.mark.parametrize("spread", [1, 3, 40, 70_000])
def test_equal_rows_are_summed(spread: int, shape: tuple[int, ...], dtype: str) -> None:
    """From rows that are all the same, through groups of a few and of hundreds, to rows that are all different."""
    rng = np.random.default_rng(spread)
    rows = np.minimum(rng.geometric(0.2, 300) - 1, spread - 1) if spread < 100 else rng.permutation(spread)[:300]
    values = rng.standard_normal((300, *shape)).astype(dtype)
    distinct, sums = _numpy_indexing.sum_rows(rows, values, spread)
    expected = np.zeros((spread, *shape))
    np.add.at(expected, rows, values.astype(np.float64))
    assert distinct.tolist() == sorted(set(rows.tolist())) and sums.dtype == dtype
    np.testing.assert_allclose(sums, expected[distinct], rtol=1e-3 if dtype == "float16" else 1e-4, atol=1e-4)


@given(
    st.lists(st.integers(-9, 8), min_size=1, max_size=60),
    st.integers(1, 3),
    st.sampled_from(["float16", "float32", "float64"]),
    st.sampled_from([9, 66_000, 1 << 33]),
    st.integers(0, 99),
)
def test_what_is_infinite_or_no_number_stays_in_its_row(
    index: list[int], size: int, dtype: str, n: int, seed: int
) -> None:
    """Rows of tables of all lengths, some counted from the end, each summed as if it were alone."""
    rng = np.random.default_rng(seed)
    rows = np.array(index)
    rows = np.where(rows < -4, rows + n, rows)  # far away, from the beginning or from the end
    values = rng.standard_normal((len(rows), size)).astype(dtype)
    values[rng.random(values.shape) < 0.05] = rng.choice([np.inf, -np.inf, np.nan])
    given_rows, given_values = rows.copy(), values.copy()
    distinct, sums = _numpy_indexing.sum_rows(rows, values, n)
    assert distinct.tolist() == sorted({row % n for row in rows.tolist()}) and sums.dtype == dtype
    wide = values.astype(np.float64)
    for row, total in zip(distinct, sums, strict=True):
        np.testing.assert_allclose(
            total, wide[rows % n == row].sum(0), rtol=1e-3 if dtype == "float16" else 1e-5, atol=1e-5
        )
    np.testing.assert_array_equal(rows, given_rows)
    np.testing.assert_array_equal(values, given_values)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_rows_are_overwritten_as_numpy_does(dtype: str) -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 9, (50, 20)).astype(dtype)
    rows = np.array([3, -1, 0, 3, 49])
    value = rng.integers(0, 9, (5, 20)).astype(dtype)
    ours, expected = table.copy(), table.copy()
    assert _numpy_indexing.put_rows(ours, rows, value)
    expected[rows] = value
    np.testing.assert_array_equal(ours, expected)
    assert _numpy_indexing.put_rows(ours, np.arange(49), ours[1:]), "what overlaps is read before it is written"
    np.testing.assert_array_equal(ours[:49], expected[1:])
    with pytest.raises(IndexError, match="50"):
        _numpy_indexing.put_rows(ours, np.array([50]), value[:1])
    for x, index, what in [(ours.T, rows, value.T), (ours, rows, value[:1]), (ours, rows, value.T), (ours, rows, 1)]:
        assert not _numpy_indexing.put_rows(x, index, what), "left to NumPy"


@pytest.mark.parametrize("shapes", [((4, 3, 1), (4, 1, 5)), ((2, 4, 3, 1), (2, 4, 1, 5)), ((1, 3, 1), (4, 1, 5))])
def test_many_outer_products_are_those_of_numpy(shapes: tuple[tuple[int, ...], ...]) -> None:
    x, y = (np.random.default_rng(0).standard_normal(shape) for shape in shapes)
    np.testing.assert_array_equal(_numpy_threads.matmul(x, y), x @ y)


@pytest.mark.parametrize("blas", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_linear_maps_shared_by_rows_are_those_of_numpy(blas: int, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_numpy_threads, "_threads", 2)
    monkeypatch.setattr(_numpy_threads, "_blas_threads", blas)
    rng = np.random.default_rng(0)
    for rows in (3, 700):
        x, w, b = (rng.standard_normal(s) for s in ((rows, 130), (140, 130), (140,)))
        found = _numpy_threads.linear(x, w, b if bias else None)
        np.testing.assert_allclose(found, x @ w.T + (b if bias else 0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_over_the_first_axis_are_those_of_numpy(dtype: str) -> None:
    x = np.random.default_rng(0).standard_normal((300, 70)).astype(dtype)
    ns = backends.get("cpu")
    expected = x.astype(np.float64).sum(0)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ns.sum(x, axis=0), expected, rtol=tolerance, atol=tolerance * 10)
    assert ns.sum(x, axis=0, keepdims=True).shape == (1, 70) and ns.sum(x, axis=0).dtype == dtype
    x[5, 3] = np.inf
    assert ns.sum(x, axis=0)[3] == np.inf


@pytest.mark.parametrize("name", ["gelu_with_slope", "gelu_tanh_with_slope"])
def test_gelu_and_its_slope_are_those_of_double_precision(name: str) -> None:
    from tinygrad_edu.ops.elementwise.smooth import Gelu, GeluTanh

    x = np.linspace(-12, 12, 3000, dtype=np.float32).reshape(3, -1)
    both = (Gelu if name == "gelu_with_slope" else GeluTanh).both(backends.get("cpu"), x.astype(np.float64))
    for found, expected in zip(backends.get("cpu").kernels[name](x, True), both, strict=True):
        np.testing.assert_allclose(found, expected, atol=3e-6)
    assert backends.get("cpu").kernels[name](x, False)[1] is None


@pytest.mark.parametrize("scale", [1.0, 39.0, 200.0])
def test_softmax_and_losses_of_moderate_and_of_large_numbers(scale: float) -> None:
    rng = np.random.default_rng(0)
    x = (scale * rng.uniform(-1, 1, (200, 900))).astype(np.float32)
    x[0, :3] = -np.inf
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(1, keepdims=True))
    np.testing.assert_allclose(backends.get("cpu").softmax(x, 1), e / e.sum(1, keepdims=True), rtol=2e-5, atol=1e-30)
    target = rng.integers(3, 900, 200)
    losses, _ = backends.get("cpu").kernels["cross_entropy"](x, target, True)
    expected = np.log(e.sum(1)) + wide.max(1) - wide[np.arange(200), target]
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("shape", [(700, 140, 130), (700, 130, 140), (2000, 33, 300)])
@pytest.mark.parametrize("needed", [(True, True, True), (True, False, True), (False, True, False)])
def test_gradients_of_linear_maps_shared_between_threads_are_products(
    shape: tuple[int, int, int], needed: tuple[bool, bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_numpy_threads, "_threads", 2)
    monkeypatch.setattr(_numpy_threads, "_blas_threads", 1)
    rng = np.random.default_rng(0)
    n, outs, width = shape
    g, x, w = (rng.standard_normal(s) for s in ((n, outs), (n, width), (outs, width)))
    found = _numpy_threads.linear_backward(g, x if needed[1] else None, w if needed[0] else None, needed[2])
    assert found is not None
    for value, expected, need in zip(found, (g @ w, g.T @ x, g.sum(0)), needed, strict=True):
        assert (value is None) is not need
        if need:
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-11)


@given(st.integers(2, 5000), st.integers(2, 6), st.floats(2, 1e4))
def test_shares_cover_everything_and_the_callers_is_the_largest(length: int, parts: int, grains: float) -> None:
    parts = min(parts, length)
    bounds = _numpy_threads._bounds(length, parts, max(grains, parts))
    sizes = np.diff(bounds)
    assert bounds[0] == 0 and bounds[-1] == length and len(bounds) == parts + 1
    assert sizes.min() >= (1 if length >= 2 * parts else 0) and sizes[0] >= sizes[1:].max() - 8


def test_the_gradients_of_parts_of_one_array_are_parts_of_its_gradient() -> None:
    ns = backends.get("cpu")
    whole = np.zeros((4, 3, 12))
    parts = [whole[..., i : i + 4] for i in (0, 4, 8)]
    assert ns.whole_of(parts, (4, 3, 12), 2) is not None
    assert np.shares_memory(ns.whole_of(parts, (4, 3, 12), 2), whole)
    assert ns.whole_of([parts[1], parts[0], parts[2]], (4, 3, 12), 2) is None
    assert ns.whole_of([*parts[:2], parts[2].copy()], (4, 3, 12), 2) is None
    assert ns.whole_of(parts[:2], (4, 3, 8), 2) is None


@pytest.mark.parametrize("computed", [False, True])
def test_heads_cut_from_one_tensor_give_its_gradient_and_a_hook_keeps_what_it_saw(computed: bool) -> None:
    x = tg.tensor(drawn((2, 5, 12), "float64"), requires_grad=True)
    y = x * 1.0 if computed else x
    seen: list[tg.Tensor] = []
    q, k, v = (part.view(2, 5, 2, 2).transpose(1, 2) for part in y.split(4, dim=2))
    q.register_hook(seen.append)
    F.scaled_dot_product_attention(q, k, v).square().sum().backward()
    alone = [part.detach().clone().requires_grad_() for part in x.split(4, dim=2)]
    heads = [part.view(2, 5, 2, 2).transpose(1, 2) for part in alone]
    F.scaled_dot_product_attention(*heads).square().sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), tg.cat([part.grad for part in alone], 2).numpy(), rtol=1e-12)
    before = seen[0].clone()
    x.grad.zero_()
    np.testing.assert_array_equal(seen[0].numpy(), before.numpy())


@given(
    st.lists(st.sampled_from([-1e4, -200.0, -70.0, -3.0, 0.0, 60.0, 95.0, 1e4]), min_size=1, max_size=5),
    st.sampled_from([1, 3, 8200, 30_000]),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_cross_entropy_of_logits_of_any_size(
    levels: list[float], width: int, dtype: str, masked: bool, seed: int
) -> None:
    """Also where exponentials as they are would overflow, vanish, or be none at all."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((len(levels), width)) + np.array(levels)[:, None]).astype(dtype)
    target = rng.integers(0, width, len(levels))
    if masked:
        x[rng.random(x.shape) < 0.3] = -np.inf
        x[np.arange(len(x)), target] = levels
    wide = x.astype(np.float64)
    wide -= wide.max(1, keepdims=True)
    chances = np.exp(wide) / np.exp(wide).sum(1, keepdims=True)
    losses, work = _numpy_losses.cross_entropy(x, target, True)
    assert work is not None and losses.dtype == dtype
    rows = np.arange(len(x))
    close = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        losses, -np.log(chances[rows, target]), rtol=close, atol=close * max(1, abs(max(levels, key=abs)))
    )
    chances[rows, target] -= 1
    slope = _numpy_losses.cross_entropy_backward(work, target, None, 0.5, True)
    np.testing.assert_allclose(slope, 0.5 * chances, rtol=100 * close, atol=close)
