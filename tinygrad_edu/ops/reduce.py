"""Reductions to one number: sums, means, products, variances, counts."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state
from tinygrad_edu.dtypes import from_raw, int64, uint8
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import RESULT, Op, run, run1
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._casting import single, widens
from tinygrad_edu.ops._reduction import Dims, in_single, require_float, spread
from tinygrad_edu.ops._types import axes_of, axis_of, count, fit, kind_of, nothing, shape_of, sizes_of, to_float, xp
from tinygrad_edu.ops.elementwise import abs, exp, isfinite, isnan, where
from tinygrad_edu.ops.scan import can_divide_by_factors, products_of_others
from tinygrad_edu.ops.shape import alias, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


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
        return spread(g, self.shape, self.axes)


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all elements, or over the dimensions ``dim``; 0 where there are none.

    Integers are summed as int64, float16 in single precision.

    Parameters
    ----------
    dim : int or sequence of int, optional
        What to sum over; by default everything.
    keepdim : bool
        Keep the reduced dimensions with size 1.
    dtype : optional
        Convert to this type first.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.sum(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    if _state.casting_threads:
        (input,) = single(input)
    if dtype is not None:
        input = input.to(dtype)
    return run1(Sum, input, axes_of(dim, len(shape_of(input))), keepdim)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """The sum over the dimensions along which a tensor of shape ``size`` would be broadcast to this one.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    have, wanted = shape_of(input), sizes_of(size)
    lead = len(have) - len(wanted)
    if lead < 0 or builtins.any(n not in (1, have[lead + i]) for i, n in enumerate(wanted)):
        raise ValueError(f"sum_to_size: a tensor of shape {wanted} does not broadcast to {have}")
    return alias(input) if have == wanted else fit(input, wanted)


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum of the elements that are numbers; NaN counts as 0 and gets no gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nansum(tg.tensor([1.0, float("nan"), 3.0]))
    tensor(4.)
    """
    if kind_of(input).category == 2:
        input = where(isnan(input), nothing(input), input)
    return sum(input, dim, keepdim, dtype=dtype)


class Mean(Op):
    __slots__ = ("axes", "number", "shape")
    keeps = ()

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes, self.shape = axes, x.shape
        self.number = count([x.shape[a] for a in axes])
        ns = xp(x)
        over = axes[0] if len(axes) == 1 else axes
        if from_raw(x.dtype).bits == 16:  # the sum may be too large for 16 bits where the mean is not
            return ns.astype(self.share(ns.sum(x, axis=over, keepdims=keepdim, dtype=ns.float32)), x.dtype)
        return self.share(ns.sum(x, axis=over, keepdims=keepdim))

    def backward(self, g: Any) -> Any:
        return spread(self.share(g), self.shape, self.axes)

    def share(self, total: Any) -> Any:
        """A sum divided by the number of elements; not a number where there are none."""
        if self.number > 65504:  # not a float16 number, which as a divisor would be infinite
            return total * (1 / self.number)
        return total / self.number if self.number else total * float("nan")


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over all elements, or over the dimensions ``dim``; of floating-point tensors only.

    Raises
    ------
    TypeError
        When the elements are integers or booleans.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.mean(tg.tensor([[1.0, 2.0], [3.0, 6.0]]), dim=1)
    tensor([1.5000, 4.5000])
    """
    if dtype is not None:
        input = input.to(dtype)
    require_float("mean", input)
    return run1(Mean, input, axes_of(dim, len(input.shape)), keepdim)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of the elements that are numbers; NaN where there are none."""
    if dtype is not None:
        input = input.to(dtype)
    require_float("nanmean", input)
    numbers = where(isnan(input), nothing(input), nothing(input) + 1)
    return nansum(input, dim, keepdim) / sum(numbers, dim, keepdim)


# Variance ------------------------------------------------------------------------------------------------------------


def _divisor(x: Any, axes: tuple[int, ...], correction: float) -> float:
    """What the sum of squares is divided by: the number of elements less the correction."""
    return builtins.max(count([x.shape[a] for a in axes]) - correction, 0.0)


class Var(Op):
    """Σ(x - mean)² / (n - correction): the gradient is 2 (x - mean) / (n - correction)."""

    __slots__ = ("axes", "divisor")
    keeps = (0,)

    def forward(self, x: Any, axes: tuple[int, ...], correction: float, keepdim: bool) -> Any:
        self.axes, self.divisor = axes, _divisor(x, axes, correction)
        self.saved = (x,)
        ns = xp(x)
        squares = ns.sum_squares(x - Mean.apply(x, axes, True), axes, keepdim)
        return squares / self.divisor if self.divisor else squares * float("inf")

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        factor = 2 / self.divisor if self.divisor else float("inf")
        return spread(g * factor, x.shape, self.axes) * (x - mean(x, self.axes, True))


class Std(Op):
    """The root of the variance; where all elements are equal the gradient is taken as 0."""

    __slots__ = ("axes", "divisor")
    keeps = (0, RESULT)

    def forward(self, x: Any, axes: tuple[int, ...], correction: float, keepdim: bool) -> Any:
        self.axes, self.divisor = axes, _divisor(x, axes, correction)
        out = xp(x).sqrt(Var.apply(x, axes, correction, keepdim))
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        zero = out == 0
        scale = where(zero, nothing(out), g / (where(zero, nothing(out) + 1, out) * (self.divisor or float("nan"))))
        return spread(scale, x.shape, self.axes) * (x - mean(x, self.axes, True))


def _correction(dim: Any, unbiased: bool, correction: float | None) -> tuple[Dims, float]:
    """Read ``var(x, dim, correction=c)``, ``var(x, dim, unbiased)`` and ``var(x, unbiased)``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, float(unbiased) if correction is None else correction


def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The variance Σ(x - mean)² / (n - correction), over all elements or over the dimensions ``dim``.

    Parameters
    ----------
    dim : int or sequence of int, optional
        What to reduce; ``var(x, False)`` is short for ``var(x, unbiased=False)``.
    unbiased : bool
        False is short for ``correction=0``.
    correction : float
        How many degrees of freedom are lost, 1 by default. The result is NaN where none is left.

    Raises
    ------
    TypeError
        When the elements are integers or booleans.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.var(tg.tensor([1.0, 2.0, 3.0])), tg.var(tg.tensor([1.0, 2.0, 3.0]), correction=0)
    (tensor(1.), tensor(0.6667))
    """
    dim, correction = _correction(dim, unbiased, correction)
    if require_float("var", input).bits == 16:
        return in_single(var, input, dim, keepdim=keepdim, correction=correction)
    return run1(Var, input, axes_of(dim, len(input.shape)), correction, keepdim)


def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    """The standard deviation, the root of :func:`var`; its gradient where all elements are equal is taken as 0."""
    dim, correction = _correction(dim, unbiased, correction)
    if require_float("std", input).bits == 16:
        return in_single(std, input, dim, keepdim=keepdim, correction=correction)
    return run1(Std, input, axes_of(dim, len(input.shape)), correction, keepdim)


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """The variance and the mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return var(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return std(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


# Products ------------------------------------------------------------------------------------------------------------


class Prod(Op):
    """The product along one dimension: each factor's gradient is the product of all others, also where some are zero."""

    __slots__ = ("axis",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axis: int, keepdim: bool) -> Any:
        self.axis = axis
        ns = xp(x)
        kind = from_raw(x.dtype)
        wide = ns.int64 if kind.category < 2 else ns.float32 if kind.bits == 16 else x.dtype
        out = ns.prod(x, axis=axis, keepdims=keepdim, dtype=wide)
        if kind.category == 2 and kind.bits == 16:
            out = ns.astype(out, x.dtype)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        if can_divide_by_factors(out):
            return spread(g * out, x.shape, (self.axis,)) / x
        return spread(g, x.shape, (self.axis,)) * products_of_others(x, self.axis)


@widens
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over all elements, or along ``dim``; 1 where there are none.

    Integers are multiplied as int64.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    if dtype is not None:
        input = input.to(dtype)
    if dim is None or not input.shape:
        if dim is not None:
            axis_of(dim, 0)
        return run1(Prod, reshape(input, (-1,)), 0, False)
    return run1(Prod, input, axis_of(dim, len(input.shape)), keepdim)


# Exponential sums ----------------------------------------------------------------------------------------------------


class LogSumExp(Op):
    __slots__ = ("axes",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes = axes
        ns = xp(x)
        if 0 in [x.shape[a] for a in axes]:
            out = ns.sum(x, axis=axes, keepdims=keepdim) - float("inf")
        else:
            top = ns.max(x, axis=axes, keepdims=True)
            top = ns.where(ns.isfinite(top), top, ns.zeros_like(top))
            total = ns.sum(ns.exp(x - top), axis=axes, keepdims=True)
            none = total == 0  # every element is -inf
            out = ns.where(none, -float("inf"), ns.log(ns.where(none, 1.0, total)) + top)
            if not keepdim:
                out = ns.reshape(out, tuple(n for i, n in enumerate(x.shape) if i not in axes))
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        shift = where(out == -float("inf"), nothing(out), out)
        return spread(g, x.shape, self.axes) * exp(x - spread(shift, x.shape, self.axes))


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """ln Σ eˣ over ``dim``, shifted by the largest element so that nothing overflows.

    The gradient is softmax(x); where all elements are -inf the result is -inf and the gradient 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.logsumexp(tg.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    x = to_float(input)
    if kind_of(x).bits == 16:
        return in_single(logsumexp, x, dim, keepdim)
    return run1(LogSumExp, x, axes_of(dim, len(x.shape)), keepdim)


# Logic ---------------------------------------------------------------------------------------------------------------


class Truth(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, name: str) -> Any:
        return getattr(xp(x), name)(x, axis=axes, keepdims=keepdim)


def _truth(input: Tensor, dim: Dims, keepdim: bool, name: str) -> Tensor:
    out = run(Truth(), (input, axes_of(dim, len(shape_of(input))), keepdim, name))
    return out.to(uint8) if kind_of(input) is uint8 else out


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether one element is non-zero; of uint8 as uint8, else as bool."""
    return _truth(input, dim, keepdim, "any")


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is non-zero; of uint8 as uint8, else as bool."""
    return _truth(input, dim, keepdim, "all")


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero, as int64.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.count_nonzero(tg.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    return sum(input != 0, dim)


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    check_tensors("equal", input=input, other=other)
    return tuple(input.shape) == tuple(other.shape) and bool(all(input == other))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether |input - other| ≤ atol + rtol·|other|, element by element.

    Raises
    ------
    TypeError
        When the two have different types.
    ValueError
        When a tolerance is negative.
    """
    if kind_of(input) is not kind_of(other):
        raise TypeError(f"isclose: the types {input.dtype} and {other.dtype} differ; convert one with .to(dtype)")
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: the tolerances must not be negative, got rtol {rtol} and atol {atol}")
    same = input == other
    if kind_of(input).category < 2:  # differences of unsigned numbers would wrap around
        input, other = input.to(int64), other.to(int64)
    distance = abs(input - other)
    near = (isfinite(distance) & (distance <= atol + rtol * abs(other))) | same
    return near | ((input != input) & (other != other)) if equal_nan else near


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether :func:`isclose` holds everywhere."""
    return bool(all(isclose(input, other, rtol, atol, equal_nan)))
