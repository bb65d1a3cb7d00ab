"""What the specs of losses share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
SHAPES = some.shapes(0, 2)
FLOATS = "float64 float32"
DIFFERENT = Bad(lambda: (tg.zeros(2), tg.zeros(3)), ValueError, r"\(2,\)")


def reduced(losses: Any, reduction: str) -> Any:
    """The reduction of losses in NumPy."""
    return losses if reduction == "none" else getattr(np, reduction)(losses)


@st.composite
def pairs(draw: Any, gap: float = 0.0, probabilities: bool = False) -> tuple[Any, ...]:
    """Input and target of one shape, nowhere closer than ``gap``, and a reduction."""
    shape = draw(SHAPES)
    x = draw(some.tensors(shape))
    y = draw(some.tensors(shape, 0.0, 1.0) if probabilities else some.tensors(shape))
    return x, tg.where((x - y).abs() < gap, x + 1, y), draw(REDUCTIONS)


@st.composite
def met(draw: Any) -> tuple[Any, ...]:
    """Input and target that are equal in places."""
    x, y, reduction = draw(pairs(0.25))
    return x, tg.where(draw(some.masks(x.shape)), x, y), reduction


def signs(shape: Any) -> Any:
    """Targets of 1 and -1, as integers."""
    return some.masks(shape).map(lambda m: m.to("int64") * 2 - 1)


def rows_apart(draw: Any, shape: Any, point: float) -> Any:
    """Scores (…, C) whose differences keep a distance from ``point`` and its opposite."""

    def apart(x: Any) -> bool:
        gaps = (x.unsqueeze(-1) - x.unsqueeze(-2)).abs()
        return bool(((gaps - point).abs() >= 0.125).all())

    return draw(some.tensors(shape, -2.0, 2.0).filter(apart))
