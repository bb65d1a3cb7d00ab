"""Gradients of indexing: kept as (where, what) until somebody needs the whole array."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.dtypes import from_raw

Array = Any


class SparseGrad:
    """The gradient of ``x[index]`` with respect to ``x``: zero but for ``values`` added at ``index``, for several
    indices.

    Adding two of them joins their parts, so that the cost of T index operations on one array follows what they touch,
    and is paid
    once, and the gradient of an embedding follows the rows that were looked up, never the table.

    Attributes
    ----------
    shape, dtype
        Of the whole array.
    parts : list of (index, values)
        Values still to be added; an index is anything that ``x[index]`` takes.
    """

    __slots__ = ("_distinct", "dtype", "parts", "shape")
    __array_ufunc__ = None  # NumPy leaves mixed sums to __radd__ below

    def __init__(self, shape: tuple[int, ...], dtype: Any, parts: list[tuple[Any, Array]]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.parts = parts
        self._distinct: tuple[Array, Array] | None = None  # what rows() found, true as long as it is the only part

    def add_into(self, dense: Array) -> Array:
        """Add to an array that is ours to write on, and return it."""
        xp = backends.of(dense)
        for index, values in self.parts:
            dense = xp.index_add(dense, index, values)
        return dense

    def dense(self, shared: bool = False) -> Array:
        """The whole array; where ``shared`` memory will do, the one that the values are the parts of, if there is one."""
        axis = self._side_by_side()
        if axis is not None:
            xp, values = backends.of(self.parts[0][1]), [values for _, values in self.parts]
            whole = xp.whole_of(values, self.shape, axis) if shared else None
            return xp.concat(values, axis=axis) if whole is None else whole
        return self.add_into(backends.of(self.parts[0][1]).zeros(self.shape, dtype=self.dtype))

    def _side_by_side(self) -> int | None:
        """The dimension that the parts, which this sorts, divide among themselves, as the parts that ``split`` makes do; None where
        they do not."""
        axis = len(self.parts[0][0]) - 1 if type(self.parts[0][0]) is tuple else -1
        if len(self.parts) < 2 or axis < 0 or not all(_is_range(index, axis) for index, _ in self.parts):
            return None
        self.parts.sort(key=lambda part: part[0][axis].start)
        ends = [0, *(index[axis].stop for index, _ in self.parts)]
        meets = all(index[axis].start == end for (index, _), end in zip(self.parts, ends, strict=False))
        return axis if meets and ends[-1] == self.shape[axis] else None

    def rows(self, wait: bool = False) -> tuple[Array, Array] | None:
        """Distinct rows and the sum for each, (U,) and (U, …); None unless every index is an array of row numbers, and, but
        with ``wait``, where the number of distinct ones could only be had by waiting for the device."""
        if len(self.parts) == 1 and self.parts[0] is self._distinct:
            return self._distinct
        xp = backends.of(self.parts[0][1])
        if (xp.lazy and not wait) or not all(map(_is_rows, self.parts)):
            return None
        n, rest = self.shape[0], self.shape[1:]
        index = [xp.reshape(i, (-1,)) for i, _ in self.parts]
        values = [xp.reshape(v, (-1, *rest)) for _, v in self.parts]
        where = index[0] if len(index) == 1 else xp.concat(index)
        what = values[0] if len(values) == 1 else xp.concat(values)
        self._distinct = xp.sum_rows(where, what, n)
        self.parts = [self._distinct]
        return self._distinct

    def __add__(self, other: Any) -> Any:
        if isinstance(other, SparseGrad):
            return SparseGrad(self.shape, self.dtype, self.parts + other.parts)
        return self.add_into(backends.of(other).copy(other))

    __radd__ = __add__

    def __iadd__(self, other: Any) -> Any:
        if isinstance(other, SparseGrad):
            self.parts.extend(other.parts)
            return self
        return self + other


def _is_rows(part: tuple[Any, Array]) -> bool:
    """Whether a part's index is an array of row numbers."""
    return backends.is_array(part[0]) and from_raw(part[0].dtype).category == 1


def _is_range(index: Any, axis: int) -> bool:
    """Whether an index takes a range of one dimension, and all of those before it."""
    if (
        type(index) is not tuple
        or len(index) != axis + 1
        or any(type(part) is not slice or part != slice(None) for part in index[:-1])
    ):
        return False
    part = index[-1]
    return (
        type(part) is slice
        and part.step is None
        and type(part.start) is int
        and type(part.stop) is int
        and 0 <= part.start
    )
