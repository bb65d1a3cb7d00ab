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

# What was called to make a view, and with which settings.
Step = tuple["type[Op]", tuple[Any, ...]]


def remember_base(t: Tensor, op: type[Op], source: Any, settings: tuple[Any, ...]) -> None:
    """Note of which tensor ``t`` is a view and how to make it again, for in-place writes on either of them."""
    if not backends.of(t._data).is_view(t._data, source._data):
        return
    step = (op, settings)
    if source._view is None:
        t._view = (source, source._node, (step,), modes.grad)
    else:
        base, at, steps, recorded = source._view
        t._view = (base, at, (*steps, step), recorded and modes.grad)


def replay(base: Any, steps: tuple[Step, ...]) -> Any:
    """Make a view of ``base`` (tensor or raw array) again."""
    for op, settings in steps:
        base = op.apply(base, *settings)
    return base


def follow_base(t: Tensor) -> None:
    """Wire a view to its base's newest value, after the base was written in place inside a graph."""
    base, _, steps, recorded = t._view
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
