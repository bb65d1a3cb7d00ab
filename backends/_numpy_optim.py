"""Optimizer steps in NumPy: in pieces that stay in the cache, shared between threads, small parameters side by side.

A step is a dozen passes over the arrays of a parameter. Done whole, each pass would stream megabytes through memory; done
on a few thousand elements at a time, all but the first find them in the cache. A hundred small parameters would pay for a
hundred times as many calls; laid side by side they are one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.backends import _numpy_blas, _numpy_threads

Array = Any
Rule = Callable[..., tuple[Array, ...]]

# Elements a piece: parameter, gradient, two averages and temporaries of single precision take 6 · 256 KiB, about what a
# core's cache holds. Smaller ones cost more in calls than they gain. One pass over the arrays gains nothing from being cut,
# but for sharing it between threads.
PIECE = 1 << 16
ONE_PASS = 1 << 20

# Up to how many elements an array is small, so that copying it beside others costs less than the calls that this saves, and
# how many go side by side.
SMALL = 1 << 11
BUNDLE = 1 << 14

# From how many elements on it pays to look up addresses for BLAS.
LARGE = 1 << 11


def mix(y: Array, b: float, x: Array, a: float) -> Array:
    """Array ``y`` ← b · y + a · x: by BLAS in one pass, where NumPy takes three."""
    n = y.size
    if n >= LARGE and x.dtype == y.dtype and x.size == n and y.flags.c_contiguous and x.flags.c_contiguous:
        routine = _numpy_blas.SUMS.get(y.dtype)
        if routine is not None and y.flags.writeable:
            routine(n, a, _numpy_blas.address(x), 1, b, _numpy_blas.address(y), 1)
            return y
    if b != 1:
        y *= b
    y += x if a == 1 else x * a
    return y


def apply(rule: Rule, held: list[list[Array]]) -> None:
    """Run an elementwise rule on the arrays of each parameter, in place: see ``Backend.apply_rule``."""
    if len(held) == 1 and held[0][0].size <= (ONE_PASS if len(held[0]) == 2 else PIECE):
        with np.errstate(all="ignore"):  # nothing to cut or to lay side by side, as for the rows of a table
            _keep(rule(*held[0]), held[0])
        return
    small: list[list[Array]] = []
    large: list[list[Array]] = []
    with np.errstate(all="ignore"):
        for arrays in held:
            if arrays[0].size < SMALL:
                small.append(arrays)
            elif all(a.flags.c_contiguous for i, a in enumerate(arrays) if i != 1):
                large.append([a.reshape(-1) for a in arrays])
            else:  # a flat view, which is needed to cut an array, cannot be had of every layout
                _keep(rule(*arrays), arrays)
        for bundle in _bundles(small):
            _side_by_side(rule, bundle)
    if large:
        _in_pieces(rule, large)


def _keep(results: tuple[Array, ...], arrays: list[Array]) -> None:
    """Write what a rule returned where the old values were, unless it did that itself."""
    for result, old in zip(results, [arrays[0], *arrays[2:]], strict=True):
        if result is not old:
            old[...] = result


def _bundles(held: list[list[Array]]) -> Iterator[list[list[Array]]]:
    """Cut a list of small parameters into parts that fit into the inner cache."""
    start = total = 0
    for i, arrays in enumerate(held):
        total += arrays[0].size
        if total > BUNDLE and i > start:
            yield held[start:i]
            start, total = i, arrays[0].size
    if held:
        yield held[start:]


def _side_by_side(rule: Rule, held: list[list[Array]]) -> None:
    """Run the rule on small parameters joined to one array."""
    p, g, *state = zip(*held, strict=True)
    results = rule(*[np.concatenate(arrays, axis=None) for arrays in (p, g, *state)])
    for result, olds in zip(results, (p, *state), strict=True):
        lo = 0
        for old in olds:
            hi = lo + old.size
            old[...] = result[lo:hi] if old.ndim == 1 else result[lo:hi].reshape(old.shape)
            lo = hi


def _in_pieces(rule: Rule, held: list[list[Array]]) -> None:
    """Run the rule on large parameters, piece by piece, in several threads."""
    length = ONE_PASS if len(held[0]) == 2 else PIECE
    pieces = [(flat, lo) for flat in held for lo in range(0, flat[0].size, length)]

    def work(part: slice) -> None:
        with np.errstate(all="ignore"):
            for flat, lo in pieces[part]:
                piece = [a[lo : lo + length] for a in flat]
                _keep(rule(*piece), piece)

    _numpy_threads.split(work, len(pieces), sum(flat[0].size for flat in held))
