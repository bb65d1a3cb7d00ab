"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.errors import describe, refuse_mixed
from tinygrad_edu.function import Op, run, run2
from tinygrad_edu.ops._casting import lowered, promotes
from tinygrad_edu.ops._types import count, fit, same_type, shape_of, xp
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Matmul(Op):
    """Products of matrices, (…, N, K) @ (…, K, M); leading dimensions broadcast."""

    __slots__ = ("shapes",)
    keeps = (0, 1)

    def forward(self, x: Any, y: Any) -> Any:
        self.saved = x if self.needs(1) else None, y if self.needs(0) else None
        self.shapes = x.shape, y.shape
        return xp(x).matmul(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        sx, sy = self.shapes
        gx = fit(matmul(g, y.mT), sx) if y is not None else None
        if x is None:
            return gx, None
        if len(sy) == 2 and len(sx) > 2:  # one product over all leading dimensions
            n = count(sx[:-1])
            x, g = reshape(x, (n, sx[-1])), reshape(g, (n, sy[-1]))
        return gx, fit(matmul(x.mT, g), sy)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; vectors are rows on the left and columns on the right, leading dimensions broadcast.

    Shapes: (…, N, K) @ (…, K, M) → (…, N, M). For out = X Y: dX = G Yᵀ, dY = Xᵀ G.

    Raises
    ------
    ValueError
        When the inner sizes differ or an operand has no dimension.
    """
    if _state.casting_threads:
        input, other = lowered(input, other)
    x, y = same_type(input, other)
    if not isinstance(x, function.Tensor) and not isinstance(y, function.Tensor):
        return xp(x).matmul(x, y)
    sx, sy = (shape_of(side) if isinstance(side, function.Tensor) else () for side in (x, y))
    if not sx or not sy:
        raise ValueError(f"matmul: both operands need at least one dimension, got {describe(x)} and {describe(y)}")
    if sx[-1] != sy[-2 if len(sy) > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {sx} and {sy} do not fit: the inner sizes are {sx[-1]} and {sy[-2 if len(sy) > 1 else 0]}"
        )
    if len(sx) > 1 and len(sy) > 1:
        return run2(Matmul, x, y)
    if len(sx) == 1:
        x = reshape(x, (1, sx[0]))
    if len(sy) == 1:
        y = reshape(y, (sy[0], 1))
    out = run(Matmul(), (x, y))
    shape = tuple(out.shape)
    if len(sx) == 1:
        shape = (*shape[:-2], shape[-1])
    if len(sy) == 1:
        shape = shape[:-1]
    return reshape(out, shape)


def rmatmul(input: Tensor, other: Any) -> Tensor:
    """The matrix product the other way round: other @ input."""
    return matmul(other, input)


def _ranks(name: str, x: Any, y: Any, rank: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of two operands, which must have so many dimensions."""
    sx, sy = shape_of(x), shape_of(y)
    if (len(sx), len(sy)) != rank:
        raise ValueError(f"{name}: expected tensors with {rank[0]} and {rank[1]} dimensions, got shapes {sx} and {sy}")
    return sx, sy


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (N, K) @ (K, M)."""
    _ranks("mm", input, mat2, (2, 2))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices, (B, N, K) @ (B, K, M)."""
    sx, sy = _ranks("bmm", input, mat2, (3, 3))
    if sx[0] != sy[0]:
        raise ValueError(f"bmm: batch sizes {sx[0]} and {sy[0]} differ")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    _ranks("mv", input, vec, (2, 1))
    return matmul(input, vec)


@promotes
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The scalar product of two vectors."""
    _ranks("dot", input, tensor, (1, 1))
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors: out[i][j] = input[i] · vec2[j]."""
    _ranks("outer", input, vec2, (1, 1))
    return reshape(input, (-1, 1)) * reshape(vec2, (1, -1))


class Linear(Op):
    """x Wᵀ + b in one node."""

    __slots__ = ()
    keeps = (0, 1)

    def forward(self, x: Any, weight: Any, bias: Any) -> Any:
        self.saved = x if self.needs(1) else None, weight if self.needs(0) else None
        ns = xp(x)
        rows = ns.reshape(x, (count(x.shape[:-1]), x.shape[-1])) if len(x.shape) != 2 else x
        out = ns.linear(rows, weight, bias)
        return out if len(x.shape) == 2 else ns.reshape(out, (*x.shape[:-1], weight.shape[0]))

    def backward(self, g: Any) -> Any:
        x, weight = self.saved
        n = count(g.shape[:-1])
        rows = g if len(g.shape) == 2 else reshape(g, (n, g.shape[-1]))
        inputs = x if x is None or len(x.shape) == 2 else reshape(x, (n, x.shape[-1]))
        kernel = None if isinstance(g, function.Tensor) else xp(g).kernels.get("linear_backward")
        found = None if kernel is None else kernel(rows, inputs, weight, self.needs(2))
        gx, gw, gb = found or (
            None if weight is None else matmul(rows, weight),
            None if x is None else matmul(rows.T, inputs),
            sum_(rows, 0) if self.needs(2) else None,
        )
        if gx is not None and len(g.shape) != 2:
            gx = reshape(gx, (*g.shape[:-1], weight.shape[1]))
        return gx, gw, gb


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The affine map x Wᵀ + b.

    Parameters
    ----------
    input : Tensor, (…, in_features)
    weight : Tensor, (out_features, in_features)
    bias : Tensor, (out_features,), optional

    Returns
    -------
    Tensor, (…, out_features)

    Raises
    ------
    ValueError
        When the sizes do not fit.
    """
    if not (isinstance(input, function.Tensor) and isinstance(weight, function.Tensor)):
        raise TypeError(
            f"linear: expected tensors, got {describe(input)} and a weight {describe(weight)}; make one with tg.tensor(...)"
        )
    if _state.casting_threads:
        input, weight, bias = lowered(input, weight, bias)
    if len(weight.shape) != 2:
        return _vector_linear(input, weight, bias)
    if not input.shape or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: the input has shape {tuple(input.shape)}, but the weight of shape {tuple(weight.shape)} "
            f"expects a last dimension of {weight.shape[1]}"
        )
    if bias is not None and shape_of(bias) != (shape_of(weight)[0],):
        raise ValueError(f"linear: the bias has shape {tuple(bias.shape)}, expected ({weight.shape[0]},)")
    if input._data.dtype != weight._data.dtype:
        refuse_mixed("linear", (input._data, weight._data))
        raise TypeError(
            f"linear: the input is {input.dtype} and the weight {weight.dtype}; convert one with .to(dtype)"
        )
    return run(Linear(), (input, weight, bias))


def _vector_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if len(weight.shape) != 1:
        raise ValueError(f"linear: the weight must have shape (out, in) or (in,), got {tuple(weight.shape)}")
    out = matmul(input, weight)
    return out if bias is None else out + bias
