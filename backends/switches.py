"""Switches of libraries that PyTorch calls: scripts ask whether these are there, and set them."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad_edu.backends.base import Backend

__all__ = ["cudnn", "mkl", "mkldnn", "mps", "openmp"]


class Switches:
    """A library that this one does not use: it is not available, and its switches can be set without effect.

    The first switch that is turned on says so.
    """

    _name: str
    _said: bool

    def __init__(self, name: str, **switches: Any) -> None:
        vars(self).update(switches, _name=name, _said=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"backends.{self._name} has no switch {name!r}; it has {', '.join(self._names())}")
        if value and not self._said:
            vars(self)["_said"] = True
            warnings.warn(f"backends.{self._name}: {self._name} is not used here; {name} has no effect", stacklevel=2)
        vars(self)[name] = value

    def _names(self) -> list[str]:
        return [name for name in vars(self) if not name.startswith("_")]

    def is_available(self) -> bool:
        """Whether the library is used: never."""
        return False

    is_built = is_available

    def __repr__(self) -> str:
        return f"<backends.{self._name}: not used by this library>"


class Cudnn(Switches):
    """cuDNN is not used; ``deterministic`` is the switch of `use_deterministic_algorithms`."""

    def __init__(self) -> None:
        super().__init__("cudnn", benchmark=False, enabled=False, allow_tf32=False, benchmark_limit=10)

    @property
    def deterministic(self) -> bool:
        """Whether sums are made in a fixed order."""
        return Backend.deterministic

    def version(self) -> None:
        """The version of cuDNN: None, for it is not used."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "deterministic":
            Backend.deterministic = bool(value)
        else:
            super().__setattr__(name, value)


cudnn = Cudnn()
mps = Switches("mps")
mkl = Switches("mkl")
mkldnn = Switches("mkldnn", enabled=False)
openmp = Switches("openmp")
