"""Numerical derivatives that know their own error.

A central difference D(h) = (φ(h) - φ(-h)) / 2h has an error of order h². Richardson's extrapolation of D(h) and D(h/2) removes that
term,
and the change from one extrapolation to the next tells how much error is left; rounding adds about ε·|φ|/h. The tolerance of a
check follows from that estimate, so that it is neither a guess nor wide enough to hide a wrong formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_EPS = 2.0**-52
_STEPS = (2.0**-4, 2.0**-6, 2.0**-8, 2.0**-10, 2.0**-12)


@dataclass(frozen=True)
class Slope:
    """A directional derivative at 0, estimated from values.

    Attributes
    ----------
    value : float
        The central estimate.
    error : float
        How far off it may be.
    left, right : float
        One-sided estimates; at a kink they differ by more than ``one_sided_error``.
    one_sided_error : float
        How far off those may be.
    """

    value: float
    error: float
    left: float
    right: float
    one_sided_error: float

    @property
    def kinked(self) -> bool:
        """Whether the one-sided derivatives differ by more than their errors."""
        gap = abs(self.right - self.left)
        return gap > 8 * self.one_sided_error + 1e-6 * max(abs(self.left), abs(self.right))


def slope(phi: Callable[[float], float], scale: float = 1.0) -> Slope:
    """The derivative of ``phi`` at 0.

    Parameters
    ----------
    phi : callable
        A function of one number, computed in double precision.
    scale : float
        The size of the values that were added up on the way to φ, for the estimate of rounding.

    Examples
    --------
    >>> import math
    >>> s = slope(math.sin)
    >>> abs(s.value - 1) <= s.error < 1e-6
    True
    >>> slope(abs).kinked
    True
    """
    middle = phi(0.0)
    best: tuple[float, float] = (math.inf, math.nan)
    sided: tuple[float, float, float] = (math.inf, math.nan, math.nan)
    rounding = _EPS * max(abs(middle), scale)
    for h in _STEPS:
        ahead, ahead2, behind, behind2 = phi(h), phi(h / 2), phi(-h), phi(-h / 2)
        coarse, fine = (ahead - behind) / (2 * h), (ahead2 - behind2) / h
        value = (4 * fine - coarse) / 3
        error = abs(value - fine) / 4 + 8 * rounding / h
        if error < best[0]:
            best = (error, value)
        # One-sided, of second order: (4 φ(h/2) - φ(h) - 3 φ(0)) / h.
        right = (4 * ahead2 - ahead - 3 * middle) / h
        left = -(4 * behind2 - behind - 3 * middle) / h
        plain_right, plain_left = 2 * (ahead2 - middle) / h, 2 * (middle - behind2) / h
        spread = max(abs(right - plain_right), abs(left - plain_left)) / 2 + 16 * rounding / h
        if spread < sided[0]:
            sided = (spread, left, right)
    return Slope(best[1], best[0], sided[1], sided[2], sided[0])
