"""Pooling in NumPy: place by place of the window, on blocks of planes that stay in the cache, shared between threads.

A place in a window, such as its upper left corner, is a slice of the input with the stride as step; so a window of k places
takes k passes over the output and no copy of the windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_threads import split

Array = Any
BLOCK = 1 << 17  # elements of a block of planes


def _in_planes(work: Callable[[slice], None], planes: int, size: int) -> None:
    """Call ``work`` on blocks of planes with ``size`` elements each."""
    step = max(1, BLOCK // max(size, 1))

    def share(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            work(slice(start, min(start + step, part.stop)))

    split(share, planes, planes * size)


def _planes(x: Array, dims: int) -> Array:
    """(planes, …) with one dimension for all but the last ``dims``."""
    lead = x.shape[: x.ndim - dims]
    return np.ascontiguousarray(x).reshape(math.prod(lead), *x.shape[x.ndim - dims :])


def max_pool(x: Array, windows: Any) -> tuple[Array, Array]:
    """The largest element of each window, and the number of its place: the first of equal ones; NaN counts as largest."""
    planes = _planes(x, len(windows.sizes))
    shape = (len(planes), *windows.counts)
    best = np.empty(shape, x.dtype)
    places = math.prod(windows.sizes)
    choice = np.empty(shape, np.uint8 if places <= 256 else np.int32)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    first: Any = 0
    for dim, size in enumerate(windows.sizes):
        first = np.expand_dims(first, -1) * size + np.asarray(windows.first(dim))
    parts = [(int(np.ravel_multi_index(k, windows.sizes)), i, s) for k, i, s in windows.parts()]
    whole = all(i == tuple(slice(0, n) for n in windows.counts) for _, i, _ in parts[:1]) and parts and not first.any()

    def work(at: slice) -> None:
        block, top, chosen = planes[at], best[at], choice[at]
        chosen[...] = first
        if not whole:
            top.fill(lowest)
        for k, inside, source in parts:
            part, target, number = block[(..., *source)], top[(..., *inside)], chosen[(..., *inside)]
            if whole and k == 0:
                target[...] = part
                continue
            # Numbers grow, so that the last place that was better is the largest number.
            better = np.greater(part, target).view(np.uint8)
            np.maximum(number, better * number.dtype.type(k), out=number)
            np.maximum(target, part, out=target)
        if top.dtype.kind == "f" and np.isnan(top).any():
            for k, inside, source in parts:
                np.copyto(chosen[(..., *inside)], k, where=np.isnan(block[(..., *source)]))

    _in_planes(work, len(planes), math.prod(windows.lengths))
    out = (*x.shape[: x.ndim - len(windows.sizes)], *windows.counts)
    return best.reshape(out), choice.reshape(out)


def max_pool_backward(g: Array, choice: Array, windows: Any) -> Array:
    """Put the gradient of each window where its choice is."""
    dims = len(windows.sizes)
    slopes, chosen = _planes(g, dims), _planes(choice, dims)
    out = np.zeros((len(slopes), *windows.lengths), g.dtype)
    parts = [(int(np.ravel_multi_index(k, windows.sizes)), i, s) for k, i, s in windows.parts()]
    apart = windows.apart

    # Choosing by the bits of a number is several times as fast as np.where, and keeps infinities out of the zeros.
    bits = np.dtype(f"i{g.dtype.itemsize}")

    def work(at: slice) -> None:
        slope, number, target = slopes[at].view(bits), chosen[at], out[at]
        for k, inside, source in parts:
            where = (..., *inside)
            mask = np.equal(number[where], k).view(np.int8)
            np.negative(mask, out=mask)  # all bits, or none
            if apart:
                np.bitwise_and(slope[where], mask, out=target.view(bits)[(..., *source)])
            else:
                target[(..., *source)] += np.bitwise_and(slope[where], mask).view(g.dtype)

    _in_planes(work, len(slopes), math.prod(windows.lengths))
    return out.reshape(*g.shape[: g.ndim - dims], *windows.lengths)


def window_sum(x: Array, windows: Any) -> Array:
    """The sum of each window."""
    return _in_turn(x, windows, False)


def window_spread(g: Array, windows: Any) -> Array:
    """For each element the sum over the windows that it is in."""
    return _in_turn(g, windows, True)


def _in_turn(x: Array, windows: Any, back: bool) -> Array:
    """Sums along one dimension after the other: as many passes as a window is long and wide together."""
    dims = len(windows.sizes)
    planes = _planes(x, dims)
    lengths = windows.lengths if back else windows.counts
    out = np.empty((len(planes), *lengths), x.dtype)
    lines = [windows.along(dim) for dim in range(dims)]

    def work(at: slice) -> None:
        part = planes[at]
        for dim in range(dims) if back else reversed(range(dims)):
            before = (slice(None),) * (dim + 1)
            total = np.zeros((*part.shape[: dim + 1], lengths[dim], *part.shape[dim + 2 :]), x.dtype)
            for inside, source in lines[dim]:
                to, of = (source, inside) if back else (inside, source)
                total[(*before, to)] += part[(*before, of)]
            part = total
        out[at] = part

    _in_planes(work, len(planes), math.prod(windows.lengths))
    return out.reshape(*x.shape[: x.ndim - dims], *lengths)


KERNELS: dict[str, Callable[..., Any]] = {
    "max_pool": max_pool,
    "max_pool_backward": max_pool_backward,
    "window_sum": window_sum,
    "window_spread": window_spread,
}
