"""Losses in NumPy, in row blocks that stay in the cache and are shared between threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_threads import split

Array = Any
BLOCK = 1 << 16  # elements of a block of rows: 256 KiB in single precision
LONG = 1 << 13  # elements that einsum adds up one after the other in several places

# Between these no exponential in a sum has overflowed, and none that counts has lost digits: then they are right as they are, and
# the largest logits need not be looked for and subtracted.
FEW, MANY = 1e-25, 1e25


def _blocks(at: slice, width: int) -> list[slice]:
    rows = max(1, BLOCK // max(width, 1))
    return [slice(i, min(i + rows, at.stop)) for i in range(at.start, at.stop, rows)]


def _row_sums(e: Array, out: Array) -> None:
    """The sums of rows: by einsum, which has several in vector registers, in pieces that are short enough to be exact."""
    np.einsum("ij->i", e[:, :LONG], out=out)
    for start in range(LONG, e.shape[1], LONG):
        out += np.einsum("ij->i", e[:, start : start + LONG])


def cross_entropy(x: Array, target: Array, keep: bool) -> tuple[Array, tuple[Array, Array] | None]:
    """The loss of each row, ln Σ exp(x) - x[target], and what the backward needs: exp(x - max), or exp(x), and its sums.

    Shapes: x (N, C), target (N,).
    """
    n, width = x.shape
    top, total = np.zeros(n, x.dtype), np.empty(n, x.dtype)
    work = np.empty_like(x, order="C") if keep else None

    def share(at: slice) -> None:
        with np.errstate(over="ignore"):
            for rows in _blocks(at, width):
                some, e, sums = x[rows], None if work is None else work[rows], total[rows]
                e = np.exp(some, e)
                _row_sums(e, sums)
                if not (sums.min() > FEW and sums.max() < MANY):
                    np.max(some, axis=1, out=top[rows])
                    e = np.subtract(some, top[rows, None], e)
                    np.exp(e, e)
                    _row_sums(e, sums)

    split(share, n, 4 * x.size)
    losses = np.log(total)
    losses += top
    losses -= x[np.arange(n), target]
    return losses, None if work is None else (work, total[:, None])


def cross_entropy_backward(
    work: tuple[Array, Array], target: Array, keep: Array | None, factor: Any, reuse: bool
) -> Array:
    """The gradient of the logits, (softmax - one-hot) · factor, and 0 in rows that ``keep`` leaves out; in the memory of
    ``work`` when it may be used up."""
    e, total = work
    n, width = e.shape
    scale = np.full((n, 1), factor, e.dtype)
    out = e if reuse else np.empty_like(e)
    by_sum = scale / total

    def share(at: slice) -> None:
        for rows in _blocks(at, width):
            np.multiply(e[rows], by_sum[rows], out[rows])

    split(share, n, 2 * e.size)
    out[np.arange(n), target] -= scale[:, 0]
    if keep is not None:
        out[~keep] = 0
    return out


def ctc_beginnings(emitted: Array, path: Array, lowest: float) -> Array:
    """The logarithms of the probabilities of all beginnings of a reading, (T, N, L), from those of single steps; ``lowest`` stands
    for ln 0."""
    length, batch, places = emitted.shape
    padded = np.full((length, batch, places + 2), lowest, emitted.dtype)
    alpha = padded[:, :, 2:]
    alpha[0, :, :2] = emitted[0, :, :2]
    barred = np.ones(path.shape, bool)
    np.equal(path[:, 2:], path[:, :-2], out=barred[:, 2:])
    ways = np.empty((3, batch, places), emitted.dtype)
    top = np.empty((batch, places), emitted.dtype)
    for t in range(1, length):
        for k in range(3):  # stay, go on by one, pass over a blank
            np.copyto(ways[k], padded[t - 1, :, 2 - k : places + 2 - k])
        np.copyto(ways[2], lowest, where=barred)
        np.maximum(ways[0], ways[1], out=top)
        np.maximum(top, ways[2], out=top)
        np.subtract(ways, top, out=ways)
        np.exp(ways, out=ways)
        total = np.add(ways[0], ways[1], out=ways[0])
        total += ways[2]
        np.log(total, out=total)
        top += total
        np.add(top, emitted[t], out=alpha[t])
    return alpha
