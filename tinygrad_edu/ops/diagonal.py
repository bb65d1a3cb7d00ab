"""Diagonals of matrices: reading, writing, and their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import axis_of, shape_of, xp
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import movedim, ravel

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Diagonal(Op):
    """The diagonal of the last two dimensions; a view."""

    __slots__ = ("offset", "shape")
    kind = VIEW

    def forward(self, x: Any, offset: int) -> Any:
        self.offset, self.shape = offset, x.shape
        return xp(x).diagonal(x, offset)

    def backward(self, g: Any) -> Any:
        return OnDiagonal.apply(g, self.offset, self.shape[-2:])


class OnDiagonal(Op):
    """Zero matrices with the last dimension written on a diagonal: the adjoint of :class:`Diagonal`."""

    __slots__ = ("offset",)

    def forward(self, x: Any, offset: int, sizes: tuple[int, int]) -> Any:
        self.offset = offset
        ns = xp(x)
        place = ns.arange(x.shape[-1])
        out = ns.zeros((*x.shape[:-1], *sizes), dtype=x.dtype)
        return ns.setitem(out, (..., place - min(offset, 0), place + max(offset, 0)), x)

    def backward(self, g: Any) -> Any:
        return Diagonal.apply(g, self.offset)


def two_axes(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    """Two different dimensions, counted from the front."""
    axes = axis_of(dim1, ndim), axis_of(dim2, ndim)
    if axes[0] == axes[1] or ndim < 2:
        raise ValueError(f"{name}: dim1 and dim2 must be two different dimensions, got {dim1} and {dim2} of {ndim}")
    return axes


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the matrices in two dimensions, which is moved to the end; a view.

    Parameters
    ----------
    offset : int
        Above (positive) or below (negative) the main diagonal.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diagonal(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    axes = two_axes("diagonal", dim1, dim2, len(shape_of(input)))
    return run(Diagonal(), (movedim(input, axes, (-2, -1)), offset))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices, zero but for the last dimension of ``input`` on a diagonal; they lie in dimensions dim1 and dim2.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diag_embed(tg.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    if not shape_of(input):
        raise ValueError("diag_embed: expected at least one dimension")
    axes = two_axes("diag_embed", dim1, dim2, len(input.shape) + 1)
    n = input.shape[-1] + abs(offset)
    return movedim(run(OnDiagonal(), (input, offset, (n, n))), (-2, -1), axes)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with a vector on its diagonal, or the diagonal of a matrix.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diag(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([2.])
    """
    if len(shape_of(input)) not in (1, 2):
        raise ValueError(f"diag: expected a vector or a matrix, got shape {tuple(input.shape)}")
    if len(input.shape) == 1:
        return diag_embed(input, diagonal)
    return run(Diagonal(), (input, diagonal))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements, one after the other, on a diagonal.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diagflat(tg.tensor([[1.0], [2.0]]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return diag_embed(ravel(input), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.trace(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if len(shape_of(input)) != 2:
        raise ValueError(f"trace: expected a matrix, got shape {tuple(input.shape)}")
    return sum_(diagonal(input))
