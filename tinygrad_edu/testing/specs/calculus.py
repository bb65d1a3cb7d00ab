"""Differences, slopes and areas of a function that is known at some places."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._drawing import bad, zeros


@st.composite
def _differences(draw: Any) -> tuple[Any, ...]:
    """A tensor, an order and a dimension."""
    x, dim = draw(some.with_axis(some.tensors(min_dims=1)))
    return x, draw(st.integers(0, 2)), dim


def _strips(y: Any, d: int) -> Any:
    """The running sum of the areas of strips."""
    return np.cumsum((np.delete(y, 0, d) + np.delete(y, -1, d)) / 2, axis=d) if y.size else np.diff(y, axis=d)


@st.composite
def _samples(draw: Any) -> tuple[Any, ...]:
    """A function on a grid, the distance of its places, a dimension, and the degree at the ends."""
    shape = draw(some.shapes(1, 2, 3, 5))
    axis = draw(st.integers(0, len(shape) - 1))
    return draw(some.tensors(shape)), draw(st.sampled_from([1, 2, 0.25, -0.5])), axis, draw(st.integers(1, 2))


@st.composite
def _places(draw: Any) -> tuple[Any, ...]:
    """A function at uneven places along its last dimension, and the degree at the ends."""
    n = draw(st.integers(3, 5))
    gaps = draw(some.tensors((n,), 0.5, 2))
    shape = (*draw(some.shapes(0, 1, 1, 2)), n)
    return draw(some.tensors(shape)), gaps.cumsum(0), draw(st.integers(1, 2))


_LINE = some.with_axis(some.tensors(min_dims=1))

ORDER = 3

SPECS = [
    OpSpec(
        "diff",
        tg.diff,
        _differences(),
        lambda x, n, dim: np.diff(x, n, axis=dim),
        methods="diff",
        torch="diff",
        errors=(Bad(lambda: (tg.ones(2), -1), ValueError, "must not be negative"),),
    ),
    OpSpec(
        "trapezoid",
        lambda y, d: tg.trapezoid(y, dx=0.5, dim=d),
        _LINE,
        lambda y, d: np.trapezoid(y, dx=0.5, axis=d),
        torch=lambda m, y, d: m.trapezoid(y, dx=0.5, dim=d),
    ),
    OpSpec(
        "trapezoid (at points)",
        tg.trapezoid,
        some.tensors((3,)).flatmap(lambda x: st.tuples(some.tensors((2, 3)), st.just(x))),
        np.trapezoid,
        torch="trapezoid",
    ),
    OpSpec(
        "cumulative_trapezoid",
        lambda y, d: tg.cumulative_trapezoid(y, dim=d),
        _LINE,
        _strips,
        torch=lambda m, y, d: m.cumulative_trapezoid(y, dim=d),
    ),
    OpSpec(
        "gradient",
        lambda x, step, dim, order: tg.gradient(x, spacing=step, dim=dim, edge_order=order)[0],
        _samples(),
        lambda x, step, dim, order: np.gradient(x, step, axis=dim, edge_order=order),
        torch=lambda m, x, step, dim, order: m.gradient(x, spacing=step, dim=dim, edge_order=order)[0],
        errors=(
            *bad(ValueError, "gradient: edge_order must be 1 or 2", zeros(4), 1, 0, 3),
            *bad(ValueError, "gradient: edge_order 2 takes more than 2 samples", zeros(2), 1, 0, 2),
            *bad(TypeError, "gradient: a spacing must be", zeros(4), "wide", 0, 1),
        ),
    ),
    OpSpec(
        "gradient (at places)",
        lambda x, where, order: tg.gradient(x, spacing=[where], dim=-1, edge_order=order)[0],
        _places(),
        lambda x, where, order: np.gradient(x, where, axis=-1, edge_order=order),
        rtol=1e-10,
        torch=lambda m, x, where, order: m.gradient(x, spacing=[where], dim=-1, edge_order=order)[0],
        errors=bad(ValueError, "gradient: places of shape", zeros(2, 4), zeros(3), 1),
    ),
]
