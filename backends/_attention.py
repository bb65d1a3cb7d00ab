"""Attention on the array standard alone: blocks of rows against all keys, so that the table of weights is never whole.

What a row needs in the backward pass is one number, the logarithm of its sum: from it the weights are computed again. Source: Rabe
and Staats, Self-attention does not need O(n²) memory (2021).

Shapes: queries (B, H, L, E), keys (B, K, S, E), values (B, K, S, V), with H a multiple of K; the mask broadcasts to (B, H, L, S).
Inside, the heads that share keys have a dimension of their own: (B, K, G, …) with G = H / K.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

Array = Any
Dropout = tuple[float, int] | None  # the probability, and the seed of the numbers

ROWS = 64  # the least rows of a block
TABLE = 1 << 22  # elements of the weights of a block, where they allow for more rows


def row_blocks(shape: tuple[int, ...]) -> list[slice]:
    """The rows of weights (B, H, L, S), some at a time: a multiple of ROWS, so that memory grows with S alone."""
    batch, heads, rows, keys = shape
    step = ROWS * max(1, TABLE // max(1, batch * heads * keys * ROWS))
    return [slice(i, min(i + step, rows)) for i in range(0, rows, step)]


def drawn(ns: Any, dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
    """Which weights of some blocks of rows stay, by the backend's own generator."""
    p, seed = dropout
    batch, heads, _, keys = shape
    parts = []
    for block in row_blocks(shape):
        if rows.start <= block.start < rows.stop:
            size = batch, heads, block.stop - block.start, keys
            parts.append(ns.random_uniform(ns.generator(seed + block.start), size, ns.float32) >= p)
    return ns.concat(parts, axis=-2)


def _grouped(ns: Any, x: Array, groups: int) -> Array:
    """(B, H, …) as (B, K, G, …); a dimension of size 1 stays."""
    heads = (x.shape[1] // groups, groups) if x.shape[1] > 1 else (1, 1)
    return ns.reshape(x, (x.shape[0], *heads, *x.shape[2:]))


class _Problem:
    """The arguments, with a dimension for the heads that share keys, and what a block of rows needs of them."""

    def __init__(
        self, ns: Any, q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float, dropout: Dropout
    ) -> None:
        self.ns = ns
        self.groups = q.shape[1] // k.shape[1]
        self.q = _grouped(ns, q, self.groups)
        self.k, self.v = ns.expand_dims(k, axis=2), ns.expand_dims(v, axis=2)
        self.mask: Any = None if mask is None else _grouped(ns, mask, self.groups)
        self.causal, self.scale, self.dropout = causal, scale, dropout
        self.shape = (*q.shape[:3], k.shape[2])

    def blocks(self) -> Iterator[tuple[slice, int]]:
        """Rows, and how many keys they see; the last rows, which see most, first."""
        for rows in reversed(row_blocks(self.shape)):
            yield rows, min(rows.stop, self.shape[3]) if self.causal else self.shape[3]

    def scores(self, rows: slice, keys: int) -> Array:
        """q · k · scale of some rows, -inf where a key is hidden."""
        ns = self.ns
        s = ns.matmul(self.q[..., rows, :] * self.scale, ns.matrix_transpose(self.k[..., :keys, :]))
        if self.causal:
            row = ns.expand_dims(ns.arange(rows.start, rows.stop), axis=-1)
            s = ns.where(ns.arange(keys) <= row, s, ns.full_like(s, -math.inf))
        if self.mask is not None:
            mask = self.mask_of(rows)
            s = ns.where(mask, s, ns.full_like(s, -math.inf)) if mask.dtype == ns.bool else s + mask
        return s

    def mask_of(self, rows: slice) -> Array:
        """The mask of some rows."""
        return self.mask if self.mask.shape[-2] == 1 else self.mask[..., rows, :]

    def thinned(self, weights: Array, rows: slice, keys: int) -> Array:
        """Weights, or what is multiplied by them, after dropout."""
        if self.dropout is None:
            return weights
        keep = _grouped(self.ns, self.ns.attention_kept(self.dropout, self.shape, rows)[..., :keys], self.groups)
        factor = 1 / (1 - self.dropout[0]) if self.dropout[0] < 1 else 0.0
        return self.ns.where(keep, weights * factor, self.ns.zeros_like(weights))


def attention(
    ns: Any, q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float, dropout: Dropout
) -> tuple[Array, Array]:
    """The result (B, H, L, V), and the logarithm of each row's sum, (B, K, G, L, 1): infinite where a row sees nothing."""
    problem = _Problem(ns, q, k, v, mask, causal, scale, dropout)
    outs, sums = [], []
    for rows, keys in problem.blocks():
        s = problem.scores(rows, keys)
        top = ns.max(s, axis=-1, keepdims=True)
        top = ns.where(top == -math.inf, ns.zeros_like(top), top)
        e = ns.exp(s - top)
        total = ns.sum(e, axis=-1, keepdims=True)
        blind = total == 0
        total = ns.where(blind, ns.ones_like(total), total)
        outs.append(ns.matmul(problem.thinned(e, rows, keys), problem.v[..., :keys, :]) / total)
        sums.append(ns.where(blind, ns.full_like(total, math.inf), ns.log(total) + top))
    out = ns.concat(outs[::-1], axis=-2)
    return ns.reshape(out, (*q.shape[:3], v.shape[-1])), ns.concat(sums[::-1], axis=-2)


def attention_backward(
    ns: Any,
    g: Array,
    args: tuple[Any, ...],
    out: Array,
    sums: Array,
    needed: Sequence[bool],
) -> tuple[Array, Array, Array, Array]:
    """The gradients of queries, keys, values and mask, None where one is not needed.

    With weights P = exp(scores - sums): dV = Pᵀ G, dS = P ∘ (G Vᵀ - rows of G ∘ out summed), dQ = dS K, dK = dSᵀ Q.
    """
    problem = _Problem(ns, *args)
    q, k, v, mask = args[:4]
    g = _grouped(ns, g, problem.groups)
    inner = ns.sum(g * _grouped(ns, out, problem.groups), axis=-1, keepdims=True)
    gq: list[Array] = []
    gk = gv = gm = None
    for rows, keys in problem.blocks():
        p = ns.exp(problem.scores(rows, keys) - sums[..., rows, :])
        slope = g[..., rows, :]
        if needed[2]:
            gv = _onto(ns, gv, ns.matmul(ns.matrix_transpose(problem.thinned(p, rows, keys)), slope))
        if not (needed[0] or needed[1] or needed[3]):
            continue
        ds = problem.thinned(ns.matmul(slope, ns.matrix_transpose(problem.v[..., :keys, :])), rows, keys)
        ds = p * (ds - inner[..., rows, :])
        if needed[3]:
            gm = _mask_gradient(ns, gm, ds, problem.mask)
        if needed[0]:
            gq.append(ns.matmul(ds, problem.k[..., :keys, :]) * problem.scale)
        if needed[1]:
            gk = _onto(ns, gk, ns.matmul(ns.matrix_transpose(ds), problem.q[..., rows, :] * problem.scale))
    return (
        ns.reshape(ns.concat(gq[::-1], axis=-2), q.shape) if needed[0] else None,
        _filled(ns, gk, k) if needed[1] else None,
        _filled(ns, gv, v) if needed[2] else None,
        ns.reshape(gm, mask.shape) if needed[3] else None,
    )


def _onto(ns: Any, total: Array, part: Array) -> Array:
    """Add gradients of the first keys, summed over the heads that share them, to those of more keys."""
    part = ns.sum(part, axis=2)
    if total is None:
        return part
    keys = part.shape[-2]
    head = total[..., :keys, :] + part
    return head if keys == total.shape[-2] else ns.concat([head, total[..., keys:, :]], axis=-2)


def _filled(ns: Any, gradient: Array, like: Array) -> Array:
    """Gradients of the first keys, and zeros for those that no row sees."""
    missing = like.shape[-2] - gradient.shape[-2]
    if not missing:
        return gradient
    return ns.concat([gradient, ns.zeros_like(like[..., :missing, :])], axis=-2)


def _mask_gradient(ns: Any, total: Array, ds: Array, mask: Array) -> Array:
    """The gradient of an additive mask with one more block, which lies before those that came so far."""
    lead = [i for i, n in enumerate(mask.shape) if n == 1 and ds.shape[i] != 1]
    part = ns.sum(ds, axis=tuple(lead), keepdims=True) if lead else ds
    if total is None:
        return part
    return total + part if mask.shape[-2] == 1 else ns.concat([part, total], axis=-2)
