"""Rounding, and division with a rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.ops._types import same_type, xp
from tinygrad_edu.ops.elementwise._base import Binary
from tinygrad_edu.ops.elementwise.arithmetic import div

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


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
