"""What activations as modules share."""

from __future__ import annotations

from typing import ClassVar

from tinygrad_edu.nn.module import Module


class Activation(Module):
    """A nonlinearity that is printed with its settings: the attributes that `shown` names, with blanks between."""

    shown: ClassVar[str] = ""

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown.split())


class InPlace(Activation):
    """A nonlinearity that may overwrite its input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return ", ".join(part for part in (super().extra_repr(), "inplace=True" if self.inplace else "") if part)
