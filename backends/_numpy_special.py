"""Special functions in NumPy where single precision allows a shorter way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends._numpy_scratch import scratch
from tinygrad_edu.backends._numpy_threads import pieces, split

Array = Any

# atanh(erf(x)) / x as a polynomial in x², highest power first: fitted to erf on |x| ≤ 4 with Lawson's iteration, so that erf is
# off by no more than 2.6e-7 of its value in float32.
_ERF = tuple(
    np.float32(c)
    for c in (
        1.41893566e-7,
        -5.66897815e-6,
        8.76392229e-5,
        -6.19787061e-4,
        -1.91829931e-4,
        1.02769056e-1,
        1.12837927,
    )
)


def erf_single(x: Array) -> Array:
    """The error function in float32, as tanh(x P(x²)): NumPy computes tanh faster than exp and a division."""
    x = np.asarray(x)
    square = x * x  # from 4 on the polynomial is so large that tanh is 1
    out = np.asarray(square * _ERF[0])
    for c in _ERF[1:-1]:
        out += c
        out *= square
    out += _ERF[-1]
    out *= x
    return np.tanh(out, out=out)


# The same polynomial for Φ(x) = (1 + tanh(x Q(x²))) / 2, the normal distribution function.
_PHI = tuple(c * np.float32(0.5 ** (len(_ERF) - 1 - i) / math.sqrt(2)) for i, c in enumerate(_ERF))
_DENSITY = np.float32(1 / math.sqrt(2 * math.pi))
_ROOT, _CUBE = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


def _gelu(x: Array, out: Array, slope: Array | None) -> None:
    """x Φ(x), and Φ(x) + x φ(x)."""
    square, share = (scratch(f"gelu {name}", x.shape, x.dtype) for name in ("square", "share"))
    np.square(x, out=square)
    np.multiply(square, _PHI[0], out=share)
    for c in _PHI[1:-1]:
        share += c
        share *= square
    share += _PHI[-1]
    share *= x
    np.tanh(share, out=share)
    share *= np.float32(0.5)
    share += np.float32(0.5)
    np.multiply(x, share, out=out)
    if slope is not None:
        square *= np.float32(-0.5)
        np.exp(square, out=square)
        square *= x
        square *= _DENSITY
        np.add(square, share, out=slope)


def _gelu_tanh(x: Array, out: Array, slope: Array | None) -> None:
    """x s with s = (1 + tanh(w)) / 2 and w = √(2/π) (x + 0.044715 x³), and s + 2 x s (1 - s) dw/dx."""
    square, inner, share = (scratch(f"gelu {name}", x.shape, x.dtype) for name in ("square", "inner", "share"))
    np.square(x, out=square)
    np.multiply(square, _ROOT * _CUBE, out=share)
    share += _ROOT
    share *= x
    np.tanh(share, out=share)
    share *= np.float32(0.5)
    share += np.float32(0.5)
    np.multiply(x, share, out=out)
    if slope is not None:
        square *= 6 * _ROOT * _CUBE
        square += 2 * _ROOT
        np.subtract(np.float32(1), share, out=inner)
        inner *= square
        inner *= out
        np.add(inner, share, out=slope)


def _with_slope(
    formula: Callable[[Array, Array, Array | None], None],
) -> Callable[[Array, bool], tuple[Array, Array | None]]:
    """A kernel that gives values and, where asked for, derivatives of all elements."""

    def kernel(x: Array, wanted: bool) -> tuple[Array, Array | None]:
        out = np.empty(x.shape, x.dtype)
        slope = np.empty(x.shape, x.dtype) if wanted else None
        source, target = x.reshape(-1), out.reshape(-1)
        slopes = None if slope is None else slope.reshape(-1)

        def share(part: slice) -> None:
            for at in pieces(part):
                formula(source[at], target[at], None if slopes is None else slopes[at])

        split(share, x.size, 4 * x.size)
        return out, slope

    return kernel


KERNELS: dict[str, Callable[..., Any]] = {
    "gelu_with_slope": _with_slope(_gelu),
    "gelu_tanh_with_slope": _with_slope(_gelu_tanh),
}
