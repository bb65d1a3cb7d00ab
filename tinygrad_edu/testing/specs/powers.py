"""Powers, roots, exponentials and logarithms."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad
from tinygrad_edu.testing.specs._elementwise import NUMBERS, REAL, away, between, binary, operands, spec, unary

_POSITIVE = between(0.5, 4)
_BASE, _EXPONENT = some.numbers(0.5, 3), some.numbers(-2, 2)

SPECS = [
    unary("square", lambda x: np.power(x, 2)),
    unary("sqrt", np.sqrt, _POSITIVE, domain="x > 0"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), _POSITIVE, domain="x > 0"),
    binary(
        "pow",
        np.power,
        operands(_BASE, _EXPONENT),
        order=3,
        dtypes="float64 float32",
        domain="a base > 0, or any base with a whole exponent",
        errors=(
            Bad(lambda: (tg.tensor([2]), -1), ValueError, "negative power"),
            Bad(lambda: (tg.tensor([True]), True), TypeError, "booleans"),
        ),
    ),
    spec(
        "pow (number)",
        np.power,
        st.tuples(away(0.0, distance=0.5), st.sampled_from([0, 1, 2, 3, -1, -2, 4.0])),
        order=3,
        dtypes="float64 float32",
    ),
    spec("pow (root)", np.power, st.tuples(_POSITIVE, st.sampled_from([0.5, -0.5, 1.5, 0.0])), order=3),
    spec("pow (base)", np.power, st.tuples(st.sampled_from([2.0, 0.5, 3]), REAL), order=3, dtypes="float64 float32"),
    spec(
        "pow (zero to the power of zero)",
        np.power,
        operands(st.sampled_from([0.0]), st.sampled_from([0.0, 2.0])),
        differentiable=False,
        dtypes="float64",
    ),
    binary(
        "float_power",
        np.float_power,
        operands(_BASE, _EXPONENT),
        differentiable=False,
        domain="a base > 0",
        notes="the derivatives are those of pow",
    ),
    binary(
        "hypot",
        np.hypot,
        operands(some.away_from([0.0]), NUMBERS),
        order=3,
        notes="the gradient at (0, 0) is 0",
        dtypes="float64 float32",
    ),
    unary("exp", np.exp, between(-3, 3)),
    unary("exp2", np.exp2, between(-3, 3)),
    unary("expm1", np.expm1, between(-3, 3)),
    unary("log", np.log, _POSITIVE, domain="x > 0"),
    unary("log2", np.log2, _POSITIVE, domain="x > 0"),
    unary("log10", np.log10, _POSITIVE, domain="x > 0"),
    unary("log1p", np.log1p, between(-0.5, 4), domain="x > -1"),
    binary("logaddexp", np.logaddexp, operands(NUMBERS, NUMBERS), order=3, dtypes="float64 float32"),
    binary("logaddexp2", np.logaddexp2, operands(NUMBERS, NUMBERS), order=3, dtypes="float64 float32"),
    binary("xlogy", lambda x, y: x * np.log(y), operands(NUMBERS, some.numbers(0.5, 4)), order=3, domain="y > 0"),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    spec(
        "logit",
        lambda x, eps: np.log(x) - np.log1p(-x),
        st.tuples(between(0.25, 0.75), st.sampled_from([None, 0.125])),
        order=3,
        domain="0 < x < 1",
    ),
]
