"""``torch.accelerator``: the device that is faster than the CPU, whichever it is; here a GPU, where there is one."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import cuda
from tinygrad_edu.absent import explain_missing
from tinygrad_edu.device import device

__all__ = [
    "current_accelerator",
    "current_device_index",
    "device_count",
    "empty_cache",
    "is_available",
    "memory_allocated",
    "set_device_index",
    "synchronize",
]


def is_available() -> bool:
    """Whether there is a device besides the CPU that can be used."""
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of device that is faster than the CPU; None where there is none."""
    return device("cuda") if cuda.is_available() else None


def device_count() -> int:
    """How many such devices there are."""
    return cuda.device_count()


def current_device_index() -> int:
    """The number of the current one."""
    return cuda.current_device()


def set_device_index(device: Any) -> None:
    """Make the device of this number, or this name, the current one."""
    cuda.set_device(device)


def synchronize(device: Any = None) -> None:
    """Wait until the device has done what it was asked to do."""
    cuda.synchronize(device)


def memory_allocated(device_index: Any = None) -> int:
    """How many bytes its tensors take."""
    return cuda.memory_allocated(device_index)


def empty_cache() -> None:
    """Give memory back that is kept for later tensors; nothing to do without a device."""
    if is_available():
        cuda.empty_cache()


explain_missing(globals(), "accelerator")
