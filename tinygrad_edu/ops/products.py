"""Products built on matmul and multiplication: sums with a product, chains, Kronecker, cross and scalar products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._casting import lowers
from tinygrad_edu.ops._types import axis_of, fit, same_type, shape_of, xp
from tinygrad_edu.ops.elementwise import pow
from tinygrad_edu.ops.linalg import bmm, matmul, mm, mv, outer
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import expand, reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def _plus(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta · input + alpha · product; with beta = 0 the input is not looked at, whatever it holds."""
    have, want = shape_of(input), shape_of(product)
    lead = len(want) - len(have)
    if lead < 0 or any(n not in (1, want[lead + i]) for i, n in enumerate(have)):
        raise ValueError(f"{name}: an input of shape {have} does not broadcast to the product's {want}")
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


@lowers
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · mat1 @ mat2, for matrices.

    With ``beta=0`` the input is not looked at: NaN in it doesn't matter, and it gets no gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.addmm(tg.ones(2), tg.ones(2, 3), tg.ones(3, 2), alpha=2)
    tensor([[7., 7.],
            [7., 7.]])
    """
    return _plus("addmm", input, mm(mat1, mat2), beta, alpha)


@lowers
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · mat @ vec, for a matrix and a vector."""
    return _plus("addmv", input, mv(mat, vec), beta, alpha)


@lowers
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · vec1 vec2ᵀ, for vectors."""
    return _plus("addr", input, outer(vec1, vec2), beta, alpha)


@lowers
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · batch1 @ batch2, for batches of matrices."""
    return _plus("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@lowers
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · input + alpha · Σ batch1[i] @ batch2[i]."""
    return _plus("addbmm", input, sum_(bmm(batch1, batch2), 0), beta, alpha)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors, a row and a column.

    References
    ----------
    T. H. Cormen et al., Introduction to Algorithms, section 15.2 (matrix-chain multiplication).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.multi_dot([tg.ones(2, 3), tg.ones(3, 4), tg.ones(4)])
    tensor([12., 12.])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise ValueError(f"multi_dot: expected at least two tensors, got {len(chain)}")
    for i, t in enumerate(chain):
        if len(t.shape) != 2 and not (len(t.shape) == 1 and i in (0, len(chain) - 1)):
            raise ValueError(
                f"multi_dot: tensor {i} has shape {tuple(t.shape)}, expected a matrix (a vector only at an end)"
            )
    row, column = len(chain[0].shape) == 1, len(chain[-1].shape) == 1
    if row:
        chain[0] = reshape(chain[0], (1, -1))
    if column:
        chain[-1] = reshape(chain[-1], (-1, 1))
    sizes = [t.shape[0] for t in chain] + [chain[-1].shape[1]]
    for i, t in enumerate(chain):
        if t.shape[1] != sizes[i + 1]:
            raise ValueError(
                f"multi_dot: the sizes of tensors {i} and {i + 1} do not fit: {t.shape[1]} and {sizes[i + 1]}"
            )
    best = _chain_order(sizes)

    def product(i: int, j: int) -> Tensor:
        return chain[i] if i == j else matmul(product(i, best[i, j]), product(best[i, j] + 1, j))

    out = product(0, len(chain) - 1)
    return reshape(out, tuple(n for n, gone in zip(out.shape, (row, column), strict=True) if not gone))


def _chain_order(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split the product of the matrices i … j, which are sizes[i] by sizes[i + 1] and so on."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    best: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], best[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return best


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications; see :func:`multi_dot`."""
    chain = list(matrices[0]) if len(matrices) == 1 and isinstance(matrices[0], (tuple, list)) else list(matrices)
    return chain[0].clone() if len(chain) == 1 else multi_dot(chain)


@lowers
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Scalar products of the vectors along ``dim``, with broadcasting.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.vecdot(tg.ones(2, 3), tg.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    return sum_(x * y, dim)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: each element of ``input`` times the whole of ``other``; dimensions are paired from the right.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.kron(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 10.0]))
    tensor([ 1., 10.,  2., 20.])
    """
    n = max(len(shape_of(input)), len(shape_of(other)))
    a = (1,) * (n - len(input.shape)) + tuple(input.shape)
    b = (1,) * (n - len(other.shape)) + tuple(other.shape)
    product = reshape(input, tuple(k for s in a for k in (s, 1))) * reshape(other, tuple(k for s in b for k in (1, s)))
    return reshape(product, tuple(i * j for i, j in zip(a, b, strict=True)))


class Cross(Op):
    """x × y along one axis of size 3; the gradients are y × g and g × x."""

    __slots__ = ("axis", "shapes")
    keeps = (0, 1)

    def forward(self, x: Any, y: Any, axis: int) -> Any:
        self.axis, self.shapes = axis, (x.shape, y.shape)
        self.saved = x, y
        ns = xp(x)

        def turned(a: Any, by: int) -> Any:
            return ns.roll(a, -by, axis=axis)

        return turned(x, 1) * turned(y, 2) - turned(x, 2) * turned(y, 1)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = fit(Cross.apply(y, g, self.axis), self.shapes[0]) if self.needs(0) else None
        return gx, fit(Cross.apply(g, x, self.axis), self.shapes[1]) if self.needs(1) else None


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product of three-dimensional vectors along ``dim``, by default the first dimension of size 3.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cross(tg.tensor([1.0, 0.0, 0.0]), tg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if len(shape_of(input)) != len(shape_of(other)):
        raise ValueError(f"cross: the shapes {tuple(input.shape)} and {tuple(other.shape)} have different lengths")
    if dim is None:
        threes = [i for i, n in enumerate(input.shape) if n == 3]
        if not threes:
            raise ValueError(f"cross: no dimension of {tuple(input.shape)} has size 3")
        dim = threes[0]
    axis = axis_of(dim, len(input.shape))
    if not input.shape or input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ValueError(
            f"cross: dimension {dim} must have size 3, the shapes are {tuple(input.shape)} and {tuple(other.shape)}"
        )
    return run(Cross(), (*same_type(input, other), axis))


def vector_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """``tg.linalg.cross``: :func:`cross` along the last dimension by default."""
    return cross(input, other, dim)


class Exponents(Op):
    """0, 1, 2, … or the other way round, on the device of a tensor."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, n: int, increasing: bool) -> Any:
        place = xp(x).astype(xp(x).arange(n), x.dtype)
        return place if increasing else n - 1 - place


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector in columns, the largest first: out[i][j] = x[i]^(N-1-j).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.vander(tg.tensor([1.0, 2.0]), 3)
    tensor([[1., 1., 1.],
            [4., 2., 1.]])
    """
    if len(shape_of(x)) != 1:
        raise ValueError(f"vander: expected a vector, got shape {tuple(x.shape)}")
    return _powers("vander", x, N, increasing)


def increasing_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """``tg.linalg.vander``: powers along a new last dimension, the smallest first; (…, n) → (…, n, N)."""
    if not shape_of(x):
        raise ValueError("vander: expected at least one dimension")
    return _powers("vander", x, N, True)


def _powers(name: str, x: Tensor, n: int | None, increasing: bool) -> Tensor:
    n = x.shape[-1] if n is None else n
    if n < 0:
        raise ValueError(f"{name}: N must not be negative, got {n}")
    columns = expand(unsqueeze(x, -1), (*x.shape, n))
    return pow(columns, run(Exponents(), (x, n, increasing)))
