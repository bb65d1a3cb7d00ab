"""Exponentials and logarithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops._types import to_float, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


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
