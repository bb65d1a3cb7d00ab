"""Rearranging elements into new memory: turning, rolling, repeating, and grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import axes_of, sizes_of, xp
from tinygrad_edu.ops.shape import expand, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Contiguous(Op):
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        return xp(x).contiguous(x)

    def backward(self, g: Any) -> Any:
        return g


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself, or a copy when its elements do not lie in memory in the order of its dimensions."""
    return input if xp(input._data).is_contiguous(input._data) else run(Contiguous(), (input,))


class Flip(Op):
    __slots__ = ("axes",)

    def forward(self, x: Any, axes: tuple[int, ...]) -> Any:
        self.axes = axes
        return xp(x).copy(xp(x).flip(x, axis=axes))

    def backward(self, g: Any) -> Any:
        return flip(g, self.axes)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reverse the order of elements along dimensions."""
    return run(Flip(), (input, axes_of(sizes_of(dims), len(input.shape)) if sizes_of(dims) else ()))


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """Tile the tensor: ``sizes[i]`` copies along dimension i; extra sizes add dimensions in front."""
    times = sizes_of(sizes)
    lead = len(times) - len(input.shape)
    if lead < 0 or min(times, default=0) < 0:
        raise ValueError(f"repeat: {times} must have a non-negative count for each of {len(input.shape)} dimensions")
    shape = (1,) * lead + tuple(input.shape)
    x = reshape(input, tuple(k for n in shape for k in (1, n)))
    x = expand(x, tuple(k for r, n in zip(times, shape, strict=True) for k in (r, n)))
    out = reshape(x, tuple(r * n for r, n in zip(times, shape, strict=True)))
    return out if out._view is None else run(Contiguous(), (out,))
