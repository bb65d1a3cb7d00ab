"""Sums, products, quotients, and choices between tensors."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad
from tinygrad_edu.testing.specs._elementwise import NUMBERS, REAL, away, binary, filled, operands, spec, unary

_PAIR = operands(NUMBERS, NUMBERS)
_TRIPLE = operands(NUMBERS, NUMBERS, NUMBERS)
_DIVISOR = some.away_from([0.0])
_WITH_NUMBER = st.tuples(REAL, st.sampled_from([-2, 0.5, 3]))
_NO_ALPHA = Bad(lambda: (tg.tensor([1]), tg.tensor([2]), 0.5), RuntimeError, "alpha")

SPECS = [
    binary("add", lambda x, y: np.add(x, y), _PAIR),
    spec("add (number)", lambda x, y: np.add(x, y), _WITH_NUMBER, order=3),
    spec(
        "add (alpha)",
        lambda x, y, a: x + np.float64(a) * y,
        st.tuples(_PAIR, st.sampled_from([2, -0.5])).map(lambda c: (*c[0], c[1])),
        function=lambda x, y, a: tg.add(x, y, alpha=a),
        torch=lambda torch, x, y, a: torch.add(x, y, alpha=a),
        errors=(_NO_ALPHA,),
    ),
    binary(
        "sub",
        lambda x, y: np.subtract(x, y),
        _PAIR,
        errors=(Bad(lambda: (tg.tensor([1.0]), tg.tensor([True])), TypeError, "booleans"),),
    ),
    spec("sub (number)", lambda x, y: np.subtract(x, y), _WITH_NUMBER, order=3),
    spec(
        "sub (alpha)",
        lambda x, y, a: x - np.float64(a) * y,
        st.tuples(_PAIR, st.sampled_from([2, -0.5])).map(lambda c: (*c[0], c[1])),
        function=lambda x, y, a: tg.sub(x, y, alpha=a),
        torch=lambda torch, x, y, a: torch.sub(x, y, alpha=a),
        errors=(_NO_ALPHA,),
    ),
    binary("rsub", lambda x, y: np.subtract(y, x), _PAIR, methods=""),
    binary("mul", lambda x, y: np.multiply(x, y), _PAIR),
    spec("mul (number)", lambda x, y: np.multiply(x, y), _WITH_NUMBER, order=3),
    binary("div", lambda x, y: np.true_divide(x, y), operands(NUMBERS, _DIVISOR), domain="a divisor that is not 0"),
    spec(
        "div (rounding)",
        lambda x, y, mode: np.floor(x / y) if mode == "floor" else np.trunc(x / y),
        # Quotients of odd numbers by 2 or 4 are never whole, where the result jumps.
        st.tuples(
            operands(st.integers(-4, 3).map(lambda k: 2.0 * k + 1), st.sampled_from([-4.0, -2.0, 2.0, 4.0])),
            st.sampled_from(["floor", "trunc"]),
        ).map(lambda c: (*c[0], c[1])),
        function=lambda x, y, mode: tg.div(x, y, rounding_mode=mode),
        torch=lambda torch, x, y, mode: torch.div(x, y, rounding_mode=mode),
        errors=(Bad(lambda: (tg.ones(1), tg.ones(1), "up"), ValueError, "rounding_mode"),),
        notes="a rounded quotient has derivative 0, also at jumps",
    ),
    unary("neg", np.negative, errors=(Bad(lambda: (tg.tensor([True]),), TypeError, "neg"),)),
    unary(
        "positive",
        np.positive,
        errors=(Bad(lambda: (tg.tensor([True]),), TypeError, "positive"),),
        differentiable=False,
        notes="the tensor itself, with its gradient",
    ),
    unary("reciprocal", lambda x: np.true_divide(1, x), away(0.0, distance=0.5), domain="x ≠ 0"),
    spec("clone", np.array, REAL, order=3),
    spec(
        "addcmul",
        lambda x, y, z: x + y * z,
        _TRIPLE,
        order=3,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(3), tg.zeros(2)), ValueError, ""),),
    ),
    spec(
        "addcdiv",
        lambda x, y, z: x + y / z,
        operands(NUMBERS, NUMBERS, _DIVISOR),
        order=3,
        errors=(Bad(lambda: (tg.tensor([1.0]), tg.tensor([1]), tg.tensor([2])), TypeError, "integers"),),
        domain="a divisor that is not 0",
    ),
    spec(
        "lerp",
        lambda x, y, w: x * (1 - w) + y * w,
        operands(NUMBERS, NUMBERS, some.numbers(-1, 2)),
        order=3,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(2).double(), 0.5), TypeError, "one type"),),
    ),
    spec(
        "lerp (number)",
        lambda x, y, w: x * (1 - w) + y * w,
        st.tuples(operands(NUMBERS, NUMBERS), st.sampled_from([0, 0.25, 0.75, 1])).map(lambda c: (*c[0], c[1])),
        order=3,
        dtypes="float64 float32",
    ),
    spec(
        "ldexp",
        lambda x, y: x * np.power(2.0, y),
        operands(NUMBERS, some.numbers(-2, 2)),
        order=3,
        inplace="",
        dtypes="float64",
    ),
    spec(
        "where",
        np.where,
        st.tuples(filled(st.booleans(), (2,), tg.bool), filled(NUMBERS, (2,)), filled(NUMBERS, (2,))),
        methods="",
        errors=(
            Bad(lambda: (tg.tensor([1.0]), tg.ones(1), tg.ones(1)), TypeError, "boolean"),
            Bad(lambda: (tg.tensor([True]), tg.ones(1)), TypeError, "both"),
        ),
        order=3,
    ),
    spec(
        "where (broadcast)",
        np.where,
        st.tuples(filled(st.booleans(), (2, 1), tg.bool), filled(NUMBERS, (2,)), filled(NUMBERS, ())),
        order=2,
    ),
    spec(
        "Tensor.where",
        lambda x, c, y: np.where(c, x, y),
        st.tuples(filled(NUMBERS, (2,)), filled(st.booleans(), (2,), tg.bool), filled(NUMBERS, (2,))),
        function=tg.Tensor.where,
        torch="Tensor.where",
    ),
    spec(
        "where (condition alone)",
        lambda c: np.nonzero(c),
        st.tuples(filled(st.booleans(), (2, 2), tg.bool)),
        differentiable=False,
    ),
]
