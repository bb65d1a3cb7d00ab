"""Convolution for CuPy, which has no cuDNN: windows are written out as columns, some samples at a time, and multiplied by cuBLAS.

Columns are (groups, C/groups · sizes, samples · counts), so that a block of samples is one product a group. The way back is a sum over
the windows of each element, in a fixed order, without atomic additions. There are always three dimensions: missing ones have size 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_source import Kernels, elements

Array = Any
Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
MOST = 1 << 26  # elements of the columns of a block

GEOMETRY = """Int samples, Int channels, Int l0, Int l1, Int l2, Int k0, Int k1, Int k2, Int c0, Int c1, Int c2,
    Int s0, Int s1, Int s2, Int p0, Int p1, Int p2, Int d0, Int d1, Int d2"""
# In 32 bits, since divisions of 64 bits are slow; a block is small enough.
SOURCE = f"""
extern "C" __global__ void tinygrad_edu_columns(const T* x, T* out, Int total, {GEOMETRY}) {{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    int r = i, w = (int)c0 * (int)c1 * (int)c2, o = r % w;
    r /= w;
    int n = r % (int)samples;
    r /= (int)samples;
    int a2 = r % (int)k2 * (int)d2 + o % (int)c2 * (int)s2 - (int)p2;
    r /= (int)k2;
    o /= (int)c2;
    int a1 = r % (int)k1 * (int)d1 + o % (int)c1 * (int)s1 - (int)p1;
    r /= (int)k1;
    o /= (int)c1;
    int a0 = r % (int)k0 * (int)d0 + o * (int)s0 - (int)p0, c = r / (int)k0;
    bool inside = a0 >= 0 && a0 < l0 && a1 >= 0 && a1 < l1 && a2 >= 0 && a2 < l2;
    out[i] = inside ? x[(((n * (int)channels + c) * (int)l0 + a0) * (int)l1 + a1) * (int)l2 + a2] : (T)(A)0;
}}

extern "C" __global__ void tinygrad_edu_from_columns(const T* columns, T* x, Int total, {GEOMETRY}) {{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    int r = i, a2 = r % (int)l2 + (int)p2;
    r /= (int)l2;
    int a1 = r % (int)l1 + (int)p1;
    r /= (int)l1;
    int a0 = r % (int)l0 + (int)p0;
    r /= (int)l0;
    int c = r % (int)channels, n = r / (int)channels;
    A sum = 0;
    for (int k = 0; k < k0; k++) {{
        int t0 = a0 - k * (int)d0;
        if (t0 < 0 || t0 % (int)s0 || t0 / (int)s0 >= c0) continue;
        for (int m = 0; m < k1; m++) {{
            int t1 = a1 - m * (int)d1;
            if (t1 < 0 || t1 % (int)s1 || t1 / (int)s1 >= c1) continue;
            for (int j = 0; j < k2; j++) {{
                int t2 = a2 - j * (int)d2;
                if (t2 < 0 || t2 % (int)s2 || t2 / (int)s2 >= c2) continue;
                int row = ((c * (int)k0 + k) * (int)k1 + m) * (int)k2 + j;
                int at = ((row * (int)samples + n) * (int)c0 + t0 / (int)s0) * (int)c1 + t1 / (int)s1;
                sum += (A)columns[at * (int)c2 + t2 / (int)s2];
            }}
        }}
    }}
    x[i] = (T)sum;
}}
"""


class Plan:
    """The sizes of a convolution, and how many samples are worked on together."""

    def __init__(
        self, lengths: Sizes, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
    ) -> None:
        self.counts = tuple(
            (n + a + b - d * (k - 1) - 1) // s + 1
            for n, k, s, (a, b), d in zip(lengths, sizes, stride, padding, dilation, strict=True)
        )
        self.lengths, self.sizes, self.groups = lengths, sizes, groups
        before = tuple(a for a, _ in padding)
        spare = 3 - len(sizes)
        table = [(lengths, 1), (sizes, 1), (self.counts, 1), (stride, 1), (before, 0), (dilation, 1)]
        self.geometry = [number for row, fill in table for number in (*(fill,) * spare, *row)]

    def blocks(self, samples: int, channels: int) -> list[slice]:
        """Slices of the batch whose columns are few enough."""
        one = channels * math.prod(self.sizes) * math.prod(self.counts)
        if max(one, channels * math.prod(self.lengths)) >= 1 << 31:
            raise ValueError(
                f"the columns of one sample have {one} elements, more than a convolution on a card can have"
            )
        step = max(1, MOST // max(one, 1))
        return [slice(start, min(start + step, samples)) for start in range(0, samples, step)]


class Convolutions:
    """The kernels of convolution by name; ``ops/_convolution.py`` says what each computes."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._kernels = Kernels(cupy, SOURCE)

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """The operations, which integers run in double precision."""
        names = ("conv", "conv_input_gradient", "conv_weight_gradient", "conv_gradients")
        return {name: self._in_floats(getattr(self, name)) for name in names}

    def _in_floats(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            if args[0].dtype.kind == "f":
                return kernel(*args)
            ndarray = self._cupy.ndarray
            found = kernel(*(a.astype("float64") if isinstance(a, ndarray) else a for a in args))
            back = [f.astype(args[0].dtype) for f in (found if type(found) is tuple else (found,))]
            return tuple(back) if type(found) is tuple else back[0]

        return run

    def conv(self, x: Array, w: Array, b: Array | None, *how: Any) -> Array:
        """x (N, C, *lengths), w (O, C/groups, *sizes) → (N, O, *counts)."""
        plan = Plan(tuple(x.shape[2:]), tuple(w.shape[2:]), *how)
        out = self._cupy.empty((x.shape[0], w.shape[0], *plan.counts), x.dtype)
        rows = self._rows(w, plan)
        for at in plan.blocks(*x.shape[:2]):
            out[at] = self._from_groups(rows @ self._columns(x[at], plan), out[at].shape)
        if b is not None:
            out += b.reshape(-1, *(1,) * len(plan.sizes))
        return out

    def conv_input_gradient(self, g: Array, w: Array, b: Array | None, lengths: Sizes, *how: Any) -> Array:
        """g (N, O, *counts), w → (N, C, *lengths); plus b, the transposed convolution."""
        plan = Plan(lengths, tuple(w.shape[2:]), *how)
        channels = w.shape[1] * plan.groups
        out = self._cupy.empty((g.shape[0], channels, *lengths), g.dtype)
        rows = self._rows(w, plan).swapaxes(1, 2)
        for at in plan.blocks(g.shape[0], channels):
            self._from_columns(rows @ self._to_groups(g[at], plan), out[at], plan)
        if b is not None:
            out += b.reshape(-1, *(1,) * len(plan.sizes))
        return out

    def conv_weight_gradient(self, x: Array, g: Array, sizes: Sizes, *how: Any) -> Array:
        """x, g → (O, C/groups, *sizes)."""
        plan = Plan(tuple(x.shape[2:]), sizes, *how)
        width = x.shape[1] // plan.groups * math.prod(sizes)
        total = self._cupy.zeros((plan.groups, g.shape[1] // plan.groups, width), x.dtype)
        for at in plan.blocks(*x.shape[:2]):
            total += self._to_groups(g[at], plan) @ self._columns(x[at], plan).swapaxes(1, 2)
        return total.reshape(g.shape[1], x.shape[1] // plan.groups, *sizes)

    def conv_gradients(self, x: Array, w: Array, g: Array, *how: Any) -> tuple[Array, Array]:
        """x, w, g → (gx, gw)."""
        gx = self.conv_input_gradient(g, w, None, tuple(x.shape[2:]), *how)
        return gx, self.conv_weight_gradient(x, g, tuple(w.shape[2:]), *how)

    def _rows(self, w: Array, plan: Plan) -> Array:
        """The weight as (groups, O/groups, C/groups · sizes)."""
        return self._cupy.ascontiguousarray(w).reshape(plan.groups, w.shape[0] // plan.groups, math.prod(w.shape[1:]))

    def _to_groups(self, g: Array, plan: Plan) -> Array:
        """(n, O, *counts) to (groups, O/groups, n · counts)."""
        samples, outer = g.shape[:2]
        parts = g.reshape(samples, outer, math.prod(plan.counts)).swapaxes(0, 1)
        return self._cupy.ascontiguousarray(parts).reshape(plan.groups, outer // plan.groups, -1)

    def _from_groups(self, y: Array, shape: Sizes) -> Array:
        """(groups, O/groups, n · counts) to (n, O, *counts)."""
        samples, outer, *counts = shape
        return y.reshape(outer, samples, *counts).swapaxes(0, 1)

    def _columns(self, x: Array, plan: Plan) -> Array:
        """All windows of some samples, (groups, C/groups · sizes, n · counts)."""
        cupy, (samples, channels) = self._cupy, x.shape[:2]
        width = channels // plan.groups * math.prod(plan.sizes)
        out = cupy.empty((plan.groups, width, samples * math.prod(plan.counts)), x.dtype)
        if out.size:
            call = (cupy.ascontiguousarray(x), out, out.size, samples, channels, *plan.geometry)
            self._kernels("columns", x.dtype, *elements(out.size), *call)
        return out

    def _from_columns(self, columns: Array, x: Array, plan: Plan) -> None:
        """Add up all windows that an element of x was in, and write it there."""
        if x.size:
            call = (self._cupy.ascontiguousarray(columns), x, x.size, *x.shape[:2], *plan.geometry)
            self._kernels("from_columns", x.dtype, *elements(x.size), *call)
