"""Views: tensors on the memory of another one, their base, whose in-place writes they must follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes, swap
from tinygrad_edu.hooks import rewire
from tinygrad_edu.node import LEAF

if TYPE_CHECKING:
    from tinygrad_edu.function import Op
    from tinygrad_edu.tensor import Tensor


class Step:
    """How a view was made from the one before it; views of views share the steps that they have in common."""

    __slots__ = ("before", "op", "settings")

    def __init__(self, before: Step | None, op: type[Op], settings: tuple[Any, ...]) -> None:
        self.before, self.op, self.settings = before, op, settings


def remember_base(t: Tensor, op: type[Op], source: Any, settings: tuple[Any, ...]) -> None:
    """Note of which tensor ``t`` is a view and how to make it again, for in-place writes on either of them."""
    if not backends.of(t._data).is_view(t._data, source._data):
        return
    if source._view is None:
        t._view = (source, source._node, Step(None, op, settings), modes.grad)
    else:
        base, at, last, recorded = source._view
        t._view = (base, at, Step(last, op, settings), recorded and modes.grad)


def replay(base: Any, last: Step) -> Any:
    """Make a view of ``base`` (tensor or raw array) again."""
    steps = []
    step: Step | None = last
    while step is not None:
        steps.append(step)
        step = step.before
    for step in reversed(steps):
        base = step.op.apply(base, *step.settings)
    return base


def settle(t: Tensor) -> None:
    """Where the base of a view has itself become a view, of what it was (as by ``t_()``), take that for the base."""
    base, *rest = t._view
    while base._view is not None:
        base = base._view[0]
    t._view = (base, *rest)


def follow_base(t: Tensor) -> None:
    """Wire a view to its base's newest value, after the base was written in place inside a graph."""
    settle(t)
    base, at, steps, recorded = t._view
    if base._node is at:
        return
    if base._node is None or base._node.kind == LEAF:  # requires_grad_() or detach_(), not a write
        t._view = (base, base._node, steps, recorded)
        return
    before = swap({"grad": True})
    try:
        again = replay(base, steps)
    finally:
        swap(before)
    rewire(t, again._node)
    t._view = again._view
