"""Bessel functions, incomplete gamma functions, and the parts of floating-point numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._elementwise import REAL, away, between, operands, spec, unary

FLOATS = "float64 float32"


def _bessel(n: int, scaled: bool) -> Any:
    """The integral (1/π) ∫ e^(x cos t) cos(n t) dt over [0, π], by the trapezoidal rule, which converges at once."""
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)

    def value(x: Any) -> Any:
        return (np.exp(x[..., None] * np.cos(t) - np.abs(x[..., None]) * scaled) * np.cos(n * t)).mean(-1)

    return value


@st.composite
def _shaped(draw: Any) -> tuple[Any, ...]:
    """x, and a of the same shape as a list: there is no derivative by a."""
    x = draw(between(0.25, 4.0))
    return x, draw(st.lists(some.numbers(0.5, 4.0), min_size=x.numel(), max_size=x.numel()))


def _of_x(function: Any) -> Any:
    """An incomplete gamma function of x, with a for a constant."""
    return lambda x, a: function(x.new_tensor(a).reshape(x.shape), x)


def _lower(x: Any, a: Any) -> Any:
    """The series of the lower incomplete gamma function."""
    a = np.reshape(a, x.shape)
    total = sum(x**k / np.prod([a + j for j in range(1, k + 1)], axis=0) for k in range(1, 60)) + 1
    return x**a * np.exp(-x) / np.vectorize(math.gamma, otypes=[float])(a + 1) * total


def _many(x: Any, p: int) -> Any:
    total = sum(np.vectorize(math.lgamma, otypes=[float])(x - j / 2) for j in range(p))
    return total + p * (p - 1) / 4 * math.log(math.pi)


SPECS = [
    unary("i0", _bessel(0, False), rtol=1e-11),
    *(
        OpSpec(
            f"special.{name}",
            getattr(tg.special, name),
            inputs,
            reference=_bessel(n, scaled),
            order=3,
            rtol=1e-11,
            torch=f"special.{name}",
            dtypes=FLOATS,
            domain=domain,
        )
        for name, n, scaled, inputs, domain in (
            ("i0e", 0, True, away(0.0), "x ≠ 0"),
            ("i1", 1, False, REAL, "all real numbers"),
            ("i1e", 1, True, away(0.0), "x ≠ 0"),
        )
    ),
    OpSpec(
        "igamma", _of_x(tg.igamma), _shaped(), _lower, order=3, rtol=1e-10, domain="a, x > 0", notes="no gradient by a"
    ),
    OpSpec(
        "igammac",
        _of_x(tg.igammac),
        _shaped(),
        lambda x, a: 1 - _lower(x, a),
        order=3,
        rtol=1e-9,
        domain="a, x > 0",
        notes="no gradient by a",
    ),
    spec(
        "mvlgamma",
        _many,
        st.tuples(between(2.25, 6), st.integers(1, 4)),
        order=3,
        rtol=1e-11,
        dtypes=FLOATS,
        domain="x > (p - 1) / 2",
        errors=(Bad(lambda: (tg.ones(1), 0), ValueError, "p must be a positive integer"),),
    ),
    spec(
        "frexp",
        np.frexp,
        away(0.0, *[sign * 2.0**k for k in range(-5, 3) for sign in (1, -1)], distance=0.04),
        dtypes=FLOATS,
        domain="no powers of two",
        errors=(Bad(lambda: (tg.arange(2),), TypeError, "floating-point"),),
    ),
    spec(
        "nextafter",
        np.nextafter,
        operands(some.numbers(-4, -0.5), some.numbers(0.5, 4)),
        dtypes=FLOATS,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(3)), ValueError, ""),),
        notes="the gradient goes to input",
    ),
]
