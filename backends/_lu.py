"""The LU decomposition on the array standard alone, whole batches at a time: NumPy's linear algebra has none."""

from __future__ import annotations

from typing import Any

Array = Any


def lu(ns: Any, x: Array) -> tuple[Array, Array]:
    """L, without its ones, and U of matrices in one array, and the order of the rows: (L U)[i] = x[order[i]].

    Column by column, the largest element from the diagonal down is taken as pivot, the first one of several.
    """
    rows, columns = x.shape[-2:]
    place, across = ns.arange(rows), ns.arange(columns)
    down = ns.expand_dims(place, axis=-1)
    order = ns.broadcast_to(place, x.shape[:-1])
    for j in range(min(rows, columns)):
        size = ns.where(place < j, -ns.ones_like(x[..., j]), ns.abs(x[..., j]))
        best = ns.argmax(size, axis=-1, keepdims=True)
        swapped = ns.where(place == j, best, ns.where(place == best, j, place))
        chosen = ns.expand_dims(swapped, axis=-1) == place
        x = ns.astype(chosen, x.dtype) @ x
        order = ns.sum(ns.where(chosen, ns.expand_dims(order, axis=-2), 0), axis=-1)
        pivot = x[..., j : j + 1, j : j + 1]
        column = x[..., :, j : j + 1]
        share = ns.where(down > j, column / ns.where(pivot == 0, ns.ones_like(pivot), pivot), ns.zeros_like(column))
        rest = x - share * (x[..., j : j + 1, :] * ns.astype(across > j, x.dtype))
        x = ns.where((down > j) & (across == j), share, rest)
    return x, order
