"""array-api-strict: the array standard and nothing else, which shows what code asks of arrays beyond it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends.base import Array, Backend, load

# The engine knows types by all libraries' dtype objects in one table, where this library warns of being compared with others.
warnings.filterwarnings("ignore", message="You are comparing a array_api_strict dtype", module=r"tinygrad_edu\b")

_DEVICES = ("CPU_DEVICE", "device1", "device2")


_OPERATORS = "add and eq floordiv ge gt le lt matmul mod mul ne or pow sub truediv xor".split()


def _deferring(operator: Callable[[Array, Any], Any]) -> Callable[[Array, Any], Any]:
    """An operator that leaves what asks for it (as NumPy's arrays are asked) to the other side, instead of raising."""

    @functools.wraps(operator)
    def deferring(x: Array, other: Any) -> Any:
        if getattr(other, "__array_ufunc__", ()) is None:
            return NotImplemented
        return operator(x, other)

    return deferring


class StrictBackend(Backend):
    """Every extension is its portable default; the further devices are imaginary and refuse to be mixed."""

    name = "strict"
    mutable = False
    several = True

    def __init__(self, index: int = 0) -> None:
        self.namespace = library = load("strict", "array_api_strict", "array-api-strict")
        kind = type(library.asarray(0))
        for name in _OPERATORS if not index else ():
            setattr(kind, f"__{name}__", _deferring(getattr(kind, f"__{name}__")))
        self.array_types = (kind,)
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
