"""Winograd's convolution F(4×4, k×k) in NumPy: stride 1, all work in matrix products.

In one dimension four outputs of a window of k elements need n = k + 3 products: y = Aᵀ (G w ∘ Bᵀ x) for n inputs x (Lavin and
Gray, 2016, after Toom, Cook and Winograd). In two dimensions the products of all channels are n² matrix products, and
rows and columns are transformed one after the other. Here Aᵀ and Bᵀ are blown up to matrices that act on whole rows of
the picture: they cut it into tiles, put the zeros around it and drop what sticks out at its end, so that no element is
copied to a tile. Their transposes do the same for gradients.

An infinity or NaN in the input is one in all results of its stretch of up to 28 rows and columns, since infinity times zero is not a
number; a plain sum would keep it within the window.

Layouts: x (N, C, H, W); transformed (n·tw, n·th, N·C) for th × tw tiles, which is (n, tw, n, th·N, C) for the products
with the weight (n, 1, n, O, C).
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.backends._numpy_scratch import scratch
from tinygrad_edu.backends._numpy_threads import share

Array = Any

TILE = 4  # outputs of a tile, in each dimension
WIDE = 7  # the most tiles that one matrix acts on
BLOCK = 1 << 17  # about as many numbers of a transformed input are worked on at once: they fit in the cache
ROWS = 10  # products have at least one row for so many channels: with fewer, the weight is read too often
POINTS = {  # those with the smallest rounding errors of a few that were tried
    2: (0.0, 1.0, -1.0, 0.5),
    3: (0.0, 1.0, -1.0, 2.0, -0.5),
    4: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5),
    5: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5),
}


@functools.cache
def _bases(k: int) -> tuple[Array, Array, Array]:
    """A (n, 4), G (n, k) and B (n, n) for windows of k: evaluation at points and at infinity, and its inverse's adjoint."""
    points = POINTS[k]
    n = len(points) + 1
    a, g, b = np.zeros((n, TILE)), np.zeros((n, k)), np.zeros((n, n))
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        a[i] = p ** np.arange(TILE)
        g[i] = p ** np.arange(k) / math.prod(p - q for q in others)
        b[i, : n - 1] = np.polynomial.polynomial.polyfromroots(others)
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.polynomial.polynomial.polyfromroots(points)
    return a, g, b


class Stretch(NamedTuple):
    """Some tiles of one dimension: the outputs and inputs that they cover, and their matrices."""

    tiles: int
    outputs: slice
    inputs: slice
    into: Array  # (n · tiles, inputs)
    out_of: Array  # (outputs, n · tiles)


@functools.lru_cache(1024)
def _stretches(k: int, length: int, before: int, count: int) -> tuple[Stretch, ...]:
    """One dimension of ``length`` inputs, after ``before`` zeros, and ``count`` outputs, cut into stretches."""
    a, _, b = _bases(k)
    n, total = len(b), -(-count // TILE)
    parts = -(-total // WIDE)
    made = []
    for part in range(parts):
        first, last = total * part // parts, total * (part + 1) // parts
        tiles = last - first
        lo, hi = first * TILE, min(last * TILE, count)
        start, stop = max(lo - before, 0), min(last * TILE + k - 1 - before, length)
        into = np.zeros((n, tiles, max(stop - start, 0)), np.float32)
        out_of = np.zeros((hi - lo, n, tiles), np.float32)
        for t in range(tiles):
            for u in range(n):
                place = (first + t) * TILE + u - before
                if start <= place < stop:
                    into[:, t, place - start] = b[:, u]
            for u in range(min(TILE, hi - lo - t * TILE)):
                out_of[t * TILE + u, :, t] = a[:, u]
        made.append(
            Stretch(
                tiles,
                slice(lo, hi),
                slice(start, stop),
                into.reshape(n * tiles, -1),
                out_of.reshape(hi - lo, n * tiles),
            )
        )
    return tuple(made)


@functools.cache
def _to_weight(k: int) -> Array:
    """The matrix (n², k²) that transforms windows of the weight."""
    g = _bases(k)[1]
    return np.einsum("ia,jb->jiab", g, g).reshape(len(g) ** 2, k * k).astype(np.float32)


def _transformed(w: Array, turned: bool) -> Array:
    """The weight as (n, 1, n, O, C) or, turned, (n, 1, n, C, O): products with a matrix that lies in order are faster."""
    k = w.shape[2]
    n = k + TILE - 1
    if turned:
        w = np.ascontiguousarray(w.swapaxes(0, 1))
    return (_to_weight(k) @ w.reshape(-1, k * k).T).reshape(n, 1, n, *w.shape[:2])


class _Plan:
    """How a convolution is cut up: stretches of both dimensions, and the number of samples in a block."""

    def __init__(self, lengths: tuple[int, ...], counts: tuple[int, ...], padding: Any, k: int, channels: int) -> None:
        self.n = k + TILE - 1
        self.k = k
        self.rows = _stretches(k, lengths[0], padding[0][0], counts[0])
        self.columns = _stretches(k, lengths[1], padding[1][0], counts[1])
        high, wide = (max(s.tiles for s in stretches) for stretches in (self.rows, self.columns))
        self.block = max(BLOCK // (self.n**2 * high * wide * channels), -(-channels // (ROWS * high)), 1)
        self.single = all(
            len(stretches) == 1 and stretches[0].inputs == slice(0, length)
            for stretches, length in zip((self.rows, self.columns), lengths, strict=True)
        )

    def across(self, name: str, x: Array, matrix: Array, places: slice) -> Array:
        """The transform along W: (N, C, H, W) to (P, N·C, H)."""
        n, c, h, w = x.shape
        out = scratch(name, (len(matrix), n * c * h), x.dtype)
        np.matmul(matrix, x.reshape(n * c * h, w)[:, places].T, out=out)
        return out.reshape(len(matrix), n * c, h)

    def down(self, name: str, s: Array, matrix: Array, places: slice) -> Array:
        """The transform along H: (P, N·C, H) to (P, Q, N·C)."""
        out = scratch(name, (len(s), len(matrix), s.shape[1]), s.dtype)
        return np.matmul(matrix, s[:, :, places].transpose(0, 2, 1), out=out)

    def products(self, name: str, v: Array, u: Array, samples: int) -> Array:
        """Each of the n² matrices (tiles · N, C) times a weight (C, O): (P, Q, N·C) to (P, Q, N·O)."""
        n, (p, q, _), (c, o) = self.n, v.shape, u.shape[-2:]
        rows = q // n * samples
        out = scratch(name, (n, p // n, n, rows, o), v.dtype)
        np.matmul(v.reshape(n, p // n, n, rows, c), u, out=out)
        return out.reshape(p, q, samples * o)

    def back(self, m: Array, up: Array, left: Array, bias: Array | None, out: Array) -> None:
        """Out of the transform, first along H and then along W: (P, Q, N·O) to (N·O, h, w)."""
        p, _, channels = m.shape
        z = scratch("winograd z", (p + 1, len(up), channels), m.dtype)
        np.matmul(up, m, out=z[:p])
        if bias is not None:  # a row of ones in the last product carries it
            z[p] = bias
            left = np.concatenate([left, np.ones((1, left.shape[1]), left.dtype)])
        np.matmul(z[: len(left)].transpose(1, 2, 0), left, out=out.transpose(1, 0, 2))

    def merged(self, name: str, v: Array, samples: int) -> Array:
        """The tiles of all columns side by side: (P, Q, N·C) to (n², tiles · N, C)."""
        n, (p, q, channels) = self.n, v.shape
        out = scratch(name, (n, n, p // n, q // n * channels), v.dtype)
        np.copyto(out, v.reshape(n, p // n, n, q // n * channels).transpose(0, 2, 1, 3))
        return out.reshape(n * n, p // n * (q // n) * samples, channels // samples)


def cost(inner: int, outer: int, counts: tuple[int, ...], k: int, batch: int) -> float:
    """About how many ns forward and backward take one thread."""
    growth = (k + TILE - 1) ** 2
    tiles = math.prod(-(-m // TILE) for m in counts) * batch
    return 3 * growth * (tiles * (1.9 * inner + 1.2 * outer + inner * outer / 45) + inner * outer / 2)


def forward(x: Array, w: Array, b: Array | None, counts: tuple[int, ...], padding: Any) -> Array:
    """y = w ∗ x + b."""
    batch, inner, outer = len(x), x.shape[1], len(w)
    plan = _Plan(x.shape[2:], counts, padding, w.shape[2], max(inner, outer))
    y = np.empty((batch, outer, *counts), x.dtype)
    u = _transformed(w, True)

    def work(part: slice, rows: slice) -> None:
        for at in range(part.start, part.stop, plan.block):
            some = slice(at, min(at + plan.block, part.stop))
            samples = some.stop - some.start
            bias = None if b is None else np.tile(b, samples)
            flat = y[some].reshape(samples * outer, *counts)
            for column in plan.columns:
                s = plan.across("winograd s", x[some], column.into, column.inputs)
                for row in plan.rows[rows]:
                    v = plan.down("winograd v", s, row.into, row.inputs)
                    m = plan.products("winograd m", v, u, samples)
                    plan.back(m, row.out_of, column.out_of.T, bias, flat[:, row.outputs, column.outputs])

    if batch > 1:
        share(lambda part: work(part, slice(None)), batch, y.size * (inner + 32) * 5)
    else:  # of a single picture, the rows
        share(lambda rows: work(slice(0, batch), rows), len(plan.rows), y.size * (inner + 32) * 5)
    return y


def gradients(
    x: Array | None, w: Array | None, g: Array, lengths: tuple[int, ...], k: int, padding: Any
) -> tuple[Array | None, Array | None]:
    """The gradients by x, when there is a w, and by w, when there is an x."""
    batch, outer, counts = len(g), g.shape[1], g.shape[2:]
    inner = x.shape[1] if x is not None else w.shape[1]  # type: ignore[union-attr]
    plan = _Plan(lengths, counts, padding, k, max(inner, outer))
    n = plan.n
    u = None if w is None else _transformed(w, False)
    gx = None if w is None else (np.empty if plan.single else np.zeros)((batch, inner, *lengths), g.dtype)
    sums: list[Array] = []
    sums_shape = (n * n, outer, inner)

    def work(part: slice) -> None:
        total = None
        for at in range(part.start, part.stop, plan.block):
            some = slice(at, min(at + plan.block, part.stop))
            samples = some.stop - some.start
            for column in plan.columns:
                sg = plan.across("winograd s", g[some], column.out_of.T, column.outputs)
                sx = None if x is None else plan.across("winograd sx", x[some], column.into, column.inputs)
                for row in plan.rows:
                    m = plan.down("winograd m", sg, row.out_of.T, row.outputs)
                    if sx is not None:
                        v = plan.down("winograd v", sx, row.into, row.inputs)
                        v = plan.merged("winograd merged v", v, samples)
                        rows = plan.merged("winograd merged m", m, samples).transpose(0, 2, 1)
                        share_of = scratch("winograd total" if total is None else "winograd share", sums_shape, g.dtype)
                        np.matmul(rows, v, out=share_of)
                        if total is None:
                            total = share_of
                        else:
                            total += share_of
                    if gx is not None:
                        v = plan.products("winograd v", m, u, samples)
                        target = gx[some].reshape(samples * inner, *lengths)[:, row.inputs, column.inputs]
                        if plan.single:
                            plan.back(v, row.into.T, column.into, None, target)
                        else:
                            shape = (target.shape[1], target.shape[0], target.shape[2])
                            overlap = scratch("winograd x", shape, g.dtype).transpose(1, 0, 2)
                            plan.back(v, row.into.T, column.into, None, overlap)
                            target += overlap
        if total is not None:
            sums.append(total)

    share(work, batch, g.size * (inner + 32) * 10)
    if x is None:
        return gx, None
    total = functools.reduce(np.add, sums) if sums else np.zeros(sums_shape, g.dtype)
    gw = np.empty((outer, inner, k, k), g.dtype)
    gw.reshape(outer * inner, k * k)[...] = (_to_weight(k).T @ total.reshape(n * n, outer * inner)).T
    return gx, gw
