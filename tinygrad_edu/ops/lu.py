"""The LU decomposition of matrices, P L U, and equations solved by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._matrix import LinAlgError, check_matrix
from tinygrad_edu.ops._types import kind_of, same_type, shape_of, xp
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.matrix import SolveTriangular, inverse, solve_triangular
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.shape import tril, triu

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class PackedLU(Op):
    """L below the diagonal, where it has ones, and U from there on in one matrix; and the order of rows: A[order] = L U.

    With M = L⁻¹ dA U⁻¹ (of the square part of A) dL = L tril(M, -1) and dU = triu(M) U; what A has beyond a square follows from
    its product with L or U.
    """

    __slots__ = ("order",)

    def forward(self, x: Any) -> Any:
        packed, order = xp(x).lu(x)
        self.order = order
        self.saved = (packed,)
        return packed, order

    def backward(self, g: Any, _: Any) -> Any:
        (packed,) = self.saved
        rows, columns = packed.shape[-2:]
        n = min(rows, columns)
        corner, g_corner = _corner(packed, n), _corner(g, n)
        lower, upper = tril(corner, -1), triu(corner)
        from_l = tril(g_corner, -1)
        inner_l = lower.mT @ from_l + from_l  # Lᵀ gL, whose diagonal of ones is not in ``lower``
        inner_u = triu(g_corner) @ upper.mT
        beyond = None
        if columns > n:
            g_right, right = narrow(g, -1, n, columns - n), narrow(packed, -1, n, columns - n)
            inner_l = inner_l - g_right @ right.mT
            beyond = SolveTriangular.apply(corner.mT, g_right, True, True)
        elif rows > n:
            g_down, down = narrow(g, -2, n, rows - n), narrow(packed, -2, n, rows - n)
            inner_u = inner_u - down.mT @ g_down
            beyond = SolveTriangular.apply(corner, g_down.mT, True, False).mT
        inner = tril(inner_l, -1) + triu(inner_u)
        half = SolveTriangular.apply(corner.mT, inner, True, True)
        whole = SolveTriangular.apply(corner, half.mT, True, False).mT
        if beyond is not None:
            whole = cat([whole, beyond], -1 if columns > n else -2)
        return (whole.mT @ _in_order(self.order, packed.dtype)).mT


def _corner(x: Any, n: int) -> Any:
    """The square part of a matrix."""
    return narrow(narrow(x, -2, 0, n), -1, 0, n)


def _in_order(order: Any, dtype: Any) -> Any:
    """The matrices E, with one number in each row, for which (E A)[i] = A[order[i]]."""
    ns = xp(order)
    kind = ns.dtype(dtype.name) if hasattr(dtype, "category") else dtype
    return ns.astype(ns.expand_dims(order, axis=-1) == ns.arange(order.shape[-1]), kind)


def _unpacked(packed: Any) -> tuple[Any, Any]:
    """L with its diagonal of ones, and U."""
    from tinygrad_edu.creation import eye

    rows, columns = packed.shape[-2:]
    n = min(rows, columns)
    ones = eye(rows, n, dtype=packed.dtype, device=packed.device)
    return tril(narrow(packed, -1, 0, n), -1) + ones, triu(narrow(packed, -2, 0, n))


class PLU(NamedTuple):
    """What :func:`lu` returns: A = P L U."""

    P: Any
    L: Any
    U: Any


def lu(A: Tensor, *, pivot: bool = True) -> PLU:
    """A = P L U with a permutation P, L lower triangular with ones on its diagonal, and U upper triangular; A is (…, M, N).

    In each column the largest number is taken as pivot; the first one, if several are equally large.

    Raises
    ------
    ValueError
        For ``pivot=False``, which is inexact, and on the CPU refused by PyTorch too.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.lu(tg.tensor([[1.0, 2.0], [2.0, 2.0]])).U
    tensor([[2., 2.],
            [0., 1.]])
    """
    packed, order = _factored("lu", A, pivot)
    return PLU(function.Tensor._wrap(_in_order(order._data, A.dtype)).mT, *_unpacked(packed))


class Factors(NamedTuple):
    """What :func:`lu_factor` returns: L and U in one matrix, and the row that each row was swapped with, counted from 1."""

    LU: Any
    pivots: Any


def _factored(name: str, A: Tensor, pivot: bool) -> Any:
    check_matrix(name, A)
    if not pivot:
        raise ValueError(
            f"{name}: without pivots the decomposition may not exist, and is inexact where it does; leave out pivot"
        )
    return run(PackedLU(), (A,))


def lu_factor(A: Tensor, *, pivot: bool = True) -> Factors:
    """L and U of A = P L U in one matrix (the ones on the diagonal of L are not stored), and pivots, for :func:`lu_solve`.

    Raises
    ------
    LinAlgError
        When the diagonal of U has a 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.lu_factor(tg.tensor([[1.0, 2.0], [2.0, 2.0]]))
    Factors(LU=tensor([[2.0000, 2.0000],
            [0.5000, 1.0000]]), pivots=tensor([2, 2], dtype=tg.int32))
    """
    packed, order = _factored("lu_factor", A, pivot)
    n = min(A.shape[-2:])
    raw = order._data
    ns = xp(raw)
    if bool(ns.any(ns.diagonal(packed._data, 0) == 0)):
        raise LinAlgError(
            "lu_factor: U has a 0 on its diagonal, so equations cannot be solved with it; lu() gives it all the same"
        )
    now = ns.astype(ns.broadcast_to(ns.arange(raw.shape[-1]), raw.shape), ns.int64)  # the row that stands at each place
    found = []
    for j in range(n):
        place = ns.argmax(ns.astype(now == raw[..., j : j + 1], ns.int64), axis=-1)
        found.append(place + 1)
        at = ns.arange(raw.shape[-1])
        now = ns.where(
            at == ns.expand_dims(place, axis=-1), now[..., j : j + 1], ns.where(at == j, raw[..., j : j + 1], now)
        )
    pivots = ns.stack(found, axis=-1) if found else ns.zeros((*raw.shape[:-1], 0), dtype=ns.int64)
    return Factors(packed, function.Tensor._wrap(ns.astype(pivots, ns.int32)))


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B for the A that :func:`lu_factor` decomposed; X A = B with ``left=False``, Aᵀ for A with ``adjoint``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> A = tg.tensor([[1.0, 2.0], [2.0, 2.0]])
    >>> tg.linalg.lu_solve(*tg.linalg.lu_factor(A), tg.tensor([[3.0], [4.0]]))
    tensor([[1.],
            [1.]])
    """
    check_matrix("lu_solve", LU, square=True)
    if kind_of(pivots).category != 1 or shape_of(pivots) != shape_of(LU)[:-1]:
        raise ValueError(f"lu_solve: pivots must be integers of shape {shape_of(LU)[:-1]}, got {describe(pivots)}")
    LU, B = same_type(LU, B)
    if not left:
        return lu_solve(LU, pivots, B.mT, adjoint=not adjoint).mT
    if len(shape_of(B)) < 2 or B.shape[-2] != LU.shape[-1]:
        raise ValueError(f"lu_solve: the sizes of LU {tuple(LU.shape)} and B {tuple(B.shape)} do not fit")
    swaps = function.Tensor._wrap(_in_order(_order(pivots._data), LU.dtype))
    if adjoint:
        inner = solve_triangular(LU.mT, B, upper=False)
        return matmul(swaps.mT, solve_triangular(LU.mT, inner, upper=True, unitriangular=True))
    inner = solve_triangular(LU, matmul(swaps, B), upper=False, unitriangular=True)
    return solve_triangular(LU, inner, upper=True)


def _order(raw: Any) -> Any:
    """The order of rows after all swaps."""
    ns = xp(raw)
    n = raw.shape[-1]
    order = ns.astype(ns.broadcast_to(ns.arange(n), raw.shape), ns.int64)
    place = ns.arange(n)
    for j in range(n):
        other = ns.astype(raw[..., j : j + 1], ns.int64) - 1
        here = order[..., j : j + 1]
        there = ns.sum(ns.where(place == other, order, 0), axis=-1, keepdims=True)
        order = ns.where(place == other, here, ns.where(place == j, there, order))
    return order


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, of which L is the Cholesky factor: A = L Lᵀ, or A = Lᵀ L with ``upper``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cholesky_inverse(tg.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])
    """
    check_matrix("cholesky_inverse", L, square=True)
    factor = triu(L).mT if upper else tril(L)
    whole = inverse(factor)
    return matmul(whole.mT, whole)
