"""Extensions of the array standard that find and move elements: indices, windows, order."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.backends import _indexing
from tinygrad_edu.backends._face import HALF, Array, Face, name_of


class Indexing(Face):
    """Elements by their places."""

    def check_index(self, shape: tuple[int, ...], index: Any) -> None:
        """Raise ``IndexError`` where an index of an array of this shape is out of range; waits for the device."""
        _indexing.check(self, shape, index)

    def in_range(self, index: Array, n: int) -> Array:
        """An integer array with negative numbers counted from the end; raises ``IndexError`` when one is out of range.

        The check waits for the device; a backend with ``checks_indices`` False leaves it out.
        """
        if self.checks_indices:
            low, high = self.bounds(index)
            if low < -n or high >= n:
                raise IndexError(f"index {low if low < -n else high} is out of range for a dimension of size {n}")
        return self.namespace.where(index < 0, index + n, index)

    def getitem(self, x: Array, index: Any) -> Array:
        """``x[index]`` for every NumPy form of index; raises ``IndexError`` when out of range."""
        places = _indexing.places(self, tuple(x.shape), index)
        flat = self.reshape(x, (-1,))
        return self.reshape(self.take(flat, self.reshape(places, (-1,))), tuple(places.shape))

    def setitem(self, x: Array, index: Any, value: Any) -> Array:
        """``x[index] = value``, in place where arrays are mutable; returns the array."""
        return self._put(_indexing.put, x, index, value)

    def index_add(self, x: Array, index: Any, value: Any) -> Array:
        """Add ``value`` at ``x[index]``, repeated positions adding up, in place where arrays are mutable.

        Of half precision in single precision, since a sum of many small numbers stands still otherwise.
        """
        if name_of(x.dtype) not in HALF:
            return self.index_combine(x, index, value, "add")
        wide = self.index_combine(self.astype(x, self.float32), index, self.astype(value, self.float32), "add")
        return self.write(x, self.astype(wide, x.dtype))

    def index_combine(self, x: Array, index: Any, value: Any, how: str) -> Array:
        """Combine ``value`` with ``x[index]`` by "add", "multiply", "maximum" or "minimum", repeated positions one after
        the other, in place where arrays are mutable."""
        put = functools.partial(_indexing.put_combined, combine=getattr(self, how))
        return self._put(put, x, index, value)

    def _put(self, put: Callable[..., Array], x: Array, index: Any, value: Any) -> Array:
        places = _indexing.places(self, tuple(x.shape), index)
        value = self.asarray(value, dtype=x.dtype) if isinstance(value, (bool, int, float)) else value
        spare = len(value.shape) - len(places.shape)  # dimensions of size 1 in front
        value = self.reshape(value, tuple(value.shape)[max(spare, 0) :])
        values = self.reshape(self.broadcast_to(self.astype(value, x.dtype), tuple(places.shape)), (-1,))
        flat = put(self, self.reshape(x, (-1,)), self.reshape(places, (-1,)), values)
        return self.reshape(flat, tuple(x.shape))

    def occurrences(self, numbers: Array) -> Array:
        """For each element of a non-empty vector of integers, how many equal ones come before it."""
        ns = self
        order = ns.argsort(numbers, stable=True)
        ordered = ns.take(numbers, order)
        starts = ns.concat([ns.ones((1,), dtype=ns.bool), ordered[1:] != ordered[:-1]])
        group = ns.cumulative_sum(ns.astype(starts, numbers.dtype)) - 1
        rank = ns.arange(numbers.shape[0]) - ns.take(ns.nonzero(starts)[0], group)
        return self.setitem(ns.zeros_like(rank), order, rank)

    def take_rows(self, table: Array, rows: Array) -> Array:
        """``table[rows]`` for an integer array ``rows``; raises ``IndexError`` when out of range."""
        return self.getitem(table, rows)

    def sum_rows(self, rows: Array, values: Array, n: int) -> tuple[Array, Array]:
        """Distinct ``rows`` of a table of ``n`` and, for each, the sum of its ``values``: (R,), (R, …) to (U,), (U, …).

        Negative numbers count from the table's end.
        """
        ns = self
        distinct, inverse = ns.unique_inverse(ns.namespace.where(rows < 0, rows + n, rows))
        sums = ns.zeros((distinct.shape[0], *values.shape[1:]), dtype=values.dtype)
        return distinct, self.index_add(sums, ns.reshape(inverse, (-1,)), values)

    def gcd(self, x: Array, y: Array) -> Array:
        """The greatest common divisor of integers, by Euclid."""
        ns = self.namespace
        x, y = ns.broadcast_arrays(x, y)
        x, y = (v if "uint" in str(v.dtype) else ns.abs(v) for v in (x, y))
        while bool(ns.any(y != 0)):
            x, y = ns.where(y == 0, x, y), ns.where(y == 0, y, x % ns.where(y == 0, ns.ones_like(y), y))
        return x

    def lcm(self, x: Array, y: Array) -> Array:
        """The least common multiple of integers."""
        ns = self.namespace
        common = self.gcd(x, y)
        size = y if "uint" in str(y.dtype) else ns.abs(y)
        multiple = x // ns.where(common == 0, ns.ones_like(common), common) * size
        return multiple if "uint" in str(multiple.dtype) else ns.abs(multiple)

    def bounds(self, x: Array) -> tuple[int, int]:
        """The smallest and largest of an integer array, (0, -1) when it is empty; waits for the device."""
        if 0 in x.shape:
            return 0, -1
        return int(self.namespace.min(x)), int(self.namespace.max(x))

    def argsort_stable(self, x: Array, axis: int, descending: bool) -> Array:
        """The stable order that sorts along ``axis``."""
        return self.namespace.argsort(x, axis=axis, descending=descending, stable=True)

    # Windows ---------------------------------------------------------------------------------------------------------

    def strided_places(self, size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
        """Where in memory element (i, j, …) of a strided view lies: offset + i · stride[0] + j · stride[1] + …"""
        ns = self
        places = ns.reshape(ns.arange(1) + offset, (1,) * len(size))
        for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
            places = places + ns.reshape(ns.arange(n) * step, (*(1,) * axis, n, *(1,) * (len(size) - axis - 1)))
        return places

    def as_strided(self, x: Array, size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
        """The elements of a contiguous array at :meth:`strided_places`; a view where the library can make one."""
        ns = self
        places = ns.strided_places(size, stride, offset)
        return ns.reshape(ns.take(ns.reshape(x, (-1,)), ns.reshape(places, (-1,))), tuple(size))

    def windows(self, x: Array, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Array:
        """All windows over the last dimensions, (…, *lengths) to (…, *sizes, *counts), for reading only.

        Element (k, i) of a dimension is x[i · step + k · dilation]; a view or a copy, whatever is faster.
        """
        ns = self
        lead = len(x.shape) - len(sizes)
        order = [*range(lead)]
        for j, (size, step, dilation) in enumerate(zip(sizes, steps, dilations, strict=True)):
            axis = lead + 2 * j
            count = (x.shape[axis] - dilation * (size - 1) - 1) // step + 1
            places = ns.reshape(ns.arange(size) * dilation, (-1, 1)) + ns.arange(count) * step
            x = ns.take(x, ns.reshape(places, (-1,)), axis=axis)
            x = ns.reshape(x, (*x.shape[:axis], size, count, *x.shape[axis + 1 :]))
        order += [lead + 2 * j for j in range(len(sizes))] + [lead + 2 * j + 1 for j in range(len(sizes))]
        return ns.permute_dims(x, tuple(order))

    def overlap_add(self, w: Array, lengths: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Array:
        """The adjoint of :meth:`windows`: (…, *sizes, *counts) to (…, *lengths), what overlaps adding up."""
        n = len(lengths)
        lead, sizes, counts = w.shape[: -2 * n], w.shape[-2 * n : -n], w.shape[-n:]
        out = self.zeros((*lead, *lengths), dtype=w.dtype)
        for offset in itertools.product(*map(range, sizes)):
            places = tuple(
                slice(k * d, k * d + s * (c - 1) + 1, s) if c else slice(0, 0)
                for k, s, d, c in zip(offset, steps, dilations, counts, strict=True)
            )
            part = w[(..., *offset, *[slice(None)] * n)]
            out = self.setitem(out, (..., *places), out[(..., *places)] + part)
        return out

    def kth_place(self, x: Array, k: int, axis: int) -> Array:
        """Where the ``k``-th smallest along ``axis`` stands, keeping the axis."""
        order = self.namespace.moveaxis(self.argsort_stable(x, axis, False), axis, 0)
        return self.namespace.moveaxis(order[k : k + 1, ...], 0, axis)

    def top_places(self, x: Array, k: int, axis: int, largest: bool) -> Array:
        """Where the ``k`` largest or smallest along ``axis`` stand, in order."""
        order = self.namespace.moveaxis(self.argsort_stable(x, axis, largest), axis, 0)
        return self.namespace.moveaxis(order[:k, ...], 0, axis)
