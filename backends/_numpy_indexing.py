"""Indexing with integer arrays, faster than NumPy's own: through flat positions, and with equal rows summed up first."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
_SMALL = 512  # elements below which NumPy's own indexing is faster


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
    rows, sums = sum_rows(rows.reshape(-1), value.reshape(-1, *front.shape[k:]))
    front[np.unravel_index(rows, front.shape[:k])] += sums


def sum_rows(rows: Array, values: Array) -> tuple[Array, Array]:
    """Distinct rows in rising order and, for each, the sum of its values: (R,), (R, …) to (U,), (U, …)."""
    if rows.size == 0:
        return rows, values
    # Sixteen-bit keys are sorted by radix, several times faster.
    order = np.argsort(rows.astype(np.uint16) if rows.max() < 1 << 16 else rows, kind="stable")
    ordered = rows[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    starts = np.flatnonzero(first)
    distinct = ordered[starts]
    if starts.size == rows.size:
        return distinct, values[order]
    kept = values.astype(np.float32) if values.dtype == np.float16 else values
    counts = np.diff(np.append(starts, rows.size))
    if counts.max() * 2000 < values.size:
        sums = _in_rounds(kept, order, starts, counts)
    else:
        group = np.empty(rows.size, np.int64)
        group[order] = np.cumsum(first) - 1
        width = values.size // rows.size
        sums = np.zeros((starts.size, *values.shape[1:]), kept.dtype)
        where = (group * width)[:, None] + np.arange(width)
        np.add.at(sums.reshape(-1), where.reshape(-1), kept.reshape(-1))
    return distinct, sums.astype(values.dtype, copy=False)


def _in_rounds(values: Array, order: Array, starts: Array, counts: Array) -> Array:
    """Sums of groups: round k adds the k-th value of every group that has so many, the largest groups first."""
    by_size = np.argsort(-counts, kind="stable")
    starts, falling = starts[by_size], -counts[by_size]
    sums = values[order[starts]]
    for k in range(1, -falling[0]):
        groups = np.searchsorted(falling, -k, side="left")
        sums[:groups] += values[order[starts[:groups] + k]]
    back = np.empty_like(by_size)
    back[by_size] = np.arange(by_size.size)
    return sums[back]
