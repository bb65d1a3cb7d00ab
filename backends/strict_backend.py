"""array-api-strict: the array standard and nothing else, which shows what code asks of arrays beyond it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends.base import Array, Backend, load

_DEVICES = ("CPU_DEVICE", "device1", "device2")


class StrictBackend(Backend):
    """Every extension is its portable default; the further devices are imaginary and refuse to be mixed."""

    name = "strict"
    mutable = False
    several = True

    def __init__(self, index: int = 0) -> None:
        self.namespace = library = load("strict", "array_api_strict", "array-api-strict")
        self.array_types = (type(library.asarray(0)),)
        self._numbers = {library.Device(name): i for i, name in enumerate(_DEVICES)}
        self._device = library.Device(_DEVICES[index])
        self.linalg_errors = (np.linalg.LinAlgError,)
        super().__init__(index)

    def device_count(self) -> int:
        return len(_DEVICES)

    def place(self, x: Array) -> int:
        return self._numbers[x.device]

    def placed(self, create: Callable[..., Array]) -> Callable[..., Array]:
        return functools.partial(create, device=self._device)

    def to_host(self, x: Array) -> Any:
        return np.array(x.to_device(self.at(0)._device))
