"""The largest singular values of a large matrix, by random projection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["truncated_svd"]

Array = NDArray[np.floating]


def truncated_svd(
    matrix: Any,
    rank: int,
    *,
    oversampling: int = 10,
    iterations: int = 4,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Array, Array]:
    """The `rank` largest singular values of a matrix with their vectors: :math:`A \\approx U\\,\\mathrm{diag}(s)\\,V^T`.

    The image of a few random vectors under :math:`(A A^T)^q A` spans nearly the space of the largest left singular vectors;
    there the problem is small. The matrix is only multiplied with, so it may be sparse.

    Parameters
    ----------
    matrix : SparseMatrix or array (M, N)
        Whatever has ``@``, ``T`` and ``shape``.
    rank : int
    oversampling : int, default 10
        Random vectors beyond `rank`.
    iterations : int, default 4
        The q. More make small gaps between singular values clear.
    generator : numpy.random.Generator, optional
        By default one with a fixed seed.

    Returns
    -------
    U : numpy.ndarray (M, rank)
        In each column the element of the largest size is positive.
    s : numpy.ndarray (rank,)
        From the largest.
    V : numpy.ndarray (N, rank)

    Raises
    ------
    ValueError
        If `rank` is not in ``1..min(M, N)``.

    Examples
    --------
    >>> matrix = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])
    >>> u, s, v = truncated_svd(matrix, 1)
    >>> s.round(6), (u * s @ v.T).round(6).tolist()
    (array([15.]), [[3.0, 4.0], [6.0, 8.0], [6.0, 8.0]])

    Notes
    -----
    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithms 4.4
    and 5.1.
    """
    rows, columns = matrix.shape
    if not 1 <= rank <= min(rows, columns):
        raise ValueError(f"truncated_svd: a matrix of shape {[rows, columns]} has no {rank} singular values")
    generator = np.random.default_rng(0) if generator is None else generator
    dtype = getattr(matrix, "values", matrix).dtype
    width = min(rank + oversampling, rows, columns)
    transposed = matrix.T
    basis = np.linalg.qr(matrix @ generator.standard_normal((columns, width)).astype(dtype))[0]
    for _ in range(iterations):
        basis = np.linalg.qr(transposed @ basis)[0]
        basis = np.linalg.qr(matrix @ basis)[0]
    v, s, u = np.linalg.svd(transposed @ basis, full_matrices=False)  # of the small factor, transposed
    u = basis @ u.T
    signs = np.sign(u[np.abs(u).argmax(axis=0), np.arange(width)])
    return (u * signs)[:, :rank], s[:rank], (v * signs)[:, :rank]
