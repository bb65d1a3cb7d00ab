"""Powers and roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import RESULT, Op, run, run1
from tinygrad_edu.ops._types import same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary
from tinygrad_edu.ops.elementwise.exponential import log
from tinygrad_edu.ops.elementwise.selection import where

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


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
