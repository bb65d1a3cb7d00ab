"""Trigonometric and hyperbolic functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops._types import to_float, xp

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
