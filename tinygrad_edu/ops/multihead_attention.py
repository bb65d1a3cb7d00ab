"""Attention of several heads at once: projections in, attention of each head, and a projection out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.activation import softmax
from tinygrad_edu.ops.attention import scaled_dot_product_attention
from tinygrad_edu.ops.dropout import dropout
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.linalg import linear, matmul
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.parts import chunk, narrow
from tinygrad_edu.ops.reduce import all as all_
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.shape import expand, permute, reshape, squeeze, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

_NAME = "multi_head_attention_forward"


@dataclass(frozen=True, slots=True)
class Heads:
    """The weights of an attention of several heads, and what it does besides.

    Attributes
    ----------
    count : int
        H, the number of heads; E is a multiple of it.
    weights : sequence of Tensor
        One (3E, E) for query, key and value together, or three: (E, E), (E, kdim), (E, vdim).
    bias : Tensor, (3E,), or None
    out_weight, out_bias : Tensor, (E, E), and Tensor, (E,), or None
        The projection of the result.
    bias_k, bias_v : Tensor, (1, 1, E), or None
        One key and value more, for every sequence.
    add_zero_attn : bool
        Whether there is a further key and value of zeros, so that a query may attend to nothing.
    dropout : float
        The probability with which a weight is dropped.
    """

    count: int
    weights: Sequence[Tensor]
    bias: Tensor | None
    out_weight: Tensor
    out_bias: Tensor | None
    bias_k: Tensor | None = None
    bias_v: Tensor | None = None
    add_zero_attn: bool = False
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class Masks:
    """Who must not see whom: True, or -inf of numbers that are added to the scores.

    Attributes
    ----------
    keys : Tensor, (N, S), or None
        Of each sequence alone: its padding.
    pairs : Tensor, (L, S) or (N·H, L, S), or None
        Of queries and keys.
    causal : bool
        A hint that ``pairs`` lets query i see keys 0 … i.
    """

    keys: Tensor | None = None
    pairs: Tensor | None = None
    causal: bool = False


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: Heads,
    masks: Masks,
    *,
    batch_first: bool = False,
    need_weights: bool = True,
    average: bool = True,
    fixed: tuple[Tensor | None, Tensor | None] = (None, None),
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads on (L, N, E) and (S, N, E), with ``batch_first`` (N, L, E) and (N, S, E), or without N.

    Returns the result in the layout of the query, and the weights (N, L, S), or (N, H, L, S) without ``average``. ``fixed`` are keys
    and values (N·H, S, E/H) that take the place of projected ones.
    """
    check_tensors(_NAME, query=query, key=key, value=value)
    floating(_NAME, query)
    alone = len(query.shape) == 2
    _check_ranks(query, key, value, masks)
    along = 1 if batch_first else 0  # the dimension of time
    if alone:
        same = key is query, value is key
        query = unsqueeze(query, 1 - along)
        key = query if same[0] else unsqueeze(key, 1 - along)
        value = key if same[1] else unsqueeze(value, 1 - along)
        if masks.keys is not None:
            masks = Masks(unsqueeze(masks.keys, 0), masks.pairs, masks.causal)
    _check_sizes(query, key, value, heads, along)
    n, length, width = query.shape[1 - along], query.shape[along], query.shape[2]
    q, k, v = _projected(query, key, value, heads)
    more = (heads.bias_k is not None) + heads.add_zero_attn
    if heads.bias_k is not None and heads.bias_v is not None:
        if fixed != (None, None):
            raise ValueError(f"{_NAME}: bias_k and bias_v cannot be added to static_k and static_v")
        k, v = (_with_one_more(x, b, along, n) for x, b in ((k, heads.bias_k), (v, heads.bias_v)))
    q, k, v = (_in_heads(x, heads.count, along) for x in (q, k, v))
    k, v = (
        x if f is None else _fixed(f, n, heads.count, width, i)
        for i, (x, f) in enumerate(zip((k, v), fixed, strict=True))
    )
    if heads.add_zero_attn:
        k, v = (cat([x, x.new_zeros((*x.shape[:2], 1, x.shape[3]))], 2) for x in (k, v))
    causal = masks.causal and masks.keys is None and not more and not need_weights
    mask = None if causal else _together(masks, q, k.shape[2] - more, more)
    weights = None
    if need_weights:
        weights = _weights(q, k, mask, heads.dropout)
        out = matmul(weights, v)
        weights = mean(weights, 1) if average else weights
        weights = squeeze(weights, 0) if alone else weights
    else:
        out = scaled_dot_product_attention(q, k, v, mask, heads.dropout, causal)
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    out = reshape(permute(out, order), (n, length, width) if batch_first else (length, n, width))
    out = linear(out, heads.out_weight, heads.out_bias)
    return squeeze(out, 1 - along) if alone else out, weights


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, p: float) -> Tensor:
    """softmax(q kᵀ / √D + mask) after dropout, (N, H, L, S); zeros in rows that see nothing."""
    scores = matmul(q * (1 / math.sqrt(q.shape[-1])), k.mT)
    if mask is None:
        return dropout(softmax(scores, -1), p)
    scores = ew.where(mask, scores, -math.inf) if mask.dtype.name == "bool" else scores + mask
    blind = all_(scores == -math.inf, -1, True)
    return dropout(ew.where(blind, 0.0, softmax(ew.where(blind, 0.0, scores), -1)), p)


def _projected(query: Tensor, key: Tensor, value: Tensor, heads: Heads) -> tuple[Tensor, ...]:
    """Query, key and value times their weights, in one product where they are one tensor."""
    weights, bias = heads.weights, heads.bias
    if len(weights) == 1:
        if query is key and key is value:
            return chunk(linear(query, weights[0], bias), 3, -1)
        width = weights[0].shape[1]
        if key is value:
            first, rest = (narrow(weights[0], 0, a, b) for a, b in ((0, width), (width, 2 * width)))
            biases = [None if bias is None else narrow(bias, 0, a, b) for a, b in ((0, width), (width, 2 * width))]
            return linear(query, first, biases[0]), *chunk(linear(key, rest, biases[1]), 2, -1)
        weights = chunk(weights[0], 3, 0)
    biases = [None] * 3 if bias is None else list(chunk(bias, 3, 0))
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def _with_one_more(x: Tensor, last: Tensor, along: int, n: int) -> Tensor:
    """A sequence with one more element, the same for the whole batch."""
    width = x.shape[2]
    return cat([x, expand(last, (n, 1, width) if along else (1, n, width))], along)


def _in_heads(x: Tensor, count: int, along: int) -> Tensor:
    """(L, N, E) or (N, L, E) as (N, H, L, E / H)."""
    x = reshape(x, (*x.shape[:2], count, x.shape[2] // count))
    return permute(x, (0, 2, 1, 3) if along else (1, 2, 0, 3))


def _fixed(given: Tensor, n: int, count: int, width: int, which: int) -> Tensor:
    """Keys or values that are not projected."""
    name = ("static_k", "static_v")[which]
    check_tensors(_NAME, **{name: given})
    if len(given.shape) != 3 or given.shape[0] != n * count or given.shape[2] != width // count:
        raise ValueError(
            f"{_NAME}: {name} must have shape ({n * count}, S, {width // count}), got {tuple(given.shape)}"
        )
    return reshape(given, (n, count, *given.shape[1:]))


def _check_ranks(query: Tensor, key: Tensor, value: Tensor, masks: Masks) -> None:
    """Refuse tensors and masks with the wrong number of dimensions."""
    ranks = [len(x.shape) for x in (query, key, value)]
    if ranks not in ([2] * 3, [3] * 3):
        shapes = ", ".join(str(tuple(x.shape)) for x in (query, key, value))
        raise ValueError(
            f"{_NAME}: query, key and value must all have 3 dimensions, or 2 without a batch, got shapes {shapes}"
        )
    for name, mask, rank in (("key_padding_mask", masks.keys, (ranks[0] - 1,)), ("attn_mask", masks.pairs, (2, 3))):
        if mask is None:
            continue
        check_tensors(_NAME, **{name: mask})
        if len(mask.shape) not in rank:
            wanted = " or ".join(map(str, rank))
            raise ValueError(f"{_NAME}: {name} must have {wanted} dimensions here, got {describe(mask)}")
        if mask.dtype.name != "bool" and not mask.is_floating_point():
            raise TypeError(f"{_NAME}: {name} must be boolean or of floating point, got {mask.dtype}")
    if masks.causal and masks.pairs is None:
        raise ValueError(f"{_NAME}: is_causal=True is a hint about attn_mask, which is missing")


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, heads: Heads, along: int) -> None:
    """Refuse sizes that do not fit the weights or each other."""
    width = query.shape[2]
    if width != heads.out_weight.shape[0] or width % heads.count:
        raise ValueError(
            f"{_NAME}: the query has width {width}, expected {heads.out_weight.shape[0]}, divisible by {heads.count} heads"
        )
    if tuple(key.shape[:2]) != tuple(value.shape[:2]) or key.shape[1 - along] != query.shape[1 - along]:
        shapes = ", ".join(str(tuple(x.shape)) for x in (query, key, value))
        raise ValueError(
            f"{_NAME}: key and value must have one length, and the query's number of sequences, got shapes {shapes}"
        )


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """A mask of PyTorch's modules, where True hides, as numbers to add."""
    if mask.dtype.name == "bool":
        return ew.where(mask, -math.inf, like.new_zeros(()))
    return mask.to(like.dtype)


def _together(masks: Masks, q: Tensor, keys: int, more: int) -> Tensor | None:
    """Both masks as one for (N, H, L, S): boolean, and true where a key may be seen, if both are boolean."""
    n, count, length = q.shape[:3]
    found = []
    if masks.pairs is not None:
        pairs = masks.pairs
        expected = (length, keys) if len(pairs.shape) == 2 else (n * count, length, keys)
        if tuple(pairs.shape) != expected:
            raise ValueError(f"{_NAME}: attn_mask must have shape {expected}, got {tuple(pairs.shape)}")
        found.append(reshape(pairs, (1, 1, length, keys) if len(pairs.shape) == 2 else (n, count, length, keys)))
    if masks.keys is not None:
        if tuple(masks.keys.shape) != (n, keys):
            raise ValueError(f"{_NAME}: key_padding_mask must have shape {(n, keys)}, got {tuple(masks.keys.shape)}")
        found.append(reshape(masks.keys, (n, 1, 1, keys)))
    if not found:
        return None
    if more:
        found = [pad(m, (0, more)) for m in found]
    if all(m.dtype.name == "bool" for m in found):
        return ~(found[0] if len(found) == 1 else found[0] | found[1])
    wide = [_additive(m, q) for m in found]
    return wide[0] if len(wide) == 1 else wide[0] + wide[1]


def is_causal_mask(mask: Tensor | None) -> bool:
    """Whether a mask of modules hides from query i just the keys after i; False where looking would wait for the device."""
    if mask is None or len(mask.shape) != 2 or mask.shape[0] != mask.shape[1]:
        return False
    raw = mask._data
    ns = xp(raw)
    if ns.lazy or mask.requires_grad:
        return False
    later = ns.arange(raw.shape[0]) > ns.expand_dims(ns.arange(raw.shape[0]), axis=-1)
    if mask.dtype.name == "bool":
        return bool(ns.all(raw == later))
    return bool(ns.all(raw == ns.where(later, ns.full_like(raw, -math.inf), ns.zeros_like(raw))))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What :class:`tinygrad_edu.nn.MultiheadAttention` computes, with its weights as arguments.

    Parameters
    ----------
    query : Tensor, (L, N, E) or (L, E)
    key : Tensor, (S, N, kdim) or (S, kdim)
    value : Tensor, (S, N, vdim) or (S, vdim)
    embed_dim_to_check, num_heads : int
        E and H.
    in_proj_weight : Tensor, (3E, E)
        Of query, key and value; with ``use_separate_proj_weight`` the three others are used in its place.
    in_proj_bias, out_proj_bias : Tensor, (3E,) and (E,), or None
    bias_k, bias_v : Tensor, (1, 1, E), or None
        One key and value more.
    add_zero_attn : bool
        Whether there is a further key and value of zeros.
    dropout_p : float
        Of the weights, while ``training``.
    out_proj_weight : Tensor, (E, E)
    key_padding_mask : Tensor, (N, S) or (S,), optional
        True, or -inf, where a key is padding.
    need_weights, average_attn_weights : bool
        Whether the weights are returned (which then are computed as a table), and as the mean of the heads.
    attn_mask : Tensor, (L, S) or (N·H, L, S), optional
        True, or -inf, where a query must not see a key.
    static_k, static_v : Tensor, (N·H, S, E/H), optional
        In place of projected keys and values.
    is_causal : bool
        A hint that ``attn_mask`` is causal.

    Returns
    -------
    Tensor, (L, N, E) or (L, E)
    Tensor, (N, L, S) or (N, H, L, S), without N where the query has none; None without ``need_weights``
        A query that may see nothing has weights 0.

    Raises
    ------
    ValueError
        When the shapes do not fit.
    """
    check_tensors(_NAME, query=query, key=key, value=value, out_proj_weight=out_proj_weight)
    if query.shape[-1:] != (embed_dim_to_check,):
        raise ValueError(f"{_NAME}: the query has shape {tuple(query.shape)}, expected a width of {embed_dim_to_check}")
    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
        check_tensors(_NAME, **dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), weights, strict=True)))
    else:
        check_tensors(_NAME, in_proj_weight=in_proj_weight)
        weights = [in_proj_weight]
    heads = Heads(
        num_heads,
        [w for w in weights if w is not None],
        in_proj_bias,
        out_proj_weight,
        out_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p if training else 0.0,
    )
    return attend(
        query,
        key,
        value,
        heads,
        Masks(key_padding_mask, attn_mask, is_causal),
        need_weights=need_weights,
        average=average_attn_weights,
        fixed=(static_k, static_v),
    )
