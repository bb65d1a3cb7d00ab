"""Sums, products, variances, extremes, running reductions and norms."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

NAN, INF = math.nan, math.inf
Strategy = st.SearchStrategy[Any]


# Arguments -----------------------------------------------------------------------------------------------------------


@st.composite
def over(draw: Any, tensor: Strategy, several: bool = True) -> tuple[Any, ...]:
    """A tensor, what to reduce, and keepdim."""
    x, dim = draw(some.with_axes(tensor) if several else some.with_axis(tensor, allow_none=True))
    return x, dim, draw(st.booleans())


@st.composite
def tied(draw: Any, min_dims: int = 0) -> Tensor:
    """Tensors in which many elements are equal, and many are 0."""
    shape = draw(some.shapes(min_dims))
    return draw(some.integers(shape, -1, 2)).double()


_ANY = some.tensors()
APART = some.separated(min_dims=0)
WIDE = some.shapes(1, 3, 2).flatmap(lambda s: some.separated(s))  # two elements at least along every dimension
_ZEROS = some.shapes().map(lambda s: tg.zeros(s, dtype=tg.float64))
NOWHERE = (Bad(lambda: (tg.zeros(2, 3), 2), IndexError, "dim 2 is out of range"),)
_NOTHING = (*NOWHERE, Bad(lambda: (tg.zeros(2, 0), 1), IndexError, "there is no extreme of nothing"))
_INTEGERS = (*NOWHERE, Bad(lambda: (tg.ones(2, dtype=tg.int64),), TypeError, "expected a floating-point tensor"))


def reduction(name: str, inputs: Strategy, reference: Callable[..., Any], **rest: Any) -> OpSpec:
    """A function whose method has the same name, and whose PyTorch counterpart too."""
    rest.setdefault("methods", name if hasattr(Tensor, name) else "")
    return OpSpec(name, getattr(tg, name), inputs, reference, **{"errors": NOWHERE, "torch": name} | rest)


def _quiet(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that doesn't warn where there is nothing to reduce."""

    @functools.wraps(reference)
    def call(*args: Any) -> Any:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return reference(*args)

    return call


def _numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of NumPy with our arguments."""
    return _quiet(lambda x, dim=None, keepdim=False: function(x, axis=dim, keepdims=keepdim))


# Sums, products, variances -------------------------------------------------------------------------------------------


@_quiet
def _logsumexp(x: Any, dim: Any, keepdim: bool) -> Any:
    return np.log(np.sum(np.exp(x), axis=dim, keepdims=keepdim))


@st.composite
def _spread_arguments(draw: Any) -> tuple[Any, ...]:
    """A tensor, what to reduce, unbiased, and keepdim."""
    x, dim, keepdim = draw(over(WIDE))
    return x, dim, draw(st.booleans()), keepdim


@_quiet
def _var(x: Any, dim: Any, unbiased: bool, keepdim: bool) -> Any:
    return np.var(x, axis=dim, ddof=int(unbiased), keepdims=keepdim)


def _std(*args: Any) -> Any:
    return np.sqrt(_var(*args))


@_quiet
def _mean(x: Any, dim: Any, unbiased: bool, keepdim: bool) -> Any:
    return np.mean(x, axis=dim, keepdims=keepdim)


_CONSTANT = _spread_arguments().map(lambda a: (tg.full(tuple(a[0].shape), 0.5, dtype=tg.float64), *a[1:]))

SUMS = [
    reduction("sum", over(_ANY), _numpy(np.sum)),
    reduction("nansum", over(_ANY), _numpy(np.nansum)),
    reduction("mean", over(_ANY), _numpy(np.mean), errors=_INTEGERS, dtypes="float64 float32"),
    reduction("nanmean", over(_ANY), _numpy(np.nanmean), errors=_INTEGERS, dtypes="float64 float32"),
    reduction(
        "prod",
        over(_ANY, several=False).map(lambda a: (*a[:2], a[2] and a[1] is not None)),
        _numpy(np.prod),
        order=3,
        torch=lambda m, x, d, k: m.prod(x) if d is None else m.prod(x, d, k),
        notes="right where factors are zero",
    ),
    reduction("var", _spread_arguments(), _var, order=3, errors=_INTEGERS, dtypes="float64 float32"),
    reduction(
        "std",
        _spread_arguments(),
        _std,
        order=3,
        kinks=_CONSTANT,
        errors=_INTEGERS,
        dtypes="float64 float32",
        notes="the gradient is 0 where all elements are equal",
    ),
    reduction("var_mean", _spread_arguments(), lambda *a: (_var(*a), _mean(*a)), dtypes="float64 float32"),
    reduction("std_mean", _spread_arguments(), lambda *a: (_std(*a), _mean(*a)), dtypes="float64 float32"),
    reduction("logsumexp", over(some.tensors(min_dims=1)).filter(lambda a: a[1] is not None), _logsumexp, order=3),
    reduction("any", over(tied()), _numpy(lambda x, **k: np.any(x != 0, **k)), differentiable=False),
    reduction("all", over(tied()), _numpy(lambda x, **k: np.all(x != 0, **k)), differentiable=False),
    reduction(
        "count_nonzero", some.with_axes(tied()), lambda x, dim: np.count_nonzero(x, axis=dim), differentiable=False
    ),
    reduction("equal", st.tuples(tied(), tied()), np.array_equal, differentiable=False, errors=()),
    reduction(
        "isclose",
        some.broadcastable(),
        np.isclose,
        differentiable=False,
        errors=(Bad(lambda: (tg.ones(1), tg.ones(1, dtype=tg.int64)), TypeError, "the types"),),
    ),
    reduction(
        "allclose",
        some.broadcastable(),
        np.allclose,
        differentiable=False,
        errors=(Bad(lambda: (tg.ones(1), tg.ones(1), -1.0), ValueError, "must not be negative"),),
    ),
]


# Extremes ------------------------------------------------------------------------------------------------------------


def _along(function: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
    """Values and the first places of extremes along a dimension."""

    def reference(x: Any, dim: int, keepdim: bool) -> Any:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        return function(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)

    return reference


def _place(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim: function(
        x.reshape(-1) if not x.ndim else x, axis=dim if x.ndim else 0, keepdims=keepdim and x.ndim > 0
    )


def some_dim(arguments: Strategy) -> Strategy:
    return arguments.filter(lambda a: a[1] is not None)


TIES = "elements that tie share the gradient evenly"
_FIRST = "the first of several equal elements is named, and gets the whole gradient"
_EMPTY = (Bad(lambda: (tg.zeros(0),), ValueError, "there is no extreme of nothing"),)
_ONE_APART = some_dim(over(APART, several=False))
_ONE_TIED = some_dim(over(tied(), several=False))


def _torch_extreme(name: str) -> Callable[..., Any]:
    return lambda m, x, d, k: getattr(m, name)(x, () if d is None else d, k)


EXTREMES = [
    *(
        OpSpec(
            name,
            getattr(tg, name),
            over(APART),
            _numpy(f),
            kinks=over(tied()),
            errors=_NOTHING,
            notes=TIES,
            methods=name,
            torch=_torch_extreme(name),
        )
        for name, f in (("amax", np.max), ("amin", np.min))
    ),
    *(
        OpSpec(name, getattr(tg, name), APART, f, kinks=tied(), errors=_EMPTY, notes=TIES, methods=name, torch=name)
        for name, f in (("max", np.max), ("min", np.min))
    ),
    *(
        OpSpec(
            f"{name} (along a dimension)",
            getattr(tg, name),
            _ONE_APART,
            _along(f, g),
            kinks=_ONE_TIED,
            errors=_NOTHING,
            notes=_FIRST,
            methods=name,
            torch=name,
        )
        for name, f, g in (("max", np.max, np.argmax), ("min", np.min, np.argmin))
    ),
    *(
        OpSpec(
            f"{name} (of two)",
            getattr(tg, name),
            some.broadcastable().map(lambda p: (p[0], p[1] + 1 / 64)),
            f,
            notes=TIES,
            methods=name,
            torch=name,
        )
        for name, f in (("max", np.maximum), ("min", np.minimum))
    ),
    OpSpec(
        "aminmax",
        lambda x, d, k: tg.aminmax(x, dim=d, keepdim=k),
        over(APART, several=False),
        lambda x, d, k: (np.min(x, axis=d, keepdims=k), np.max(x, axis=d, keepdims=k)),
        kinks=over(tied(), several=False),
        notes=TIES,
        torch=lambda m, x, d, k: m.aminmax(x, dim=d, keepdim=k),
    ),
    *(
        OpSpec(
            name,
            getattr(tg, name),
            over(tied(), several=False),
            _place(f),
            differentiable=False,
            errors=_NOTHING,
            methods=name,
            torch=name,
            notes="the first of several equal elements",
        )
        for name, f in (("argmax", np.argmax), ("argmin", np.argmin))
    ),
]


# Running reductions --------------------------------------------------------------------------------------------------


def _logcumsumexp(x: Any, dim: int) -> Any:
    return np.log(np.cumsum(np.exp(x), axis=dim)) if x.ndim else x


def _running(function: Any, later: Callable[..., Any]) -> Callable[..., Any]:
    """Values and last places of running extremes."""

    def reference(x: Any, dim: int) -> Any:
        if not x.ndim:
            return x, np.zeros((), np.int64)
        x = np.moveaxis(x, dim, 0)
        places = np.zeros(x.shape, np.int64)
        for k in range(1, len(x)):
            best = np.take_along_axis(x, places[k - 1][None], 0)[0]
            places[k] = np.where(later(x[k], best), k, places[k - 1])
        return np.moveaxis(function.accumulate(x, 0), 0, dim), np.moveaxis(places, 0, dim)

    return reference


def _cumulated(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim: function(x, axis=dim) if x.ndim else x


_AXIS = some.with_axis(_ANY)
_LAST = "the last of several equal elements is named, and gets the whole gradient"

SCANS = [
    reduction("cumsum", _AXIS, _cumulated(np.cumsum), inplace="cumsum_"),
    reduction(
        "cumprod",
        _AXIS,
        _cumulated(np.cumprod),
        order=3,
        inplace="cumprod_",
        notes="linear time; right where factors are zero",
    ),
    reduction("logcumsumexp", _AXIS, _logcumsumexp, order=3),
    reduction(
        "cummax",
        some.with_axis(APART),
        _running(np.maximum, np.greater_equal),
        kinks=some.with_axis(tied()),
        notes=_LAST,
    ),
    reduction(
        "cummin", some.with_axis(APART), _running(np.minimum, np.less_equal), kinks=some.with_axis(tied()), notes=_LAST
    ),
]


# Norms ---------------------------------------------------------------------------------------------------------------


@_quiet
def _norm(x: Any, p: Any, dim: Any = None, keepdim: bool = False) -> Any:
    size = np.abs(x)
    if p in (INF, -INF):
        return (np.max if p > 0 else np.min)(size, axis=dim, keepdims=keepdim)
    if p == 0:
        return np.sum(size != 0, axis=dim, keepdims=keepdim, dtype=x.dtype)
    return np.sum(size**p, axis=dim, keepdims=keepdim) ** (1 / p)


def _norm_spec(p: float, **rest: Any) -> OpSpec:
    tensor = APART if math.isinf(p) else some.tensors_away_from([0.0])
    inputs = over(tensor).map(lambda a: (a[0], p, *a[1:]))
    kinked: Strategy | None = over(_ZEROS).map(lambda a: (a[0], p, *a[1:]))
    if p < 1 or p == INF:
        kinked = None
    name = "norm" if p == 2 else f"norm (p={p:g})"
    return OpSpec(
        name,
        tg.norm,
        inputs,
        _norm,
        kinks=kinked,
        methods="norm",
        torch=lambda m, x, *a: m.linalg.vector_norm(x, *a),
        dtypes="float64 float32",
        **rest,
    )


NORMS = [
    _norm_spec(
        2,
        order=3,
        errors=(
            Bad(lambda: (tg.ones(2), "x"), ValueError, "norm: p must be"),
            Bad(lambda: (tg.ones(2, dtype=tg.int64),), TypeError, "floating-point"),
        ),
        notes="the gradient at 0 is 0",
    ),
    *(_norm_spec(p) for p in (0, 0.5, 1, 1.5, 3, -1, INF, -INF)),
    OpSpec(
        "dist",
        tg.dist,
        some.broadcastable().map(lambda p: (p[0], p[1] + 1 / 64)),
        lambda x, y: _norm(x - y, 2),
        methods="dist",
        torch="dist",
        dtypes="float64 float32",
    ),
]


ORDER = 3

SPECS = [*SUMS, *EXTREMES, *SCANS, *NORMS]
