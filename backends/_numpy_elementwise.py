"""Large elementwise work, sums and softmax in NumPy: in blocks that stay in the cache, shared between threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_threads import GRAIN, pieces, split

Array = Any
LARGE = 2 * GRAIN  # elements from which on two threads pay
BLOCK = 1 << 17  # elements of a block of what needs a constant beside it, or sums of rows
CALM = 40.0  # its exponential is 2e17, and sums of as many as fit into memory are far from the largest number
_ROW = 1024  # a long sum is made of rows of so many, whose sums are added pairwise: as exact as NumPy's

_ones = {np.dtype(t): np.ones(BLOCK, t) for t in (np.float32, np.float64)}
_zeros = {np.dtype(t): np.zeros(BLOCK, t) for t in (np.float16, np.float32, np.float64)}


def is_large(x: Array) -> bool:
    """Whether an array is worth to be shared between threads: many floats without gaps in memory."""
    return type(x) is np.ndarray and x.size >= LARGE and x.dtype.kind == "f" and x.flags.c_contiguous


def shared(ufunc: Callable[[Array, Array], Any]) -> Callable[[Any, Array], Array]:
    """A backend's method that shares a ufunc of one array between threads when the array is large."""

    def method(_: Any, x: Array) -> Array:
        return over_blocks(ufunc, x) if is_large(x) else ufunc(x)  # type: ignore[call-arg]

    method.__name__ = method.__qualname__ = getattr(ufunc, "__name__", "ufunc")
    return method


def over_blocks(function: Callable[[Array, Array], Any], x: Array, block: int = 1 << 30) -> Array:
    """Call ``function(part of x, part of the result)`` on all of a contiguous array."""
    out = np.empty_like(x)
    source, target = x.reshape(-1), out.reshape(-1)

    def share(part: slice) -> None:
        for at in pieces(part, block):
            function(source[at], target[at])

    split(share, x.size, x.size)
    return out


def product(x: Array, y: Array) -> Array:
    """x · y."""
    if not (is_large(x) and is_large(y) and x.shape == y.shape):
        return x * y
    out = np.empty_like(x)
    factors, others, target = x.reshape(-1), y.reshape(-1), out.reshape(-1)
    split(lambda at: np.multiply(factors[at], others[at], out=target[at]), x.size, x.size)
    return out


def in_blocks(function: Callable[..., Any], *arrays: Array) -> Any:
    """Compute a formula of several steps block by block, so that what is between the steps stays in the cache."""
    x = arrays[0]
    if not all(is_large(a) and a.shape == x.shape for a in arrays):
        return function(*arrays)
    flat = [a.reshape(-1) for a in arrays]
    first = function(*[a[:1] for a in flat])  # tells the types of the results
    outs = [np.empty(x.shape, o.dtype) for o in (first if type(first) is tuple else (first,))]
    targets = [o.reshape(-1) for o in outs]

    def share(part: slice) -> None:
        for at in pieces(part):
            found = function(*[a[at] for a in flat])
            for target, value in zip(targets, found if type(found) is tuple else (found,), strict=True):
                target[at] = value

    split(share, x.size, x.size)
    return tuple(outs) if type(first) is tuple else outs[0]


def _relu_into(x: Array, out: Array) -> None:
    # Two operands of one shape are twice as fast as an array and a number.
    np.maximum(x, _zeros[x.dtype][: x.size], out=out)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    if type(x) is not np.ndarray or x.size < 256 or not x.flags.c_contiguous or x.dtype not in _zeros:
        return np.maximum(x, 0)
    if x.size <= BLOCK:
        return np.maximum(x, _zeros[x.dtype][: x.size].reshape(x.shape))
    return over_blocks(_relu_into, x, BLOCK)


def _sigmoid_into(x: Array, out: Array) -> None:
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is right
        np.negative(x, out=out)
        np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with full relative precision far to the left, where a form by tanh gives 0."""
    if type(x) is not np.ndarray:
        x = np.asarray(x)
        return x.dtype.type(1 / (1 + math.exp(-x))) if x > -700 else x.dtype.type(math.exp(x))
    if x.dtype == np.float16:  # whose exponential is infinite from 11.1 on
        return sigmoid(x.astype(np.float32)).astype(np.float16)
    if is_large(x):
        return over_blocks(_sigmoid_into, x, BLOCK)
    out = np.empty_like(x)
    _sigmoid_into(x, out)
    return out


def total(x: Array) -> Array:
    """The sum of all elements of a large array."""
    flat = x.reshape(-1)
    whole = flat.size // _ROW * _ROW
    sums = last_axis(flat[:whole].reshape(-1, _ROW)).sum()
    return sums if whole == flat.size else sums + flat[whole:].sum()


def last_axis(x: Array) -> Array:
    """The sums over the last axis of a large array, of at most 8 · 1024 elements each."""
    rows = x.reshape(-1, x.shape[-1])
    out = np.empty(rows.shape[0], x.dtype)
    # einsum sums with several accumulators in vector registers: four times as fast as sum(axis=-1).
    split(lambda at: np.einsum("ij->i", rows[at], out=out[at]), rows.shape[0], x.size)
    return out.reshape(x.shape[:-1])


def first_axis(x: Array) -> Array:
    """The sums over the first axis of a matrix: by BLAS, which adds several rows at a time."""
    return np.dot(_ones[x.dtype][: len(x)], x)


def can_sum_first(x: Array) -> bool:
    """Whether :func:`first_axis` is right and fast for an array."""
    return (
        type(x) is np.ndarray
        and x.ndim == 2
        and x.size >= 1 << 14
        and len(x) <= BLOCK
        and x.dtype in _ones
        and x.flags.c_contiguous
    )


def can_sum_last(x: Array) -> bool:
    """Whether :func:`last_axis` is right and fast for an array."""
    return is_large(x) and 64 <= x.shape[-1] <= 8 * _ROW and x.dtype != np.float16


def is_calm(x: Array) -> bool:
    """Whether exponentials can be taken as they are: none overflows, or vanishes beside the others."""
    return bool(x.size and x.min() >= -CALM and x.max() <= CALM)


def softmax(x: Array, axis: int) -> Array:
    """exp(x - max) / Σ exp(x - max) along an axis."""
    if x.size <= BLOCK or axis not in (-1, x.ndim - 1) or x.dtype == np.float16:
        out = x - (x.max(axis, None, True) if x.size else 0)
        np.exp(out, out)
        out /= out.sum(axis, None, None, True)
        return out
    rows = x.reshape(-1, x.shape[-1])
    out = np.empty_like(rows, order="C")
    block = max(1, BLOCK // rows.shape[1])

    def share(part: slice) -> None:
        for start in range(part.start, part.stop, block):
            at = slice(start, min(start + block, part.stop))
            some, e = rows[at], out[at]
            np.exp(some if is_calm(some) else np.subtract(some, some.max(1, keepdims=True), out=e), out=e)
            e /= e.sum(1, keepdims=True) if e.shape[1] > 8 * _ROW else np.einsum("ij->i", e)[:, None]

    split(share, rows.shape[0], 4 * x.size)
    return out.reshape(x.shape)
