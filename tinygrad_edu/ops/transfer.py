"""Moving tensors between devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.device import device, resolve
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class ToDevice(Op):
    """The same values on another device; the gradient travels back."""

    __slots__ = ("source",)

    def forward(self, x: Any, target: device) -> Any:
        self.source = xp(x).device_of(x)
        return target.backend.from_host(xp(x).to_host(x), target.index or 0)

    def backward(self, g: Any) -> Any:
        return to_device(g, resolve(self.source))


def to_device(input: Tensor, target: device) -> Tensor:
    """Move a tensor to ``target``, by way of the host."""
    return run(ToDevice(), (input, target))
