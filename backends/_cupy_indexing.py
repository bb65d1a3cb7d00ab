"""Rows of tables for CuPy: read, and summed up for the gradient, with the range of their numbers checked on the way."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_alarm import ALARM, Alarm
from tinygrad_edu.backends._cupy_source import WIDE_TYPES, Kernels, teams

Array = Any

SOURCE = (
    ALARM
    + """
extern "C" __global__ void tinygrad_edu_take_rows(
    const T* table, const Int* rows, T* out, Int count, Int width, Int height, Int least, Int* alarm, Int slot) {
    Int r = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (r >= count) return;
    Int row = rows[r];
    bool good = row >= least && row < height;
    if (!good && threadIdx.x == 0) raise_alarm(alarm, slot, row);
    row = row < 0 ? row + height : row;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) out[r * width + k] = good ? table[row * width + k] : (T)(A)0;
}

extern "C" __global__ void tinygrad_edu_add_rows(
    A* table, const Int* rows, const T* values, Int count, Int width, Int height, Int* alarm, Int slot) {
    Int r = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (r >= count) return;
    Int row = rows[r];
    if (row < -height || row >= height) {
        if (threadIdx.x == 0) raise_alarm(alarm, slot, row);
        return;
    }
    row = row < 0 ? row + height : row;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) atomicAdd(&table[row * width + k], (A)values[r * width + k]);
}

extern "C" __global__ void tinygrad_edu_add_sorted_rows(
    A* table, const Int* rows, const Int* order, const T* values, Int count, Int width, Int height, Int* alarm, Int slot) {
    Int r = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (r >= count) return;
    Int row = rows[order[r]];
    if (r && rows[order[r - 1]] == row) return; /* the team of the first of equal rows adds all of them */
    if (row < 0 || row >= height) {
        if (threadIdx.x == 0) raise_alarm(alarm, slot, row);
        return;
    }
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A total = table[row * width + k];
        for (Int j = r; j < count && rows[order[j]] == row; j++) total += (A)values[order[j] * width + k];
        table[row * width + k] = total;
    }
}
"""
)


class Tables:
    """Reading and summing rows on a card."""

    def __init__(self, cupy: Any, alarm: Callable[[Array], Alarm]) -> None:
        self._cupy = cupy
        self._alarm = alarm
        self._kernels = Kernels(cupy, SOURCE)

    def take(self, table: Array, rows: Array, least: int) -> Array:
        """``table[rows]``; rows that are not in ``least`` … height - 1 come out as zeros, and are reported."""
        cupy = self._cupy
        table, rows = cupy.ascontiguousarray(table), self._numbers(rows)
        height, *rest = table.shape
        out = cupy.empty((*rows.shape, *rest), table.dtype)
        if out.size:
            width = math.prod(rest)
            alarm = self._alarm(table)
            call = (table, rows, out, rows.size, width, height, least, alarm.array, alarm.slot(out_of_range(height)))
            self._kernels("take_rows", table.dtype, *teams(rows.size, width), *call)
        elif rows.size and not height:
            raise IndexError(f"{operation()}there are no rows to take")
        return out

    def add(self, table: Array, rows: Array, values: Array, deterministic: bool) -> Array:
        """Add ``values`` to ``table[rows]``, equal rows adding up: by atomic additions, whose order differs from run to run, or
        in the order of a sort."""
        cupy = self._cupy
        rows, values = self._numbers(rows), cupy.ascontiguousarray(values)
        height, *rest = table.shape
        wide = WIDE_TYPES[table.dtype.name]
        target = table if table.dtype.name == wide and table.flags.c_contiguous else table.astype(wide, order="C")
        if values.size and rows.size:
            width = math.prod(rest)
            alarm = self._alarm(table)
            last = (rows.size, width, height, alarm.array, alarm.slot(out_of_range(height)))
            grid = teams(rows.size, width)
            if deterministic:
                flat = rows.reshape(-1)
                flat = cupy.where(flat < 0, flat + height, flat)
                order = cupy.argsort(flat).astype(cupy.int64, copy=False)
                self._kernels("add_sorted_rows", values.dtype, *grid, target, flat, order, values, *last)
            else:
                self._kernels("add_rows", values.dtype, *grid, target, rows, values, *last)
        if target is not table:
            table[...] = target
        return table

    def _numbers(self, rows: Array) -> Array:
        return self._cupy.ascontiguousarray(rows.astype(self._cupy.int64, copy=False))


def out_of_range(size: int, axis: int = 0) -> str:
    """The message about an index of a dimension, with ``{}`` for it."""
    return f"{operation()}index {{}} is out of range for dimension {axis} of size {size}"


def operation() -> str:
    """``"name: "`` of the function of this library that the user called, from the functions that are running."""
    frame: Any = sys._getframe(2)
    name = ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("tinygrad_edu"):
        called = frame.f_code.co_name
        if (
            "backends" not in frame.f_globals["__name__"]
            and not called.startswith(("_", "<", "run"))
            and called != "forward"
        ):
            name = f"{called}: "
        frame = frame.f_back
    return name
