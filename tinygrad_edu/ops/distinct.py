"""Which elements there are, each once.

Values are read from the input at their first occurrence, so that they are differentiable; among equal elements, the first one
gets the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.ops._types import axis_of, xp
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.shape import ravel

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in rising order, or the distinct slices of a dimension.

    Parameters
    ----------
    sorted : bool
        Accepted for PyTorch's sake: the result is sorted in any case.
    return_inverse : bool
        Also return, for each element, which of the distinct ones it is.
    return_counts : bool
        Also return how often each occurs.
    dim : int, optional
        Compare the slices of this dimension, first element first, instead of single elements.

    Returns
    -------
    Tensor, or a tuple of values, inverse and counts as asked for

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unique(tg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    x, rows, axis = _rows("unique", input, dim)
    ns = xp(rows)
    if x._node is None and rows.shape[1] == 1 and not return_inverse:
        # Where nobody asks where elements stood, sorting them is faster than finding their order.
        rows = ns.sort(rows, axis=0)
        x = function.Tensor._wrap(ns.reshape(rows, tuple(x.shape)))
        return _groups(input, x, rows, axis, ns.arange(rows.shape[0]), False, return_counts)
    order = ns.arange(rows.shape[0])
    for column in reversed(range(rows.shape[1])):
        order = ns.take(order, ns.argsort(ns.take(rows[:, column], order), stable=True))
    return _groups(input, x, rows, axis, order, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements without those that equal the one before, or the slices of a dimension likewise.

    Returns
    -------
    Tensor, or a tuple of values, inverse and counts as asked for

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unique_consecutive(tg.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    x, rows, axis = _rows("unique_consecutive", input, dim)
    return _groups(input, x, rows, axis, xp(rows).arange(rows.shape[0]), return_inverse, return_counts)


def _rows(name: str, input: Any, dim: int | None) -> tuple[Any, Any, int]:
    """The input (flat without ``dim``), its raw values as a matrix with a row for each thing compared, and the axis."""
    x = ravel(input) if dim is None or not input.shape else input
    axis = 0 if dim is None else axis_of(dim, len(input.shape))
    raw = x._data
    ns = xp(raw)
    if 0 in raw.shape and len(raw.shape) > 1 and (raw.shape[axis] or list(raw.shape).count(0) > 1):
        raise ValueError(f"{name}: slices of shape {tuple(input.shape)} along dim {dim} have no elements to compare")
    moved = ns.moveaxis(raw, axis, 0)
    return x, ns.reshape(moved, (raw.shape[axis], -1 if raw.shape[axis] else 1)), axis


def _groups(input: Any, x: Any, rows: Any, axis: int, order: Any, return_inverse: bool, return_counts: bool) -> Any:
    """The first of each run of equal rows, taken in an order."""
    ns = xp(rows)
    n = rows.shape[0]
    ordered = ns.take(rows, order, axis=0)
    starts = ns.concat([ns.ones((min(n, 1),), dtype=ns.bool), ns.any(ordered[1:, ...] != ordered[:-1, ...], axis=1)])
    firsts = ns.nonzero(starts)[0]
    wrap = function.Tensor._wrap
    results = [getitem(x, (*[slice(None)] * axis, ns.take(order, firsts)))]
    if return_inverse:
        group = ns.cumulative_sum(ns.astype(starts, ns.int64)) - 1 if n else ns.zeros((0,), dtype=ns.int64)
        inverse = ns.setitem(ns.zeros((n,), dtype=ns.int64), order, group)
        results.append(wrap(ns.reshape(inverse, tuple(input.shape)) if x is not input else inverse))
    if return_counts:
        ends = ns.concat([firsts[1:], ns.zeros((min(n, 1),), dtype=firsts.dtype) + n])
        results.append(wrap(ns.astype(ends - firsts, ns.int64)))
    return results[0] if len(results) == 1 else tuple(results)
