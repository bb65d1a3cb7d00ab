"""Indices out of range, found by the card and reported when it is next waited for.

A kernel that meets a bad index cannot raise, and a host that looked at every result would wait at every step. So kernels leave the
first bad index in an array of two numbers, what to say and the index, which costs nothing; the host reads it where it waits
anyway, for ``loss.item()`` for example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.backends._cupy_source import Kernels, elements

Array = Any

ALARM = """
__device__ void raise_alarm(Int* alarm, Int slot, Int value) {
    if (atomicCAS((unsigned long long*)alarm, 0ull, (unsigned long long)slot) == 0ull) alarm[1] = value;
}
"""
CHECK = (
    ALARM
    + """
extern "C" __global__ void tinygrad_edu_check(const Int* index, Int count, Int least, Int most, Int* alarm, Int slot) {
    Int i = (Int)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count && (index[i] < least || index[i] > most)) raise_alarm(alarm, slot, index[i]);
}
"""
)
HOLDS = (
    ALARM
    + """
extern "C" __global__ void tinygrad_edu_holds(const bool* condition, Int count, Int* alarm, Int slot) {
    Int i = (Int)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count && !condition[i]) raise_alarm(alarm, slot, i);
}
"""
)
MOST_MESSAGES = 1 << 16


class Alarm:
    """The alarm of one card."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._kernels = {name: Kernels(cupy, source) for name, source in (("check", CHECK), ("holds", HOLDS))}
        self._errors: list[tuple[type[Exception], str]] = []
        self._slots: dict[str, int] = {}
        self.array = cupy.zeros((2,), cupy.int64)
        self.armed = False  # whether a kernel that may raise it has been started since it was last read

    def slot(self, message: str, kind: type[Exception] = IndexError) -> int:
        """The number, from 1, under which a kernel reports: ``message`` with ``{}`` for the bad index."""
        self.armed = True
        found = self._slots.get(message)
        if found is None:
            if len(self._errors) >= MOST_MESSAGES:
                self.look()
                self._errors, self._slots = [], {}
                self.armed = True
            self._errors.append((kind, message))
            found = self._slots[message] = len(self._errors)
        return found

    def check(self, index: Array, least: int, most: int, message: str) -> None:
        """Report a number of an index array that is not in ``least`` … ``most``."""
        if index.size:
            index = self._cupy.ascontiguousarray(index.astype(self._cupy.int64, copy=False))
            call = (index, index.size, least, most, self.array, self.slot(message))
            self._kernels["check"]("check", np.dtype("float32"), *elements(index.size), *call)

    def demand(self, condition: Array, message: str, kind: type[Exception]) -> None:
        """Report where an array of truth values is false."""
        if condition.size:
            condition = self._cupy.ascontiguousarray(condition)
            call = (condition, condition.size, self.array, self.slot(message, kind))
            self._kernels["holds"]("holds", np.dtype("float32"), *elements(condition.size), *call)

    def look(self) -> None:
        """Raise what a kernel has reported; waits for the card."""
        if not self.armed:
            return
        self.armed = False
        slot, value = self._cupy.asnumpy(self.array).tolist()
        if slot:
            self.array.fill(0)
            kind, message = self._errors[slot - 1]
            raise kind(message.format(value))
