"""Comparisons, tests and logic, and operations on bits: nothing of it carries a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._elementwise import at, filled, operands, spec, ties

_INTEGERS = operands(st.integers(-8, 8), st.integers(-8, 8), dtype=tg.int64)
_BOOLEANS = operands(st.booleans(), st.booleans(), dtype=tg.bool)
_SPECIAL = at(float("nan"), float("inf"), float("-inf"), 0.0)
_SHAPES = Bad(lambda: (tg.zeros(2), tg.zeros(3)), ValueError, "")
_FLOATS = Bad(lambda: (tg.tensor([1.5]), 1), TypeError, "expected integers")


def _constant(name: str, reference: Any, inputs: Any, **more: Any) -> OpSpec:
    return spec(name, reference, inputs, differentiable=False, **more)


SPECS = [
    *(
        _constant(name, reference, ties(), errors=(_SHAPES,))
        for name, reference in {
            "eq": np.equal,
            "ne": np.not_equal,
            "lt": np.less,
            "le": np.less_equal,
            "gt": np.greater,
            "ge": np.greater_equal,
            "logical_and": np.logical_and,
            "logical_or": np.logical_or,
            "logical_xor": np.logical_xor,
        }.items()
    ),
    _constant("logical_not", np.logical_not, _SPECIAL),
    *(
        _constant(name, reference, _SPECIAL)
        for name, reference in {
            "isnan": np.isnan,
            "isinf": np.isinf,
            "isfinite": np.isfinite,
            "isposinf": np.isposinf,
            "isneginf": np.isneginf,
            "isreal": np.isreal,
        }.items()
    ),
    *(
        _constant(name, reference, _INTEGERS | _BOOLEANS, errors=(_FLOATS,))
        for name, reference in {
            "bitwise_and": np.bitwise_and,
            "bitwise_or": np.bitwise_or,
            "bitwise_xor": np.bitwise_xor,
        }.items()
    ),
    _constant(
        "bitwise_not",
        np.bitwise_not,
        filled(st.integers(-8, 8), dtype=tg.int64) | filled(st.booleans(), dtype=tg.bool),
        errors=(Bad(lambda: (tg.tensor([1.5]),), TypeError, "bitwise_not"),),
    ),
    *(
        _constant(name, reference, _INTEGERS, dtypes="int64", errors=(_FLOATS,), order=2)
        for name, reference in {"gcd": np.gcd, "lcm": np.lcm}.items()
    ),
    *(
        _constant(
            name,
            reference,
            operands(st.integers(-8, 8), st.integers(0, 6), dtype=tg.int64).filter(lambda c: bool((c[1] >= 0).all())),
            errors=(_FLOATS, Bad(lambda: (tg.tensor([True]), True), TypeError, "single bit")),
        )
        for name, reference in {"bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift}.items()
    ),
]
