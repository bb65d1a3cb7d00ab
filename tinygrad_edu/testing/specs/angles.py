"""Trigonometric and hyperbolic functions, and the special functions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad
from tinygrad_edu.testing.specs._elementwise import NUMBERS, away, between, binary, operands, spec, unary

_INSIDE = between(-0.75, 0.75)
_OFF_POLES = away(*range(-4, 1), distance=0.25)


def _erfinv(x: np.ndarray) -> np.ndarray:
    """Newton's iteration on math.erf."""
    y = np.zeros_like(x)
    for _ in range(60):
        y = y - (np.vectorize(math.erf, otypes=[float])(y) - x) * (math.sqrt(math.pi) / 2) * np.exp(y * y)
    return y


def _digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of math.lgamma by Richardson's extrapolation of long sums: ψ(x) = lim ln m - Σ 1 / (x + k)."""
    k = np.arange(4000)
    edge = x[..., None] + 4000
    tail = np.log(edge) - 1 / (2 * edge) - 1 / (12 * edge**2)
    return (tail - (1 / (x[..., None] + k)).sum(-1, keepdims=True))[..., 0]


def _hurwitz(s: int, x: np.ndarray) -> np.ndarray:
    """Σ (x + k)⁻ˢ: four thousand terms, and an integral for the others."""
    k, edge = np.arange(4000), x + 4000
    tail = edge ** (1.0 - s) / (s - 1) + edge ** -float(s) / 2 + s * edge ** (-s - 1.0) / 12
    return ((x[..., None] + k) ** -float(s)).sum(-1) + tail


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
        order=3,
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
    unary(
        "lgamma", np.vectorize(math.lgamma, otypes=[float]), _OFF_POLES, order=3, domain="x ≠ 0, -1, -2, …", rtol=1e-11
    ),
    unary("digamma", _digamma, _OFF_POLES, order=3, domain="x ≠ 0, -1, -2, …", rtol=1e-11),
    spec(
        "polygamma",
        lambda n, x: (-1) ** (n + 1) * math.factorial(n) * _hurwitz(n + 1, x),
        st.tuples(st.integers(1, 3), between(0.5, 4)),
        order=3,
        methods="",
        inplace="",
        domain="x ≠ 0, -1, -2, …",
        rtol=1e-11,
        errors=(Bad(lambda: (-1, tg.ones(1)), ValueError, "negative"),),
    ),
    spec(
        "Tensor.polygamma",
        lambda x, n: (-1) ** (n + 1) * math.factorial(n) * _hurwitz(n + 1, x),
        st.tuples(between(0.5, 4), st.integers(1, 3)),
        function=tg.Tensor.polygamma,
        torch="Tensor.polygamma",
        rtol=1e-11,
    ),
    unary("erfinv", _erfinv, _INSIDE, domain="-1 < x < 1", rtol=1e-11),
]
