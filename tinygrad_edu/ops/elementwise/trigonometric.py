"""Trigonometric functions and their inverses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1, run2
from tinygrad_edu.ops._casting import to_single
from tinygrad_edu.ops._types import same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, Unary, run_single
from tinygrad_edu.ops.elementwise.power import rsqrt
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.elementwise.signs import abs

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


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


class Tan(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).tan(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (1 + out * out)


def tan(input: Tensor) -> Tensor:
    """The tangent; d tan x = (1 + tan² x) dx."""
    return run1(Tan, to_single(input))


class Asin(Unary):
    __slots__ = ()
    function = "asin"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * rsqrt(1 - x * x)


def asin(input: Tensor) -> Tensor:
    """The angle in [-π/2, π/2] whose sine is x; d = dx / √(1 - x²)."""
    return run1(Asin, to_single(input))


class Acos(Unary):
    __slots__ = ()
    function = "acos"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return -g * rsqrt(1 - x * x)


def acos(input: Tensor) -> Tensor:
    """The angle in [0, π] whose cosine is x; d = -dx / √(1 - x²)."""
    return run1(Acos, to_single(input))


class Atan(Unary):
    __slots__ = ()
    function = "atan"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / (1 + x * x)


def atan(input: Tensor) -> Tensor:
    """The angle in (-π/2, π/2) whose tangent is x; d = dx / (1 + x²)."""
    return run1(Atan, to_float(input))


class Atan2(Binary):
    __slots__ = ()

    def forward(self, y: Any, x: Any) -> Any:
        self.note_shapes(y, x)
        self.saved = y, x
        return xp(y).atan2(y, x)

    def backward(self, g: Any) -> Any:
        y, x = self.saved
        square = x * x + y * y
        rate = g / where(square == 0, 1.0, square)
        return self.fit(rate * x, -rate * y)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input) in (-π, π]; the gradient at the origin is taken as 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.atan2(tg.tensor([1.0, -1.0]), tg.tensor([1.0, 0.0]))
    tensor([ 0.7854, -1.5708])
    """
    y, x = same_type(input, other)
    return run2(Atan2, to_float(y), to_float(x))


class Sinc(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        ns = xp(x)
        u = ns.where(x == 0, 1.0, x * math.pi)
        return ns.where(x == 0, 1.0, ns.sin(u) / u)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        u = x * math.pi
        near = abs(u) < 1
        # Near 0 the difference below cancels; the power series of the derivative doesn't.
        inner = where(near, u, 0.0)
        square, series = inner * inner, 0.0
        for k in range(12, 0, -1):
            series = series * square + 2 * k * (-1) ** k / math.factorial(2 * k + 1)
        outer = where(near, 1.0, u)
        return g * where(near, inner * series * math.pi, (cos(outer) - sin(outer) / outer) * (math.pi / outer))


def sinc(input: Tensor) -> Tensor:
    """sin(πx) / (πx), and 1 at 0."""
    return run_single(Sinc, to_float(input))


def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians: x · π / 180."""
    return to_float(input) * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees: x · 180 / π."""
    return to_float(input) * (180 / math.pi)
