"""Fused operations for CuPy, by name: each pass over a parameter is one kernel instead of a dozen."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

Array = Any

# In CuPy's elementwise kernels a name stands for the element at the thread's place; names without `raw` are broadcast.
ADAM = """
    T g = maximize ? -grad : grad;
    if (decay != 0) p = p * (T)(1 - decay);
    if (penalty != 0) g = g + (T)penalty * p;
    m = (T)beta1 * m + (T)(1 - beta1) * g;
    v = (T)beta2 * v + (T)(1 - beta2) * g * g;
    T largest = v;
    if (amsgrad) { top = max(top, v); largest = top; }
    p = p - (T)size * m / (sqrt(largest) + (T)eps);
"""
SGD = """
    T g = maximize ? -grad : grad;
    if (penalty != 0) g = g + (T)penalty * p;
    if (momentum != 0) {
        buffer = first ? g : (T)momentum * buffer + (T)(1 - dampening) * g;
        g = nesterov ? g + (T)momentum * buffer : buffer;
    }
    p = p - (T)lr * g;
"""


def kernels_of(cupy: Any) -> dict[str, Callable[..., Any]]:
    """The kernels, which the card's compiler sees at their first use."""
    adam_kernel = cupy.ElementwiseKernel(
        "T grad, bool maximize, float64 decay, float64 penalty, float64 beta1, float64 beta2, float64 size, float64 eps, bool amsgrad",
        "T p, T m, T v, T top",
        ADAM,
        "tinygrad_edu_adam",
    )
    sgd_kernel = cupy.ElementwiseKernel(
        "T grad, bool maximize, float64 penalty, float64 momentum, float64 dampening, bool first, bool nesterov, float64 lr",
        "T p, T buffer",
        SGD,
        "tinygrad_edu_sgd",
    )
    return {"adam": functools.partial(_adam, adam_kernel), "sgd": functools.partial(_sgd, sgd_kernel)}


def _adam(
    kernel: Callable[..., Any],
    arrays: list[list[Array]],
    steps: list[float],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """One step of Adam: see ``tinygrad_edu.optim.adam``."""
    beta1, beta2 = betas
    decay = lr * weight_decay if decoupled else 0.0
    penalty = 0.0 if decoupled else weight_decay
    for (p, g, m, v, *top), count in zip(arrays, steps, strict=True):
        # √(v / c) + eps = (√v + eps √c) / √c saves a division.
        root = math.sqrt(1 - beta2**count)
        size = lr * root / (1 - beta1**count)
        held = (p, m, v, *(top or [v]))
        kernel(g, maximize, decay, penalty, beta1, beta2, size, eps * root, bool(top), *held)


def _sgd(
    kernel: Callable[..., Any],
    params: list[Array],
    grads: list[Array],
    buffers: list[Array | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of gradient descent: see ``tinygrad_edu.optim.sgd``."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        first = momentum != 0 and buffers[i] is None
        if first:
            buffers[i] = g.copy()
        held = buffers[i] if momentum else p
        kernel(g, maximize, weight_decay, momentum, dampening, first, nesterov, lr, p, held)
