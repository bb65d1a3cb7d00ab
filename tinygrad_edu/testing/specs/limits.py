"""The larger, the smaller, and what lies between two bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing.spec import Bad
from tinygrad_edu.testing.specs._elementwise import at, away, binary, distinct, slopes, spec, ties, unary

_BOUNDS = st.sampled_from([(-1, 2), (-1.0, 2.0), (None, 2), (-1.0, None)])
_SHARED = "at ties each side gets half the gradient"
_FIRST = "at ties the gradient goes to the first"


def _clip(x: Any, low: Any, high: Any) -> Any:
    x = x if low is None else np.where(x < low, low, x)
    return x if high is None else np.where(x > high, high, x)


def _share(x: Any, y: Any) -> Any:
    """The share of the gradient that the larger of two gets."""
    return (x > y) + 0.5 * (x == y)


def _passes(x: Any, low: Any, high: Any) -> Any:
    """Whether x lies inside the limits or on them."""
    return (True if low is None else x >= low) & (True if high is None else x <= high)


def _with_bounds(tensors: Any) -> Any:
    return st.tuples(tensors, _BOUNDS).map(lambda c: (c[0], *c[1]))


SPECS = [
    binary(
        "maximum",
        np.maximum,
        distinct(),
        order=2,
        kinks=ties(),
        convention=slopes(_share, lambda x, y: _share(y, x)),
        notes=_SHARED,
    ),
    binary(
        "minimum",
        np.minimum,
        distinct(),
        order=2,
        kinks=ties(),
        convention=slopes(lambda x, y: _share(y, x), _share),
        notes=_SHARED,
    ),
    binary(
        "fmax", np.fmax, distinct(), order=2, kinks=ties(), convention=slopes(np.greater_equal, np.less), notes=_FIRST
    ),
    binary(
        "fmin", np.fmin, distinct(), order=2, kinks=ties(), convention=slopes(np.less_equal, np.greater), notes=_FIRST
    ),
    spec(
        "clamp",
        _clip,
        _with_bounds(away(-1.0, 2.0)),
        kinks=_with_bounds(at(-1.0, 2.0)),
        convention=slopes(_passes),
        notes="the gradient passes at the limits",
        errors=(
            Bad(lambda: (tg.ones(1),), ValueError, "give min, max or both"),
            Bad(lambda: (tg.ones(1), tg.ones(1), 2), TypeError, "both"),
        ),
    ),
    spec(
        "clamp (tensors)",
        _clip,
        distinct(3),
        kinks=ties(3),
        convention=slopes(
            lambda x, low, high: _passes(x, low, high) & (low < high),
            lambda x, low, high: (x < low) & (low < high),
            lambda x, low, high: (x > high) | (low >= high),
        ),
        torch="",
        notes="where the limits meet or cross, all of the gradient goes to max",
    ),
    spec(
        "clamp (crossed limits)",
        lambda x, low, high: np.full_like(x, high),
        st.tuples(away(1.0, 2.0), st.just(2.0), st.just(1.0)),
    ),
    spec(
        "clamp_min",
        lambda x, low: _clip(x, low, None),
        distinct(),
        kinks=ties(),
        convention=slopes(np.greater_equal, np.less),
    ),
    spec(
        "clamp_max",
        lambda x, high: _clip(x, None, high),
        distinct(),
        kinks=ties(),
        convention=slopes(np.less_equal, np.greater),
    ),
    unary("nan_to_num", np.nan_to_num, order=2),
    spec(
        "nan_to_num (numbers)",
        lambda x, a, b, c: np.nan_to_num(x, nan=a, posinf=b, neginf=c),
        st.tuples(at(float("nan"), float("inf"), float("-inf")), st.just(1.5), st.just(2), st.just(-3.0)),
        differentiable=False,
    ),
]
