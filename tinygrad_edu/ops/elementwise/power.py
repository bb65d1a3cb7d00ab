"""Powers and roots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.dtypes import bool_, float64, from_raw, int64
from tinygrad_edu.function import RESULT, Op, run, run1, run2
from tinygrad_edu.ops._casting import single, to_single
from tinygrad_edu.ops._types import nothing, number, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, floating, refuse_numbers
from tinygrad_edu.ops.elementwise.arithmetic import mul
from tinygrad_edu.ops.elementwise.exponential import log
from tinygrad_edu.ops.elementwise.selection import where

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Pow(Binary):
    __slots__ = ()
    keeps = (0, 1, RESULT)

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        out = x**y if not (isinstance(y, int) and y == 3) else x * x * x
        self.saved = x, y, out if self.needs(1) else None
        return out

    def backward(self, g: Any) -> Any:
        x, y, out = self.saved
        gx = gy = None
        if self.needs(0):
            if isinstance(y, (int, float)):
                gx = g * (y * x ** (y - 1)) if y != 0 else nothing(g)
            else:
                # x⁰ is 1 everywhere, so its derivative is 0 also at x = 0, where the formula would divide by it.
                flat = (x == 0) & (y == 0)
                gx = g * where(flat, 0.0, y * pow(x if isinstance(x, (int, float)) else where(flat, 1.0, x), y - 1))
        if self.needs(1):
            if isinstance(x, (int, float)):
                if x > 0:
                    gy = g * (out * math.log(x))
                else:
                    gy = where(y >= 0, 0.0, g * -math.inf) if x == 0 else g * math.nan
            else:
                # At x = 0 and y ≥ 0 the power does not move with y: it is 0, or 1 at y = 0 by convention.
                gy = g * (out * log(where((x == 0) & (y >= 0), 1.0, x)))
        return self.fit(gx, gy)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """input raised to exponent, with broadcasting.

    d(xʸ) = y xʸ⁻¹ dx + xʸ ln x dy; at x = 0 the derivative by y is 0 for y ≥ 0.
    """
    if _state.casting_threads:
        input, exponent = single(input, exponent)
    x, y = same_type(input, exponent)
    if not isinstance(x, function.Tensor):
        refuse_numbers("pow", x, y)
    if all(isinstance(v, bool) or (isinstance(v, function.Tensor) and v.dtype is bool_) for v in (x, y)):
        raise TypeError("pow: booleans cannot be raised to a power; convert them first")
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
    if not isinstance(input, function.Tensor):
        refuse_numbers("square", input)
    elif from_raw(input._data.dtype) is bool_:
        input = input.to(int64)
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


class Rsqrt(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = 1 / xp(x).sqrt(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (-0.5 * (out * out * out))


def rsqrt(input: Tensor) -> Tensor:
    """One over the square root; d x^(-1/2) = -x^(-3/2) / 2 dx."""
    return run1(Rsqrt, to_single(input))


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """input raised to exponent, both converted to float64 first, so that integers may have negative exponents.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.float_power(tg.tensor([1, 2, 4]), -1)
    tensor([1.0000, 0.5000, 0.2500], dtype=tg.float64)
    """
    x, y = (
        v.to(float64) if isinstance(v, function.Tensor) else float(number(what, v))
        for what, v in (("input", input), ("exponent", exponent))
    )
    return pow(x, y)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input · 2 to the power of other."""
    x, y = same_type(input, other)
    return mul(to_float(x), pow(2.0, to_float(y)))


class Hypot(Binary):
    __slots__ = ()
    keeps = (0, 1, RESULT)

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        out = xp(x).hypot(x, y)
        self.saved = x, y, out
        return out

    def backward(self, g: Any) -> Any:
        x, y, out = self.saved
        rate = g / where(out == 0, 1.0, out)
        return self.fit(rate * x, rate * y)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """The length of the hypotenuse √(input² + other²), without overflow; the gradient at (0, 0) is taken as 0."""
    x, y = same_type(input, other)
    return run2(Hypot, floating("hypot", x), floating("hypot", y))
