"""Functions of a matrix: inverses, determinants, powers, rank, and systems of equations. Leading dimensions are batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.function import RESULT, Fused, Op, run, run1
from tinygrad_edu.ops._matrix import attempt, check_matrix
from tinygrad_edu.ops._types import fit, same_type, shape_of, xp
from tinygrad_edu.ops.elementwise import square, where
from tinygrad_edu.ops.extremes import amax, amin
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scan import products_of_others
from tinygrad_edu.ops.shape import squeeze, tril, triu, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Inverse(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = attempt("inverse", "the matrix is singular", xp(x).inv, x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return -(out.mT @ g @ out.mT)


def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices, (…, N, N): dX⁻¹ = -X⁻¹ dX X⁻¹.

    To solve equations use :func:`solve`, which is faster and more exact.

    Raises
    ------
    LinAlgError
        When a matrix is singular.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.inverse(tg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_matrix("inverse", input, square=True)
    return run1(Inverse, input)


# Equations -----------------------------------------------------------------------------------------------------------


class Solve(Op):
    """X with A X = B: dB gets A⁻ᵀ G, and dA minus that times Xᵀ."""

    __slots__ = ("shapes",)
    keeps = (0, RESULT)

    def forward(self, a: Any, b: Any) -> Any:
        self.shapes = a.shape, b.shape
        out = attempt("solve", "the matrix is singular", xp(a).solve, a, b)
        self.saved = a, out
        return out

    def backward(self, g: Any) -> Any:
        a, x = self.saved
        gb = Solve.apply(a.mT, g)
        ga = -(gb @ x.mT) if self.needs(0) else None
        return fit(ga, self.shapes[0]), fit(gb, self.shapes[1])


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, for square matrices A (…, N, N) and B (…, N, K), or a vector (…, N).

    B counts as a vector when it has one dimension, or the shape of A without its last dimension. With ``left=False``: X A = B.

    Raises
    ------
    LinAlgError
        When a matrix is singular.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.solve(tg.tensor([[2.0, 0.0], [0.0, 4.0]]), tg.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    check_matrix("solve", A, square=True)
    A, B = same_type(A, B)
    vector = len(B.shape) == 1 or (len(B.shape) == len(A.shape) - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise ValueError("solve: a vector stands on the right; left=False needs a matrix B")
    rhs = unsqueeze(B, -1) if vector else B
    if not left:
        A, rhs = A.mT, rhs.mT
    if len(rhs.shape) < 2 or rhs.shape[-2] != A.shape[-1]:
        raise ValueError(f"solve: the sizes of A {tuple(A.shape)} and B {tuple(B.shape)} do not fit")
    out = run(Solve(), (A, rhs))
    return squeeze(out, -1) if vector else out if left else out.mT


class SolveTriangular(Op):
    __slots__ = ("shapes", "unit", "upper")
    keeps = (0, RESULT)

    def forward(self, a: Any, b: Any, upper: bool, unit: bool) -> Any:
        self.shapes, self.upper, self.unit = (a.shape, b.shape), upper, unit
        ns = xp(a)
        out = attempt("solve_triangular", "an element of the diagonal is 0", ns.solve_triangular, a, b, upper, unit)
        self.saved = a, out
        return out

    def backward(self, g: Any) -> Any:
        a, x = self.saved
        gb = SolveTriangular.apply(a.mT, g, not self.upper, self.unit)
        ga = None
        if self.needs(0):
            ga = -(gb @ x.mT)
            ga = fit(triu(ga, int(self.unit)) if self.upper else tril(ga, -int(self.unit)), self.shapes[0])
        return ga, fit(gb, self.shapes[1])


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B for a triangular A (…, N, N) and B (…, N, K); the other triangle of A is not looked at.

    Parameters
    ----------
    upper : bool
        Which triangle of A counts.
    left : bool
        False solves X A = B.
    unitriangular : bool
        Take the diagonal of A as ones.

    Raises
    ------
    LinAlgError
        When an element of the diagonal is 0.
    """
    check_matrix("solve_triangular", A, square=True)
    A, B = same_type(A, B)
    if not left:
        return solve_triangular(A.mT, B.mT, upper=not upper, unitriangular=unitriangular).mT
    if len(B.shape) < 2 or B.shape[-2] != A.shape[-1]:
        raise ValueError(f"solve_triangular: the sizes of A {tuple(A.shape)} and B {tuple(B.shape)} do not fit")
    return run(SolveTriangular(), (A, B, upper, unitriangular))


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = B, where L is the Cholesky factor of A = L Lᵀ (or of A = Lᵀ L with ``upper``)."""
    shape_of(L)
    first, second = (L.mT, L) if upper else (L, L.mT)
    return solve_triangular(second, solve_triangular(first, B, upper=False), upper=True)


# Determinants --------------------------------------------------------------------------------------------------------


class Det(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).det(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return unsqueeze(unsqueeze(g, -1), -1) * Cofactors.apply(x)


class Cofactors(Fused):
    """The derivative of the determinant: signed minors, which exist for singular matrices too.

    With X = U S Vᵀ the minors of S are products of all but one singular value, and their derivatives products of all but two.
    """

    __slots__ = ()

    @staticmethod
    def reference(x: Any) -> Any:
        return unsqueeze(unsqueeze(det(x), -1), -1) * inverse(x).mT

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        ns = xp(x)
        if 0 in x.shape:
            return ns.zeros_like(x)
        try:
            inverted = ns.inv(x)
        except ns.linalg_errors:
            inverted = None
        if inverted is not None:
            worst = ns.max(ns.abs(inverted), axis=(-2, -1)) * ns.max(ns.abs(x), axis=(-2, -1))
            if bool(ns.all(worst < ns.finfo(x.dtype).eps ** -0.5)):
                return _as_matrix(ns, ns.det(x)) * inverted.mT
        sign, u, s, vh = self.decomposed(x)
        return sign * (u * ns.expand_dims(products_of_others(s, len(s.shape) - 1), axis=-2)) @ vh

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        ns = xp(x)
        if 0 in x.shape:
            return ns.zeros_like(x)
        sign, u, s, vh = self.decomposed(x)
        eye = ns.eye(s.shape[-1], dtype=x.dtype)
        # Row k: the products of all singular values but the i-th and the k-th; 0 for i = k.
        without = ns.where(eye == 1, eye, ns.expand_dims(s, axis=-2))
        pairs = products_of_others(without, len(s.shape)) * (1 - eye)
        turned = u.mT @ g @ vh.mT
        own = ns.sum(turned * eye, axis=-1)
        on_diagonal = (pairs @ ns.expand_dims(own, axis=-1)) * eye
        return sign * (u @ (on_diagonal - pairs * turned.mT) @ vh)

    @staticmethod
    def decomposed(x: Any) -> tuple[Any, Any, Any, Any]:
        """det(U) det(V), U, S and Vᵀ."""
        ns = xp(x)
        u, s, vh = ns.svd(x, False)
        return _as_matrix(ns, ns.round(ns.det(u) * ns.det(vh))), u, s, vh


def _as_matrix(ns: Any, numbers: Any) -> Any:
    """A number for each matrix of a batch, as 1 by 1 matrices."""
    return ns.expand_dims(ns.expand_dims(ns.asarray(numbers), axis=-1), axis=-1)


def det(input: Tensor) -> Tensor:
    """The determinant of square matrices, (…, N, N) → (…); its gradient, the cofactors, is right for singular ones too.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.det(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    check_matrix("det", input, square=True)
    return run1(Det, input)


class SignAndLogDet(NamedTuple):
    """What :func:`slogdet` returns: ``sign`` and ``logabsdet``."""

    sign: Any
    logabsdet: Any


class SLogDet(Op):
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).slogdet(x)

    def backward(self, g_sign: Any, g: Any) -> Any:
        (x,) = self.saved
        return None if g is None else unsqueeze(unsqueeze(g, -1), -1) * Inverse.apply(x).mT


def slogdet(input: Tensor) -> SignAndLogDet:
    """The sign of the determinant and the logarithm of its size: (sign, logabsdet); d ln|det X| = tr(X⁻¹ dX).

    A singular matrix has (0, -inf), and no gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.slogdet(tg.tensor([[0.0, 2.0], [2.0, 0.0]])).sign
    tensor(-1.)
    """
    check_matrix("slogdet", input, square=True)
    return SignAndLogDet(*run(SLogDet(), (input,)))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative."""
    check_matrix("logdet", input, square=True)
    sign, size = slogdet(input)
    return where(sign < 0, size.new_full((), float("nan")), size)


# Powers, rank, pseudo-inverse ----------------------------------------------------------------------------------------


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, by repeated squaring; a negative one is a power of the inverse.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.matrix_power(tg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    shape = shape_of(input)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"matrix_power: expected square matrices, got shape {shape}")
    if n < 0:
        return matrix_power(inverse(input), -n)
    if n == 0:
        from tinygrad_edu.creation import eye

        return input * 0 + eye(input.shape[-1], dtype=input.dtype, device=input.device)
    half = matrix_power(input, n // 2) if n > 1 else None
    if half is None:
        return input.clone()
    return matmul(matmul(half, half), input) if n % 2 else matmul(half, half)


def _cutoff(values: Tensor, shape: Any, atol: float | None, rtol: float | None) -> Tensor:
    """Singular values up to this count as 0."""
    eps = xp(values._data).finfo(values._data.dtype).eps
    if rtol is None:
        rtol = 0.0 if atol is not None and atol > 0 else max(shape[-2:]) * float(eps)
    return (amax(values, -1, True) * rtol).clamp(min=atol or 0.0)


def matrix_rank(A: Tensor, *, atol: float | None = None, rtol: float | None = None) -> Tensor:
    """How many singular values are larger than max(atol, rtol · the largest), as int64; (…, M, N) → (…).

    ``rtol`` is max(M, N) times the machine precision by default, or 0 when ``atol`` is given.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.matrix_rank(tg.ones(3, 3))
    tensor(1)
    """
    from tinygrad_edu.ops.decompositions import svdvals

    check_matrix("matrix_rank", A)
    if 0 in A.shape[-2:]:
        return A.new_zeros(tuple(A.shape[:-2]), dtype=int)
    values = svdvals(A.detach())
    return sum_(values > _cutoff(values, A.shape, atol, rtol), -1)


class PseudoInverse(Op):
    """The formula of Golub and Pereyra (1973), for a rank that does not change nearby."""

    __slots__ = ()
    keeps = (0, RESULT)

    def forward(self, x: Any, atol: float | None, rtol: float | None) -> Any:
        ns = xp(x)
        if 0 in x.shape:
            out = ns.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
        else:
            u, s, vh = ns.svd(x, False)
            if rtol is None:
                rtol = 0.0 if atol is not None and atol > 0 else max(x.shape[-2:]) * float(ns.finfo(x.dtype).eps)
            large = s > ns.maximum(ns.max(s, axis=-1, keepdims=True) * rtol, ns.asarray(atol or 0.0, dtype=x.dtype))
            inverted = ns.where(large, 1.0 / ns.where(large, s, 1.0), 0.0)
            out = (vh.mT * ns.expand_dims(inverted, axis=-2)) @ u.mT
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, p = self.saved
        g, pt = g.mT, p.mT
        outside_columns = g - x @ (p @ g)  # (I - X P) Gᵀ
        outside_rows = g - (g @ p) @ x  # Gᵀ (I - P X)
        return -(pt @ g.mT @ pt) + outside_columns @ p @ pt + pt @ p @ outside_rows


def pinv(A: Tensor, *, atol: float | None = None, rtol: float | None = None) -> Tensor:
    """The pseudo-inverse (Moore and Penrose) of matrices, (…, M, N) → (…, N, M).

    Singular values up to max(atol, rtol · the largest) count as 0; see :func:`matrix_rank` for the defaults. The derivative takes the
    rank as constant.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.pinv(tg.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    check_matrix("pinv", A)
    return run1(PseudoInverse, A, atol, rtol)


class LeastSquares(NamedTuple):
    """What :func:`lstsq` returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None) -> LeastSquares:
    """The X of least norm that minimises |A X - B|: (solution, residuals, rank, singular_values).

    For A (…, M, N) and B (…, M, K). ``residuals`` are the minimal Σ(A X - B)² for each column, and empty unless M > N and A has full
    rank. Singular values up to ``rcond`` times the largest count as 0.
    """
    from tinygrad_edu.ops.decompositions import svdvals

    check_matrix("lstsq", A)
    if len(shape_of(B)) < 2 or shape_of(B)[-2] != shape_of(A)[-2]:
        raise ValueError(f"lstsq: the sizes of A {tuple(A.shape)} and B {tuple(B.shape)} do not fit")
    solution = matmul(pinv(A, rtol=rcond), B)
    rank = matrix_rank(A, rtol=rcond)
    tall = A.shape[-2] > A.shape[-1] and bool((rank == A.shape[-1]).all())
    residuals = sum_(square(matmul(A, solution) - B), -2) if tall else A.new_zeros((0,))
    return LeastSquares(solution, residuals, rank, svdvals(A.detach()))


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number |A| |A⁻¹| in the matrix norm ``p``; by default the largest singular value over the smallest.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.cond(tg.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    from tinygrad_edu.ops.decompositions import svdvals
    from tinygrad_edu.ops.norms import matrix_norm

    check_matrix("cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = amax(values, -1), amin(values, -1)
        return smallest / largest if p == -2 else largest / smallest
    return matrix_norm(A, p) * matrix_norm(inverse(A), p)
