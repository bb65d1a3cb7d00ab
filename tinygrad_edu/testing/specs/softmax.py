"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec


def _softmax(x: Any, dim: int) -> Any:
    e = np.exp(x - np.max(x, axis=dim, keepdims=True)) if x.ndim else np.ones(())
    return e / e.sum(axis=dim, keepdims=True) if x.ndim else e


_ARGUMENTS = some.with_axis(some.tensors())
_ERRORS = (Bad(lambda: (tg.zeros(2, 3), 2), IndexError, "dim"),)

ORDER = 3

SPECS = [
    OpSpec(
        "softmax",
        tg.softmax,
        _ARGUMENTS,
        reference=_softmax,
        errors=_ERRORS,
        order=3,
        methods="softmax",
        torch="softmax",
    ),
    OpSpec(
        "log_softmax",
        tg.log_softmax,
        _ARGUMENTS,
        reference=lambda x, dim: np.log(_softmax(x, dim)),
        errors=_ERRORS,
        order=3,
        methods="log_softmax",
        torch="log_softmax",
    ),
]
