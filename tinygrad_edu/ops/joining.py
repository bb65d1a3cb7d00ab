"""Joining tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import axis_of, result_type, xp
from tinygrad_edu.ops.shape import narrow, unbind

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Cat(Op):
    __slots__ = ("axis", "sizes")

    def forward(self, axis: int, *parts: Any) -> Any:
        self.axis = axis
        self.sizes = [p.shape[axis] for p in parts]
        return xp(parts[0]).concat(list(parts), axis=axis)

    def backward(self, g: Any) -> Any:
        grads = []
        start = 0
        for i, n in enumerate(self.sizes):
            grads.append(narrow(g, self.axis, start, n) if self.needs(i + 1) else None)
            start += n
        return (None, *grads)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors along an existing dimension.

    Raises
    ------
    ValueError
        When there is none, or other dimensions differ.
    """
    parts = list(tensors)
    if not parts:
        raise ValueError("cat: expected at least one tensor")
    # PyTorch lets an empty 1-d tensor join anything.
    parts = [p for p in parts if len(p.shape) != 1 or p.shape[0] != 0] or parts[:1]
    axis = axis_of(dim, len(parts[0].shape))
    if not parts[0].shape:
        raise ValueError("cat: tensors without dimensions cannot be joined; use stack")
    first = tuple(parts[0].shape)
    for i, p in enumerate(parts):
        if len(p.shape) != len(first) or any(
            a != b for j, (a, b) in enumerate(zip(first, p.shape, strict=True)) if j != axis
        ):
            raise ValueError(
                f"cat: tensor {i} has shape {tuple(p.shape)}, the first {first}; only dim {axis} may differ"
            )
    parts = _common_type(parts)
    return run(Cat(), (axis, *parts))


concat = cat


def _common_type(parts: list[Any]) -> list[Any]:
    if all(isinstance(p, function.Tensor) for p in parts) and len({p._data.dtype for p in parts}) > 1:
        dtype = result_type(*parts)
        return [p.to(dtype) for p in parts]
    return parts


class Stack(Op):
    __slots__ = ("axis",)

    def forward(self, axis: int, *parts: Any) -> Any:
        self.axis = axis
        return xp(parts[0]).stack(list(parts), axis=axis)

    def backward(self, g: Any) -> Any:
        return (None, *(p if self.needs(i + 1) else None for i, p in enumerate(unbind(g, self.axis))))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension."""
    parts = list(tensors)
    if not parts:
        raise ValueError("stack: expected at least one tensor")
    first = tuple(parts[0].shape)
    for i, p in enumerate(parts):
        if tuple(p.shape) != first:
            raise ValueError(f"stack: tensor {i} has shape {tuple(p.shape)}, the first {first}; all must be equal")
    return run(Stack(), (axis_of(dim, len(first) + 1), *_common_type(parts)))
