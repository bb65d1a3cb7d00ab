"""Where gradients arrive: adding them to ``tensor.grad``, in memory that nobody else holds."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.node import Node
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes


def own_tensor(g: Any, owned: bool, graph: bool) -> Tensor:
    """A tensor of a gradient, with memory of its own."""
    if graph:
        return g.clone()
    return Tensor._wrap(g if owned else backends.of(g).copy(g))


def accumulate(tensor: Tensor, g: Any, owned: bool, graph: bool) -> None:
    """Add a gradient to ``tensor.grad``."""
    held = tensor._grad
    if held is None:
        tensor._grad = _own_sparse(g) if type(g) is SparseGrad else own_tensor(g, owned, graph)
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
    node = tensor._node
    if node is not None and node.extra is not None and node.extra.after:
        for hook in list(node.extra.after.values()):
            hook(tensor)


def _own_sparse(g: SparseGrad) -> SparseGrad | Tensor:
    """A sparse gradient to keep: sums by row, which share no memory with the index or the cotangent; else dense."""
    return g if 0 not in g.shape and g.rows() is not None else Tensor._wrap(g.dense())


def is_fresh(node: Node, g: Any, gx: Any) -> bool:
    """Whether a gradient that a node returned has memory that nobody else holds."""
    if not node.fresh or gx is g or type(gx) is SparseGrad or (type(g) is list and any(gx is c for c in g)):
        return False
    return backends.of(gx).owns(gx)
