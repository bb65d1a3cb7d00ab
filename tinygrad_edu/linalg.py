"""Linear algebra under the names of ``torch.linalg``: ``tg.linalg.norm``, ``tg.linalg.solve``, …

>>> import tinygrad_edu as tg
>>> A = tg.tensor([[2.0, 1.0], [1.0, 3.0]])
>>> tg.linalg.solve(A, tg.tensor([3.0, 4.0]))
tensor([1., 1.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_edu.ops._matrix import LinAlgError
from tinygrad_edu.ops.decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from tinygrad_edu.ops.diagonal import diagonal as _diagonal
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.lu import lu, lu_factor, lu_solve
from tinygrad_edu.ops.matrix import (
    cond,
    det,
    lstsq,
    matrix_power,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    solve_triangular,
)
from tinygrad_edu.ops.matrix import inverse as inv
from tinygrad_edu.ops.matrix_functions import matrix_exp, tensorinv, tensorsolve
from tinygrad_edu.ops.norms import matrix_norm, vector_norm
from tinygrad_edu.ops.norms import matrix_or_vector_norm as norm
from tinygrad_edu.ops.products import increasing_vander as vander
from tinygrad_edu.ops.products import multi_dot, vecdot
from tinygrad_edu.ops.products import vector_cross as cross
from tinygrad_edu.ops.reflections import householder_product

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "householder_product",
    "inv",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of the matrices in the last two dimensions; see :func:`tinygrad_edu.diagonal`."""
    return _diagonal(A, offset, dim1, dim2)
