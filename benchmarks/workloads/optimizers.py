"""Optimizer steps alone: many small parameters show the overhead, a few large ones the traffic with memory."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Context, Step, workload

OPTIMIZERS: dict[str, dict[str, Any]] = {"SGD": {"momentum": 0.9}, "Adam": {}, "AdamW": {}}
MODELS: dict[str, list[tuple[int, ...]]] = {"small": [(16, 16), (16,)] * 50, "large": [(1024, 512)] * 10}


def _register(name: str, options: dict[str, Any], size: str, shapes: list[tuple[int, ...]]) -> None:
    def build(ctx: Context) -> Step:
        parameters = [ctx.normal(*shape, requires_grad=True) for shape in shapes]
        for p in parameters:
            p.grad = ctx.normal(*p.shape)
        optimizer = getattr(ctx.lib.optim, name)(parameters, lr=1e-3, **options)

        def step() -> tuple[Any, Any]:
            optimizer.step()
            return parameters[0], parameters[-1]

        return step

    build.__doc__ = (
        f"One step of {name} for {len(shapes)} parameters, the largest {shapes[0]}: no forward, no backward."
    )
    workload(name=f"optimizer_step/{name}/{size}")(build)


for _name, _options in OPTIMIZERS.items():
    for _size, _shapes in MODELS.items():
        _register(_name, _options, _size, _shapes)
