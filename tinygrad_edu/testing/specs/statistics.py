"""Covariances, correlations, distances and histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._drawing import bad, zeros
from tinygrad_edu.testing.specs.products import FLOATS, product

_BASE = np.array([[0.0, 1.0, 3.0, 2.0], [2.0, 0.5, 1.0, -1.0], [1.0, 1.0, 0.0, 4.0]])


@st.composite
def _variables(draw: Any) -> Any:
    """Variables that vary, none of them with another alone."""
    rows = draw(st.integers(1, 3))
    return draw(some.tensors((rows, 4), -0.25, 0.25)) + tg.tensor(_BASE[:rows])


@st.composite
def _weighted(draw: Any) -> tuple[Any, ...]:
    x = draw(some.tensors(some.shapes(1, 2)))
    n = x.shape[-1]
    often = draw(st.none() | some.integers((n,), 1, 4))
    much = draw(st.none() | some.tensors((n,), 0.5, 2.0))
    return x, draw(st.integers(0, 0)), often, much


def _cov(library: Any, x: Any, correction: int, often: Any, much: Any) -> Any:
    """With factors of 1, since PyTorch writes to leaves here and then refuses its own write."""
    return library.cov(x * 1, correction=correction, fweights=often, aweights=None if much is None else much * 1)


@st.composite
def _two_sets(draw: Any) -> tuple[Any, ...]:
    """Points of two sets that lie apart in every coordinate."""
    m, lead = draw(st.integers(1, 3)), draw(some.shapes(0, 1))
    sets = [draw(some.tensors((*lead, draw(st.integers(1, 3)), m), low, high)) for low, high in ((-2, -0.5), (0.5, 2))]
    return *sets, draw(st.sampled_from([1.0, 2.0, 3.0]))


def _cdist(a: Any, b: Any, p: float) -> Any:
    return (np.abs(a[..., :, None, :] - b[..., None, :, :]) ** p).sum(-1) ** (1 / p)


@st.composite
def _renormed(draw: Any) -> tuple[Any, ...]:
    """Slices whose norms keep away from the limit 1, where there is a kink."""
    x = draw(some.tensors((2, 3), 0.5, 1.5))
    scale = np.array([[0.125], [2.0]]) if draw(st.booleans()) else np.full((2, 1), draw(st.sampled_from([0.125, 2.0])))
    return x * tg.tensor(scale), draw(st.sampled_from([1.0, 2.0])), 0, 1.0


def _renorm(x: Any, p: float, dim: int, limit: float) -> Any:
    size = (np.abs(x) ** p).sum(1, keepdims=True) ** (1 / p)
    return x * np.where(size > limit, limit / (size + 1e-7), 1)


@st.composite
def _counted(draw: Any) -> tuple[Any, ...]:
    x = draw(some.tensors())
    weight = draw(st.none() | some.tensors(tuple(x.shape), 0.5, 2.0))
    if draw(st.booleans()):
        return x, draw(st.integers(1, 4)), (-4.5, 4.5), weight, draw(st.booleans())
    return x, tg.tensor([-4.5, -1.0, 0.0, 2.5, 4.5], dtype=tg.float64), None, weight, draw(st.booleans())


def _histogram(library: Any, x: Any, bins: Any, limits: Any, weight: Any, density: bool) -> tuple[Any, ...]:
    more = {} if limits is None else {"range": limits}
    return tuple(library.histogram(x, bins, weight=weight, density=density, **more))


ORDER = 3


def _flat(found: Any) -> tuple[Any, ...]:
    """The counts and the edges of each dimension, as one tuple."""
    return found[0], *found[1]


def _histogramdd(module: Any, x: Any, bins: Any, limits: Any, weight: Any, density: bool) -> tuple[Any, ...]:
    return _flat(module.histogramdd(x, bins, range=limits, weight=weight, density=density))


@st.composite
def _points(draw: Any) -> tuple[Any, ...]:
    """Points of two coordinates, bins, limits, weights, and whether the integral shall be 1."""
    x = draw(some.tensors((draw(st.integers(2, 6)), 2)))
    limits = draw(st.none() | st.just((-2.0, 3.0, -4.0, 4.0)))
    weight = draw(st.none() | some.tensors((len(x),), 0.5, 2))
    bins = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return x, list(bins), limits, weight, weight is None and limits is None and draw(st.booleans())


SPECS = [
    OpSpec(
        "cov",
        lambda *args: _cov(tg, *args),
        _weighted(),
        lambda x, c, often, much: np.cov(x, ddof=c, fweights=often, aweights=much),
        torch=_cov,
        dtypes="float64",
        order=2,
        errors=(
            Bad(lambda: (tg.zeros(2, 2, 2), 1, None, None), ValueError, "cov: expected at most two"),
            Bad(lambda: (tg.zeros(2), 1, tg.tensor([1.0, 2.0]), None), ValueError, "fweights must be 2 integers"),
            Bad(lambda: (tg.zeros(2), 1, tg.tensor([1, -2]), None), ValueError, "not be negative"),
        ),
    ),
    product("corrcoef", _variables(), np.corrcoef, dtypes=FLOATS, domain="variables that vary"),
    OpSpec(
        "cdist",
        tg.cdist,
        _two_sets(),
        _cdist,
        torch="cdist",
        dtypes=FLOATS,
        errors=(
            *bad(ValueError, "cdist: x1 must be a matrix", zeros(2), zeros(2, 2)),
            *bad(ValueError, "equally many numbers", zeros(2, 3), zeros(2, 2)),
            Bad(lambda: (tg.ones(2, 2, dtype=tg.int64), tg.ones(2, 2)), TypeError, "cdist: expected a floating"),
        ),
        notes="the gradient is 0 where two points are one",
    ),
    OpSpec(
        "renorm",
        tg.renorm,
        _renormed(),
        _renorm,
        torch="renorm",
        methods="renorm",
        inplace="renorm_",
        dtypes=FLOATS,
        errors=bad(ValueError, "renorm: expected at least two", zeros(3), 2, 0, 1.0),
        domain="slices whose norm is not maxnorm itself",
    ),
    OpSpec(
        "histogram",
        lambda *args: _histogram(tg, *args),
        _counted(),
        lambda x, bins, limits, weight, density: np.histogram(
            x.reshape(-1), bins, limits, weights=None if weight is None else weight.reshape(-1), density=density
        ),
        torch=_histogram,
        differentiable=False,
        dtypes="float64",
        errors=(
            Bad(lambda: (tg.ones(2), 0, None, None, False), ValueError, "histogram: bins must be"),
            Bad(lambda: (tg.tensor([1, 2]), 2, None, None, False), TypeError, "histogram: expected a floating"),
            Bad(lambda: (tg.ones(2), 2, (1.0, float("inf")), None, False), ValueError, "not finite"),
        ),
    ),
    OpSpec(
        "histogramdd",
        lambda *args: _histogramdd(tg, *args),
        _points(),
        lambda x, bins, limits, weight, density: _flat(
            np.histogramdd(x, bins, limits and (limits[:2], limits[2:]), weights=weight, density=density)
        ),
        torch=_histogramdd,
        differentiable=False,
        dtypes="float64",
        errors=(
            Bad(lambda: (tg.ones(2, 2), [2], None, None, False), ValueError, "for each of 2 coordinates"),
            Bad(lambda: (tg.ones(2), 2, None, None, False), ValueError, "histogramdd: expected floating-point numbers"),
            Bad(lambda: (tg.ones(2, 1), [0], None, None, False), ValueError, "histogramdd: bins must be"),
        ),
    ),
]
