"""Trigonometric and hyperbolic functions, and the special functions."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.specs._elementwise import NUMBERS, between, binary, operands, unary

_INSIDE = between(-0.75, 0.75)


def _erfinv(x: np.ndarray) -> np.ndarray:
    """Newton's iteration on math.erf."""
    y = np.zeros_like(x)
    for _ in range(60):
        y = y - (np.vectorize(math.erf, otypes=[float])(y) - x) * (math.sqrt(math.pi) / 2) * np.exp(y * y)
    return y


SPECS = [
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("tan", np.tan, between(-1, 1), domain="x not an odd multiple of π/2"),
    unary("asin", np.arcsin, _INSIDE, domain="-1 < x < 1"),
    unary("acos", np.arccos, _INSIDE, domain="-1 < x < 1"),
    unary("atan", np.arctan),
    binary(
        "atan2",
        np.arctan2,
        operands(NUMBERS, some.numbers(0.5, 4)),
        order=2,
        notes="the gradient at the origin is 0",
    ),
    unary("sinh", np.sinh, between(-2, 2)),
    unary("cosh", np.cosh, between(-2, 2)),
    unary("tanh", np.tanh),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, between(1.5, 4), domain="x > 1"),
    unary("atanh", np.arctanh, _INSIDE, domain="-1 < x < 1"),
    unary("sinc", np.sinc),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    unary("erf", np.vectorize(math.erf, otypes=[float])),
    unary("erfc", np.vectorize(math.erfc, otypes=[float])),
    unary("erfinv", _erfinv, _INSIDE, domain="-1 < x < 1", rtol=1e-11),
]
