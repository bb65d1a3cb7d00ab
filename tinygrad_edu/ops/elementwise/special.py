"""The error function, the gamma function, and their relatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops._casting import to_single
from tinygrad_edu.ops._types import to_float, xp
from tinygrad_edu.ops.elementwise._base import Unary, run_single
from tinygrad_edu.ops.elementwise.exponential import exp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


class Erf(Unary):
    __slots__ = ()
    function = "erf"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * (TWO_OVER_ROOT_PI * exp(-(x * x)))


def erf(input: Tensor) -> Tensor:
    """The error function (2/√π) ∫₀ˣ e^(-t²) dt; d erf x = (2/√π) e^(-x²) dx.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.erf(tg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    return run_single(Erf, to_float(input))


class Erfc(Unary):
    __slots__ = ()
    function = "erfc"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * (-TWO_OVER_ROOT_PI * exp(-(x * x)))


def erfc(input: Tensor) -> Tensor:
    """1 - erf(x), exact to full relative precision where it is tiny."""
    return run_single(Erfc, to_float(input))


class ErfInv(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).erfinv(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (exp(out * out) / TWO_OVER_ROOT_PI)


def erfinv(input: Tensor) -> Tensor:
    """The inverse of the error function on [-1, 1]; d = (√π/2) e^(y²) dx at the result y."""
    return run_single(ErfInv, to_single(input))


class Lgamma(Unary):
    __slots__ = ()
    function = "lgamma"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * digamma(x)


def lgamma(input: Tensor) -> Tensor:
    """ln |Γ(x)|, the logarithm of the gamma function, where Γ(n) = (n - 1)!."""
    return run1(Lgamma, to_float(input))


class PolyGamma(Op):
    __slots__ = ("n",)
    keeps = (0,)

    def forward(self, x: Any, n: int) -> Any:
        self.saved = (x,)
        self.n = n
        return xp(x).polygamma(n, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * polygamma(self.n + 1, x)


def digamma(input: Tensor) -> Tensor:
    """ψ(x), the derivative of ln Γ(x)."""
    return run1(PolyGamma, to_float(input), 0)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of ψ, so the (n + 1)-th of ln Γ(x).

    Raises
    ------
    ValueError
        When n is negative.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.polygamma(1, tg.tensor([1.0]))  # π² / 6
    tensor([1.6449])
    """
    if n < 0:
        raise ValueError(f"polygamma: n must not be negative, got {n}")
    return run1(PolyGamma, to_float(input), n)


def polygamma_method(self: Tensor, n: int) -> Tensor:
    """The method: the n-th derivative of ψ."""
    return polygamma(n, self)
