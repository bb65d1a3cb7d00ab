"""Indexing on the array standard alone: where ``x[index]`` lies in the flat array, and writing there.

The standard has ``take`` along one axis and nothing that writes; from these, sorting and ``where`` everything else follows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

Array = Any


def places(xp: Any, shape: tuple[int, ...], index: Any) -> Array:
    """The positions of ``x[index]`` in the flattened ``x`` of this shape, for every NumPy form of index.

    Raises
    ------
    IndexError
        When an index is out of range, or there are more indices than dimensions.
    """
    parts = _whole(shape, index)
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    offset, axis = 0, 0
    plain: list[tuple[int, Array]] = []  # where among the parts, and positions along an axis of its own
    arrays: list[tuple[int, Array]] = []  # likewise, of arrays that are broadcast against each other
    for at, part in enumerate(parts):
        if part is None:
            plain.append((at, xp.arange(1)))
        elif isinstance(part, bool):
            arrays.append((at, xp.arange(int(part)) * 0))
        elif isinstance(part, slice):
            places_here = range(*part.indices(shape[axis]))
            line = xp.arange(places_here.start, places_here.stop, places_here.step)
            plain.append((at, line * strides[axis]))
            axis += 1
        elif isinstance(part, int):
            if not -shape[axis] <= part < shape[axis]:
                raise IndexError(f"index {part} is out of range for dimension {axis} of size {shape[axis]}")
            offset += part % shape[axis] * strides[axis]
            axis += 1
        elif "bool" in str(part.dtype):
            k = len(part.shape)
            if tuple(part.shape) != tuple(shape[axis : axis + k]):
                raise IndexError(
                    f"a mask of shape {tuple(part.shape)} does not fit dimensions {shape[axis : axis + k]}"
                )
            if not k:
                arrays.append((at, xp.nonzero(xp.reshape(part, (1,)))[0] * 0))
                continue
            for where in xp.nonzero(part):
                arrays.append((at, xp.astype(where, xp.int64) * strides[axis]))
                axis += 1
        else:
            found = xp.in_range(xp.astype(part, xp.int64), shape[axis])
            arrays.append((at, found * strides[axis]))
            axis += 1
    return _outer_sum(xp, plain, arrays) + offset


def _whole(shape: tuple[int, ...], index: Any) -> list[Any]:
    """The parts of an index, with "..." and what is left out at the end written as slices."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = 0
    for part in parts:
        if part is not None and part is not ... and not isinstance(part, bool):
            used += len(part.shape) if "bool" in str(getattr(part, "dtype", "")) else 1
    if used > len(shape):
        raise IndexError(f"{used} indices for {len(shape)} dimensions")
    rest = [slice(None)] * (len(shape) - used)
    at = next((i for i, part in enumerate(parts) if part is ...), None)
    return parts + rest if at is None else parts[:at] + rest + parts[at + 1 :]


def _outer_sum(xp: Any, plain: list[tuple[int, Array]], arrays: list[tuple[int, Array]]) -> Array:
    """Add positions along axes of their own and, as one more group of axes, those of the index arrays."""
    groups = list(plain)
    if arrays:
        together = xp.broadcast_arrays(*(a for _, a in arrays))
        total = together[0]
        for other in together[1:]:
            total = total + other
        seats = [at for at, _ in arrays]
        # Index arrays that stand side by side put their axes there, others in front: NumPy's rule.
        adjacent = all(b - a <= 1 for a, b in itertools.pairwise(seats))
        groups.append((seats[0] if adjacent else -1, total))
        groups.sort(key=lambda group: group[0])
    ndim = sum(len(a.shape) for _, a in groups)
    out = xp.zeros((1,) * ndim, dtype=xp.int64)
    axis = 0
    for _, a in groups:
        k = len(a.shape)
        out = out + xp.reshape(xp.astype(a, xp.int64), (1,) * axis + tuple(a.shape) + (1,) * (ndim - axis - k))
        axis += k
    return out


def arrays_of(shape: tuple[int, ...], index: Any) -> list[tuple[int, Array]]:
    """The arrays of integers in an index, each with the dimension that it counts along."""
    found, axis = [], 0
    for part in _whole(shape, index):
        if part is None or isinstance(part, bool):
            continue
        kind = str(getattr(part, "dtype", ""))
        if "int" in kind:
            found.append((axis, part))
        axis += len(part.shape) if "bool" in kind else 1
    return found


def check(xp: Any, shape: tuple[int, ...], index: Any) -> None:
    """Raise ``IndexError`` where an index is out of range, for libraries that would clamp it or wrap it silently."""
    axis = 0
    for part in _whole(shape, index):
        if part is None or isinstance(part, bool):
            continue
        if "bool" in str(getattr(part, "dtype", "")):
            axis += len(part.shape)
            continue
        if isinstance(part, int) and not -shape[axis] <= part < shape[axis]:
            raise IndexError(f"index {part} is out of range for dimension {axis} of size {shape[axis]}")
        if hasattr(part, "dtype"):
            low, high = xp.bounds(part)
            if low < -shape[axis] or high >= shape[axis]:
                bad = low if low < -shape[axis] else high
                raise IndexError(f"index {bad} is out of range for dimension {axis} of size {shape[axis]}")
        axis += 1


def put(xp: Any, flat: Array, at: Array, values: Array) -> Array:
    """A copy of ``flat`` with ``values`` at positions ``at``; of values for one position the last stays."""
    if at.shape[0] == 0:
        return flat
    order = xp.argsort(at, stable=True)
    found, which = _last(xp, flat.shape[0], xp.take(at, order))
    return xp.where(found, xp.take(values, xp.take(order, which)), flat)


def put_combined(xp: Any, flat: Array, at: Array, values: Array, combine: Callable[[Array, Array], Array]) -> Array:
    """A copy of ``flat`` with the elements at positions ``at`` combined with ``values``, all those of a repeated position."""
    if at.shape[0] == 0:
        return flat
    order = xp.argsort(at, stable=True)
    at, values = xp.take(at, order), xp.take(values, order)
    reach = 1
    while reach < at.shape[0]:  # in sorted order equal positions are neighbours: combine 2, 4, 8, … of them
        more = xp.where(at[reach:] == at[:-reach], combine(values[:-reach], values[reach:]), values[reach:])
        values = xp.concat([values[:reach], more])
        reach *= 2
    found, which = _last(xp, flat.shape[0], at)
    return xp.where(found, combine(flat, xp.take(values, which)), flat)


def _last(xp: Any, n: int, ordered: Array) -> tuple[Array, Array]:
    """For each of n positions, whether it is among ``ordered``, and where it stands there last."""
    all_places = xp.astype(xp.arange(n), ordered.dtype)
    which = xp.searchsorted(ordered, all_places, side="right") - 1
    which = xp.where(which < 0, xp.zeros_like(which), which)
    return xp.take(ordered, which) == all_places, which
