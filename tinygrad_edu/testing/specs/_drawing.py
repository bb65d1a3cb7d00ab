"""Arguments made from a drawn tensor, and ways to say what a bad one is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.strategies import shapes, tensors

Draw = Callable[[Any], Any]


def with_tensor(
    arguments: Callable[[Draw, Tensor], tuple[Any, ...]], min_dims: int = 0, max_dims: int = 3, min_size: int = 1
) -> Any:
    """A tensor of any shape and what ``arguments(draw, tensor)`` adds to it."""

    @st.composite
    def case(draw: Draw) -> tuple[Any, ...]:
        x = draw(tensors(shapes(min_dims, max_dims, min_size)))
        return (x, *arguments(draw, x))

    return case()


def a_dim(draw: Draw, x: Tensor, extra: int = 0) -> int:
    """A dimension, counted from either end."""
    n = x.dim() + extra
    return int(draw(st.integers(-n, n - 1))) if n else -1


def positive(draw: Draw, x: Tensor, extra: int = 0) -> int:
    """A dimension, counted from the front."""
    return a_dim(draw, x, extra) % max(x.dim() + extra, 1)


def some_dims(draw: Draw, x: Tensor) -> tuple[int, ...]:
    """Some dimensions, each at most once."""
    return tuple(draw(st.lists(st.integers(0, x.dim() - 1), unique=True))) if x.dim() else ()


def order(draw: Draw, x: Tensor) -> tuple[int, ...]:
    """All dimensions in some order."""
    return tuple(draw(st.permutations(range(x.dim()))))


def factors(draw: Draw, n: int) -> tuple[int, int]:
    """Two sizes with ``n`` elements together."""
    first = draw(st.sampled_from([k for k in range(1, n + 1) if n % k == 0]))
    return first, n // first


def whole(draw: Draw, shape: Any, low: int, high: int) -> Tensor:
    """Integers in [low, high) of a shape."""
    n = math.prod(shape)
    values = draw(st.lists(st.integers(low, high - 1), min_size=n, max_size=n))
    return tg.tensor(values, dtype=tg.int64).reshape(tuple(shape))


def bad(error: type[Exception], text: str, *args: Any) -> tuple[Bad]:
    """The errors of a spec: one, for arguments that may be functions making them."""
    return (Bad(lambda: [a() if callable(a) else a for a in args], error, text),)


def zeros(*shape: int) -> Callable[[], Tensor]:
    """Makes zeros, for :func:`bad`."""
    return lambda: tg.zeros(shape)


def index(*values: Any) -> Callable[[], Tensor]:
    """Makes an integer tensor, for :func:`bad`."""
    return lambda: tg.tensor(list(values), dtype=tg.int64)


def named(name: str, inputs: Any, reference: Callable[..., Any] | None, torch: Any = "", **more: Any) -> OpSpec:
    """The spec of the operation of a public name."""
    room: Any = tg
    *rooms, last = name.split(".")
    if rooms:
        room = F if rooms == ["F"] else Tensor
    return OpSpec(name, getattr(room, last), inputs, reference, torch=torch or _torch_name(name), **more)


def _torch_name(name: str) -> str:
    """Where PyTorch has a function of this name."""
    return name.replace("F.", "nn.functional.", 1) if name.startswith("F.") else name


def alone(min_dims: int = 0, max_dims: int = 3) -> Any:
    """A tensor and nothing else."""
    return with_tensor(lambda draw, x: (), min_dims, max_dims)
