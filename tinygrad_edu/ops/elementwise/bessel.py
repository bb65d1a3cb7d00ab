"""Modified Bessel functions of the first kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op
from tinygrad_edu.ops._types import to_float, xp
from tinygrad_edu.ops.elementwise._base import run_single
from tinygrad_edu.ops.elementwise.signs import sign

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class ScaledBessel(Op):
    """e^-|x| I_n(x), whose derivative comes from I_n' = (I_{n-1} + I_{n+1}) / 2, so that no order divides by x."""

    __slots__ = ("n",)
    keeps = (0,)

    def forward(self, x: Any, n: int) -> Any:
        self.saved = (x,)
        self.n = n
        return xp(x).scaled_bessel(n, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        n = self.n
        below, above = ScaledBessel.apply(x, n - 1 if n else 1), ScaledBessel.apply(x, n + 1)
        return g * ((below + above) / 2 - sign(x) * ScaledBessel.apply(x, n))


class Bessel(Op):
    """I_n(x)."""

    __slots__ = ("n",)
    keeps = (0,)

    def forward(self, x: Any, n: int) -> Any:
        self.saved = (x,)
        self.n = n
        ns = xp(x)
        return ns.scaled_bessel(n, x) * ns.exp(ns.abs(x))

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        n = self.n
        return g * ((Bessel.apply(x, n - 1 if n else 1) + Bessel.apply(x, n + 1)) / 2)


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function I₀(x) = Σₖ (x²/4)ᵏ / (k!)²; d I₀ = I₁ dx.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.i0(tg.tensor([0.0, 1.0, -1.0]))
    tensor([1.0000, 1.2661, 1.2661])
    """
    return run_single(Bessel, to_float(input), 0)


def i1(input: Tensor) -> Tensor:
    """The modified Bessel function I₁(x); d I₁ = (I₀ + I₂)/2 dx."""
    return run_single(Bessel, to_float(input), 1)


def i0e(input: Tensor) -> Tensor:
    """e^-|x| I₀(x), which does not overflow."""
    return run_single(ScaledBessel, to_float(input), 0)


def i1e(input: Tensor) -> Tensor:
    """e^-|x| I₁(x), which does not overflow."""
    return run_single(ScaledBessel, to_float(input), 1)
