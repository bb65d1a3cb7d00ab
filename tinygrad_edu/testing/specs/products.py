"""Products of matrices and tensors, and diagonals."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.nn import functional
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

Strategy = st.SearchStrategy[Any]


# Arguments -----------------------------------------------------------------------------------------------------------


def sizes(draw: Any, count: int) -> list[int]:
    return [draw(st.integers(1, 3)) for _ in range(count)]


def shaped(*shapes: str) -> Strategy:
    """Tensors whose dimensions have the same size where they have the same letter."""

    @st.composite
    def arguments(draw: Any) -> tuple[Tensor, ...]:
        letters = sorted(set("".join(shapes)))
        size = dict(zip(letters, sizes(draw, len(letters)), strict=True))
        return tuple(draw(some.tensors(tuple(size[c] for c in shape), -2.0, 2.0)) for shape in shapes)

    return arguments()


FLOATS = "float64 float32"


def misfit(*shapes: tuple[int, ...], text: str) -> tuple[Bad, ...]:
    """An error for arguments of these shapes."""
    return (Bad(lambda: [tg.ones(*s) for s in shapes], ValueError, text),)


def product(name: str, inputs: Strategy, reference: Callable[..., Any], errors: Any = (), **rest: Any) -> OpSpec:
    """A function whose method has the same name, and whose PyTorch counterpart too."""
    rest.setdefault("methods", name if hasattr(Tensor, name) else "")
    return OpSpec(name, getattr(tg, name), inputs, reference, errors=errors, torch=name, **rest)


# Products ------------------------------------------------------------------------------------------------------------


def _sum_with(name: str, shapes: tuple[str, ...], product: Callable[..., Any]) -> OpSpec:
    """``addmm`` and its relatives, with both factors."""

    def call(x: Any, *rest: Any) -> Any:
        return getattr(tg, name)(x, *rest, beta=0.5, alpha=-2)

    return OpSpec(
        name,
        call,
        shaped(*shapes),
        lambda x, a, b: 0.5 * x - 2 * product(a, b),
        errors=misfit((5,), *[(2,) * len(s) for s in shapes[1:]], text=f"{name}: an input of shape"),
        torch=lambda m, *args: getattr(m, name)(*args, beta=0.5, alpha=-2),
        dtypes=FLOATS,
    )


@st.composite
def _pairs_of_dimensions(draw: Any) -> tuple[Any, ...]:
    """Operands and dimensions of ``tensordot``."""
    x, y = draw(shaped("ijk", "kjl"))
    return x, y, draw(st.sampled_from([([1, 2], [1, 0]), ([2], [0]), ([-2], [1]), 0]))


@st.composite
def _vectors(draw: Any) -> tuple[Any, ...]:
    """Operands of ``cross``, which broadcast, and the dimension of size 3."""
    shape = draw(some.shapes(0, 2, 2))
    axis = draw(st.integers(0, len(shape)))
    full = (*shape[:axis], 3, *shape[axis:])
    thin = tuple(n if i == axis or draw(st.booleans()) else 1 for i, n in enumerate(full))
    return draw(some.tensors(full, -2.0, 2.0)), draw(some.tensors(thin, -2.0, 2.0)), axis


@st.composite
def _chain(draw: Any) -> tuple[list[Tensor]]:
    """Two to four matrices that can be multiplied."""
    lengths = sizes(draw, draw(st.integers(3, 5)))
    return ([draw(some.tensors(pair, -2.0, 2.0)) for pair in itertools.pairwise(lengths)],)


def _einsum(equation: str, *operands: Any) -> Any:
    """NumPy's, whose diagonals and broadcasting of single letters are the same."""
    return np.einsum(equation, *operands)


def _cross(x: Any, y: Any, axis: int) -> Any:
    return np.cross(x, y, axis=axis)


_MISFIT = "inner sizes|do not fit|different sizes|dimensions"

PRODUCTS = [
    product("matmul", some.matmul_operands(), np.matmul, misfit((2, 3), (2, 3), text=_MISFIT)),
    product("mm", shaped("ij", "jk"), np.matmul, misfit((2, 3), (2, 3), text=_MISFIT)),
    product("bmm", shaped("bij", "bjk"), np.matmul, misfit((2, 2, 2), (3, 2, 2), text="bmm: batch sizes")),
    product("mv", shaped("ij", "j"), np.matmul, misfit((2, 3), (2,), text=_MISFIT)),
    product("dot", shaped("i", "i"), np.dot, misfit((2,), (3,), text=_MISFIT)),
    product("outer", shaped("i", "j"), np.outer, misfit((2, 2), (3,), text=_MISFIT)),
    product("inner", shaped("ij", "kj"), np.inner, misfit((2,), (3,), text="inner: the last dimensions")),
    _sum_with("addmm", ("ik", "ij", "jk"), np.matmul),
    _sum_with("addmv", ("i", "ij", "j"), np.matmul),
    _sum_with("addr", ("ij", "i", "j"), np.outer),
    _sum_with("baddbmm", ("bik", "bij", "bjk"), np.matmul),
    _sum_with("addbmm", ("ik", "bij", "bjk"), lambda a, b: np.sum(a @ b, axis=0)),
    OpSpec(
        "addmm (in place)",
        tg.addmm,
        shaped("ik", "ij", "jk"),
        lambda x, a, b: x + a @ b,
        methods="addmm",
        inplace="addmm_",
        torch="addmm",
    ),
    OpSpec("addmv (in place)", tg.addmv, shaped("i", "ij", "j"), lambda x, a, b: x + a @ b, inplace="addmv_"),
    OpSpec("addr (in place)", tg.addr, shaped("ij", "i", "j"), lambda x, a, b: x + np.outer(a, b), inplace="addr_"),
    OpSpec(
        "baddbmm (in place)", tg.baddbmm, shaped("bik", "bij", "bjk"), lambda x, a, b: x + a @ b, inplace="baddbmm_"
    ),
    OpSpec(
        "addbmm (in place)",
        tg.addbmm,
        shaped("ik", "bij", "bjk"),
        lambda x, a, b: x + (a @ b).sum(0),
        inplace="addbmm_",
    ),
    OpSpec(
        "einsum",
        tg.einsum,
        some.einsum_operands(),
        _einsum,
        torch="einsum",
        errors=(Bad(lambda: ("ij,jk", tg.ones(2, 3), tg.ones(2, 3)), ValueError, "'j' has size 3 and size 2"),),
    ),
    product(
        "tensordot",
        _pairs_of_dimensions(),
        lambda x, y, dims: np.tensordot(x, y, axes=dims),
        misfit((2, 3), (3, 2), text="tensordot: dimension 0"),
    ),
    product("kron", st.tuples(some.tensors(max_dims=2), some.tensors(max_dims=2)), np.kron),
    product("cross", _vectors(), _cross, misfit((2,), (2,), text="cross: no dimension"), order=3),
    OpSpec("linalg.cross", lambda x, y, d: tg.linalg.cross(x, y, dim=d), _vectors(), _cross),
    OpSpec(
        "linalg.vecdot",
        tg.linalg.vecdot,
        some.broadcastable().filter(lambda p: p[0].dim() > 0 and p[1].dim() > 0),
        lambda x, y: np.sum(x * y, axis=-1),
        torch=lambda m, x, y: (x * y).sum(-1),
    ),
    OpSpec(
        "linalg.multi_dot",
        tg.linalg.multi_dot,
        _chain(),
        lambda chain: functools.reduce(np.matmul, chain),
        errors=(Bad(lambda: ([tg.ones(2, 2)],), ValueError, "at least two"),),
        torch="linalg.multi_dot",
    ),
    OpSpec(
        "chain_matmul",
        lambda chain: tg.chain_matmul(*chain),
        _chain(),
        lambda chain: functools.reduce(np.matmul, chain),
        torch=lambda m, chain: m.linalg.multi_dot(chain),
    ),
    OpSpec(
        "vander",
        tg.vander,
        st.tuples(some.tensors((3,), -2.0, 2.0), st.integers(0, 4), st.booleans()),
        np.vander,
        errors=misfit((2, 2), text="vander: expected a vector"),
        dtypes=FLOATS,
    ),
    OpSpec(
        "linalg.vander",
        lambda x: tg.linalg.vander(x, N=3),
        some.tensors(some.shapes(1), -2.0, 2.0),
        lambda x: x[..., None] ** np.arange(3),
        torch=lambda m, x: m.linalg.vander(x, N=3),
    ),
]


# Affine maps and triangles -------------------------------------------------------------------------------------------


@st.composite
def _affine(draw: Any) -> tuple[Any, ...]:
    """Input, weight, and a bias or None."""
    n, m = sizes(draw, 2)
    x = draw(some.tensors((*draw(some.shapes(0, 2)), n), -2.0, 2.0))
    weight = draw(some.tensors((m, n), -2.0, 2.0))
    return x, weight, draw(st.none() | some.tensors((m,), -2.0, 2.0))


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight.T if bias is None else x @ weight.T + bias


AFFINE = [
    OpSpec(
        "F.linear",
        functional.linear,
        _affine(),
        _linear,
        errors=misfit((2, 3), (2, 2), text="linear: the input has shape"),
        torch="nn.functional.linear",
        dtypes=FLOATS,
        order=3,
    ),
    *(
        product(
            name,
            st.tuples(some.tensors(min_dims=2), st.integers(-2, 2)),
            getattr(np, name),
            misfit((2,), text=f"{name}: "),
            inplace=f"{name}_" if hasattr(Tensor, f"{name}_") else "",
        )
        for name in ("tril", "triu")
    ),
]


# Diagonals -----------------------------------------------------------------------------------------------------------


@st.composite
def _diagonals(draw: Any) -> tuple[Any, ...]:
    """A tensor, an offset and two dimensions."""
    x = draw(some.tensors(min_dims=2))
    first, second = draw(st.permutations(range(x.dim())))[:2]
    return x, draw(st.integers(-2, 2).filter(lambda k: -x.shape[first] < k < x.shape[second])), first, second


def _diag_embed(x: Any, offset: int) -> Any:
    rows = x.reshape(-1, x.shape[-1])
    return np.stack([np.diag(r, offset) for r in rows]).reshape(*x.shape[:-1], *np.diag(rows[0], offset).shape)


_OFFSET = st.integers(-1, 1)

DIAGONALS = [
    product(
        "diagonal",
        _diagonals(),
        np.diagonal,
        (Bad(lambda: (tg.ones(2, 2), 0, 1, 1), ValueError, "diagonal: dim1 and dim2"),),
    ),
    OpSpec(
        "linalg.diagonal",
        tg.linalg.diagonal,
        some.tensors(min_dims=2),
        lambda x: np.diagonal(x, 0, -2, -1),
        torch="linalg.diagonal",
    ),
    product(
        "diag_embed",
        st.tuples(some.tensors(min_dims=1), _OFFSET),
        _diag_embed,
        (Bad(lambda: (tg.ones(()),), ValueError, "diag_embed: expected at least one dimension"),),
    ),
    product(
        "diag",
        st.tuples(some.tensors(some.shapes(1, 2, 2)), _OFFSET),
        np.diag,
        misfit((2, 2, 2), text="diag: expected"),
    ),
    product("diagflat", st.tuples(some.tensors(), _OFFSET), np.diagflat),
    product("trace", some.tensors(some.shapes(2, 2)), np.trace, misfit((2,), text="trace: expected a matrix")),
]

ORDER = 3

SPECS = [*PRODUCTS, *AFFINE, *DIAGONALS]
