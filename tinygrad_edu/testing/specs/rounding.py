"""Rounding, signs, and division with a rest."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad
from tinygrad_edu.testing.specs._elementwise import at, away, binary, filled, operands, slopes, spec, unary

_WHOLE = away(*range(-4, 5), distance=0.125)
_HALVES = away(*[k + 0.5 for k in range(-5, 5)], distance=0.125)
_BOOLEAN = (Bad(lambda: (tg.tensor([True]),), TypeError, "booleans"),)
_JUMPS = "the derivative is 0 everywhere, also at jumps"
# Quotients of odd numbers by 2 or 4 are never whole, where the result jumps.
_DIVISION = operands(st.integers(-4, 3).map(lambda k: 2.0 * k + 1), st.sampled_from([-4.0, -2.0, 2.0, 4.0]))
_BY_ZERO = (Bad(lambda: (tg.tensor([1]), tg.tensor([0])), ValueError, "divided by zero"),)

SPECS = [
    unary("floor", np.floor, _WHOLE, order=2, errors=_BOOLEAN, notes=_JUMPS),
    unary("ceil", np.ceil, _WHOLE, order=2, errors=_BOOLEAN, notes=_JUMPS),
    unary("trunc", np.trunc, _WHOLE, order=2, errors=_BOOLEAN, notes=_JUMPS),
    unary("round", np.round, _HALVES, order=2, errors=_BOOLEAN, notes=_JUMPS, dtypes="float64 float32"),
    spec(
        "round (decimals)",
        lambda x, decimals: np.round(x, decimals),
        st.tuples(filled(st.integers(-8, 8).map(lambda k: k / 2 + 0.03125)), st.just(1)),
        function=lambda x, decimals: tg.round(x, decimals=decimals),
        torch=lambda torch, x, decimals: torch.round(x, decimals=decimals),
        errors=(Bad(lambda: (tg.tensor([1]), 1), TypeError, "floating-point"),),
    ),
    unary(
        "frac", lambda x: np.modf(x)[0], _WHOLE, order=2, errors=(Bad(lambda: (tg.tensor([1]),), TypeError, "frac"),)
    ),
    binary("floor_divide", np.floor_divide, _DIVISION, order=2, errors=_BY_ZERO, notes=_JUMPS, torch=""),
    binary("remainder", np.remainder, _DIVISION, order=2, errors=_BY_ZERO),
    binary("fmod", np.fmod, _DIVISION, order=2, errors=_BY_ZERO),
    unary("sign", np.sign, away(0.0), order=2, notes=_JUMPS),
    unary(
        "abs",
        np.abs,
        away(0.0),
        order=2,
        kinks=at(0.0),
        convention=slopes(np.sign),
        notes="the derivative at 0 is 0",
        errors=(Bad(lambda: (tg.tensor([True]),), TypeError, "boolean"),),
    ),
    unary("signbit", np.signbit, at(0.0, -0.0), differentiable=False),
    binary(
        "copysign",
        np.copysign,
        operands(some.away_from([0.0]), some.away_from([0.0])),
        order=2,
        notes="the derivative at 0 is 0",
    ),
    binary(
        "heaviside",
        np.heaviside,
        operands(some.away_from([0.0]), some.numbers()),
        differentiable=False,
        torch="",
        notes=_JUMPS,
        errors=(Bad(lambda: (tg.ones(1), tg.ones(1).double()), TypeError, "one type"),),
    ),
    spec(
        "heaviside (values)",
        lambda x, y: np.heaviside(np.array(x), y),
        st.tuples(st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=2, max_size=2), filled(some.numbers(), (2,))),
        function=lambda x, y: tg.heaviside(y.new_tensor(x), y),
        torch="",
    ),
    spec(
        "heaviside (at 0)",
        np.heaviside,
        operands(st.sampled_from([-1.0, 0.0, 2.0]), some.numbers()),
        differentiable=False,
        torch="heaviside",
    ),
]
