"""Indexing: reading and writing parts of tensors, and looking up rows."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.backends import is_array
from tinygrad_edu.dtypes import bool_, from_raw, uint8
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import count, fit, nothing, xp
from tinygrad_edu.sparse import SparseGrad

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class GetItem(Op):
    """x[index] of any form; the gradient stays sparse until somebody needs it whole."""

    __slots__ = ("dtype", "index", "shape")

    def forward(self, x: Any, index: Any) -> Any:
        self.shape, self.dtype, self.index = x.shape, x.dtype, index
        parts = index if isinstance(index, tuple) else (index,)
        # Kept only so that writing into an index before the backward pass is noticed.
        self.saved = tuple([p for p in parts if hasattr(p, "dtype")]) or None
        if modes.anomaly and not xp(x).checks_indices:
            xp(x).check_index(tuple(x.shape), index)
        return xp(x).getitem(x, index)

    def backward(self, g: Any) -> Any:
        if isinstance(g, function.Tensor):
            return placed(g, self.index, self.shape)
        return SparseGrad(self.shape, self.dtype, [(self.index, g)])


class Slice(GetItem):
    """x[index] of numbers, slices, None and ...: a view."""

    __slots__ = ()
    kind = VIEW
    keeps = ()
    name = "getitem"

    def forward(self, x: Any, index: Any) -> Any:
        self.shape, self.dtype, self.index = x.shape, x.dtype, index
        parts = index if isinstance(index, tuple) else (index,)
        # With "..." the result is an array on the memory of x also where numbers leave no dimension.
        return xp(x).getitem(x, parts if ... in parts else (*parts, ...))


class Placed(Op):
    """Zeros with values added at an index: the adjoint of x[index]."""

    __slots__ = ("index",)

    def forward(self, values: Any, index: Any, shape: tuple[int, ...]) -> Any:
        self.index = index
        ns = xp(values)
        return ns.index_add(ns.zeros(shape, dtype=values.dtype), index, values)

    def backward(self, g: Any) -> Any:
        return getitem(g, self.index)


def placed(values: Tensor, index: Any, shape: tuple[int, ...]) -> Tensor:
    """Zeros of ``shape`` with ``values`` added at ``index``."""
    return run(Placed(), (values, index, shape))


def raw_index(index: Any) -> tuple[Any, bool]:
    """An index with tensors replaced by their arrays, and whether it is basic (gives a view)."""
    if type(index) is int:
        return index, True
    if isinstance(index, tuple):
        parts = [raw_index(i) for i in index]
        return tuple([p for p, _ in parts]), builtins.all(b for _, b in parts)
    if isinstance(index, function.Tensor):
        raw = index._data
        kind = from_raw(raw.dtype)
        if kind.is_floating_point:
            raise IndexError(f"getitem: tensors used as indices must be integers or booleans, got {kind}")
        if not raw.shape and kind is not bool_:
            return int(raw), True
        return _no_bytes(raw), False
    if isinstance(index, slice):
        if index.step is None and type(index.start) in _ENDS and type(index.stop) in _ENDS:
            return index, True
        ends = [int(e) if isinstance(e, function.Tensor) else e for e in (index.start, index.stop, index.step)]
        if ends[2] is not None and ends[2] <= 0:
            raise ValueError(f"getitem: slices with step {ends[2]} are not supported; use flip")
        return slice(*ends), True
    if isinstance(index, bool):
        return index, False
    if isinstance(index, int) or index is None or index is Ellipsis:
        return index, True
    if isinstance(index, (list, range)):
        items = [int(i) if isinstance(i, function.Tensor) else i for i in index]
        if any(isinstance(i, slice) for i in items):
            return raw_index(tuple(items))
        return items if items else slice(0, 0), False
    if is_array(index) and not getattr(index, "shape", ()) and "int" in str(index.dtype):
        return int(index), True
    if hasattr(index, "__index__") and not hasattr(index, "shape"):
        return index.__index__(), True
    if hasattr(index, "dtype"):
        return _no_bytes(index), False
    raise IndexError(
        f"getitem: an index is made of integers, slices, None, ... and integer or boolean tensors, got {index!r:.60}"
    )


_ENDS = (int, type(None))


def _no_bytes(raw: Any) -> Any:
    """Refuse bytes as an index, which PyTorch takes for a mask and NumPy for numbers."""
    if from_raw(raw.dtype) is uint8:
        raise IndexError("getitem: an index of uint8 could be a mask or numbers; convert it to bool or to int64")
    return raw


def numbers_first(index: Any) -> tuple[Any, Any]:
    """Split an index that mixes numbers with arrays in two: the numbers and slices, or None, and the arrays that remain.

    NumPy broadcasts a number against the arrays beside it, which moves dimensions: x[0, :, rows] comes out as (rows, :).
    PyTorch selects first, so that they stay where they are.
    """
    parts = index if isinstance(index, tuple) else ()
    numbers = [isinstance(p, int) for p in parts]
    if not builtins.any(numbers) or builtins.any(isinstance(p, bool) for p in parts):
        return None, index
    first: list[Any] = []
    rest: list[Any] = []
    for part, number in zip(parts, numbers, strict=True):
        if number:
            first.append(part)
        elif part is ... or part is None or isinstance(part, slice):
            first.append(part)
            rest.append(... if part is ... else slice(None))
        else:
            taken = len(part.shape) if "bool" in str(getattr(part, "dtype", "")) else 1
            first.extend([slice(None)] * taken)
            rest.append(part)
    return tuple(first), tuple(rest)


def _as_array(x: Any, index: Any) -> Any:
    """Lists and host arrays inside an index as arrays of the backend that ``x`` lives on."""
    if isinstance(index, tuple):
        return tuple(_as_array(x, i) for i in index)
    if isinstance(index, list):
        ns = xp(x)
        return ns.asarray(index)
    if is_array(index) and xp(index) is not xp(x) and xp(index).name == "cpu":
        return xp(x).from_host(index, xp(x).index)
    return index


def spelled_out(x: Any, index: Any) -> Any:
    """An index for the raw array ``x`` with arrays of its backend, and whole slices for "...".

    NumPy takes arrays on both sides of "..." for separated, and moves their dimensions to the front, even where "..." stands for
    nothing. PyTorch does not.
    """
    index = _as_array(x, index)
    if not isinstance(index, tuple) or not builtins.any(p is ... for p in index):
        return index
    taken = 0
    for part in index:
        if hasattr(part, "dtype"):
            taken += len(part.shape) if from_raw(part.dtype) is bool_ else 1
        elif not (part is None or part is ... or isinstance(part, bool)):
            taken += 1
    dots = [i for i, p in enumerate(index) if p is ...]
    if len(dots) > 1:
        raise IndexError("getitem: an index has at most one ...")
    at = dots[0]
    return (*index[:at], *[slice(None)] * (len(x.shape) - taken), *index[at + 1 :])


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]`` for every form of index: numbers, slices, None, ``...``, masks, and integer tensors or lists.

    Numbers, slices, None and ``...`` alone give a view, all else a copy. Numbers are taken first, as in PyTorch, so that
    they never move the dimensions of the integer tensors beside them.

    Raises
    ------
    IndexError
        When an index is out of range or is not made of integers.
    ValueError
        When a slice has a step that is not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.arange(6).reshape(2, 3)
    >>> x[1, ::2], x[:, [2, 0]], x[x > 3]
    (tensor([3, 5]), tensor([[2, 0],
            [5, 3]]), tensor([4, 5]))
    """
    raw, basic = raw_index(index)
    if basic:
        return run1(Slice, input, raw)
    first, raw = numbers_first(raw)
    if first is not None:
        input = run1(Slice, input, first)
    data = getattr(input, "_data", input)
    return run(GetItem(), (input, spelled_out(data, raw)))


class IndexAdd(Op):
    """A copy of x with values added at an index, repeated positions adding up."""

    __slots__ = ("index", "shape")

    def forward(self, x: Any, value: Any, index: Any) -> Any:
        self.index, self.shape = index, value.shape
        parts = index if isinstance(index, tuple) else (index,)
        self.saved = tuple(p for p in parts if hasattr(p, "dtype")) or None  # to notice when an index is written to
        return xp(x).index_add(xp(x).copy(x), index, value)

    def backward(self, g: Any) -> Any:
        return g, fit(getitem(g, self.index), self.shape) if self.needs(1) else None


class SetItem(Op):
    """The result of x[index] = value; ``x`` has been written already."""

    __slots__ = ("index", "shape")

    def forward(self, x: Any, value: Any, index: Any) -> Any:
        self.index = index
        self.shape = getattr(value, "shape", ())
        parts = index if isinstance(index, tuple) else (index,)
        self.saved = tuple(p for p in parts if hasattr(p, "dtype")) or None  # to notice when an index is written to
        return xp(x).alias(xp(x).setitem(x, index, value))

    def backward(self, g: Any) -> Any:
        gx = gv = None
        if self.needs(0):
            gx = overwrite(g, self.index)
        if self.needs(1):
            gv = getitem(g, self.index)
            if self.saved is not None:
                gv = self.written_last(g, gv)
            gv = fit(gv, self.shape)
        return gx, gv

    def written_last(self, g: Any, gv: Any) -> Any:
        """Zero the gradient of values that a later one overwrote, where the index names an element twice."""
        from tinygrad_edu.ops.elementwise import where

        ns = xp(getattr(g, "_data", g))
        number = ns.reshape(ns.arange(count(gv.shape)), tuple(gv.shape))
        board = ns.setitem(ns.zeros(tuple(g.shape), dtype=number.dtype), self.index, number)
        last = ns.getitem(board, self.index) == number
        return gv if ns.checks_indices and bool(ns.all(last)) else where(last, gv, nothing(gv))


class Overwrite(Op):
    """A copy with zeros at an index: what is left of the gradient of a tensor that was written to."""

    __slots__ = ("index",)

    def forward(self, x: Any, index: Any) -> Any:
        self.index = index
        ns = xp(x)
        return ns.setitem(ns.copy(x), index, 0)

    def backward(self, g: Any) -> Any:
        return overwrite(g, self.index)


def overwrite(input: Tensor, index: Any) -> Tensor:
    """A copy of ``input`` with zeros at ``index``."""
    return run(Overwrite(), (input, index))
