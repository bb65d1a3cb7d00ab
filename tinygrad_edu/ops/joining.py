"""Joining tensors along a dimension that is there, or along a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import axis_of, result_type, xp
from tinygrad_edu.ops.parts import narrow, unbind
from tinygrad_edu.ops.shape import atleast_1d, atleast_2d, atleast_3d, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Cat(Op):
    """Tensors along a dimension that they have."""

    __slots__ = ("axis", "sizes")
    keeps = ()

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

    Parameters
    ----------
    tensors : sequence of Tensor
        Equal in all other dimensions; mixed types are promoted. An empty tensor of one dimension joins anything.

    Raises
    ------
    ValueError
        When there is none, or other dimensions differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cat([tg.zeros(1, 2), tg.ones(2, 2)]).shape
    Size([3, 2])
    """
    parts = _common_type(_tensors("cat", tensors))
    first = tuple(next((p for p in parts if tuple(p.shape) != (0,)), parts[0]).shape)
    if not first:
        raise ValueError("cat: tensors without dimensions cannot be joined; use stack")
    axis = axis_of(dim, len(first))
    nothing = (*first[:axis], 0, *first[axis + 1 :])
    parts = [reshape(p, nothing) if tuple(p.shape) == (0,) else p for p in parts]
    for i, p in enumerate(parts):
        have = tuple(p.shape)
        if len(have) != len(first) or have[:axis] != first[:axis] or have[axis + 1 :] != first[axis + 1 :]:
            raise ValueError(f"cat: tensor {i} has shape {have}, another {first}; only dim {axis} may differ")
    return run(Cat(), (axis, *parts))


concat = concatenate = cat


def _tensors(name: str, tensors: Any) -> list[Any]:
    """A list of at least one tensor."""
    if isinstance(tensors, function.Tensor):
        raise TypeError(f"{name}: expected a sequence of tensors, got {describe(tensors)}")
    parts = list(tensors)
    if not parts:
        raise ValueError(f"{name}: expected at least one tensor")
    if not all(isinstance(part, function.Tensor) for part in parts):
        check_tensors(name, **{f"tensor {i}": part for i, part in enumerate(parts)})
    return parts


def _common_type(parts: list[Any]) -> list[Any]:
    """Tensors converted to the type that they have in common."""
    if all(isinstance(p, function.Tensor) for p in parts) and len({p._data.dtype for p in parts}) > 1:
        dtype = result_type(*parts)
        return [p.to(dtype) for p in parts]
    return parts


class Stack(Op):
    """Tensors of one shape along a new dimension."""

    __slots__ = ("axis",)
    keeps = ()

    def forward(self, axis: int, *parts: Any) -> Any:
        self.axis = axis
        return xp(parts[0]).stack(list(parts), axis=axis)

    def backward(self, g: Any) -> Any:
        return (None, *(p if self.needs(i + 1) else None for i, p in enumerate(unbind(g, self.axis))))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors of one shape along a new dimension.

    Raises
    ------
    ValueError
        When there is none, or shapes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.stack([tg.tensor([1, 2]), tg.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    parts = _tensors("stack", tensors)
    first = tuple(parts[0].shape)
    for i, p in enumerate(parts):
        if tuple(p.shape) != first:
            raise ValueError(f"stack: tensor {i} has shape {tuple(p.shape)}, the first {first}; all must be equal")
    return run(Stack(), (axis_of(dim, len(first) + 1), *_common_type(parts)))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join side by side: along dimension 1, or 0 for tensors of at most one dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.hstack([tg.tensor([1, 2]), tg.tensor(3)])
    tensor([1, 2, 3])
    """
    parts = [atleast_1d(p) for p in _tensors("hstack", tensors)]
    return cat(parts, 0 if len(parts[0].shape) == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join one above the other, along dimension 0; a tensor of one dimension is a row.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.vstack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([atleast_2d(p) for p in _tensors("vstack", tensors)], 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join in depth, along dimension 2."""
    return cat([atleast_3d(p) for p in _tensors("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join side by side; a tensor of at most one dimension is a column.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.column_stack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    parts = _tensors("column_stack", tensors)
    return cat([p if len(p.shape) > 1 else reshape(p, (-1, 1) if p.numel() else (0, 1)) for p in parts], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices along its diagonal and zeros elsewhere; fewer dimensions are a row.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.block_diag(tg.tensor([[1, 2]]), tg.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    from tinygrad_edu.ops.padding import pad

    parts = _common_type([atleast_2d(p) for p in _tensors("block_diag", tensors)])
    for i, p in enumerate(parts):
        if len(p.shape) > 2:
            raise ValueError(f"block_diag: tensor {i} has shape {tuple(p.shape)}; expected at most 2 dimensions")
    width = sum(p.shape[1] for p in parts)
    rows, left = [], 0
    for p in parts:
        right = width - left - p.shape[1]
        rows.append(pad(p, (left, right)))
        left += p.shape[1]
    return cat(rows, 0)
