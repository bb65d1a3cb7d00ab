"""Linear algebra: the extension "linalg" of the array standard, and what it lacks."""

from __future__ import annotations

from tinygrad_edu.backends import _lu
from tinygrad_edu.backends._face import Array, Face


class LinearAlgebra(Face):
    """Matrices and stacks of them."""

    def diagonal(self, x: Array, offset: int) -> Array:
        """The diagonal of the last two axes, a view where the library can make one that can be written to."""
        rows, columns = x.shape[-2:]
        n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
        ns = self
        flat = ns.reshape(x, (*x.shape[:-2], rows * columns))
        first = max(offset, 0) - min(offset, 0) * columns
        return ns.take(flat, first + ns.arange(n) * (columns + 1), axis=-1)

    def inv(self, x: Array) -> Array:
        """The inverse of each matrix."""
        return self.namespace.linalg.inv(x)

    def solve(self, a: Array, b: Array) -> Array:
        """The X with a X = b, for matrices b."""
        return self.namespace.linalg.solve(a, b)

    def lu(self, x: Array) -> tuple[Array, Array]:
        """L, without its ones, and U of matrices in one array, and the order of the rows: (L U)[i] = x[order[i]]."""
        return _lu.lu(self, x)

    def solve_triangular(self, a: Array, b: Array, upper: bool, unit: bool) -> Array:
        """The X with a X = b, looking only at one triangle of a, with a diagonal of ones if ``unit``."""
        ns = self
        eye = ns.eye(a.shape[-1], dtype=a.dtype)
        a = ns.triu(a, k=int(unit)) if upper else ns.tril(a, k=-int(unit))
        return self.solve(a + eye if unit else a, b)

    def det(self, x: Array) -> Array:
        """The determinant of each matrix."""
        return self.namespace.linalg.det(x)

    def slogdet(self, x: Array) -> tuple[Array, Array]:
        """The sign of the determinant and the logarithm of its size."""
        sign, size = self.namespace.linalg.slogdet(x)
        return sign, size

    def cholesky(self, x: Array) -> Array:
        """The lower Cholesky factor of each matrix, of which only the lower triangle is looked at."""
        return self.namespace.linalg.cholesky(x)

    def qr(self, x: Array, mode: str) -> tuple[Array, Array]:
        """Q and R, "reduced" or "complete"."""
        q, r = self.namespace.linalg.qr(x, mode=mode)
        return q, r

    def svd(self, x: Array, full: bool) -> tuple[Array, Array, Array]:
        """U, the singular values in descending order, and Vᵀ."""
        u, s, vh = self.namespace.linalg.svd(x, full_matrices=full)
        return u, s, vh

    def eigh(self, x: Array, upper: bool) -> tuple[Array, Array]:
        """Eigenvalues in ascending order and eigenvectors, looking only at one triangle."""
        ns = self
        part = ns.triu(x) if upper else ns.tril(x)
        other = ns.triu(x, k=1) if upper else ns.tril(x, k=-1)
        w, v = self.namespace.linalg.eigh(part + ns.matrix_transpose(other))
        return w, v
