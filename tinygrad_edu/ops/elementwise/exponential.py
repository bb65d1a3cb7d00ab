"""Exponentials and logarithms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import RESULT, Op, run1, run2
from tinygrad_edu.ops._casting import to_single
from tinygrad_edu.ops._types import same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, Unary, floating, own_kernel, run_single
from tinygrad_edu.ops.elementwise.selection import where

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor

LN2, LN10 = math.log(2), math.log(10)


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
    return run1(Exp, to_single(input))


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
    return run1(Expm1, to_single(input))


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
    return run1(Log, to_single(input))


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
    return run1(Log1p, to_single(input))


class Exp2(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).exp2(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * (out * LN2)


def exp2(input: Tensor) -> Tensor:
    """Two to the power of x; d 2ˣ = 2ˣ ln 2 dx."""
    return run1(Exp2, to_float(input))


class Log2(Unary):
    __slots__ = ()
    function = "log2"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / (x * LN2)


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
    return run1(Log2, to_single(input))


class Log10(Unary):
    __slots__ = ()
    function = "log10"

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g / (x * LN10)


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
    return run1(Log10, to_single(input))


class LogAddExp(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).logaddexp(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(g * sigmoid(x - y), g * sigmoid(y - x))


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """ln(e^input + e^other), without overflow; each side's derivative is its share of the sum.

    Source: the log-sum-exp identity max(x, y) + ln(1 + e^(-|x - y|)).
    """
    x, y = same_type(input, other)
    return run2(LogAddExp, floating("logaddexp", x), floating("logaddexp", y))


class LogAddExp2(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).logaddexp2(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        return self.fit(g * sigmoid((x - y) * LN2), g * sigmoid((y - x) * LN2))


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log₂(2^input + 2^other), without overflow."""
    x, y = same_type(input, other)
    return run2(LogAddExp2, floating("logaddexp2", x), floating("logaddexp2", y))


class Xlogy(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        ns = xp(x if hasattr(x, "dtype") else y)
        return x * ns.log(ns.where((x == 0) & (y == y), 1.0, y))

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        flat = (x == 0) & (y <= 0)
        y = where(flat, 1.0, y)
        return self.fit(g * log(y), g * (x / y))


def xlogy(input: Operand, other: Operand) -> Tensor:
    """input · ln other, which is 0 where input is 0; also where the logarithm is infinite or undefined.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.xlogy(tg.tensor([0.0, 1.0]), tg.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    x, y = same_type(input, other)
    like = x if isinstance(x, function.Tensor) else y
    x, y = (to_float(v) if isinstance(v, function.Tensor) else to_float(like).new_tensor(v) for v in (x, y))
    return run2(Xlogy, x, y)


class Sigmoid(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).sigmoid(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        kernel = own_kernel("sigmoid_backward", g, out)
        return g * (out * (1 - out)) if kernel is None else kernel(g, out)


def sigmoid(input: Tensor) -> Tensor:
    """The logistic function 1 / (1 + e⁻ˣ); dσ = σ (1 - σ) dx."""
    return run1(Sigmoid, to_float(input))


class Logit(Op):
    __slots__ = ("eps",)
    keeps = (0,)

    def forward(self, x: Any, eps: float | None) -> Any:
        self.saved = (x,)
        self.eps = eps
        ns = xp(x)
        if eps is not None:
            x = ns.minimum(ns.maximum(x, eps), 1 - eps)
        return ns.log(x / (1 - x))

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        low, outside = (0, math.nan) if self.eps is None else (self.eps, 0.0)
        return where((x < low) | (x > 1 - low), outside, g / (x * (1 - x)))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """ln(x / (1 - x)), the inverse of the sigmoid; with ``eps`` after limiting x to [eps, 1 - eps]."""
    return run_single(Logit, to_float(input), eps)
