"""The backward pass: a walk over the graph from the newest node to the oldest.

Every node is visited once, when all its consumers, which are newer, have been: a heap on the creation number gives
that order without recursion or sorting, in time linear in the graph (times the logarithm of its width).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from heapq import heappop, heappush
from typing import Any

from tinygrad_edu import _state, backends
from tinygrad_edu._state import modes, swap
from tinygrad_edu.accumulation import accumulate, is_fresh, own_tensor
from tinygrad_edu.anomaly import check_gradients, unlock
from tinygrad_edu.autograd.batched import row_by_row
from tinygrad_edu.cotangents import as_list, start_nodes
from tinygrad_edu.custom import user_backward
from tinygrad_edu.derivative import graph_backward
from tinygrad_edu.errors import failed, overwritten
from tinygrad_edu.hooks import run_hooks
from tinygrad_edu.node import LEAF, OUTPUT, RELEASED, USER, Node, Output
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = ["backward", "grad"]


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
    roots = start_nodes(as_list(tensors), as_list(grad_tensors), create_graph)
    if inputs is None:
        for leaf, g, owned in _walk(roots, _retain(retain_graph, create_graph), create_graph).values():
            tensor = leaf.tensor()
            if tensor is not None and tensor._node is not None:
                accumulate(tensor, g, owned, create_graph)
        return
    wanted = list({id(t): t for t in as_list(inputs)}.values())  # one that is named twice gets its gradient once
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
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
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
    only_inputs : bool, default True
        Old scripts say it; False is refused, since gradients of other leaves are never accumulated here.
    allow_unused : bool, optional
        Return None for an input that the outputs do not depend on, instead of raising.
    is_grads_batched : bool
        Each cotangent has one more dimension in front, and so have the results: one walk for each of its slices.
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
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: allow_unused=False contradicts materialize_grads=True, zeros for unused inputs")
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported; use backward() for the gradients of all leaves")
    if is_grads_batched:
        settings = create_graph, True, allow_unused, False, materialize_grads
        return row_by_row(grad, outputs, inputs, as_list(grad_outputs), _retain(retain_graph, create_graph), settings)
    wanted = as_list(inputs)
    roots = start_nodes(as_list(outputs), as_list(grad_outputs), create_graph)
    found = _captured(roots, wanted, _retain(retain_graph, create_graph), create_graph)
    results: list[Any] = []
    for i, (t, g) in enumerate(zip(wanted, found, strict=True)):
        if g is not None:
            results.append(own_tensor(*g, create_graph))
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


def _retain(retain_graph: bool | None, create_graph: bool) -> bool:
    return create_graph if retain_graph is None else retain_graph


# A slot holds [node, cotangent, whether the cotangent's memory is ours to write on or give away].
_Slot = list[Any]
_Pending = dict[int, _Slot]


def _walk(
    roots: list[tuple[Node, Any]],
    retain: bool,
    graph: bool,
    path: Container[int] | None = None,
    capture: Container[int] = (),
) -> _Pending:
    """Visit the graph, newest node first, and return what arrives at leaves and at the nodes of ``capture``."""
    pending: _Pending = {}
    heap: list[int] = []
    arrived: _Pending = {}
    for node, g in roots:
        if path is None or node.seq in path:
            _deliver(pending, heap, node, g)
    before = swap({"grad": graph, "retain": retain})
    try:
        while heap:
            seq = heappop(heap)
            slot = pending.pop(seq)
            node, g, _ = slot
            if node.extra is not None and node.extra.hooks:
                g = slot[1] = run_hooks(node, g, graph)
                slot[2] = False
            if node.kind == LEAF or seq in capture:
                arrived[seq] = slot
                if path is None or not any(e is not None and e.seq in path for e in node.edges):
                    continue  # nothing is asked for below, so what the node kept stays
            if node.kind == OUTPUT:
                _deliver_output(pending, heap, node, g, path)
                continue
            saved = node.saved
            if saved is RELEASED or (saved is not None and writes.latest < node.seq):
                _check_kept(node)
            if type(g) is SparseGrad:
                g = g.dense(shared=True)
            if graph:
                grads = graph_backward(node, g)
            elif node.kind == USER:
                grads = user_backward(node, g, False)
            else:
                grads = node.backward(*g) if type(g) is list else node.backward(g)
                if type(grads) is not tuple:
                    grads = (grads,)
            if _state.anomaly_threads and modes.anomaly:
                check_gradients(node, g, grads)
            if not retain and saved is not None:
                if node.extra is not None:
                    unlock(node)
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
                    kept = edge.kind == LEAF or path is not None  # by somebody, so it matters whose memory it is
                    pending[seq] = [edge, gx, kept and not graph and is_fresh(node, g, gx)]
                    heappush(heap, seq)
                else:
                    _add(slot, gx, graph)
    except backends.device_errors as error:
        raise failed(error, f"the backward of {node.name}", g if type(g) is list else [g]) from error
    finally:
        swap(before)
    return arrived


def _check_kept(node: Node) -> None:
    """Raise when what the node kept is gone, or was overwritten."""
    if node.saved is RELEASED:
        raise RuntimeError(
            f"backward: the values that {node.name} kept were released by an earlier backward pass; "
            "pass retain_graph=True to the earlier one to walk this graph again"
        )
    for value in node.saved:
        if backends.is_array(value) and writes.overwritten(value, node.seq):
            raise overwritten(node, value)


def _deliver(pending: _Pending, heap: list[int], node: Node, g: Any) -> None:
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
        slot[1], slot[2] = (g + total if type(g) is SparseGrad else total + g), not graph
    elif type(g) is SparseGrad and type(total) is not SparseGrad:
        slot[1] = g.add_into(total)
    else:
        total += g
        slot[1] = total


def _deliver_output(pending: _Pending, heap: list[int], output: Output, g: Any, path: Container[int] | None) -> None:
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
    slots = _walk(roots, retain, graph, _between([n for n, _ in roots], targets), targets)
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
