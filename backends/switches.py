"""Switches of libraries that PyTorch calls: scripts ask whether these are there, and set them."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

from tinygrad_edu.backends.base import Backend

__all__ = ["Cudnn", "Switches", "mkl", "mkldnn", "openmp"]


class Switches(ModuleType):
    """A library that this one does not use: it is not available, and its switches can be set without effect.

    The first switch that is turned on says so.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        library = self.__name__.rpartition(".")[2]
        if not name.startswith("_"):
            if name not in vars(self):
                raise AttributeError(f"backends.{library} has no switch {name!r}")
            if value and not vars(self).get("_said"):
                vars(self)["_said"] = True
                text = f"backends.{library}: {library} is not used here; {name} has no effect"
                warnings.warn(text, stacklevel=3 if type(self) is Cudnn else 2)
        super().__setattr__(name, value)

    def is_available(self) -> bool:
        """Whether the library is used: never."""
        return False

    is_built = is_available


class Cudnn(Switches):
    """cuDNN is not used; ``deterministic`` is the switch of `use_deterministic_algorithms`."""

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


mkl = Switches("mkl")
mkldnn = Switches("mkldnn")
openmp = Switches("openmp")
vars(mkldnn)["enabled"] = False
