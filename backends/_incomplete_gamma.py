"""The regularised incomplete gamma functions, on the array standard alone (DLMF, https://dlmf.nist.gov, 8.7, 8.9 and 8.11)."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.backends._gamma import log_gamma

Array = Any


def incomplete_gamma(ns: Any, a: Array, x: Array) -> tuple[Array, Array]:
    """P(a, x) = γ(a, x) / Γ(a) and Q = 1 - P, each to its own relative precision.

    P is summed by its series where x < a + 1, Q by its continued fraction elsewhere; both go on until the last element stands still.
    """
    fine = (a > 0) & (x >= 0) & ~ns.isinf(a) & ~ns.isinf(x)
    plain = fine & (x > 0)
    s, y = ns.where(plain, a, 1.0), ns.where(plain, x, 1.0)
    scale = _density(ns, s, y)
    by_series = y < s + 1
    lower = scale / s * _series(ns, s, ns.where(by_series, y, 0.0))
    upper = scale * _fraction(ns, s, ns.where(by_series, s + 1, y))
    p, q = ns.where(by_series, lower, 1 - upper), ns.where(by_series, 1 - lower, upper)
    p, q = (ns.minimum(ns.maximum(v, 0.0), 1.0) for v in (p, q))
    # What has no sum: a step at 0 where a is 0, all or nothing at infinity, no number outside.
    none = ((x == 0) & (a > 0)) | (ns.isinf(a) & (a > 0) & (x >= 0) & ~ns.isinf(x))
    whole = ((a == 0) & (x > 0)) | ((a > 0) & ~ns.isinf(a) & (x == math.inf))
    outside = ns.full_like(x, math.nan)
    p = ns.where(plain, p, ns.where(none, 0.0, ns.where(whole, 1.0, outside)))
    q = ns.where(plain, q, ns.where(none, 1.0, ns.where(whole, 0.0, outside)))
    return p, q


def _density(ns: Any, a: Array, x: Array) -> Array:
    """xᵃ e⁻ˣ / Γ(a): around large a by Stirling's series, since large terms of the exponent would cancel."""
    large = a > 20
    b = ns.where(large, a, 20.0)
    ratio = (ns.where(large, x, 20.0) - b) / b
    # u - ln(1 + u) without cancellation where u is small: u² / 2 - u³ / 3 + …
    series = ns.zeros_like(b)
    near = ns.abs(ratio) < 0.05
    u = ns.where(near, ratio, 0.0)
    for k in range(16, 1, -1):
        series = (1 / k if k % 2 == 0 else -1 / k) + series * u
    gap = ns.where(near, series * u * u, ratio - ns.log1p(ns.where(near, 0.0, ratio)))
    stirling = 1 / (12 * b) - 1 / (360 * b**3) + 1 / (1260 * b**5) - 1 / (1680 * b**7) + 1 / (1188 * b**9)
    far = ns.sqrt(b / (2 * math.pi)) * ns.exp(-b * gap - stirling)
    small = ns.where(large, 1.0, a)
    return ns.where(large, far, ns.exp(small * ns.log(x) - x - log_gamma(ns, small)))


def _series(ns: Any, a: Array, x: Array) -> Array:
    """Σ xᵏ / ((a + 1) … (a + k))."""
    term = total = ns.ones_like(x)
    k = 0
    while True:
        k += 1
        term = term * x / (a + k)
        total = total + term
        if k % 16 == 0 and not bool(ns.any(term > 1e-17 * total)):
            return total


def _fraction(ns: Any, a: Array, x: Array) -> Array:
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - …))), by Lentz's way of going forward."""
    tiny = 1e-300
    b = x + 1 - a
    c = ns.full_like(x, 1 / tiny)
    d = 1 / b
    value = d
    k = 0
    while True:
        k += 1
        factor = -k * (k - a)
        b = b + 2
        d = factor * d + b
        d = 1 / ns.where(ns.abs(d) < tiny, tiny, d)
        c = b + factor / c
        c = ns.where(ns.abs(c) < tiny, tiny, c)
        step = c * d
        value = value * step
        if k % 16 == 0 and not bool(ns.any(ns.abs(step - 1) > 1e-15)):
            return value
