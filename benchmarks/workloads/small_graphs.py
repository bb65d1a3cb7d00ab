"""Graphs of many small operations: what they cost is the engine's overhead per operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Context, Step, workload


@workload(rtol=(1e-5, 2e-5))
def scalar_chain(ctx: Context) -> Step:
    """1000 operations on 0-d float32 tensors in one chain, forward and backward."""
    # x -> -tanh(a x + b) - b/a has its fixed point where tanh is 0, and slope -a there: neither the value nor the
    # gradient grows, decays to denormals (which are slow), or amplifies rounding.
    a_value, b_value = 0.995, 0.3
    a = ctx.tensor(np.float32(a_value))
    b = ctx.tensor(np.float32(b_value))
    c = ctx.tensor(np.float32(b_value / a_value))
    x = ctx.tensor(np.float32(0.5), requires_grad=True)

    def step() -> tuple[Any, Any]:
        x.grad = None
        y = x
        for _ in range(200):
            y = y * a
            y = y + b
            y = y.tanh()
            y = -y
            y = y - c
        y.backward()
        return y, x.grad

    return step


@workload()
def small_ops(ctx: Context) -> Step:
    """200 mixed operations on 64x64 float32 arrays, forward and backward."""
    x = ctx.normal(64, 64, requires_grad=True)
    w = ctx.normal(64, 64, scale=0.02, requires_grad=True)
    c = ctx.tensor(-ctx.rng.uniform(0.1, 0.5, (64, 64)).astype(np.float32))

    def step() -> tuple[Any, ...]:
        x.grad = w.grad = None
        h = x
        for _ in range(20):
            y = h.matmul(w)
            y = y.tanh()
            y = y - y.sum(dim=1, keepdim=True)
            y = y.relu()
            y = (y * c).exp()
            y = y.sigmoid()
            h = h.transpose(0, 1) + y  # the skip connection keeps the gradient of the early operations alive
        loss = h.mean()
        loss.backward()
        return loss, x.grad, w.grad

    return step
