"""Random numbers drawn on the card: Philox, a generator without a state but a counter.

Number k of a stream is a function of the seed and k alone, so that every thread computes its own. A generator is a seed and how
many counters have been used. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.backends._cupy_source import Kernels, elements

Array = Any

SOURCE = """
struct Four { unsigned w[4]; };
__device__ Four philox(Int seed, Int counter, unsigned more) {
    unsigned k0 = (unsigned)seed, k1 = (unsigned)((unsigned long long)seed >> 32);
    unsigned a = (unsigned)counter, b = (unsigned)((unsigned long long)counter >> 32), c = more, d = 0;
    for (int round = 0; round < 10; round++) {
        unsigned high0 = __umulhi(0xD2511F53u, a), low0 = 0xD2511F53u * a;
        unsigned high1 = __umulhi(0xCD9E8D57u, c), low1 = 0xCD9E8D57u * c;
        a = high1 ^ b ^ k0;
        b = low1;
        c = high0 ^ d ^ k1;
        d = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Four out = {{a, b, c, d}};
    return out;
}
__device__ unsigned long long joined(unsigned high, unsigned low) { return ((unsigned long long)high << 32) | low; }
__device__ double uniform(unsigned high, unsigned low) { return (joined(high, low) >> 11) * (1.0 / 9007199254740992.0); }

/* EACH numbers of one call: four in single precision, two in double; number j of thread q goes to q + j · threads. */
#define EACH (sizeof(A) == 8 ? 2 : 4)
#define THREAD ((Int)blockIdx.x * blockDim.x + threadIdx.x)

__device__ void uniforms(Four f, A* u) {
    if (EACH == 2) for (int j = 0; j < 2; j++) u[j] = (A)uniform(f.w[2 * j], f.w[2 * j + 1]);
    else for (int j = 0; j < 4; j++)
        u[j] = (A)(sizeof(T) == 2 ? (f.w[j] >> 21) * (1.0f / 2048.0f) : (f.w[j] >> 8) * (1.0f / 16777216.0f));
}

extern "C" __global__ void tinygrad_edu_uniform(T* out, Int count, Int share, Int seed, Int offset) {
    Int q = THREAD;
    if (q >= share) return;
    A u[4];
    uniforms(philox(seed, offset + q, 0), u);
    for (int j = 0; j < EACH; j++) if (q + j * share < count) out[q + j * share] = (T)u[j];
}

extern "C" __global__ void tinygrad_edu_normal(T* out, Int count, Int share, Int seed, Int offset) {
    Int q = THREAD;
    if (q >= share) return;
    Four f = philox(seed, offset + q, 0);
    A z[4];
    for (int j = 0; j < EACH; j += 2) {
        /* In (0, 1], so that the logarithm is finite. */
        A u = EACH == 2 ? (A)(1.0 - uniform(f.w[0], f.w[1])) : (A)(((f.w[j] >> 8) + 1) * (1.0f / 16777216.0f));
        A v = EACH == 2 ? (A)uniform(f.w[2], f.w[3]) : (A)((f.w[j + 1] >> 8) * (1.0f / 16777216.0f));
        A radius = sqrt((A)-2 * log(u)), angle = (A)6.283185307179586477 * v;
        z[j] = radius * cos(angle);
        z[j + 1] = radius * sin(angle);
    }
    for (int j = 0; j < EACH; j++) if (q + j * share < count) out[q + j * share] = (T)z[j];
}

extern "C" __global__ void tinygrad_edu_integers(Int* out, Int count, Int share, Int low, Int range, Int seed, Int offset) {
    Int q = THREAD;
    if (q >= share) return;
    Four f = philox(seed, offset + q, 0);
    for (int j = 0; j < 2; j++) {
        unsigned long long r = joined(f.w[2 * j], f.w[2 * j + 1]);
        if (q + j * share < count) out[q + j * share] = low + (Int)(range ? __umul64hi(r, (unsigned long long)range) : r);
    }
}

extern "C" __global__ void tinygrad_edu_dropout(
    const T* x, T* out, bool* kept, Int count, Int share, double p, double factor, Int seed, Int offset) {
    Int q = THREAD;
    if (q >= share) return;
    Four f = philox(seed, offset + q, 0);
    for (int j = 0; j < 4; j++) {
        Int at = q + j * share;
        if (at >= count) return;
        bool keep = (f.w[j] >> 8) * (1.0f / 16777216.0f) >= (float)p;
        kept[at] = keep;
        out[at] = (T)(keep ? (A)x[at] * (A)factor : (A)0);
    }
}

extern "C" __global__ void tinygrad_edu_poisson(const double* rates, Int* out, Int count, Int seed, Int offset) {
    Int q = THREAD;
    if (q >= count) return;
    double rate = rates[q];
    Int k = 0;
    if (rate < 10) { /* Knuth: how many uniform numbers can be multiplied before the product is below e to the power of -rate. */
        double product = 1, least = exp(-rate);
        for (unsigned draw = 0; draw < 1024; draw++) {
            Four f = philox(seed, offset + q, draw + 1);
            product *= 1 - uniform(f.w[0], f.w[1]);
            if (product <= least) break;
            k++;
        }
    } else { /* Hörmann's transformed rejection, 1993. */
        double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b, invalpha = 1.1239 + 1.1328 / (b - 3.4);
        double top = 0.9277 - 3.6224 / (b - 2);
        for (unsigned draw = 0; draw < 1024; draw++) {
            Four f = philox(seed, offset + q, draw + 1);
            double u = uniform(f.w[0], f.w[1]) - 0.5, v = 1 - uniform(f.w[2], f.w[3]), us = 0.5 - fabs(u);
            double found = floor((2 * a / us + b) * u + rate + 0.43);
            k = (Int)found;
            if (us >= 0.07 && v <= top) break;
            if (found < 0 || (us < 0.013 && v > us)) continue;
            if (log(v) + log(invalpha) - log(a / (us * us) + b) <= -rate + found * log(rate) - lgamma(found + 1)) break;
        }
    }
    out[q] = k;
}
"""


class Philox:
    """A stream of random numbers: its seed, and how many counters have been used."""

    __slots__ = ("offset", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed - (1 << 64) if seed >= 1 << 63 else seed  # as the kernels' signed integer
        self.offset = 0

    def use(self, counters: int) -> tuple[int, int]:
        """The seed and the first of so many counters, which are used up."""
        first = self.offset
        self.offset += counters
        return self.seed, first

    def get_state(self) -> str:
        """Seed and counter as text."""
        return json.dumps({"generator": "philox", "seed": self.seed, "offset": self.offset})

    def set_state(self, text: str) -> None:
        """Go on from what :meth:`get_state` gave."""
        state = json.loads(text)
        if state.get("generator") != "philox":
            raise ValueError("a state of another generator, such as the CPU's")
        self.seed, self.offset = int(state["seed"]), int(state["offset"])


class Random:
    """Draws on a card, into new arrays on the current device."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._kernels = Kernels(cupy, SOURCE)

    def kernels(self) -> dict[str, Callable[..., Any]]:
        """Dropout by name."""
        return {"dropout": self.dropout}

    def reals(self, name: str, generator: Philox, shape: Sequence[int], kind: Any) -> Array:
        """``uniform`` numbers in [0, 1) or ``normal`` ones."""
        out = self._cupy.empty(tuple(shape), kind)
        share = -(-out.size // (2 if kind.name == "float64" else 4))
        if share:
            self._kernels(name, kind, *elements(share), out, out.size, share, *generator.use(share))
        return out

    def integers(self, generator: Philox, low: int, high: int, shape: Sequence[int]) -> Array:
        """Integers in [low, high), which may span all 64 bits."""
        out = self._cupy.empty(tuple(shape), np.int64)
        share = -(-out.size // 2)
        span = (high - low) % (1 << 64)
        span = span - (1 << 64) if span >= 1 << 63 else span
        if share:
            call = (out, out.size, share, low, span, *generator.use(share))
            self._kernels("integers", np.dtype("float32"), *elements(share), *call)
        return out

    def permutation(self, generator: Philox, count: int) -> Array:
        """The order of random numbers of 64 bits, in which ties are too rare to matter."""
        return self._cupy.argsort(self.integers(generator, -(1 << 63), 1 << 63, (count,))).astype(np.int64, copy=False)

    def poisson(self, generator: Philox, rates: Array) -> Array:
        """Numbers of events where ``rates`` are expected."""
        rates = self._cupy.ascontiguousarray(rates.astype(np.float64, copy=False))
        out = self._cupy.empty(rates.shape, np.int64)
        if out.size:
            call = (rates, out, out.size, *generator.use(out.size))
            self._kernels("poisson", np.dtype("float64"), *elements(out.size), *call)
        return out

    def dropout(self, x: Array, p: float, generator: Philox) -> tuple[Array, Array]:
        """Zero elements with probability p, scale the others by 1 / (1 - p), and say which were kept."""
        x = self._cupy.ascontiguousarray(x)
        out, kept = self._cupy.empty(x.shape, x.dtype), self._cupy.empty(x.shape, np.bool_)
        share = -(-x.size // 4)
        if share:
            factor = 1 / (1 - p) if p < 1 else 0.0
            call = (x, out, kept, x.size, share, float(p), factor, *generator.use(share))
            self._kernels("dropout", x.dtype, *elements(share), *call)
        return out, kept
