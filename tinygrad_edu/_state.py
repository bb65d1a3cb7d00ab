"""What is set for each thread: grad mode, inference mode, anomaly mode, default device and dtype."""

from __future__ import annotations

import os
import threading
from typing import Any

from tinygrad_edu.dtypes import DType, float32, to_dtype

# Which threads are in anomaly mode, and in which every operation is looked at, by anomaly mode or by an observer: plain globals
# are cheaper to ask than a thread-local.
anomaly_threads: set[int] = set()
watched_threads: set[int] = set()
casting_threads: set[int] = set()  # that are inside of autocast


class _Modes(threading.local):
    """The modes of the running thread; a new thread starts with these defaults."""

    grad = True
    inference = False
    anomaly = False
    check_nan = True
    observe: Any = None  # a function that gets each operation, its results and its arguments
    retain = True  # whether the backward pass that is running keeps saved values, so that formulas must not use them up
    casts: dict[str, DType] = {}  # of each type of device the type to which autocast lowers
    device: str | None = None
    dtype: DType = float32


modes = _Modes()


def swap(settings: dict[str, Any]) -> dict[str, Any]:
    """Set modes of this thread and return what they were before."""
    before = {name: getattr(modes, name) for name in settings}
    for name, value in settings.items():
        setattr(modes, name, value)
    if "anomaly" in settings or "observe" in settings:
        me = threading.get_ident()
        (anomaly_threads.add if modes.anomaly else anomaly_threads.discard)(me)
        (watched_threads.add if modes.anomaly or modes.observe else watched_threads.discard)(me)
    if "casts" in settings:
        (casting_threads.add if modes.casts else casting_threads.discard)(threading.get_ident())
    return before


def get_default_dtype() -> DType:
    """The floating-point type of tensors made from Python numbers (``float32`` unless changed)."""
    return modes.dtype


def set_default_dtype(dtype: Any) -> None:
    """Set the floating-point type of tensors made from Python numbers, for this thread."""
    dtype = to_dtype(dtype)
    if not dtype.is_floating_point:
        raise TypeError(f"set_default_dtype: expected a floating-point dtype, got {dtype}")
    modes.dtype = dtype


def default_device() -> str:
    """The device of tensors made without ``device=``: this thread's, else ``TINYGRAD_EDU_DEVICE``, else ``cpu``."""
    return modes.device or os.environ.get("TINYGRAD_EDU_DEVICE") or "cpu"
