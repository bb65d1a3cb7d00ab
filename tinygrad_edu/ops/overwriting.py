"""A copy in which one part is overwritten; the gradient goes to the part from what was written, elsewhere to the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.inplace import write_at
from tinygrad_edu.ops._types import axis_of, shape_of, xp
from tinygrad_edu.ops.diagonal import diagonal, two_axes
from tinygrad_edu.ops.parts import select, size_along
from tinygrad_edu.ops.scatter import write
from tinygrad_edu.ops.shape import movedim

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def _overwritten(name: str, input: Tensor, index: Any, src: Any, shape: tuple[int, ...]) -> Tensor:
    """A copy with ``src``, which must have this shape, written at an index."""
    check_tensors(name, src=src)
    if shape_of(src) != shape:
        raise ValueError(f"{name}: src must have shape {shape}, got {tuple(src.shape)}")
    out: Tensor = write(input, index, src, False)
    return out


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy in which ``src`` is written over the slice ``index`` of a dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.select_scatter(tg.zeros(2, 2), tg.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    shape = tuple(select(input, dim, index).shape)
    axis = axis_of(dim, len(input.shape))
    return _overwritten("select_scatter", input, (*[slice(None)] * axis, int(index)), src, shape)


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy in which ``src`` is written over ``start:end:step`` of a dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.slice_scatter(tg.zeros(4), tg.ones(2), start=0, end=4, step=2)
    tensor([1., 0., 1., 0.])
    """
    axis, n = size_along("slice_scatter", input, dim)
    if step < 1:
        raise ValueError(f"slice_scatter: the step must be positive, got {step}")
    part = slice(start, end, step)
    shape = tuple(len(range(*part.indices(n))) if i == axis else size for i, size in enumerate(input.shape))
    return _overwritten("slice_scatter", input, (*[slice(None)] * axis, part), src, shape)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy in which ``src`` is written over the diagonal of the matrices in two dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diagonal_scatter(tg.zeros(2, 2), tg.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    axes = two_axes("diagonal_scatter", dim1, dim2, len(shape_of(input)))
    shape = tuple(diagonal(input, offset, *axes).shape)
    place = xp(input._data).arange(shape[-1])
    index = (..., place - min(offset, 0), place + max(offset, 0))
    return movedim(_overwritten("diagonal_scatter", movedim(input, axes, (-2, -1)), index, src, shape), (-2, -1), axes)


def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Overwrite the main diagonal with a number; with ``wrap`` that of a tall matrix goes on below, one row further down each time.

    Raises
    ------
    ValueError
        When there are fewer than two dimensions, or more and they differ in size.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    shape = shape_of(self)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ValueError(f"fill_diagonal_: expected a matrix, or more dimensions of equal size, got shape {shape}")
    if not isinstance(fill_value, (bool, int, float)):
        raise TypeError(f"fill_diagonal_: expected a number, got {describe(fill_value)}")
    ns = xp(self._data)
    if len(shape) > 2:
        return write_at(self, (ns.arange(shape[0]),) * len(shape), fill_value)
    rows, columns = shape
    row = ns.arange(rows) if wrap else ns.arange(min(rows, columns))
    column = row % (columns + 1)  # what is left over are the rows between two diagonals
    on = column < columns
    return write_at(self, (ns.getitem(row, on), ns.getitem(column, on)), fill_value)
