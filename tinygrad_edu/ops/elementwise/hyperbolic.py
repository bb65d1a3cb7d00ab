"""Hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops._casting import to_single
from tinygrad_edu.ops._types import to_float, xp
from tinygrad_edu.ops.elementwise._base import Unary, own_kernel
from tinygrad_edu.ops.elementwise.power import rsqrt

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Tanh(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).tanh(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        kernel = own_kernel("tanh_backward", g, out)
        return g * (1 - out * out) if kernel is None else kernel(g, out)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent; d tanh x = (1 - tanh² x) dx."""
    return run1(Tanh, to_float(input))


class Sinh(Unary):
    __slots__ = ()
    function = "sinh"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * cosh(x)


def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine; d sinh x = cosh x dx."""
    return run1(Sinh, to_single(input))


class Cosh(Unary):
    __slots__ = ()
    function = "cosh"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * sinh(x)


def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine; d cosh x = sinh x dx."""
    return run1(Cosh, to_single(input))


class Asinh(Unary):
    __slots__ = ()
    function = "asinh"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * rsqrt(x * x + 1)


def asinh(input: Tensor) -> Tensor:
    """The inverse of sinh; d = dx / √(x² + 1)."""
    return run1(Asinh, to_float(input))


class Acosh(Unary):
    __slots__ = ()
    function = "acosh"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * rsqrt(x * x - 1)


def acosh(input: Tensor) -> Tensor:
    """The inverse of cosh on x ≥ 1; d = dx / √(x² - 1)."""
    return run1(Acosh, to_float(input))


class Atanh(Unary):
    __slots__ = ()
    function = "atanh"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / (1 - x * x)


def atanh(input: Tensor) -> Tensor:
    """The inverse of tanh on (-1, 1); d = dx / (1 - x²)."""
    return run1(Atanh, to_float(input))
