"""The exponential of matrices, and linear equations between tensors of more dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run1
from tinygrad_edu.ops._matrix import check_matrix
from tinygrad_edu.ops._types import axes_of, count, nothing, xp
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.matrix import inverse, solve
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.shape import movedim, ravel, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

# The Padé approximant of degree 13 of eˣ is exact to double precision for norms up to 5.37.
_REACH = 5.371920351148152
_PADE = [math.factorial(26 - k) * math.comb(13, k) / math.factorial(26) for k in range(14)]


class MatrixExp(Op):
    """eᴬ = Σ Aᵏ / k!; the gradient is the upper right block of the exponential of [[Aᵀ, G], [0, Aᵀ]]."""

    __slots__ = ()
    keeps = (0,)

    def forward(self, a: Any) -> Any:
        self.saved = (a,)
        ns = xp(a)
        if 0 in a.shape:
            return ns.zeros_like(a)
        norm = float(ns.max(ns.sum(ns.abs(a), axis=-2)))
        halvings = max(0, math.ceil(math.log2(norm / _REACH))) if 0 < norm < math.inf else 0
        x = a * 0.5**halvings
        one = ns.broadcast_to(ns.eye(a.shape[-1], dtype=a.dtype), a.shape)
        even, odd = one * _PADE[0], one * _PADE[1]
        power, square = one, x @ x
        for k in range(2, 14, 2):
            power = power @ square
            even = even + power * _PADE[k]
            odd = odd + power * _PADE[k + 1]
        odd = x @ odd
        out = ns.solve(even - odd, even + odd)
        for _ in range(halvings):
            out = out @ out
        return out

    def backward(self, g: Any) -> Any:
        (a,) = self.saved
        n = a.shape[-1]
        both = cat([cat([a.mT, g], -1), cat([nothing(g), a.mT], -1)], -2)
        return narrow(narrow(MatrixExp.apply(both), -2, 0, n), -1, n, n)


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices, eᴬ = Σ Aᵏ / k!, (…, N, N).

    References
    ----------
    N. Higham, The scaling and squaring method for the matrix exponential revisited (2005).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.matrix_exp(tg.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    check_matrix("matrix_exp", A, square=True)
    return run1(MatrixExp, A)


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B: the first dimensions of A are those of B, the others those of X.

    Parameters
    ----------
    dims : sequence of int, optional
        Dimensions of A that are moved to the end first.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.tensorsolve(tg.eye(6).reshape(2, 3, 6), tg.ones(2, 3)).shape
    Size([6])
    """
    check_tensors("tensorsolve", A=A, B=B)
    if dims is not None:
        moved = axes_of(tuple(dims), len(A.shape))
        A = movedim(A, moved, tuple(range(len(A.shape) - len(moved), len(A.shape))))
    shape = tuple(A.shape[len(B.shape) :])
    if tuple(A.shape[: len(B.shape)]) != tuple(B.shape) or count(shape) != B.numel():
        raise ValueError(f"tensorsolve: the sizes of A {tuple(A.shape)} and B {tuple(B.shape)} do not fit")
    return reshape(solve(reshape(A, (B.numel(), count(shape))), ravel(B)), shape)


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the map from the last dimensions of A to its first ``ind``: tensordot(tensorinv(A), A, ind) is the identity.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.tensorinv(tg.eye(6).reshape(2, 3, 6)).shape
    Size([6, 2, 3])
    """
    check_tensors("tensorinv", A=A)
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if ind < 1 or count(first) != count(last):
        raise ValueError(
            f"tensorinv: the first {ind} dimensions of {tuple(A.shape)} must have as many elements as the others"
        )
    return reshape(inverse(reshape(A, (count(first), count(last)))), (*last, *first))
