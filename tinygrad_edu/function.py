"""The graph: nodes, and how an operation becomes one.

A :class:`Function` holds the rule of an operation (``forward`` and ``backward``), and an instance of it *is* the node
of the graph
that one call made. Nodes point to the nodes of their arguments and never to tensors, so that a graph is freed by
reference counting as soon as the last tensor that needs it is gone.
"""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_edu import _state, backends
from tinygrad_edu._state import modes

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor as Tensor  # at run time tensor.py puts it here: the import would be a circle

Array = Any

# Kinds of node, asked by one integer comparison where speed matters.
PLAIN, VIEW, CONSTANT, USER, LEAF, OUTPUT = range(6)

RESULT = -1  # in ``Op.keeps``
RETAIN = -1  # among hooks, the one that fills ``.grad`` of a result

# One clock numbers nodes and stamps in-place writes. It runs downwards, so that a heap yields the newest node first.
tick = itertools.count(-1, -1).__next__


class _Released:
    def __repr__(self) -> str:
        return "<released>"


RELEASED: Any = _Released()


class Node:
    """What edges point to.

    Attributes
    ----------
    seq : int
        Creation number; a newer node has a smaller one.
    edges : sequence of (Node or None)
        The node of each argument; None for an argument that needs no gradient.
    saved : tuple or None
        What ``backward`` needs: raw arrays and constants.
    extra : Extra or None
        Hooks, checks and the like; None for nearly every node.
    """

    __slots__ = ("edges", "extra", "saved", "seq")
    kind: ClassVar[int] = PLAIN
    fresh: ClassVar[bool] = False
    edges: Any
    extra: Extra | None
    saved: Any
    seq: int

    @property
    def name(self) -> str:
        """The operation's name, as error messages use it."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the arguments and which of their outputs was used, for walking a graph by hand."""
        return tuple((e.edges[0], e.index) if type(e) is Output else (e, 0) for e in self.edges)


class Extra:
    """What few nodes have: hooks, facts for checking a user's function, where the operation was called."""

    __slots__ = ("hooks", "locked", "trace", "user")

    def __init__(self) -> None:
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
        self.trace: str | None = None
        self.locked: list[Array] = []
        self.user: Any = None


def extra_of(node: Node) -> Extra:
    """The node's :class:`Extra`, made when it has none."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


def hooks_of(node: Node) -> dict[int, Callable[[Tensor], Tensor | None]]:
    """The node's hooks, to add one."""
    extra = extra_of(node)
    if extra.hooks is None:
        extra.hooks = {}
    return extra.hooks


def rewire(t: Tensor, node: Node | None) -> None:
    """Move a tensor on to the node of its newest value; ``retain_grad`` goes with it, other hooks stay with the old
    value."""
    old = t._node
    t._node = node
    if old is not None and old is not node and old.extra is not None and old.extra.hooks:
        keep = old.extra.hooks.pop(RETAIN, None)
        if keep is not None and node is not None:
            hooks_of(node)[RETAIN] = keep


class Leaf(Node):
    """Where the gradient of a leaf tensor arrives; knows the tensor by weak reference, so that no cycle arises."""

    __slots__ = ("tensor",)
    kind = LEAF

    def __init__(self, tensor: Tensor) -> None:
        self.seq = tick()
        self.edges = ()
        self.saved = None
        self.extra = None
        self.tensor = weakref.ref(tensor)

    name = "AccumulateGrad"


class Output(Node):
    """One output of a node that has several."""

    __slots__ = ("__weakref__", "index")
    kind = OUTPUT

    def __init__(self, node: Node, index: int) -> None:
        self.seq = tick()
        self.edges = (node,)
        self.saved = None
        self.extra = None
        self.index = index

    @property
    def name(self) -> str:
        return f"{self.edges[0].name} (output {self.index})"


class Function(Node):
    """An operation with its derivative; subclass it to add your own.

    Override ``forward(self, *args)``, which gets raw arrays in place of tensors and returns one array or a tuple of
    them, and
    ``backward(self, *cotangents)``, which returns one gradient for each argument of ``forward`` (``None`` where there
    is none).
    Write ``backward`` with operators and this library's functions: it is called with raw arrays in a plain backward
    pass, and
    with tensors when the derivative is itself to be differentiated. What it needs is handed over by
    ``self.save_for_backward(...)`` and read from ``self.saved_tensors``.

    Apply it as ``MyFunction.apply(x)``, or ``MyFunction(settings)(x)`` when it has an ``__init__``.

    The PyTorch form works as well: ``@staticmethod forward(ctx, ...)`` and ``backward(ctx, ...)`` get tensors.

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
        from tinygrad_edu.custom import run_user

        return run_user(cls(), args)

    def __call__(self, *args: Any) -> Any:
        """Run this instance's settings on tensors, as a new node: an instance can be called many times."""
        import copy

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
        if self.static:
            return tuple(Tensor._wrap(v) if backends.is_array(v) else v for v in self.saved or ())
        return self.saved or ()

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say in ``forward`` which results carry no gradient."""
        extra_of(self).user.constant += [id(getattr(o, "_data", o)) for o in outputs]

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
                _follow_base(a)
            raws.append(a._data)
            edge = a._node
            edges.append(edge)
            if edge is not None:
                tracked = True
        else:
            raws.append(a)
            edges.append(None)
    if tracked and not modes.grad:
        tracked = False
        edges = [None] * len(edges)
    node.edges = edges
    node.saved = None
    if node.kind == VIEW and any_tensor:
        args[0]._data = raws[0] = backends.of(raws[0]).viewable(raws[0])
    try:
        out = node.forward(*raws)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise _explained(error, node.name, raws) from None
    if not any_tensor:
        return out  # raw in, raw out
    kind = node.kind
    if type(out) is tuple:
        return _several(node, out, tracked, raws)  # type: ignore[return-value]  # a tuple of tensors
    if out is raws[0]:
        out = backends.of(out).alias(
            out
        )  # every tensor has an array object of its own: saved values are told by identity
    t = new(Tensor)
    t._data = out
    t._grad = None
    t._view = None
    if tracked and kind != CONSTANT:
        node.seq = tick()
        node.extra = None
        if node.saved is not None and node.keeps is None:
            node.ids = [id(out), *map(id, raws)]
        t._node = node
        if _state.anomaly_threads and modes.anomaly:
            _watch(node, out, raws)
    else:
        t._node = None
        if _state.anomaly_threads and modes.anomaly:
            _watch(node, out, raws)
    if kind == VIEW:
        _remember_base(t, type(node), args)
    return t


new = object.__new__


def run1(cls: type[Op], x: Any, *settings: Any) -> Tensor:
    """:func:`run` for one tensor and settings: the same steps without the loops, since overhead is what small graphs
    cost."""
    if not isinstance(x, Tensor) or _state.anomaly_threads or cls.keeps is None:
        return run(cls(), (x, *settings))
    view = x._view
    if view is not None and view[0]._node is not view[1]:
        _follow_base(x)
    raw = x._data
    edge = x._node
    node = cls()
    if edge is None or not modes.grad:
        edge = None
        node.edges = _NO_EDGES
    else:
        node.edges = (edge,)
    node.saved = None
    try:
        out = node.forward(raw, *settings)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise _explained(error, node.name, [raw, *settings]) from None
    t = new(Tensor)
    t._data = out if out is not raw else backends.of(out).alias(out)
    t._grad = None
    t._view = None
    if edge is None or cls.kind == CONSTANT:
        t._node = None
    else:
        node.seq = tick()
        node.extra = None
        t._node = node
    return t


def run2(cls: type[Op], x: Tensor, y: Tensor) -> Tensor:
    """:func:`run` for two tensors, likewise."""
    if _state.anomaly_threads or cls.keeps is None:
        return run(cls(), (x, y))
    view = x._view
    if view is not None and view[0]._node is not view[1]:
        _follow_base(x)
    view = y._view
    if view is not None and view[0]._node is not view[1]:
        _follow_base(y)
    ex, ey = x._node, y._node
    node = cls()
    tracked = (ex is not None or ey is not None) and modes.grad
    node.edges = (ex, ey) if tracked else _NO_EDGES
    node.saved = None
    try:
        out = node.forward(x._data, y._data)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise _explained(error, node.name, [x._data, y._data]) from None
    t = new(Tensor)
    t._data = out
    t._grad = None
    t._view = None
    if tracked:
        node.seq = tick()
        node.extra = None
        t._node = node
    else:
        t._node = None
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
    if _state.anomaly_threads and modes.anomaly:
        _watch(node, outs[0], raws)
    return tuple(tensors)


def output_of(node: Function, index: int) -> Output:
    """The :class:`Output` of a node, the same one as long as somebody holds it."""
    ref = node.outputs[index]
    output = ref() if ref is not None else None
    if output is None:
        output = Output(node, index)
        node.outputs[index] = weakref.ref(output)
    return output


# Views ---------------------------------------------------------------------------------------------------------------


def _remember_base(t: Tensor, op: type[Op], args: tuple[Any, ...]) -> None:
    """Note of which tensor ``t`` is a view and how to make it again, for in-place writes on either of them."""
    source = args[0]
    if not isinstance(source, Tensor) or not backends.of(t._data).is_view(t._data, source._data):
        return
    step = (op, args[1:])
    if source._view is None:
        t._view = (source, source._node, (step,), modes.grad)
    else:
        base, at, steps, recorded = source._view
        t._view = (base, at, (*steps, step), recorded and modes.grad)


def replay(base: Any, steps: tuple[tuple[type[Op], tuple[Any, ...]], ...]) -> Any:
    """Make a view of ``base`` (tensor or raw array) again."""
    for op, rest in steps:
        base = op.apply(base, *rest)
    return base


def _follow_base(t: Tensor) -> None:
    """Wire a view to its base's newest value, after the base was written in place inside a graph."""
    base, _, steps, recorded = t._view
    if base._node is None or base._node.kind == LEAF:  # requires_grad_() or detach_(), not a write
        t._view = (base, base._node, steps, recorded)
        return
    before = modes.grad
    modes.grad = True
    try:
        again = replay(base, steps)
    finally:
        modes.grad = before
    rewire(t, again._node)
    t._view = again._view


# In-place writes -----------------------------------------------------------------------------------------------------


class _Writes:
    """When each storage was last written in place, by the identity of the object that owns the memory."""

    def __init__(self) -> None:
        self.latest = 0
        self.stamps: dict[int, int] = {}
        self._owners: dict[int, Any] = {}

    def record(self, raw: Array) -> None:
        """Note that the memory of ``raw`` was just overwritten."""
        root = backends.of(raw).root(raw)
        key = id(root)
        if key not in self.stamps:
            # Forget the stamp with the storage. (An id used again meanwhile can't mislead: a value that a node
            # keeps has been alive since before any stamp that the node would have to fear.) Some owners of memory
            # take no weak references.
            with contextlib.suppress(TypeError):
                self._owners[key] = weakref.ref(root, lambda _, key=key: self._forget(key))  # type: ignore[misc]
        self.latest = self.stamps[key] = tick()

    def _forget(self, key: int) -> None:
        self.stamps.pop(key, None)
        self._owners.pop(key, None)

    def overwritten(self, raw: Array, seq: int) -> bool:
        """Whether the memory of ``raw`` was written after the node with number ``seq`` was made."""
        return self.stamps.get(id(backends.of(raw).root(raw)), 0) < seq


writes = _Writes()


# Errors --------------------------------------------------------------------------------------------------------------


def describe(value: Any) -> str:
    """An argument in a few words: ``float32[2, 3]``, ``int``, ``'abc'``."""
    raw = getattr(value, "_data", value)
    if backends.is_array(raw):
        return f"{str(raw.dtype).rsplit('.', 1)[-1]}{list(raw.shape)}"
    if isinstance(raw, (int, float, bool, str, type(None), slice)):
        return repr(raw)
    if isinstance(raw, (tuple, list)) and len(raw) < 8:
        return f"({', '.join(describe(v) for v in raw)})"
    return type(raw).__name__


def _explained(error: Exception, name: str, raws: list[Any]) -> Exception:
    """The same kind of error, saying which operation was called with what."""
    text = str(error)
    if text.startswith(f"{name}:"):
        return error
    devices = {backends.of(r).device_of(r) for r in raws if backends.is_array(r)}
    if len(devices) > 1:
        where = " and ".join(sorted(devices))
        return RuntimeError(f"{name}: the arguments are on different devices ({where}); move one with .to(device)")
    kind = type(error) if type(error) in (ValueError, TypeError, IndexError, OverflowError) else ValueError
    return kind(f"{name}: {text} (called with {', '.join(map(describe, raws))})")


def _watch(node: Op, out: Array, raws: list[Any]) -> None:
    """Anomaly mode: remember the calling line, look for the first NaN, write-protect what is kept."""
    from tinygrad_edu.anomaly import watch

    watch(node, out, raws)
