"""Functions: the rule of an operation, and how one call of it becomes a node of the graph.

A :class:`Function` holds ``forward`` and ``backward``, and an instance of it *is* the node of the graph that one call
made. Nodes point to the nodes of their arguments and never to tensors, so that a graph is freed by reference counting
as soon as the last tensor that needs it is gone.
"""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_edu import _state, backends
from tinygrad_edu._state import modes
from tinygrad_edu.errors import explained, refuse_mixed
from tinygrad_edu.node import CONSTANT, PLAIN, USER, VIEW, Array, Node, Output, extra_of, tick
from tinygrad_edu.views import follow_base, remember_base

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor as Tensor  # at run time tensor.py puts it here: the import would be a circle

RESULT = -1  # in ``Op.keeps``
new = object.__new__


class Function(Node):
    """An operation with its derivative; subclass it to add your own.

    Override ``forward(self, *args)``, which gets raw arrays in place of tensors and returns one array or a tuple of
    them, and ``backward(self, *cotangents)``, which returns one gradient for each argument of ``forward`` (``None``
    where there is none). Write ``backward`` with operators and this library's functions: it is called with raw arrays
    in a plain backward pass, and with tensors when the derivative is itself to be differentiated. What it needs is
    handed over by ``self.save_for_backward(...)`` and read from ``self.saved_tensors``, or put on ``self``. Arguments,
    cotangents and saved values belong to others and cannot be written to.

    Apply it as ``MyFunction.apply(x)``, or ``MyFunction(settings)(x)`` when it has an ``__init__``.

    The PyTorch form works as well: ``@staticmethod forward(ctx, ...)`` and ``backward(ctx, ...)`` get tensors; so does
    ``forward(...)`` with ``setup_context(ctx, inputs, output)``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> class Cube(tg.Function):
    ...     def forward(self, x):
    ...         self.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     def backward(self, g):
    ...         (x,) = self.saved_tensors
    ...         return 3 * x * x * g
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    __slots__ = ("ids", "outputs")
    kind = USER
    static: ClassVar[bool] = False
    ids: list[int] | None
    outputs: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "forward" in cls.__dict__:
            cls.static = isinstance(cls.__dict__["forward"], staticmethod)
            if cls.static != isinstance(cls.__dict__.get("backward"), staticmethod) and "backward" in cls.__dict__:
                raise TypeError(f"{cls.__name__}: forward and backward must both be static methods, or neither")

    def forward(self, *args: Any) -> Any:
        """Compute the result from raw arrays."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def backward(self, *cotangents: Any) -> Any:
        """Compute the gradient of each argument from the cotangent of each output."""
        raise TypeError(f"{type(self).__name__} does not define backward, so it cannot be differentiated")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the function on tensors (other arguments pass through) and record it in the graph."""
        from tinygrad_edu.custom import instance, run_user

        return run_user(instance(cls), args)

    def __call__(self, *args: Any) -> Any:
        """Run this instance's settings on tensors, as a new node: an instance can be called many times."""
        from tinygrad_edu.custom import run_user

        return run_user(copy.copy(self), args)

    def needs(self, i: int) -> bool:
        """Whether argument ``i`` needs a gradient."""
        return self.edges[i] is not None

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each argument, whether it needs a gradient."""
        return tuple(e is not None for e in self.edges)

    def save_for_backward(self, *values: Any) -> None:
        """Keep arguments, results or constants for ``backward``; call it once, in ``forward``."""
        self.saved = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept."""
        from tinygrad_edu.custom import guarded

        saved = map(guarded, self.saved or ())
        return tuple(Tensor._wrap(v) if self.static and backends.is_array(v) else v for v in saved)

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say in ``forward`` which results carry no gradient."""
        extra_of(self).user.constant += [id(getattr(o, "_data", o)) for o in outputs]

    def mark_dirty(self, *args: Any) -> None:
        """Refused: a function cannot write on its arguments, whose memory others may need; return a new tensor instead."""
        from tinygrad_edu.custom import writing_refused

        raise writing_refused(self)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether the cotangent of an unused output comes as zeros (the default) or as None."""
        extra_of(self).user.materialize = bool(value)


class Op(Function):
    """An operation of this library: its backward is trusted (proven by the test battery) and never returns kept memory.

    ``backward`` returns for each argument a fresh array, or its cotangent or a view of it, or None. Every float array
    in
    ``saved`` is an argument or the result; one that sets ``saves_constants`` may keep others that are no function of
    the arguments.

    ``keeps`` says what the entries of ``saved`` are, ``RESULT`` or the number of an argument; without it they are told
    by identity.
    """

    __slots__ = ()
    kind = PLAIN
    fresh = True
    saves_constants: ClassVar[bool] = False
    keeps: ClassVar[tuple[int, ...] | None] = None

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    @classmethod
    def apply(cls, *args: Any) -> Any:
        return run(cls(), args)


class Fused(Op):
    """Several operations in one, with a hand-derived derivative for speed.

    ``reference`` computes the same from plain operations: it is what a reader reads, what the fused formula is tested
    against,
    and what is differentiated for derivatives of higher order. ``forward`` keeps all arguments first: ``self.saved =
    (*args, …)``.
    """

    __slots__ = ()

    @staticmethod
    def reference(*args: Any) -> Any:
        """The same result from plain operations."""
        raise TypeError("a fused operation names its reference")


def run(node: Op, args: tuple[Any, ...]) -> Tensor:
    """Compute an operation of the library and, where a gradient is needed, make it a node of the graph.

    With no tensor among the arguments the result is a raw array: that is how backward formulas compute without a graph.
    """
    raws = []
    edges: list[Node | None] = []
    any_tensor = tracked = False
    for a in args:
        if isinstance(a, Tensor):
            any_tensor = True
            view = a._view
            if view is not None and view[0]._node is not view[1]:
                follow_base(a)
            raws.append(a._data)
            edge = a._node
            edges.append(edge)
            if edge is not None:
                tracked = True
        else:
            raws.append(a)
            edges.append(None)
    if tracked and not modes.grad:
        tracked, edges = False, [None] * len(edges)
    node.edges = edges
    node.saved = None
    if backends.several_loaded:
        refuse_mixed(node, raws)
    if node.kind == VIEW and any_tensor:
        args[0]._data = raws[0] = backends.of(raws[0]).viewable(raws[0])
    try:
        out = node.forward(*raws)
    except backends.failures as error:
        raise explained(error, node.name, raws) from None
    if not any_tensor:
        return out  # raw in, raw out
    if type(out) is tuple:
        return _several(node, out, tracked, raws)  # type: ignore[return-value]  # a tuple of tensors
    if out is raws[0]:  # every tensor has an array object of its own: saved values are told by identity
        out = backends.of(out).alias(out)
    t = new(Tensor)
    t._data = out
    t._grad = t._view = t._node = None
    if tracked and node.kind != CONSTANT:
        node.seq = tick()
        node.extra = None
        if node.saved is not None and node.keeps is None:
            node.ids = [id(out), *map(id, raws)]
        t._node = node
    if _state.watched_threads:
        watched(node, (out,), raws)
    if node.kind == VIEW:
        remember_base(t, type(node), args[0], args[1:])
    return t


def run1(cls: type[Op], x: Any, *settings: Any) -> Tensor:
    """:func:`run` for one tensor and settings: the same steps without the loops, since overhead is what small graphs
    cost."""
    if not isinstance(x, Tensor) or _state.watched_threads or cls.keeps is None:
        return run(cls(), (x, *settings))
    view = x._view
    if view is not None and view[0]._node is not view[1]:
        follow_base(x)
    if cls.kind == VIEW:
        x._data = backends.of(x._data).viewable(x._data)
    raw, edge = x._data, x._node
    node = cls()
    tracked = edge is not None and modes.grad
    node.edges = (edge,) if tracked else _NO_EDGES
    node.saved = None
    try:
        out = node.forward(raw, *settings)
    except backends.failures as error:
        raise explained(error, node.name, [raw, *settings]) from None
    t = new(Tensor)
    t._data = out if out is not raw else backends.of(out).alias(out)
    t._grad = t._view = t._node = None
    if tracked and cls.kind != CONSTANT:
        node.seq, node.extra, t._node = tick(), None, node
    if cls.kind == VIEW:
        remember_base(t, cls, x, settings)
    return t


def run2(cls: type[Op], x: Any, y: Any) -> Tensor:
    """:func:`run` for two tensors, likewise."""
    if backends.several_loaded or _state.watched_threads or cls.keeps is None:
        return run(cls(), (x, y))
    view = x._view
    if view is not None and view[0]._node is not view[1]:
        follow_base(x)
    view = y._view
    if view is not None and view[0]._node is not view[1]:
        follow_base(y)
    ex, ey = x._node, y._node
    node = cls()
    tracked = (ex is not None or ey is not None) and modes.grad
    node.edges = (ex, ey) if tracked else _NO_EDGES
    node.saved = None
    try:
        out = node.forward(x._data, y._data)
    except backends.failures as error:
        raise explained(error, node.name, [x._data, y._data]) from None
    t = new(Tensor)
    t._data = out
    t._grad = t._view = t._node = None
    if tracked:
        node.seq, node.extra, t._node = tick(), None, node
    return t


_NO_EDGES = (None, None)


def _several(node: Op, outs: tuple[Array, ...], tracked: bool, raws: list[Any]) -> tuple[Tensor, ...]:
    """The tensors of an operation with several outputs; outputs of integers carry no gradient."""
    if tracked:
        node.seq = tick()
        node.extra = None
        node.ids = [id(outs[0]), *map(id, raws), *map(id, outs[1:])]
        node.outputs = [None] * len(outs)
    tensors = []
    for i, out in enumerate(outs):
        t = Tensor._wrap(out)
        if tracked and t.is_floating_point():
            t._node = output_of(node, i)
        tensors.append(t)
    if _state.watched_threads:
        watched(node, outs, raws)
    return tuple(tensors)


def output_of(node: Function, index: int) -> Output:
    """The :class:`Output` of a node, the same one as long as somebody holds it."""
    ref = node.outputs[index]
    output = ref() if ref is not None else None
    if output is None:
        output = Output(node, index)
        node.outputs[index] = weakref.ref(output)
    return output


def watched(node: Function, outs: Any, raws: list[Any]) -> None:
    """Show an operation to anomaly mode and to the observer."""
    from tinygrad_edu.anomaly import watch

    watch(node, outs, raws)
