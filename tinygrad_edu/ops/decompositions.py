"""Matrix decompositions: Cholesky, QR, singular values, symmetric eigenvalues. Leading dimensions are batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.function import RESULT, Op, run, run1
from tinygrad_edu.ops._matrix import LinAlgError, attempt, check_matrix
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.diagonal import diag_embed
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.matrix import SolveTriangular
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.shape import tril, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Cholesky(Op):
    """A = L Lᵀ: the gradient is the symmetric part of L⁻ᵀ Φ(Lᵀ G) L⁻¹, where Φ takes the lower triangle, half the diagonal."""

    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = attempt("cholesky", "the matrix is not positive definite", xp(x).cholesky, x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (lower,) = self.saved
        inner = lower.mT @ g
        inner = (tril(inner) + tril(inner, -1)) * 0.5
        half = SolveTriangular.apply(lower.mT, inner, True, False)
        whole = SolveTriangular.apply(lower.mT, half.mT, True, False)
        return (whole + whole.mT) * 0.5


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower triangular L with A = L Lᵀ, for symmetric positive definite matrices; with ``upper`` its transpose.

    Only the lower triangle of A is looked at, and the gradient is symmetric.

    Raises
    ------
    LinAlgError
        When a matrix is not positive definite.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.cholesky(tg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    check_matrix("cholesky", input, square=True)
    out = run1(Cholesky, input)
    return out.mT if upper else out


class QAndR(NamedTuple):
    """What :func:`qr` returns: ``Q`` and ``R``."""

    Q: Any
    R: Any


class QR(Op):
    """A = Q R with at least as many rows as columns."""

    __slots__ = ("complete",)

    def forward(self, x: Any, complete: bool) -> Any:
        self.complete = complete
        self.saved = xp(x).qr(x, "complete" if complete else "reduced")
        return self.saved

    def backward(self, gq: Any, gr: Any) -> Any:
        q, r = self.saved
        if self.complete and q.shape[-1] != r.shape[-1]:
            raise LinAlgError(
                "qr: the complete form of a tall matrix has no gradient, since Q is not unique; use 'reduced'"
            )
        inner: Any = 0
        if gr is not None:
            inner = r @ gr.mT
        if gq is not None:
            inner = inner - gq.mT @ q
        whole = q @ (tril(inner) + tril(inner, -1).mT)
        whole = whole if gq is None else whole + gq
        return SolveTriangular.apply(r, whole.mT, True, False).mT, None


def qr(A: Tensor, mode: str = "reduced") -> QAndR:
    """A = Q R with orthonormal columns in Q and an upper triangular R, for (…, M, N).

    The signs are LAPACK's: most rows of R begin with the opposite sign of what they eliminate, and they jump where that is 0 already.

    Parameters
    ----------
    mode : "reduced", "complete" or "r"
        Q of shape (…, M, min(M, N)); of shape (…, M, M); or empty.

    Raises
    ------
    LinAlgError
        In the backward pass, where the columns of A are linearly dependent.
    """
    check_matrix("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: the mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    rows, columns = A.shape[-2:]
    if rows >= columns:
        q, r = run(QR(), (A, mode == "complete"))
    else:  # Q comes from the first columns, and the others are told by it
        q, r = run(QR(), (narrow(A, -1, 0, rows), False))
        r = cat([r, q.mT @ narrow(A, -1, rows, columns - rows)], -1)
    return QAndR(A.new_zeros((0,)) if mode == "r" else q, r)


# Spectra -------------------------------------------------------------------------------------------------------------


def _inverse_gaps(values: Any) -> Any:
    """1 / (v[j] - v[i]) for each pair, and 0 for i = j."""
    raw = getattr(values, "_data", values)
    eye = xp(raw).eye(raw.shape[-1], dtype=raw.dtype)
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1)
    return 1 / (gaps + eye) * (1 - eye)


def _require_distinct(name: str, what: str, values: Any) -> None:
    """Vectors of equal values are not unique, so they have no derivative."""
    raw = getattr(values, "_data", values)
    ns = xp(raw)
    if raw.shape[-1] < 2 or 0 in raw.shape:
        return
    gaps = ns.abs(raw[..., 1:] - raw[..., :-1])
    size = ns.max(ns.abs(raw), axis=-1, keepdims=True)
    if bool(ns.any(gaps <= 4 * float(ns.finfo(raw.dtype).eps) * size)):
        raise LinAlgError(
            f"{name}: the vectors of equal {what} are not unique, so they have no gradient; that of the values exists"
        )


class SingularValues(NamedTuple):
    """What :func:`svd` returns: A = U diag(S) Vh."""

    U: Any
    S: Any
    Vh: Any


class SVD(Op):
    """J. Townsend, Differentiating the singular value decomposition (2016)."""

    __slots__ = ("shape",)

    def forward(self, x: Any, full: bool) -> Any:
        self.shape = x.shape
        self.saved = attempt("svd", "the iteration did not converge", xp(x).svd, x, full)
        return self.saved

    def backward(self, gu: Any, gs: Any, gvh: Any) -> Any:
        u, s, vh = self.saved
        rows, columns = self.shape[-2:]
        k = s.shape[-1]
        if gu is None and gvh is None:
            return narrow(u, -1, 0, k) * unsqueeze(gs, -2) @ narrow(vh, -2, 0, k), None
        if u.shape[-1] > k or vh.shape[-2] > k:
            raise LinAlgError(
                f"svd: with full_matrices=True the singular vectors of matrices of {rows} by {columns} are not unique, so they have "
                "no gradient; use full_matrices=False"
            )
        _require_distinct("svd", "singular values", s)
        if rows != columns and bool(xp(getattr(s, "_data", s)).any(getattr(s, "_data", s) == 0)):
            raise LinAlgError("svd: the singular vectors of a matrix without full rank have no gradient")
        gaps = _inverse_gaps(s * s)
        inner: Any = 0
        outside: Any = 0
        if gs is not None:
            inner = inner + diag_embed(gs)
        if gu is not None:
            turn = u.mT @ gu
            inner = inner + gaps * (turn - turn.mT) * unsqueeze(s, -2)
            if rows > k:
                outside = outside + (gu - u @ turn) / unsqueeze(s, -2) @ vh
        if gvh is not None:
            turn = vh @ gvh.mT
            inner = inner + gaps * (turn - turn.mT) * unsqueeze(s, -1)
            if columns > k:
                outside = outside + u @ ((gvh - turn.mT @ vh) / unsqueeze(s, -1))
        return u @ inner @ vh + outside, None


def svd(A: Tensor, full_matrices: bool = True) -> SingularValues:
    """The singular value decomposition A = U diag(S) Vh of (…, M, N), with the largest singular value first.

    Singular vectors have a gradient where all singular values differ, and their signs are arbitrary: only what does not depend on
    these can be learned. Singular values always have one.

    Parameters
    ----------
    full_matrices : bool
        U of shape (…, M, M) and Vh of (…, N, N), instead of min(M, N) columns and rows; then only square matrices have gradients
        through U and Vh.

    Raises
    ------
    LinAlgError
        In the backward pass, where singular vectors are not unique.

    References
    ----------
    J. Townsend, Differentiating the singular value decomposition (2016).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.svd(tg.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    check_matrix("svd", A)
    return SingularValues(*run(SVD(), (A, full_matrices)))


class USV(NamedTuple):
    """What :func:`svd_with_v` returns: A = U diag(S) Vᵀ."""

    U: Any
    S: Any
    V: Any


def svd_with_v(input: Tensor, some: bool = True, compute_uv: bool = True) -> USV:
    """``tg.svd``, the older form of :func:`tinygrad_edu.linalg.svd`, with V for Vᵀ and reduced matrices unless ``some=False``.

    Without ``compute_uv`` U and V are zeros.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.svd(tg.tensor([[3.0, 0.0], [0.0, 4.0]])).S
    tensor([4., 3.])
    """
    u, s, vh = svd(input, not some)
    if not compute_uv:
        rows, columns = input.shape[-2:]
        u, vh = input.new_zeros((*input.shape[:-2], rows, rows)), input.new_zeros((*input.shape[:-2], columns, columns))
    return USV(u, s, vh.mT)


def svdvals(A: Tensor) -> Tensor:
    """The singular values of matrices, the largest first: (…, M, N) → (…, min(M, N))."""
    check_matrix("svdvals", A)
    return svd(A, False).S


class Eigen(NamedTuple):
    """What :func:`eigh` returns: ``eigenvalues`` and ``eigenvectors``, the latter in columns."""

    eigenvalues: Any
    eigenvectors: Any


class EigH(Op):
    __slots__ = ()

    def forward(self, x: Any, upper: bool) -> Any:
        self.saved = attempt("eigh", "the iteration did not converge", xp(x).eigh, x, upper)
        return self.saved

    def backward(self, gw: Any, gv: Any) -> Any:
        w, v = self.saved
        if gv is None:
            return (v * unsqueeze(gw, -2)) @ v.mT, None
        _require_distinct("eigh", "eigenvalues", w)
        inner = _inverse_gaps(w) * (v.mT @ gv)
        if gw is not None:
            inner = inner + diag_embed(gw)
        return v @ inner @ v.mT, None


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues, in ascending order, and orthonormal eigenvectors of symmetric matrices: A = V diag(w) Vᵀ.

    Only the lower ("L") or upper ("U") triangle is looked at; the gradient is that among symmetric matrices. Eigenvectors have a
    gradient where all eigenvalues differ, and their signs are arbitrary.

    Raises
    ------
    LinAlgError
        In the backward pass, where eigenvectors are not unique.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.eigh(tg.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    check_matrix("eigh", A, square=True)
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    return Eigen(*run(EigH(), (A, UPLO == "U")))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices, in ascending order."""
    return eigh(A, UPLO).eigenvalues
