"""Counting: how often each number occurs, histograms, and one-hot rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import kind_of, shape_of, xp
from tinygrad_edu.ops.indexing import placed

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class OneHot(Op):
    """Rows that are 1 at one place."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, index: Any, n: int) -> Any:
        ns = xp(index)
        return ns.astype(ns.expand_dims(index, axis=-1) == ns.arange(n), ns.int64)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Integers to rows that are 1 at that place and 0 elsewhere; ``num_classes`` -1 means the largest plus one.

    Raises
    ------
    IndexError
        When a number is outside of 0 … num_classes - 1.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.one_hot(tg.tensor([1, 0]), 3)
    tensor([[0, 1, 0],
            [1, 0, 0]])
    """
    if kind_of(input).category != 1:
        raise TypeError(f"one_hot: expected an integer tensor, got {describe(input)}")
    if num_classes < 1 and (num_classes != -1 or not input.numel()):
        raise ValueError(f"one_hot: the number of classes must be positive, got {num_classes} for {describe(input)}")
    low, high = xp(input._data).bounds(input._data)
    if low < 0 or (num_classes != -1 and high >= num_classes):
        raise IndexError(f"one_hot: class {low if low < 0 else high} is out of range for {num_classes} classes")
    return run(OneHot(), (input, high + 1 if num_classes == -1 else num_classes))


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, … occurs in a vector, or the sum of the weights of its occurrences.

    Parameters
    ----------
    weights : Tensor, optional
        One number for each element; the sums are differentiable in them.
    minlength : int
        The smallest length of the result.

    Raises
    ------
    ValueError
        When an element is negative, or shapes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.bincount(tg.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    if len(shape_of(input)) != 1 or input.dtype.category != 1:
        raise ValueError(f"bincount: expected a vector of integers, got {describe(input)}")
    if minlength < 0:
        raise ValueError(f"bincount: minlength must not be negative, got {minlength}")
    raw = input._data
    low, high = xp(raw).bounds(raw)
    if low < 0:
        raise ValueError(f"bincount: elements must not be negative, got {low}")
    n = max(high + 1, minlength)
    if weights is None:
        weights = input.new_ones(tuple(input.shape), dtype="int64")
    elif shape_of(weights) != shape_of(input):
        raise ValueError(
            f"bincount: weights of shape {tuple(weights.shape)} for elements of shape {tuple(input.shape)}"
        )
    elif not weights.is_floating_point():
        weights = weights.double()
    return placed(weights, (raw,), (n,))


class Histogram(Op):
    """Counts of elements in equal intervals."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, bins: int, low: float, high: float) -> Any:
        ns = xp(x)
        flat = ns.reshape(x, (-1,))
        flat = ns.getitem(flat, (flat >= low) & (flat <= high))
        where = ns.astype(ns.floor((flat - low) * (bins / (high - low))), ns.int64)
        counts = ns.zeros((bins,), dtype=x.dtype)
        return ns.index_add(counts, (ns.where(where < bins, where, bins - 1),), ns.ones_like(flat))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of ``bins`` equal intervals between ``min`` and ``max``; others do not count.

    Parameters
    ----------
    min, max : float
        The range; when both are equal, that of the elements.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.histc(tg.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    if kind_of(input).category != 2:
        raise TypeError(f"histc: expected a floating-point tensor, got {describe(input)}")
    if bins < 1:
        raise ValueError(f"histc: expected at least one bin, got {bins}")
    low, high = float(min), float(max)
    if low == high and input.numel():
        x = input.detach()
        low, high = x.min().item(), x.max().item()
    if low == high:
        low, high = low - 1, high + 1
    if not low < high or high - low == float("inf"):
        raise ValueError(f"histc: the range {low} to {high} is not finite, or empty")
    return run(Histogram(), (input, bins, low, high))
