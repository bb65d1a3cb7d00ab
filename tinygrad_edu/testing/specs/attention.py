"""Attention with every kind of mask, shared heads, and dropout with the same noise for every value of the input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_FLOATS = "float64 float32"


def _sizes(draw: Any) -> tuple[int, ...]:
    """Lengths of queries and keys, widths of keys and values."""
    return tuple(draw(st.integers(1, 3)) for _ in range(4))


@st.composite
def _plain(draw: Any) -> tuple[Any, ...]:
    """Query, key, value, a mask of some broadcastable shape, whether attention is causal, and the scale."""
    long, keys, wide, out = _sizes(draw)
    lead = draw(some.shapes(0, 3, 1, 2))
    shapes = [(*lead, long, wide), (*lead, keys, wide), (*lead, keys, out)]
    q, k, v = (draw(some.tensors(s, -2.0, 2.0)) for s in shapes)
    kind = draw(st.sampled_from(["none", "causal", "boolean", "additive"]))
    mask = None
    if kind in ("boolean", "additive"):
        full = (*lead, long, keys)
        part = full[draw(st.integers(0, len(lead))) :]
        shape = tuple(1 if draw(st.booleans()) else n for n in part)
        mask = draw(some.masks(shape) if kind == "boolean" else some.tensors(shape, -2.0, 2.0))
    return q, k, v, mask, kind == "causal", draw(st.none() | st.sampled_from([0.5, 1.0]))


@st.composite
def _shared(draw: Any) -> tuple[Any, ...]:
    long, keys, wide, out = _sizes(draw)
    batch, heads, groups = (draw(st.integers(1, 2)) for _ in range(3))
    q = draw(some.tensors((batch, heads * groups, long, wide), -2.0, 2.0))
    k = draw(some.tensors((batch, heads, keys, wide), -2.0, 2.0))
    return q, k, draw(some.tensors((batch, heads, keys, out), -2.0, 2.0)), draw(st.booleans())


def _reference(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: Any) -> Any:
    s = q @ k.swapaxes(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        mask = np.tri(*s.shape[-2:], dtype=bool)
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    with np.errstate(invalid="ignore"):
        e = np.exp(s - s.max(-1, keepdims=True))
        return np.nan_to_num(e / e.sum(-1, keepdims=True)) @ v


def _shared_reference(q: Any, k: Any, v: Any, causal: bool) -> Any:
    groups = q.shape[1] // k.shape[1]
    return _reference(q, np.repeat(k, groups, 1), np.repeat(v, groups, 1), None, causal, None)


def _call(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale)


def _noisy(q: Any, k: Any, v: Any, p: float) -> Any:
    tg.manual_seed(0)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=p)


def _theirs(torch: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: Any) -> Any:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale)


def _bad(error: type[Exception], text: str, *shapes: tuple[int, ...], mask: Any = None, causal: bool = False) -> Bad:
    def args() -> tuple[Any, ...]:
        q, k, v = (tg.zeros(s) for s in shapes)
        return q, k, v, None if mask is None else mask(), causal, None

    return Bad(args, error, text)


@st.composite
def _several_heads(draw: Any) -> tuple[Any, ...]:
    """Query, key, value, the weights of all projections, and a boolean mask that lets every query see the first key."""
    length, keys, n, heads = (draw(st.integers(1, 2)) for _ in range(4))
    width = heads * draw(st.integers(1, 2))
    shapes = [
        (length, n, width),
        (keys, n, width),
        (keys, n, width),
        (3 * width, width),
        (3 * width,),
        (width, width),
        (width,),
    ]
    mask = None
    if draw(st.booleans()):
        mask = draw(some.masks((length, keys)))
        mask[:, 0] = False
    return *[draw(some.tensors(s, -2.0, 2.0)) for s in shapes], mask, heads


def _in_heads(q: Any, k: Any, v: Any, w: Any, b: Any, wo: Any, bo: Any, mask: Any, heads: int) -> Any:
    parts = [x @ p.T + c for x, p, c in zip((q, k, v), np.split(w, 3), np.split(b, 3), strict=True)]
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2, 0, 3) for x in parts)
    hidden = np.zeros((), bool) if mask is None else mask
    scores = np.where(hidden, -np.inf, q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    out = (weights @ v).transpose(2, 0, 1, 3)
    return out.reshape(*out.shape[:2], -1) @ wo.T + bo, weights.mean(1)


def _forward(lib: Any) -> Any:
    def call(q: Any, k: Any, v: Any, w: Any, b: Any, wo: Any, bo: Any, mask: Any, heads: int) -> Any:
        forward = lib.multi_head_attention_forward
        width = getattr(q, "shape", (0,))[-1]
        return forward(q, k, v, width, heads, w, b, None, None, False, 0.0, wo, bo, attn_mask=mask)

    return call


def _weights(width: int) -> tuple[Any, ...]:
    return tg.zeros(3 * width, width), tg.zeros(3 * width), tg.zeros(width, width), tg.zeros(width)


_ROW = ((2, 3), (4, 3), (4, 5))

SPECS = [
    OpSpec(
        "F.scaled_dot_product_attention",
        _call,
        _plain(),
        reference=_reference,
        errors=(
            _bad(ValueError, "at least 2 dimensions", (3,), (4, 3), (4, 3)),
            _bad(ValueError, r"same width.*\(2, 3\) and \(4, 2\)", (2, 3), (4, 2), (4, 5)),
            _bad(ValueError, r"same length.*\(4, 3\) and \(5, 3\)", (2, 3), (4, 3), (5, 3)),
            _bad(ValueError, "leading dimensions.*enable_gqa", (4, 2, 3), (2, 4, 3), (2, 4, 3)),
            _bad(ValueError, r"must broadcast to .* = \(2, 4\), got", *_ROW, mask=lambda: tg.zeros(3, 4)),
            _bad(TypeError, "boolean or of floating point", *_ROW, mask=lambda: tg.zeros(2, 4, dtype=tg.int64)),
            _bad(ValueError, "is_causal", *_ROW, mask=lambda: tg.zeros(2, 4), causal=True),
            Bad(lambda: (*[tg.zeros(2, 3, dtype=tg.int64)] * 3, None, False, None), TypeError, "floating-point"),
            Bad(lambda: (tg.zeros(2, 3), *[tg.zeros(2, 3).double()] * 2, None, False, None), TypeError, "one type"),
        ),
        torch=_theirs,
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.scaled_dot_product_attention (shared heads)",
        lambda q, k, v, causal: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True),
        _shared(),
        reference=_shared_reference,
        errors=(
            Bad(lambda: (tg.zeros(1, 3, 2, 2), *[tg.zeros(1, 2, 2, 2)] * 2, False), ValueError, "divide query's 3"),
            Bad(lambda: (*[tg.zeros(2, 2)] * 3, False), ValueError, "dimension of heads"),
        ),
        torch=lambda torch, q, k, v, causal: torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=causal, enable_gqa=True
        ),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.scaled_dot_product_attention (dropout)",
        _noisy,
        st.tuples(*[some.tensors((2, 1, 3, 2), -2.0, 2.0)] * 3, st.sampled_from([0.25, 0.5, 1.0])),
        draws=True,
        errors=(Bad(lambda: (*[tg.zeros(2, 2)] * 3, 1.5), ValueError, "dropout_p must be a probability"),),
    ),
    OpSpec(
        "F.multi_head_attention_forward",
        _forward(F),
        _several_heads(),
        reference=_in_heads,
        errors=(
            Bad(lambda: (*[tg.zeros(2, 1, 2)] * 3, *_weights(3), None, 1), ValueError, "width 2, expected 3"),
            Bad(lambda: (*[tg.zeros(2, 1, 3)] * 3, *_weights(3), None, 2), ValueError, "divisible by 2 heads"),
            Bad(
                lambda: (*[tg.zeros(2, 1, 2)] * 3, *_weights(2), tg.zeros(2, 3), 1),
                ValueError,
                r"attn_mask must have shape \(2, 2\)",
            ),
        ),
        torch=lambda torch, *args: _forward(torch.nn.functional)(*args),
        dtypes=_FLOATS,
    ),
]
