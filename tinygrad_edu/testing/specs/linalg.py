"""Inverses, equations, determinants, decompositions, and norms of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.linalg import LinAlgError
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs.products import FLOATS, misfit, product

Strategy = st.SearchStrategy[Any]


# Arguments -----------------------------------------------------------------------------------------------------------


@st.composite
def regular(draw: Any, square: bool = True, tall: bool | None = None, batch: bool = True) -> Tensor:
    """Matrices with a large diagonal 3, 5, 7: regular, with singular values that keep their distance."""
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if square:
        m = n
    elif tall is not None:
        n, m = (max(n, m), min(n, m)) if tall else (min(n, m), max(n, m))
    lead = draw(some.shapes(0, 1)) if batch else ()
    diagonal = np.zeros((n, m))
    np.fill_diagonal(diagonal, 2.0 * np.arange(min(n, m)) + 3.0)
    return draw(some.tensors((*lead, n, m), -0.25, 0.25)) + tg.tensor(diagonal)


@st.composite
def system(draw: Any) -> tuple[Tensor, Tensor]:
    """A regular matrix and right-hand sides."""
    a = draw(regular())
    return a, draw(some.tensors((*a.shape[:-1], draw(st.integers(1, 2))), -2.0, 2.0))


def _symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


_SINGULAR = Bad(lambda: (tg.zeros(2, 2),), LinAlgError, "the matrix is singular")
NOT_SQUARE = Bad(lambda: (tg.ones(2, 3),), ValueError, "expected square matrices")
NO_MATRIX = Bad(lambda: (tg.ones(3),), ValueError, "expected a matrix")
INTEGERS = Bad(lambda: (tg.ones(2, 2, dtype=tg.int64),), TypeError, "expected float32 or float64")
_SQUARE = (NOT_SQUARE, NO_MATRIX, INTEGERS)
_SIGNS = "vectors are compared by their squares, since their signs are arbitrary"


# Inverses, equations, determinants -----------------------------------------------------------------------------------


def _without_first_column(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 0] = 0.0
    return x


def _logdet(x: Any) -> Any:
    return np.linalg.slogdet(x)[1]


def _room(name: str, inputs: Strategy, reference: Callable[..., Any], **rest: Any) -> OpSpec:
    """A function of ``tg.linalg``."""
    return OpSpec(
        f"linalg.{name}",
        getattr(tg.linalg, name),
        inputs,
        reference,
        **{"torch": f"linalg.{name}", "dtypes": FLOATS} | rest,
    )


def _solve_triangular(a: Any, b: Any, upper: bool) -> Any:
    return np.linalg.solve(np.triu(a) if upper else np.tril(a), b)


def _triangular(function: Any) -> Callable[..., Any]:
    return lambda a, b, upper: function(a, b, upper=upper)


@st.composite
def _triangular_system(draw: Any) -> tuple[Any, ...]:
    return *draw(system()), draw(st.booleans())


@st.composite
def _factored(draw: Any) -> tuple[Any, ...]:
    """Right-hand sides, a triangular factor, and which triangle it is."""
    a, b = draw(system())
    upper = draw(st.booleans())
    return b, (a.triu() if upper else a.tril()), upper


@st.composite
def _overdetermined(draw: Any) -> tuple[Any, ...]:
    """A tall matrix and right-hand sides."""
    a = draw(regular(square=False, tall=True, batch=False))
    return a, draw(some.tensors((a.shape[0], draw(st.integers(1, 2))), -2.0, 2.0))


def _cholesky_solve(b: Any, factor: Any, upper: bool) -> Any:
    factor = np.swapaxes(np.triu(factor), -1, -2) if upper else np.tril(factor)
    return np.linalg.solve(factor @ np.swapaxes(factor, -1, -2), b)


EQUATIONS = [
    OpSpec(
        "inverse",
        tg.inverse,
        regular(),
        np.linalg.inv,
        errors=(_SINGULAR, *_SQUARE),
        order=3,
        methods="inverse",
        torch="inverse",
        dtypes=FLOATS,
    ),
    _room(
        "solve",
        system(),
        np.linalg.solve,
        order=3,
        errors=(
            Bad(lambda: (tg.zeros(2, 2), tg.ones(2)), LinAlgError, "the matrix is singular"),
            *misfit((2, 2), (3, 1), text="do not fit"),
        ),
    ),
    OpSpec(
        "linalg.solve_triangular",
        _triangular(tg.linalg.solve_triangular),
        _triangular_system(),
        _solve_triangular,
        errors=(Bad(lambda: (tg.zeros(2, 2), tg.ones(2, 1), True), LinAlgError, "diagonal is 0"),),
        torch=lambda m, *args: _triangular(m.linalg.solve_triangular)(*args),
        dtypes="float64",
    ),
    OpSpec("cholesky_solve", tg.cholesky_solve, _factored(), _cholesky_solve, methods="cholesky_solve"),
    OpSpec("det", tg.det, regular(), np.linalg.det, errors=_SQUARE, order=3, methods="det", torch="det", dtypes=FLOATS),
    OpSpec(
        "det (singular)",
        tg.det,
        regular(batch=False).map(_without_first_column),
        np.linalg.det,
        dtypes=FLOATS,
        notes="two orders; the third needs a regular matrix",
    ),
    OpSpec(
        "slogdet",
        tg.slogdet,
        regular(),
        lambda x: tuple(np.linalg.slogdet(x)),
        errors=_SQUARE,
        order=3,
        methods="slogdet",
        dtypes=FLOATS,
    ),
    OpSpec(
        "logdet",
        tg.logdet,
        regular(),
        _logdet,
        errors=_SQUARE,
        order=3,
        methods="logdet",
        torch="logdet",
        dtypes=FLOATS,
    ),
    product(
        "matrix_power",
        st.tuples(regular(), st.integers(-2, 3)),
        np.linalg.matrix_power,
        (Bad(lambda: (tg.ones(2, 3), 2), ValueError, "expected square"),),
        dtypes=FLOATS,
    ),
    OpSpec(
        "pinverse",
        tg.pinverse,
        regular(square=False),
        np.linalg.pinv,
        errors=(NO_MATRIX, INTEGERS),
        methods="pinverse",
        torch="pinverse",
        dtypes=FLOATS,
    ),
    OpSpec(
        "linalg.lstsq",
        lambda a, b: tg.linalg.lstsq(a, b).solution,
        _overdetermined(),
        lambda a, b: np.linalg.lstsq(a, b)[0],
        torch=lambda m, a, b: m.linalg.lstsq(a, b).solution,
        dtypes=FLOATS,
        errors=misfit((3, 2), (2, 1), text="lstsq: the sizes of A"),
    ),
    _room("matrix_rank", regular(square=False), np.linalg.matrix_rank, differentiable=False, errors=(NO_MATRIX,)),
    _room("cond", regular(), np.linalg.cond, errors=(NO_MATRIX,)),
]


# Decompositions ------------------------------------------------------------------------------------------------------


def _definite(x: Any) -> Any:
    return x @ x.mT


def _squares(*results: Any) -> tuple[Any, ...]:
    return tuple(r * r for r in results)


def _svd(library: Any, x: Any) -> Any:
    return _squares(*library.linalg.svd(x, full_matrices=False))


def _eigh(library: Any, x: Any) -> Any:
    return _squares(*library.linalg.eigh(_symmetric(x)))


_RECTANGULAR = regular(square=False, batch=False)

DECOMPOSITIONS = [
    OpSpec(
        "cholesky",
        lambda x: tg.cholesky(_definite(x)),
        regular(),
        lambda x: np.linalg.cholesky(_definite(x)),
        errors=(Bad(lambda: (tg.zeros(2, 2),), LinAlgError, "cholesky: the matrix is not positive definite"),),
        torch=lambda m, x: m.linalg.cholesky(_definite(x)),
        dtypes=FLOATS,
        domain="symmetric positive definite matrices",
    ),
    OpSpec(
        "qr",
        tg.qr,
        _RECTANGULAR.map(lambda x: x + 0.01),  # LAPACK changes signs where what it eliminates is 0 already
        lambda x: tuple(np.linalg.qr(x)),
        errors=(NO_MATRIX,),
        methods="qr",
        torch="linalg.qr",
        dtypes=FLOATS,
        domain="matrices of full rank, away from zeros below the diagonal, where signs jump",
    ),
    OpSpec(
        "linalg.svd",
        lambda x: _svd(tg, x),
        _RECTANGULAR,
        lambda x: _svd(np, x),
        errors=(NO_MATRIX,),
        torch=_svd,
        dtypes=FLOATS,
        domain="matrices of full rank with distinct singular values",
        notes=_SIGNS,
    ),
    _room("svdvals", regular(square=False), np.linalg.svdvals, errors=(NO_MATRIX,)),
    OpSpec(
        "linalg.eigh",
        lambda x: _eigh(tg, x),
        regular(batch=False),
        lambda x: _eigh(np, x),
        torch=_eigh,
        dtypes=FLOATS,
        domain="symmetric matrices with distinct eigenvalues",
        notes=_SIGNS,
    ),
    OpSpec(
        "linalg.eigvalsh",
        lambda x: tg.linalg.eigvalsh(_symmetric(x)),
        regular(),
        lambda x: np.linalg.eigvalsh(_symmetric(x)),
        torch=lambda m, x: m.linalg.eigvalsh(_symmetric(x)),
        dtypes=FLOATS,
    ),
]


# Norms ---------------------------------------------------------------------------------------------------------------

_INF = float("inf")

NORMS = [
    *(
        _room(
            "matrix_norm",
            st.tuples(regular(square=False), st.just(p)),
            lambda x, p: np.linalg.norm(x, p, axis=(-2, -1)),
            errors=(
                Bad(lambda: (tg.ones(2), 2), ValueError, "expected at least two dimensions"),
                Bad(lambda: (tg.ones(2, 2), 7), ValueError, "matrix_norm: the order must be"),
            ),
        )
        if p == "fro"
        else OpSpec(
            f"linalg.matrix_norm (p={p})",
            tg.linalg.matrix_norm,
            st.tuples(regular(batch=False).map(lambda x: x + 0.01), st.just(p)),
            lambda x, p: np.linalg.norm(x, p),
            torch="linalg.matrix_norm",
            dtypes=FLOATS,
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, _INF, -_INF)
    ),
    _room(
        "vector_norm",
        st.tuples(some.tensors_away_from([0.0]), st.sampled_from([1, 2, 3])),
        lambda x, p: np.linalg.vector_norm(x, ord=p),
    ),
    _room("norm", regular(square=False, batch=False), np.linalg.norm),
]

ORDER = 3
LOWER = {"det (singular)"}  # the third derivative of the determinant needs a regular matrix

SPECS = [*EQUATIONS, *DECOMPOSITIONS, *NORMS]
