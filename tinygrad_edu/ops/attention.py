"""Attention: every query takes a mean of the values, weighted by how well it fits their keys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.dtypes import float32
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.function import Fused, run
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import lowered
from tinygrad_edu.ops._types import count, xp
from tinygrad_edu.ops.activation import softmax
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.reduce import all as all_
from tinygrad_edu.ops.shape import broadcast_shapes, expand, reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Shape = tuple[int, ...]
Dropout = tuple[float, int] | None


class Attention(Fused):
    """softmax(q kᵀ · scale + mask) v in blocks of rows; of the weights only one sum a row is kept, and backward computes them again.

    Shapes: q (B, H, L, E), k (B, K, S, E), v (B, K, S, V), mask broadcastable to (B, H, L, S).
    """

    __slots__ = ()

    def forward(self, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, dropout: Dropout) -> Any:
        args = q, k, v, mask, causal, scale, dropout
        out, sums = xp(q).attention(*args)
        self.saved = (*args, out, sums)
        return out

    def backward(self, g: Any) -> Any:
        *args, out, sums = self.saved
        needed = [e is not None for e in self.edges[:4]]
        return *xp(g).attention_backward(g, tuple(args), out, sums, needed), None, None, None

    @staticmethod
    def reference(q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, dropout: Dropout) -> Any:
        groups = q.shape[1] // max(k.shape[1], 1)
        scores = matmul(q * scale, _for_groups(k, groups).mT)
        shape = tuple(scores.shape)
        if causal:
            ns = xp(scores._data)
            mask = function.Tensor._wrap(ns.arange(shape[3]) <= ns.expand_dims(ns.arange(shape[2]), axis=-1))
        if mask is not None:
            hidden = str(mask.dtype).endswith("bool")
            scores = ew.where(mask, scores, -math.inf) if hidden else scores + mask
        blind = all_(scores == -math.inf, -1, True)  # a row that sees nothing gives zeros
        weights = ew.where(blind, 0.0, softmax(ew.where(blind, 0.0, scores), -1))
        if dropout is not None:
            keep = function.Tensor._wrap(xp(scores._data).attention_kept(dropout, shape, slice(0, shape[2])))
            weights = ew.where(keep, weights * (1 / (1 - dropout[0]) if dropout[0] < 1 else 0.0), 0.0)
        return matmul(weights, _for_groups(v, groups))


def _for_groups(x: Tensor, groups: int) -> Tensor:
    """Keys or values (B, K, …) with each head repeated for the heads that share it."""
    if groups == 1:
        return x
    batch, heads, *rest = x.shape
    return reshape(expand(unsqueeze(x, 2), (batch, heads, groups, *rest)), (batch, heads * groups, *rest))


_NAME = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q kᵀ · scale + mask) v: each query's mean of the values, weighted by how well it fits their keys.

    The table of weights is computed block by block and never kept, so that memory grows with L + S; in the backward pass it is
    computed again. A query that may see no key at all gets zeros, and passes no gradient on. Sources: Vaswani et al., Attention is
    all you need (2017); Rabe and Staats, Self-attention does not need O(n²) memory (2021).

    Parameters
    ----------
    query : Tensor, (…, H, L, E)
    key : Tensor, (…, H, S, E)
    value : Tensor, (…, H, S, V)
        Leading dimensions broadcast.
    attn_mask : Tensor, optional
        Broadcastable to (…, H, L, S): a boolean one is true where a key may be seen, numbers are added to the scores.
    dropout_p : float
        The probability with which a weight is set to 0 and the others are scaled by 1 / (1 - p); always applied.
    is_causal : bool
        Whether query i sees keys 0 … i alone; there is no mask besides.
    scale : float, optional
        By default 1 / √E.
    enable_gqa : bool
        Whether keys and values may have fewer heads, each shared by neighbouring heads of the queries.

    Returns
    -------
    Tensor, (…, H, L, V)

    Raises
    ------
    ValueError
        When the shapes do not fit, a mask comes with ``is_causal``, or ``dropout_p`` is not a probability.
    TypeError
        When the types differ or are not of floating point.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> key = tg.tensor([[10.0, 0.0], [0.0, 10.0]])
    >>> value = tg.tensor([[1.0], [2.0]])
    >>> scaled_dot_product_attention(tg.tensor([[10.0, 0.0], [5.0, 5.0]]), key, value)
    tensor([[1.0000],
            [1.5000]])
    """
    if _state.casting_threads:
        query, key, value = lowered(query, key, value)
    _check(query, key, value, attn_mask, dropout_p, is_causal)
    dtype = query.dtype
    q, k, v = (x.to(float32) if dtype.bits == 16 else x for x in (query, key, value))
    lead = _lead(q, k, v, enable_gqa)
    heads = tuple(q.shape[:-2])[-1:] if enable_gqa else lead[-1:]
    shared = tuple(k.shape[:-2])[-1:] if enable_gqa else lead[-1:]
    shape = (*lead[:-1], *heads, q.shape[-2], k.shape[-2])
    mask = None if attn_mask is None else _mask(attn_mask, q, shape)
    q = _four(q, (*lead[:-1], *heads))
    k, v = _four(k, (*lead[:-1], *shared)), _four(v, (*lead[:-1], *shared))
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else float(scale)
    args = q, k, v, mask, bool(is_causal), scale, _seeded(q, dropout_p)
    out = run(Attention(), args) if count(q.shape) * count(k.shape) * count(v.shape) else Attention.reference(*args)
    out = out if len(shape) == 4 else reshape(out, (*shape[:-1], v.shape[-1]))
    return out if dtype.bits > 16 else out.to(dtype)


def _check(query: Any, key: Any, value: Any, mask: Any, p: float, causal: bool) -> None:
    """Refuse what has no meaning, but for leading dimensions and the mask's shape."""
    check_tensors(_NAME, query=query, key=key, value=value)
    floating(_NAME, query)
    if not query.dtype is key.dtype is value.dtype:
        types = f"{query.dtype}, {key.dtype} and {value.dtype}"
        raise TypeError(f"{_NAME}: query, key and value must have one type, got {types}; convert them with .to(dtype)")
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if min(map(len, shapes)) < 2:
        raise ValueError(
            f"{_NAME}: query, key and value need at least 2 dimensions, (…, length, width), got shapes {shapes}"
        )
    if shapes[0][-1] != shapes[1][-1]:
        raise ValueError(f"{_NAME}: query and key must have the same width, got shapes {shapes[0]} and {shapes[1]}")
    if shapes[1][-2] != shapes[2][-2]:
        raise ValueError(f"{_NAME}: key and value must have the same length, got shapes {shapes[1]} and {shapes[2]}")
    if not 0 <= p <= 1:
        raise ValueError(f"{_NAME}: dropout_p must be a probability between 0 and 1, got {p}")
    if mask is None:
        return
    check_tensors(_NAME, attn_mask=mask)
    if causal:
        raise ValueError(f"{_NAME}: there is no attn_mask besides is_causal=True; put the causal mask into attn_mask")
    if mask.dtype.name != "bool" and not mask.is_floating_point():
        raise TypeError(f"{_NAME}: attn_mask must be boolean or of floating point, got {mask.dtype}")


def _lead(q: Tensor, k: Tensor, v: Tensor, shared: bool) -> Shape:
    """The leading dimensions of all three, with query's heads where keys are shared."""
    leads = [tuple(x.shape[:-2]) for x in (q, k, v)]
    if shared:
        if not all(leads):
            raise ValueError(
                f"{_NAME}: enable_gqa needs a dimension of heads, (…, H, L, E), got query of shape {tuple(q.shape)}"
            )
        heads = [lead[-1] for lead in leads]
        if heads[1] != heads[2] or not heads[1] or heads[0] % heads[1]:
            raise ValueError(
                f"{_NAME}: the heads of key and value, {heads[1]} and {heads[2]}, must be equal and divide query's {heads[0]}"
            )
        leads = [(*lead[:-1], heads[0]) for lead in leads]
    if leads[0] == leads[1] == leads[2]:
        return leads[0]
    try:
        return tuple(broadcast_shapes(*leads))
    except (ValueError, RuntimeError):
        hint = "" if shared else "; enable_gqa=True lets heads of the query share keys"
        shapes = ", ".join(str(tuple(x.shape)) for x in (q, k, v))
        raise ValueError(
            f"{_NAME}: the leading dimensions of query, key and value do not fit: {shapes}{hint}"
        ) from None


def _four(x: Tensor, lead: Shape) -> Tensor:
    """A tensor as (B, heads, length, width)."""
    shape = tuple(x.shape)
    if shape[:-2] != lead:
        x = expand(x, (*lead, *shape[-2:]))
    if len(lead) == 2:
        return x
    return reshape(x, (count(lead[:-1]), lead[-1] if lead else 1, *shape[-2:]))


def _mask(mask: Tensor, query: Tensor, shape: Shape) -> Tensor:
    """The mask as four dimensions that broadcast to (B, H, L, S), without repeating it where that can be avoided."""
    sizes = tuple(mask.shape)
    fits = len(sizes) <= len(shape) and all(n in (1, full) for n, full in zip(sizes[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"{_NAME}: attn_mask must broadcast to (…, H, L, S) = {shape}, got {describe(mask)}")
    if mask.dtype.name != "bool" and mask.dtype is not query.dtype:
        mask = mask.to(query.dtype)
    if len(sizes) == 4 == len(shape):
        return mask
    full = (1,) * (len(shape) - len(sizes)) + sizes
    batch = full[:-3]
    if any(n != 1 for n in batch) and batch != shape[:-3]:
        mask, batch = expand(mask, (*shape[:-3], *full[-3:])), shape[:-3]
    return reshape(mask, (count(batch), full[-3] if len(full) > 2 else 1, *full[-2:]))


def _seeded(query: Tensor, p: float) -> Dropout:
    """The probability and a seed for the numbers, drawn from the default generator; None without dropout."""
    if p == 0:
        return None
    from tinygrad_edu.generator import default_generator

    return float(p), xp(query._data).random_seed(default_generator(query.device)._raw)
