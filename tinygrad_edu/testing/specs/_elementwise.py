"""What the specs of elementwise operations share: small inputs (elements don't know of each other), and specs from a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

Strategy = st.SearchStrategy[Any]
SMALL = some.shapes(0, 2, 1, 2)


def filled(elements: Strategy, shape: Any = SMALL, dtype: Any = tg.float64) -> Strategy:
    """Small tensors of drawn elements."""

    def of(size: tuple[int, ...]) -> Strategy:
        n = math.prod(size)
        return st.lists(elements, min_size=n, max_size=n).map(lambda v: tg.tensor(v, dtype=dtype).reshape(size))

    return shape.flatmap(of) if isinstance(shape, st.SearchStrategy) else of(tuple(shape))


def between(low: float, high: float) -> Strategy:
    """Tensors of numbers in a range."""
    return filled(some.numbers(low, high))


def away(*points: float, distance: float = 0.25, low: float = -4.0, high: float = 4.0) -> Strategy:
    """Tensors of numbers that keep their distance from kinks, jumps and poles."""
    return filled(some.away_from(points, distance, low, high))


def at(*points: float) -> Strategy:
    """Tensors whose elements lie on kinks, or anywhere."""
    return filled(st.sampled_from(points) | some.away_from(points))


REAL = between(-4, 4)


@st.composite
def operands(draw: Any, *elements: Strategy, dtype: Any = tg.float64) -> tuple[Any, ...]:
    """Small tensors that broadcast against each other, each with elements of its own kind."""
    full = draw(some.shapes(0, 2, 1, 2))
    made = []
    for kind in elements:
        start = draw(st.integers(0, len(full)))
        shape = tuple(1 if draw(st.booleans()) else n for n in full[start:])
        made.append(draw(filled(kind, shape, dtype)))
    return tuple(made)


NUMBERS = some.numbers()


@st.composite
def ties(draw: Any, count: int = 2) -> tuple[Any, ...]:
    """Tensors of whole numbers in quarters, so that equal elements are common and others are well apart."""
    return draw(operands(*[st.integers(-2, 2).map(lambda k: k / 2)] * count))


@st.composite
def distinct(draw: Any, count: int = 2) -> tuple[Any, ...]:
    """Tensors whose elements differ from those of the others by at least a quarter."""
    grids = [[k + i / count for k in range(-3, 4)] for i in range(count)]
    return draw(operands(*map(st.sampled_from, grids)))


def slopes(*derivatives: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """A convention: the derivative by each tensor argument as a function of the arguments, on kinks as elsewhere."""

    def convention(g: Any, *args: Any) -> tuple[Any, ...]:
        tensors = [a for a in args if isinstance(a, np.ndarray)]
        return tuple(_summed(g * d(*args), a.shape) for d, a in zip(derivatives, tensors, strict=True))

    return convention


def _summed(g: Any, shape: tuple[int, ...]) -> Any:
    """A gradient summed over the dimensions along which its argument was broadcast."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1 != g.shape[i]), keepdims=True)


def unary(
    name: str, reference: Callable[..., Any], inputs: Strategy = REAL, *, room: Any = tg, order: int = 3, **more: Any
) -> OpSpec:
    """The spec of ``name``: its methods are those that there are, and PyTorch's function has its name."""
    return spec(name, reference, inputs, room=room, order=order, **more)


def binary(name: str, reference: Callable[..., Any], inputs: Strategy, *, order: int = 3, **more: Any) -> OpSpec:
    """The spec of an operation on two tensors that broadcast."""
    errors = (Bad(lambda: (tg.zeros(2), tg.zeros(3)), ValueError, ""), *more.pop("errors", ()))
    return spec(name, reference, inputs, order=order, errors=errors, **more)


def spec(name: str, reference: Callable[..., Any], inputs: Strategy, *, room: Any = tg, **more: Any) -> OpSpec:
    """A spec with what follows from the name."""
    bare = name.partition(" (")[0]
    function = more.pop("function", None) or getattr(room, bare)
    plain = " (" not in name and room is tg
    more.setdefault("methods", bare if plain and hasattr(tg.Tensor, bare) else "")
    more.setdefault("inplace", f"{bare}_" if plain and hasattr(tg.Tensor, f"{bare}_") else "")
    more.setdefault("torch", bare if room is tg else f"nn.functional.{bare}")
    return OpSpec(name if room is tg else f"F.{name}", function, inputs, reference=reference, **more)
