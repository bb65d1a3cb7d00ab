"""Convolutions and their transposes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

FLOATS = "float64 float32"


@st.composite
def _settings(draw: Any, n: int) -> Any:
    """Sizes of the window, stride, padding and dilation for each dimension, and the number of groups."""

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    most = 3 if n == 1 else 2
    return each(1, most), each(1, 2), each(0, 1), each(1, 2), draw(st.sampled_from([1, 1, 2]))


@st.composite
def _arguments(draw: Any, n: int) -> tuple[Any, ...]:
    """Input (with or without a batch), weight, bias or None, stride, padding, dilation, groups."""
    sizes, stride, padding, dilation, groups = draw(_settings(n))
    if draw(st.booleans()) and set(stride) == {1}:
        padding = draw(st.sampled_from(["same", "valid"]))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, sizes, strict=True)]
    lengths = tuple(r + draw(st.integers(0, 3 if n == 1 else 1)) for r in reach)
    outer, inner = (groups * draw(st.integers(1, 2)) for _ in range(2))
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    x = draw(some.tensors((*batch, inner, *lengths), -2.0, 2.0))
    weight = draw(some.tensors((outer, inner // groups, *sizes), -2.0, 2.0))
    bias = draw(st.none() | some.tensors((outer,), -2.0, 2.0))
    return x, weight, bias, stride, padding, dilation, groups


@st.composite
def _transposed_arguments(draw: Any, n: int) -> tuple[Any, ...]:
    """Input, weight, bias or None, stride, padding, output_padding, groups, dilation."""
    sizes, stride, padding, dilation, groups = draw(_settings(n))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    counts = tuple(draw(st.integers(1, 2)) for _ in range(n))
    padding = tuple(
        min(p, ((m - 1) * s + d * (k - 1) + e) // 2)
        for m, s, p, d, k, e in zip(counts, stride, padding, dilation, sizes, extra, strict=True)
    )
    outer, inner = (groups * draw(st.integers(1, 2)) for _ in range(2))
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    x = draw(some.tensors((*batch, inner, *counts), -2.0, 2.0))
    weight = draw(some.tensors((inner, outer // groups, *sizes), -2.0, 2.0))
    bias = draw(st.none() | some.tensors((outer,), -2.0, 2.0))
    return x, weight, bias, stride, padding, extra, groups, dilation


def _taps(counts: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
    """Each element of a window, and the places where it meets the padded input."""
    for k in itertools.product(*map(range, sizes)):
        yield (
            (..., *k),
            (
                ...,
                *(
                    slice(i * d, i * d + s * (m - 1) + 1, s)
                    for i, d, s, m in zip(k, dilation, stride, counts, strict=True)
                ),
            ),
        )


def _convolution(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """One element of the window after the other, one output channel after the other."""
    sizes = weight.shape[2:]
    n = len(sizes)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, sizes, strict=True)]
        widths = [(t // 2, t - t // 2) for t in totals]
    else:
        widths = [(p, p) for p in ((0,) * n if padding == "valid" else padding)]
    x = np.pad(x, [(0, 0)] * (x.ndim - n) + widths)
    counts = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(x.shape[-n:], sizes, stride, dilation, strict=True)]
    per = weight.shape[0] // groups
    y = np.zeros((*x.shape[: -n - 1], weight.shape[0], *counts))
    out, inputs = np.moveaxis(y, -n - 1, 0), np.moveaxis(x, -n - 1, 0)
    for o, c in itertools.product(range(weight.shape[0]), range(weight.shape[1])):
        for tap, places in _taps(counts, sizes, stride, dilation):
            out[o] += weight[o, c][tap] * inputs[o // per * weight.shape[1] + c][places]
        if bias is not None and c == 0:
            out[o] += bias[o]
    return y


def _transposed(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, extra: Any, groups: int, dilation: Any
) -> Any:
    """Each element of the window adds its share to its places, whose rim is then cut off."""
    sizes = weight.shape[2:]
    n = len(sizes)
    counts = x.shape[-n:]
    wide = [
        (m - 1) * s + d * (k - 1) + 1 + e for m, s, d, k, e in zip(counts, stride, dilation, sizes, extra, strict=True)
    ]
    made, per = weight.shape[1] * groups, weight.shape[0] // groups
    y = np.zeros((*x.shape[: -n - 1], made, *wide))
    out, inputs = np.moveaxis(y, -n - 1, 0), np.moveaxis(x, -n - 1, 0)
    for c, o in itertools.product(range(weight.shape[0]), range(weight.shape[1])):
        for tap, places in _taps(counts, sizes, stride, dilation):
            out[c // per * weight.shape[1] + o][places] += weight[c, o][tap] * inputs[c]
    if bias is not None:
        out += bias.reshape(-1, *(1,) * (y.ndim - 1))
    inside: Any = (..., *(slice(p, m - p) for p, m in zip(padding, wide, strict=True)))
    return y[inside]


def _ones(*shapes: tuple[int, ...]) -> list[Any]:
    return [tg.ones(*shape) for shape in shapes]


def _refused(n: int) -> tuple[Bad, ...]:
    """What a convolution over ``n`` dimensions must not take."""
    x, w = (2, 3, *(4,) * n), (6, 3, *(2,) * n)
    return (
        Bad(lambda: _ones((3,) * (n - 1) + (1,), w), ValueError, f"conv{n}d: expected an input"),
        Bad(lambda: _ones(x, w[1:]), ValueError, f"conv{n}d: the weight must have {n + 2} dimensions"),
        Bad(lambda: _ones((2, 4, *x[2:]), w), ValueError, "expects 3 input channels"),
        Bad(lambda: _ones(x, w, (5,)), ValueError, "the bias must have shape"),
        Bad(lambda: [*_ones(x, w), None, 0], ValueError, "stride must be"),
        Bad(lambda: [*_ones(x, w), None, 1, -1], ValueError, "padding must be"),
        Bad(lambda: [*_ones(x, w), None, 2, "same"], ValueError, "needs stride 1"),
        Bad(lambda: [*_ones(x, w), None, 1, "full"], ValueError, "'same', 'valid' or"),
        Bad(lambda: [*_ones(x, w), None, 1, 0, 4], ValueError, "no window of"),
        Bad(lambda: [*_ones(x, w), None, 1, 0, 1, 4], ValueError, "groups must be"),
        Bad(lambda: [tg.ones(*x), tg.ones(*w, dtype=tg.float64)], TypeError, "float32 and the weight"),
        Bad(lambda: [[1.0], tg.ones(*w)], TypeError, "expected a Tensor as input"),
    )


def _refused_transposed(n: int) -> tuple[Bad, ...]:
    x, w = (2, 6, *(4,) * n), (6, 3, *(2,) * n)
    return (
        Bad(lambda: _ones((2, 5, *x[2:]), w), ValueError, "expects 6 input channels"),
        Bad(lambda: [*_ones(x, w), None, 2, 0, 2], ValueError, "output_padding must be smaller"),
        Bad(lambda: [*_ones(x, w), None, 1, 3], ValueError, "leaves nothing"),
        Bad(lambda: [*_ones(x, w), None, 1, "same"], TypeError, "padding must be"),
        Bad(lambda: [*_ones(x, w), None, 1, 0, 0, 4], ValueError, "groups must be"),
    )


@st.composite
def _times_first(draw: Any) -> tuple[Any, ...]:
    """Input, weight, bias, padding."""
    window, inner, outer, batch = (draw(st.integers(1, 3)) for _ in range(4))
    x = draw(some.tensors((window + draw(st.integers(0, 3)), batch, inner), -2.0, 2.0))
    weight = draw(some.tensors((window, inner, outer), -2.0, 2.0))
    return x, weight, draw(some.tensors((outer,), -2.0, 2.0)), draw(st.integers(0, 2))


def _windows_of_times(x: Any, weight: Any, bias: Any, pad: int) -> Any:
    x = np.pad(x, [(pad, pad), (0, 0), (0, 0)])
    length = len(x) - len(weight) + 1
    return bias + sum(x[k : k + length] @ w for k, w in enumerate(weight))


ORDER = 3

SPECS = (
    [
        OpSpec(
            "F.conv_tbc",
            F.conv_tbc,
            _times_first(),
            _windows_of_times,
            errors=(
                Bad(lambda: [tg.ones(4, 2, 3), tg.ones(2, 2, 3), tg.ones(3)], ValueError, r"conv_tbc: .*\(4, 2, 3\)"),
            ),
            torch="nn.functional.conv_tbc",
            dtypes=FLOATS,
        )
    ]
    + [
        OpSpec(
            f"F.conv{n}d",
            getattr(F, f"conv{n}d"),
            _arguments(n),
            _convolution,
            errors=_refused(n),
            torch=f"nn.functional.conv{n}d",
            dtypes=FLOATS,
        )
        for n in (1, 2, 3)
    ]
    + [
        OpSpec(
            f"F.conv_transpose{n}d",
            getattr(F, f"conv_transpose{n}d"),
            _transposed_arguments(n),
            _transposed,
            errors=_refused_transposed(n),
            torch=f"nn.functional.conv_transpose{n}d",
            dtypes=FLOATS,
        )
        for n in (1, 2, 3)
    ]
)
