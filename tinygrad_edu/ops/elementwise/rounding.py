"""Rounding, and division with a rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_edu.dtypes import from_raw
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.ops._types import nothing, same_type, xp
from tinygrad_edu.ops.elementwise._base import Binary, floating
from tinygrad_edu.ops.elementwise.arithmetic import div

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Piecewise(Op):
    """A function that is constant between its jumps: the derivative is zero."""

    __slots__ = ()
    keeps = ()
    function: ClassVar[str] = ""

    def forward(self, x: Any) -> Any:
        ns, category = xp(x), from_raw(x.dtype).category
        if category == 0:
            raise TypeError("booleans cannot be rounded; convert them first")
        return getattr(ns, self.function)(x) if category == 2 else ns.copy(x)

    def backward(self, g: Any) -> Any:
        return nothing(g)


class Floor(Piecewise):
    __slots__ = ()
    function = "floor"


class Ceil(Piecewise):
    __slots__ = ()
    function = "ceil"


class Round(Piecewise):
    __slots__ = ()
    function = "round"

    def forward(self, x: Any, decimals: int = 0) -> Any:
        if decimals == 0:
            return super().forward(x)
        scale = 10.0 ** (decimals if decimals > 0 else -decimals)
        ns = xp(x)
        return ns.round(x * scale) / scale if decimals > 0 else ns.round(x / scale) * scale


class Trunc(Piecewise):
    __slots__ = ()
    function = "trunc"


def floor(input: Tensor) -> Tensor:
    """The largest integer not above x; the derivative is taken as 0 everywhere."""
    return run1(Floor, input)


def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below x; the derivative is taken as 0 everywhere."""
    return run1(Ceil, input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest integer, halves to the even one; or the nearest multiple of 10 to the power of -decimals.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.round(tg.tensor([0.5, 1.5, 2.4])), tg.round(tg.tensor(1234.0), decimals=-2)
    (tensor([0., 2., 2.]), tensor(1200.))
    """
    if decimals == 0:
        return run1(Round, input)
    return run1(Round, floating("round", input), decimals)


def trunc(input: Tensor) -> Tensor:
    """The integer part; the derivative is taken as 0 everywhere."""
    return run1(Trunc, input)


class Frac(Op):
    __slots__ = ()
    keeps = ()

    def forward(self, x: Any) -> Any:
        return x - xp(x).trunc(x)

    def backward(self, g: Any) -> Any:
        return g


def frac(input: Tensor) -> Tensor:
    """What follows the decimal point: x - trunc(x), with the sign of x."""
    return run1(Frac, floating("frac", input))


class FloorDivide(Binary):
    __slots__ = ()
    name = "floor_divide"
    keeps = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        if _integers(x, y):
            _refuse_zero(x, y)
        return x // y

    def backward(self, g: Any) -> Any:
        return self.fit(nothing(g), nothing(g))


def _integers(x: Any, y: Any) -> bool:
    """Whether two operands of one type are integers; booleans are refused."""
    if not (hasattr(x, "dtype") or hasattr(y, "dtype")):
        raise TypeError(f"expected a Tensor, got the numbers {x!r} and {y!r}; wrap one: tg.tensor({x!r})")
    category = from_raw((x if hasattr(x, "dtype") else y).dtype).category
    if category == 0 and isinstance(x, bool) + isinstance(y, bool) + hasattr(x, "dtype") + hasattr(y, "dtype") == 2:
        raise TypeError("booleans cannot be divided with a rest; convert them first")
    return category < 2


def _refuse_zero(x: Any, y: Any) -> None:
    """An integer divided by zero has no value; floating-point numbers have infinities."""
    if (y == 0) if isinstance(y, (int, float)) else not bool(xp(y).all(y != 0)):
        raise ValueError("an integer cannot be divided by zero")


def floor_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded downwards; its derivative is taken as zero.

    Raises
    ------
    ValueError
        When integers are divided by zero.
    """
    return run(FloorDivide(), same_type(input, other))


def rfloor_divide(input: Operand, other: Operand) -> Tensor:
    """The rounded quotient the other way round: other // input."""
    return floor_divide(other, input)


class TruncDivide(FloorDivide):
    __slots__ = ()
    name = "div"

    def forward(self, x: Any, y: Any) -> Any:
        if not _integers(x, y):
            self.note_shapes(x, y)
            return xp(x if hasattr(x, "dtype") else y).trunc(x / y)
        down = super().forward(x, y)
        inexact_negative = (down < 0) & (down * y != x)
        return down + xp(down).astype(inexact_negative, down.dtype)


def trunc_divide(input: Operand, other: Operand) -> Tensor:
    """The quotient rounded towards zero; its derivative is taken as zero."""
    return run(TruncDivide(), same_type(input, other))


class Remainder(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        if _integers(x, y):
            _refuse_zero(x, y)
        self.saved = x if self.needs(1) else None, y if self.needs(1) else None
        return x % y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(g, -g * floor_divide(x, y) if self.needs(1) else None)


def remainder(input: Operand, other: Operand) -> Tensor:
    """What is left of input after subtracting whole others; it has the sign of ``other``.

    Raises
    ------
    ValueError
        When integers are divided by zero.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.remainder(tg.tensor([-3.0, 3.5]), 2)
    tensor([1.0000, 1.5000])
    """
    return run(Remainder(), same_type(input, other))


def rremainder(input: Operand, other: Operand) -> Tensor:
    """The remainder the other way round: other % input."""
    return remainder(other, input)


class Fmod(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        if _integers(x, y):
            _refuse_zero(x, y)
        self.saved = x if self.needs(1) else None, y if self.needs(1) else None
        return xp(x if hasattr(x, "dtype") else y).fmod(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        # The whole number that forward subtracted: x / y itself may round to the next one.
        return self.fit(g, -g * round(div(x - fmod(x, y), y)) if self.needs(1) else None)


def fmod(input: Operand, other: Operand) -> Tensor:
    """What is left of input after subtracting whole others; it has the sign of ``input``, as in C.

    Raises
    ------
    ValueError
        When integers are divided by zero.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.fmod(tg.tensor([-3.0, 3.5]), 2)
    tensor([-1.0000,  1.5000])
    """
    return run(Fmod(), same_type(input, other))
