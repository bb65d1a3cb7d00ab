"""Derivatives as graphs: what ``create_graph=True`` does to one node.

The node's own formula is called with tensors in place of raw arrays. Its cotangent is a tensor of the graph already;
what it kept is wired to where it came from, an argument or the result, so that the new graph goes on from there.
"""

from __future__ import annotations

import copy
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes, swap
from tinygrad_edu.custom import check_attributes, map_arrays, user_backward
from tinygrad_edu.function import RESULT, Function, Fused, Op, output_of
from tinygrad_edu.node import USER, Node
from tinygrad_edu.tensor import Tensor


def graph_backward(node: Any, g: Any) -> tuple[Any, ...]:
    """Call a node's backward on tensors that are wired to the graph, so that its result can be differentiated."""
    # A NaN in a formula of the library is reported for the whole formula, with the line of the forward pass.
    before = swap({"check_nan": modes.check_nan and node.kind == USER})
    try:
        return _formula(node, g)
    finally:
        swap(before)


def _formula(node: Any, g: Any) -> tuple[Any, ...]:
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
                "differentiated again; recompute it in backward, return it as a further output, or, if it is a constant, take it as "
                "an argument"
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
    """Arrays that a user's forward put on the instance as attributes are arguments or results like saved ones."""
    check_attributes(node)
    assert node.extra is not None
    for name in node.extra.user.kept:
        setattr(twin, name, map_arrays(lambda raw: _wired(node, raw), getattr(node, name)))


def _reference_backward(node: Fused, g: Any) -> tuple[Any, ...]:
    """Differentiate the reference of a fused operation on its kept arguments."""
    from tinygrad_edu.autograd.walk import grad
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
