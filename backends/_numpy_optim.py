"""Optimizer steps in NumPy: in place, in pieces that stay in the cache, shared between threads.

A step is a dozen passes over the arrays of a parameter. Done whole, each pass would stream megabytes through memory; done
on a few thousand elements at a time, all but the first find them in the cache. BLAS does a sum of two scaled vectors in one
pass, where NumPy takes three.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends import _numpy_blas, _numpy_threads

Array = Any

# Elements a piece: parameter, gradient, two averages and scratch of single precision take 5 · 256 KiB, about what a core's
# cache holds. Smaller ones cost more in calls than they gain. One pass over the arrays gains nothing from being cut, but for
# sharing it between threads.
PIECE = 1 << 16
ONE_PASS = 1 << 20

# From how many elements on it pays to look up addresses for BLAS.
LARGE = 1 << 11


# Positions in a piece: parameter, gradient, averages, and from the end scratch.
P, G, M, V, LARGEST, T, U = 0, 1, 2, 3, 4, -1, -2


class _Piece:
    """The same part of several arrays, and scratch behind them; named by their positions.

    Attributes
    ----------
    arrays : list of array
        Of one shape.
    at : list of int or None
        The address of each, when BLAS is to be used.
    n : int
        Number of elements.
    spare : array or None
        More scratch for sums without BLAS, or None where it is not worth keeping.
    """

    __slots__ = ("arrays", "at", "n", "spare")

    def __init__(self, arrays: list[Array], at: list[int] | None, n: int, spare: Array | None) -> None:
        self.arrays = arrays
        self.at = at
        self.n = n
        self.spare = spare

    def mix(self, y: int, b: float, x: int, a: float) -> None:
        """Array ``y`` ← b · y + a · x."""
        if self.at is not None:
            _numpy_blas.SUMS[self.arrays[y].dtype](self.n, a, self.at[x], 1, b, self.at[y], 1)  # type: ignore[misc]
            return
        out = self.arrays[y]
        np.multiply(out, b, out=out)
        np.add(out, np.multiply(self.arrays[x], a, out=self.spare), out=out)

    def add(self, y: int, x: int, a: float) -> None:
        """Array ``y`` ← y + a · x."""
        if self.at is not None:
            _numpy_blas.SUMS[self.arrays[y].dtype](self.n, a, self.at[x], 1, 1.0, self.at[y], 1)  # type: ignore[misc]
            return
        np.add(self.arrays[y], np.multiply(self.arrays[x], a, out=self.spare), out=self.arrays[y])


# Arrays of one shape, the second of which is only read, and constants.
_Job = tuple[list[Array], tuple[Any, ...]]


class _Scratch(threading.local):
    """Scratch that a thread keeps from step to step: two arrays of each type with their addresses, and a spare one."""

    def __init__(self) -> None:
        self.by_type: dict[Any, tuple[list[Array], list[int]]] = {}

    def of(self, dtype: Any) -> tuple[list[Array], list[int]]:
        """Scratch for arrays of a type, made at the first use: fresh memory at each step would cost more than the step."""
        if dtype not in self.by_type:
            rows = list(np.empty((3, PIECE), dtype))
            self.by_type[dtype] = rows, [_numpy_blas.address(row) for row in rows]
        return self.by_type[dtype]


_scratch = _Scratch()


class _Large:
    """A job on large arrays, cut into pieces."""

    __slots__ = ("arrays", "at", "constants", "length", "n")

    def __init__(self, arrays: list[Array], constants: tuple[Any, ...], count: int) -> None:
        dtype = arrays[P].dtype
        self.n = n = arrays[P].size
        self.arrays = [a.reshape(-1) for a in arrays]
        self.constants = constants
        at = []
        if _numpy_blas.SUMS.get(dtype):
            for i, a in enumerate(self.arrays):
                if a.dtype == dtype and a.size == n and a.flags.c_contiguous and (a.flags.writeable or i == G):
                    at.append(_numpy_blas.address(a))
        self.at = at if len(at) == len(arrays) else None
        self.length = ONE_PASS if self.at is not None and len(arrays) + count == 2 else PIECE

    def piece(self, lo: int, count: int) -> _Piece:
        """The piece that begins at element ``lo``, with ``count`` scratch arrays."""
        hi = min(lo + self.length, self.n)
        arrays = [a[lo:hi] for a in self.arrays]
        rows, rows_at = _scratch.of(arrays[0].dtype)
        arrays += [row[: hi - lo] for row in rows[:count]]
        if self.at is None:
            return _Piece(arrays, None, hi - lo, rows[-1][: hi - lo])
        start = lo * arrays[0].itemsize
        return _Piece(arrays, [a + start for a in self.at] + rows_at[:count], hi - lo, None)


def _in_pieces(step: Callable[..., None], jobs: list[_Job], count: int) -> None:
    """Call ``step(piece, *constants)`` for all jobs: small ones whole, large ones in pieces shared by several threads.

    ``count`` is the number of scratch arrays that the step uses.
    """
    large = []
    with np.errstate(all="ignore"):
        for arrays, constants in jobs:
            first = arrays[P]
            # A flat view is needed to cut an array; where its layout does not allow that it is taken whole.
            if first.size >= LARGE and all(a.flags.c_contiguous for i, a in enumerate(arrays) if i != G):
                large.append(_Large(arrays, constants, count))
            else:
                scratch = [np.empty_like(first) for _ in range(count)]
                step(_Piece(arrays + scratch, None, first.size, None), *constants)
    if not large:
        return
    pieces = [(job, lo) for job in large for lo in range(0, job.n, job.length)]

    def work(part: slice) -> None:
        with np.errstate(all="ignore"):
            for job, lo in pieces[part]:
                step(job.piece(lo, count), *job.constants)

    _numpy_threads.split(work, len(pieces), sum(job.n for job in large))


def _gradient(piece: _Piece, maximize: bool, penalty: float, scratch: int) -> int:
    """The position of ± gradient + penalty · parameter: where it is not the gradient itself, that of the scratch."""
    if not maximize and not penalty:
        return G
    held = piece.arrays
    if maximize:
        np.negative(held[G], out=held[scratch])
    else:
        held[scratch][...] = held[G]
    if penalty:
        piece.add(scratch, P, penalty)
    return scratch


def adam(
    arrays: list[list[Array]],
    steps: list[float],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """One step of Adam: see ``tinygrad_edu.optim.adam``."""
    beta1, beta2 = betas
    decay = lr * weight_decay if decoupled else 0.0
    penalty = 0.0 if decoupled else weight_decay

    amsgrad = bool(arrays) and len(arrays[0]) > LARGEST

    def step(piece: _Piece, eps: float, size: float) -> None:
        held = piece.arrays
        if decay:
            np.multiply(held[P], 1 - decay, out=held[P])
        g = _gradient(piece, maximize, penalty, U)
        t = held[T]
        piece.mix(M, beta1, g, 1 - beta1)
        np.multiply(held[g], held[g], out=t)
        piece.mix(V, beta2, T, 1 - beta2)
        v = held[V]
        if amsgrad:
            v = np.maximum(held[LARGEST], v, out=held[LARGEST])
        np.sqrt(v, out=t)
        np.add(t, eps, out=t)
        np.divide(held[M], t, out=t)
        piece.add(P, T, -size)

    jobs: list[_Job] = []
    for held, count in zip(arrays, steps, strict=True):
        # √(v / c) + eps = (√v + eps √c) / √c saves a pass.
        root = math.sqrt(1 - beta2**count)
        jobs.append((held, (eps * root, lr * root / (1 - beta1**count))))
    _in_pieces(step, jobs, 2 if maximize or penalty else 1)


def sgd(
    params: list[Array],
    grads: list[Array],
    buffers: list[Array | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of gradient descent: see ``tinygrad_edu.optim.sgd``."""

    def step(piece: _Piece, first: bool) -> None:
        held = piece.arrays
        g = _gradient(piece, maximize, weight_decay, T)
        if momentum:
            if first:
                held[M][...] = held[g]
            else:
                piece.mix(M, momentum, g, 1 - dampening)
            if nesterov:
                if g == G:
                    held[T][...] = held[G]
                piece.add(T, M, momentum)
            g = T if nesterov else M
        piece.add(P, g, -lr)

    jobs: list[_Job] = []
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        held = [p, g]
        first = momentum != 0 and buffers[i] is None
        if first:
            buffers[i] = np.empty_like(p)
        if momentum:
            held.append(buffers[i])
        jobs.append((held, (first,)))
    _in_pieces(step, jobs, 1 if maximize or weight_decay or nesterov else 0)
