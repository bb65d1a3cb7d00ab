"""LU and what is solved by it, the exponential of matrices, and equations between tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.linalg import LinAlgError
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._drawing import bad, zeros
from tinygrad_edu.testing.specs.linalg import INTEGERS, NO_MATRIX, NOT_SQUARE, regular, system
from tinygrad_edu.testing.specs.products import FLOATS


@st.composite
def _turned(draw: Any, square: bool = False) -> Tensor:
    """Regular matrices whose rows stand in another order, so that pivots are needed, and are far from equal."""
    x = draw(regular(square=square))
    order = draw(st.permutations(range(x.shape[-2])))
    return x[..., tg.tensor(order), :] if order else x


def _lu(x: Any) -> tuple[Any, ...]:
    """P, L and U by Gauss's elimination, a matrix at a time."""
    lead, (m, n) = x.shape[:-2], x.shape[-2:]
    found = [_one_lu(a) for a in x.reshape(math.prod(lead), m, n)]
    sizes = (m, m), (m, min(m, n)), (min(m, n), n)
    return tuple(np.array([f[i] for f in found]).reshape(*lead, *size) for i, size in enumerate(sizes))


def _one_lu(a: Any) -> tuple[Any, ...]:
    u, n = np.array(a), min(a.shape)
    rows = len(u)
    p, lower = np.eye(rows), np.zeros((rows, rows))
    for j in range(n):
        k = j + int(np.argmax(np.abs(u[j:, j])))
        for m in (u, lower, p):
            m[[j, k]] = m[[k, j]]
        for i in range(j + 1, rows):
            lower[i, j] = u[i, j] / u[j, j]
            u[i] -= lower[i, j] * u[j]
    return p.T, (lower + np.eye(rows))[:, :n], u[:n]


@st.composite
def _lu_system(draw: Any) -> tuple[Any, ...]:
    a, b = draw(system())
    left, adjoint = draw(st.booleans()), draw(st.booleans())
    return a.flip(-2), (b if left else b.mT), left, adjoint


def _lu_solve(library: Any, a: Any, b: Any, left: bool, adjoint: bool) -> Any:
    return library.linalg.lu_solve(*library.linalg.lu_factor(a), b, left=left, adjoint=adjoint)


def _solved(a: Any, b: Any, left: bool, adjoint: bool) -> Any:
    a = np.swapaxes(a, -1, -2) if adjoint else a
    if left:
        return np.linalg.solve(a, b)
    return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


def _series(x: Any) -> Any:
    """The exponential by its series, of a part small enough, squared."""
    small, out = x / 64, np.zeros_like(x) + np.eye(x.shape[-1])
    term = out
    for k in range(1, 20):
        term = term @ small / k
        out = out + term
    for _ in range(6):
        out = out @ out
    return out


def _cholesky_inverse(factor: Any, upper: bool) -> Any:
    factor = np.swapaxes(np.triu(factor), -1, -2) if upper else np.tril(factor)
    return np.linalg.inv(factor @ np.swapaxes(factor, -1, -2))


@st.composite
def _tensor_equation(draw: Any) -> tuple[Any, ...]:
    first, last = draw(st.sampled_from([((2,), (2,)), ((2, 2), (4,)), ((4,), (2, 2)), ((1, 3), (3, 1))]))
    n = math.prod(first)
    a = draw(some.tensors((n, n), -0.25, 0.25)) + tg.tensor(np.diag(2.0 * np.arange(n) + 3.0))
    return a.reshape(*first, *last), draw(some.tensors(first, -2.0, 2.0))


def _svd(library: Any, x: Any) -> tuple[Any, ...]:
    return tuple(part * part for part in library.svd(x))


def _svd_of_numpy(x: Any) -> tuple[Any, ...]:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return u * u, s * s, np.swapaxes(vh, -1, -2) ** 2


def _largest(function: Any, x: Any, **settings: Any) -> Tensor:
    """All singular values, from the same random vectors each time."""
    tg.manual_seed(0)
    found: Tensor = function(x, q=min(x.shape[-2:]), **settings).S
    return found


ORDER = 3

SPECS = [
    OpSpec(
        "linalg.lu",
        lambda x: tuple(tg.linalg.lu(x)),
        _turned(),
        _lu,
        torch="linalg.lu",
        dtypes=FLOATS,
        errors=(NO_MATRIX, INTEGERS),
        domain="matrices whose pivots are larger than what is below them, and for gradients not 0",
    ),
    OpSpec(
        "linalg.lu_factor",
        tg.linalg.lu_factor,
        _turned(),
        torch="linalg.lu_factor",
        dtypes=FLOATS,
        errors=(NO_MATRIX, Bad(lambda: (tg.zeros(2, 2),), LinAlgError, "0 on its diagonal")),
    ),
    OpSpec(
        "linalg.lu_solve",
        lambda *args: _lu_solve(tg, *args),
        _lu_system(),
        _solved,
        torch=_lu_solve,
        dtypes=FLOATS,
        errors=bad(ValueError, "do not fit", lambda: tg.eye(2), zeros(3, 1), True, False),
    ),
    OpSpec(
        "cholesky_inverse",
        tg.cholesky_inverse,
        st.tuples(regular(), st.booleans()),
        _cholesky_inverse,
        methods="cholesky_inverse",
        errors=(NOT_SQUARE,),
        torch=lambda m, x, upper: m.cholesky_inverse(x.triu() if upper else x.tril(), upper),
        dtypes=FLOATS,
    ),
    OpSpec(
        "matrix_exp",
        tg.matrix_exp,
        some.tensors(
            some.shapes(0, 1, 1, 2).flatmap(lambda lead: st.integers(1, 3).map(lambda n: (*lead, n, n))), -1, 1
        )
        | some.tensors((2, 2), -6, 6),
        _series,
        order=3,
        methods="matrix_exp",
        torch="matrix_exp",
        dtypes=FLOATS,
        rtol=1e-9,
        errors=(NOT_SQUARE, INTEGERS),
    ),
    OpSpec(
        "linalg.tensorsolve",
        tg.linalg.tensorsolve,
        _tensor_equation(),
        np.linalg.tensorsolve,
        torch="linalg.tensorsolve",
        dtypes=FLOATS,
        errors=bad(ValueError, "tensorsolve: the sizes", zeros(2, 3), zeros(2)),
    ),
    OpSpec(
        "linalg.tensorinv",
        tg.linalg.tensorinv,
        _tensor_equation().map(lambda c: (c[0], c[1].dim())),
        np.linalg.tensorinv,
        torch="linalg.tensorinv",
        dtypes=FLOATS,
        errors=bad(ValueError, "tensorinv: the first 1 dimensions", zeros(2, 3), 1),
    ),
    OpSpec(
        "svd",
        lambda x: _svd(tg, x),
        regular(square=False, batch=False),
        _svd_of_numpy,
        torch=_svd,
        dtypes=FLOATS,
        errors=(NO_MATRIX,),
        domain="matrices of full rank with distinct singular values",
    ),
    OpSpec(
        "svd_lowrank",
        lambda x: _largest(tg.svd_lowrank, x),
        regular(square=False),
        lambda x: np.linalg.svd(x, compute_uv=False),
        rtol=1e-9,
        dtypes="float64",
        draws=True,
        errors=bad(ValueError, "expected a matrix", zeros(3)),
        notes="checked with as many columns as there are, where it is exact whatever is drawn",
    ),
    OpSpec(
        "pca_lowrank",
        lambda x: _largest(tg.pca_lowrank, x, center=False),
        regular(square=False),
        lambda x: np.linalg.svd(x, compute_uv=False),
        rtol=1e-9,
        dtypes="float64",
        draws=True,
        errors=bad(ValueError, "expected a matrix", zeros(3)),
        notes="checked with as many columns as there are, where it is exact whatever is drawn",
    ),
]
