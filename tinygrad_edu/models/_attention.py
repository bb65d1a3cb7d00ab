"""What the Transformers here share: heads, masks, and attention to what was read before."""

from __future__ import annotations

import math

from tinygrad_edu.creation import arange
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["LayerPast", "attend", "extend", "join_heads", "split_heads"]

LayerPast = tuple[Tensor, Tensor]  # keys and values of what was read, each (N, H, T, D / H)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, D) to (N, H, T, D / H)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(N, H, T, D / H) to (N, T, D)."""
    return x.transpose(1, 2).flatten(2)


def extend(past: LayerPast | None, key: Tensor, value: Tensor) -> LayerPast:
    """The keys and values of the past with new ones behind them."""
    return (key, value) if past is None else (cat((past[0], key), 2), cat((past[1], value), 2))


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Causal attention of the last T of S places: the query at place i sees the keys at places up to i."""
    new, all_ = query.shape[2], key.shape[2]
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if new > 1:
        here = arange(all_ - new, all_, device=query.device)
        scores = scores.masked_fill(here[:, None] < arange(all_, device=query.device), -math.inf)
    return F.dropout(F.softmax(scores, -1), dropout) @ value
