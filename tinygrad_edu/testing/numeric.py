"""Numerical derivatives that know their own error.

The central difference D(h) = (φ(h) - φ(-h)) / 2h has an error of c₂h² + c₄h⁴ + …. Each halving of h allows one more step of
Richardson's extrapolation, which removes a term, and the change from entry to entry of that table tells how much error is left;
rounding adds about ε·|φ|/h (Ridders, Advances in Engineering Software 4, 1982). Halving stops as soon as the estimate is good
enough: for a smooth function after three or four sizes of step. The tolerance of a check follows from the estimate, so that it is
neither a guess nor wide enough to hide a wrong formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = Any

_EPS = 2.0**-52
_FIRST_STEP = 2.0**-5
_LEVELS = 18  # down to 2⁻²², where rounding takes over
_GOOD_ENOUGH = 1e-9


@dataclass(frozen=True)
class Slope:
    """The derivative of φ at 0, elementwise where φ gives arrays.

    Attributes
    ----------
    value : array
        The central estimate.
    error : array
        How far off it may be; infinite where no two sizes of step agree.
    """

    value: Array
    error: Array
    _phi: Callable[[float], Array]
    _scale: Array

    @cached_property
    def sides(self) -> tuple[Array, Array, Array]:
        """The derivatives from the left and from the right, and how far off they may be."""
        middle = self._phi(0.0)

        def sided(sign: float) -> tuple[Array, Array]:
            # The error of a one-sided quotient has all powers of h, not the even ones alone.
            return _extrapolated(
                lambda h: (self._phi(sign * h) - middle) / (sign * h), 2.0, self._scale, np.abs(middle)
            )

        (left, left_error), (right, right_error) = sided(-1.0), sided(1.0)
        return left, right, left_error + right_error

    @property
    def left(self) -> Array:
        """The derivative from the left."""
        return self.sides[0]

    @property
    def right(self) -> Array:
        """The derivative from the right."""
        return self.sides[1]

    @property
    def kinked(self) -> Array:
        """Whether the derivatives from the left and from the right differ by more than their errors."""
        left, right, error = self.sides
        gap = np.abs(right - left)
        return gap > 4 * error + 1e-6 * np.maximum(np.abs(left), np.abs(right))


def slope(phi: Callable[[float], Array], scale: Array = 1.0) -> Slope:
    """The derivative of ``phi`` at 0.

    Parameters
    ----------
    phi : callable
        A function of one number, computed in double precision; its value may be an array.
    scale : array
        The size of the values that were added up on the way to φ, for the estimate of rounding.

    Examples
    --------
    >>> import math
    >>> s = slope(math.sin)
    >>> bool(abs(s.value - 1) <= s.error < 1e-8)
    True
    >>> kink = slope(abs)
    >>> bool(kink.kinked), float(kink.left), float(kink.right)
    (True, -1.0, 1.0)
    """
    seen: dict[float, Array] = {}

    def remembered(h: float) -> Array:
        if h not in seen:
            with np.errstate(all="ignore"):
                seen[h] = np.asarray(phi(h))
        return seen[h]

    value, error = _extrapolated(
        lambda h: (remembered(h) - remembered(-h)) / (2 * h), 4.0, scale, np.abs(remembered(_FIRST_STEP))
    )
    return Slope(value, error, remembered, scale)


def _extrapolated(quotient: Callable[[float], Array], power: float, scale: Array, size: Array) -> tuple[Array, Array]:
    """The best entry of Richardson's table for a difference quotient whose error falls by ``power`` with each term and halving."""
    rounding = 2 * _EPS * np.maximum(np.where(np.isfinite(size), size, 0.0), scale)
    h = _FIRST_STEP
    value, error = np.nan * rounding, np.inf * np.ones_like(rounding)
    row: list[Array] = []
    with np.errstate(all="ignore"):
        for _ in range(_LEVELS):
            above, row = row, [quotient(h)]
            factor = power
            for entry in above[:6]:
                last = row[-1]
                row.append(last + (last - entry) / (factor - 1))
                guess = np.maximum(np.abs(row[-1] - last), np.abs(row[-1] - entry)) + rounding / h
                better = guess < error  # never where it is nan
                value, error = np.where(better, row[-1], value), np.where(better, guess, error)
                factor *= power
            if np.all(error <= _GOOD_ENOUGH * np.maximum(np.abs(value), scale)):
                break
            h /= 2
    return value, error
