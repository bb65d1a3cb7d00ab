"""Elementwise arithmetic, exponentials, and the derivative of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import bool_, from_raw, int64
from tinygrad_edu.function import CONSTANT, RESULT, Op, run, run1, run2
from tinygrad_edu.ops._types import fit, same_type, to_float, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Operand: TypeAlias = "Tensor | float"


class Binary(Op):
    """An operation of two tensors that broadcast against each other."""

    __slots__ = ("shapes",)
    keeps: ClassVar[tuple[int, ...] | None] = (0, 1)

    def note_shapes(self, x: Any, y: Any) -> None:
        """Remember the shapes if they differ, so that ``fit`` can undo the broadcast."""
        sx, sy = getattr(x, "shape", ()), getattr(y, "shape", ())
        self.shapes = None if sx == sy else (sx, sy)

    def fit(self, gx: Any, gy: Any) -> tuple[Any, Any]:
        """Bring both gradients to the shapes of their operands."""
        if self.shapes is None:
            return gx, gy
        sx, sy = self.shapes
        return fit(gx, sx) if self.edges[0] is not None else None, fit(gy, sy) if self.edges[1] is not None else None


def _number(x: Any, y: Any) -> bool:
    """Whether this is a floating-point tensor with a Python number, the common case that needs no conversion."""
    return (
        (type(y) is float or type(y) is int)
        and isinstance(x, function.Tensor)
        and from_raw(x._data.dtype).category == 2
    )


class Add(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        sx, sy = x.shape, y.shape
        self.shapes = None if sx == sy else (sx, sy)
        return x + y

    def backward(self, g: Any) -> Any:
        return (g, g) if self.shapes is None else self.fit(g, g)


class Shift(Op):
    """A tensor plus a number."""

    __slots__ = ()
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        return x + c

    def backward(self, g: Any) -> Any:
        return g


def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """Sum with broadcasting: input + alpha · other.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.add(tg.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, function.Tensor) else other * alpha
    if _number(input, other):
        return run1(Shift, input, other)
    if _number(other, input):
        return run1(Shift, other, input)
    x, y = same_type(input, other)
    if isinstance(x, function.Tensor) and isinstance(y, function.Tensor):
        return run2(Add, x, y)
    return _mixed(Shift, x, y, x_plus_y)


def _mixed(cls: type[Op], x: Any, y: Any, raw: Any) -> Any:
    """One operand at most is a tensor: a tensor with a number, or raw arrays."""
    if isinstance(x, function.Tensor):
        return run(cls(), (x, y))
    if isinstance(y, function.Tensor):
        return run(cls(), (y, x))
    return raw(x, y)


class Sub(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        sx, sy = x.shape, y.shape
        self.shapes = None if sx == sy else (sx, sy)
        return x - y

    def backward(self, g: Any) -> Any:
        return self.fit(g, -g if self.edges[1] is not None else None)


class ShiftNegative(Op):
    """A number minus a tensor."""

    __slots__ = ()
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        return c - x

    def backward(self, g: Any) -> Any:
        return -g


class ShiftDown(Op):
    """A tensor minus a number."""

    __slots__ = ()
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        return x - c

    def backward(self, g: Any) -> Any:
        return g


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """Difference with broadcasting: input - alpha · other."""
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, function.Tensor) else other * alpha
    if _number(input, other):
        return run1(ShiftDown, input, other)
    if _number(other, input):
        return run1(ShiftNegative, other, input)
    x, y = same_type(input, other)
    if isinstance(x, function.Tensor) and isinstance(y, function.Tensor):
        return run2(Sub, x, y)
    if isinstance(x, function.Tensor):
        return run(ShiftDown(), (x, y))
    return run(ShiftNegative(), (y, x))


def rsub(input: Operand, other: Operand) -> Tensor:
    """Difference the other way round: other - input."""
    return sub(other, input)


class Mul(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        ex, ey = self.edges
        sx, sy = x.shape, y.shape
        self.shapes = None if sx == sy else (sx, sy)
        self.saved = x if ey is not None else None, y if ex is not None else None
        return x * y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(g * y if y is not None else None, g * x if x is not None else None)


class Scale(Op):
    """A tensor times a number."""

    __slots__ = ("factor",)
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        self.factor = c
        return x * c

    def backward(self, g: Any) -> Any:
        return g * self.factor


def mul(input: Operand, other: Operand) -> Tensor:
    """Product with broadcasting, element by element.

    d(xy) = y dx + x dy.
    """
    if _number(input, other):
        return run1(Scale, input, other)
    if _number(other, input):
        return run1(Scale, other, input)
    x, y = same_type(input, other)
    if isinstance(x, function.Tensor) and isinstance(y, function.Tensor):
        return run2(Mul, x, y)
    return _mixed(Scale, x, y, x_times_y)


def x_plus_y(x: Any, y: Any) -> Any:
    """The sum of raw arrays."""
    return x + y


def x_times_y(x: Any, y: Any) -> Any:
    """The product of raw arrays."""
    return x * y


class Div(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x if self.needs(1) else None, y
        return x / y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = g / y
        return self.fit(gx if self.needs(0) else None, -gx * (x / y) if x is not None else None)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient with broadcasting; integers give floating point unless rounded.

    Parameters
    ----------
    rounding_mode : None, "trunc" or "floor"
        Round the quotient towards zero or downwards; its derivative is then zero.
    """
    if rounding_mode is not None:
        return _rounded_div(input, other, rounding_mode)
    x, y = same_type(input, other)
    x = to_float(x) if isinstance(x, function.Tensor) else x
    y = to_float(y) if isinstance(y, function.Tensor) else y
    # Array libraries raise on a Python 0 of integer type; 1 / 0 is inf here.
    x = float(x) if type(x) is int else x
    y = float(y) if type(y) is int else y
    return run(Div(), (x, y))


def _rounded_div(input: Operand, other: Operand, rounding_mode: str) -> Tensor:
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    x, y = same_type(input, other)
    quotient = trunc(div(input, other))
    kept = x.dtype if isinstance(x, function.Tensor) else y.dtype
    return quotient if kept.is_floating_point else quotient.to(kept)


def rdiv(input: Operand, other: Operand) -> Tensor:
    """Quotient the other way round: other / input."""
    return div(other, input)


class Pow(Binary):
    __slots__ = ()
    keeps = None

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        out = x**y
        self.saved = x, y, out if self.needs(1) else None
        return out

    def backward(self, g: Any) -> Any:
        x, y, out = self.saved
        gx = gy = None
        if self.needs(0):
            if isinstance(y, (int, float)):
                gx = g * (y * x ** (y - 1)) if y != 0 else g * 0
            else:
                # Where y is 0 the derivative is 0, also at x = 0, where the formula would divide by it.
                gx = g * where(y == 0, x * 0, y * pow(x, where(y == 0, y * 0 + 1, y - 1)))
        if self.needs(1):
            # At x = 0 and y >= 0 the power is constant in y (0, or 1 at y = 0 by convention).
            flat = (x == 0) & (y >= 0)
            base = x if isinstance(x, (int, float)) else where(flat, x * 0 + 1, x)
            logs = log(base) if not isinstance(base, (int, float)) else _log_of_number(base)
            gy = g * where(flat, out * 0, out * logs) if not isinstance(flat, bool) else g * out * logs
        return self.fit(gx, gy)


def _log_of_number(x: float) -> float:
    import math

    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """input raised to exponent, with broadcasting.

    d(xʸ) = y xʸ⁻¹ dx + xʸ ln x dy; at x = 0 the derivative by y is 0 for y ≥ 0.
    """
    x, y = same_type(input, exponent)
    if isinstance(y, int) and not isinstance(y, bool) and y == 2 and isinstance(x, function.Tensor):
        return square(x)
    if isinstance(y, int) and y < 0 and isinstance(x, function.Tensor) and not x.is_floating_point():
        raise ValueError(f"pow: integers cannot be raised to the negative power {y}; convert to floating point first")
    if not isinstance(x, function.Tensor) and isinstance(x, int) and isinstance(y, function.Tensor):
        x = float(x) if y.is_floating_point() else x
    return run(Pow(), (x, y))


def rpow(input: Operand, other: Operand) -> Tensor:
    """Power the other way round: other ** input."""
    return pow(other, input)


class Maximum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).maximum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        # Ties share the gradient half and half.
        to_x = (x > y) + 0.5 * (x == y)
        return self.fit(g * _as(to_x, g), g * _as(1 - to_x, g))


class Minimum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).minimum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        to_x = (x < y) + 0.5 * (x == y)
        return self.fit(g * _as(to_x, g), g * _as(1 - to_x, g))


def _as(x: Any, like: Any) -> Any:
    """A boolean or other constant in the type of a gradient."""
    raw = getattr(x, "_data", x)
    target = getattr(like, "_data", like)
    return xp(raw).astype(raw, target.dtype)


def maximum(input: Operand, other: Operand) -> Tensor:
    """The larger of two, element by element; at ties each side gets half the gradient."""
    return run(Maximum(), same_type(input, other))


def minimum(input: Operand, other: Operand) -> Tensor:
    """The smaller of two, element by element; at ties each side gets half the gradient."""
    return run(Minimum(), same_type(input, other))


class Where(Op):
    __slots__ = ("shapes",)

    def forward(self, condition: Any, x: Any, y: Any) -> Any:
        self.shapes = getattr(x, "shape", ()), getattr(y, "shape", ())
        self.saved = (condition,)
        return xp(condition).where(condition, x, y)

    def backward(self, g: Any) -> Any:
        (condition,) = self.saved
        zero = g * 0
        sx, sy = self.shapes
        return (
            None,
            fit(where(condition, g, zero), sx) if self.needs(1) else None,
            fit(where(condition, zero, g), sy) if self.needs(2) else None,
        )


def where(condition: Any, input: Operand, other: Operand) -> Tensor:
    """input where condition holds, other elsewhere; all three broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([-1.0, 2.0])
    >>> tg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    raw = getattr(condition, "_data", condition)
    if str(getattr(raw, "dtype", "")).rsplit(".", 1)[-1] != "bool":
        raise TypeError(f"where: the condition must be a boolean tensor, got {function.describe(condition)}")
    if isinstance(condition, function.Tensor) and not _tensors(input, other):
        kinds = {type(input), type(other)}
        dtype = bool_ if kinds == {bool} else int64 if kinds <= {int, bool} else modes.dtype
        input = condition.new_tensor(input, dtype=dtype)
    x, y = same_type(input, other)
    return run(Where(), (condition, x, y))


def _tensors(*values: Any) -> bool:
    return any(isinstance(v, function.Tensor) for v in values)


# One operand ---------------------------------------------------------------------------------------------------------


class Neg(Op):
    __slots__ = ()
    keeps = ()

    def forward(self, x: Any) -> Any:
        return -x

    def backward(self, g: Any) -> Any:
        return -g


def neg(input: Tensor) -> Tensor:
    """The negative."""
    return run1(Neg, input)


class Square(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return x * x

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * (2 * x)


def square(input: Tensor) -> Tensor:
    """The square, x²."""
    return run1(Square, input)


class Exp(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).exp(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * out


def exp(input: Tensor) -> Tensor:
    """The exponential, eˣ."""
    return run1(Exp, to_float(input))


class Expm1(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).expm1(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (out + 1)


def expm1(input: Tensor) -> Tensor:
    """eˣ - 1, exact near 0."""
    return run1(Expm1, to_float(input))


class Log(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).log(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / x


def log(input: Tensor) -> Tensor:
    """The natural logarithm."""
    return run1(Log, to_float(input))


class Log1p(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).log1p(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / (1 + x)


def log1p(input: Tensor) -> Tensor:
    """ln(1 + x), exact near 0."""
    return run1(Log1p, to_float(input))


class Sqrt(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).sqrt(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g / (2 * out)


def sqrt(input: Tensor) -> Tensor:
    """The square root."""
    return run1(Sqrt, to_float(input))


def rsqrt(input: Tensor) -> Tensor:
    """One over the square root."""
    return pow(to_float(input), -0.5)


def reciprocal(input: Tensor) -> Tensor:
    """One over x."""
    return div(1.0, input)


class Sin(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).sin(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * cos(x)


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians."""
    return run1(Sin, to_float(input))


class Cos(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).cos(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return -g * sin(x)


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    return run1(Cos, to_float(input))


class Tanh(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).tanh(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (1 - out * out)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent; d tanh x = (1 - tanh² x) dx."""
    return run1(Tanh, to_float(input))


class Sigmoid(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).sigmoid(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (out * (1 - out))


def sigmoid(input: Tensor) -> Tensor:
    """The logistic function 1 / (1 + e⁻ˣ); dσ = σ (1 - σ) dx."""
    return run1(Sigmoid, to_float(input))


class Relu(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).maximum(x, 0)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * _as(out > 0, g)


def relu(input: Tensor) -> Tensor:
    """max(0, x); the derivative at 0 is taken as 0."""
    return run1(Relu, input)


class Abs(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).abs(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * sign(x)


def abs(input: Tensor) -> Tensor:
    """The absolute value; the derivative at 0 is taken as 0."""
    return run1(Abs, input)


class Clamp(Op):
    __slots__ = ("bounds",)

    def forward(self, x: Any, low: float | None, high: float | None) -> Any:
        self.saved = (x,)
        self.bounds = low, high
        ns = xp(x)
        if low is not None:
            x = ns.maximum(x, low)
        return x if high is None else ns.minimum(x, high)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        low, high = self.bounds
        inside = 1 if low is None else _as(x >= low, g)
        return g * (inside if high is None else inside * _as(x <= high, g))


def clamp(input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Limit values to [min, max]; the gradient passes inside and at the limits.

    Raises
    ------
    ValueError
        When neither limit is given.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    if _tensors(min, max):
        if min is not None:
            input = maximum(input, min)
        return input if max is None else minimum(input, max)
    if isinstance(min, float) or isinstance(max, float):
        input = to_float(input)
    return run(Clamp(), (input, min, max))


class Piecewise(Op):
    """A function that is constant between its jumps: the derivative is zero."""

    __slots__ = ()
    keeps = ()
    function = ""

    def forward(self, x: Any) -> Any:
        return getattr(xp(x), self.function)(x)

    def backward(self, g: Any) -> Any:
        return g * 0


class Sign(Piecewise):
    __slots__ = ()
    function = "sign"


class Floor(Piecewise):
    __slots__ = ()
    function = "floor"


class Ceil(Piecewise):
    __slots__ = ()
    function = "ceil"


class Round(Piecewise):
    __slots__ = ()
    function = "round"


class Trunc(Piecewise):
    __slots__ = ()
    function = "trunc"


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1."""
    return run1(Sign, input)


def floor(input: Tensor) -> Tensor:
    """The largest integer not above x."""
    return run1(Floor, input)


def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below x."""
    return run1(Ceil, input)


def round(input: Tensor) -> Tensor:
    """The nearest integer, halves to the even one."""
    return run1(Round, input)


def trunc(input: Tensor) -> Tensor:
    """The integer part."""
    return run1(Trunc, input)


class FloorDivide(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        return x // y

    def backward(self, g: Any) -> Any:
        return self.fit(g * 0, g * 0)


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded downwards; its derivative is zero."""
    return run(FloorDivide(), same_type(input, other))


def rfloor_divide(input: Operand, other: Operand) -> Tensor:
    """The rounded quotient the other way round: other // input."""
    return floor_divide(other, input)


class Remainder(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x if self.needs(1) else None, y if self.needs(1) else None
        return x % y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(g, -g * floor(div(x, y)) if self.needs(1) else None)


def remainder(input: Operand, other: Operand) -> Tensor:
    """What is left of input after subtracting whole others; it has the sign of ``other``."""
    return run(Remainder(), same_type(input, other))


def rremainder(input: Operand, other: Operand) -> Tensor:
    """The remainder the other way round: other % input."""
    return remainder(other, input)


# Types and memory ----------------------------------------------------------------------------------------------------


class Cast(Op):
    __slots__ = ("source",)

    def forward(self, x: Any, dtype: Any) -> Any:
        self.source = x.dtype
        return xp(x).astype(x, dtype)

    def backward(self, g: Any) -> Any:
        return cast(g, self.source)


class CastToInteger(Cast):
    __slots__ = ()
    kind = CONSTANT


def cast(input: Any, raw_dtype: Any) -> Any:
    """Convert to a backend's dtype."""
    return run(Cast(), (input, raw_dtype))


class Clone(Op):
    __slots__ = ()
    keeps = ()

    def forward(self, x: Any) -> Any:
        return xp(x).copy(x)

    def backward(self, g: Any) -> Any:
        return g


def clone(input: Tensor) -> Tensor:
    """A copy with memory of its own, through which the gradient passes."""
    return run1(Clone, input)


# Comparisons and logic: no gradient -----------------------------------------------------------------------------------


class Constant(Op):
    """An operation whose result carries no gradient."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, function: Any, *args: Any) -> Any:
        return function(*args)


class Compare(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, y: Any, name: str) -> Any:
        return getattr(xp(x if hasattr(x, "dtype") else y), name)(x, y)


def _compare(name: str, x: Any, y: Any) -> Any:
    return run(Compare(), (*same_type(x, y), name))


def eq(input: Operand, other: Operand) -> Tensor:
    """Whether elements are equal."""
    return _compare("equal", input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Whether elements differ."""
    return _compare("not_equal", input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are smaller."""
    return _compare("less", input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are smaller or equal."""
    return _compare("less_equal", input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are larger."""
    return _compare("greater", input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are larger or equal."""
    return _compare("greater_equal", input, other)


class Test(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, name: str) -> Any:
        return getattr(xp(x), name)(x)


def isnan(input: Tensor) -> Tensor:
    """Whether elements are not a number."""
    return run(Test(), (input, "isnan"))


def isinf(input: Tensor) -> Tensor:
    """Whether elements are infinite."""
    return run(Test(), (input, "isinf"))


def isfinite(input: Tensor) -> Tensor:
    """Whether elements are neither infinite nor NaN."""
    return run(Test(), (input, "isfinite"))


def _boolean(x: Any) -> Any:
    return ne(x, 0) if isinstance(x, function.Tensor) else x


def logical_not(input: Tensor) -> Tensor:
    """Whether elements are zero or False."""
    return eq(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both elements are non-zero."""
    return _compare("logical_and", _boolean(input), _boolean(other))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one of the elements is non-zero."""
    return _compare("logical_or", _boolean(input), _boolean(other))


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether exactly one of the elements is non-zero."""
    return _compare("logical_xor", _boolean(input), _boolean(other))


def bitwise_not(input: Tensor) -> Tensor:
    """Invert bits; for booleans, logical not."""
    return run(Test(), (input, "bitwise_invert"))


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """Bits set in both; for booleans, logical and."""
    return _compare("bitwise_and", input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """Bits set in either; for booleans, logical or."""
    return _compare("bitwise_or", input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """Bits set in exactly one; for booleans, logical exclusive or."""
    return _compare("bitwise_xor", input, other)
