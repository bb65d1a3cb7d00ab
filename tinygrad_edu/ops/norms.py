"""Norms of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops._casting import widens
from tinygrad_edu.ops._reduction import Dims, in_single, kept, require_float, spread
from tinygrad_edu.ops._types import axes_of, axis_of, nothing, shape_of, xp
from tinygrad_edu.ops.elementwise import abs, pow, sign, where
from tinygrad_edu.ops.extremes import amax, amin, refuse_empty
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import movedim, reshape, squeeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

_INFINITY = float("inf")


class Norm2(Op):
    """√Σx²; the gradient is x over the norm, and 0, the middle of all subgradients, where the norm is 0."""

    __slots__ = ("axes",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes = axes
        ns = xp(x)
        out = ns.sqrt(ns.sum_squares(x, axes, keepdim))
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        zero = out == 0
        return x * spread(where(zero, nothing(out), g / where(zero, nothing(out) + 1, out)), x.shape, self.axes)


class PowerNorm(Op):
    """(Σ|x|ᵖ)^(1/p); the gradient is sign(x) (|x| / norm)^(p-1), and 0 where the norm is 0."""

    __slots__ = ("axes", "p")
    keeps = (0, RESULT)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, p: float) -> Any:
        self.axes, self.p = axes, p
        ns = xp(x)
        if p < 0:  # an element that is 0 makes the norm 0
            size = ns.abs(x)
            zero = size == 0
            total = ns.sum(ns.where(zero, 0.0, ns.where(zero, 1.0, size) ** p), axis=axes, keepdims=keepdim)
            out = ns.where(ns.any(zero, axis=axes, keepdims=keepdim), 0.0, total ** (1 / p))
        else:
            out = ns.sum(ns.abs(x) ** p, axis=axes, keepdims=keepdim) ** (1 / p)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        norm = spread(out, x.shape, self.axes)
        flat = norm == 0
        if self.p < 1:  # the derivative at 0 is infinite; its place is taken by 0
            flat = flat | (x == 0)
        ratio = abs(where(flat, nothing(x) + 1, x)) / where(flat, nothing(x) + 1, norm)
        slope = where(flat, nothing(x), sign(x) * pow(ratio, self.p - 1))
        return spread(g, x.shape, self.axes) * slope


@widens
def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm (Σ|x|ᵖ)^(1/p) with p = ``ord``, of all elements or over the dimensions ``dim``.

    ``inf`` and ``-inf`` give the largest and the smallest |x|, 0 the number of elements that are not zero.

    Where the norm is 0 the gradient is taken as 0, and ties for the largest share it evenly.

    Raises
    ------
    TypeError
        When the elements are integers or booleans.
    ValueError
        When ``ord`` is no number, or there is no smallest or largest of nothing.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.vector_norm(tg.tensor([3.0, 4.0])), tg.linalg.vector_norm(tg.tensor([3.0, 4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    if dtype is not None:
        x = x.to(dtype)
    if isinstance(ord, bool) or not isinstance(ord, (int, float)):
        raise ValueError(f"vector_norm: the order must be a number, got {ord!r}")
    if require_float("vector_norm", x).bits == 16:
        return in_single(vector_norm, x, ord, dim, keepdim)
    axes = axes_of(dim, len(x.shape))
    if ord == 2:
        return run1(Norm2, x, axes, keepdim)
    if ord == 1:
        return sum_(abs(x), axes, keepdim)
    if ord == 0:
        return sum_(abs(sign(x)), axes, keepdim)
    if ord in (_INFINITY, -_INFINITY):
        return (amax if ord > 0 else amin)(abs(x), axes if x.shape else None, keepdim)
    if ord < 0:
        refuse_empty("vector_norm", x, axes, dim)
    return run1(PowerNorm, x, axes, keepdim, ord)


@widens
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices, which lie in the two dimensions ``dim``.

    Parameters
    ----------
    ord : "fro", "nuc", inf, -inf, 1, -1, 2 or -2
        The root of the sum of squares; the sum of the singular values; the largest or smallest sum of |x| over a row (inf) or a
        column (1); the largest or smallest singular value (2).

    Raises
    ------
    ValueError
        When there are not two different dimensions, or no such norm.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.matrix_norm(tg.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if dtype is not None:
        A = A.to(dtype)
    if len(shape_of(A)) < 2:
        raise ValueError(f"matrix_norm: expected at least two dimensions, got shape {tuple(A.shape)}")
    if len(dim) != 2:
        raise ValueError(f"matrix_norm: dim must name two dimensions, got {dim!r}")
    rows, columns = (axis_of(d, len(A.shape)) for d in dim)
    if rows == columns:
        raise ValueError(f"matrix_norm: the two dimensions must differ, got {tuple(dim)}")
    if require_float("matrix_norm", A).bits == 16:
        return in_single(matrix_norm, A, ord, dim, keepdim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc" or ord in (2, -2):
        return _singular_norm(A, ord, (rows, columns), keepdim)
    if ord not in (1, -1, _INFINITY, -_INFINITY):
        raise ValueError(f"matrix_norm: the order must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    summed, other = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = sum_(abs(A), summed, True)
    out = (amax if ord > 0 else amin)(sums, other, True)
    return out if keepdim else squeeze(out, (rows, columns))


def _singular_norm(A: Tensor, ord: Any, dims: tuple[int, int], keepdim: bool) -> Tensor:
    """Norms of the vector of singular values."""
    from tinygrad_edu.ops.decompositions import svdvals

    values = svdvals(movedim(A, dims, (-2, -1)))
    out = sum_(values, -1) if ord == "nuc" else (amax if ord > 0 else amin)(values, -1)
    return reshape(out, kept(tuple(A.shape), dims)) if keepdim else out


def norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of all elements, or over the dimensions ``dim``.

    ``p`` is the order of :func:`vector_norm`; "fro" is 2, and "nuc" the sum of singular values of matrices in two dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.zeros(2, requires_grad=True)
    >>> tg.norm(x).backward()
    >>> x.grad
    tensor([0., 0.])
    """
    if dtype is not None:
        input = input.to(dtype)
    if p == "nuc":
        axes: Any = (
            tuple(dim) if isinstance(dim, (tuple, list)) else tuple(range(len(input.shape))) if dim is None else (dim,)
        )
        return matrix_norm(input, "nuc", axes, keepdim)
    if p is None or p == "fro":
        p = 2
    if not isinstance(p, (int, float)):
        raise ValueError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    return vector_norm(input, p, dim, keepdim)


def matrix_or_vector_norm(
    A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """``tg.linalg.norm``: a vector norm over one dimension, a matrix norm over two.

    Without ``ord`` it is the root of the sum of squares, over any number of dimensions; without ``dim`` but with ``ord`` the tensor
    must be a vector or a matrix.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.norm(tg.tensor([[3.0, 0.0], [0.0, 4.0]]), 2)
    tensor(4.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None and len(A.shape) > 2:
        raise ValueError(f"norm: with an order but no dim expected a vector or a matrix, got shape {tuple(A.shape)}")
    dims: Any = list(range(len(A.shape))) if dim is None else list(dim) if isinstance(dim, (tuple, list)) else [dim]
    if isinstance(ord, str) or len(dims) == 2:
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


@widens
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.dist(tg.tensor([1.0, 2.0]), tg.tensor([4.0, 6.0]))
    tensor(5.)
    """
    return vector_norm(input - other, p)


@widens
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Scale each slice of a dimension whose p-norm is larger than ``maxnorm`` down to it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.renorm(tg.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    require_float("renorm", input)
    if len(input.shape) < 2 or p <= 0 or maxnorm < 0:
        raise ValueError(
            f"renorm: expected at least two dimensions, p above 0 and maxnorm of at least 0, got shape {tuple(input.shape)}, p={p} "
            f"and maxnorm={maxnorm}"
        )
    axis = axis_of(dim, len(input.shape))
    size = vector_norm(input, p, [i for i in range(len(input.shape)) if i != axis], True)
    return input * where(size > maxnorm, maxnorm / (size + 1e-7), nothing(size) + 1)


def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """In-place :func:`renorm`."""
    return self._rebind(renorm(self.clone(), p, dim, maxnorm))
