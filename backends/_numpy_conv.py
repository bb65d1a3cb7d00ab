"""Convolution in NumPy, and its gradients: which way is taken for which shape.

3×3 and 5×5 windows with stride 1 go by Winograd's way in single precision, where the channels are many enough to pay for its
transforms; everything else is a product with columns. Samples are shared among threads, each with products of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends import _numpy_im2col, _numpy_winograd
from tinygrad_edu.backends._numpy_im2col import Plan

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


def _plan(lengths: Sizes, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Plan:
    counts = tuple(
        (m + a + b - d * (k - 1) - 1) // s + 1
        for m, k, s, (a, b), d in zip(lengths, sizes, stride, padding, dilation, strict=True)
    )
    return Plan(sizes, lengths, counts, stride, padding, dilation, groups)


def _by_winograd(plan: Plan, batch: int, inner: int, outer: int, dtype: Any) -> bool:
    """Whether Winograd's way is open, and pays. Its rounding errors are some ten times larger: double precision, which is
    there to be exact, does without."""
    if plan.sizes not in ((3, 3), (5, 5)) or dtype != np.float32:
        return False
    if set(plan.stride) != {1} or set(plan.dilation) != {1} or plan.groups != 1:
        return False
    ours = _numpy_winograd.cost(inner, outer, plan.counts, plan.sizes[0], batch)
    return ours < _numpy_im2col.cost(inner, outer, plan, batch)


@_in_single
def conv(x: Array, w: Array, b: Array | None, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Array:
    """y = w ∗ x + b."""
    plan = _plan(x.shape[2:], w.shape[2:], stride, padding, dilation, groups)
    if _by_winograd(plan, len(x), x.shape[1], len(w), x.dtype):
        return _numpy_winograd.forward(x, w, b, plan.counts, padding)
    return _numpy_im2col.forward(x, w, b, plan)


def _gradients(x: Array | None, w: Array | None, g: Array, inner: int, plan: Plan) -> tuple[Array | None, Array | None]:
    if _by_winograd(plan, len(g), inner, g.shape[1], g.dtype):
        return _numpy_winograd.gradients(x, w, g, plan.lengths, plan.sizes[0], plan.padding)
    return _numpy_im2col.gradients(x, w, g, inner, plan)


@_in_single
def conv_input_gradient(
    g: Array, w: Array, b: Array | None, lengths: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """The gradient by the input of size ``lengths``, plus b: the transposed convolution of g."""
    plan = _plan(lengths, w.shape[2:], stride, padding, dilation, groups)
    gx, _ = _gradients(None, w, g, w.shape[1] * groups, plan)
    if b is not None and gx is not None:
        gx += b.reshape(-1, *(1 for _ in lengths))
    return gx


@_in_single
def conv_weight_gradient(
    x: Array, g: Array, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """The gradient by a weight of window ``sizes``."""
    plan = _plan(x.shape[2:], sizes, stride, padding, dilation, groups)
    return _gradients(x, None, g, x.shape[1], plan)[1]


@_in_single
def conv_gradients(
    x: Array, w: Array, g: Array, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> tuple[Array, Array]:
    """The gradients by the input and by the weight."""
    plan = _plan(x.shape[2:], w.shape[2:], stride, padding, dilation, groups)
    gx, gw = _gradients(x, w, g, x.shape[1], plan)
    return gx, gw
