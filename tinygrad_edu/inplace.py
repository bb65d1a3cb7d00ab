"""Writing in place: the values change now, and inside a graph the tensor moves on to a new node.

Three things must stay right. A value that a node kept and that is overwritten is noticed by its stamp
(``writes``). A tensor inside
a graph gets the node of the write, so its earlier history goes on through that node. And a view and its base are one
memory: a write to a view becomes a write to the base, and the other views follow the base when they are next used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends, function
from tinygrad_edu._state import modes
from tinygrad_edu.anomaly import refuse_protected, unlock
from tinygrad_edu.errors import describe, refuse_mixed
from tinygrad_edu.function import Op, run
from tinygrad_edu.hooks import rewire
from tinygrad_edu.node import LEAF
from tinygrad_edu.ops import shape
from tinygrad_edu.ops._types import nothing, shape_of, xp
from tinygrad_edu.ops.elementwise import where
from tinygrad_edu.ops.indexing import IndexAdd, SetItem, numbers_first, raw_index, spelled_out
from tinygrad_edu.views import replay, settle
from tinygrad_edu.writes import writes

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def rebind(x: Tensor, out: Tensor) -> Tensor:
    """Give ``x`` the values and, inside a graph, the history of ``out``."""
    x._current()
    if tuple(out._data.shape) != tuple(x._data.shape):
        raise ValueError(
            f"in-place: the result has shape {tuple(out.shape)}, which does not fit into a tensor of shape {tuple(x.shape)}"
        )
    if out.dtype is not x.dtype:
        if out.dtype.category > x.dtype.category:
            raise TypeError(f"in-place: a result of {out.dtype} cannot be written into a tensor of {x.dtype}")
        out = out.to(x.dtype)
    tracked = modes.grad and (out._node is not None or x._node is not None)
    if tracked:
        _refuse_leaf(x)
        if out._node is None and x._view is None:
            out = run(Replace(), (x, out))
        _keep_old_value(out, x)
    _write(x, out._data)
    if tracked:
        _move_on(x, out)
    return x


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``, differentiable in both."""
    raw, basic = raw_index(index)
    if not basic:
        first, raw = numbers_first(raw)
        if first is not None:
            part = x[first]
            write_at(part, spelled_out(part._data, raw), value)
            if not xp(x._data).mutable:  # the part is no view there, so the write has to be told to the whole
                write_at(x, first, part)
            return
    write_at(x, spelled_out(x._data, raw), value)


def write_at(x: Tensor, raw: Any, value: Any) -> Tensor:
    """``x[raw] = value`` for an index of raw arrays, slices and the like."""
    x._current()
    value = value._current() if isinstance(value, function.Tensor) else x.new_tensor(value)
    if backends.several_loaded:
        refuse_mixed("setitem", (x._data, value._data))
    if value.dtype is not x.dtype:
        value = value.to(x.dtype)
    check_fits("setitem", x, raw, value)
    tracked = modes.grad and (value._node is not None or x._node is not None)
    if not tracked:
        _writable(x)
        x._data = xp(x._data).setitem(x._data, raw, value._data)
        writes.record(x._data)
        if modes.anomaly:
            xp(x._data).raise_pending()
        return x
    _refuse_leaf(x)
    _writable(x)
    if backends.of(x._data).is_view(value._data, x._data):
        value = value.clone()
    if x._view is None:
        out = run(SetItem(), (x, value, raw))  # writes into the memory of x
        x._data = out._data
        rewire(x, out._node)
        writes.record(x._data)
    else:
        out = run(SetItem(), (x.clone(), value, raw))
        _write(x, out._data)
        _move_on(x, out)
    return x


def add_at(x: Tensor, raw: Any, value: Tensor) -> Tensor:
    """Add ``value`` at ``x[raw]``, repeated positions adding up; without a graph it costs what it touches."""
    x._current()
    if modes.grad and (value._node is not None or x._node is not None):
        return rebind(x, run(IndexAdd(), (x, value, raw)))
    _writable(x)
    x._data = xp(x._data).index_add(x._data, raw, value._current()._data)
    writes.record(x._data)
    return x


def _writable(x: Tensor) -> None:
    """Refuse an expanded view, in which several elements are one in memory, and memory that is protected."""
    refuse_protected(x._data)
    if not backends.of(x._data).is_writable(x._data):
        raise RuntimeError(
            f"in-place: this tensor of shape {tuple(x.shape)} cannot be written to, since it is an expanded view, whose elements are "
            "one in memory, or its memory is protected; write to a clone()"
        )


def check_fits(name: str, x: Tensor, index: Any, value: Tensor) -> None:
    """Raise before anything is written when index or value do not fit."""
    try:
        target = xp(x._data).getitem(x._data, index).shape
    except IndexError as error:
        raise IndexError(f"{name}: {error} (a tensor of shape {tuple(x.shape)})") from None
    have = shape_of(value)
    while len(have) > len(target) and have[0] == 1:
        have = have[1:]
    lead = len(target) - len(have)
    if lead < 0 or any(n not in (1, target[lead + i]) for i, n in enumerate(have)):
        raise ValueError(f"{name}: a value of shape {tuple(value.shape)} does not fit into {tuple(target)}")


def _refuse_leaf(x: Tensor) -> None:
    """Refuse a write inside a graph on a leaf, and through a view that is not recorded."""
    base = x if x._view is None else x._view[0]
    for t, what in ((x, "a leaf"), (base, "a view of a leaf")):
        if t._node is not None and t._node.kind == LEAF:
            raise RuntimeError(
                f"in-place: {what} that requires a gradient cannot be written to inside a graph, since its old value would be lost; "
                "write under tg.no_grad(), or work on a clone()"
            )
    if x._view is not None and not x._view[3]:
        raise RuntimeError(
            "in-place: this view was made under no_grad(), so a write to it cannot be recorded; make it with grad mode on"
        )


def _keep_old_value(out: Tensor, x: Tensor) -> None:
    """If the operation kept the value that is now overwritten, let it keep a copy instead."""
    node: Any = out._node
    if node is not None and node.saved is not None and node.saved.__class__ is tuple:
        old = x._data
        if any(v is old for v in node.saved):
            unlock(node, old)
            copy = xp(old).copy(old)
            node.saved = tuple(copy if v is old else v for v in node.saved)
            if getattr(node, "ids", None):
                node.ids = [id(copy) if i == id(old) else i for i in node.ids]


def _write(x: Tensor, raw: Any) -> None:
    """Put values into the memory of ``x`` and stamp it."""
    _writable(x)
    x._data = xp(x._data).write(x._data, raw)
    writes.record(x._data)


class Replace(Op):
    """A tensor of the graph that was overwritten with a constant: it stays in the graph, and its old value gets zeros."""

    __slots__ = ()
    keeps = ()

    def forward(self, old: Any, new: Any) -> Any:
        return xp(new).alias(new)

    def backward(self, g: Any) -> Any:
        return nothing(g), None


class WriteView(Op):
    """A base of which a part, seen through a view, was overwritten."""

    __slots__ = ("steps",)

    def forward(self, base: Any, value: Any, steps: Any) -> Any:
        self.steps = steps
        ns = xp(base)
        # Laid out in memory like the base: what is a view of one must be a view of the other.
        outside = ns.ones_like(base, dtype=ns.bool)
        part = replay(outside, steps)
        if not ns.is_view(part, outside):
            raise RuntimeError(
                "in-place: this view cannot be made again from its base, so the write cannot be recorded"
            )
        ns.setitem(part, ..., False)
        self.saved = (outside,)
        return ns.alias(base)  # the memory has been written already

    def backward(self, g: Any) -> Any:
        (outside,) = self.saved
        gx = where(outside, g, nothing(g)) if self.needs(0) else None
        return gx, replay(g, self.steps) if self.needs(1) else None


def _move_on(x: Tensor, out: Tensor) -> None:
    """Wire ``x``, and through its base all its relatives, to the node of the write."""
    if x._view is None:
        rewire(x, out._node)
        return
    settle(x)
    base, _, steps, _ = x._view
    written = run(WriteView(), (base, out, steps))
    rewire(base, written._node)
    again = replay(base, steps)
    rewire(x, again._node)
    x._view = again._view


def become_view(x: Tensor, make: Any, *settings: Any) -> Tensor:
    """Turn ``x`` into a view of what it was, as ``x.unsqueeze_(0)`` does; its other views follow what it was."""
    x._current()
    if modes.grad and x._node is not None:
        _refuse_leaf(x)
    was = x
    if x._view is None:
        was = type(x)._wrap(x._data)
        was._node = x._node
    out = make(was, *settings)
    x._data = out._data
    if modes.grad or x._node is None or x._node.kind != LEAF:
        rewire(x, out._node)
        x._view = out._view
    return x


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """In-place :func:`squeeze`: the tensor itself loses dimensions of size 1."""
    return become_view(self, shape.squeeze, dim)


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In-place :func:`unsqueeze`: the tensor itself gets a dimension of size 1."""
    return become_view(self, shape.unsqueeze, dim)


def t_(self: Tensor) -> Tensor:
    """In-place :func:`t`."""
    return become_view(self, shape.t)


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In-place :func:`transpose`."""
    return become_view(self, shape.transpose, dim0, dim1)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of ``src``, which is broadcast, converted and moved as needed."""
    from tinygrad_edu.ops.elementwise import clone
    from tinygrad_edu.ops.shape import expand

    if not isinstance(src, function.Tensor):
        raise TypeError(f"copy_: expected a Tensor, got {describe(src)}")
    src = src.to(device=self.device, dtype=self.dtype)
    return rebind(self, clone(src) if src.shape == self.shape else expand(src, self.shape))


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite every element with a number, or with a tensor without dimensions, which gets the sum of the gradient."""
    if not isinstance(value, function.Tensor):
        return rebind(self, self.new_full(self.shape, value))
    if value.shape:
        raise ValueError(f"fill_: the value must have no dimensions, got shape {tuple(value.shape)}")
    return copy_(self, value)


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0."""
    return fill_(self, 0)
