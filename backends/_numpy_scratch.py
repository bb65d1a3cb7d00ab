"""Memory that is used again and again: the page faults of a fresh large array cost more than much of the arithmetic on it."""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

KEPT = 1 << 24  # bytes; more than this is taken afresh, so that one large call does not hold memory for ever


class _Pool(threading.local):
    """The buffers of one thread by name."""

    def __init__(self) -> None:
        self.buffers: dict[str, Any] = {}


_pool = _Pool()


def scratch(name: str, shape: Sequence[int], dtype: Any) -> Any:
    """An array of this thread's own, its contents undefined, which holds until the name is asked for again."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size > KEPT:
        return np.empty(shape, dtype)
    held = _pool.buffers.get(name)
    if held is None or held.size < size:
        _pool.buffers.pop(name, None)  # freed before its successor is made
        held = _pool.buffers[name] = np.empty(size, np.uint8)
    return held[:size].view(dtype).reshape(shape)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def keep_freed_memory(up_to: int = 1 << 27) -> bool:
    """Ask the C library to keep what is freed, up to so many bytes, for the next step; whether it could be asked.

    A training step frees its whole graph at its end and allocates as much in the next. By default glibc hands large arrays back to
    the system at once, which then fills every page with zeros again: a tenth of the time of a wide convolutional network. Whoever
    sets glibc's own variables knows better, and is left alone.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or Windows
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, up_to) and mallopt(_M_MMAP_THRESHOLD, 1 << 25))
