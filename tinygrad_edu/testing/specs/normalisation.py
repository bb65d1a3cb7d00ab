"""Normalisation by statistics of a batch, a layer, groups of channels, or neighbouring channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_FLOATS = "float64 float32"
_EPS = 0.125  # large, so that groups of equal numbers are far from a kink


@st.composite
def _optional(draw: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Weight and bias of a shape, or none; a bias without a weight is more than PyTorch's group norm takes."""
    weight = draw(st.none() | some.tensors(shape, -2.0, 2.0))
    return weight, None if weight is None else draw(st.none() | some.tensors(shape, -2.0, 2.0))


@st.composite
def _channels(draw: Any, min_rest: int = 0, least: int = 2, groups: bool = False) -> tuple[Any, ...]:
    """Input (N, C, …) with more than one number that share a mean, weight and bias, and the number of groups."""
    n, parts, width = (draw(st.integers(1, 2)) for _ in range(3))
    rest = draw(some.shapes(min_rest, 2, 2 if min_rest else 1, 3))
    shape = (n if rest else least, parts * width, *rest)
    x = draw(some.tensors(shape, -2.0, 2.0))
    if int(np.prod(rest)) == 1 and (n == 1 or groups):
        x = tg.cat([x, x + 1], 0)
    return x, *draw(_optional((parts * width,))), *([parts] if groups else [])


@st.composite
def _last(draw: Any, bias: bool = True) -> tuple[Any, ...]:
    x = draw(some.tensors(some.shapes(1, 3), -2.0, 2.0))
    sizes = tuple(x.shape)[draw(st.integers(0, x.dim() - 1)) :]
    weight, shift = draw(_optional(sizes))
    return x, sizes, weight, *([shift] if bias else [])


def _normal(x: Any, axes: Any, eps: float = _EPS) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _per_channel(x: Any, weight: Any, bias: Any) -> Any:
    wide = [None if p is None else p.reshape(-1, *(1,) * (x.ndim - 2)) for p in (weight, bias)]
    return _affine(x, *wide)


def _apart(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _group_norm(x: Any, weight: Any, bias: Any, groups: int) -> Any:
    parts = x.reshape(x.shape[0], groups, -1)
    return _per_channel(_normal(parts, 2).reshape(x.shape), weight, bias)


def _by_running(x: Any, weight: Any, bias: Any) -> Any:
    average = x.new_zeros(x.shape[1]) + tg.arange(x.shape[1], device=x.device)
    return F.batch_norm(x, average, average + 0.5, weight, bias, eps=_EPS)


def _by_running_reference(x: Any, weight: Any, bias: Any) -> Any:
    average = np.arange(x.shape[1]).reshape(-1, *(1,) * (x.ndim - 2))
    return _per_channel((x - average) / np.sqrt(average + 0.5 + _EPS), weight, bias)


def _local(x: Any, size: int) -> Any:
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        out[:, c] = x[:, c] / (1 + 0.5 / size * (near**2).sum(1)) ** 0.75
    return out


_WHOLE = Bad(lambda: (tg.zeros(2, 3, dtype=tg.int64), None, None), TypeError, "floating-point")
_ALONE = Bad(lambda: (tg.zeros(1, 3), None, None), ValueError, r"more than 1 value per channel.*\(1, 3\)")
_SHORT = Bad(lambda: (tg.zeros(2, 3), tg.ones(2), None), ValueError, r"weight must have shape \(3,\), got \(2,\)")
_MIXED = Bad(lambda: (tg.zeros(2, 3), tg.ones(3, dtype=tg.float64), None), TypeError, r"\.to\(dtype\)")


ORDER = 3

SPECS = [
    OpSpec(
        "F.batch_norm",
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=_EPS),
        _channels(),
        reference=lambda x, w, b: _per_channel(_normal(x, _apart(x)), w, b),
        errors=(_WHOLE, _ALONE, _SHORT, _MIXED),
        torch=lambda torch, x, w, b: torch.nn.functional.batch_norm(x, None, None, w, b, True, eps=_EPS),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.batch_norm (running statistics)",
        _by_running,
        _channels(),
        reference=_by_running_reference,
        errors=(Bad(lambda: (tg.zeros(2, 3, dtype=tg.int64), None, None), TypeError, "floating-point"),),
    ),
    OpSpec(
        "F.instance_norm",
        lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=_EPS),
        _channels(min_rest=1),
        reference=lambda x, w, b: _per_channel(_normal(x, tuple(range(2, x.ndim))), w, b),
        errors=(_WHOLE, _SHORT, Bad(lambda: (tg.zeros(2, 3, 1), None, None), ValueError, "more than 1 value")),
        torch=lambda torch, x, w, b: torch.nn.functional.instance_norm(x, weight=w, bias=b, eps=_EPS),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.group_norm",
        lambda x, w, b, groups: F.group_norm(x, groups, w, b, _EPS),
        _channels(groups=True),
        reference=_group_norm,
        errors=(Bad(lambda: (tg.zeros(2, 3), None, None, 2), ValueError, "3 channels.*2 groups"),),
        torch=lambda torch, x, w, b, groups: torch.nn.functional.group_norm(x, groups, w, b, _EPS),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.layer_norm",
        lambda x, sizes, w, b: F.layer_norm(x, sizes, w, b, _EPS),
        _last(),
        reference=lambda x, sizes, w, b: _affine(_normal(x, tuple(range(-len(sizes), 0))), w, b),
        errors=(
            Bad(lambda: (tg.zeros(2, 3), (2,), None, None), ValueError, r"\(2,\), got shape \(2, 3\)"),
            Bad(lambda: (tg.zeros(3), (3,), tg.ones(2), None), ValueError, r"weight must have shape \(3,\)"),
        ),
        torch=lambda torch, x, sizes, w, b: torch.nn.functional.layer_norm(x, sizes, w, b, _EPS),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.rms_norm",
        lambda x, sizes, w: F.rms_norm(x, sizes, w, _EPS),
        _last(bias=False),
        reference=lambda x, sizes, w: _affine(
            x / np.sqrt((x * x).mean(tuple(range(-len(sizes), 0)), keepdims=True) + _EPS), w, None
        ),
        errors=(Bad(lambda: (tg.zeros(2, 3), (2,), None), ValueError, r"\(2,\), got shape \(2, 3\)"),),
        torch=lambda torch, x, sizes, w: torch.nn.functional.rms_norm(x, sizes, w, _EPS),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.local_response_norm",
        lambda x, size: F.local_response_norm(x, size, 0.5),
        st.tuples(some.tensors(some.shapes(3, 4, 1, 2), -2.0, 2.0), st.integers(1, 4)),
        reference=_local,
        errors=(Bad(lambda: (tg.zeros(2, 3), 2), ValueError, r"\(2, 3\)"),),
        torch=lambda torch, x, size: torch.nn.functional.local_response_norm(x, size, 0.5),
        dtypes=_FLOATS,
    ),
]
