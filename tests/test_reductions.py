"""Reductions, running reductions, norms and sorting beside PyTorch: values, types, shapes, errors, gradients and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peer import compare

import tinygrad_edu as tg

FLOATS = ["float64", "float32", "float16"]
INTEGERS = ["int64", "int32", "uint8"]
ALL = [*FLOATS, *INTEGERS, "bool"]
NAN, INF = math.nan, math.inf

# What is called, with the tensor, a dimension and keepdim; the types that are drawn; what the dimension may be.
ANY = {
    "sum": (lambda m, x, d, k: m.sum(x, d, k), ALL),
    "nansum": (lambda m, x, d, k: m.nansum(x, d, k), ALL),
    "mean": (lambda m, x, d, k: m.mean(x, d, k), ALL),
    "nanmean": (lambda m, x, d, k: m.nanmean(x, d, k), FLOATS),
    "var": (lambda m, x, d, k: m.var(x, d, keepdim=k), ALL),
    "var without correction": (lambda m, x, d, k: x.var(d, correction=0, keepdim=k), FLOATS),
    "var of large correction": (lambda m, x, d, k: x.detach().var(d, correction=9, keepdim=k), ["float64"]),
    "biased var": (lambda m, x, d, k: x.var(d, False, k), ["float64"]),
    "std": (lambda m, x, d, k: m.std(x, d, keepdim=k), ALL),
    "var_mean": (lambda m, x, d, k: m.var_mean(x, d, keepdim=k), ["float64"]),
    "std_mean": (lambda m, x, d, k: m.std_mean(x, d, correction=0, keepdim=k), ["float64"]),
    "amax": (lambda m, x, d, k: m.amax(x, () if d is None else d, k), ALL),
    "amin": (lambda m, x, d, k: m.amin(x, () if d is None else d, k), ALL),
    "logsumexp": (lambda m, x, d, k: m.logsumexp(x, tuple(range(x.ndim)) if d is None else d, k), ALL),
    "any": (lambda m, x, d, k: m.any(x, d, k), ALL),
    "all": (lambda m, x, d, k: m.all(x, d, k), ALL),
    "count_nonzero": (lambda m, x, d, k: m.count_nonzero(x, d), ALL),
    "norm": (lambda m, x, d, k: m.norm(x, 2, d, k), ALL),
    **{
        f"norm {p}": (lambda m, x, d, k, p=p: m.linalg.vector_norm(x, p, d, k), FLOATS)
        for p in (0, 0.5, 1, 1.5, 2, 3, 4.0, -1, -2.5, INF, -INF)
    },
}
ONE = {
    "prod": (lambda m, x, d, k: m.prod(x) if d is None else m.prod(x, d, k), ALL),
    "max": (lambda m, x, d, k: m.max(x) if d is None else m.max(x, d, k), ALL),
    "min": (lambda m, x, d, k: m.min(x) if d is None else m.min(x, d, k), ALL),
    "aminmax": (lambda m, x, d, k: m.aminmax(x, dim=d, keepdim=k), ALL),
    "argmax": (lambda m, x, d, k: m.argmax(x, d, k), [*FLOATS, *INTEGERS]),
    "argmin": (lambda m, x, d, k: m.argmin(x, d, k), [*FLOATS, *INTEGERS]),
    "median": (lambda m, x, d, k: m.median(x) if d is None else m.median(x, d, k).values, ALL),
    "nanmedian": (lambda m, x, d, k: m.nanmedian(x) if d is None else m.nanmedian(x, d, k).values, ALL),
    "quantile": (lambda m, x, d, k: m.quantile(x, 0.3, d, k), ["float64", "float32", "int64"]),
    "nanquantile": (lambda m, x, d, k: m.nanquantile(x, 0.8, d, k), ["float64"]),
    **{
        f"quantile {how}": (
            lambda m, x, d, k, how=how: m.quantile(
                x, m.tensor([0.0, 0.5, 0.6], dtype=x.dtype), d, k, interpolation=how
            ),
            ["float64"],
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
    },
}
ALONG = {
    "cumsum": (lambda m, x, d: m.cumsum(x, d), ALL),
    "cumprod": (lambda m, x, d: m.cumprod(x, d), ALL),
    "logcumsumexp": (lambda m, x, d: m.logcumsumexp(x, d), ["float64", "float32"]),
    "cummax": (lambda m, x, d: m.cummax(x, d), ALL),
    "cummin": (lambda m, x, d: m.cummin(x, d), ALL),
    "diff": (lambda m, x, d: m.diff(x, dim=d), ALL),
    "diff twice": (lambda m, x, d: m.diff(x, 2, d, prepend=x), ["float64"]),
    "trapezoid": (lambda m, x, d: m.trapezoid(x, dx=0.5, dim=d), ["float64", "float32"]),
    "cumulative_trapezoid": (lambda m, x, d: m.cumulative_trapezoid(x, x * x, dim=d), ["float64"]),
    "sort": (lambda m, x, d: m.sort(x, dim=d, stable=True), ALL),
    "sort downwards": (lambda m, x, d: m.sort(x, dim=d, stable=True, descending=True), ALL),
    "argsort": (lambda m, x, d: m.argsort(x, dim=d, stable=True), ALL),
    "mode": (lambda m, x, d: m.mode(x, d).values, [*FLOATS, *INTEGERS]),
}


@st.composite
def arrays(draw, dtypes, special=True):
    """Arrays with many ties and zeros, also empty, without dimensions, and with gaps in memory; sometimes NaN and inf."""
    dtype = draw(st.sampled_from(dtypes))
    shape = tuple(draw(st.lists(st.integers(0, 4) if draw(st.booleans()) else st.integers(1, 4), max_size=3)))
    numbers = st.integers(0, 1) if dtype == "bool" else st.integers(0, 5) if dtype == "uint8" else st.integers(-3, 3)
    if dtype.startswith("float") and special and draw(st.integers(0, 3)) == 0:
        numbers = numbers | st.sampled_from([NAN, INF, -INF])
    size = math.prod(shape)
    x = np.array(draw(st.lists(numbers, min_size=size, max_size=size)), dtype="float64").astype(dtype).reshape(shape)
    if x.ndim and draw(st.booleans()):
        wide = np.zeros((*x.shape[::-1], 2), x.dtype)
        wide[..., 0] = x.T
        x = wide[..., 0].T
    return x


def distinct(x):
    """Other numbers in the same array, all different, with one NaN at most: which of equal ones is meant is not PyTorch's promise."""
    order = np.argsort(np.argsort(x.astype("float64").ravel(), kind="stable")).reshape(x.shape)
    first_nan = np.isnan(x) & (np.cumsum(np.isnan(x)).reshape(x.shape) == 1)
    return np.where(first_nan, x, order / 4).astype(x.dtype)


def dims(ndim, several):
    one = st.integers(-ndim, ndim - 1) if ndim else st.sampled_from([-1, 0])
    if not several or not ndim:
        return st.none() | one
    return st.none() | one | st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True).map(tuple)


# Where the sums of infinities, and the gradients at NaN, are PyTorch's own.
NO_SPECIAL = {
    "var_mean",
    "std_mean",
    "amax",
    "amin",
    "aminmax",
    "max",
    "min",
    "logcumsumexp",
    "median",
    "nanmedian",
    "mode",
}
NO_SPECIAL |= {"nanmean", "cumprod", "prod", "trapezoid", "cumulative_trapezoid"}


@pytest.mark.parametrize("name", [*ANY, *ONE])
@settings(max_examples=15)
@given(data=st.data())
def test_reductions_agree_with_pytorch(name, data):
    call, dtypes = ANY.get(name) or ONE[name]
    x = data.draw(arrays(dtypes, special=not name.startswith("norm") and name not in NO_SPECIAL))
    dim, keepdim = data.draw(dims(x.ndim, name in ANY)), data.draw(st.booleans())
    if name == "count_nonzero" or (name in ("amax", "amin") and dim is None):
        keepdim = False
    if "quantile" in name and x.dtype.kind == "f":
        x = distinct(x)
    if "median" in name and not x.size:
        x = x.astype("float64")
    # There PyTorch's gradient is infinite where one number, which is NaN, is divided by 0.
    assume(not (name == "var" and x.size == 1 and np.isnan(x.astype("float64")).any()))
    compare(lambda m, x: call(m, x, dim, keepdim), x)


@pytest.mark.parametrize("name", ALONG)
@settings(max_examples=15)
@given(data=st.data())
def test_operations_along_a_dimension_agree_with_pytorch(name, data):
    call, dtypes = ALONG[name]
    x = data.draw(arrays(dtypes, special=name not in NO_SPECIAL))
    dim = data.draw(dims(x.ndim, False).filter(lambda d: d is not None))
    compare(lambda m, x: call(m, x, dim), x)


def test_nanmean_counts_only_numbers():
    x = np.array([[1.0, NAN, 5.0], [NAN, 2.0, NAN]])
    compare(lambda m, x: (m.nanmean(x), m.nanmean(x, 1), m.nanmean(x, 0)), x)


# By hand -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.zeros(0).max(), ValueError, "amax: there is no extreme of nothing"),
        (lambda: tg.zeros(2, 0).min(1), IndexError, "argmin: there is no extreme of nothing"),
        (lambda: tg.zeros(0).argmax(), ValueError, "argmax: there is no extreme of nothing"),
        (lambda: tg.zeros(2, 0).median(1), IndexError, "median: there is no median of nothing"),
        (lambda: tg.zeros(2, 0).mode(1), IndexError, "mode: there is no commonest element"),
        (lambda: tg.zeros(0).quantile(0.5), ValueError, "quantile: there is no quantile of nothing"),
        (lambda: tg.ones(3).quantile(1.5), ValueError, "quantile: q must lie between 0 and 1"),
        (lambda: tg.ones(3).quantile(0.5, interpolation="cubic"), ValueError, "interpolation must be one of"),
        (lambda: tg.ones(3, dtype=tg.int64).mean(), TypeError, "mean: expected a floating-point tensor"),
        (lambda: tg.ones(3, dtype=tg.int64).var(), TypeError, "var: expected a floating-point tensor"),
        (lambda: tg.ones(3, dtype=tg.bool).norm(), TypeError, "vector_norm: expected a floating-point tensor"),
        (lambda: tg.ones(3).norm("x"), ValueError, "norm: p must be a number"),
        (lambda: tg.ones(3).sum(1), IndexError, "dim 1 is out of range"),
        (lambda: tg.ones(3, 3).sum((0, 0)), ValueError, "names a dimension twice"),
        (lambda: tg.ones(3).topk(4), ValueError, "topk: k = 4 is out of range"),
        (lambda: tg.ones(3).kthvalue(0), ValueError, "kthvalue: k = 0 is out of range"),
        (lambda: tg.ones(3).diff(-1), ValueError, "diff: the order must not be negative"),
        (lambda: tg.trapezoid(tg.ones(3), tg.ones(4)), ValueError, "trapezoid: 4 points for 3 values"),
        (lambda: tg.isclose(tg.ones(3), tg.ones(3, dtype=tg.int64)), TypeError, "isclose: the types"),
    ],
)
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("size", [3, 100, 3000])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_running_products_differentiate_through_zeros(size, zeros):
    """Beside PyTorch at sizes where the recurrence goes by single steps and by blocks."""
    rng = np.random.default_rng(size + zeros)
    x = rng.choice([-1.0, 1.0], size) * rng.uniform(0.9, 1.1, size)
    x[rng.choice(size, zeros, replace=False)] = 0
    compare(lambda m, x: (m.cumprod(x, 0), m.prod(x)), x, rtol=1e-8)
    compare(lambda m, x: (m.cumprod(x, 0), m.prod(x, 0)), np.stack([x, x[::-1]], axis=1), rtol=1e-8)


@pytest.mark.parametrize(
    "name", ["linear_recurrence", "cumulative_prod", "cumulative_max", "cumulative_min", "cumulative_logaddexp"]
)
@pytest.mark.parametrize("shape", [(1,), (7, 2), (2, 100), (300,)])
def test_portable_running_reductions_agree_with_those_of_numpy(name, shape):
    from tinygrad_edu import backends
    from tinygrad_edu.backends.base import Backend

    numpy = backends.of(np.zeros(1))
    x, y = np.random.default_rng(0).uniform(-1.2, 1.2, (2, *shape))
    axis = len(shape) - 1
    rest = {"linear_recurrence": (y, axis), "cumulative_prod": (axis, x.dtype)}.get(name, (axis,))
    np.testing.assert_allclose(
        getattr(Backend, name)(numpy, x, *rest), getattr(numpy, name)(x, *rest), rtol=1e-9, atol=1e-12
    )


def test_portable_methods_agree_with_those_of_numpy():
    from tinygrad_edu import backends
    from tinygrad_edu.backends.base import Backend

    numpy = backends.of(np.zeros(1))
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4, 5))
    for name, rest in {
        "diagonal": [(0,), (2,), (-3,), (4,), (-4,)],
        "sum_squares": [(), ((0, 2),), ((1, 2), True), ((2,),)],
        "top_places": [(2, 1, True), (3, 2, False)],
    }.items():
        for args in rest:
            np.testing.assert_allclose(
                getattr(Backend, name)(numpy, x, *args), getattr(numpy, name)(x, *args), rtol=1e-12
            )
    square = x[:, :, :4] + np.swapaxes(x[:, :, :4], 1, 2)
    for upper in (False, True):
        triangle = np.triu(square) if upper else np.tril(square)
        for w, v in (Backend.eigh(numpy, triangle, upper), numpy.eigh(triangle, upper)):
            np.testing.assert_allclose((v * w[:, None]) @ np.swapaxes(v, 1, 2), square, atol=1e-12)


def test_a_recurrence_whose_products_overflow_is_still_right():
    """Blocks of it have infinite products, though no element is infinite."""
    from tinygrad_edu import backends

    numpy = backends.of(np.zeros(1))
    a, b = np.full(400, 1e300), np.zeros(400)
    a[200:], b[200] = 0.5, 1.0
    np.testing.assert_array_equal(numpy.linear_recurrence(a, b, 0)[:200], np.zeros(200))
    np.testing.assert_allclose(numpy.linear_recurrence(a, b, 0)[200:210], 0.5 ** np.arange(10))


@pytest.mark.parametrize("rows", [[-INF, -INF], [-INF, 2.0], [INF, 1.0], [NAN, 1.0]])
def test_rows_of_infinities(rows):
    x = np.array([rows, [0.5, -1.0]])
    compare(lambda m, x: m.logsumexp(x, 1), x, gradients=rows != [-INF, -INF])
    compare(lambda m, x: m.logcumsumexp(x, 1), x, gradients=False)


def test_a_log_sum_of_nothing_has_no_gradient():
    """All elements are -inf, as in a row of attention that is masked away: 0, where PyTorch has NaN."""
    x = tg.full((2, 3), -INF, dtype=tg.float64, requires_grad=True)
    out = x.logsumexp(1)
    out.sum().backward()
    assert out.tolist() == [-INF, -INF] and x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_an_empty_start_of_a_log_sum_has_no_gradient():
    x = tg.tensor([-INF, -INF, 1.0, 2.0], dtype=tg.float64, requires_grad=True)
    tg.logcumsumexp(x, 0)[2:].sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, 1 + 1 / (1 + math.e), math.e / (1 + math.e)], rtol=1e-12)


def test_half_precision_accumulates_in_single():
    x = np.full(3000, 1.001, dtype=np.float16)
    for name in ("sum", "mean", "var", "norm", "logsumexp"):
        compare(lambda m, x, name=name: getattr(m, name)(x, dim=0), x)
    compare(lambda m, x: m.cumsum(x, 0), x)
    assert tg.full((300,), 300.0, dtype=tg.float16).norm().item() == pytest.approx(300 * math.sqrt(300), rel=1e-3)


@pytest.mark.parametrize("n", [10, 1000])
@pytest.mark.parametrize("k", [0, 1, 5])
def test_topk_and_kthvalue_agree_with_pytorch(n, k):
    order = np.random.default_rng(0).permutation(3 * n).reshape(3, n)
    x = np.where(order == order[0, 3], NAN, order / 4)
    for a in (x, x.T.copy(), order):
        dim = int(np.argmax(a.shape))
        for largest in (True, False):
            compare(lambda m, x, largest=largest, dim=dim: m.topk(x, k, dim, largest), a)
        if k:
            compare(lambda m, x, dim=dim: x.kthvalue(k, dim, True), a)


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8", "bool"])
def test_closeness_agrees_with_pytorch(dtype):
    x = np.array([0, 1, 3, 200, 1]).astype(dtype)
    y = np.array([0, 2, 3, 199, 0]).astype(dtype)
    for tolerances in ((1e-5, 1e-8, False), (0.5, 0, False), (0.0, 1.0, True)):
        compare(lambda m, x, y, t=tolerances: m.isclose(x, y, *t), x, y, gradients=False)
    assert tg.allclose(tg.tensor([NAN]), tg.tensor([NAN]), equal_nan=True)
    assert tg.equal(tg.from_numpy(x), tg.from_numpy(x)) and not tg.equal(tg.from_numpy(x), tg.from_numpy(y))


def test_special_values_of_closeness():
    x, y = np.array([INF, INF, NAN, -INF, 1.0]), np.array([INF, -INF, NAN, 1.0, INF])
    for equal_nan in (False, True):
        compare(lambda m, x, y, e=equal_nan: m.isclose(x, y, equal_nan=e), x, y, gradients=False)


def test_in_place_running_reductions():
    for name in ("cumsum_", "cumprod_"):
        compare(lambda m, x, name=name: getattr(x * 1, name)(0), np.array([2.0, 0.0, 3.0, -1.0]))


def test_the_gradient_of_a_product_that_overflows_or_underflows():
    """The product is infinite or 0, though the products of the other factors are neither."""
    for factors, expected in (([1e200, 1e200, 1e-200], [1.0, 1.0, INF]), ([1e-200, 1e-200, 1e200], [1.0, 1.0, 0.0])):
        x = tg.tensor(factors, dtype=tg.float64, requires_grad=True)
        x.prod().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


def test_kth_places_agree_with_sorting():
    from tinygrad_edu import backends
    from tinygrad_edu.backends.base import Backend

    x = np.random.default_rng(0).permutation(60).reshape(3, 4, 5) / 4
    numpy = backends.of(x)
    for axis in range(3):
        for k in range(x.shape[axis]):
            np.testing.assert_array_equal(numpy.kth_place(x, k, axis), Backend.kth_place(numpy, x, k, axis))
