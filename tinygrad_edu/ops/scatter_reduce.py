"""Writing along a dimension with sums, products, means and extremes where the index names an element several times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function, inplace
from tinygrad_edu.errors import describe
from tinygrad_edu.function import RESULT, Op, run
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.elementwise import div
from tinygrad_edu.ops.gather import elements, shaped
from tinygrad_edu.ops.indexing import IndexAdd, SetItem, getitem
from tinygrad_edu.ops.reduce import prod
from tinygrad_edu.ops.scatter import into_slices, same_dtype
from tinygrad_edu.ops.shape import reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


class Extreme(Op):
    """The largest (or smallest) of x and of the values that an index brings to the same place.

    Equal extremes share the gradient evenly, as in ``amax``.
    """

    __slots__ = ("index",)
    keeps = (0, 1, RESULT)

    def forward(self, x: Any, value: Any, index: Any, how: str) -> Any:
        ns = xp(x)
        out = ns.index_combine(ns.copy(x), index, value, how)
        self.index = index
        self.saved = (x, value, out)
        return out

    def backward(self, g: Any) -> Any:
        x, value, out = self.saved
        ns = xp(getattr(x, "_data", x))
        raw_x, raw_v, raw_out = (getattr(a, "_data", a) for a in (x, value, out))
        mine = ns.astype(raw_x == raw_out, raw_x.dtype)
        theirs = ns.astype(raw_v == ns.getitem(raw_out, self.index), raw_x.dtype)
        ties = ns.index_add(ns.copy(mine), self.index, theirs)
        share = g / ns.where(ties == 0, ns.ones_like(ties), ties)
        return share * mine, getitem(share, self.index) * theirs


def _product(x: Any, value: Any, index: Any) -> Any:
    """``x`` times all values that an index brings to each place."""
    ns = xp(x._data)
    places = ns.getitem(ns.reshape(ns.arange(x.numel()), tuple(x.shape)), index)
    # The k-th value for a place stands in row k of a table, so that nothing is named twice and zeros stay exact.
    row = ns.reshape(ns.occurrences(ns.reshape(places, (-1,))), places.shape)
    table = x.new_ones((int(ns.max(row)) + 1, x.numel()))
    return x * reshape(prod(run(SetItem(), (table, value, (row, places))), 0), tuple(x.shape))


def _mean(x: Any, value: Any, index: Any, start: Any) -> Any:
    """The sum at each place divided by how many numbers it is made of."""
    ns = xp(x._data)
    counts = ns.index_add(start, index, ns.ones(value.shape, dtype=start.dtype))
    divisor = x.new_tensor(ns.where(counts == 0, ns.ones_like(counts), counts))
    total = run(IndexAdd(), (x, value, index))
    return total / divisor if x.is_floating_point() else div(total, divisor, rounding_mode="floor")


def _neutral(reduce: str, x: Any) -> Any:
    """What leaves a reduction as it is."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    if x.is_floating_point():
        return -float("inf") if reduce == "amax" else float("inf")
    info = xp(x._data).iinfo(x._data.dtype)
    return int(info.min if reduce == "amax" else info.max)


def _combined(x: Any, value: Any, full: Any, reduce: str, include_self: bool) -> Any:
    """``x`` with what the values at an index make of its elements."""
    if not include_self:
        x = run(SetItem(), (x.clone(), x.new_full((), _neutral(reduce, x)), full))
    if reduce == "sum":
        return run(IndexAdd(), (x, value, full))
    if reduce == "mean":
        ns = xp(x._data)
        start = ns.ones(tuple(x.shape), dtype=ns.int64)
        return _mean(x, value, full, start if include_self else ns.setitem(start, full, 0))
    if reduce == "prod":
        return _product(x, value, full)
    return run(Extreme(), (x, value, full, "maximum" if reduce == "amax" else "minimum"))


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combine elements along ``dim`` with a copy: out[i][index[i][j]] = reduce(out[i][index[i][j]], src[i][j]) for dim = 1.

    Parameters
    ----------
    index : Tensor
        Integers, with as many dimensions as ``input``.
    src : Tensor
        What is combined, no smaller than the index.
    reduce : {"sum", "prod", "mean", "amax", "amin"}
        How. Equal extremes share the gradient evenly.
    include_self : bool
        Whether the elements of ``input`` count, too; those at places that the index does not name stay in any case.

    Raises
    ------
    ValueError
        When the shapes do not go together.
    IndexError
        When an index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> index, src = tg.tensor([0, 2, 2]), tg.tensor([5.0, 2.0, 4.0])
    >>> tg.scatter_reduce(tg.ones(3), 0, index, src, "amax")
    tensor([5., 1., 4.])
    >>> tg.scatter_reduce(tg.ones(3), 0, index, src, "mean", include_self=False)
    tensor([5., 1., 3.])
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"scatter_reduce: reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
    if not isinstance(src, function.Tensor):
        raise TypeError(f"scatter_reduce: src must be a Tensor, got {describe(src)}")
    same_dtype("scatter_reduce", input, src)
    x, full = elements("scatter_reduce", input, dim, index, src.shape)
    if full is None or 0 in index.shape:
        return input.clone()
    value = getitem(src, tuple(slice(n) for n in index.shape)) if src.shape else reshape(src, (1,))
    out = _combined(x, value, full, reduce, include_self)
    return shaped(out, tuple(input.shape))


def scatter_reduce_(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In-place :func:`scatter_reduce`."""
    return inplace.rebind(input, scatter_reduce(input, dim, index, src, reduce, include_self=include_self))


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Combine the slices ``index`` of a copy along ``dim`` with those of ``source``, as :func:`scatter_reduce` does with elements.

    For dim = 0 out[index[i]] = reduce(out[index[i]], source[i]).

    Parameters
    ----------
    index : Tensor
        A vector of integers, one for each slice of ``source``.
    source : Tensor
        In the shape of ``input`` but for the size along ``dim``.
    reduce : {"prod", "mean", "amax", "amin"}
        How. Equal extremes share the gradient evenly. For sums there is :func:`index_add`.
    include_self : bool
        Whether the elements of ``input`` count, too; those at places that the index does not name stay in any case.

    Raises
    ------
    ValueError
        When the shapes do not go together.
    IndexError
        When an index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> rows, index = tg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]), tg.tensor([0, 1, 0])
    >>> tg.index_reduce(tg.ones(2, 2), 0, index, rows, "prod")
    tensor([[5., 0.],
            [3., 4.]])
    """
    if reduce not in REDUCTIONS[1:]:
        raise ValueError(f"index_reduce: reduce must be one of {', '.join(REDUCTIONS[1:])}, got {reduce!r}")
    x, full, value = into_slices("index_reduce", input, dim, index, source)
    if not value.numel():
        return input.clone()
    return shaped(_combined(x, value, full, reduce, include_self), tuple(input.shape))


def index_reduce_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In-place :func:`index_reduce`."""
    return inplace.rebind(input, index_reduce(input, dim, index, source, reduce, include_self=include_self))
