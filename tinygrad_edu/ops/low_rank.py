"""The largest singular values of a matrix, from products with a few random vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_edu.ops._matrix import check_matrix
from tinygrad_edu.ops.decompositions import USV, qr, svd

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> USV:
    """An approximation A - M ≈ U diag(S) Vᵀ of rank ``q``, without a decomposition of the whole matrix.

    The range of A is sampled by its products with q random vectors, sharpened by ``niter`` rounds of AᵀA, and A is
    decomposed within it. Of a matrix of rank q at most, the result is exact up to rounding.

    Parameters
    ----------
    A : Tensor, (…, M, N)
    q : int, default 6
        A little more than the rank that is looked for; at most min(M, N).
    niter : int, default 2
    M : Tensor, optional
        Subtracted first, such as the mean of the rows; broadcasts.

    Returns
    -------
    U : (…, M, q); S : (…, q); V : (…, N, q)

    Raises
    ------
    ValueError
        When q or niter is out of range.

    References
    ----------
    N. Halko, P.-G. Martinsson and J. Tropp, Finding structure with randomness (2009), algorithms 4.4 and 5.1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.outer(tg.arange(50.0), tg.ones(40))
    >>> u, s, v = tg.svd_lowrank(x, q=2)
    >>> tg.allclose(u * s @ v.mT, x, rtol=1e-4, atol=1e-3)
    True
    """
    check_matrix("svd_lowrank", A)
    return _sketched("svd_lowrank", A if M is None else A - M, 6 if q is None else q, 2 if niter is None else niter)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> USV:
    """The first ``q`` principal components of the rows of A (…, M, N), by :func:`svd_lowrank`.

    The columns of V are the directions, A @ V[:, :k] the projection on the first k, and S² / (M - 1) the variances along them.

    Parameters
    ----------
    q : int, default min(6, M, N)
    center : bool, default True
        Whether to subtract the mean of the rows.
    niter : int, default 2

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> line = tg.outer(tg.arange(10.0), tg.tensor([0.6, 0.8])) + 5
    >>> tg.pca_lowrank(line, q=1).V.abs()
    tensor([[0.6000],
            [0.8000]])
    """
    check_matrix("pca_lowrank", A)
    x = A - A.mean(-2, keepdim=True) if center else A
    return _sketched("pca_lowrank", x, min(6, *A.shape[-2:]) if q is None else q, niter)


def _sketched(name: str, x: Tensor, q: int, niter: int) -> USV:
    """The decomposition of ``x`` within a random sample of its range."""
    rows, columns = x.shape[-2:]
    if not 0 <= q <= min(rows, columns):
        raise ValueError(f"{name}: q must lie between 0 and min(M, N) = {min(rows, columns)}, got {q}")
    if niter < 0:
        raise ValueError(f"{name}: niter must not be negative, got {niter}")
    if rows < columns:
        u, s, v = _sketched(name, x.mT, q, niter)
        return USV(v, s, u)
    span = qr(x @ x.new_empty((*x.shape[:-2], columns, q)).normal_()).Q
    for _ in range(niter):
        span = qr(x @ qr(x.mT @ span).Q).Q
    u, s, vh = svd(span.mT @ x, False)
    return USV(span @ u, s, vh.mT)
