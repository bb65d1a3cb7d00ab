"""The logarithm of the gamma function and its derivatives, on the array standard alone.

Small arguments are moved up by the recurrence Γ(x + 1) = x Γ(x), to where a few terms of the asymptotic series have the precision of
float64; negative ones are mirrored (DLMF, https://dlmf.nist.gov/5, sections 5.5, 5.11 and 5.15).
"""

from __future__ import annotations

import math
from typing import Any

Array = Any

# The Bernoulli numbers B₂, B₄, … B₂₀.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
_STEPS = 14  # from where on the series are exact to the last digit or two


def log_gamma(ns: Any, x: Array) -> Array:
    """ln |Γ(x)|."""
    mirrored = x < 0
    y = ns.where(mirrored, 1 - x, x)
    small = y < _STEPS
    start = ns.where(small, y, 1.0)
    product = start
    for k in range(1, _STEPS):
        product = product * (start + k)
    y = ns.where(small, y + _STEPS, y)
    series = ns.zeros_like(y)
    for j in range(len(_BERNOULLI), 0, -1):
        series = series / (y * y) + _BERNOULLI[j - 1] / (2 * j * (2 * j - 1))
    value = (y - 0.5) * (ns.log(y) - 1) + (0.5 * math.log(2 * math.pi) - 0.5) + series / y
    value = value - ns.where(small, ns.log(product), 0.0)
    sine = ns.abs(ns.sin(math.pi * (x - ns.round(x))))
    mirror = math.log(math.pi) - ns.log(ns.where(mirrored, sine, 1.0)) - value
    return ns.where(ns.isinf(x), math.inf, ns.where(mirrored, mirror, value))


def poly_gamma(ns: Any, n: int, x: Array) -> Array:
    """The (n + 1)-th derivative of ln Γ(x); NaN at the poles on the negative side."""
    mirrored = x < 0
    y = ns.where(mirrored, 1 - x, x)
    value = _digamma(ns, y) if n == 0 else _hurwitz(ns, n + 1, y) * ((-1) ** (n + 1) * math.factorial(n))
    rest = x - ns.round(x)
    angle = math.pi * ns.where(rest == 0, math.nan, rest)
    cotangent = ns.cos(angle) / ns.sin(angle)
    turned = (-1) ** n * value - math.pi ** (n + 1) * _cotangent_derivative(ns, n, cotangent)
    return ns.where(mirrored, turned, value)


def _digamma(ns: Any, x: Array) -> Array:
    """The derivative of ln Γ for x ≥ 0."""
    total = 1 / x
    for k in range(1, _STEPS):
        total = total + 1 / (x + k)
    y = x + _STEPS
    series = ns.zeros_like(y)
    for j in range(len(_BERNOULLI), 0, -1):
        series = (series + _BERNOULLI[j - 1] / (2 * j)) / (y * y)
    return ns.log(y) - 0.5 / y - series - total


def _hurwitz(ns: Any, s: int, x: Array) -> Array:
    """ζ(s, x) = Σ (x + k)⁻ˢ for x ≥ 0 and s ≥ 2, by the Euler-Maclaurin formula."""
    total = x ** float(-s)
    for k in range(1, _STEPS):
        total = total + (x + k) ** float(-s)
    y = x + _STEPS
    series = ns.zeros_like(y)
    for j in range(len(_BERNOULLI), 0, -1):
        rising = math.prod(range(s, s + 2 * j - 1))
        series = (series + _BERNOULLI[j - 1] * rising / math.factorial(2 * j)) / (y * y)
    return total + y ** float(1 - s) * (1 / (s - 1) + 0.5 / y + series)


def _cotangent_derivative(ns: Any, n: int, c: Array) -> Array:
    """The n-th derivative of the cotangent as a polynomial in the cotangent c: each step is times -(1 + c²)."""
    powers = {1: 1}
    for _ in range(n):
        following: dict[int, int] = {}
        for k, factor in powers.items():
            if k:
                following[k - 1] = following.get(k - 1, 0) - k * factor
                following[k + 1] = following.get(k + 1, 0) - k * factor
        powers = following
    return sum((float(factor) * c**k for k, factor in powers.items()), ns.zeros_like(c))
