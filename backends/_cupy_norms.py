"""Normalisation for CuPy. Layer, group and RMS norm average over what lies together, a team of threads a row; batch norm over what
lies apart, first in parts and then over the parts, since channels are few.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_source import WIDE_TYPES, Kernels, elements, teams

Array = Any
Axes = tuple[int, ...]
COLUMNS, LINES = 32, 8  # threads of a block that sums over rows
PARTS = 32  # parts of a long sum

SOURCE = """
extern "C" __global__ void tinygrad_edu_norm(
    const T* x, const T* weight, const T* bias, T* y, A* means, A* spreads, Int rows, Int width, Int groups, Int each, Int span,
    double eps, Int centred) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += row * width;
    y += row * width;
    A mean = 0, spread = 0;
    if (centred) {
        for (Int k = threadIdx.x; k < width; k += blockDim.x) mean += (A)x[k];
        mean = team_reduce(mean, Add()) / width;
    }
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A d = (A)x[k] - mean;
        spread += d * d;
    }
    spread = team_reduce(spread, Add()) / width;
    A rate = 1 / sqrt(spread + (A)eps);
    Int first = row % groups * each;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A out = ((A)x[k] - mean) * rate;
        if (weight) out *= (A)weight[first + k / span];
        if (bias) out += (A)bias[first + k / span];
        y[k] = (T)out;
    }
    if (threadIdx.x == 0) {
        means[row] = mean;
        spreads[row] = spread;
    }
}

extern "C" __global__ void tinygrad_edu_norm_backward(
    const T* g, const T* x, const T* weight, const A* means, const A* spreads, T* out, Int rows, Int width, Int groups, Int each,
    Int span, double eps, Int centred) {
    Int row = (Int)blockIdx.x * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    g += row * width;
    x += row * width;
    out += row * width;
    Int first = row % groups * each;
    A mean = means[row], rate = 1 / sqrt(spreads[row] + (A)eps), middle = 0, match = 0;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A slope = weight ? (A)g[k] * (A)weight[first + k / span] : (A)g[k];
        middle += slope;
        match += slope * ((A)x[k] - mean) * rate;
    }
    middle = centred ? team_reduce(middle, Add()) / width : (A)0;
    match = team_reduce(match, Add()) / width;
    for (Int k = threadIdx.x; k < width; k += blockDim.x) {
        A slope = weight ? (A)g[k] * (A)weight[first + k / span] : (A)g[k];
        out[k] = (T)(rate * (slope - middle - ((A)x[k] - mean) * rate * match));
    }
}

extern "C" __global__ void tinygrad_edu_norm_parameters(
    const T* g, const T* x, const A* means, const A* spreads, A* by_weight, A* by_bias, Int samples, Int columns, Int width,
    Int groups, double eps) {
    __shared__ A weights[8][32], biases[8][32];
    Int column = (Int)blockIdx.x * 32 + threadIdx.x;
    A w = 0, b = 0;
    if (column < columns) {
        Int group = column / width;
        for (Int n = (Int)blockIdx.y * 8 + threadIdx.y; n < samples; n += (Int)gridDim.y * 8) {
            A slope = g[n * columns + column], rate = 1 / sqrt(spreads[n * groups + group] + (A)eps);
            b += slope;
            w += slope * ((A)x[n * columns + column] - means[n * groups + group]) * rate;
        }
    }
    weights[threadIdx.y][threadIdx.x] = w;
    biases[threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y || column >= columns) return;
    for (int line = 1; line < 8; line++) {
        w += weights[line][threadIdx.x];
        b += biases[line][threadIdx.x];
    }
    by_weight[(Int)blockIdx.y * columns + column] = w;
    by_bias[(Int)blockIdx.y * columns + column] = b;
}

extern "C" __global__ void tinygrad_edu_channel_parts(
    const T* x, A* means, A* squares, A* counts, Int samples, Int channels, Int length, Int parts) {
    Int channel = blockIdx.x, part = blockIdx.y, size = samples * length, step = (size + parts - 1) / parts;
    Int start = part * step, end = start + step < size ? start + step : size, count = end > start ? end - start : 0;
    A mean = 0, square = 0;
    for (Int k = start + threadIdx.x; k < end; k += blockDim.x)
        mean += (A)x[(k / length * channels + channel) * length + k % length];
    mean = team_reduce(mean, Add()) / (count ? count : 1);
    for (Int k = start + threadIdx.x; k < end; k += blockDim.x) {
        A d = (A)x[(k / length * channels + channel) * length + k % length] - mean;
        square += d * d;
    }
    square = team_reduce(square, Add());
    if (threadIdx.x) return;
    means[channel * parts + part] = mean;
    squares[channel * parts + part] = square;
    counts[channel * parts + part] = count;
}

extern "C" __global__ void tinygrad_edu_channel_join(
    const A* means, const A* squares, const A* counts, A* mean, A* spread, Int channels, Int parts, Int size) {
    Int channel = (Int)blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    A middle = 0, total = 0;
    for (Int k = channel * parts; k < (channel + 1) * parts; k++) middle += means[k] * (counts[k] / size);
    for (Int k = channel * parts; k < (channel + 1) * parts; k++) {
        A d = means[k] - middle;
        total += squares[k] + d * d * counts[k];
    }
    mean[channel] = middle;
    spread[channel] = total / size;
}

extern "C" __global__ void tinygrad_edu_channel_apply(
    const T* x, const T* weight, const T* bias, const A* mean, const A* spread, T* y, Int size, Int channels, Int length,
    double eps) {
    Int i = (Int)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Int c = i / length % channels;
    A out = ((A)x[i] - mean[c]) / sqrt(spread[c] + (A)eps);
    if (weight) out *= (A)weight[c];
    if (bias) out += (A)bias[c];
    y[i] = (T)out;
}

extern "C" __global__ void tinygrad_edu_channel_slopes(
    const T* g, const T* x, const A* mean, const A* spread, A* by_weight, A* by_bias, Int samples, Int channels, Int length,
    Int parts, double eps) {
    Int channel = blockIdx.x, part = blockIdx.y, size = samples * length, step = (size + parts - 1) / parts;
    Int start = part * step, end = start + step < size ? start + step : size;
    A middle = mean[channel], rate = 1 / sqrt(spread[channel] + (A)eps), w = 0, b = 0;
    for (Int k = start + threadIdx.x; k < end; k += blockDim.x) {
        Int at = (k / length * channels + channel) * length + k % length;
        b += (A)g[at];
        w += (A)g[at] * ((A)x[at] - middle) * rate;
    }
    w = team_reduce(w, Add());
    b = team_reduce(b, Add());
    if (threadIdx.x) return;
    by_weight[part * channels + channel] = w;
    by_bias[part * channels + channel] = b;
}

extern "C" __global__ void tinygrad_edu_channel_backward(
    const T* g, const T* x, const T* weight, const A* mean, const A* spread, const A* by_weight, const A* by_bias, T* out,
    Int size, Int channels, Int length, Int averaged, double eps) {
    Int i = (Int)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    Int c = i / length % channels;
    A rate = 1 / sqrt(spread[c] + (A)eps), normal = ((A)x[i] - mean[c]) * rate;
    A slope = (A)g[i] - by_bias[c] / averaged - normal * by_weight[c] / averaged;
    out[i] = (T)(slope * rate * (weight ? (A)weight[c] : (A)1));
}
"""


class Norms:
    """The kernels of normalisation by name; their arguments stand in ``_numpy_norms.py``."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._kernels = Kernels(cupy, SOURCE)

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """``layer_norm`` and so on, and the backward of each."""
        rows, back = self._rows, self._rows_backward
        table: dict[str, Callable[..., Any]] = {
            "batch_norm": self._channels,
            "batch_norm_backward": self._channels_backward,
        }
        for name in ("layer_norm", "group_norm", "rms_norm"):
            kind = name == "group_norm", name != "rms_norm"
            table[name] = functools.partial(rows, *kind)
            table[f"{name}_backward"] = functools.partial(back, *kind)
        return table

    def _wide(self, x: Array, *shapes: tuple[int, ...]) -> list[Array]:
        return [self._cupy.empty(shape, WIDE_TYPES[x.dtype.name]) for shape in shapes]

    def _dense(self, *arrays: Array | None) -> list[Array | None]:
        return [None if a is None else self._cupy.ascontiguousarray(a) for a in arrays]

    # Over what lies together ---------------------------------------------------------------------------------------------

    def _rows(self, grouped: bool, centred: bool, x: Array, weight: Array, bias: Array, axes: Axes, eps: float) -> Any:
        """The result, and mean and variance with ``axes`` of size 1."""
        x, weight, bias = self._dense(x, weight, bias)
        out = self._cupy.empty(x.shape, x.dtype)
        layout = _layout(x, weight if weight is not None else bias, axes, grouped)
        kept = (*x.shape[: axes[0]], *(1,) * len(axes))
        means, spreads = self._wide(x, kept, kept)
        if x.size:
            grid = teams(layout[0], layout[1])
            self._kernels("norm", x.dtype, *grid, x, weight, bias, out, means, spreads, *layout, eps, centred)
        return out, means if centred else None, spreads

    def _rows_backward(
        self,
        grouped: bool,
        centred: bool,
        g: Array,
        x: Array,
        weight: Array,
        bias: Array,
        axes: Axes,
        eps: float,
        mean: Array,
        spread: Array,
        needed: list[bool],
    ) -> tuple[Array | None, ...]:
        """Gradients of input, weight and bias."""
        cupy = self._cupy
        g, x, weight = self._dense(g, x, weight)
        means = mean if centred else cupy.zeros_like(spread)
        rows, width, groups, *_ = layout = _layout(x, weight, axes, grouped)
        out = None
        if needed[0]:
            out = cupy.empty(x.shape, x.dtype)
            if x.size:
                call = (g, x, weight, means, spread, out, *layout, eps, centred)
                self._kernels("norm_backward", x.dtype, *teams(rows, width), *call)
        if not (needed[1] or needed[2]):
            return out, None, None
        columns, samples = groups * width, rows // max(groups, 1)
        parts = max(1, min(PARTS, samples // (4 * LINES)))
        sums = self._wide(x, (parts, columns), (parts, columns))
        if columns:
            grid = (-(-columns // COLUMNS), parts)
            call = (g, x, means, spread, *sums, samples, columns, width, groups, eps)
            self._kernels("norm_parameters", x.dtype, grid, (COLUMNS, LINES), *call)
        found = [
            s.reshape(parts, p.size, -1).sum((0, 2)).reshape(p.shape).astype(x.dtype, copy=False) if need else None
            for s, p, need in zip(sums, (weight, bias), needed[1:], strict=True)
        ]
        return out, *found

    # Over what lies apart ------------------------------------------------------------------------------------------------

    def _channels(self, x: Array, weight: Array, bias: Array, axes: Axes, eps: float) -> Any:
        """The result, and mean and variance of each channel."""
        x, weight, bias = self._dense(x, weight, bias)
        samples, channels = x.shape[:2]
        length, size = math.prod(x.shape[2:]), x.size
        kept = (1, channels, *(1,) * (x.ndim - 2))
        mean, spread = self._wide(x, kept, kept)
        out = self._cupy.empty(x.shape, x.dtype)
        if size:
            parts = _parts(samples * length, channels)
            means, squares, counts = self._wide(x, *((channels, parts),) * 3)
            call = (x, means, squares, counts, samples, channels, length, parts)
            self._kernels("channel_parts", x.dtype, (channels, parts), (256,), *call)
            found = (means, squares, counts, mean, spread)
            self._kernels("channel_join", x.dtype, *elements(channels), *found, channels, parts, samples * length)
            arrays = (x, weight, bias, mean, spread, out)
            self._kernels("channel_apply", x.dtype, *elements(size), *arrays, size, channels, length, eps)
        return out, mean, spread

    def _channels_backward(
        self,
        g: Array,
        x: Array,
        weight: Array,
        bias: Array,
        axes: Axes,
        eps: float,
        mean: Array,
        spread: Array,
        needed: list[bool],
    ) -> tuple[Array | None, ...]:
        """Gradients of input, weight and bias."""
        cupy = self._cupy
        g, x, weight = self._dense(g, x, weight)
        samples, channels = x.shape[:2]
        length, size = math.prod(x.shape[2:]), x.size
        parts = _parts(samples * length, channels)
        sums = self._wide(x, (parts, channels), (parts, channels))
        if size:
            call = (g, x, mean, spread, *sums, samples, channels, length, parts, eps)
            self._kernels("channel_slopes", x.dtype, (channels, parts), (256,), *call)
        by_weight, by_bias = (s.sum(0) for s in sums)
        out = None
        if needed[0]:
            out = cupy.empty(x.shape, x.dtype)
            if size:
                call = (
                    g,
                    x,
                    weight,
                    mean,
                    spread,
                    by_weight,
                    by_bias,
                    out,
                    size,
                    channels,
                    length,
                    samples * length,
                    eps,
                )
                self._kernels("channel_backward", x.dtype, *elements(size), *call)
        shape = (channels, *(1,) * (x.ndim - 2))
        found = [
            s.reshape(shape).astype(x.dtype, copy=False) if need else None
            for s, need in zip((by_weight, by_bias), needed[1:], strict=True)
        ]
        return out, *found


def _layout(x: Array, parameter: Array | None, axes: Axes, grouped: bool) -> tuple[int, int, int, int, int]:
    """Rows, their width, groups of rows with parameters of their own, parameters of a group, and elements that share one."""
    width = math.prod(x.shape[axes[0] :])
    groups = x.shape[1] if grouped else 1
    each = width if parameter is None else parameter.size // max(groups, 1)
    return x.size // max(width, 1), width, groups, each, max(width // max(each, 1), 1)


def _parts(size: int, channels: int) -> int:
    """Into how many parts a sum over a channel is divided, so that all of the card has work."""
    return max(1, min(PARTS, size // 1024, 4096 // max(channels, 1)))
