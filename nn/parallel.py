"""DataParallel: PyTorch's wrapper for several cards in one process, which uses one here."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad_edu.absent import explain_missing
from tinygrad_edu.nn.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls `module`, as PyTorch's does with one device; its parameters have names that begin with ``module.``.

    Batches are not divided among several cards: a warning says so where there are.

    Parameters
    ----------
    module : Module
    device_ids : list, optional
        The first one is used.
    output_device, dim : optional
        Accepted and without effect.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> list(nn.DataParallel(nn.Linear(1, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    module: Module

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        from tinygrad_edu import cuda  # which knows mixed precision, which knows optimizers, which know modules

        super().__init__()
        self.dim, self.device_ids, self.output_device = dim, list(device_ids or []), output_device
        self.module = module
        if cuda.device_count() > 1 and len(self.device_ids) != 1:
            warnings.warn("DataParallel: one card is used; batches are not divided among several", stacklevel=2)
        if self.device_ids and cuda.is_available():
            module.to(f"cuda:{self.device_ids[0]}")

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Call a module on inputs as :class:`DataParallel` does."""
    wrapped = DataParallel(module, device_ids, output_device, dim)
    return wrapped(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))


explain_missing(globals(), "nn.parallel")
