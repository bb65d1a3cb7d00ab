"""Normalisation in NumPy: blocks that stay in the cache from the mean to the result, shared between threads.

What is normalised lies in memory in one of two ways. Layer, group and instance norm average over what lies together: their
input is (N, G, M), with a mean for each n and g. Batch norm averages over (N, L) of (N, C, L), so that a channel's elements lie
apart: it works on some channels of all samples at a time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_scratch import scratch
from tinygrad_edu.backends._numpy_threads import pieces, split

Array = Any
Axes = tuple[int, ...]
BLOCK = 1 << 17  # elements of a block: 512 KiB in single precision
_LONG = 8192  # elements from which on a plain running sum is less exact than NumPy's pairwise one


def _blocks(length: int, width: int) -> list[slice]:
    """Slices of ``range(length)`` of one size, of about BLOCK elements at most, ``width`` elements to a step."""
    return pieces(slice(0, length), max(1, BLOCK // max(width, 1)))


def _share(work: Callable[[int, slice], None], blocks: list[slice], elements: int) -> None:
    """Call ``work(number, block)`` for all blocks, in two threads where it pays."""

    def some(part: slice) -> None:
        for i in range(part.start, part.stop):
            work(i, blocks[i])

    split(some, len(blocks), elements)


def _dots(x: Array, y: Array) -> Array:
    """Sums of products over the last axis."""
    if x.shape[-1] > _LONG:
        return (x * y).sum(-1)
    return np.vecdot(x, y)


# Over what lies together: x (N, G, M), weight and bias (G, M), or without G ----------------------------------------------------


def _as_rows(x: Array, axes: Axes, grouped: bool) -> Array:
    """(N, G, M), or (N, M) of a layer norm, which has one group."""
    lead = (x.shape[0], x.shape[1]) if grouped else (math.prod(x.shape[: axes[0]]),)
    return np.ascontiguousarray(x).reshape(*lead, math.prod(x.shape[axes[0] :]))


def _as_table(parameter: Array | None, shape: tuple[int, ...]) -> Array | None:
    """A parameter of (G, K, 1 …) or of a layer norm's shape, as (G, M) or (M)."""
    if parameter is None or parameter.size == math.prod(shape):
        return None if parameter is None else parameter.reshape(shape)
    table = parameter.reshape(shape[0], -1)
    return np.repeat(table, shape[1] // max(table.shape[1], 1), axis=1)


@functools.lru_cache(64)
def _filled(shape: tuple[int, ...], value: float, dtype: Any) -> Array:
    """An array of one number, to multiply by."""
    return np.full(shape, value, dtype)


def _outer(column: Array, table: Array | None, out: Array) -> Array:
    """A column times a table: of one group by BLAS, which is faster than a multiplication that broadcasts."""
    if table is None:
        out[...] = column[..., None]
        return out
    if out.ndim == 2:
        return np.dot(column[:, None], table[None], out=out)
    return np.multiply(column[..., None], table, out=out)


def _along(x: Array, table: Array | None) -> Array:
    """Means over the last axis of x times a table."""
    width = x.shape[-1]
    if width > _LONG or (x.ndim > 2 and table is not None):
        return (x.sum(-1) if table is None else _dots(x, np.broadcast_to(table, x.shape))) / width
    if table is None:
        return np.matmul(x, _filled((width,), 1 / width, x.dtype))
    means = np.matmul(x, table)
    means /= width
    return means


def _down(column: Array, x: Array, out: Array) -> None:
    """Sums over the first axis of x times a column."""
    if x.ndim == 2:
        np.matmul(column, x, out=out)
    else:
        np.einsum("ng,ngm->gm", column, x, out=out)


def _rates(spread: Array, eps: float) -> Array:
    """1 / √(variance + eps)."""
    rate = spread + eps
    np.sqrt(rate, out=rate)
    return np.reciprocal(rate, out=rate)


def _rows(
    grouped: bool, centred: bool, x: Array, weight: Array, bias: Array, axes: Axes, eps: float
) -> tuple[Array, Any, Array]:
    """The result, and mean and variance with ``axes`` of size 1."""
    rows = _as_rows(x, axes, grouped)
    *lead, width = rows.shape
    result = np.empty(x.shape, x.dtype)
    out = result.reshape(rows.shape)
    means, spreads = np.empty((2, *lead), x.dtype)
    w, b = _as_table(weight, rows.shape[1:]), _as_table(bias, rows.shape[1:])

    def work(_: int, at: slice) -> None:
        block, target = rows[at], out[at]
        if centred:
            means[at] = _along(block, None)
            block = np.subtract(block, means[at, ..., None], out=target)
        spread = spreads[at] = _dots(block, block) * x.dtype.type(1 / width)
        rate = _rates(spread, eps)
        np.multiply(block, rate[..., None], out=target)
        if w is not None:
            target *= w
        if b is not None:
            target += b

    _share(work, _blocks(len(rows), math.prod(rows.shape[1:])), 4 * rows.size)
    kept = (*x.shape[: axes[0]], *(1,) * len(axes))
    return result, means.reshape(kept) if centred else None, spreads.reshape(kept)


def _rows_backward(
    grouped: bool,
    centred: bool,
    g: Array,
    x: Array,
    weight: Array,
    bias: Array,
    axes: Axes,
    eps: float,
    mean: Array,
    spread: Array,
    needed: list[bool],
) -> tuple[Any, ...]:
    """Gradients of input, weight and bias.

    With r = 1 / √(variance + eps), c = x - mean and means over a row, that of the input is r (g w - mean(g w) - c r² mean(g w c)). The
    sums of g w c over a row and of g c r over all rows are products of one table, g c, with a vector.
    """
    rows, slopes = _as_rows(x, axes, grouped), _as_rows(g, axes, grouped)
    lead = rows.shape[:-1]
    result = np.empty(x.shape, x.dtype) if needed[0] else None
    out = None if result is None else result.reshape(rows.shape)
    w = _as_table(weight, rows.shape[1:])
    rates = _rates(spread.reshape(lead), eps)
    means = mean.reshape(lead) if centred else None
    blocks = _blocks(len(rows), math.prod(rows.shape[1:]))
    # One partial sum for each block, so that the total does not depend on which thread did what.
    gw, gb = (np.empty((len(blocks), *rows.shape[1:]), x.dtype) if need else None for need in needed[1:])

    def work(i: int, at: slice) -> None:
        block, slope, rate = rows[at], slopes[at], rates[at]
        if means is not None:
            block = np.subtract(block, means[at, ..., None], out=scratch("norm centred", block.shape, x.dtype))
        both = np.multiply(slope, block, out=scratch("norm products", block.shape, x.dtype))
        if gb is not None:
            _down(_filled(rate.shape, 1, x.dtype), slope, gb[i])
        if gw is not None:
            _down(rate, both, gw[i])
        if out is None:
            return
        pull = _along(both, w)
        pull *= -(rate * rate * rate)
        target = np.multiply(slope, _outer(rate, w, both), out=out[at])
        if not centred:
            block = np.multiply(block, pull[..., None], out=both)
        else:
            block *= pull[..., None]
            shift = _along(slope, w)
            shift *= rate
            target -= shift[..., None]
        target += block

    _share(work, blocks, 6 * rows.size)
    return result, _to_parameter(gw, weight), _to_parameter(gb, bias)


def _to_parameter(tables: Array | None, parameter: Array) -> Array | None:
    """The gradient of a parameter from those of its table, one from each block."""
    if tables is None:
        return None
    table = tables.sum(0) if len(tables) > 1 else tables[0]
    table = table if table.size == parameter.size else table.reshape(parameter.size, -1).sum(1)
    return table.reshape(parameter.shape)


# Over channels of a group: x (N, C, L) with a weight for each channel ---------------------------------------------------

_SHORT = 16  # elements of a channel below which a table of weights is faster than a weight for each row


def _sums(x: Array) -> Array:
    """Sums over the last axis."""
    return x.sum(-1) if x.shape[-1] > _LONG else np.matmul(x, _filled(x.shape[-1:], 1, x.dtype))


def _in_groups(x: Array, groups: int) -> Array:
    """(N, C) summed to (N, G)."""
    return x.reshape(len(x), groups, -1).sum(-1)


def _for_channels(x: Array, channels: int) -> Array:
    """(N, G) repeated to (N, C, 1)."""
    return np.repeat(x, channels // x.shape[1], axis=1)[..., None]


def group_norm(x: Array, weight: Array, bias: Array, axes: Axes, eps: float) -> tuple[Array, Array, Array]:
    """The result, and mean and variance of each group of each sample."""
    n, groups, each, *rest = x.shape
    length = math.prod(rest)
    if length < _SHORT:
        return _rows(True, True, x, weight, bias, axes, eps)
    channels, size = groups * each, each * length
    planes = np.ascontiguousarray(x).reshape(n, channels, length)
    out = np.empty_like(planes)
    means, spreads = np.empty((2, n, groups), x.dtype)

    def work(_: int, at: slice) -> None:
        block, target = planes[at], out[at]
        means[at] = _in_groups(_sums(block), groups) / size
        np.subtract(block, _for_channels(means[at], channels), out=target)
        spreads[at] = _in_groups(_dots(target, target), groups) / size
        factor = _for_channels(_rates(spreads[at], eps), channels)
        target *= factor if weight is None else factor * weight.reshape(channels, 1)
        if bias is not None:
            target += bias.reshape(channels, 1)

    _share(work, _blocks(n, channels * length), 4 * x.size)
    kept = (n, groups, *(1,) * len(axes))
    return out.reshape(x.shape), means.reshape(kept), spreads.reshape(kept)


def group_norm_backward(
    g: Array,
    x: Array,
    weight: Array,
    bias: Array,
    axes: Axes,
    eps: float,
    mean: Array,
    spread: Array,
    needed: list[bool],
) -> tuple[Any, ...]:
    """Gradients of input, weight and bias: those of :func:`_rows_backward`, from the sums of g and of g c over each channel."""
    n, groups, each, *rest = x.shape
    length = math.prod(rest)
    if length < _SHORT:
        return _rows_backward(True, True, g, x, weight, bias, axes, eps, mean, spread, needed)
    channels, size = groups * each, each * length
    planes, slopes = (np.ascontiguousarray(y).reshape(n, channels, length) for y in (x, g))
    out = np.empty_like(planes) if needed[0] else None
    means, rates = mean.reshape(n, groups), _rates(spread.reshape(n, groups), eps)
    w = _filled((channels,), 1, x.dtype) if weight is None else weight.reshape(channels)
    gw, gb = np.empty((2, n, channels), x.dtype)  # of each sample

    def work(_: int, at: slice) -> None:
        slope, rate = slopes[at], rates[at]
        middle = _for_channels(means[at], channels)
        centred = np.subtract(planes[at], middle, out=scratch("norm centred", slope.shape, x.dtype))
        total, match = _sums(slope), _dots(slope, centred)
        gb[at] = total
        np.multiply(match, _for_channels(rate, channels)[..., 0], out=gw[at])
        if out is None:
            return
        target = np.multiply(slope, _for_channels(rate, channels) * w[:, None], out=out[at])
        centred *= _for_channels(_in_groups(match * w, groups) * rate * rate * rate / -size, channels)
        target += centred
        target += _for_channels(_in_groups(total * w, groups) * rate / -size, channels)

    _share(work, _blocks(n, channels * length), 6 * x.size)
    return (
        None if out is None else out.reshape(x.shape),
        gw.sum(0).reshape(weight.shape) if needed[1] else None,
        gb.sum(0).reshape(bias.shape) if needed[2] else None,
    )


# Over what lies apart: x (N, C, L), weight and bias (C) -------------------------------------------------------------------


def _as_channels(x: Array) -> Array:
    """(N, C, L) without gaps."""
    return np.ascontiguousarray(x).reshape(x.shape[0], x.shape[1], -1)


def _by_channel(columns: Array, length: int) -> Array:
    """Sums over L of what was summed over N: (C·L) to (C)."""
    return columns.reshape(-1, length).sum(1)


def batch_norm(x: Array, weight: Array, bias: Array, axes: Axes, eps: float) -> tuple[Array, Array, Array]:
    """The result, and mean and variance of each channel."""
    planes = _as_channels(x)
    n, channels, length = planes.shape
    out = np.empty_like(planes)
    means, spreads = np.empty((2, channels), x.dtype)
    size = n * length

    def work(_: int, at: slice) -> None:
        # All channels of the block side by side, (N, c·L): a factor for each channel is repeated L times.
        block, target = planes[:, at].reshape(n, -1), out[:, at].reshape(n, -1)
        middle = np.divide(_by_channel(np.add.reduce(block, 0), length), size, out=means[at])
        np.subtract(block, np.repeat(middle, length), out=target)
        squares = np.einsum("nk,nk->k", target, target)
        spread = np.divide(_by_channel(squares, length), size, out=spreads[at])
        factor = 1 / np.sqrt(spread + eps)
        target *= np.repeat(factor if weight is None else factor * weight.reshape(-1)[at], length)
        if bias is not None:
            target += np.repeat(bias.reshape(-1)[at], length)

    _share(work, _blocks(channels, size), 5 * planes.size)
    kept = (1, channels, *(1,) * (x.ndim - 2))
    return out.reshape(x.shape), means.reshape(kept), spreads.reshape(kept)


def batch_norm_backward(
    g: Array,
    x: Array,
    weight: Array,
    bias: Array,
    axes: Axes,
    eps: float,
    mean: Array,
    spread: Array,
    needed: list[bool],
) -> tuple[Any, ...]:
    """Gradients of input, weight and bias."""
    planes, slopes = _as_channels(x), _as_channels(g)
    n, channels, length = planes.shape
    out = np.empty_like(planes) if needed[0] else None
    gw, gb = np.empty((2, channels), x.dtype)
    means, rates = mean.reshape(-1), 1 / np.sqrt(spread.reshape(-1) + eps)
    size = n * length

    def work(_: int, at: slice) -> None:
        slope = slopes[:, at].reshape(n, -1)
        centred = np.subtract(planes[:, at].reshape(n, -1), np.repeat(means[at], length))
        total = gb[at] = _by_channel(np.add.reduce(slope, 0), length)
        match = _by_channel(np.einsum("nk,nk->k", slope, centred), length) * rates[at]
        gw[at] = match
        if out is None:
            return
        factor = rates[at] if weight is None else rates[at] * weight.reshape(-1)[at]
        target = np.multiply(slope, np.repeat(factor, length), out=out[:, at].reshape(n, -1))
        centred *= np.repeat(factor * rates[at] * match / size, length)
        target -= centred
        target -= np.repeat(factor * total / size, length)

    _share(work, _blocks(channels, size), 7 * planes.size)
    shape = (channels, *(1,) * (x.ndim - 2))
    return (
        None if out is None else out.reshape(x.shape),
        gw.reshape(shape) if needed[1] else None,
        gb.reshape(shape) if needed[2] else None,
    )


KERNELS: dict[str, Callable[..., Any]] = {
    "layer_norm": functools.partial(_rows, False, True),
    "layer_norm_backward": functools.partial(_rows_backward, False, True),
    "rms_norm": functools.partial(_rows, False, False),
    "rms_norm_backward": functools.partial(_rows_backward, False, False),
    "group_norm": group_norm,
    "group_norm_backward": group_norm_backward,
    "batch_norm": batch_norm,
    "batch_norm_backward": batch_norm_backward,
}
