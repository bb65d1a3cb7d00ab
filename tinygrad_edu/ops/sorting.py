"""Order: sorting, the k-th element, medians, quantiles, the commonest element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import int64
from tinygrad_edu.errors import describe
from tinygrad_edu.function import RESULT, Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._reduction import ValuesAndIndices, require_float
from tinygrad_edu.ops._types import axis_of, kind_of, nothing, number, shape_of, xp
from tinygrad_edu.ops.elementwise import ceil, clone, floor, isnan, where
from tinygrad_edu.ops.extremes import argmax, shared
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.reduce import any as any_
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scan import cummax
from tinygrad_edu.ops.shape import expand, movedim, reshape, squeeze, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class ArgSort(Op):
    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axis: int, descending: bool) -> Any:
        return xp(x).argsort_stable(x, axis, descending)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The order that sorts along ``dim``; always stable, whatever ``stable`` says. NaN counts as largest.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.argsort(tg.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    axis = axis_of(dim, len(shape_of(input)))
    if not input.shape:
        return input.new_zeros((), dtype=int)
    return run(ArgSort(), (input, axis, descending))


def _picked(input: Tensor, axis: int, places: Tensor) -> ValuesAndIndices:
    """The elements at ``places`` along an axis, which get the gradient, with the places."""
    return ValuesAndIndices(gather(input, axis, places) if input.shape else clone(input), places)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesAndIndices:
    """Sorted values along ``dim``, and where they stood: (values, indices); always stable, NaN counts as largest.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.sort(tg.tensor([3.0, 1.0, 2.0]), descending=True).values
    tensor([3., 2., 1.])
    """
    return _picked(input, axis_of(dim, len(shape_of(input))), argsort(input, dim, descending))


def msort(input: Tensor) -> Tensor:
    """Values sorted along the first dimension."""
    return sort(input, 0).values


class TopPlaces(Op):
    """Where the k largest or smallest stand, in order, equal ones in the order of their places."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, k: int, axis: int, largest: bool) -> Any:
        return xp(x).top_places(x, k, axis, largest)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The ``k`` largest (or smallest) along ``dim``, in order, and where they stood: (values, indices).

    The result is in order also where ``sorted`` is False; NaN counts as largest. Which of several equal elements are among the last of
    the ``k`` is not specified.

    Raises
    ------
    ValueError
        When the dimension has fewer than ``k`` elements.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.topk(tg.tensor([1.0, 4.0, 2.0, 3.0]), 2).values
    tensor([4., 3.])
    """
    axis = axis_of(dim, len(shape_of(input)))
    n = input.shape[axis] if input.shape else 1
    if not 0 <= k <= n:
        raise ValueError(f"topk: k = {k} is out of range for a dimension of size {n}")
    if not input.shape:
        return _picked(input, 0, input.new_zeros((), dtype=int))
    return _picked(input, axis, run(TopPlaces(), (input, k, axis, largest)))


def _reduced(found: ValuesAndIndices, axis: int, keepdim: bool) -> ValuesAndIndices:
    """Drop the dimension that was reduced to one element."""
    if keepdim or not found.values.shape:
        return found
    return ValuesAndIndices(squeeze(found.values, axis), squeeze(found.indices, axis))


class KthPlace(Op):
    """Where the k-th smallest element stands, counted from 0; which of equal ones is not specified."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, k: int, axis: int) -> Any:
        return xp(x).kth_place(x, k, axis)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The ``k``-th smallest element along ``dim``, counted from 1, and where it stands: (values, indices).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.kthvalue(tg.tensor([5.0, 1.0, 3.0]), 2).values
    tensor(3.)
    """
    axis = axis_of(dim, len(shape_of(input)))
    n = input.shape[axis] if input.shape else 1
    if not 1 <= k <= n:
        raise ValueError(f"kthvalue: k = {k} is out of range for a dimension of size {n}")
    if not input.shape:
        return _picked(input, 0, input.new_zeros((), dtype=int))
    return _reduced(_picked(input, axis, run(KthPlace(), (input, k - 1, axis))), axis, keepdim)


# Medians and quantiles -----------------------------------------------------------------------------------------------


class Median(Op):
    """The median of a vector, which stands at a known place; elements equal to it share the gradient evenly."""

    __slots__ = ()
    keeps = (0, RESULT)

    def forward(self, x: Any, place: int) -> Any:
        out = xp(x).copy(x[place])
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        return shared(g, x, out, (0,)), None


def _number_of_nans(x: Tensor, axis: int) -> Any:
    """How many elements along an axis are not a number, keeping the axis."""
    if kind_of(x).category < 2:
        return x.new_zeros((), dtype=int)
    return sum_(isnan(x), axis, True)


def _median_places(x: Tensor, axis: int, skip_nan: bool) -> Tensor:
    """Where the lower median along an axis stands; the first NaN unless those are skipped."""
    n = x.shape[axis]
    nans = _number_of_nans(x, axis)
    if not bool(any_(nans > 0)):
        return run(KthPlace(), (x, (n - 1) // 2, axis))
    at = (n - nans - 1).clamp(min=0) // 2 if skip_nan else where(nans > 0, n - nans, (n - 1) // 2)
    order = argsort(x, axis)
    return gather(order, axis, expand(at, tuple(1 if i == axis else k for i, k in enumerate(x.shape))))


def _median(name: str, input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    if dim is None:
        flat = reshape(input, (-1,))
        if not flat.shape[0]:
            require_float(f"{name} of nothing", input)
            return sum_(flat) * float("nan")
        return run(Median(), (flat, int(_median_places(flat, 0, skip_nan).item())))
    axis = axis_of(dim, len(shape_of(input)))
    if not input.shape:
        return _picked(input, 0, input.new_zeros((), dtype=int))
    if not input.shape[axis]:
        raise IndexError(f"{name}: there is no median of nothing (shape {tuple(input.shape)}, dim {dim})")
    return _reduced(_picked(input, axis, _median_places(input, axis, skip_nan)), axis, keepdim)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, the lower one of two: of all elements, or along ``dim`` as a pair (values, indices).

    It is NaN where an element is NaN. Elements equal to the median of all share its gradient evenly; along ``dim`` the element that is
    named gets all of it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.median(tg.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    return _median("median", input, dim, keepdim, False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Like :func:`median`, of the elements that are numbers; NaN where there are none."""
    return _median("nanmedian", input, dim, keepdim, True)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    if kind_of(input).bits not in (32, 64) or kind_of(input).category < 2:
        raise TypeError(f"{name}: expected a float32 or float64 tensor, got {input.dtype}")
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"{name}: interpolation must be one of {', '.join(_INTERPOLATIONS)}, got {interpolation!r}")
    q = q if isinstance(q, function.Tensor) else input.new_tensor(number("q", q))
    if q.dtype is not input.dtype or len(q.shape) > 1:
        raise ValueError(f"{name}: q must be a number or a vector of {input.dtype}, got {describe(q)}")
    if bool(any_((q < 0) | (q > 1))):
        raise ValueError(f"{name}: q must lie between 0 and 1, got {q.tolist()}")
    axis = axis_of(dim, len(input.shape)) if dim is not None else 0
    x = movedim(input, axis, -1) if dim is not None and input.shape else reshape(input, (-1,))
    if 0 in x.shape:
        raise ValueError(f"{name}: there is no quantile of nothing (shape {tuple(input.shape)})")
    n = x.shape[-1]
    nans = _number_of_nans(x, -1)
    ordered = sort(x, -1).values
    rank = reshape(q, (-1,)) * (n - 1 - nans).clamp(min=0).to(x.dtype) if skip_nan else reshape(q, (-1,)) * (n - 1)
    if not skip_nan:  # NaN is sorted behind everything
        rank = where(nans > 0, rank.new_full((), n - 1), rank)
    rank = expand(rank, (*x.shape[:-1], rank.shape[-1]))
    if interpolation in ("lower", "higher", "nearest"):
        at = {"lower": floor(rank), "higher": ceil(rank), "nearest": rank.round()}[interpolation]
        out = gather(ordered, -1, at.detach().to(int64))
    else:
        low = floor(rank).detach()
        below = gather(ordered, -1, low.to(int64))
        above = gather(ordered, -1, ceil(rank).detach().to(int64))
        weight = rank - low if interpolation == "linear" else nothing(rank) + 0.5
        out = below + weight * (above - below)
    out = movedim(out, -1, 0)
    if keepdim and input.shape:
        out = unsqueeze(out, axis + 1) if dim is not None else reshape(out, (out.shape[0], *(1,) * len(input.shape)))
    return out if q.shape else squeeze(out, 0)


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The ``q``-th quantile of all elements or along ``dim``; NaN where an element is NaN.

    Parameters
    ----------
    q : float or Tensor
        Between 0 and 1. A vector of them gives a result with their dimension in front.
    interpolation : "linear", "lower", "higher", "midpoint" or "nearest"
        What to do between two elements.

    Raises
    ------
    ValueError
        When ``q`` is not between 0 and 1, or there is no element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.quantile(tg.tensor([1.0, 2.0, 3.0, 5.0]), tg.tensor([0.5, 1.0]))
    tensor([2.5000, 5.0000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Like :func:`quantile`, of the elements that are numbers; NaN where there are none."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The commonest element along ``dim`` (of equally common ones the smallest) and where it last stands.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.mode(tg.tensor([3, 1, 3, 2]))
    ValuesAndIndices(values=tensor(3), indices=tensor(2))
    """
    from tinygrad_edu.creation import arange

    axis = axis_of(dim, len(shape_of(input)))
    if not input.shape:
        return _picked(input, 0, input.new_zeros((), dtype=int))
    n = input.shape[axis]
    if not n:
        raise IndexError(f"mode: there is no commonest element of nothing (shape {tuple(input.shape)}, dim {dim})")
    values, order = sort(input.detach(), axis)
    place = expand(
        movedim(arange(n, device=input.device).reshape((n,) + (1,) * (len(input.shape) - 1)), 0, axis),
        tuple(input.shape),
    )
    new_run = values != gather(values, axis, (place - 1).clamp(min=0))
    start = cummax(where(new_run, place, nothing(place)), axis).values
    longest = argmax(place - start, axis, True)  # where the first of the longest runs of equal elements ends
    return _reduced(_picked(input, axis, gather(order, axis, longest)), axis, keepdim)
