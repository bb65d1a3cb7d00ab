"""Feed-forward networks."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Context, Step, workload

BATCHES = 8  # distinct batches, used in turn: a step does not find its input in the cache of the step before


@workload(rtol=(1e-5, 1e-4))
def mlp(ctx: Context) -> Step:
    """784-256-128-10 with ReLU, batch 64, cross-entropy, Adam."""
    nn, cross_entropy = ctx.lib.nn, ctx.lib.nn.functional.cross_entropy
    model = ctx.load_weights(
        nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    )
    optimizer = ctx.lib.optim.Adam(model.parameters(), lr=1e-3)
    data = [(ctx.normal(64, 784), ctx.tensor(ctx.rng.integers(0, 10, 64))) for _ in range(BATCHES)]
    count = 0

    def step() -> tuple[Any, Any]:
        nonlocal count
        x, labels = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        loss = cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss, model[0].weight.grad

    return step
