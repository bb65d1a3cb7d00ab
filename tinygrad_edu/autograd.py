"""The backward pass: a walk over the graph from the newest node to the oldest.

Every node is visited once, when all its consumers, which are newer, have been: a heap on the creation number gives
that order without
recursion or sorting, in time linear in the graph (times the logarithm of its width).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from tinygrad_edu import _state, backends
from tinygrad_edu._state import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    modes,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from tinygrad_edu.custom import user_backward
from tinygrad_edu.function import (
    LEAF,
    RELEASED,
    RESULT,
    RETAIN,
    USER,
    Function,
    Fused,
    Node,
    Op,
    Output,
    hooks_of,
    output_of,
    writes,
)
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves that they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        What to differentiate; the vector-Jacobian products of several are added up.
    grad_tensors : Tensor or sequence of Tensor, optional
        The cotangent of each, of the same shape; may be left out for tensors with one element, where it is 1.
    retain_graph : bool, optional
        Keep saved values for another backward pass; by default only with ``create_graph``.
    create_graph : bool
        Record the derivative itself, so that it can be differentiated again.
    inputs : Tensor or sequence of Tensor, optional
        Add gradients to these tensors alone.

    Raises
    ------
    RuntimeError
        When nothing needs a gradient, when the graph was used up, or when a kept value was overwritten.
    """
    roots = _roots(_sequence(tensors), _sequence(grad_tensors), create_graph)
    if inputs is None:
        _walk(roots, _retain(retain_graph, create_graph), create_graph)
        return
    wanted = _sequence(inputs)
    if not wanted:
        raise ValueError("backward: inputs is empty; leave it out to reach all leaves")
    found = _captured(roots, wanted, _retain(retain_graph, create_graph), create_graph)
    for t, g in zip(wanted, found, strict=True):
        if g is not None:
            accumulate(t, g[0], g[1], create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    With cotangents v the result for input x is vᵀ ∂outputs/∂x. Only the nodes between ``inputs`` and ``outputs`` are
    visited.

    Parameters
    ----------
    outputs, grad_outputs, retain_graph, create_graph
        As in :func:`backward`.
    inputs : Tensor or sequence of Tensor
        What to differentiate with respect to; leaves or results.
    allow_unused : bool, optional
        Return None for an input that the outputs do not depend on, instead of raising.
    materialize_grads : bool
        Return zeros instead of None.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> (dy,) = tg.autograd.grad(x**3, x, create_graph=True)
    >>> (ddy,) = tg.autograd.grad(dy, x)
    >>> dy.item(), ddy.item()
    (12.0, 12.0)
    """
    wanted = _sequence(inputs)
    roots = _roots(_sequence(outputs), _sequence(grad_outputs), create_graph)
    found = _captured(roots, wanted, _retain(retain_graph, create_graph), create_graph)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: materialize_grads=True returns zeros for unused inputs; allow_unused=False contradicts it"
        )
    results: list[Any] = []
    for i, (t, g) in enumerate(zip(wanted, found, strict=True)):
        if g is not None:
            results.append(_own_tensor(*g, create_graph))
        elif materialize_grads:
            results.append(t.new_zeros(t.shape))
        elif allow_unused:
            results.append(None)
        else:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i} (shape {tuple(t.shape)}); "
                "pass allow_unused=True to get None for it, or materialize_grads=True to get zeros"
            )
    return tuple(results)


def _sequence(tensors: Any) -> list[Any]:
    if tensors is None:
        return []
    return [tensors] if isinstance(tensors, Tensor) or backends.is_array(tensors) else list(tensors)


def _retain(retain_graph: bool | None, create_graph: bool) -> bool:
    return create_graph if retain_graph is None else retain_graph


def _roots(outputs: list[Tensor], cotangents: list[Any], graph: bool) -> list[tuple[Node, Any]]:
    """The nodes to start from with their cotangents, checked."""
    if cotangents and len(cotangents) != len(outputs):
        raise ValueError(f"backward: {len(outputs)} tensors but {len(cotangents)} gradients")
    roots = []
    for i, t in enumerate(outputs):
        if not isinstance(t, Tensor):
            raise TypeError(f"backward: expected a Tensor, got {type(t).__name__}")
        t = t._current()
        if t._node is None:
            raise RuntimeError(
                "backward: this tensor does not require a gradient and was not made from one that does; "
                "set requires_grad=True on a parameter, and check for no_grad() or detach() on the way"
            )
        g = cotangents[i] if cotangents else None
        raw = t._data
        if g is None:
            if t.numel() != 1:
                raise RuntimeError(
                    f"backward: a gradient can be left out only for a tensor with one element, this one has shape "
                    f"{tuple(t.shape)}; reduce it (sum, mean) or pass gradient="
                )
            g = Tensor._wrap(backends.of(raw).ones_like(raw))
        elif not isinstance(g, Tensor):
            g = t.new_tensor(g)
        if tuple(g.shape) != tuple(raw.shape):
            raise RuntimeError(f"backward: the gradient has shape {tuple(g.shape)}, the tensor {tuple(raw.shape)}")
        if g.device != t.device:
            raise RuntimeError(f"backward: the gradient is on {g.device}, the tensor on {t.device}")
        g = g._current().to(t.dtype)
        roots.append((t._node, g if graph else g._data))
    return roots


# A slot holds [node, cotangent, whether the cotangent's memory is ours to write on or give away].
_Slot = list[Any]


def _walk(
    roots: list[tuple[Node, Any]],
    retain: bool,
    graph: bool,
    capture: set[int] | None = None,
    path: set[int] | None = None,
) -> dict[int, _Slot]:
    """Visit the graph, newest node first, and add to the leaves (or, with ``capture``, return what arrives at those
    nodes)."""
    pending: dict[int, _Slot] = {}
    heap: list[int] = []
    arrived: list[_Slot] = []
    captured: dict[int, _Slot] = {}
    for node, g in roots:
        if path is None or node.seq in path:
            _deliver(pending, heap, node, g)
    before = modes.grad, modes.retain
    modes.grad, modes.retain = graph, retain
    try:
        while heap:
            seq = heappop(heap)
            slot = pending.pop(seq)
            node, g, _ = slot
            if node.extra is not None and node.extra.hooks is not None:
                _run_hooks(slot, graph)
                g = slot[1]
            if capture is not None and seq in capture:
                captured[seq] = slot
                if path is not None and not any(e is not None and e.seq in path for e in node.edges):
                    continue  # nothing is asked for below, so what the node kept stays
            if node.kind >= LEAF:
                if node.kind == LEAF:
                    arrived.append(slot)
                else:
                    _deliver_output(pending, heap, node, g, path)
                continue
            saved = node.saved
            if saved is RELEASED:
                raise RuntimeError(
                    f"backward: the values that {node.name} kept were released by an earlier backward pass; "
                    "pass retain_graph=True to the earlier one to walk this graph again"
                )
            if saved is not None and writes.latest < node.seq:
                _check_overwritten(node)
            if type(g) is SparseGrad:
                g = g.dense()
            if graph:
                grads = _graph_backward(node, g)
            elif node.kind == USER:
                grads = user_backward(node, g, False)
            else:
                grads = node.backward(*g) if type(g) is list else node.backward(g)
                if type(grads) is not tuple:
                    grads = (grads,)
            if _state.anomaly_threads and modes.anomaly:
                _anomaly(node, g, grads)
            if not retain and saved is not None:
                if node.extra is not None and node.extra.locked:
                    _unlock(node)
                node.saved = RELEASED
            # This loop is _deliver, written out: it runs once for every edge of the graph.
            for edge, gx in zip(node.edges, grads, strict=False):
                if edge is None or gx is None:
                    continue
                seq = edge.seq
                if path is not None and seq not in path:
                    continue
                slot = pending.get(seq)  # type: ignore[assignment]
                if slot is None:
                    pending[seq] = [
                        edge,
                        gx,
                        (edge.kind == LEAF or capture is not None)
                        and node.fresh
                        and not graph
                        and gx is not g
                        and not (type(g) is list and any(gx is c for c in g))
                        and type(gx) is not SparseGrad
                        and backends.of(gx).owns(gx),
                    ]
                    heappush(heap, seq)
                else:
                    _add(slot, gx, graph)
    finally:
        modes.grad, modes.retain = before
    if capture is None:
        for node, g, owned in arrived:
            tensor = node.tensor()
            if tensor is not None and tensor._node is not None:
                accumulate(tensor, g, owned, graph)
    return captured


def _deliver(pending: dict[int, _Slot], heap: list[int], node: Node, g: Any) -> None:
    """Bring a cotangent that is not ours to a node."""
    slot = pending.get(node.seq)
    if slot is None:
        pending[node.seq] = [node, g, False]
        heappush(heap, node.seq)
    else:
        _add(slot, g, isinstance(g, Tensor))


def _add(slot: _Slot, g: Any, graph: bool) -> None:
    """Add a further cotangent: into memory of our own from the second on."""
    total = slot[1]
    if not slot[2]:
        slot[1], slot[2] = total + g, not graph
    elif type(g) is SparseGrad and type(total) is not SparseGrad:
        slot[1] = g.add_into(total)
    else:
        total += g
        slot[1] = total


def _deliver_output(pending: dict[int, _Slot], heap: list[int], output: Output, g: Any, path: set[int] | None) -> None:
    """Put the cotangent of one output into the list that its node's backward gets."""
    node = output.edges[0]
    if path is not None and node.seq not in path:
        return
    slot = pending.get(node.seq)
    if slot is None:
        slot = pending[node.seq] = [node, [None] * len(node.outputs), False]
        heappush(heap, node.seq)
    if type(g) is SparseGrad:
        g = g.dense()
    held = slot[1][output.index]
    slot[1][output.index] = g if held is None else held + g


def _run_hooks(slot: _Slot, graph: bool) -> None:
    node, g, _ = slot
    if type(g) is SparseGrad:
        g = g.dense()
    hooks = dict(node.extra.hooks)
    keep = hooks.pop(RETAIN, None)  # last, so that it sees what the others made of the gradient
    for hook in [*hooks.values(), keep] if keep is not None else list(hooks.values()):
        given = _own_tensor(g, False, graph) if not isinstance(g, Tensor) else g
        result = hook(given)
        if result is None:
            continue
        if not isinstance(result, Tensor):
            raise TypeError(f"a gradient hook must return a Tensor or None, got {type(result).__name__}")
        if tuple(result.shape) != tuple(given.shape):
            raise RuntimeError(
                f"a gradient hook on the result of {node.name} returned shape {tuple(result.shape)} for a gradient of shape "
                f"{tuple(given.shape)}"
            )
        g = result.to(given.dtype) if graph else result.to(given.dtype)._data
    slot[1], slot[2] = g, False


def _check_overwritten(node: Node) -> None:
    for value in node.saved:
        if backends.is_array(value) and writes.overwritten(value, node.seq):
            from tinygrad_edu.anomaly import where
            from tinygrad_edu.function import describe

            raise RuntimeError(
                f"backward: a value that {node.name} kept ({describe(value)}) was overwritten in place after it was computed, "
                f"so its gradient would be wrong; clone() the tensor before the in-place write; {where(node)}"
            )


def _unlock(node: Node) -> None:
    from tinygrad_edu.anomaly import release

    release(node)


def _anomaly(node: Node, g: Any, grads: tuple[Any, ...]) -> None:
    if modes.check_nan:
        from tinygrad_edu.anomaly import check_gradients

        check_gradients(node, g, grads)


# Derivatives as graphs -----------------------------------------------------------------------------------------------


def _graph_backward(node: Any, g: Any) -> tuple[Any, ...]:
    """Call a node's backward on tensors that are wired to the graph, so that its result can be differentiated."""
    if isinstance(node, Fused):
        return _reference_backward(node, g)
    twin = copy.copy(node)  # other threads may be walking over the node itself
    if node.saved is not None:
        keeps = getattr(node, "keeps", None)
        if keeps is None:
            twin.saved = tuple(_wired(node, value) for value in node.saved)
        else:
            twin.saved = tuple(_placed(node, value, place) for value, place in zip(node.saved, keeps, strict=True))
    if node.kind == USER:
        _wire_attributes(node, twin)
        return user_backward(twin, g, True)
    grads = twin.backward(*g) if type(g) is list else twin.backward(g)
    return grads if type(grads) is tuple else (grads,)


def _placed(node: Op, value: Any, place: int) -> Any:
    """A kept value as a tensor, wired to the argument (or the result) that the operation declares it to be."""
    if not backends.is_array(value):
        return value
    t = Tensor._wrap(value)
    if t.is_floating_point():
        t._node = node if place == RESULT else node.edges[place]
    return t


def _wired(node: Function, value: Any) -> Any:
    """A kept value as a tensor with its place in the graph: an argument, a result, or a constant."""
    if not backends.is_array(value):
        return value
    t = Tensor._wrap(value)
    if not t.is_floating_point():
        return value
    ids = node.ids or []
    places = [i for i, known in enumerate(ids) if known == id(value)]
    if not places:
        if node.kind == USER or not getattr(node, "saves_constants", False):
            raise RuntimeError(
                f"create_graph: {node.name} kept a value that is neither an argument nor a result, so its derivative cannot be "
                "differentiated again; return that value as a further output, or recompute it in backward"
            )
        return value
    edges = []
    for i in places:
        if 1 <= i <= len(node.edges):
            edges.append(node.edges[i - 1])
        else:
            edges.append(_result_edge(node, 0 if i == 0 else i - len(node.edges)))
    if any(e is not edges[0] for e in edges):
        raise RuntimeError(
            f"create_graph: two different arguments of {node.name} are the same array object, so it cannot be told which one it "
            "kept; clone() one of them"
        )
    t._node = edges[0]
    return t


def _result_edge(node: Function, index: int) -> Node:
    return output_of(node, index) if getattr(node, "outputs", None) is not None else node


def _wire_attributes(node: Function, twin: Function) -> None:
    """Tensors that a user's forward put on ``ctx`` as plain attributes are arguments, results or constants like saved
    ones."""
    for name, value in getattr(node, "__dict__", {}).items():
        if isinstance(value, Tensor) and value._node is None and value.is_floating_point():
            setattr(twin, name, _wired(node, value._data))


def _reference_backward(node: Fused, g: Any) -> tuple[Any, ...]:
    """Differentiate the reference of a fused operation on its kept arguments."""
    from tinygrad_edu.ops.shape import alias

    raws = node.saved[: len(node.edges)]
    args: list[Any] = []
    for raw, edge in zip(raws, node.edges, strict=True):
        if edge is None:
            args.append(raw)
        else:
            t = Tensor._wrap(raw)
            t._node = edge
            args.append(alias(t))  # a new node: the local derivative stops here
    outs = node.reference(*(Tensor._wrap(a) if backends.is_array(a) else a for a in args))
    outs = outs if isinstance(outs, tuple) else (outs,)
    given = g if type(g) is list else [g]
    pairs = [(o, v) for o, v in zip(outs, given, strict=False) if v is not None and o.requires_grad]
    wanted = [a for a in args if isinstance(a, Tensor)]
    if not pairs:
        return (None,) * len(args)
    found = iter(grad([o for o, _ in pairs], wanted, [v for _, v in pairs], create_graph=True, allow_unused=True))
    return tuple(next(found) if isinstance(a, Tensor) else None for a in args)


# Where gradients arrive ----------------------------------------------------------------------------------------------


def _captured(
    roots: list[tuple[Node, Any]], wanted: list[Tensor], retain: bool, graph: bool
) -> list[tuple[Any, bool] | None]:
    """The gradient that arrives at each wanted tensor, and whether its memory is ours; None where none does."""
    nodes = []
    for i, t in enumerate(wanted):
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: expected a Tensor as input {i}, got {type(t).__name__}")
        node = t._current()._node
        if node is None:
            raise RuntimeError(f"grad: input {i} (shape {tuple(t.shape)}) does not require a gradient")
        nodes.append(node)
    targets = {n.seq for n in nodes}
    path = _between([n for n, _ in roots], targets)
    slots = _walk(roots, retain, graph, targets, path)
    taken: set[int] = set()
    found: list[tuple[Any, bool] | None] = []
    for node in nodes:
        slot = slots.get(node.seq)
        if slot is None:
            found.append(None)
            continue
        g = slot[1].dense() if type(slot[1]) is SparseGrad else slot[1]
        found.append((g, slot[2] and node.kind == LEAF and node.seq not in taken))
        taken.add(node.seq)
    return found


def _between(roots: list[Node], targets: set[int]) -> set[int]:
    """The numbers of the nodes on a path from ``roots`` to ``targets``; older nodes than all targets are never looked
    at."""
    oldest = max(targets, default=0)
    seen: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.seq in seen or node.seq > oldest:
            continue
        seen[node.seq] = node
        stack.extend(e for e in node.edges if e is not None)
    path = set(targets)
    for seq in sorted(seen, reverse=True):  # oldest first
        if any(e is not None and e.seq in path for e in seen[seq].edges):
            path.add(seq)
    return path


def _own_tensor(g: Any, owned: bool, graph: bool) -> Tensor:
    """A tensor of a gradient, with memory of its own."""
    if graph:
        return g.clone()
    return Tensor._wrap(g if owned else backends.of(g).copy(g))


def accumulate(tensor: Tensor, g: Any, owned: bool, graph: bool) -> None:
    """Add a gradient to ``tensor.grad``."""
    held = tensor._grad
    if held is None:
        tensor._grad = _own_sparse(g) if type(g) is SparseGrad else _own_tensor(g, owned, graph)
    elif type(held) is SparseGrad:
        total = held + (g._data if graph else g)
        tensor._grad = _own_sparse(total) if type(total) is SparseGrad else Tensor._wrap(total)
    elif graph or held._node is not None:
        tensor._grad = held + (g if graph else Tensor._wrap(g))
    elif type(g) is SparseGrad:
        held._data = g.add_into(held._data)
        writes.record(held._data)
    else:
        total = held._data
        total += g
        held._data = total
        writes.record(total)


def _own_sparse(g: SparseGrad) -> SparseGrad | Tensor:
    """A sparse gradient to keep: sums by row, which share no memory with the index or the cotangent; else dense."""
    return g if 0 not in g.shape and g.rows() is not None else Tensor._wrap(g.dense())


def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient of a result in its ``.grad`` as well."""
    import weakref

    node = tensor._node
    assert node is not None
    ref = weakref.ref(tensor)

    def keep(g: Tensor) -> None:
        t = ref()
        if t is not None:
            g = g.clone() if modes.grad else g
            t._grad = g if t._grad is None else t._grad + g

    hooks_of(node)[RETAIN] = keep


_handle_ids = itertools.count()


_hook_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.hooks = hooks
        self.id = next(_handle_ids)

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def add_hook(node: Node, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook`` with the gradient when it arrives at ``node``; a tensor that it returns takes its place."""
    hooks = hooks_of(node)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
