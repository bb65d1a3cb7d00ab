"""Conversions of type and device."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import OpSpec

_NUMBERS = some.tensors()


def _to(name: str, dtype: Any, **more: Any) -> OpSpec:
    """The spec of a method that converts to one type."""
    return OpSpec(
        f"Tensor.{name}",
        getattr(tg.Tensor, name),
        _NUMBERS,
        reference=lambda x: x.astype(dtype),
        methods=name,
        torch=f"Tensor.{name}",
        **more,
    )


def _converted_back(g: Any, x: Any) -> Any:
    """The gradient of a conversion: the cotangent in the type of the argument."""
    return g.astype(x.dtype)


SPECS = [
    _to("cpu", np.float64),
    *(
        _to(n, t, differentiable=False)
        for n, t in {
            "int": np.int32,
            "long": np.int64,
            "short": np.int16,
            "char": np.int8,
            "bool": np.bool_,
        }.items()
    ),
    OpSpec(
        "Tensor.byte",
        tg.Tensor.byte,
        some.tensors(low=0.0),  # what becomes of negative numbers depends on the machine
        reference=lambda x: x.astype(np.uint8),
        differentiable=False,
        methods="byte",
        torch="Tensor.byte",
    ),
    # What a narrower type rounds has no numerical derivative; the cotangent is converted back.
    *(
        _to(n, t, differentiable=False, convention=_converted_back)
        for n, t in {"double": np.float64, "float": np.float32, "half": np.float16}.items()
    ),
    OpSpec(
        "Tensor.type",
        lambda x, dtype: x.type(dtype),
        st.tuples(_NUMBERS, st.sampled_from([tg.float64, tg.int64, tg.bool])),
        reference=lambda x, dtype: x.astype(dtype.name),
        differentiable=False,
        methods="type",
    ),
    OpSpec(
        "Tensor.type_as",
        lambda x, y: x.type_as(y),
        st.tuples(_NUMBERS, some.masks((1,)) | some.integers((1,), 0, 2)),
        reference=lambda x, y: x.astype(y.dtype),
        differentiable=False,
        methods="type_as",
        torch="Tensor.type_as",
    ),
]
