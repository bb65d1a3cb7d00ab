"""Convolution of every kind in NumPy: windows become columns, and the weight is multiplied with them.

Columns are made for a few samples, or a few rows of one, at a time: they stay in the cache, use the same memory again and again, and
are made anew in the backward pass. Without windows (1×1 with stride 1) the input is its own columns.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_scratch import scratch
from tinygrad_edu.backends._numpy_threads import share

Array = Any
Sizes = tuple[int, ...]

BLOCK = 1 << 18  # about as many numbers are in the columns that are made at once
SHARES = 1 << 16  # and in the products that are then added up


@dataclass(frozen=True)
class Plan:
    """A convolution's sizes and settings; :func:`plan_of` makes one, once for each shape."""

    sizes: Sizes
    lengths: Sizes
    counts: Sizes
    stride: Sizes
    padding: tuple[tuple[int, int], ...]
    dilation: Sizes
    groups: int

    @functools.cached_property
    def plain(self) -> bool:
        """Whether the input is its own columns."""
        return set(self.sizes) == set(self.stride) == {1} and not self.pads

    @functools.cached_property
    def pads(self) -> bool:
        """Whether anything is added or cut off."""
        return any(map(any, self.padding))

    @functools.cached_property
    def wide(self) -> Sizes:
        """The sizes with padding."""
        return tuple(m + a + b for m, (a, b) in zip(self.lengths, self.padding, strict=True))

    @functools.cached_property
    def inside(self) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Where the input lies in the padded one, and which part of it lies there."""
        target = tuple(slice(max(a, 0), m - max(b, 0)) for m, (a, b) in zip(self.wide, self.padding, strict=True))
        source = tuple(slice(max(-a, 0), m - max(-b, 0)) for m, (a, b) in zip(self.lengths, self.padding, strict=True))
        return target, source

    def blocks(self, samples: slice, rows: slice, column: int) -> Iterator[tuple[slice, slice]]:
        """Samples, and rows of the first dimension, whose columns with ``column`` numbers each are made at once."""
        row = column * math.prod(self.counts[1:])
        count = rows.stop - rows.start
        together = max(BLOCK // max(row * count, 1), 1)
        step = count if together > 1 or row * count <= BLOCK else max(BLOCK // row, 1)
        for n in range(samples.start, samples.stop, together):
            for r in range(rows.start, rows.stop, max(step, 1)):
                yield slice(n, min(n + together, samples.stop)), slice(r, min(r + step, rows.stop))

    def padded(self, x: Array) -> Array:
        """Samples with zeros around them."""
        if not self.pads:
            return x
        target, source = self.inside
        out = scratch("padded", (*x.shape[:2], *self.wide), x.dtype)
        out.fill(0)
        out[(..., *target)] = x[(..., *source)]
        return out

    def places(self, offset: Sizes, rows: slice) -> tuple[Any, ...]:
        """Where the element of the windows at ``offset`` meets the padded input, for the windows of some rows."""
        starts = [k * d for k, d in zip(offset, self.dilation, strict=True)]
        counts = (rows.stop - rows.start, *self.counts[1:])
        starts[0] += rows.start * self.stride[0]
        return (..., *(slice(i, i + s * (m - 1) + 1, s) for i, s, m in zip(starts, self.stride, counts, strict=True)))

    def columns(self, wide: Array, rows: slice, ones: bool) -> Array:
        """(N, groups, C/groups·sizes (+ a row of ones), windows of some rows), from the padded input."""
        n, c = wide.shape[:2]
        counts = (rows.stop - rows.start, *self.counts[1:])
        height = c // self.groups * math.prod(self.sizes)
        out = scratch("columns", (n, self.groups, height + ones, math.prod(counts)), wide.dtype)
        if ones:
            out[:, :, height] = 1
        strides = wide.strides[2:]
        windows: Array = np.ndarray(
            (n, self.groups, c // self.groups, *self.sizes, *counts),
            wide.dtype,
            wide,
            rows.start * self.stride[0] * strides[0],
            (
                wide.strides[0],
                wide.strides[1] * (c // self.groups),
                wide.strides[1],
                *(j * d for j, d in zip(strides, self.dilation, strict=True)),
                *(j * s for j, s in zip(strides, self.stride, strict=True)),
            ),
        )
        out[:, :, :height].reshape(windows.shape)[...] = windows
        return out


@functools.lru_cache(1024)
def plan_of(
    lengths: Sizes, sizes: Sizes, stride: Sizes, padding: tuple[tuple[int, int], ...], dilation: Sizes, groups: int
) -> Plan:
    """The plan for an input of these lengths and a window of these sizes."""
    counts = tuple(
        (m + a + b - d * (k - 1) - 1) // s + 1
        for m, k, s, (a, b), d in zip(lengths, sizes, stride, padding, dilation, strict=True)
    )
    return Plan(sizes, lengths, counts, stride, padding, dilation, groups)


def cost(inner: int, outer: int, plan: Plan, batch: int) -> float:
    """About how many ns forward and backward take one thread."""
    return batch * math.prod(plan.counts) * math.prod(plan.sizes) * inner * (3.5 + outer / 15)


def forward(x: Array, w: Array, b: Array | None, plan: Plan) -> Array:
    """y = w ∗ x + b."""
    batch, outer, groups = len(x), len(w), plan.groups
    y = np.empty((batch, outer, *plan.counts), x.dtype)
    flat = y.reshape(batch, groups, outer // groups, math.prod(plan.counts))
    rows = w.reshape(groups, outer // groups, -1)
    height, rest = rows.shape[2], math.prod(plan.counts[1:])
    plain = plan.plain
    if b is not None and not plain:  # against a row of ones in the columns
        rows = np.concatenate([rows, b.reshape(groups, -1, 1)], axis=2)

    def work(samples: slice, lines: slice) -> None:
        if plain:
            out = flat[samples]
            np.matmul(rows, x[samples].reshape(len(out), groups, height, -1), out=out)
            if b is not None:
                out += b.reshape(groups, -1, 1)
            return
        held, wide = None, x
        for some, part in plan.blocks(samples, lines, x.shape[1] * math.prod(plan.sizes)):
            if held != some:
                held, wide = some, plan.padded(x[some])
            columns = plan.columns(wide, part, b is not None)
            np.matmul(rows, columns, out=flat[some, :, :, part.start * rest : part.stop * rest])

    products = y.size // outer * x.shape[1] * math.prod(plan.sizes) * (outer // groups + 16)
    if batch > 1 or plain:
        share(lambda samples: work(samples, slice(0, plan.counts[0])), batch, products)
    else:
        share(lambda lines: work(slice(0, batch), lines), plan.counts[0], products)
    return y


def gradients(x: Array | None, w: Array | None, g: Array, inner: int, plan: Plan) -> tuple[Array | None, Array | None]:
    """The gradients by x, when there is a w, and by w, when there is an x."""
    batch, outer, groups = len(g), g.shape[1], plan.groups
    flat = g.reshape(batch, groups, outer // groups, math.prod(plan.counts))
    height, rest = inner // groups * math.prod(plan.sizes), math.prod(plan.counts[1:])
    gx = None if w is None else (np.empty if plan.plain else np.zeros)((batch, inner, *plan.lengths), g.dtype)
    turned = None if w is None else w.reshape(groups, outer // groups, height).swapaxes(1, 2)
    sums: list[Array] = []

    def work(samples: slice) -> None:
        gw = np.zeros((outer, inner // groups, *plan.sizes), g.dtype)
        total = gw.reshape(groups, outer // groups, height)
        for some, lines in plan.blocks(samples, slice(0, plan.counts[0]), inner * math.prod(plan.sizes)):
            part = flat[some, :, :, lines.start * rest : lines.stop * rest]
            if x is not None:
                if plan.plain:
                    columns = x[some].reshape(len(part), groups, height, -1)[
                        ..., lines.start * rest : lines.stop * rest
                    ]
                else:
                    columns = plan.columns(plan.padded(x[some]), lines, False)
                _add_products(part, columns.swapaxes(2, 3), total)
            if gx is None or turned is None:
                continue
            if plan.plain:
                target = gx[some].reshape(len(part), groups, height, -1)
                np.matmul(turned, part, out=target[..., lines.start * rest : lines.stop * rest])
            else:
                columns = scratch("columns", (*part.shape[:2], height, part.shape[3]), g.dtype)
                np.matmul(turned, part, out=columns)
                _add_back(columns, gx[some], lines, plan)
        sums.append(gw)

    share(work, batch, g.size // outer * inner * math.prod(plan.sizes) * (outer // groups + 32) * 2)
    if x is None:
        return gx, None
    return gx, functools.reduce(np.add, sums)


def _add_products(left: Array, right: Array, total: Array) -> None:
    """Add the products of all samples to ``total``, some at a time that stay in the cache."""
    step = max(SHARES // total.size, 1)
    for at in range(0, len(left), step):
        shares = scratch("shares", (len(left[at : at + step]), *total.shape), total.dtype)
        for one in np.matmul(left[at : at + step], right[at : at + step], out=shares):
            total += one


def _add_back(columns: Array, gx: Array, lines: slice, plan: Plan) -> None:
    """Add columns of some rows to where their elements came from."""
    n, inner = gx.shape[:2]
    wide = gx
    if plan.pads:
        wide = scratch("padded", (n, inner, *plan.wide), gx.dtype)
        wide.fill(0)
    parts = columns.reshape(n, inner, *plan.sizes, lines.stop - lines.start, *plan.counts[1:])
    for offset in itertools.product(*map(range, plan.sizes)):
        wide[plan.places(offset, lines)] += parts[(slice(None), slice(None), *offset)]
    if wide is not gx:
        target, source = plan.inside
        gx[(..., *source)] += wide[(..., *target)]
