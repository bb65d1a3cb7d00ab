"""The error function, the gamma function, and their relatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import RESULT, Op
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
    return run_single(ErfInv, to_float(input))
