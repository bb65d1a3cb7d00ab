"""Reading and writing along one dimension, or through a mask: gather, scatter and their relatives."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import axis_of, xp
from tinygrad_edu.ops.indexing import getitem, put

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Gather(Op):
    """Elements picked along one dimension: out[i][j] = x[i][index[i][j]]."""

    __slots__ = ("axis", "shape")

    def forward(self, x: Any, axis: int, index: Any) -> Any:
        self.axis, self.shape = axis, x.shape
        self.saved = (index,)
        return xp(x).getitem(x, along(index, axis))

    def backward(self, g: Any) -> Any:
        (index,) = self.saved
        return put(g, along(getattr(index, "_data", index), self.axis), self.shape)


def along(index: Any, axis: int) -> Any:
    """The full index that picks ``index`` along ``axis`` and goes with it in the other dimensions."""
    ns = xp(index)
    ndim = len(index.shape)
    full = []
    for i, n in enumerate(index.shape):
        line = index if i == axis else ns.reshape(ns.arange(n), tuple(n if j == i else 1 for j in range(ndim)))
        full.append(line)
    return tuple(full)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Pick elements along ``dim``: out[i][j] = input[i][index[i][j]] for dim = 1.

    Parameters
    ----------
    index : Tensor
        Integers, with as many dimensions as ``input`` and no larger in the other dimensions.
    """
    axis = axis_of(dim, len(input.shape))
    have, want = tuple(input.shape), tuple(index.shape)
    if len(have) != len(want) or builtins.any(
        w > h for i, (h, w) in enumerate(zip(have, want, strict=True)) if i != axis
    ):
        raise ValueError(f"gather: index of shape {want} does not fit an input of shape {have} along dim {dim}")
    if not have:
        return input * 1
    raw = index._data if isinstance(index, function.Tensor) else index
    if 0 not in want:
        low, high = xp(raw).bounds(raw)
        if low < 0 or high >= have[axis]:
            raise IndexError(
                f"gather: index {low if low < 0 else high} is out of range for dimension {axis}, which has size {have[axis]}"
            )
    return run(Gather(), (input, axis, index))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices ``index`` (1-d integers) of a dimension."""
    if len(index.shape) > 1:
        raise ValueError(f"index_select: the index must have one dimension, got shape {tuple(index.shape)}")
    axis = axis_of(dim, len(input.shape))
    return getitem(input, (*[slice(None)] * axis, index if index.shape else index.reshape(1)))


def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """``value`` where the boolean ``mask`` (broadcast) holds, ``input`` elsewhere."""
    from tinygrad_edu.ops.elementwise import where

    out = where(mask, value, input)
    if tuple(out.shape) != tuple(input.shape):
        raise ValueError(f"masked_fill: a mask of shape {tuple(mask.shape)} does not broadcast to {tuple(input.shape)}")
    return out.to(input.dtype)
