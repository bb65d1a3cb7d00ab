"""Indexing with integer arrays, faster than NumPy's own: through flat positions, and with equal rows summed up first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any
_SMALL = 512  # elements below which NumPy's own indexing is faster
_ROUNDS = 6  # of values for each row; reduceat takes long for few of them, and rounds take long for many
_LATER = np.arange(2, _ROUNDS + 2)  # how many values a row needs to be in the second round, and so on


def repeats(index: Any) -> bool:
    """Whether an index may name the same element twice: only integer arrays can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        (isinstance(p, list) and p and not isinstance(p[0], bool))
        or (isinstance(p, np.ndarray) and p.dtype != np.bool_ and p.size > 1)
        for p in parts
    )


def places(x: Array, index: Any) -> Array | None:
    """Where ``x[index]`` lies in the flat array, for integer arrays in all dimensions; None where that doesn't pay.

    Raises
    ------
    IndexError
        When an index is out of range.
    """
    if not isinstance(index, tuple) or len(index) != x.ndim or not x.flags.c_contiguous:
        return None
    if any(type(p) is not np.ndarray or p.dtype.kind not in "iu" for p in index):
        return None
    if x.ndim < 2 or max((p.size for p in index), default=0) < _SMALL:
        return None
    where: Any = 0
    for axis, (n, part) in enumerate(zip(x.shape, index, strict=True)):
        low, high = part.min(), part.max()
        if low < -n or high >= n:
            raise IndexError(f"index {low if low < -n else high} is out of bounds for axis {axis} with size {n}")
        part = part.astype(np.int64, copy=False)
        where = where * n + (np.where(part < 0, part + n, part) if low < 0 else part)
    return where


def all_places(shape: tuple[int, ...], index: Any) -> Array:
    """Where ``x[index]`` lies in the flat array, for any index, from one line of multiples a dimension."""
    where: Any = 0
    step = 1
    for axis in reversed(range(len(shape))):
        n = shape[axis]
        line = (np.arange(n) * step).reshape((n,) + (1,) * (len(shape) - 1 - axis))
        where = where + np.broadcast_to(line, shape)[index]
        step *= n
    return where


def neighbouring(x: Array, index: Any) -> tuple[int, list[Array]] | None:
    """How many dimensions stand before integer arrays that name whole rows, and these arrays; None for other indices."""
    parts = index if isinstance(index, tuple) else (index,)
    lead = next((i for i, p in enumerate(parts) if not (isinstance(p, slice) and p == slice(None))), 0)
    arrays = [np.asarray(p) for p in parts[lead:]]
    if (x.ndim > lead + len(arrays) or lead) and all(a.dtype.kind in "iu" for a in arrays):
        return lead, arrays
    return None


def add_rows(x: Array, lead: int, index: list[Array], value: Array) -> None:
    """``x[..., index] += value`` for integer arrays after ``lead`` whole dimensions, repeated rows adding up."""
    k, common = len(index), np.broadcast_shapes(*[i.shape for i in index])
    value = np.broadcast_to(value, (*x.shape[:lead], *common, *x.shape[lead + k :]))
    if not value.size:
        return
    front = np.moveaxis(x, range(lead, lead + k), range(k))
    value = np.moveaxis(value, range(lead, lead + len(common)), range(len(common)))
    rows = np.ravel_multi_index([np.broadcast_to(i, common) for i in index], front.shape[:k], mode="wrap")
    rows, sums = sum_rows(rows.reshape(-1), value.reshape(-1, *front.shape[k:]), math.prod(front.shape[:k]))
    front[np.unravel_index(rows, front.shape[:k])] += sums


def put_rows(x: Array, index: Any, value: Array) -> bool:
    """``x[index] = value`` for whole rows of a table, each as one large element: twice as fast; False where it is not that."""
    if type(index) is not np.ndarray or index.ndim != 1 or index.dtype.kind != "i" or x.size < _SMALL:
        return False
    if (
        type(value) is not np.ndarray
        or value.ndim != x.ndim
        or x.shape[1:] != value.shape[1:]
        or index.size != len(value)
        or x.dtype != value.dtype
        or x.dtype.hasobject
    ):
        return False
    if not (x.flags.c_contiguous and value.flags.c_contiguous and x.flags.writeable and value.size):
        return False
    row = np.dtype((np.void, x.itemsize * (x.size // len(x))))
    x.reshape(-1).view(row).put(index, value.reshape(-1).view(row))
    return True


def sum_rows(rows: Array, values: Array, n: int) -> tuple[Array, Array]:
    """Distinct rows of a table of ``n``, in rising order, and, for each, the sum of its values: (R,), (R, …) to (U,), (U, …)."""
    if rows.size == 0:
        return rows, values
    if rows.dtype.kind == "i" and rows.min() < 0:
        rows = np.where(rows < 0, rows + n, rows)
    order = _order(rows, n)
    ordered = rows.take(order)
    first = np.empty(rows.size, bool)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = first.nonzero()[0]
    distinct = ordered.take(starts)
    if starts.size == rows.size:
        return distinct, values.take(order, axis=0)
    kept = values.astype(np.float32) if values.dtype == np.float16 else values
    sums = kept.take(order.take(starts), axis=0)
    counts = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1] = rows.size - starts[-1]
    # Rows that come several times, the most frequent first: those of the next round are always the first ones.
    groups = (counts > 1).nonzero()[0]
    groups = groups.take((-counts.take(groups)).argsort(kind="stable"))
    counts, starts = counts.take(groups), starts.take(groups)
    left = groups.size - counts[::-1].searchsorted(_LATER)  # in each round
    many = kept.take(order.take(starts), axis=0)
    for k, n in enumerate(left[:-1], 1):
        if n:
            many[:n] += kept.take(order.take(starts[:n] + k), axis=0)
    n = left[-1]
    if n:
        rest = counts[:n] - _ROUNDS
        ends = rest.cumsum()
        begins = ends - rest
        places = (starts[:n] + (_ROUNDS - begins)).repeat(rest)
        places += np.arange(places.size)
        many[:n] += _add_runs(kept.take(order.take(places), axis=0), begins)
    if not put_rows(sums, groups, many):
        sums[groups] = many
    return distinct, sums.astype(values.dtype, copy=False)


def _order(rows: Array, n: int) -> Array:
    """What sorts row numbers, equal ones in their order: sixteen bits at a time, which NumPy sorts by radix, several times faster."""
    order = rows.astype(np.uint16).argsort(kind="stable")
    for shift in range(16, (n - 1).bit_length(), 16):
        order = order.take((rows >> shift).astype(np.uint16).take(order).argsort(kind="stable"))
    return order


def _add_runs(values: Array, begins: Array) -> Array:
    """The sums of the runs of rows that begin there; of single precision two columns at a time, as one complex number."""
    if values.dtype == np.float32 and values.shape[-1] % 2 == 0 and values.ndim > 1:
        return np.add.reduceat(values.view(np.complex64), begins, axis=0).view(np.float32)
    return np.add.reduceat(values, begins, axis=0)
