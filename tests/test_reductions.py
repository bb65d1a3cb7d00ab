"""Reductions, running reductions, norms and sorting beside PyTorch: values, types, shapes, errors, gradients and ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import compare

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
    "norm": (lambda m, x, d, k: m.norm(x, dim=d, keepdim=k), ALL),
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
    """Other numbers in the same array, all different: which of equal ones is meant is not PyTorch's promise."""
    order = np.argsort(np.argsort(x.astype("float64").ravel(), kind="stable")).reshape(x.shape)
    return np.where(np.isnan(x), x, order / 4).astype(x.dtype)


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
NO_SPECIAL |= {"cumprod", "prod", "trapezoid", "cumulative_trapezoid"}


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
    compare(lambda m, x: call(m, x, dim, keepdim), x)


@pytest.mark.parametrize("name", ALONG)
@settings(max_examples=15)
@given(data=st.data())
def test_operations_along_a_dimension_agree_with_pytorch(name, data):
    call, dtypes = ALONG[name]
    x = data.draw(arrays(dtypes, special=name not in NO_SPECIAL))
    dim = data.draw(dims(x.ndim, False).filter(lambda d: d is not None))
    compare(lambda m, x: call(m, x, dim), x)
