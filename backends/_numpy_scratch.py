"""Memory that kernels use again and again: a fresh large array costs more page faults than the arithmetic on it."""

from __future__ import annotations

import math
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
