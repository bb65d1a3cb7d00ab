"""Rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.indexing import placed
from tinygrad_edu.sparse import SparseGrad

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Embedding(Op):
    """Rows of a table; the gradient follows the rows that were looked up."""

    __slots__ = ("dtype", "padding", "shape")

    def forward(self, weight: Any, rows: Any, padding: int | None) -> Any:
        self.shape, self.dtype, self.padding = weight.shape, weight.dtype, padding
        self.saved = (rows,)
        return xp(weight).take_rows(weight, rows)

    def backward(self, g: Any) -> Any:
        (rows,) = self.saved
        if self.padding is not None:
            keep = xp(rows).astype(rows != self.padding, self.dtype)
            g = g * xp(rows).expand_dims(keep, axis=-1)
        if isinstance(g, function.Tensor):
            return placed(g, rows, self.shape)
        return SparseGrad(self.shape, self.dtype, [(rows, g)])


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Look up rows of ``weight`` (V, D) by the integers in ``input`` (any shape): result (*input, D).

    Parameters
    ----------
    padding_idx : int, optional
        A row that gets no gradient.

    Raises
    ------
    IndexError
        When an index is outside of 0 … V-1.
    TypeError
        When ``input`` is not of an integer type.
    """
    if not isinstance(input, function.Tensor) or input.dtype.category != 1:
        raise TypeError(f"embedding: indices must be an integer tensor, got {describe(input)}")
    if len(weight.shape) != 2:
        raise ValueError(f"embedding: the weight must have shape (V, D), got {tuple(weight.shape)}")
    v = weight.shape[0]
    if padding_idx is not None:
        if not -v <= padding_idx < v:
            raise ValueError(f"embedding: padding_idx {padding_idx} is outside of a table of {v} rows")
        padding_idx %= v
    rows = input._data
    low, high = xp(rows).bounds(rows)
    if low < 0 or high >= v:
        raise IndexError(f"embedding: index {low if low < 0 else high} is out of range for a table of {v} rows")
    return run(Embedding(), (weight, input, padding_idx))
