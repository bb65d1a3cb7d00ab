"""Softmax and cross entropy for CuPy: one team of threads a row, and few launches, since these are what small models wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_alarm import ALARM, Alarm
from tinygrad_edu.backends._cupy_source import WIDE_TYPES, Kernels, teams

Array = Any

SOFTMAX = """
extern "C" __global__ void tinygrad_edu_softmax(const T* x, T* y, Int rows, Int width, Int logarithm) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += row * width;
    y += row * width;
    A top = (A)x[0];
    for (Int k = threadIdx.x; k < width; k += blockDim.x) top = Larger()(top, (A)x[k]);
    top = team_reduce(top, Larger());
    A total = 0;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) total += exp((A)x[k] - top);
    total = team_reduce(total, Add());
    A shift = log(total);
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A d = (A)x[k] - top;
        y[k] = (T)(logarithm ? d - shift : exp(d) / total);
    }
}

extern "C" __global__ void tinygrad_edu_softmax_backward(
    const T* g, const T* y, T* out, Int rows, Int width, Int logarithm) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    g += row * width;
    y += row * width;
    out += row * width;
    A total = 0;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) total += logarithm ? (A)g[k] : (A)g[k] * (A)y[k];
    total = team_reduce(total, Add());
    for (Int k = threadIdx.x; k < width; k += blockDim.x)
        out[k] = (T)(logarithm ? (A)g[k] - exp((A)y[k]) * total : (A)y[k] * ((A)g[k] - total));
}
"""

CROSS_ENTROPY = """
extern "C" __global__ void tinygrad_edu_cross_entropy(
    const T* x, const Int* target, A* logs, A* losses, Int rows, Int width, Int ignored, Int* alarm, Int slot) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += row * width;
    A top = (A)x[0];
    for (Int k = threadIdx.x; k < width; k += blockDim.x) top = Larger()(top, (A)x[k]);
    top = team_reduce(top, Larger());
    A total = 0;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) total += exp((A)x[k] - top);
    total = team_reduce(total, Add());
    if (threadIdx.x) return;
    Int t = target[row];
    A all = top + log(total);
    logs[row] = all;
    if (t == ignored) losses[row] = 0;
    else if (t < 0 || t >= width) { losses[row] = (A)0 / (A)0; raise_alarm(alarm, slot, t); }
    else losses[row] = log(total) - ((A)x[t] - top);
}

extern "C" __global__ void tinygrad_edu_cross_entropy_total(
    const A* losses, const Int* target, T* loss, A* factor, Int rows, Int ignored, Int averaged) {
    if (threadIdx.y) return;
    A total = 0, counted = 0;
    for (Int row = threadIdx.x; row < rows; row += blockDim.x) {
        total += losses[row];
        counted += target[row] != ignored;
    }
    total = team_reduce(total, Add());
    counted = team_reduce(counted, Add());
    if (threadIdx.x) return;
    factor[0] = averaged ? 1 / counted : 1;
    loss[0] = (T)(averaged ? total / counted : total);
}

extern "C" __global__ void tinygrad_edu_cross_entropy_backward(
    const T* g, const T* x, const Int* target, const A* logs, const A* factor, T* out, Int rows, Int width, Int ignored) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += row * width;
    out += row * width;
    Int t = target[row];
    A scale = (A)g[0] * factor[0], all = logs[row];
    for (Int k = threadIdx.x; k < width; k += blockDim.x)
        out[k] = (T)(t == ignored ? (A)0 : (exp((A)x[k] - all) - (A)(k == t)) * scale);
}
"""


class Rows:
    """The functions on rows of a card's arrays."""

    def __init__(self, cupy: Any, alarm: Callable[[Array], Alarm]) -> None:
        self._cupy = cupy
        self._alarm = alarm
        self._softmax = Kernels(cupy, SOFTMAX)
        self._cross_entropy = Kernels(cupy, ALARM + CROSS_ENTROPY)

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """The functions by the names under which operations look for them."""
        return {
            "softmax_backward": lambda g, out, axis: self.softmax_backward(g, out, axis, False),
            "log_softmax_backward": lambda g, out, axis: self.softmax_backward(g, out, axis, True),
            "labels_cross_entropy": self.cross_entropy,
            "labels_cross_entropy_backward": self.cross_entropy_backward,
        }

    def softmax(self, x: Array, axis: int, logarithm: bool) -> Array:
        """Softmax or its logarithm along an axis that is not empty."""
        return self._along(axis, "softmax", logarithm, x)

    def softmax_backward(self, g: Array, out: Array, axis: int, logarithm: bool) -> Array:
        """The gradient of :meth:`softmax` from its result."""
        return self._along(axis, "softmax_backward", logarithm, g, out)

    def _along(self, axis: int, name: str, logarithm: bool, *arrays: Array) -> Array:
        cupy = self._cupy
        arrays = tuple(cupy.ascontiguousarray(cupy.moveaxis(a, axis, -1)) for a in arrays)
        out = cupy.empty(arrays[0].shape, arrays[0].dtype)
        width = out.shape[-1]
        if out.size:
            rows = out.size // width
            self._softmax(name, out.dtype, *teams(rows, width), *arrays, out, rows, width, logarithm)
        return cupy.moveaxis(out, -1, axis)

    def cross_entropy(self, x: Array, target: Array, ignored: int, averaged: bool) -> tuple[Array, tuple[Array, Array]]:
        """The sum or mean of the losses, and for the backward each row's ln Σ exp(x) and the divisor's inverse.

        Shapes: x (N, C), target (N,) with any numbers; one out of range is reported when the card is next waited for.
        """
        cupy = self._cupy
        x, target = cupy.ascontiguousarray(x), cupy.ascontiguousarray(target.astype(cupy.int64, copy=False))
        rows, width = x.shape
        wide = WIDE_TYPES[x.dtype.name]
        logs, losses, factor = (cupy.empty(shape, wide) for shape in ((rows,), (rows,), ()))
        loss = cupy.empty((), x.dtype)
        alarm = self._alarm(x)
        slot = alarm.slot(f"cross_entropy: target {{}} is out of range for {width} classes")
        if rows:
            call = (x, target, logs, losses, rows, width, ignored, alarm.array, slot)
            self._cross_entropy("cross_entropy", x.dtype, *teams(rows, width), *call)
        total = (losses, target, loss, factor, rows, ignored, averaged)
        self._cross_entropy("cross_entropy_total", x.dtype, *teams(1, min(rows, 1 << 14)), *total)
        return loss, (logs, factor)

    def cross_entropy_backward(
        self, g: Array, x: Array, target: Array, work: tuple[Array, Array], ignored: int
    ) -> Array:
        """The gradient of the logits, (softmax - one-hot) · g · factor, and 0 in rows that are ignored."""
        cupy = self._cupy
        logs, factor = work
        x, target = cupy.ascontiguousarray(x), cupy.ascontiguousarray(target.astype(cupy.int64, copy=False))
        out = cupy.empty(x.shape, x.dtype)
        if out.size:
            rows, width = x.shape
            call = (cupy.ascontiguousarray(g), x, target, logs, factor, out, rows, width, ignored)
            self._cross_entropy("cross_entropy_backward", x.dtype, *teams(rows, width), *call)
        return out
