"""Searching and counting."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import bad, index, zeros
from tinygrad_edu.testing.strategies import integers, separated, shapes, tensors


def _unique(x: Any, consecutive: bool) -> Any:
    flat = x.reshape(-1)
    return flat[np.r_[True, flat[1:] != flat[:-1]]] if consecutive and flat.size else np.unique(flat)


@st.composite
def _sorted_and_values(draw: Any) -> Any:
    rows = draw(st.sampled_from([(), (2,)]))
    sequence = draw(tensors((*rows, draw(st.integers(1, 4)))))
    ordered = tg.tensor(np.sort(sequence.numpy(), -1))
    return ordered, draw(tensors((*rows, draw(st.integers(1, 3)))))


def _positions(sequence: Any, values: Any) -> Any:
    return np.sum(sequence[..., None, :] < values[..., :, None], -1)


def _constant(name: str, function: Any, inputs: Any, reference: Any, **more: Any) -> OpSpec:
    return OpSpec(name, function, inputs, reference, differentiable=False, **more)


def _few(low: int, high: int, min_dims: int = 0, max_dims: int = 2) -> Any:
    """Integer tensors of a few values."""
    return shapes(min_dims, max_dims).flatmap(lambda shape: integers(shape, low, high))


SEARCHING = [
    _constant("nonzero", tg.nonzero, _few(-1, 2), lambda x: np.argwhere(x), methods="nonzero", torch="nonzero"),
    _constant("argwhere", tg.argwhere, _few(-1, 2), np.argwhere, methods="argwhere", torch="argwhere"),
    _constant(
        "searchsorted",
        tg.searchsorted,
        _sorted_and_values(),
        _positions,
        torch="searchsorted",
        errors=bad(ValueError, "differ in rows", zeros(2, 3), zeros(3, 1)),
    ),
    _constant(
        "bucketize",
        tg.bucketize,
        _sorted_and_values().filter(lambda c: c[0].dim() == 1).map(lambda c: c[::-1]),
        lambda values, sequence: _positions(sequence, values),
        torch="bucketize",
        errors=bad(ValueError, "one dimension", zeros(2), zeros(2, 2)),
    ),
    _constant(
        "isin",
        tg.isin,
        st.tuples(_few(-2, 3), _few(-2, 3)),
        np.isin,
        torch="isin",
        errors=bad(TypeError, "must be a Tensor", 1, 2),
    ),
    _constant(
        "bincount",
        tg.bincount,
        _few(0, 4, 1, 1),
        np.bincount,
        methods="bincount",
        torch="bincount",
        errors=bad(ValueError, "must not be negative, got -1", index(-1)),
    ),
    OpSpec(
        "bincount (weights)",
        lambda w, i: tg.bincount(i, w),
        tensors((3,)).flatmap(lambda w: st.tuples(st.just(w), integers((3,), 0, 4))),
        lambda w, i: np.bincount(i, w),
    ),
    _constant(
        "histc",
        tg.histc,
        tensors(shapes(1, 2)).flatmap(lambda x: st.tuples(st.just(x), st.integers(1, 4), st.just(-3.0), st.just(3.0))),
        lambda x, n, low, high: np.histogram(x, n, (low, high))[0],
        methods="histc",
        torch="histc",
        dtypes="float64 float32",
        errors=bad(ValueError, "at least one bin", zeros(2), 0),
    ),
    _constant(
        "F.one_hot",
        F.one_hot,
        _few(0, 3).map(lambda x: (x, 4)),
        lambda x, n: np.eye(n)[x],
        torch="nn.functional.one_hot",
        errors=bad(IndexError, "class 3 is out of range", index(3), 3),
    ),
    OpSpec(
        "unique",
        tg.unique,
        separated(),
        lambda x: _unique(x, False),
        methods="unique",
        notes="Among equal elements the first one gets the gradient.",
        errors=bad(IndexError, "out of range", zeros(2), True, False, False, 3),
    ),
    OpSpec(
        "unique_consecutive",
        tg.unique_consecutive,
        separated(),
        lambda x: _unique(x, True),
        methods="unique_consecutive",
        errors=bad(IndexError, "out of range", zeros(2), False, False, 3),
    ),
]

SPECS = SEARCHING
