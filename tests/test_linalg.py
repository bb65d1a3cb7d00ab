"""Linear algebra beside PyTorch: values, shapes, errors and gradients; and derivatives of every order where there are any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import compare, torch

import tinygrad_edu as tg
from tinygrad_edu.linalg import LinAlgError
from tinygrad_edu.testing import check_gradients

INF = float("inf")


def numbers(shape, seed=0):
    return np.random.default_rng([seed, *shape]).uniform(-2, 2, shape)


def regular(*shape, seed=0):
    """Matrices with singular values well away from 0 and from each other."""
    u, _, vh = np.linalg.svd(numbers(shape, seed), full_matrices=False)
    k = min(shape[-2:])
    return (u * (0.6 * np.arange(k, 0, -1) + 0.3)) @ vh


def definite(*shape, seed=0):
    x = regular(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2)


def symmetric(x):
    return (x + x.mT) / 2


def squares(vectors):
    """What does not depend on the sign of columns, which is arbitrary."""
    return vectors * vectors


def unsigned_svd(m, x):
    u, s, vh = m.linalg.svd(x, full_matrices=False)
    return squares(u), s, squares(vh)


def unsigned_eigh(m, x):
    values, vectors = m.linalg.eigh(symmetric(x))
    return values, squares(vectors)


def shapes_of(text):
    """The shapes in ``"2x3 3 -"``: (2, 3), (3,) and ()."""
    return [() if part == "-" else tuple(map(int, part.split("x"))) for part in text.split()]


# What is called, and the shapes of its arguments, for several calls.
CASES = {
    "mm": (lambda m, x, y: m.mm(x, y), "2x3 3x4; 2x0 0x3; 2x3 2x3; 3 3x2"),
    "bmm": (lambda m, x, y: m.bmm(x, y), "2x2x3 2x3x4; 2x2x3 3x3x4; 0x2x3 0x3x4"),
    "mv": (lambda m, x, y: m.mv(x, y), "2x3 3; 2x3 2; 2x0 0"),
    "dot": (lambda m, x, y: m.dot(x, y), "3 3; 3 2; 0 0; 1x3 3"),
    "inner": (lambda m, x, y: m.inner(x, y), "3 3; 2x3 4x3; 2x2x3 3; - 2; 2 3"),
    "outer": (lambda m, x, y: m.outer(x, y), "3 2; 0 2; 2x2 2"),
    "ger": (lambda m, x, y: x.ger(y), "3 2"),
    "addmm": (lambda m, *a: m.addmm(*a, beta=0.5, alpha=2), "2x4 2x3 3x4; 4 2x3 3x4; 3 2x3 3x4"),
    "addmm without input": (lambda m, *a: m.addmm(a[0].detach() * float("nan"), *a[1:], beta=0), "4 2x3 3x4"),
    "addmv": (lambda m, *a: m.addmv(*a, alpha=-1), "2 2x3 3; - 2x3 3"),
    "addr": (lambda m, *a: m.addr(*a, beta=2), "2x3 2 3; 3 2 3"),
    "addbmm": (lambda m, *a: a[0].addbmm(*a[1:], beta=3), "2x4 5x2x3 5x3x4"),
    "baddbmm": (lambda m, *a: m.baddbmm(*a, alpha=3), "5x2x4 5x2x3 5x3x4; 4 5x2x3 5x3x4"),
    "addmm in place": (lambda m, x, y, z: (x * 1).addmm_(y, z, beta=2), "2x4 2x3 3x4; 4 2x3 3x4"),
    "chain_matmul": (lambda m, *a: m.linalg.multi_dot(a), "2x3 3x4; 2x5 5x3 3x4 4x1; 5 5x3 3; 2x3 2x3"),
    "vecdot": (lambda m, x, y: m.linalg.vecdot(x, y, dim=0), "3x2 3x2; 3x2 3x1"),
    "kron": (lambda m, x, y: m.kron(x, y), "2x3 2x2; 2 3x2; - 2; 2x1x2 2x3"),
    "cross": (lambda m, x, y: m.cross(x, y, dim=1), "2x3 2x3; 2x3x1 1x3x4; 2x2 2x2"),
    "linalg.cross": (lambda m, x, y: m.linalg.cross(x, y), "2x3 2x3; 3 3"),
    "tensordot": (lambda m, x, y: m.tensordot(x, y, dims=2), "2x3x4 3x4x2; 2x3 2x3; 2x3 3x2"),
    "tensordot of pairs": (lambda m, x, y: m.tensordot(x, y, dims=([0, 2], [-1, 0])), "2x3x4 4x5x2; 2x3x4 2x5x4"),
    "tensordot of none": (lambda m, x, y: m.tensordot(x, y, dims=0), "2x3 4; - 2"),
    "trace": (lambda m, x: m.trace(x), "3x3; 2x4; 0x0; 2x2x2"),
    "diagonal": (lambda m, x: m.diagonal(x, 1, -1, 0), "3x2x4; 1x1x1; 3"),
    "linalg.diagonal": (lambda m, x: m.linalg.diagonal(x, offset=-1), "2x3x4"),
    "diag": (lambda m, x: m.diag(x, -1), "3; 3x4; 2x2x2"),
    "diag_embed": (lambda m, x: m.diag_embed(x, 1, 0, 2), "2x3; -"),
    "vander": (lambda m, x: (m.vander(x.detach(), 4), m.vander(x.detach(), increasing=True)), "3; 2x2"),
    "linalg.vander": (lambda m, x: m.linalg.vander(x, N=3), "2x3"),
    "matrix_power": (lambda m, x: (m.matrix_power(x, 5), m.matrix_power(x, 0), x.matrix_power(-2)), "3x3; 2x2x2; 2x3"),
    "inverse": (lambda m, x: (m.inverse(x), m.linalg.inv(x)), "3x3; 2x2x2; 0x0; 2x3; 3"),
    "det": (lambda m, x: (m.det(x), m.logdet(x), *m.slogdet(x)), "3x3; 2x2x2; 1x1; 0x0; 2x3"),
    "solve": (lambda m, x, y: m.linalg.solve(x, y), "3x3 3x2; 3x3 3; 2x3x3 2x3; 2x3x3 3x1; 3x3 2x2; 2x2x2 3x1x2x2"),
    "solve from the right": (lambda m, x, y: m.linalg.solve(x, y, left=False), "3x3 2x3; 2x3x3 1x3"),
    "solve_triangular": (lambda m, x, y: m.linalg.solve_triangular(x, y, upper=True), "3x3 3x2; 2x3x3 3x1"),
    "solve_triangular left": (lambda m, x, y: m.linalg.solve_triangular(x, y, upper=False, left=False, unitriangular=True), "3x3 2x3"),
    "pinv": (lambda m, x: (m.linalg.pinv(x), x.pinverse()), "3x3; 4x2; 2x2x4; 0x3"),
    "matrix_rank": (lambda m, x: (m.linalg.matrix_rank(x), m.linalg.matrix_rank(x, atol=1.0)), "3x3; 2x4x2; 0x3"),
    "cond": (lambda m, x: (m.linalg.cond(x), m.linalg.cond(x, -2)), "3x3; 2x2x2"),
    "cond in other norms": (lambda m, x: [m.linalg.cond(x.detach(), p) for p in ("fro", 1, "nuc")], "3x3; 2x2x2"),
    "lstsq": (lambda m, x, y: m.linalg.lstsq(x, y)[:1], "4x2 4x3; 2x5x2 2x5x1"),
    "qr": (lambda m, x: m.linalg.qr(x), "3x3; 4x2; 2x5x3; 2x4"),
    "complete qr": (lambda m, x: [t.detach() for t in m.linalg.qr(x, mode="complete")], "4x2; 2x4"),
    "svdvals": (lambda m, x: m.linalg.svdvals(x), "3x3; 2x2x4; 4x2"),
    "svd": (unsigned_svd, "3x3; 4x2; 2x2x4"),
    "full svd": (lambda m, x: m.linalg.svd(x)[1], "3x3; 4x2"),
    "eigh": (unsigned_eigh, "3x3; 2x2x2; 1x1"),
    "eigvalsh": (lambda m, x: m.linalg.eigvalsh(symmetric(x), UPLO="U"), "3x3; 2x3"),
    **{
        f"matrix_norm {p}": (
            lambda m, x, p=p: (m.linalg.matrix_norm(x, p), m.linalg.matrix_norm(x, p, (0, -1), True)), "3x3; 2x2x4",
        )
        for p in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
    },
    "norm of a matrix": (lambda m, x: (m.linalg.norm(x), m.linalg.norm(x, 1), m.norm(x, "nuc"), m.linalg.norm(x, 3, 0)), "3x2"),
    "dist": (lambda m, x, y: (m.dist(x, y), m.dist(x, y, 1), m.dist(x, y, 3.5)), "3x2 2"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "shapes"),
    [pytest.param(call, s, id=f"{name}: {s}") for name, (call, several) in CASES.items() for s in several.split("; ")],
)
def test_agrees_with_pytorch(call, shapes):
    arrays = [regular(*s) if len(s) > 1 and 0 not in s else numbers(s) for s in shapes_of(shapes)]
    compare(call, *arrays, rtol=1e-8)
    compare(call, *[np.swapaxes(np.swapaxes(a, 0, -1).copy(), 0, -1) if a.ndim else a for a in arrays], rtol=1e-8)
    compare(call, *[a.astype(np.float32) for a in arrays], rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (0, 0)])
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_agrees_with_pytorch(shape, upper):
    compare(lambda m, x: m.linalg.cholesky(symmetric(x), upper=upper), definite(*shape) if shape[0] else numbers(shape))
    if shape[0]:
        factor = np.linalg.cholesky(definite(*shape))
        factor = np.swapaxes(factor, -1, -2).copy() if upper else factor
        right = numbers((*shape[:-1], 2))
        compare(lambda m, b, f: m.cholesky_solve(b, m.triu(f) if upper else m.tril(f), upper=upper), right, factor)


# Einsum --------------------------------------------------------------------------------------------------------------

EQUATIONS = [
    ("i->", "3"), ("ij->ji", "2x3"), ("ij->j", "2x3"), ("ii", "3x3"), ("ii->i", "3x3"), ("iji->j", "2x3x2"),
    ("ij,jk", "2x3 3x4"), ("ij,jk->ik", "2x3 3x4"), ("ij,jk->ki", "2x3 3x4"), ("ij,ij->", "2x3 2x3"),
    ("i,j->ij", "2 3"), ("i,j->ji", "2 3"), ("bij,bjk->bik", "2x2x3 2x3x4"), ("bij,bjk->kbi", "2x2x3 2x3x4"),
    ("bi,bi->b", "2x3 2x3"), ("b,bij->bij", "2 2x2x3"), ("i,i->i", "3 3"), ("ij,kl->", "2x3 2x2"),
    ("...ij,...jk->...ik", "2x2x3 3x4"), ("...ij,...jk", "2x1x2x3 3x3x4"), ("i...->...", "2x3"), ("...i->...", "3"),
    ("...,...->...", "2x3 3"), ("i...j,jk->i...k", "2x5x3 3x4"), ("b...,b->...", "2x3 2"), ("...ij->ij", "2x2x3"),
    ("bn,anm,bm->ba", "2x3 4x3x2 2x2"), ("ij,jk,kl->il", "2x3 3x4 4x2"), ("ij,jk,kl,lm", "2x3 3x2 2x4 4x1"),
    ("ij,ij,ij->i", "2x3 2x3 2x3"), ("ijj,jk->ik", "2x3x3 3x2"), (" i j , j -> i ", "2x3 3"),
    ("Ab,bA->Ab", "2x3 3x2"), ("ij,jk->ik", "2x1 3x4"), ("i,i->", "1 4"), ("ij,ij->ij", "1x3 2x1"),
    ("ij,jk->ik", "0x3 3x2"), ("ij,jk->ik", "2x0 0x3"), ("ij,jk->ik", "2x3 4x5"), ("ij->ik", "2x3"),
    ("ij->ii", "2x3"), ("ij", "2"), ("i,j", "2"), ("ii", "2x3"), ("i->i->i", "2"), ("", "-"), (",", "- -"),
    (",i->i", "- 2"), ("i1", "2x2"), ("......", "2x2"), ("i..", "2x2"),
]  # fmt: skip


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum_agrees_with_pytorch(equation, shapes):
    arrays = [numbers(s, seed=i) for i, s in enumerate(shapes_of(shapes))]
    compare(lambda m, *xs: m.einsum(equation, *xs), *arrays)
    compare(lambda m, *xs: m.einsum(equation, list(xs)), *[a.astype(np.float32) for a in arrays])


def test_einsum_takes_lists_of_numbers():
    x, y = numbers((2, 3)), numbers((3, 4))
    compare(lambda m, x, y: m.einsum(x, [0, 5], y, [5, 2], [2, 0]), x, y)
    compare(lambda m, x, y: m.einsum(x, [0, 1], y, [1, ...]), x, y)


@st.composite
def einsums(draw):
    """An equation of one to four operands over a few letters, and arrays that fit it."""
    sizes = dict(zip("abcd", draw(st.lists(st.integers(1, 3), min_size=4, max_size=4)), strict=True))
    parts = draw(st.lists(st.lists(st.sampled_from("abcd"), max_size=4).map("".join), min_size=1, max_size=4))
    used = sorted(set("".join(parts)))
    out = "".join(draw(st.lists(st.sampled_from(used), unique=True)) if used else [])
    arrays = [numbers(tuple(sizes[c] for c in p), seed=i) for i, p in enumerate(parts)]
    return ",".join(parts) + (f"->{out}" if draw(st.booleans()) else ""), arrays


@settings(max_examples=40)
@given(einsums())
def test_drawn_einsums_agree_with_pytorch(case):
    equation, arrays = case
    compare(lambda m, *xs: m.einsum(equation, *xs), *arrays)


def test_einsum_multiplies_the_small_product_first():
    """A chain whose left product is large and whose right product is small."""
    x, y, z = tg.ones(100, 2), tg.ones(2, 100), tg.ones(100, 1)
    seen = []
    from tinygrad_edu.ops import einsum

    original = einsum.Contract.forward

    def noted(self, a, b, *labels):
        seen.append({a.shape, b.shape})
        return original(self, a, b, *labels)

    einsum.Contract.forward = noted
    try:
        tg.einsum("ij,jk,kl->il", x, y, z)
    finally:
        einsum.Contract.forward = original
    assert seen[0] == {(2, 100), (100, 1)}


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.inverse(tg.zeros(2, 2)), LinAlgError, "inverse: the matrix is singular"),
        (lambda: tg.inverse(tg.zeros(3, 2, 2)), LinAlgError, "one of a batch of shape"),
        (lambda: tg.inverse(tg.ones(2, 3)), ValueError, "inverse: expected square matrices, got shape"),
        (lambda: tg.inverse(tg.ones(2, 2, dtype=tg.int64)), TypeError, "inverse: expected float32 or float64"),
        (lambda: tg.inverse(tg.ones(2, 2, dtype=tg.float16)), TypeError, "float16"),
        (lambda: tg.det(tg.ones(3)), ValueError, "det: expected a matrix"),
        (lambda: tg.linalg.solve(tg.zeros(2, 2), tg.ones(2)), LinAlgError, "solve: the matrix is singular"),
        (lambda: tg.linalg.solve(tg.eye(2), tg.ones(3)), ValueError, "solve: the sizes of A"),
        (lambda: tg.linalg.solve_triangular(tg.zeros(2, 2), tg.ones(2, 1), upper=True), LinAlgError, "diagonal is 0"),
        (lambda: tg.linalg.cholesky(-tg.eye(2)), LinAlgError, "cholesky: the matrix is not positive definite"),
        (lambda: tg.linalg.qr(tg.eye(2), "full"), ValueError, "qr: the mode must be"),
        (lambda: tg.linalg.eigh(tg.eye(2), "X"), ValueError, "eigh: UPLO"),
        (lambda: tg.matrix_power(tg.zeros(2, 2), -1), LinAlgError, "singular"),
        (lambda: tg.matrix_power(tg.ones(2, 3), 2), ValueError, "matrix_power: expected square"),
        (lambda: tg.linalg.multi_dot([tg.ones(2, 2)]), ValueError, "multi_dot: expected at least two"),
        (lambda: tg.linalg.matrix_norm(tg.ones(2)), ValueError, "matrix_norm: expected at least two dimensions"),
        (lambda: tg.linalg.matrix_norm(tg.ones(2, 2), 7), ValueError, "matrix_norm: the order must be"),
        (lambda: tg.linalg.matrix_norm(tg.ones(2, 2), 2, (0, 0)), ValueError, "must differ"),
        (lambda: tg.linalg.norm(tg.ones(2, 2, 2), 1), ValueError, "expected a vector or a matrix"),
        (lambda: tg.tensordot(tg.ones(2), tg.ones(3), 1), ValueError, "tensordot: dimension 0"),
        (lambda: tg.einsum("ij,jk", tg.ones(2, 3), tg.ones(4, 2)), ValueError, "einsum: 'j' has size 3 and size 4"),
        (lambda: tg.einsum("i1", tg.ones(2, 3)), ValueError, "einsum: subscripts are letters"),
        (lambda: tg.einsum("ij", [1.0]), TypeError, "einsum: expected tensors"),
        (lambda: tg.cross(tg.ones(2), tg.ones(2)), ValueError, "cross: no dimension"),
        (lambda: tg.addmm(tg.ones(3), tg.ones(2, 2), tg.ones(2, 2)), ValueError, "addmm: an input of shape"),
        (lambda: tg.diagonal(tg.ones(2, 2), 0, 1, 1), ValueError, "diagonal: dim1 and dim2"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: tg.linalg.svd(x).U.sum(), "singular values are not unique"),
        (lambda x: tg.linalg.eigh(x).eigenvectors.sum(), "eigenvalues are not unique"),
        (lambda x: tg.linalg.svd(x[:, :2]).U.sum(), "full_matrices=False"),
        (lambda x: tg.linalg.qr(x[:, :2], "complete").Q.sum(), "complete"),
        (lambda x: tg.linalg.svd(x[:, :2] * tg.tensor([1.0, 0.0]), False).U.sum(), "full rank"),
        (lambda x: tg.linalg.slogdet(x * 0).logabsdet, "singular"),
    ],
)
def test_what_has_no_gradient_says_so(call, text):
    with np.errstate(divide="ignore"):
        out = call(tg.eye(3, requires_grad=True))
        with pytest.raises(LinAlgError, match=text):
            out.backward()


def test_equal_singular_values_themselves_have_a_gradient():
    x = tg.eye(3, dtype=tg.float64, requires_grad=True)
    (tg.linalg.svdvals(x).sum() + tg.linalg.eigvalsh(x).sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.eye(3), atol=1e-12)


# Derivatives ---------------------------------------------------------------------------------------------------------

SMOOTH = {
    "inverse": (tg.inverse, [regular(2, 2)], 3),
    "solve": (tg.linalg.solve, [regular(2, 2), numbers((2, 1))], 3),
    "solve_triangular": (lambda a, b: tg.linalg.solve_triangular(a, b, upper=False), [regular(2, 2), numbers((2, 2))], 3),
    "det": (tg.det, [regular(3, 3)], 3),
    "slogdet": (lambda x: tg.slogdet(x).logabsdet, [regular(2, 2)], 3),
    "cholesky": (lambda x: tg.linalg.cholesky(x @ x.mT), [regular(2, 2)], 3),
    "qr of a tall matrix": (tg.linalg.qr, [regular(3, 2)], 2),
    "qr of a wide matrix": (tg.linalg.qr, [regular(2, 3)], 2),
    "svd": (lambda x: unsigned_svd(tg, x), [regular(3, 2)], 2),
    "svd of a square matrix": (lambda x: [t * t for t in tg.linalg.svd(x)], [regular(2, 2)], 3),
    "eigh": (lambda x: unsigned_eigh(tg, x), [regular(3, 3)], 2),
    "pinv of a tall matrix": (tg.linalg.pinv, [regular(3, 2)], 2),
    "pinv of a wide matrix": (tg.linalg.pinv, [regular(2, 3)], 2),
    "matrix_power": (lambda x: tg.matrix_power(x, 3), [regular(2, 2)], 3),
    "nuclear norm": (lambda x: tg.linalg.matrix_norm(x, "nuc"), [regular(3, 2)], 2),
    "cross": (tg.cross, [numbers((3,)), numbers((3,), 1)], 3),
    "einsum": (lambda x, y, z: tg.einsum("ij,jk,kii->k", x, y, z), [numbers((2, 2), i) for i in (0, 1)] + [numbers((2, 2, 2))], 3),
    "tensordot": (lambda x, y: tg.tensordot(x, y, 1), [numbers((2, 3)), numbers((3, 2))], 2),
    "kron": (tg.kron, [numbers((2, 1)), numbers((2,))], 2),
    "diagonal": (lambda x: tg.diagonal(x, 1) ** 2, [numbers((2, 3))], 2),
    "diag_embed": (lambda x: tg.diag_embed(x, -1) ** 2, [numbers((2, 2))], 2),
    "multi_dot": (lambda x, y, z: tg.linalg.multi_dot([x, y, z]), [numbers((2, 3)), numbers((3, 1)), numbers((1, 2))], 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_to_the_second_or_third_order(name):
    function, arrays, order = SMOOTH[name]
    check_gradients(function, *[tg.from_numpy(a) for a in arrays], order=order)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_determinant_of_a_singular_matrix_has_its_derivatives(rank):
    """Cofactors and their derivatives exist for every rank; two orders are checked against differences."""
    x = numbers((3, rank)) @ numbers((rank, 3))
    check_gradients(tg.det, tg.from_numpy(x), order=2)
    compare(lambda m, x: m.det(x), np.stack([x, regular(3, 3)]))


def test_a_write_to_a_diagonal_reaches_the_matrix():
    x = tg.zeros(3, 3, requires_grad=True)
    y = x * 1
    tg.diagonal(y).fill_(2.0)
    y.diagonal(1).add_(1.0)
    np.testing.assert_array_equal(y.detach().numpy(), 2 * np.eye(3) + np.eye(3, k=1))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 1 - np.eye(3))


def test_least_squares_tells_residuals_and_rank():
    a, b = regular(4, 2), numbers((4, 2))
    found = tg.linalg.lstsq(tg.from_numpy(a), tg.from_numpy(b))
    expected = torch.linalg.lstsq(torch.from_numpy(a), torch.from_numpy(b), driver="gelsd")
    for name in ("solution", "residuals", "rank", "singular_values"):
        np.testing.assert_allclose(getattr(found, name).numpy(), getattr(expected, name).numpy(), rtol=1e-9, atol=1e-12)
    assert tg.linalg.lstsq(tg.ones(2, 2), tg.ones(2, 1)).residuals.shape == (0,)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (2, 25, 12)])
def test_a_sketch_finds_the_largest_singular_values(shape: tuple[int, ...]) -> None:
    tg.manual_seed(0)
    size, k = min(shape[-2:]), 5
    fall = 0.5 ** tg.arange(size, dtype=tg.float64)
    u, v = (tg.linalg.qr(tg.randn(*shape[:-2], n, size, dtype=tg.float64)).Q for n in shape[-2:])
    x = u * fall @ v.mT
    found = tg.svd_lowrank(x, q=k + 2)
    assert found.U.shape == (*shape[:-1], k + 2) and found.V.shape == (*shape[:-2], shape[-1], k + 2)
    assert tg.allclose(found.S[..., :k], fall[:k].expand_as(found.S[..., :k]), rtol=1e-4)
    rest = x - found.U * found.S.unsqueeze(-2) @ found.V.mT
    assert float(rest.abs().max()) < 2 * float(fall[k + 2])
    mean = x.mean(-2, keepdim=True)
    centred = tg.pca_lowrank(x, q=size, niter=1)
    assert tg.allclose(centred.S, tg.linalg.svdvals(x - mean), atol=1e-12)
    assert tg.allclose(tg.svd_lowrank(x, q=size, M=mean).S, centred.S, atol=1e-12)


def test_wrong_sizes_of_a_sketch_are_refused() -> None:
    x = tg.randn(4, 3)
    for call in (lambda: tg.svd_lowrank(x), lambda: tg.pca_lowrank(x, q=4)):
        with pytest.raises(ValueError, match=r"q must lie between 0 and min\(M, N\) = 3"):
            call()
    with pytest.raises(ValueError, match="niter must not be negative"):
        tg.pca_lowrank(x, niter=-1)
