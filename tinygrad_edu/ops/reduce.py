"""Reductions: sums, means, extremes, and their derivatives."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.dtypes import float32, from_raw, int64
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import axes_of, axis_of, count, to_float, xp
from tinygrad_edu.ops.elementwise import abs, as_type_of, exp, maximum, square, where

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Dims = int | Sequence[int] | None


class ValuesAndIndices(NamedTuple):
    """What reductions return that say where: ``values`` and ``indices``."""

    values: Any
    indices: Any


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction over ``axes`` with keepdim=True."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _spread(g: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Broadcast the gradient of a reduction back over what was reduced."""
    from tinygrad_edu.ops.shape import expand, reshape

    if not isinstance(g, function.Tensor):
        ns = xp(g)
        return ns.spread(g if len(g.shape) == len(shape) else ns.reshape(g, _kept(shape, axes)), shape)
    if len(g.shape) != len(shape):
        g = reshape(g, _kept(shape, axes))
    return expand(g, shape)


class Sum(Op):
    __slots__ = ("axes", "shape")
    keeps = ()

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes, self.shape = axes, x.shape
        ns = xp(x)
        if len(axes) == 1:
            (axes,) = axes  # type: ignore[assignment]
        kind = from_raw(x.dtype)
        if kind.category < 2:
            return ns.sum(x, axis=axes, keepdims=keepdim, dtype=ns.int64)
        if kind.bits == 16:  # accumulate in single precision
            return ns.astype(ns.sum(x, axis=axes, keepdims=keepdim, dtype=ns.float32), x.dtype)
        return ns.sum(x, axis=axes, keepdims=keepdim)

    def backward(self, g: Any) -> Any:
        return _spread(g, self.shape, self.axes)


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all elements, or over the dimensions ``dim``.

    Integers are summed as int64, float16 in single precision.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.sum(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    return run1(Sum, input, axes_of(dim, len(input.shape)), keepdim)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over all elements, or over the dimensions ``dim``; of floating-point tensors only."""
    if dtype is not None:
        input = input.to(dtype)
    kind = from_raw(input.dtype if not isinstance(input, function.Tensor) else input._data.dtype)
    if kind.category < 2:
        raise TypeError(f"mean: the mean of {input.dtype} is not of that type; convert first, as in x.float().mean()")
    if kind.bits == 16:  # the sum may be too large for 16 bits where the mean is not
        return mean(input.to(float32), dim, keepdim).to(input.dtype)
    axes = axes_of(dim, len(input.shape))
    n = count([input.shape[a] for a in axes])
    return run(Sum(), (input, axes, keepdim)) / n if n else run(Sum(), (input, axes, keepdim)) * float("nan")


def var(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False, unbiased: bool = True
) -> Tensor:
    """The variance Σ(x - mean)² / (n - correction)."""
    if input.dtype.itemsize == 2:
        return var(input.to(float32), dim, correction=correction, keepdim=keepdim, unbiased=unbiased).to(input.dtype)
    deviation, axes, divisor = _deviation(input, dim, correction if unbiased else 0)
    return sum(square(deviation), axes, keepdim) / divisor


def _deviation(input: Tensor, dim: Dims, correction: float) -> tuple[Tensor, tuple[int, ...], float]:
    """x - mean, the dimensions that were averaged over, and what the squares are to be divided by."""
    axes = axes_of(dim, len(input.shape))
    n = count([input.shape[a] for a in axes])
    return input - mean(input, axes, True), axes, builtins.max(float(n - correction), 0.0)


def std(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False, unbiased: bool = True
) -> Tensor:
    """The standard deviation, the root of :func:`var`; its gradient where all elements are equal is taken as 0."""
    if input.dtype.itemsize == 2:
        return std(input.to(float32), dim, correction=correction, keepdim=keepdim, unbiased=unbiased).to(input.dtype)
    deviation, axes, divisor = _deviation(input, dim, correction if unbiased else 0)
    return run(Norm2(), (deviation, axes, keepdim)) / math.sqrt(divisor)


class Prod(Op):
    __slots__ = ("axis",)

    def forward(self, x: Any, axis: int, keepdim: bool) -> Any:
        self.saved = (x,)
        self.axis = axis
        ns = xp(x)
        if from_raw(x.dtype).category < 2:
            return ns.prod(x, axis=axis, keepdims=keepdim, dtype=ns.int64)
        return ns.prod(x, axis=axis, keepdims=keepdim)

    def backward(self, g: Any) -> Any:
        # The product of all others, as the product of those before and those after: right also where factors are zero.
        from tinygrad_edu.ops.joining import cat
        from tinygrad_edu.ops.parts import narrow
        from tinygrad_edu.ops.rearrange import flip

        (x,) = self.saved
        if len(x.shape) == 0:
            return g
        axis, n = self.axis, x.shape[self.axis]
        if n == 0:
            return x
        one = narrow(x, axis, 0, 1) * 0 + 1
        before = cumprod(cat([one, narrow(x, axis, 0, n - 1)], axis), axis)
        after = flip(cumprod(cat([one, flip(narrow(x, axis, 1, n - 1), (axis,))], axis), axis), (axis,))
        return _spread(g, x.shape, (axis,)) * (before * after)


def cumprod(input: Tensor, dim: int) -> Tensor:
    """The running product along ``dim``."""
    from tinygrad_edu.ops.joining import stack
    from tinygrad_edu.ops.parts import unbind

    axis = axis_of(dim, len(input.shape))
    if isinstance(input, function.Tensor) and not input.is_floating_point():
        input = input.to(int64)
    if not input.shape or input.shape[axis] == 0:
        return input * 1
    running: list[Tensor] = []
    for x in unbind(input, dim):
        running.append(x if not running else running[-1] * x)
    return stack(running, dim)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product over all elements, or along ``dim``."""
    from tinygrad_edu.ops.shape import reshape

    if dim is None:
        return run(Prod(), (reshape(input, (-1,)), 0, False))
    return run(Prod(), (input, axis_of(dim, len(input.shape)) if input.shape else None, keepdim))


class Cumsum(Op):
    __slots__ = ("axis",)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        if not x.shape:
            return ns.copy(x)
        kind = ns.int64 if from_raw(x.dtype).category < 2 else x.dtype
        return ns.cumulative_sum(x, axis=axis, dtype=kind)

    def backward(self, g: Any) -> Any:
        from tinygrad_edu.ops.rearrange import flip

        if not g.shape:
            return g
        return flip(cumsum(flip(g, (self.axis,)), self.axis), (self.axis,))


def cumsum(input: Tensor, dim: int) -> Tensor:
    """The running sum along ``dim``."""
    return run(Cumsum(), (input, axis_of(dim, len(input.shape))))


class Extreme(Op):
    """amax and amin: elements that tie for the extreme share the gradient evenly."""

    __slots__ = ("axes",)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, name: str) -> Any:
        self.axes = axes
        out = getattr(xp(x), name)(x, axis=axes, keepdims=keepdim)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        ties = as_type_of(x == _spread(out, x.shape, self.axes), g)
        ns = xp(ties)
        share = ties / ns.sum(ties, axis=self.axes, keepdims=True)
        return _spread(g, x.shape, self.axes) * share


def _extreme(name: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    axes = axes_of(dim, len(x.shape))
    if count(x.shape) == 0 and (not axes or 0 in [x.shape[a] for a in axes]):
        raise ValueError(f"{name}: there is no extreme of nothing (shape {tuple(x.shape)}, dim {dim})")
    return run(Extreme(), (x, axes, keepdim, name))


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element over ``dim``; ties share the gradient."""
    return _extreme("max", input, dim, keepdim)


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element over ``dim``; ties share the gradient."""
    return _extreme("min", input, dim, keepdim)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all elements; with ``dim`` a pair (values, indices); with a tensor the elementwise maximum."""
    if isinstance(dim, function.Tensor):
        return maximum(input, dim)
    return amax(input) if dim is None else _with_indices("argmax", input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all elements; with ``dim`` a pair (values, indices); with a tensor the elementwise minimum."""
    from tinygrad_edu.ops.elementwise import minimum

    if isinstance(dim, function.Tensor):
        return minimum(input, dim)
    return amin(input) if dim is None else _with_indices("argmin", input, dim, keepdim)


def _with_indices(name: str, x: Tensor, dim: int, keepdim: bool) -> ValuesAndIndices:
    """The extreme along ``dim`` and the first place where it stands, which alone gets the gradient."""
    from tinygrad_edu.ops.scatter import gather
    from tinygrad_edu.ops.shape import squeeze

    if not x.shape:
        return ValuesAndIndices(x * 1, argmax(x))
    axis = axis_of(dim, len(x.shape))
    where_ = argmax(x, axis, True) if name == "argmax" else argmin(x, axis, True)
    values = gather(x, axis, where_)
    return (
        ValuesAndIndices(values, where_) if keepdim else ValuesAndIndices(squeeze(values, axis), squeeze(where_, axis))
    )


class Where_(Op):
    """Where the extreme stands."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axis: int | None, keepdim: bool, name: str) -> Any:
        ns = xp(x)
        if axis is None:
            x = ns.reshape(x, (-1,))
        if count(x.shape) == 0 or not x.shape:
            if not x.shape:
                return ns.zeros((), dtype=ns.int64)
            raise ValueError("there is no extreme of nothing")
        return ns.astype(getattr(ns, name)(x, axis=0 if axis is None else axis, keepdims=keepdim), ns.int64)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The (first) place of the largest element: in the flattened tensor, or along ``dim``."""
    axis = None if dim is None else axis_of(dim, len(input.shape))
    return run(Where_(), (input, axis, keepdim, "argmax"))


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The (first) place of the smallest element: in the flattened tensor, or along ``dim``."""
    axis = None if dim is None else axis_of(dim, len(input.shape))
    return run(Where_(), (input, axis, keepdim, "argmin"))


class Truth(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, name: str) -> Any:
        return getattr(xp(x), name)(x, axis=axes, keepdims=keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether one element is non-zero."""
    return run(Truth(), (input, axes_of(dim, len(input.shape)), keepdim, "any"))


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is non-zero."""
    return run(Truth(), (input, axes_of(dim, len(input.shape)), keepdim, "all"))


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """ln Σ eˣ over ``dim``, shifted by the largest element so that nothing overflows."""
    from tinygrad_edu.ops.elementwise import isfinite, log
    from tinygrad_edu.ops.shape import reshape

    axes = axes_of(dim, len(input.shape))
    top = amax(input.detach(), axes, True)
    shift = where(isfinite(top), top, top.new_zeros(top.shape))
    total = log(sum(exp(input - shift), axes, True)) + shift
    return total if keepdim else reshape(total, tuple(n for i, n in enumerate(input.shape) if i not in axes))


def norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The vector norm (Σ|x|ᵖ)^(1/p) over all elements or ``dim``; p may be inf, -inf, 0, 1, 2 ("fro") or another
    number.

    The gradient of the 2-norm at 0 is taken as 0.
    """
    x = to_float(input)
    axes = axes_of(dim, len(x.shape))
    if p == "fro" or p == 2:
        return run(Norm2(), (x, axes, keepdim))
    if p == float("inf"):
        return amax(abs(x), axes, keepdim)
    if p == float("-inf"):
        return amin(abs(x), axes, keepdim)
    if p == 0:
        return sum((x != 0).to(x.dtype), axes, keepdim)
    if p == 1:
        return sum(abs(x), axes, keepdim)
    return sum(abs(x) ** p, axes, keepdim) ** (1.0 / p)


class Norm2(Op):
    __slots__ = ("axes",)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes = axes
        ns = xp(x)
        out = ns.sqrt(ns.sum(x * x, axis=axes, keepdims=keepdim))
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        zero = out == 0
        scale = where(zero, out * 0, g / where(zero, out * 0 + 1, out))
        return x * _spread(scale, x.shape, self.axes)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return tuple(input.shape) == tuple(other.shape) and bool(all(input == other))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether |input - other| ≤ atol + rtol·|other|, element by element."""
    from tinygrad_edu.ops.elementwise import isfinite

    distance = abs(input - other)
    near = (isfinite(distance) & (distance <= atol + rtol * abs(other))) | (input == other)
    return near | ((input != input) & (other != other)) if equal_nan else near


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether :func:`isclose` holds everywhere."""
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))
