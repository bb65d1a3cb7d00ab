"""Gradient checkpointing: forget what a part of a model computed, and compute it again when the gradient is needed.

It trades time for memory: of a part, the arguments are kept and nothing in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes, swap
from tinygrad_edu.autograd import grad
from tinygrad_edu.function import Op, output_of
from tinygrad_edu.generator import all_states, fork_rng, set_all_states
from tinygrad_edu.grad_mode import enable_grad
from tinygrad_edu.node import Leaf, Node, tick
from tinygrad_edu.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]

Contexts = Callable[[], tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]]


def _no_contexts() -> tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]:
    return contextlib.nullcontext(), contextlib.nullcontext()


class Checkpoint(Op):
    """A part of a graph as one node: its edges are all tensors outside that the part depends on, arguments or not.

    ``saved`` is what computes the part again and the arrays that must not have been overwritten until then.
    """

    __slots__ = ()
    saves_constants = True

    def backward(self, *cotangents: Any) -> Any:
        graph = modes.grad
        outs = self.saved[0]()
        pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if c is not None]
        at = [_at_node(node, outs[0]) for node in self.edges]
        given = [c if isinstance(c, Tensor) else Tensor._wrap(c) for _, c in pairs]
        grads = grad([o for o, _ in pairs], at, given, create_graph=graph, allow_unused=True)
        return tuple(g if g is None or graph else g._data for g in grads)


def _at_node(node: Node, like: Tensor) -> Tensor:
    """A tensor at a node, to ask for the gradient that arrives there; its value does not matter."""
    t = Tensor._wrap(like._data)
    t._node = node
    return t


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = _no_contexts,
    determinism_check: str = "default",
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose values in between are forgotten, and computed again for the gradient.

    Gradients of every order are those without a checkpoint, also of tensors that the function knows without being given them, such as
    the parameters of a layer. Checkpoints may lie inside each other.
    Source: Chen et al., Training deep nets with sublinear memory cost (2016).

    Parameters
    ----------
    function : callable
        It must compute the same when it is called again; what else it does (counting batches, say) is done twice.
    *args, **kwargs
        Its arguments.
    use_reentrant : bool, optional
        Which of its two ways PyTorch should go; here there is one, which does what False does there.
    context_fn : callable, optional
        Gives two context managers, for the first and for further computations.
    determinism_check : "default" or "none"
        Whether to raise where the second computation has results of other shapes or types, or depends on other tensors.
    preserve_rng_state : bool, default True
        Whether the default generators draw the same numbers again, so that dropout drops the same elements.

    Returns
    -------
    object
        What the function returns: a Tensor, or tuples, lists and dictionaries of them.

    Raises
    ------
    RuntimeError
        In the backward pass, where the second computation would not be the first, as far as can be seen.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.utils.checkpoint import checkpoint
    >>> x = tg.tensor(0.5, requires_grad=True)
    >>> y = checkpoint(lambda x: x.sin().exp(), x)  # keeps x alone, not its sine
    >>> y.backward()
    >>> x.grad
    tensor(1.4174)
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check must be 'default' or 'none', got {determinism_check!r}")
    if not callable(function):
        raise TypeError(f"checkpoint: expected a function, got {type(function).__name__}")
    first, again = context_fn()
    if not modes.grad:
        with first:
            return function(*args, **kwargs)
    given = (args, kwargs)
    held = _rebuilt(given, map(_alias, _tensors(given)))
    states = all_states([t.device for t in _tensors(given)]) if preserve_rng_state else None
    casts = modes.casts  # of autocast
    start = tick()  # what is newer than this belongs to the part
    with first:
        result = function(*args, **kwargs)
    outs = list(_tensors(result))
    inner, outer = _split([t._node for t in outs if t._node is not None], start)
    if not outer:
        return result
    facts = [(tuple(t.shape), t.dtype) for t in outs if t._node is not None]
    leaves = [(node, t._data) for node in outer if isinstance(node, Leaf) and (t := node.tensor()) is not None]

    def compute_again() -> list[Tensor]:
        for leaf, raw in leaves:
            tensor = leaf.tensor()
            if tensor is not None and tensor._data is not raw:
                raise RuntimeError("checkpoint: a tensor that the function uses has got other data since it was called")
        began = tick()
        restored = fork_rng() if states is not None else contextlib.nullcontext()
        before = swap({"casts": casts})
        try:
            with restored, again, enable_grad():
                if states is not None:
                    set_all_states(states)
                found = [t for t in _tensors(function(*held[0], **held[1])) if t._node is not None]
        finally:
            swap(before)
        if determinism_check == "default":
            _check_same(facts, outer, found, _split([t._node for t in found], began)[1])
        return found

    node = Checkpoint()
    node.seq = start
    node.edges = outer
    node.extra = None
    node.ids = None
    arrays = [t._data for t in _tensors(held)] + [raw for _, raw in leaves] + list(_kept_from_outside(inner, start))
    node.saved = (compute_again, *arrays)
    node.outputs = [None] * len(facts)
    return _rebuilt(result, iter(_outputs(node, outs, start)))


def _outputs(node: Checkpoint, outs: list[Tensor], start: int) -> list[Tensor]:
    """The results as outputs of the node, each with memory of its own: they are no views of anything."""
    made: list[Tensor] = []
    taken: set[int] = set()
    index = 0
    for t in outs:
        if t._node is None:
            made.append(t)
            continue
        raw = t._data
        ns = backends.of(raw)
        if t._node.seq > start or id(raw) in taken or not ns.owns(raw):
            raw = ns.copy(raw)
        taken.add(id(raw))
        made.append(_at_node(output_of(node, index), Tensor._wrap(raw)))
        index += 1
    return made


def _alias(t: Tensor) -> Tensor:
    """The same value at the same place of the graph, whatever becomes of the tensor itself."""
    t = t._current()
    other = Tensor._wrap(t._data)
    other._node = t._node
    return other


def _split(roots: list[Any], start: int) -> tuple[list[Node], list[Node]]:
    """The nodes that were made after ``start``, and the older ones that they depend on directly."""
    inner: dict[int, Node] = {}
    outer: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node.seq > start:
            outer[node.seq] = node
        elif node.seq not in inner:
            inner[node.seq] = node
            stack.extend(e for e in node.edges if e is not None)
    return list(inner.values()), list(outer.values())


def _kept_from_outside(inner: list[Node], start: int) -> Iterator[Any]:
    """Arrays that belong to tensors outside of the part, as far as operations inside kept them."""
    for node in inner:
        keeps = getattr(node, "keeps", None)
        for place, value in zip(keeps or (), node.saved or (), strict=False):
            edge = node.edges[place] if 0 <= place < len(node.edges) else None
            if edge is not None and edge.seq > start and backends.is_array(value):
                yield value


def _check_same(facts: list[Any], outer: list[Node], outs: list[Tensor], again: list[Node]) -> None:
    """Raise where a part that was computed again is another one."""
    found = [(tuple(t.shape), t.dtype) for t in outs]
    if found != facts:
        raise RuntimeError(
            f"checkpoint: computed again, the function has results of other shapes or types: {found} after {facts}"
        )
    if {n.seq for n in again} != {n.seq for n in outer}:
        raise RuntimeError(
            f"checkpoint: computed again, the function depends on other tensors ({len(again)} after {len(outer)}); it must do "
            "the same each time it is called"
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _tensors(v)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _rebuilt(value: Any, tensors: Iterator[Tensor]) -> Any:
    """The same tuples, lists and dictionaries with other tensors."""
    if isinstance(value, Tensor):
        return next(tensors)
    if isinstance(value, dict):
        return type(value)((k, _rebuilt(v, tensors)) for k, v in value.items())
    if isinstance(value, (tuple, list)):
        parts = [_rebuilt(v, tensors) for v in value]
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    return value


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """Functions one after the other in `segments` parts, all but the last of which are checkpoints.

    Parameters
    ----------
    functions : Sequential or sequence of callables
    segments : int
        With about √n parts of n layers both the values between parts and those inside of one stay few.
    input : object
        What the first function takes.
    use_reentrant, preserve_rng_state
        As in :func:`checkpoint`.

    Raises
    ------
    ValueError
        When there are fewer functions than parts.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.utils.checkpoint import checkpoint_sequential
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh())
    >>> checkpoint_sequential(model, 2, tg.zeros(3, 4)).shape
    Size([3, 4])
    """
    layers: Sequence[Any] = list(functions)
    if not 1 <= segments <= len(layers):
        raise ValueError(f"checkpoint_sequential: {len(layers)} functions do not fall into {segments} segments")
    size = len(layers) // segments

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for layer in layers[start:end]:
                x = layer(x)
            return x

        return run

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(
            part(start, start + size), input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state
        )
    return part(last, len(layers))(input)
