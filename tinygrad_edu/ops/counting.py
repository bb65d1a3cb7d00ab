"""Counting: how often each number occurs, histograms, and one-hot rows."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import kind_of, shape_of, xp
from tinygrad_edu.ops.indexing import placed
from tinygrad_edu.ops.searching import searchsorted
from tinygrad_edu.ops.shape import ravel

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
    count = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= count:
        raise IndexError(f"one_hot: class {low if low < 0 else high} is out of range for {count} classes")
    return run(OneHot(), (input, count))


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


class HistogramAndEdges(NamedTuple):
    """What :func:`histogram` returns: ``hist``, and ``bin_edges``, one more."""

    hist: Any
    bin_edges: Any


def histogram(
    input: Tensor,
    bins: Any = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramAndEdges:
    """How many elements lie between neighbouring edges, and the edges; the last interval contains its right end. No gradient passes.

    Parameters
    ----------
    bins : int or Tensor
        A number of equal intervals, or the edges in ascending order.
    range : two floats, optional
        The outermost edges, for a number of bins; by default the smallest and the largest element.
    weight : Tensor, optional
        How much each element counts.
    density : bool
        Divide by the sum and by the widths, so that the integral is 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.histogram(tg.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    if kind_of(input).category != 2:
        raise TypeError(f"histogram: expected a floating-point tensor, got {describe(input)}")
    x = ravel(input.detach())
    edges = _edges("histogram", x, bins, range)
    counted = _counted("histogram", x, weight)
    inside = (x >= edges[0]) & (x <= edges[-1])
    hist = placed(counted[inside], (_interval(edges, x[inside])._data,), (edges.numel() - 1,))
    if density:
        hist = hist / hist.sum() / (edges[1:] - edges[:-1])
    return HistogramAndEdges(hist, edges)


class HistogramAndAllEdges(NamedTuple):
    """What :func:`histogramdd` returns: ``hist``, and in ``bin_edges`` the edges of each dimension."""

    hist: Any
    bin_edges: Any


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramAndAllEdges:
    """How many points of D coordinates lie in each cell of a grid; :func:`histogram` in D dimensions. No gradient passes.

    Parameters
    ----------
    input : Tensor, (…, D)
        The points.
    bins : int, D ints, or D Tensors
        How many equal intervals, for all dimensions or for each; or the edges of each in ascending order.
    range : 2 D floats, optional
        The outermost edges of each dimension, one after the other; by default the smallest and largest coordinates.
    weight : Tensor, (…,), optional
        How much each point counts.
    density : bool
        Divide by the sum and by the volumes of the cells, so that the integral is 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> points = tg.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    >>> tg.histogramdd(points, bins=[3, 3], range=(0, 3, 0, 3), weight=tg.tensor([1.0, 2.0, 4.0, 8.0])).hist
    tensor([[0., 1., 0.],
            [2., 0., 0.],
            [4., 0., 8.]])
    """
    if kind_of(input).category != 2 or len(input.shape) < 2 or not input.shape[-1]:
        raise ValueError(f"histogramdd: expected floating-point numbers of shape (…, D), got {describe(input)}")
    d = input.shape[-1]
    points = input.detach().reshape(-1, d)
    each = list(bins) if isinstance(bins, (tuple, list)) else [bins] * d
    if len(each) != d or (range is not None and len(range) != 2 * d):
        raise ValueError(f"histogramdd: bins and range must be given for each of {d} coordinates")
    axes = builtins.range(d)
    ends = [None if range is None else range[2 * i : 2 * i + 2] for i in axes]
    edges = [_edges("histogramdd", points[:, i], each[i], ends[i]) for i in axes]
    counted = _counted("histogramdd", points[:, 0], weight)
    inside = points.new_ones(points.shape[0], dtype="bool")
    for i in axes:
        inside = inside & (points[:, i] >= edges[i][0]) & (points[:, i] <= edges[i][-1])
    places = tuple(_interval(edges[i], points[:, i][inside])._data for i in axes)
    hist = placed(counted[inside], places, tuple(e.numel() - 1 for e in edges))
    if density:
        hist = hist / hist.sum()
        for i in axes:
            hist = hist / (edges[i][1:] - edges[i][:-1]).reshape([-1 if j == i else 1 for j in axes])
    return HistogramAndAllEdges(hist, tuple(edges))


def _edges(name: str, x: Tensor, bins: Any, range: Sequence[float] | None) -> Tensor:
    """The edges of intervals: given, or equal ones."""
    if not isinstance(bins, function.Tensor):
        return _even_edges(name, x, bins, range)
    edges = bins.detach()
    if range is not None or len(edges.shape) != 1 or not edges.numel() or edges.dtype is not x.dtype:
        raise ValueError(f"{name}: edges must be a vector of the type of input, without range, got {describe(bins)}")
    return edges


def _counted(name: str, x: Tensor, weight: Tensor | None) -> Tensor:
    """How much each element counts."""
    counted = x.new_ones(x.shape) if weight is None else ravel(weight.detach())
    if counted.shape != x.shape or counted.dtype is not x.dtype:
        raise ValueError(f"{name}: weight must be one number of the type of input for each, got {describe(weight)}")
    return counted


def _interval(edges: Tensor, x: Tensor) -> Tensor:
    """The number of the interval that each element, which lies in one, lies in."""
    return (searchsorted(edges, x, right=True) - 1).clamp(max=edges.numel() - 2)


def _even_edges(name: str, x: Tensor, bins: Any, range: Sequence[float] | None) -> Tensor:
    """The edges of equal intervals."""
    from tinygrad_edu.creation import linspace

    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"{name}: bins must be a positive number or the edges, got {describe(bins)}")
    low, high = (
        (0.0, 1.0) if range is None else (float(range[0]), float(range[1]))
    )  # 0 to 1 where there are no elements
    if range is None and x.numel():
        low, high = x.min().item(), x.max().item()
    if low == high:
        low, high = low - 0.5, high + 0.5
    if not (low < high and high - low < float("inf")):
        raise ValueError(f"{name}: the range {low} to {high} is not finite, or empty")
    return linspace(low, high, bins + 1, dtype=x.dtype, device=x.device)
