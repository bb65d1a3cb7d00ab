"""Floating-point numbers as what they are: a mantissa and an exponent, with neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.function import Op, run, run2
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import nothing, same_type, xp
from tinygrad_edu.ops.elementwise._base import Binary, as_type_of, floating
from tinygrad_edu.ops.elementwise.power import pow
from tinygrad_edu.ops.elementwise.selection import where

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Parts(NamedTuple):
    """Numbers in two parts: mantissa · 2^exponent."""

    mantissa: Any
    exponent: Any


class Exponent(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any) -> Any:
        return xp(x).frexp(x)[1]


class Mantissa(Op):
    """The exponent is constant but for jumps, so the slope is 2 to the power of minus the exponent."""

    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).frexp(x)[0]

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * pow(2.0, -as_type_of(Exponent.apply(x), g))


def frexp(input: Tensor) -> Parts:
    """Split numbers into a mantissa m with ½ ≤ |m| < 1 and an exponent of 2: x = m · 2ᵉ; dm = 2⁻ᵉ dx.

    Returns
    -------
    mantissa : Tensor
        0, infinite, or NaN where x is.
    exponent : Tensor of int32
        0 in these cases.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.frexp(tg.tensor([1.5, -8.0, 0.0]))
    Parts(mantissa=tensor([ 0.7500, -0.5000,  0.0000]), exponent=tensor([1, 4, 0], dtype=tg.int32))
    """
    x = floating("frexp", input)
    return Parts(run(Mantissa(), (x,)), run(Exponent(), (x,)))


class NextAfter(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).nextafter(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(where(x == y, nothing(g), g), nothing(g))


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The number next to input on the way to other; the gradient goes to input, and nowhere where both are equal.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nextafter(tg.tensor([1.0]), tg.tensor([2.0])) - 1
    tensor([1.1921e-07])
    """
    x, y = same_type(input, other)
    return run2(NextAfter, floating("nextafter", x), floating("nextafter", y))
