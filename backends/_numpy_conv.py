"""Convolution in NumPy, and its gradients: which way is taken for which shape.

Windows from 2×2 to 5×5 with stride 1 go by Winograd's way in single precision, where the channels are many enough to pay for its
transforms; everything else is a product with columns. Samples are shared among threads, each with products of its own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends import _numpy_im2col, _numpy_winograd
from tinygrad_edu.backends._numpy_im2col import Plan, plan_of

Array = Any
Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def _in_single(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that computes half precision in single precision and rounds once, on arrays laid out in order."""

    @functools.wraps(kernel)
    def wrapped(*args: Any) -> Any:
        dtype = args[0].dtype
        wide = np.float32 if dtype == np.float16 else dtype
        out = kernel(*(np.ascontiguousarray(a, wide) if isinstance(a, np.ndarray) else a for a in args))
        if wide is dtype:
            return out
        return tuple(o.astype(dtype) for o in out) if type(out) is tuple else out.astype(dtype)

    return wrapped


@functools.lru_cache(1024)
def _by_winograd(plan: Plan, batch: int, inner: int, outer: int, dtype: Any) -> bool:
    """Whether Winograd's way is open, and pays. Its rounding errors are some ten times larger: double precision, which is
    there to be exact, does without."""
    if dtype != np.float32 or len(plan.sizes) != 2 or plan.sizes[0] != plan.sizes[1]:
        return False
    if plan.sizes[0] not in _numpy_winograd.POINTS:
        return False
    if set(plan.stride) != {1} or set(plan.dilation) != {1} or plan.groups != 1:
        return False
    ours = _numpy_winograd.cost(inner, outer, plan.counts, plan.sizes[0], batch)
    return ours < _numpy_im2col.cost(inner, outer, plan, batch)


def _forward(x: Array, w: Array, b: Array | None, plan: Plan) -> Array:
    if _by_winograd(plan, len(x), x.shape[1], len(w), x.dtype):
        return _numpy_winograd.forward(x, w, b, plan.counts, plan.padding)
    return _numpy_im2col.forward(x, w, b, plan)


def _gradients(x: Array | None, w: Array | None, g: Array, inner: int, plan: Plan) -> tuple[Array | None, Array | None]:
    """The gradients by x, when there is a w, and by w, when there is an x."""
    if _by_winograd(plan, len(g), inner, g.shape[1], g.dtype):
        return _numpy_winograd.gradients(x, w, g, plan.lengths, plan.sizes[0], plan.padding)
    # Columns of the cotangent are read in order, while what its products give has to be added up all over the input: that
    # takes some four times as long for each number.
    single_steps = set(plan.stride) == {1} or set(plan.dilation) == {1}
    if w is None or plan.plain or not single_steps or g.shape[1] > 4 * inner:
        return _numpy_im2col.gradients(x, w, g, inner, plan)
    gw = None if x is None else _numpy_im2col.gradients(x, None, g, inner, plan)[1]
    return _by_phases(g, w, inner, plan), gw


def _by_phases(g: Array, w: Array, inner: int, plan: Plan) -> Array:
    """The gradient by the input as convolutions of the cotangent with the weight turned round.

    With stride s an element of the input meets every s-th element of the window; which ones, is its phase. The elements of
    one phase are a convolution of the cotangent with those elements of the window.
    """
    n, outer, groups = len(plan.sizes), g.shape[1], plan.groups
    turned = w.reshape(groups, outer // groups, inner // groups, *plan.sizes).swapaxes(1, 2)
    turned = turned.reshape(inner, outer // groups, *plan.sizes)
    gx = None
    for phase in itertools.product(*map(range, plan.stride)):
        part = turned[(..., *(slice(r, None, s) for r, s in zip(phase, plan.stride, strict=True)))]
        reach = [d * (k - 1) for k, d in zip(part.shape[2:], plan.dilation, strict=True)]
        places: list[Any] = []
        pairs: list[tuple[int, int]] = []
        for r, s, m, (before, _), far, length in zip(
            phase, plan.stride, g.shape[2:], plan.padding, reach, plan.lengths, strict=True
        ):
            first = -((r - before) // s)  # of this phase, the first element that is no padding
            start = r - before + first * s
            count = max(-((start - length) // s), 0)
            places.append(slice(start, length, s))
            pairs.append((far - first, count - m + first))
        if not part.size or any(p.start >= p.stop for p in places):
            continue
        part = np.ascontiguousarray(np.flip(part, tuple(range(2, n + 2))))
        found = _forward(
            g, part, None, plan_of(g.shape[2:], part.shape[2:], (1,) * n, tuple(pairs), plan.dilation, groups)
        )
        if set(plan.stride) == {1}:
            return found
        if gx is None:
            gx = np.zeros((len(g), inner, *plan.lengths), g.dtype)
        gx[(..., *places)] = found
    return np.zeros((len(g), inner, *plan.lengths), g.dtype) if gx is None else gx


@_in_single
def conv(x: Array, w: Array, b: Array | None, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Array:
    """y = w ∗ x + b."""
    return _forward(x, w, b, plan_of(x.shape[2:], w.shape[2:], stride, padding, dilation, groups))


@_in_single
def conv_input_gradient(
    g: Array, w: Array, b: Array | None, lengths: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """The gradient by the input of size ``lengths``, plus b: the transposed convolution of g."""
    plan = plan_of(lengths, w.shape[2:], stride, padding, dilation, groups)
    gx, _ = _gradients(None, w, g, w.shape[1] * groups, plan)
    if b is not None and gx is not None:
        gx += b.reshape(-1, *(1 for _ in lengths))
    return gx


@_in_single
def conv_weight_gradient(
    x: Array, g: Array, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """The gradient by a weight of window ``sizes``."""
    plan = plan_of(x.shape[2:], sizes, stride, padding, dilation, groups)
    return _gradients(x, None, g, x.shape[1], plan)[1]


@_in_single
def conv_gradients(
    x: Array, w: Array, g: Array, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> tuple[Array, Array]:
    """The gradients by the input and by the weight."""
    plan = plan_of(x.shape[2:], w.shape[2:], stride, padding, dilation, groups)
    gx, gw = _gradients(x, w, g, x.shape[1], plan)
    return gx, gw
