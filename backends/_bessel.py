"""Modified Bessel functions of the first kind, on the array standard alone (DLMF, https://dlmf.nist.gov, 10.25 and 10.40)."""

from __future__ import annotations

import math
from typing import Any

Array = Any


def scaled_bessel(ns: Any, n: int, x: Array) -> Array:
    """e^-|x| I_n(x): by powers of x² / 4 where x is small, by powers of 1 / x elsewhere, both to full precision."""
    limit = 20.0 + n * n
    a = ns.abs(x)
    small = a <= limit
    half = ns.where(small, x, 0.0) / 2
    square = half * half
    near = ns.ones_like(x)
    for k in range(int(1.9 * limit), 0, -1):  # Horner's rule: each term is the one before times x² / (4 k (k + n))
        near = 1 + near * square / (k * (k + n))
    for k in range(1, n + 1):
        near = near * half / k
    near = near * ns.exp(-2 * ns.abs(half))
    y = ns.where(small | ns.isnan(x), limit, a)
    far = ns.ones_like(x)
    for k in range(30, 0, -1):
        far = 1 + far * ((2 * k - 1) ** 2 - 4 * n * n) / (8 * k * y)
    far = far / ns.sqrt(2 * math.pi * y)
    if n % 2:
        far = ns.where(x < 0, -far, far)
    return ns.where(small, near, ns.where(ns.isnan(x), x, far))
