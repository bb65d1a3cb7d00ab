"""Single operations at three sizes, forward alone and forward with backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.registry import Context, Step, workload

SIZES = (1, 64, 1024)

Operation = Callable[[Any, Any, Any], Any]
"""Takes the library and two operands (n, n), the second of them positive."""

OPERATIONS: dict[str, Operation] = {
    "add": lambda lib, x, y: x + y,
    "add_row": lambda lib, x, y: x + y[0],
    "sub": lambda lib, x, y: x - y,
    "mul": lambda lib, x, y: x * y,
    "mul_number": lambda lib, x, y: x * 1.5,
    "div": lambda lib, x, y: x / y,
    "pow": lambda lib, x, y: y**2.5,
    "exp": lambda lib, x, y: x.exp(),
    "log": lambda lib, x, y: y.log(),
    "tanh": lambda lib, x, y: x.tanh(),
    "sigmoid": lambda lib, x, y: x.sigmoid(),
    "relu": lambda lib, x, y: x.relu(),
    "gelu": lambda lib, x, y: lib.nn.functional.gelu(x),
    "where": lambda lib, x, y: lib.where(x > 0, x, y),
    "sum": lambda lib, x, y: x.sum(),
    "mean": lambda lib, x, y: x.mean(dim=-1),
    "max": lambda lib, x, y: x.max(dim=-1).values,
    "softmax": lambda lib, x, y: x.softmax(-1),
    "matmul": lambda lib, x, y: x @ y,
    "cat": lambda lib, x, y: lib.cat([x, y]),
    "slice": lambda lib, x, y: x[:, : (x.shape[1] + 1) // 2],
    "rows": lambda lib, x, y: x[lib.arange(x.shape[0] - 1, -1, -1)],
}

ELEMENTWISE = frozenset("add add_row sub mul mul_number div pow exp log tanh sigmoid relu gelu where softmax".split())


def _register(name: str, operation: Operation, n: int, *, backward: bool) -> None:
    kind = "backward" if backward else "forward"

    @workload(name=f"{name}/{n}/{kind}", check_steps=1, rtol=(2e-5,), group="operations")
    def build(ctx: Context) -> Step:
        x = ctx.normal(n, n, requires_grad=True)
        y = ctx.tensor(ctx.rng.uniform(0.5, 2.0, (n, n)).astype(np.float32), requires_grad=True)
        lib = ctx.lib
        cotangent = ctx.normal(*operation(lib, x, y).shape)
        repeats = 100 if n == 1 else 20 if n == 64 else 1

        def forward() -> Any:
            for _ in range(repeats):
                out = operation(lib, x, y)
            return out

        def both() -> Any:
            for _ in range(repeats):
                x.grad = y.grad = None
                operation(lib, x, y).backward(cotangent)
            return x.grad if x.grad is not None else y.grad

        return both if backward else forward


for _name, _operation in OPERATIONS.items():
    for _n in SIZES:
        for _backward in (False, True):
            _register(_name, _operation, _n, backward=_backward)
