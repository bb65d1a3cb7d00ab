"""Sorting, the k-th element, medians, quantiles, the commonest element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs.reductions import APART, NOWHERE, TIES, WIDE, Strategy, over, reduction, some_dim, tied


@st.composite
def _pairs(draw: Any) -> Tensor:
    """Tensors of pairs of equal elements; between three of them a gradient need not lie between the one-sided slopes."""
    shape = draw(some.shapes(1, 2))
    order = draw(st.permutations(range(math.prod(shape))))
    return tg.tensor([k // 2 for k in order], dtype=tg.float64).reshape(shape)


@st.composite
def _ordering(draw: Any, tensor: Strategy) -> tuple[Any, ...]:
    """A tensor, a dimension and whether to sort downwards."""
    return *draw(some.with_axis(tensor)), draw(st.booleans())


@st.composite
def _choice(draw: Any, first: int) -> tuple[Any, ...]:
    """A tensor, how many or which element, and a dimension."""
    x, dim = draw(some.with_axis(WIDE))
    return x, draw(st.integers(first, x.shape[dim])), dim


def _argsort(x: Any, dim: int, down: bool = False) -> Any:
    return np.argsort(-x if down else x, axis=dim, kind="stable") if x.ndim else np.zeros((), np.int64)


def _sort(x: Any, dim: int, down: bool = False) -> Any:
    order = _argsort(x, dim, down)
    return (np.take_along_axis(x, order, dim) if x.ndim else x), order


def _topk(x: Any, k: int, dim: int) -> Any:
    return tuple(np.take(v, np.arange(k), axis=dim) for v in _sort(x, dim, True))


def _kthvalue(x: Any, k: int, dim: int) -> Any:
    return tuple(np.take(v, k - 1, axis=dim) for v in _sort(x, dim))


def _median(x: Any) -> Any:
    return np.sort(x, axis=None)[(x.size - 1) // 2]


def _median_along(x: Any, dim: int, keepdim: bool) -> Any:
    if not x.ndim:
        return _sort(x, dim)
    middle = [(x.shape[dim] - 1) // 2]
    return tuple(np.take(v, middle if keepdim else middle[0], axis=dim) for v in _sort(x, dim))


@st.composite
def _quantiles(draw: Any) -> tuple[Any, ...]:
    """A tensor, quantiles that are no elements, and a dimension."""
    x, dim = draw(some.with_axis(some.shapes(1, 2, 2).flatmap(lambda s: some.separated(s)), allow_none=True))
    q = draw(st.sampled_from([0.382, 0.618]))
    return x, tg.tensor([q, 1 - q / 2], dtype=tg.float64), dim


def _mode(x: Any, dim: int) -> Any:
    if not x.ndim:
        return x

    def commonest(row: Any) -> Any:
        values, counts = np.unique(row, return_counts=True)
        return values[np.argmax(counts)]

    return np.apply_along_axis(commonest, dim, x)


_OUTSIDE = (Bad(lambda: (tg.ones(2), 1.5), ValueError, "q must lie between 0 and 1"),)

SPECS = [
    reduction(
        "argsort",
        _ordering(tied()),
        _argsort,
        differentiable=False,
        torch=lambda m, x, d, down: m.argsort(x, dim=d, descending=down, stable=True),
    ),
    reduction(
        "sort",
        _ordering(APART),
        _sort,
        kinks=_ordering(_pairs()),
        torch=lambda m, x, d, down: m.sort(x, dim=d, descending=down, stable=True),
        notes="stable",
    ),
    reduction("msort", some.separated(), lambda x: np.sort(x, axis=0), errors=()),
    reduction(
        "topk", _choice(0), _topk, errors=(Bad(lambda: (tg.ones(2), 3), ValueError, "topk: k = 3 is out of range"),)
    ),
    reduction(
        "kthvalue",
        _choice(1),
        _kthvalue,
        errors=(Bad(lambda: (tg.ones(2), 3), ValueError, "kthvalue: k = 3 is out of range"),),
    ),
    reduction("median", APART, _median, kinks=_pairs(), notes=f"the lower of two; {TIES}"),
    OpSpec(
        "median (along a dimension)",
        tg.median,
        some_dim(over(APART, several=False)),
        _median_along,
        errors=NOWHERE,
        methods="median",
        torch="median",
    ),
    reduction("nanmedian", APART, _median, kinks=_pairs(), notes=TIES),
    OpSpec(
        "mode",
        lambda x, d: tg.mode(x, d).values,
        some.with_axis(tied()),
        _mode,
        differentiable=False,
        errors=NOWHERE,
        torch=lambda m, x, d: m.mode(x, d).values,
    ),
    *(
        reduction(
            name, _quantiles(), lambda x, q, dim: np.quantile(x, q, axis=dim), errors=_OUTSIDE, dtypes="float64 float32"
        )
        for name in ("quantile", "nanquantile")
    ),
]
