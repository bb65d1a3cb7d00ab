"""What the Transformers here share: heads, and attention to what was read before."""

from __future__ import annotations

from tinygrad_edu.creation import arange
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["LayerPast", "attend_causally", "extend", "join_heads", "split_heads"]

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


def attend_causally(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Attention of the last T of S places, each of which sees the keys up to its own; groups of queries may share one key."""
    new, total = query.shape[2], key.shape[2]
    mask = None
    if 1 < new < total:
        here = arange(total - new, total, device=query.device)
        mask = here[:, None] >= arange(total, device=query.device)
    return F.scaled_dot_product_attention(
        query, key, value, mask, dropout, is_causal=1 < new == total, enable_gqa=query.shape[1] != key.shape[1]
    )
