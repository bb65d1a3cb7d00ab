"""Finding: where elements are, which there are, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class OneHot(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, index: Any, n: int) -> Any:
        ns = xp(index)
        return ns.astype(ns.expand_dims(index, axis=-1) == ns.arange(n), ns.int64)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Integers to rows that are 1 at that place and 0 elsewhere; ``num_classes`` -1 means the largest plus one."""
    if input.dtype.category != 1:
        raise TypeError(f"one_hot: expected an integer tensor, got {describe(input)}")
    low, high = xp(input._data).bounds(input._data) if input.numel() else (0, -1)
    if low < 0 or (num_classes != -1 and high >= num_classes):
        raise IndexError(f"one_hot: class {low if low < 0 else high} is out of range for {num_classes} classes")
    return run(OneHot(), (input, high + 1 if num_classes == -1 else num_classes))


class Nonzero(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any) -> Any:
        ns = xp(x)
        if not x.shape:
            return ns.zeros((int(x != 0), 0), dtype=ns.int64)
        return ns.stack(list(ns.nonzero(x)), axis=1)


def nonzero(input: Tensor) -> Tensor:
    """The indices of non-zero elements, (number found, dimensions)."""
    return run(Nonzero(), (input,))
