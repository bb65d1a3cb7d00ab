"""Sum, difference, product and quotient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.dtypes import bool_
from tinygrad_edu.errors import describe
from tinygrad_edu.function import RESULT, Op, run, run1, run2
from tinygrad_edu.ops._casting import single, to_single
from tinygrad_edu.ops._types import fit, kind_of, number, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, are_alike, floating, refuse_numbers, with_number

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
    name = "add"
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
        input, other = _scaled("add", input, other, alpha)
    if are_alike(input, other):
        return run2(Add, input, other)
    if with_number(input, other):
        return run1(Shift, input, other)
    if with_number(other, input):
        return run1(Shift, other, input)
    x, y = same_type(input, other)
    if isinstance(x, function.Tensor) and isinstance(y, function.Tensor):
        return run2(Add, x, y)
    return _mixed(Shift, x, y, x_plus_y)


def _scaled(name: str, input: Any, other: Any, alpha: float) -> tuple[Any, Any]:
    """Both operands in their common type, the second times alpha; a fraction of integers is refused."""
    x, y = same_type(input, other)
    floats = any(isinstance(v, float) or (isinstance(v, function.Tensor) and v.is_floating_point()) for v in (x, y))
    if isinstance(alpha, float) and not floats:
        raise RuntimeError(f"{name}: for integers alpha must be an integer, got {alpha}")
    return x, mul(y, alpha) if isinstance(y, function.Tensor) else y * alpha


def _mixed(cls: type[Op], x: Any, y: Any, raw: Any) -> Any:
    """One operand at most is a tensor: a tensor with a number, or raw arrays."""
    if isinstance(x, function.Tensor):
        return run(cls(), (x, y))
    if isinstance(y, function.Tensor):
        return run(cls(), (y, x))
    refuse_numbers(cls.name, x, y)  # type: ignore[arg-type]
    return raw(x, y)


class Sub(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        sx, sy = x.shape, y.shape
        self.shapes = None if sx == sy else (sx, sy)
        return x - y

    def backward(self, g: Any) -> Any:
        return self.fit(g, -g if self.edges[1] is not None else None)


def _refuse_booleans(x: Any, y: Any) -> None:
    """NumPy refuses to subtract two booleans; one alone would pass as 0 or 1."""
    for v in (x, y):
        if isinstance(v, bool) or (isinstance(v, function.Tensor) and v.dtype is bool_):
            raise TypeError("sub: booleans cannot be subtracted; convert them, or use ^ or ~ for logic")


class ShiftNegative(Op):
    """A number minus a tensor."""

    __slots__ = ()
    name = "sub"
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        return c - x

    def backward(self, g: Any) -> Any:
        return -g


class ShiftDown(Op):
    """A tensor minus a number."""

    __slots__ = ()
    name = "sub"
    keeps = ()

    def forward(self, x: Any, c: Any) -> Any:
        return x - c

    def backward(self, g: Any) -> Any:
        return g


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """Difference with broadcasting: input - alpha · other."""
    if alpha != 1:
        input, other = _scaled("sub", input, other, alpha)
    if are_alike(input, other):
        return run2(Sub, input, other)
    if with_number(input, other):
        return run1(ShiftDown, input, other)
    if with_number(other, input):
        return run1(ShiftNegative, other, input)
    x, y = same_type(input, other)
    if x is not input or y is not other or not isinstance(x, function.Tensor) or not isinstance(y, function.Tensor):
        _refuse_booleans(input, other)
    if isinstance(x, function.Tensor) and isinstance(y, function.Tensor):
        return run2(Sub, x, y)
    if isinstance(x, function.Tensor):
        return run(ShiftDown(), (x, y))
    refuse_numbers("sub", x, y)
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
    name = "mul"
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
    if are_alike(input, other):
        return run2(Mul, input, other)
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
    if not isinstance(x, function.Tensor):
        refuse_numbers("div", x, y)
    x = to_float(x) if isinstance(x, function.Tensor) else x
    y = to_float(y) if isinstance(y, function.Tensor) else y
    # Array libraries raise on a Python 0 of integer type; 1 / 0 is inf here.
    x = float(x) if type(x) is int else x
    y = float(y) if type(y) is int else y
    return run(Div(), (x, y))


def _rounded_div(input: Operand, other: Operand, rounding_mode: str) -> Tensor:
    from tinygrad_edu.ops.elementwise.rounding import floor_divide, trunc_divide

    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
    return trunc_divide(input, other)


def rdiv(input: Operand, other: Operand) -> Tensor:
    """Quotient the other way round: other / input."""
    if _state.casting_threads:
        input, other = single(input, other)
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
    if not isinstance(input, function.Tensor):
        refuse_numbers("neg", input)
    return run1(Neg, input)


def positive(input: Tensor) -> Tensor:
    """The tensor itself; a boolean has no sign."""
    refuse_numbers("positive", input)
    if kind_of(input) is bool_:
        raise TypeError("positive: booleans have no sign; convert them first")
    return input


class Reciprocal(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = 1 / x
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return -g * (out * out)


def reciprocal(input: Tensor) -> Tensor:
    """One over x; d(1/x) = -(1/x)² dx."""
    return run1(Reciprocal, to_single(input))


# Of three operands ----------------------------------------------------------------------------------------------------


def addcmul(input: Tensor, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Tensor:
    """input + value · tensor1 · tensor2, with broadcasting.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.addcmul(tg.tensor([1.0]), tg.tensor([2.0]), tg.tensor([3.0]), value=0.5)
    tensor([4.])
    """
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value · tensor1 / tensor2, with broadcasting.

    Raises
    ------
    TypeError
        When both ``tensor1`` and ``tensor2`` are of integers: say with ``div`` how to round.
    """
    for v in (input, tensor1, tensor2):
        refuse_numbers("addcdiv", v)
    if kind_of(tensor1).category != 2 != kind_of(tensor2).category:
        raise TypeError(
            f"addcdiv: tensor1 ({tensor1.dtype}) and tensor2 ({tensor2.dtype}) are both of integers; convert one to floating point, "
            "or use div with a rounding_mode"
        )
    return add(input, div(tensor1, tensor2), alpha=value)


class Lerp(Op):
    __slots__ = ("shapes",)
    keeps = (0, 1, 2)

    def forward(self, x: Any, y: Any, w: Any) -> Any:
        self.shapes = tuple(getattr(a, "shape", ()) for a in (x, y, w))
        self.saved = x, y, w
        way = y - x
        # From the nearer end, so that the result is exact at both.
        near, far = x + w * way, y - (1 - w) * way
        if isinstance(w, (int, float)):
            return near if -0.5 < w < 0.5 else far
        ns = xp(w)
        return ns.where(ns.abs(w) < 0.5, near, far)

    def backward(self, g: Any) -> Any:
        x, y, w = self.saved
        sx, sy, sw = self.shapes
        return (
            fit(g * (1 - w), sx) if self.needs(0) else None,
            fit(g * w, sy) if self.needs(1) else None,
            fit(g * (y - x), sw) if self.needs(2) else None,
        )


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """The way from input to end by the share weight: input + weight · (end - input).

    Raises
    ------
    TypeError
        When the tensors are not of one floating-point type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.lerp(tg.tensor([0.0, 10.0]), tg.tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    kinds = {floating("lerp", v).dtype for v in (input, end, weight) if isinstance(v, function.Tensor)}
    if len(kinds) > 1 or not (isinstance(input, function.Tensor) and isinstance(end, function.Tensor)):
        raise TypeError(
            f"lerp: input, end and weight must be of one type, got {', '.join(map(describe, (input, end, weight)))}"
        )
    return run(Lerp(), (input, end, number("weight", weight)))
