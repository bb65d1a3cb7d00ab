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

    def forward(self, x: Any, target: device, wait: bool = True) -> Any:
        ns, there, index = xp(x), target.backend, target.index or 0
        self.source = ns.device_of(x)
        if type(ns) is type(there):
            return there.between(x, index)
        if target.type == "cpu" and not wait:
            return ns.fetch(x)
        return there.send(ns.to_host(x), index)

    def backward(self, g: Any) -> Any:
        return to_device(g, resolve(self.source))


def to_device(input: Tensor, target: device, wait: bool = True) -> Tensor:
    """Move a tensor to ``target``; without ``wait`` a copy to the host is there after the device has been waited for."""
    return run(ToDevice(), (input, target, wait))
