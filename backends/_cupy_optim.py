"""Optimizers and the norm of all gradients for CuPy: one kernel for all parameters, however many there are.

A kernel gets a table with the addresses and sizes of all arrays, and a list of blocks, each a chunk of one array. The list stays
on the card as long as the sizes do, the table as long as the addresses do, which CuPy's memory pool soon repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends._cupy_source import WIDE_TYPES, Kernels

Array = Any
CHUNK = 1 << 12  # elements of a block
THREADS = 256
KEPT = 64  # tables and lists of blocks that are remembered

SOURCE = """
#define CHUNK 4096
#define EACH(i) \\
    int which = blocks[2 * blockIdx.x]; \\
    Int start = (Int)blocks[2 * blockIdx.x + 1] * CHUNK, size = table[columns * count + which]; \\
    Int end = start + CHUNK < size ? start + CHUNK : size; \\
    for (Int i = start + threadIdx.x; i < end; i += blockDim.x)
#define COLUMN(k) ((T*)table[k * count + which])

extern "C" __global__ void tinygrad_edu_sgd(
    const Int* table, const int* blocks, Int count, Int columns, double lr, double momentum, double dampening, double penalty,
    Int nesterov, Int maximize, Int first) {
    EACH(i) {
        A p = COLUMN(0)[i], g = COLUMN(1)[i];
        if (maximize) g = -g;
        if (penalty != 0) g += (A)penalty * p;
        if (momentum != 0) {
            T* held = COLUMN(2);
            A b = g;
            if (!first) b = (A)momentum * (A)held[i] + (A)(1 - dampening) * g;
            held[i] = (T)b;
            g = nesterov ? g + (A)momentum * b : b;
        }
        COLUMN(0)[i] = (T)(p - (A)lr * g);
    }
}

extern "C" __global__ void tinygrad_edu_adam(
    const Int* table, const int* blocks, Int count, Int columns, double beta1, double beta2, double size_of_step, double eps,
    double decay, double penalty, Int maximize) {
    EACH(i) {
        A p = COLUMN(0)[i], g = COLUMN(1)[i];
        if (maximize) g = -g;
        if (decay != 0) p *= (A)(1 - decay);
        if (penalty != 0) g += (A)penalty * p;
        A m = (A)beta1 * (A)COLUMN(2)[i] + (A)(1 - beta1) * g;
        A v = (A)beta2 * (A)COLUMN(3)[i] + (A)(1 - beta2) * g * g;
        COLUMN(2)[i] = (T)m;
        COLUMN(3)[i] = (T)v;
        if (columns == 5) {
            A top = COLUMN(4)[i];
            v = v > top || v != v ? v : top;
            COLUMN(4)[i] = (T)v;
        }
        COLUMN(0)[i] = (T)(p - (A)size_of_step * m / (sqrt(v) + (A)eps));
    }
}

extern "C" __global__ void tinygrad_edu_squares(const Int* table, const int* blocks, Int count, Int columns, A* sums) {
    A total = 0;
    EACH(i) {
        A x = COLUMN(0)[i];
        total += x * x;
    }
    total = team_reduce(total, Add());
    if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

extern "C" __global__ void tinygrad_edu_total(const A* sums, Int length, A* out) {
    A total = 0;
    for (Int i = threadIdx.x; i < length; i += blockDim.x) total += sums[i];
    total = team_reduce(total, Add());
    if (threadIdx.x == 0) out[0] = total;
}

extern "C" __global__ void tinygrad_edu_scale(const Int* table, const int* blocks, Int count, Int columns, const A* factor) {
    A f = factor[0];
    EACH(i) COLUMN(0)[i] = (T)((A)COLUMN(0)[i] * f);
}
"""


class Together:
    """Kernels over many arrays of one card at once."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._kernels = Kernels(cupy, SOURCE)
        self._blocks: dict[Any, Array] = {}
        self._tables: dict[Any, Array] = {}

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """The optimizers by name."""
        return {"adam": self.adam, "sgd": self.sgd}

    def adam(
        self,
        held: list[list[Array]],
        *,
        beta1: float,
        beta2: float,
        eps: float,
        size: float,
        shrink: float,
        weight_decay: float,
        maximize: bool,
    ) -> None:
        """One step of Adam: see ``tinygrad_edu.optim.adam``."""
        settings = (beta1, beta2, size, eps, shrink, weight_decay, maximize)
        self._each("adam", held[0][0].dtype, held, settings, written=(0, 2, 3, 4))

    def sgd(
        self,
        held: list[list[Array]],
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        first: bool,
    ) -> None:
        """One step of gradient descent: see ``tinygrad_edu.optim.sgd``."""
        settings = (lr, momentum, dampening, weight_decay, nesterov, maximize, first)
        self._each("sgd", held[0][0].dtype, held, settings, written=(0, 2))

    def sum_squares(self, arrays: list[Array]) -> Array:
        """The sum of the squares of all elements of arrays of one type, in single precision at least."""
        cupy, kind = self._cupy, arrays[0].dtype
        rows = [[cupy.ascontiguousarray(a)] for a in arrays if a.size]
        out = cupy.zeros((), WIDE_TYPES[kind.name])
        if rows:
            blocks = self._list_of_blocks(rows)
            sums = cupy.empty((len(blocks),), out.dtype)
            self._start("squares", kind, rows, blocks, (sums,))
            self._kernels("total", kind, (1,), (THREADS,), sums, len(blocks), out)
        return out

    def scale(self, arrays: list[Array], factor: Array) -> None:
        """Multiply all arrays of one type, in place, by a factor that is on the card."""
        kind = arrays[0].dtype
        self._each("scale", kind, [[a] for a in arrays], (factor.astype(WIDE_TYPES[kind.name]),), written=(0,))

    def _each(self, name: str, kind: Any, rows: list[list[Array]], settings: tuple[Any, ...], written: Any) -> None:
        """Start a kernel on rows of arrays; those with gaps in memory are worked on as copies."""
        rows = [row for row in rows if row[0].size]
        if not rows:
            return
        dense = [[self._cupy.ascontiguousarray(a) for a in row] for row in rows]
        self._start(name, kind, dense, self._list_of_blocks(dense), settings)
        for row, copies in zip(rows, dense, strict=True):
            for k in written:
                if k < len(row) and copies[k] is not row[k]:
                    row[k][...] = copies[k]

    def _start(self, name: str, kind: Any, rows: list[list[Array]], blocks: Array, settings: tuple[Any, ...]) -> None:
        columns, count = len(rows[0]), len(rows)
        call = (self._table(rows), blocks, count, columns, *settings)
        self._kernels(name, kind, (len(blocks),), (THREADS,), *call)

    def _table(self, rows: list[list[Array]]) -> Array:
        """Addresses, a row a column of arrays, and a last row of sizes."""
        key = (*(a.data.ptr for row in rows for a in row), len(rows), *(row[0].size for row in rows))
        return _kept(self._tables, key, lambda: self._to_card(self._addresses(rows), np.int64))

    @staticmethod
    def _addresses(rows: list[list[Array]]) -> list[list[int]]:
        columns = [[a.data.ptr for a in column] for column in zip(*rows, strict=True)]
        return [*columns, [row[0].size for row in rows]]

    def _list_of_blocks(self, rows: list[list[Array]]) -> Array:
        """For each block, which array it works on and which chunk of it: (B, 2)."""
        sizes = [row[0].size for row in rows]

        def make() -> Array:
            counts = [-(-size // CHUNK) for size in sizes]
            return self._to_card([[which, k] for which, n in enumerate(counts) for k in range(n)], np.int32)

        return _kept(self._blocks, (int(rows[0][0].device.id), *sizes), make)

    def _to_card(self, numbers: Any, kind: Any) -> Array:
        return self._cupy.array(np.array(numbers, kind))


def _kept(known: dict[Any, Array], key: Any, make: Callable[[], Array]) -> Array:
    """A remembered array, or a new one, in place of the oldest where there are too many."""
    found = known.pop(key, None)
    if found is None:
        if len(known) >= KEPT:
            del known[next(iter(known))]
        found = make()
    known[key] = found
    return found
