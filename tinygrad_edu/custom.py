"""Functions that users write: both forms, and the checks that built-in operations do not need."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, backends
from tinygrad_edu._state import modes
from tinygrad_edu.errors import overwritten
from tinygrad_edu.function import Function, output_of, watched
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.node import Extra, Node, tick
from tinygrad_edu.writes import writes

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class UserFacts:
    """What is checked when a user's backward is called and returns."""

    __slots__ = ("constant", "inputs", "kept", "materialize", "outputs")

    def __init__(self) -> None:
        self.constant: list[int] = []
        self.kept: list[str] = []  # attributes that forward set
        self.inputs: list[tuple[tuple[int, ...], Any] | None] = []
        self.outputs: list[tuple[tuple[int, ...], Any, Any]] = []
        self.materialize = True


def instance(cls: type[Function]) -> Function:
    """A function without settings; one that asks for some says how it is called."""
    try:
        return cls()
    except TypeError as error:
        raise TypeError(
            f"{cls.__name__}.apply: {error}; a function with settings is called as {cls.__name__}(...)(x)"
        ) from error


def run_user(node: Function, args: tuple[Any, ...]) -> Any:
    """Run a user's function and record it; the result of the instance form is raw when no argument is a tensor."""
    from tinygrad_edu.tensor import Tensor, current

    any_tensor = any(isinstance(a, Tensor) for a in args)
    raws = [guarded(current(a)._data) if isinstance(a, Tensor) else a for a in args]
    edges: list[Node | None] = [a._node if isinstance(a, Tensor) and modes.grad else None for a in args]
    node.edges, node.saved, node.extra, node.ids = edges, None, Extra(), None
    facts = node.extra.user = UserFacts()
    facts.inputs = [(tuple(a.shape), a.dtype) if isinstance(a, Tensor) else None for a in args]
    cls = type(node)
    settings = dict(attributes(node))
    with no_grad():
        out = _static_forward(node, args, raws) if cls.static else node.forward(*raws)
    if not any_tensor and not cls.static:
        return out
    several = isinstance(out, (tuple, list))
    outs = [_raw(cls, o) for o in (out if several else [out])]
    # An output on the memory of an argument becomes a copy: a write to one would change the other unnoticed.
    made = outs
    arrays = [r for r in raws if backends.is_array(r)]
    outs = [backends.of(o).copy(o) if any(o is r or _shares(o, r) for r in arrays) else o for o in outs]
    if node.saved is not None:
        copies = {id(o): copy for o, copy in zip(made, outs, strict=True) if not any(o is r for r in arrays)}
        saved = (v._data if isinstance(v, Tensor) else v for v in node.saved)
        node.saved = tuple(copies.get(id(v), v) for v in saved)
    facts.kept = [name for name, value in attributes(node).items() if settings.get(name, facts) is not value]
    facts.outputs = [(tuple(o.shape), o.dtype, backends.of(o)) for o in outs]
    tensors = [Tensor._wrap(o) for o in outs]
    if any(e is not None for e in edges):
        node.seq = tick()
        node.ids = [id(outs[0]), *map(id, raws), *map(id, outs[1:])]
        node.outputs = [None] * len(outs) if several else None
        for i, t in enumerate(tensors):
            if t.is_floating_point() and id(made[i]) not in facts.constant:
                t._node = output_of(node, i) if several else node
    if _state.watched_threads:
        watched(node, outs, raws)
    return tuple(tensors) if several else tensors[0]


def _static_forward(node: Function, args: tuple[Any, ...], raws: list[Any]) -> Any:
    """Call a static forward on tensors, with the context or, where there is a ``setup_context``, without."""
    from tinygrad_edu.tensor import Tensor

    cls: Any = type(node)
    given = tuple(Tensor._wrap(r) if isinstance(a, Tensor) else a for a, r in zip(args, raws, strict=True))
    if not hasattr(cls, "setup_context"):
        return cls.forward(node, *given)
    out = cls.forward(*given)
    cls.setup_context(node, given, out)
    return out


def guarded(value: Any) -> Any:
    """The same value on memory that cannot be written to: arguments, cotangents and kept values belong to others."""
    from tinygrad_edu.tensor import Tensor

    if isinstance(value, Tensor):
        t = Tensor._wrap(guarded(value._data))
        t._node = value._node
        return t
    return backends.of(value).read_only(value) if backends.is_array(value) else value


# The slots of each user's class; weakly, since classes come and go with the functions that define them.
_slots: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def attributes(node: Function) -> dict[str, Any]:
    """What ``__init__`` and ``forward`` put on the instance."""
    found: dict[str, Any] = getattr(node, "__dict__", {})
    slots = _slots.get(type(node))
    if slots is None:
        own = type(node).__mro__[: type(node).__mro__.index(Function)]
        slots = _slots[type(node)] = tuple(name for kind in own for name in kind.__dict__.get("__slots__", ()))
    return found | {name: getattr(node, name) for name in slots if hasattr(node, name)} if slots else found


def map_arrays(f: Callable[[Any], Any], value: Any) -> Any:
    """``f`` of every array in tensors, arrays, and tuples, lists and dictionaries of them; what ``f`` returns unchanged
    stays what it was."""
    from tinygrad_edu.tensor import Tensor

    if isinstance(value, Tensor):
        out = f(value._data) if value._node is None else value
        return value if out is value._data else out
    if backends.is_array(value):
        return f(value)
    if isinstance(value, dict):
        return {name: map_arrays(f, v) for name, v in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [map_arrays(f, v) for v in value]
        return parts if isinstance(value, list) else value._make(parts) if hasattr(value, "_make") else tuple(parts)
    return value


def check_attributes(node: Function) -> None:
    """Raise when an array that forward put on the instance was overwritten."""

    def check(raw: Any) -> Any:
        if writes.overwritten(raw, node.seq):
            raise overwritten(node, raw)
        return raw

    assert node.extra is not None
    if writes.latest < node.seq:
        for name in node.extra.user.kept:
            map_arrays(check, getattr(node, name))


def writing_refused(node: Function) -> RuntimeError:
    """What ``mark_dirty`` raises."""
    return RuntimeError(
        f"{type(node).__name__}: mark_dirty is not supported, since arguments of forward are read-only: other gradients may "
        "need their values; return a new tensor, and let the caller write it back with x.copy_(...)"
    )


def _shares(x: Any, y: Any) -> bool:
    return type(x) is type(y) and backends.of(x).is_view(x, y)


def _raw(cls: type, out: Any) -> Any:
    raw = getattr(out, "_data", out)
    if not backends.is_array(raw):
        raise TypeError(f"{cls.__name__}.forward must return an array or a tuple of arrays, got {type(out).__name__}")
    return raw


def user_backward(node: Function, g: Any, graph: bool) -> tuple[Any, ...]:
    """Call a user's backward and check what it returns: the number of gradients, and each one's shape and type."""
    from tinygrad_edu.tensor import Tensor

    extra = node.extra
    assert extra is not None
    facts: UserFacts = extra.user
    cls = type(node)
    if not graph:
        check_attributes(node)
    cotangents = [guarded(c) for c in (g if type(g) is list else [g])]
    if facts.materialize:
        cotangents = [_zeros(facts.outputs[i], graph) if c is None else c for i, c in enumerate(cotangents)]
    if cls.static:
        cotangents = [Tensor._wrap(c) if backends.is_array(c) else c for c in cotangents]
    grads = cls.backward(node, *cotangents)
    grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
    expected = len(facts.inputs)
    if len(grads) > expected and all(x is None for x in grads[expected:]):
        grads = grads[:expected]
    if len(grads) != expected:
        raise RuntimeError(
            f"{cls.__name__}.backward returned {len(grads)} gradients for {expected} arguments of forward"
        )
    return tuple(_checked(cls, i, x, node, facts.inputs[i], graph) for i, x in enumerate(grads))


def _zeros(fact: tuple[tuple[int, ...], Any, Any], graph: bool) -> Any:
    from tinygrad_edu.tensor import Tensor

    zeros = fact[2].zeros(fact[0], dtype=fact[1])
    return Tensor._wrap(zeros) if graph else zeros


def _checked(
    cls: type, i: int, grad: Any, node: Function, fact: tuple[tuple[int, ...], Any] | None, graph: bool
) -> Tensor | Any | None:
    from tinygrad_edu.tensor import Tensor

    if grad is None or node.edges[i] is None or fact is None:
        return None
    if not isinstance(grad, Tensor):
        if not backends.is_array(grad):
            raise TypeError(
                f"{cls.__name__}.backward returned {type(grad).__name__} as the gradient of argument {i}; expected an array"
            )
        grad = Tensor._wrap(grad)
    shape, dtype = fact
    if tuple(grad.shape) != shape:
        raise RuntimeError(
            f"{cls.__name__}.backward returned a gradient of shape {tuple(grad.shape)} for argument {i}, which has shape {shape}"
        )
    grad = grad.to(dtype)
    return grad if graph else grad._data
