"""Conversion to another type, and copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.layouts import check_format
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Cast(Op):
    __slots__ = ("source",)

    def forward(self, x: Any, dtype: Any) -> Any:
        self.source = x.dtype
        return xp(x).astype(x, dtype)

    def backward(self, g: Any) -> Any:
        return cast(g, self.source)


class CastToInteger(Cast):
    __slots__ = ()
    kind = CONSTANT


def cast(input: Any, raw_dtype: Any) -> Any:
    """Convert to a backend's dtype."""
    return run(Cast(), (input, raw_dtype))


class Clone(Op):
    __slots__ = ()
    keeps = ()

    def forward(self, x: Any) -> Any:
        return xp(x).copy(x)

    def backward(self, g: Any) -> Any:
        return g


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with memory of its own, through which the gradient passes."""
    if memory_format is not None:
        check_format("clone", memory_format)
    return run1(Clone, input)
