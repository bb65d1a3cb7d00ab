"""JAX: arrays that cannot be written to, so that every write has to go through the value that it returns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends.base import Array, Backend, load


class JaxBackend(Backend):
    """Arrays are ``jax.Array``; loading it turns on JAX's 64-bit types, for the whole process."""

    name = "jax"
    mutable = False
    several = True

    def __init__(self, index: int = 0) -> None:
        self._jax = jax = load("jax", "jax", "jax")
        jax.config.update("jax_enable_x64", True)
        self.namespace = jax.numpy
        self._devices = jax.devices()
        self._device = self._devices[index]
        self.array_types = (type(jax.numpy.zeros(())),)
        super().__init__(index)

    def device_count(self) -> int:
        return len(self._devices)

    def place(self, x: Array) -> int:
        return self._devices.index(x.device)

    def placed(self, create: Callable[..., Array]) -> Callable[..., Array]:
        return functools.partial(create, device=self._device)

    def dtype(self, name: str) -> Any:
        return self.namespace.dtype(name)

    def to_host(self, x: Array) -> Any:
        return np.array(x)

    def getitem(self, x: Array, index: Any) -> Array:
        self.check_index(tuple(x.shape), index)
        return x[index]

    def setitem(self, x: Array, index: Any, value: Any) -> Array:
        self.check_index(tuple(x.shape), index)
        return x.at[index].set(value)

    def index_add(self, x: Array, index: Any, value: Any) -> Array:
        self.check_index(tuple(x.shape), index)
        return x.at[index].add(value)
