"""Sum, difference, product and quotient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import Op, run, run1, run2
from tinygrad_edu.ops._types import same_type, to_float
from tinygrad_edu.ops.elementwise._base import Binary, with_number

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


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
    if with_number(input, other):
        return run1(Shift, input, other)
    if with_number(other, input):
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
    if with_number(input, other):
        return run1(ShiftDown, input, other)
    if with_number(other, input):
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
    if with_number(input, other):
        return run1(Scale, input, other)
    if with_number(other, input):
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
    from tinygrad_edu.ops.elementwise.rounding import floor_divide, trunc

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


def reciprocal(input: Tensor) -> Tensor:
    """One over x."""
    return div(1.0, input)
