"""Where a backward pass starts: the nodes of the results with their cotangents, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.errors import describe
from tinygrad_edu.node import Node
from tinygrad_edu.tensor import Tensor


def as_list(tensors: Any) -> list[Any]:
    if tensors is None:
        return []
    if isinstance(tensors, Tensor) or backends.is_array(tensors):
        return [tensors]
    if not isinstance(tensors, Iterable) or isinstance(tensors, str):
        raise TypeError(f"backward: expected a Tensor or a sequence of tensors, got {describe(tensors)}")
    return list(tensors)


def start_nodes(outputs: list[Tensor], cotangents: list[Any], graph: bool) -> list[tuple[Node, Any]]:
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
            one = backends.of(raw).ones_like(raw)
            roots.append((t._node, Tensor._wrap(one) if graph else one))
            continue
        if not isinstance(g, Tensor):
            g = t.new_tensor(g)
        if tuple(g.shape) != tuple(raw.shape):
            raise RuntimeError(f"backward: the gradient has shape {tuple(g.shape)}, the tensor {tuple(raw.shape)}")
        if g.device != t.device:
            raise RuntimeError(f"backward: the gradient is on {g.device}, the tensor on {t.device}")
        g = g._current().to(t.dtype)
        roots.append((t._node, g if graph else g._data))
    return roots
