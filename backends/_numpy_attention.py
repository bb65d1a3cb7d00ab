"""Attention in NumPy: tables of weights that stay in the cache, a few heads or a few rows of one head at a time.

Shapes as in :mod:`_attention`: inside, queries are (B, K, G, L, E), keys and values (B, K, 1, S, …). Each thread takes some pairs of
sequence and head of keys, so that no two write to the same gradient.

Three things make the passes over a table few. A column of ones, appended to the keys, subtracts the logarithms of the sums within
the product; another, appended to the values, subtracts what the softmax's derivative needs. Masks are added, -inf where a key is
hidden, on the blocks of the diagonal alone where attention is causal. And where no score of a block is large, the largest of a row
need not be found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_blas import address
from tinygrad_edu.backends._numpy_elementwise import is_calm
from tinygrad_edu.backends._numpy_scratch import scratch
from tinygrad_edu.backends._numpy_threads import share

Array = Any
Dropout = tuple[float, int] | None

TABLE = 1 << 17  # elements of a table of weights
ROWS = 64  # rows of a block where attention is causal, so that little is computed in vain
FEW = 16  # rows below which keys are used as they lie
TILE = 256  # rows and keys of the part of a larger table that the backward pass computes at once
_BLIND = 1e30  # the logarithm of the sum of a row that sees nothing: finite, since infinity times 0 is not a number


def kept(dropout: tuple[float, int], head: int, rows: slice, keys: int) -> Array:
    """Which weights of some rows of a head stay: a generator with a counter gives every row numbers of its own."""
    p, seed = dropout
    counters = -(-keys // 8)  # of a row: each gives four numbers of 64 bits, and so eight of 32
    draws = np.random.Philox(key=np.array([seed, head], np.uint64), counter=rows.start * counters)
    words = draws.random_raw((rows.stop - rows.start) * counters * 4).view(np.uint32)
    return words.reshape(rows.stop - rows.start, -1)[:, :keys] >= np.uint32(min(p * 2**32, 2**32 - 1))


def all_kept(dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
    """Which weights of some rows of (B, H, L, S) stay."""
    batch, heads, _, keys = shape
    found = [kept(dropout, i, rows, keys) for i in range(batch * heads)]
    return np.stack(found).reshape(batch, heads, rows.stop - rows.start, keys)


def _like(x: Array, shape: tuple[int, ...]) -> Array:
    """An empty array whose dimensions lie in memory in the order of those of ``x``, the last one last."""
    if x.flags.c_contiguous:
        return np.empty(shape, x.dtype)
    order = sorted(range(x.ndim - 1), key=lambda i: -x.strides[i]) + [x.ndim - 1]
    return np.empty([shape[i] for i in order], x.dtype).transpose([order.index(i) for i in range(x.ndim)])


def _beside(arrays: Sequence[Array]) -> list[Array]:
    """Empty arrays that lie in memory as the given ones: as parts of one array, if these are such parts.

    Whoever needs the gradient of that one array, as a layer that computes queries, keys and values at once, has it then without
    a copy.
    """
    root = arrays[0].base
    together = type(root) is np.ndarray and root.flags.c_contiguous and root.size == sum(x.size for x in arrays)
    apart = together and all(x.base is root and x.strides == arrays[0].strides for x in arrays)
    if not apart or any(np.shares_memory(x, y) for x, y in itertools.combinations(arrays, 2)):
        return [_like(x, x.shape) for x in arrays]
    twin = np.empty_like(root)
    starts = [address(x) - address(root) for x in arrays]
    return [np.ndarray(x.shape, x.dtype, twin, start, x.strides) for x, start in zip(arrays, starts, strict=True)]


def _grouped(x: Array, groups: int) -> Array:
    """A view of (B, H, …) as (B, K, G, …); a dimension of size 1 stays."""
    heads = (x.shape[1] // groups, groups) if x.shape[1] > 1 else (1, 1)
    return x.reshape(x.shape[0], *heads, *x.shape[2:])


def _part(x: Array, sequences: slice, heads: slice) -> Array:
    """Some sequences and heads of what may have size 1 there."""
    return x[sequences if x.shape[0] > 1 else slice(None), heads if x.shape[1] > 1 else slice(None)]


class _Problem:
    """The arguments of attention, as views with a dimension for the heads that share keys."""

    def __init__(self, q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float, dropout: Dropout) -> None:
        self.groups = q.shape[1] // k.shape[1]
        self.q, self.k, self.v = _grouped(q, self.groups), k[:, :, None], v[:, :, None]
        self.batch, self.heads, _, self.rows, self.wide = self.q.shape
        self.keys, self.out = v.shape[2:]
        self.bias: Any = None
        self.hides_only = mask is None or mask.dtype == bool
        if mask is not None:
            self.bias = _grouped(mask, self.groups)
            if mask.dtype == bool and mask.size <= TABLE:
                self.bias = self._added(self.bias)
        self.causal, self.scale, self.dropout = causal, scale, dropout

    def _added(self, mask: Array) -> Array:
        """A mask as numbers to add."""
        if mask.dtype != bool:
            return mask
        return np.where(mask, np.zeros((), self.q.dtype), np.asarray(-math.inf, self.q.dtype))

    def chunks(self) -> list[tuple[slice, slice]]:
        """Sequences and heads whose tables are computed together: several where they are small, so that calls are few."""
        table = self.groups * self.rows * self.keys
        together = max(1, TABLE // max(table * self.heads, 1))
        if together > 1 or table * self.heads <= TABLE:
            count = -(-self.batch // together)
            count = min(self.batch, count + count % 2)  # for two threads
            bounds = [self.batch * i // count for i in range(count + 1)]
            return [(slice(a, b), slice(0, self.heads)) for a, b in itertools.pairwise(bounds)]
        step = max(1, TABLE // table)
        heads = [slice(h, min(h + step, self.heads)) for h in range(0, self.heads, step)]
        return [(slice(n, n + 1), part) for n in range(self.batch) for part in heads]

    def blocks(self, rows: slice, keys: slice) -> Iterator[tuple[slice, slice]]:
        """Some rows of a part of the table, and the keys of the part that they see: fewer where attention is causal."""
        if not self.causal or rows.start >= keys.stop - 1:
            yield rows, keys
            return
        for start in range(rows.start, rows.stop, ROWS):
            stop = min(start + ROWS, rows.stop)
            if stop > keys.start:
                yield slice(start, stop), slice(keys.start, min(stop, keys.stop))

    def hide(self, s: Array, rows: slice, keys: slice, at: tuple[slice, slice]) -> None:
        """Add the mask to the scores of some rows and keys."""
        if self.causal and keys.stop - 1 > rows.start:
            first = max(rows.start, keys.start)
            corner = s[..., first - rows.start :, first - keys.start :]
            corner += _later(rows.stop - first, keys.stop - first, s.dtype)
        if self.bias is not None:
            bias = _part(self.bias, *at)
            bias = bias if bias.shape[-2] == 1 else bias[..., rows, :]
            s += self._added(bias if bias.shape[-1] == 1 else bias[..., keys])

    def kept(self, at: tuple[slice, slice], rows: slice, keys: slice) -> Array:
        """What the weights of some rows and keys are multiplied by in dropout."""
        assert self.dropout is not None
        sequences, heads = at
        sizes = [x.stop - x.start for x in (sequences, heads, rows, keys)]
        found = np.empty((*sizes[:2], self.groups, *sizes[2:]), self.q.dtype)
        for i, n in enumerate(range(sequences.start, sequences.stop)):
            for j, h in enumerate(range(heads.start, heads.stop)):
                for g in range(self.groups):
                    head = (n * self.heads + h) * self.groups + g
                    found[i, j, g] = kept(self.dropout, head, rows, self.keys)[:, keys]
        found *= 1 / (1 - self.dropout[0]) if self.dropout[0] < 1 else 0.0
        return found

    def tiles(self) -> list[tuple[slice, slice]]:
        """The parts of the table that the backward pass computes at once; those of the first keys first."""
        rows, keys = TILE, TILE
        if self.dropout is not None:  # whose numbers are drawn for whole rows
            rows, keys = max(ROWS, TABLE // self.keys // ROWS * ROWS), self.keys
        elif not self.causal:
            keys = max(TILE, TILE * TILE // min(self.rows, TILE))
        return [
            (slice(r, min(r + rows, self.rows)), slice(k, min(k + keys, self.keys)))
            for k in range(0, self.keys, keys)
            for r in range(0, self.rows, rows)
            if not self.causal or min(r + rows, self.rows) > k
        ]

    @property
    def products(self) -> int:
        """Multiplications of the forward pass."""
        return self.batch * self.heads * self.groups * self.rows * self.keys * (self.wide + self.out)


_corners: dict[tuple[int, int, Any], Array] = {}


def _later(rows: int, keys: int, dtype: Any) -> Array:
    """-inf above the diagonal, 0 elsewhere."""
    found = _corners.get((rows, keys, dtype))
    if found is None:
        found = np.where(np.tri(rows, keys, dtype=bool), 0.0, -math.inf).astype(dtype)
        if rows <= ROWS >= keys:
            _corners[rows, keys, dtype] = found
    return found


def _turned(name: str, x: Array, factor: float, more: int) -> Array:
    """(…, S, E) as (…, E + more, S) times a factor; what is more are ones."""
    out = scratch(name, (*x.shape[:-2], x.shape[-1] + more, x.shape[-2]), x.dtype)
    np.multiply(x.swapaxes(-1, -2), factor, out=out[..., : x.shape[-1], :])
    out[..., x.shape[-1] :, :] = 1
    return out


def _with_column(name: str, x: Array, column: Array) -> Array:
    """(…, L, E) with a further column, negated."""
    out = scratch(name, (*x.shape[:-1], x.shape[-1] + 1), x.dtype)
    out[..., :-1] = x
    np.negative(column, out=out[..., -1:])
    return out


def attention(
    q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float, dropout: Dropout
) -> tuple[Array, Array]:
    """The result (B, H, L, V), and the logarithm of each row's sum, (B, K, G, L, 1)."""
    problem = _Problem(q, k, v, mask, causal, scale, dropout)
    result = _like(q, (*q.shape[:3], v.shape[3]))
    outs = _grouped(result, problem.groups)
    sums = np.empty((*problem.q.shape[:4], 1), q.dtype)
    chunks = problem.chunks()

    def work(at: slice) -> None:
        for chunk in chunks[at]:
            _forward(problem, chunk, outs[chunk], sums[chunk])

    share(work, len(chunks), problem.products)
    return result, sums


def _forward(problem: _Problem, chunk: tuple[slice, slice], out: Array, sums: Array) -> None:
    q, k, v = problem.q[chunk], problem.k[chunk], problem.v[chunk]
    if problem.rows < FEW:  # to turn all keys would cost more than the scores
        q, turned = q * problem.scale, k.swapaxes(-1, -2)
    else:
        turned = _turned("attention keys", k, problem.scale, 0)
    many = problem.rows
    if math.prod(q.shape[:4]) * problem.keys > TABLE:
        many = max(16, min(ROWS, TABLE // (problem.groups * problem.keys)))
    elif problem.causal:
        many = ROWS
    for start in range(0, problem.rows, many):
        rows = slice(start, min(start + many, problem.rows))
        keys = slice(0, min(rows.stop, problem.keys) if problem.causal else problem.keys)
        s = scratch("attention weights", (*q.shape[:3], rows.stop - rows.start, keys.stop), q.dtype)
        np.matmul(q[..., rows, :], turned[..., keys], out=s)
        calm = problem.hides_only and is_calm(s)
        problem.hide(s, rows, keys, chunk)
        if not calm:
            top = s.max(-1, keepdims=True)
            top[top == -math.inf] = 0
            s -= top
        np.exp(s, out=s)
        total = np.einsum("...j->...", s)[..., None]
        blind = total == 0
        some = blind.any()
        if some:
            total[blind] = 1
        if problem.dropout is not None:
            s *= problem.kept(chunk, rows, keys)
        target = out[..., rows, :]
        np.matmul(s, v[..., keys, :], out=target)
        target /= total
        logs = np.log(total, out=sums[..., rows, :])
        if not calm:
            logs += top
        if some:
            logs[blind] = _BLIND


def attention_backward(
    g: Array, args: tuple[Any, ...], out: Array, sums: Array, needed: Sequence[bool]
) -> tuple[Any, ...]:
    """The gradients of queries, keys, values and mask, None where one is not needed."""
    q, k, v, mask = args[:4]
    problem = _Problem(*args)
    slopes, outs = _grouped(g, problem.groups), _grouped(out, problem.groups)
    found = (
        _beside((q, k, v))
        if all(needed[:3])
        else [_like(x, x.shape) if need else None for x, need in zip((q, k, v), needed, strict=False)]
    )
    targets = [None if found[0] is None else _grouped(found[0], problem.groups), *found[1:]]
    chunks = problem.chunks()
    masks: dict[int, Array] = {}  # of each thread

    def work(at: slice) -> None:
        gm = masks[at.start] = np.zeros_like(mask) if needed[3] else None
        for chunk in chunks[at]:
            parts = [None if x is None else x[chunk] for x in targets]
            spot = None if gm is None else _part(_grouped(gm, problem.groups), *chunk)
            _backward(problem, chunk, slopes[chunk], outs[chunk], sums[chunk], parts, spot)

    share(work, len(chunks), 3 * problem.products)
    gm = sum(masks[start] for start in sorted(masks)) if needed[3] else None
    return *found, gm


def _backward(
    problem: _Problem,
    chunk: tuple[slice, slice],
    g: Array,
    out: Array,
    sums: Array,
    targets: list[Any],
    gm: Array | None,
) -> None:
    q, k, v = problem.q[chunk], problem.k[chunk], problem.v[chunk]
    gq, gk, gv = targets
    inner = np.einsum("...v,...v->...", g, out)[..., None]
    queries, keys_turned = _with_column("attention queries", q, sums), _turned("attention keys", k, problem.scale, 1)
    slopes, values_turned = _with_column("attention slopes", g, inner), _turned("attention values", v, 1.0, 1)
    tiles = problem.tiles()
    alone = len(tiles) == 1 and tiles[0][1].stop == problem.keys
    if not alone:
        for target in targets:
            if target is not None:
                target[...] = 0
    for rows, keys in tiles:
        shape = (*q.shape[:3], rows.stop - rows.start, keys.stop - keys.start)
        p, ds = (scratch(f"attention {name}", shape, q.dtype) for name in ("weights", "scores"))
        for some, seen in problem.blocks(rows, keys):
            at = slice(some.start - rows.start, some.stop - rows.start), slice(0, seen.stop - seen.start)
            s, slope = p[..., *at], ds[..., *at]
            np.matmul(queries[..., some, :], keys_turned[..., seen], out=s)
            problem.hide(s, some, seen, chunk)
            np.exp(s, out=s)
            if problem.dropout is None:
                np.matmul(slopes[..., some, :], values_turned[..., seen], out=slope)
                slope *= s
            else:
                kept = problem.kept(chunk, some, seen)
                np.matmul(g[..., some, :], values_turned[..., :-1, seen], out=slope)
                slope *= kept
                slope -= inner[..., some, :]
                slope *= s
                s *= kept
            if gm is not None:
                _add_mask_gradient(gm, slope, some, seen)
            if gq is not None and alone:
                target = np.matmul(slope, k[..., seen, :], out=gq[..., some, :])
                target *= problem.scale
            elif gq is not None:
                part = np.matmul(slope, k[..., seen, :])
                part *= problem.scale
                gq[..., some, :] += part
        for table, x, target, factor in ((p, g, gv, 1.0), (ds, q, gk, problem.scale)):
            if target is not None:
                _collect(problem, rows, keys, table, x, target, factor, alone)


def _collect(
    problem: _Problem, rows: slice, keys: slice, table: Array, x: Array, target: Array, factor: float, alone: bool
) -> None:
    """Gradients of keys or values from a part of the table: tableᵀ x, summed over the heads that share them.

    They are added to those of other parts, where it is not the only one.
    """
    diagonal = problem.causal and rows.start < keys.stop - 1
    for start in range(keys.start, keys.stop, ROWS if diagonal else keys.stop - keys.start):
        stop = min(start + ROWS, keys.stop) if diagonal else keys.stop
        first = max(rows.start, start) if diagonal else rows.start  # rows before see none of these keys
        spot = target[..., start:stop, :]
        if first >= rows.stop:
            if alone:
                spot[...] = 0
            continue
        # Of the last block of rows, keys that no row sees were not computed.
        seen = min(stop, rows.stop) - start if diagonal else stop - start
        part = table[..., first - rows.start :, start - keys.start : start - keys.start + seen].swapaxes(-1, -2)
        columns = x[..., first : rows.stop, :]
        if alone:
            spot[..., seen:, :] = 0
        spot = spot[..., :seen, :]
        if alone and problem.groups == 1:
            np.matmul(part[:, :, 0], columns[:, :, 0], out=spot)
            if factor != 1:
                spot *= factor
            continue
        more = np.matmul(part, columns)
        more = more[:, :, 0] if problem.groups == 1 else more.sum(2)
        more *= factor
        if alone:
            spot[...] = more
        else:
            spot += more


def _add_mask_gradient(gm: Array, slope: Array, rows: slice, keys: slice) -> None:
    """Add to the gradient of an additive mask, summed over what it broadcasts to."""
    gm = gm if gm.shape[-2] == 1 else gm[..., rows, :]
    target = gm if gm.shape[-1] == 1 else gm[..., keys]
    axes = tuple(i for i, n in enumerate(target.shape) if n == 1 and slope.shape[i] != 1)
    target += slope.sum(axes, keepdims=True) if axes else slope
