"""A cell over a tree: networks that compute a node from its children, from the leaves up to the root.

A tree, or several at once, is a list with the children of each node: ``[[], [], [0, 1]]`` is a root, node 2, with two leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.creation import empty, tensor
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.parts import chunk
from tinygrad_edu.ops.scatter import index_add
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.bptt import map_state

__all__ = ["TreeLSTM", "TreeRNN", "climb", "forest"]

Children = Sequence[Sequence[int]]
State = Any  # a tensor with a row for each node, or tuples and lists of them


def climb(cell: Callable[[Tensor, State, Tensor], State], input: Tensor, children: Children) -> State:
    """Compute the states of all nodes from the leaves up, all nodes of the same height at once.

    Parameters
    ----------
    cell : callable
        ``state = cell(x, below, owner)`` for nodes of one height: x (M, …) their rows of the input, `below` the states of all
        their children, (K, …), in order, and `owner` (K,) the number below M of the node that each child belongs to. The leaves
        have None in place of `below` and `owner`.
    input : Tensor, (nodes, …)
    children : list of lists of int
        The children of each node; several trees may stand side by side.

    Returns
    -------
    state
        In the structure of the cell's states, with a row for each node.

    Raises
    ------
    ValueError
        Where this is no tree: a number out of range, a child of two nodes, a circle, or another number of nodes than rows.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> def total(x, below, owner):
    ...     return x if below is None else x.index_add(0, owner, below)
    >>> nn.climb(total, tg.tensor([1.0, 2.0, 4.0, 8.0]), [[], [], [0, 1], [2]])
    tensor([ 1.,  2.,  7., 15.])
    """
    if not isinstance(input, Tensor) or input.dim() == 0:
        raise TypeError(f"climb: expected a tensor with a row for each node, got {describe(input)}")
    if input.shape[0] != len(children):
        raise ValueError(f"climb: expected a row of the input for each of {len(children)} nodes, got {input.shape[0]}")

    def numbers(values: list[int]) -> Tensor:
        return tensor(values, device=input.device)

    waiting: list[int] = []  # nodes whose parents are still to come; the rows of `states`
    states: State = None
    made: list[State] = []
    levels = _levels(children)
    for level in levels:
        x = index_select(input, 0, numbers(level))
        if not made:
            state = cell(x, None, numbers([]))
        else:
            place = {node: i for i, node in enumerate(waiting)}
            rows = numbers([place.pop(child) for node in level for child in children[node]])
            owner = numbers([i for i, node in enumerate(level) for _ in children[node]])
            state = cell(x, map_state(lambda s, r=rows: index_select(s, 0, r), states), owner)
            waiting = list(place)
        if waiting:
            rows = numbers(list(place.values()))
            states = map_state(lambda old, new, r=rows: cat([index_select(old, 0, r), new]), states, state)
        else:
            states = state
        waiting = waiting + level
        made.append(state)
    back = [0] * len(children)
    for row, node in enumerate(node for level in levels for node in level):
        back[node] = row
    places = numbers(back)
    return map_state(lambda *parts: index_select(cat(parts), 0, places), *made)


def _levels(children: Children) -> list[list[int]]:
    """The nodes by height: leaves first, then those whose children are all leaves, and so on."""
    parent: dict[int, int] = {}
    for node, below in enumerate(children):
        for child in below:
            if isinstance(child, bool) or not isinstance(child, int) or not 0 <= child < len(children):
                raise ValueError(
                    f"climb: node {node} has the child {child!r}, but the nodes are 0 … {len(children) - 1}"
                )
            if child in parent:
                raise ValueError(
                    f"climb: node {child} is a child of both {parent[child]} and {node}, so this is no tree"
                )
            parent[child] = node
    missing = [len(below) for below in children]
    level = [node for node, count in enumerate(missing) if not count]
    levels: list[list[int]] = []
    seen = 0
    while level:
        levels.append(level)
        seen += len(level)
        ready = []
        for node in level:
            above = parent.get(node)
            if above is not None:
                missing[above] -= 1
                if not missing[above]:
                    ready.append(above)
        level = sorted(ready)
    if seen < len(children):
        circle = next(node for node, count in enumerate(missing) if count)
        raise ValueError(f"climb: node {circle} is below itself, so this is no tree")
    if not levels:
        raise ValueError("climb: the tree has no nodes")
    return levels


def forest(trees: Sequence[Children]) -> tuple[list[list[int]], list[int]]:
    """Put trees side by side, to compute them at once: the children of all nodes, and the numbers of the roots.

    Examples
    --------
    >>> forest([[[], [], [0, 1]], [[], [0]]])
    ([[], [], [0, 1], [], [3]], [2, 4])
    """
    children: list[list[int]] = []
    roots = []
    for tree in trees:
        start = len(children)
        children += [[start + child for child in below] for below in tree]
        held = {child for below in tree for child in below}
        roots += [start + node for node in range(len(tree)) if node not in held]
    return children, roots


class TreeRNN(Module):
    """The recursive network of Socher: a node with the children a and b is p = tanh(W [a; b] + bias).

    The same map at every node, so that a phrase of any length becomes a vector as long as that of a word.

    Source: Socher, Lin, Ng and Manning, Parsing natural scenes and natural language with recursive neural networks, ICML (2011).

    Parameters
    ----------
    hidden_size : int
        H, of leaves and nodes alike.
    bias : bool, default True

    Attributes
    ----------
    weight : Parameter, (H, 2H)
    bias : Parameter, (H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.TreeRNN(8)(tg.randn(3, 8), [[], [], [0, 1]]).shape
    Size([3, 8])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.weight = Parameter(empty(hidden_size, 2 * hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(hidden_size, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight by Xavier's rule for tanh, and set the bias to zero."""
        init.xavier_uniform_(self.weight, init.calculate_gain("tanh"))
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor, children: Children) -> Tensor:
        """Vectors of the leaves, (nodes, H), whose other rows are not used, to vectors of all nodes, (nodes, H)."""
        _check_input(self, input, self.hidden_size)
        for node, below in enumerate(children):
            if len(below) not in (0, 2):
                raise ValueError(f"TreeRNN: every node must have two children or none, node {node} has {len(below)}")
        return climb(self._cell, input, children)

    def _cell(self, x: Tensor, below: State, owner: Tensor) -> Tensor:
        return x if below is None else F.tanh(F.linear(below.reshape(x.shape[0], -1), self.weight, self.bias))

    def extra_repr(self) -> str:
        return f"{self.hidden_size}" + ("" if self.bias is not None else ", bias=False")


class TreeLSTM(Module):
    """Long short-term memory over trees, with any number of children: the child-sum Tree-LSTM.

    With the sum h̃ of the children's hidden states: i = σ(W_i x + U_i h̃ + b_i), o alike, g = tanh(W_g x + U_g h̃ + b_g), for each child
    k a forget gate of its own, f_k = σ(W_f x + U_f h_k + b_f), and then c = i ⊙ g + Σ_k f_k ⊙ c_k, h = o ⊙ tanh(c).

    A node sees its children in no order. On a chain, a tree without branches, this is :class:`LSTM`.

    Source: Tai, Socher and Manning, Improved semantic representations from tree-structured long short-term memory networks,
    ACL (2015).

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    bias : bool, default True

    Attributes
    ----------
    weight_ih : Parameter, (4H, I)
        The rows of the gates i, f, g and o.
    weight_hh : Parameter, (4H, H)
    bias : Parameter, (4H,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> h, c = nn.TreeLSTM(5, 8)(tg.randn(4, 5), [[], [], [], [0, 1, 2]])
    >>> h.shape, c.shape
    (Size([4, 8]), Size([4, 8]))
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = 4 * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-1/√H, 1/√H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor, children: Children) -> tuple[Tensor, Tensor]:
        """Vectors of all nodes, (nodes, I), to their states h and c, (nodes, H) each."""
        _check_input(self, input, self.input_size)
        h, c = climb(self._cell, input, children)
        return h, c

    def _cell(self, x: Tensor, below: State, owner: Tensor) -> tuple[Tensor, Tensor]:
        size = self.hidden_size
        gates = F.linear(x, self.weight_ih, self.bias)
        kept: Any = 0
        if below is not None:
            h, c = below
            forget = gates[:, size : 2 * size]
            own = F.linear(h, self.weight_hh[size : 2 * size])
            f = F.sigmoid(index_select(forget, 0, owner) + own)
            nothing = forget.new_zeros(forget.shape)
            kept = index_add(nothing, 0, owner, f * c)
            gates = gates + F.linear(index_add(nothing, 0, owner, h), self.weight_hh)
        i, _, g, o = chunk(gates, 4, 1)
        c = F.sigmoid(i) * F.tanh(g) + kept
        return F.sigmoid(o) * F.tanh(c), c

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias is not None else ", bias=False")


def _check_input(layer: Module, input: Any, size: int) -> None:
    name = layer._get_name()
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor as input, got {describe(input)}")
    if input.dim() != 2 or input.shape[1] != size:
        raise ValueError(f"{name}: expected an input of shape (nodes, {size}), got {tuple(input.shape)}")
