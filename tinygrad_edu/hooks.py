"""Hooks: a user's functions that are called when a gradient arrives at a tensor."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends
from tinygrad_edu.node import Node, extra_of
from tinygrad_edu.sparse import SparseGrad

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Hook = Callable[["Tensor"], "Tensor | None"]

RETAIN = -1  # the key of the hook that fills ``.grad`` of a result

_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.hooks = hooks
        self.id = next(_ids)

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def hooks_of(node: Node) -> dict[int, Hook]:
    """The node's hooks, to add one."""
    extra = extra_of(node)
    if extra.hooks is None:
        extra.hooks = {}
    return extra.hooks


def add_hook(node: Node, hook: Hook) -> RemovableHandle:
    """Call ``hook`` with the gradient when it arrives at ``node``; a tensor that it returns takes its place."""
    hooks = hooks_of(node)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def add_hook_after(node: Node, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call ``hook`` with a leaf when a gradient has been added to its ``.grad``."""
    extra = extra_of(node)
    if extra.after is None:
        extra.after = {}
    handle = RemovableHandle(extra.after)
    extra.after[handle.id] = hook
    return handle


def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient of a result in its ``.grad`` as well."""
    node = tensor._node
    assert node is not None
    ref = weakref.ref(tensor)

    def keep(g: Tensor) -> None:
        t = ref()
        if t is not None:
            t._grad = g if t._grad is None else t._grad + g

    hooks_of(node)[RETAIN] = keep


def rewire(t: Tensor, node: Node | None) -> None:
    """Move a tensor on to the node of its newest value; ``retain_grad`` goes with it, other hooks stay with the old
    value."""
    old = t._node
    t._node = node
    if old is not None and old is not node and old.extra is not None and old.extra.hooks:
        keep = old.extra.hooks.pop(RETAIN, None)
        if keep is not None and node is not None:
            hooks_of(node)[RETAIN] = keep


def run_hooks(node: Node, g: Any, graph: bool) -> Any:
    """What the hooks of ``node`` make of the cotangent ``g`` that arrived there."""
    from tinygrad_edu.tensor import Tensor

    hooks = dict(hooks_of(node))
    keep = hooks.pop(RETAIN, None)  # last, so that it sees what the others made of the gradient
    if type(g) is SparseGrad:
        g = g.dense()
    for hook in [*hooks.values(), *([] if keep is None else [keep])]:
        # A copy: a hook may write on it, and others may hold the same cotangent.
        given = g.clone() if isinstance(g, Tensor) else Tensor._wrap(backends.of(g).copy(g))
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
        result = result.to(given.dtype)
        g = result if graph else result._data
    return g
