"""Nodes of the graph: what an edge points to."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Array = Any

# Kinds of node, asked by one integer comparison where speed matters.
PLAIN, VIEW, CONSTANT, USER, LEAF, OUTPUT = range(6)

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

    def __repr__(self) -> str:
        from tinygrad_edu.node_names import shown

        return f"<{shown(self)} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the arguments and which of their outputs was used, for walking a graph by hand."""
        return tuple((e.edges[0], e.index) if type(e) is Output else (e, 0) for e in self.edges)


class Extra:
    """What few nodes have: hooks, facts for checking a user's function, where the operation was called."""

    __slots__ = ("after", "hooks", "locks", "trace", "user")

    def __init__(self) -> None:
        self.after: dict[int, Callable[[Tensor], None]] | None = None  # of a leaf: called when its gradient was added
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
        self.trace: str | None = None
        self.locks: Any = None
        self.user: Any = None


def extra_of(node: Node) -> Extra:
    """The node's :class:`Extra`, made when it has none."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


class _Bare(Node):
    """A node that computes nothing."""

    __slots__ = ()

    def __init__(self, edges: tuple[Node, ...]) -> None:
        self.seq = tick()
        self.edges = edges
        self.saved = None
        self.extra = None


class Leaf(_Bare):
    """Where the gradient of a leaf tensor arrives; knows the tensor by weak reference, so that no cycle arises."""

    __slots__ = ("tensor",)
    kind = LEAF
    name = "AccumulateGrad"

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(())
        self.tensor = weakref.ref(tensor)


class Output(_Bare):
    """One output of a node that has several."""

    __slots__ = ("__weakref__", "index")
    kind = OUTPUT

    def __init__(self, node: Node, index: int) -> None:
        super().__init__((node,))
        self.index = index

    @property
    def name(self) -> str:
        return f"{self.edges[0].name} (output {self.index})"
