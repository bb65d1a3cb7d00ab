"""Places for the boxes of a directed graph without cycles: layer by layer, with few crossings."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place", "lay_out"]

GAP_X, GAP_Y, MARGIN = 18.0, 34.0, 10.0
SWEEPS = 8


@dataclass
class Place:
    """Where a box stands: the middle of its upper edge, and its size."""

    x: float
    y: float
    width: float
    height: float


def _ranks(keys: list[int], edges: list[tuple[int, int]]) -> dict[int, int]:
    """The layer of each box: below all that lead to it (the longest way), and leaves right above what uses them first."""
    before: dict[int, list[int]] = {k: [] for k in keys}
    after: dict[int, list[int]] = {k: [] for k in keys}
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    missing = {k: len(before[k]) for k in keys}
    ready = [k for k in keys if not missing[k]]
    rank = dict.fromkeys(keys, 0)
    while ready:
        k = ready.pop()
        for b in after[k]:
            rank[b] = max(rank[b], rank[k] + 1)
            missing[b] -= 1
            if not missing[b]:
                ready.append(b)
    for k in keys:
        if not before[k] and after[k]:
            rank[k] = min(rank[b] for b in after[k]) - 1
    return rank


def lay_out(
    sizes: dict[int, tuple[float, float]], edges: list[tuple[int, int]]
) -> tuple[dict[int, Place], float, float]:
    """Place boxes of given sizes (width, height); return the places by key, and the width and height of the picture.

    Layers by longest paths, then sweeps in which each box moves to the mean place of its neighbours in the layers above and below.
    Source: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981.
    """
    rank = _ranks(list(sizes), edges)
    layers: list[list[int]] = [[] for _ in range(max(rank.values()) + 1)]
    for k, r in rank.items():
        layers[r].append(k)
    neighbours: dict[int, list[int]] = {k: [] for k in sizes}
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    x = {k: float(i) for layer in layers for i, k in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wish = {k: sum(x[n] for n in neighbours[k]) / len(neighbours[k]) if neighbours[k] else x[k] for k in layer}
            layer.sort(key=wish.__getitem__)
            x.update(_spread([wish[k] for k in layer], layer, sizes))
    left = min(x[k] - sizes[k][0] / 2 for k in sizes) - MARGIN
    places, y = {}, MARGIN
    for layer in layers:
        for k in layer:
            places[k] = Place(x[k] - left, y, *sizes[k])
        y += max(sizes[k][1] for k in layer) + GAP_Y
    return places, max(p.x + p.width / 2 for p in places.values()) + MARGIN, y - GAP_Y + MARGIN


def _spread(wishes: list[float], layer: list[int], sizes: dict[int, tuple[float, float]]) -> dict[int, float]:
    """Places for the boxes of a layer in their order, none over another, as a whole around where they want to be."""
    places: list[float] = []
    for wish, k in zip(wishes, layer, strict=True):
        if places:
            least = places[-1] + (sizes[layer[len(places) - 1]][0] + sizes[k][0]) / 2 + GAP_X
            wish = max(wish, least)
        places.append(wish)
    shift = (sum(wishes) - sum(places)) / len(places) if places else 0.0
    return {k: p + shift for k, p in zip(layer, places, strict=True)}
