"""Dropout in all its forms, with the same noise for every value of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_P = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def _seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, *args: Any) -> Any:
        tg.manual_seed(0)
        return function(x, *args, training=True)

    return call


def _noise(name: str, min_dims: int, max_dims: int, *more: Bad) -> OpSpec:
    return OpSpec(
        f"F.{name}" if name != "dropout" else name,
        _seeded(getattr(F, name)),
        st.tuples(some.tensors(min_dims=min_dims, max_dims=max_dims), _P),
        draws=True,
        errors=(Bad(lambda: (tg.ones((1,) * max_dims), 1.5), ValueError, "probability"), *more),
    )


def _refused(*shape: int) -> Bad:
    return Bad(lambda: (tg.ones(shape), 0.5), ValueError, rf"got .*{len(shape) and shape[0]}")


def _choice(x: Any, tau: float) -> Any:
    tg.manual_seed(0)
    return F.gumbel_softmax(x.double(), tau).to(x.dtype)  # other types would draw other noise


SPECS = [
    _noise("dropout", 0, 3),
    _noise("dropout1d", 2, 3, _refused(5)),
    _noise("dropout2d", 3, 4, _refused(5)),
    _noise("dropout3d", 4, 5, _refused(5)),
    _noise("alpha_dropout", 0, 3),
    _noise("feature_alpha_dropout", 2, 4, _refused(5)),
    OpSpec(
        "F.gumbel_softmax",
        _choice,
        st.tuples(some.tensors(min_dims=1, max_dims=2), st.sampled_from([0.5, 2.0])),
        draws=True,
        errors=(Bad(lambda: (tg.ones(2), 0.0), ValueError, "tau must be positive"),),
    ),
]
