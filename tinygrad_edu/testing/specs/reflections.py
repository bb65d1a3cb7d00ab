"""Products of reflections."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_FLOATS = "float64 float32"


@st.composite
def _reflections(draw: Any) -> tuple[Any, ...]:
    n = draw(st.integers(1, 3))
    m, k = draw(st.integers(n, 3)), draw(st.integers(1, n))
    lead = draw(some.shapes(0, 1, 1, 2))
    return draw(some.tensors((*lead, m, n), -1.5, 1.5)), draw(some.tensors((*lead, k), -1.5, 1.5))


def _product(x: Any, tau: Any) -> Any:
    *_, m, n = x.shape
    out = np.broadcast_to(np.eye(m), (*x.shape[:-2], m, m))
    for i in range(tau.shape[-1]):
        v = np.concatenate([np.zeros((*x.shape[:-2], i)), np.ones((*x.shape[:-2], 1)), x[..., i + 1 :, i]], -1)
        out = out @ (np.eye(m) - tau[..., i, None, None] * v[..., :, None] * v[..., None, :])
    return out[..., :n]


def _of_pytorch(torch: Any, x: Any, tau: Any) -> Any:
    """PyTorch's gradient divides by 1 - τ vᵀv, and is NaN where a factor I - τ v vᵀ has no inverse; ours does not."""
    for i in range(tau.shape[-1]):
        length = 1 + (x[..., i + 1 :, i] ** 2).sum(-1)
        assume(not bool((tau[..., i] * length == 1).any()))
    return torch.linalg.householder_product(x, tau)


SPECS = [
    OpSpec(
        "linalg.householder_product",
        tg.linalg.householder_product,
        _reflections(),
        reference=_product,
        errors=(Bad(lambda: (tg.zeros(2, 3), tg.zeros(2)), ValueError, r"got \(2, 3\) and \(2,\)"),),
        torch=_of_pytorch,
        dtypes=_FLOATS,
    ),
]
