"""What all kernels for CuPy share: how a source text becomes kernels of a type, and sums and maxima over threads.

A source names the type of the arrays ``T`` and computes in ``A``, which is float for half precision. The card's compiler sees
it at its first use with a type. A *team* is a row of threads (``threadIdx.x``) that works on one row of an array: part of a
block of several teams when it is one warp, else a block of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
WARP = 32
BLOCK = 256  # threads of a block that works element by element

PRELUDE = "typedef long long Int;\n"
TEAMS = """
struct Add { template <class V> __device__ V operator()(V a, V b) const { return a + b; } };
struct Larger { template <class V> __device__ V operator()(V a, V b) const { return a > b || a != a ? a : b; } };
template <class V, class Combine> __device__ V team_reduce(V x, Combine combine) {
    for (int k = 16; k > 0; k >>= 1) x = combine(x, __shfl_xor_sync(0xffffffffu, x, k));
    if (blockDim.x > 32) {
        __shared__ V parts[32];
        int warps = blockDim.x / 32;
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
        __syncthreads();
        x = parts[0];
        for (int w = 1; w < warps; w++) x = combine(x, parts[w]);
        __syncthreads();
    }
    return x;
}
"""
TYPES = {"float16": ("__half", "float"), "float32": ("float", "float"), "float64": ("double", "double")}
WIDE_TYPES = {"float16": "float32", "float32": "float32", "float64": "float64"}  # NumPy's names of T and A
HALF = "#include <cuda_fp16.h>\n"


class Kernels:
    """The kernels of one source, compiled for a type of arrays when they are first called with it."""

    def __init__(self, cupy: Any, source: str) -> None:
        self._cupy = cupy
        self._source = source
        self._ready: dict[tuple[str, str], Any] = {}

    def __call__(self, name: str, kind: Any, grid: tuple[int, ...], block: tuple[int, ...], *args: Any) -> None:
        """Start a kernel; Python's integers become ``Int``, its floats ``double``, and None a null pointer."""
        kernel = self._ready.get((name, kind.name))
        if kernel is None:
            kernel = self._cupy.RawKernel(source_for(self._source, kind.name), f"tinygrad_edu_{name}")
            self._ready[name, kind.name] = kernel
        kernel(grid, block, tuple(map(_argument, args)))


def source_for(source: str, kind: str) -> str:
    """The whole program of a source for arrays of a type."""
    stored, wide = TYPES[kind]
    types = f"typedef {stored} T;\ntypedef {wide} A;\n"
    return (HALF if kind == "float16" else "") + types + PRELUDE + (TEAMS if "team_reduce" in source else "") + source


def _argument(value: Any) -> Any:
    kind = type(value)
    if kind is int or kind is bool:
        return np.int64(value)
    if kind is float:
        return np.float64(value)
    return np.uint64(0) if value is None else value


def teams(rows: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block for one team a row."""
    size = WARP
    while size < 1024 and size * 16 < width:
        size *= 2
    together = 4 if size == WARP else 1
    return (-(-rows // together),), (size, together)


def elements(count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block for one thread an element."""
    return (max(-(-count // BLOCK), 1),), (BLOCK,)


WIDE = """
template <typename T> struct Wide { typedef T type; };
template <> struct Wide<float16> { typedef float type; };
"""


def elementwise(cupy: Any, inputs: str, outputs: str, operation: str, name: str) -> Any:
    """A kernel of CuPy's that broadcasts and takes any layout in memory; the operation computes in ``A``.

    The names ``i`` and ``n`` belong to CuPy: the place of the thread and the number of elements.
    """
    body = f"typedef typename Wide<T>::type A;\n{operation}"
    return cupy.ElementwiseKernel(inputs, outputs, body, f"tinygrad_edu_{name}", preamble=WIDE)
