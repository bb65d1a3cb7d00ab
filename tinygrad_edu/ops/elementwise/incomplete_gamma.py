"""Incomplete gamma functions, and the gamma function of matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run2
from tinygrad_edu.ops._types import fit, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, floating, run_single
from tinygrad_edu.ops.elementwise.exponential import exp, log
from tinygrad_edu.ops.elementwise.special import digamma, lgamma

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class IncompleteGamma(Binary):
    """P(a, x), or Q(a, x) = 1 - P; ∂P/∂x = x^(a-1) e^(-x) / Γ(a)."""

    __slots__ = ()
    upper = False

    def forward(self, a: Any, x: Any) -> Any:
        self.note_shapes(a, x)
        ns = xp(a)
        self.saved = a, x
        if self.edges[0] is not None:
            raise RuntimeError(f"{self.name}: there is no derivative by the first argument, a; detach() it")
        return ns.incomplete_gamma(*ns.broadcast_arrays(a, x))[self.upper]

    def backward(self, g: Any) -> Any:
        a, x = self.saved
        rate = exp((a - 1) * log(x) - x - lgamma(a))
        gx = g * (-rate if self.upper else rate)
        return None, gx if self.shapes is None else fit(gx, self.shapes[1])


class Igamma(IncompleteGamma):
    __slots__ = ()


class Igammac(IncompleteGamma):
    __slots__ = ()
    upper = True


def _run(name: str, cls: type[Op], input: Any, other: Any) -> Any:
    a, x = same_type(input, other)
    a, x = floating(name, a), floating(name, x)
    if a.dtype.bits == 16:
        return run2(cls, a.float(), x.float()).to(a.dtype)
    return run2(cls, a, x)


def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The regularised lower incomplete gamma function P(a, x) = 1/Γ(a) ∫₀ˣ t^(a-1) e^(-t) dt of a = input and x = other.

    There is a derivative by x alone: ∂P/∂x = x^(a-1) e^(-x) / Γ(a). NaN for negative arguments, and where both are 0.

    Raises
    ------
    RuntimeError
        When a requires a gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.igamma(tg.tensor([1.0]), tg.tensor([2.0]))  # 1 - e^-2
    tensor([0.8647])
    """
    return _run("igamma", Igamma, input, other)


def igammac(input: Tensor, other: Tensor) -> Tensor:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x); see :func:`igamma`."""
    return _run("igammac", Igammac, input, other)


class MatrixLgamma(Op):
    __slots__ = ("p",)
    keeps = (0,)

    def forward(self, x: Any, p: int) -> Any:
        self.saved = (x,)
        self.p = p
        total = xp(x).lgamma(x) + p * (p - 1) / 4 * math.log(math.pi)
        for j in range(1, p):
            total = total + xp(x).lgamma(x - j / 2)
        return total

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        rate = digamma(x)
        for j in range(1, self.p):
            rate = rate + digamma(x - j / 2)
        return g * rate


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """ln Γₚ(x), the logarithm of the gamma function of p × p matrices: p(p-1)/4 ln π + Σ ln Γ(x - j/2) over j < p.

    Raises
    ------
    ValueError
        When p is not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.mvlgamma(tg.tensor([3.0]), 2)
    tensor([1.5502])
    """
    if isinstance(p, bool) or not isinstance(p, int) or p < 1:
        raise ValueError(f"mvlgamma: p must be a positive integer, got {p!r}")
    return run_single(MatrixLgamma, to_float(input), p)
