"""Padding: more elements at the ends of dimensions, or fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import shape_of, xp
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.rearrange import flip
from tinygrad_edu.ops.shape import expand

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Pairs = tuple[tuple[int, int], ...]


class Pad(Op):
    """A constant around the elements; negative widths cut off. Its adjoint is padding with the opposite widths."""

    __slots__ = ("widths",)
    keeps = ()

    def forward(self, x: Any, widths: Pairs, value: float) -> Any:
        self.widths = widths
        ns = xp(x)
        sizes = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
        outer = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(sizes, widths, strict=True))
        inner = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True))
        return ns.setitem(ns.full(sizes, value, dtype=x.dtype), outer, x[inner])

    def backward(self, g: Any) -> Any:
        return run(Pad(), (g, tuple((-a, -b) for a, b in self.widths), 0))


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements before and after the dimensions, the last first; negative widths cut elements off.

    Parameters
    ----------
    pad : sequence of int
        (before, after) of the last dimension, then of the one before it, and so on.
    mode : {"constant", "reflect", "replicate", "circular"}
        What is added: a number; the mirror image without its edge; the edge again; or the other end.
    value : float, optional
        The number for "constant", 0 by default.

    Raises
    ------
    ValueError
        When there are more pairs than dimensions, or the mirror image or the other end is too short.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.pad(tg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> F.pad(tg.tensor([1, 2, 3]), (2, 1), mode="reflect")
    tensor([3, 2, 1, 2, 3, 2])
    """
    shape = shape_of(input)
    flat = [int(p) for p in pad]
    if len(flat) % 2 or len(flat) > 2 * len(shape):
        raise ValueError(f"pad: expected up to {len(shape)} pairs of widths for shape {shape}, got {tuple(flat)}")
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    widths = ((0, 0),) * (len(shape) - len(pairs)) + tuple(reversed(pairs))
    if any(n + a + b < 0 or n + min(a, 0) + min(b, 0) < 0 for n, (a, b) in zip(shape, widths, strict=True)):
        raise ValueError(f"pad: widths {tuple(flat)} cut more from shape {shape} than there is")
    if mode == "constant":
        return run(Pad(), (input, widths, 0 if value is None else value))
    if value is not None and value != 0:
        raise ValueError(f"pad: mode {mode!r} takes no value")
    if mode not in _FILLINGS:
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if any(min(a, b) < 0 for a, b in widths):
        input = run(Pad(), (input, tuple((min(a, 0), min(b, 0)) for a, b in widths), 0))
    for axis, (a, b) in enumerate(widths):
        a, b = max(a, 0), max(b, 0)
        if a or b:
            before, after = _FILLINGS[mode](input, axis, a, b)
            input = cat([*before, input, *after], axis)
    return input if any(map(any, widths)) else input * 1


def _reflected(x: Any, axis: int, a: int, b: int) -> Any:
    """The mirror images before and after a dimension, without the edges."""
    n = x.shape[axis]
    if max(a, b) >= n:
        raise ValueError(f"pad: the mirror image of dimension {axis} has {n - 1} elements, fewer than {max(a, b)}")
    return [flip(narrow(x, axis, 1, a), axis)], [flip(narrow(x, axis, n - 1 - b, b), axis)]


def _replicated(x: Any, axis: int, a: int, b: int) -> Any:
    """The edges of a dimension, repeated."""
    n = x.shape[axis]
    if n == 0:
        raise ValueError(f"pad: dimension {axis} is empty and has no edge to replicate")

    def copies(place: int, times: int) -> Any:
        return expand(narrow(x, axis, place, 1), tuple(times if i == axis else k for i, k in enumerate(x.shape)))

    return [copies(0, a)], [copies(n - 1, b)]


def _wrapped(x: Any, axis: int, a: int, b: int) -> Any:
    """The other ends of a dimension."""
    n = x.shape[axis]
    if max(a, b) > n:
        raise ValueError(f"pad: dimension {axis} has {n} elements and cannot be wrapped around by {max(a, b)}")
    return [narrow(x, axis, n - a, a)], [narrow(x, axis, 0, b)]


_FILLINGS = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
