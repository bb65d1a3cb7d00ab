"""The registry of workloads, and the handle through which a workload talks to a library.

To add a workload, write one function in a module under ``benchmarks/workloads/`` (and import that module in its
``__init__``)::

    @workload(check_steps=3)
    def tiny_regression(ctx: Context) -> Step:
        \"\"\"One linear layer, batch 8, SGD.\"\"\"
        model = ctx.load_weights(ctx.lib.nn.Linear(4, 1))
        x, y = ctx.normal(8, 4), ctx.normal(8, 1)
        optimizer = ctx.lib.optim.SGD(model.parameters(), lr=0.1)

        def step():
            optimizer.zero_grad()
            loss = ctx.lib.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20240607

Step = Callable[[], Any]
"""One training step. What it returns (a tensor, a number, a tuple of them, or None) is compared across libraries;
return a gradient too where the loss alone would not notice a wrong one."""


class Context:
    """One library, one device and one stream of seeded NumPy numbers: all that a workload needs.

    Parameters
    ----------
    lib : module
        ``tinygrad_edu`` or ``torch``; both answer to the same names.
    device : str
        Where tensors are created, as in PyTorch: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    name : str
        The workload's name, which seeds `rng`; both libraries thus draw the same numbers in the same order.
    """

    def __init__(self, lib: Any, device: str, name: str) -> None:
        self.lib = lib
        self.device = device
        self.rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])

    @property
    def on_gpu(self) -> bool:
        """Whether work is queued on a GPU, so that a clock must wait for it."""
        return self.device.split(":")[0] == "cuda"

    @property
    def gpu_name(self) -> str | None:
        """The card's name where there is one."""
        return str(self.lib.cuda.get_device_name(self.device)) if self.on_gpu else None

    def event(self) -> Any:
        """A mark in the card's queue, put there now, that knows its time; None on the CPU."""
        if not self.on_gpu:
            return None
        event = self.lib.cuda.Event(enable_timing=True)
        event.record()
        return event

    def tensor(self, array: Any, *, requires_grad: bool = False) -> Any:
        """A tensor with the array's values and dtype on the device under test."""
        return self.lib.tensor(np.asarray(array), device=self.device, requires_grad=requires_grad)

    def normal(self, *shape: int, scale: float = 1.0, requires_grad: bool = False) -> Any:
        """A float32 tensor of seeded normal numbers with standard deviation `scale`."""
        return self.tensor(self.normal_array(*shape, scale=scale), requires_grad=requires_grad)

    def normal_array(self, *shape: int, scale: float = 1.0) -> NDArray[np.float32]:
        """The same as a NumPy array."""
        return (scale * self.rng.standard_normal(shape)).astype(np.float32)

    def load_weights(self, model: Any) -> Any:
        """Move `model` to the device and give it seeded weights, the same in every library.

        Weights are uniform in ±1/√(last size); one-dimensional weights (scales of normalization layers) lie around 1.
        Buffers keep the values that the layer gave them.
        """
        state = dict(model.state_dict())
        for name, parameter in sorted(model.named_parameters()):
            shape = tuple(parameter.shape)
            bound = shape[-1] ** -0.5
            values = self.rng.uniform(-bound, bound, shape).astype(np.float32)
            if len(shape) == 1 and name.endswith("weight"):
                values += 1
            state[name] = self.lib.from_numpy(values)
        model.load_state_dict(state)
        return model.to(self.device)

    def synchronize(self) -> None:
        """Wait until the device has done all that was asked of it; nothing to wait for on the CPU."""
        if self.on_gpu:
            self.lib.cuda.synchronize()

    def numpy(self, value: Any) -> NDArray[np.float64]:
        """A tensor or number as a flat float64 NumPy array."""
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        return np.asarray(array, dtype=np.float64).reshape(-1)


@dataclass(frozen=True, slots=True)
class Workload:
    """A named training step and how its results are compared.

    Attributes
    ----------
    name : str
        What the command line calls it.
    build : callable
        Makes models and data for a `Context` and returns the `Step`.
    summary : str
        One line for ``--list``.
    check_steps : int
        The first so many steps are compared across libraries.
    rtol : tuple of float
        For each value that a step returns, the largest relative difference that counts as rounding; the last one holds
        for all further values. ``benchmarks/README.md`` says how the numbers were found.
    only_ours : bool
        PyTorch has no such thing, or cannot run it: measure our side alone.
    group : str
        ``"training"`` or ``"operations"``. Operations are many and small: they share one process a side, are measured
        when they or their group are named, and have a table of their own.
    """

    name: str
    build: Callable[[Context], Step]
    summary: str
    check_steps: int
    rtol: tuple[float, ...]
    only_ours: bool
    group: str


WORKLOADS: dict[str, Workload] = {}


def workload(
    *,
    name: str | None = None,
    check_steps: int = 5,
    rtol: tuple[float, ...] = (1e-5,),
    only_ours: bool = False,
    group: str = "training",
) -> Callable[[Callable[[Context], Step]], Callable[[Context], Step]]:
    """Register the decorated function as a workload under its own name (or `name`); see `Workload` for the options."""

    def register(build: Callable[[Context], Step]) -> Callable[[Context], Step]:
        key = name or build.__name__
        if key in WORKLOADS:
            raise ValueError(f"workload {key!r} is registered twice")
        summary = (build.__doc__ or "").strip().partition("\n")[0]
        WORKLOADS[key] = Workload(key, build, summary, check_steps, rtol, only_ours, group)
        return build

    return register
