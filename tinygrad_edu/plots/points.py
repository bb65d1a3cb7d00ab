"""Points with names beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.plots._axes import host, one

__all__ = ["plot_points"]


def plot_points(points: Any, labels: Sequence[str], *, groups: Sequence[str] | None = None, ax: Any = None) -> Any:
    """Draw points in the plane, each with its name: words by two directions of their vectors, for example.

    Parameters
    ----------
    points : array or tensor (N, 2)
    labels : sequence of str, N
    groups : sequence of str, N, optional
        Points of one group have one colour, and the legend its name.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        When there are not as many labels or groups as points.

    Examples
    --------
    >>> from tinygrad_edu import plots
    >>> ax = plots.plot_points([[0.0, 1.0], [1.0, 0.0]], ["left", "right"])
    >>> [text.get_text() for text in ax.texts]
    ['left', 'right']
    """
    places = host(points)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(f"plot_points: expected points of shape (N, 2), got {places.shape}")
    for what, given in (("labels", labels), ("groups", labels if groups is None else groups)):
        if len(given) != len(places):
            raise ValueError(f"plot_points: {len(places)} points, but {len(given)} {what}")
    ax = one(ax, size=(8.0, 6.5))
    for number, group in enumerate(dict.fromkeys(groups) if groups is not None else [None]):
        chosen = [i for i in range(len(places)) if groups is None or groups[i] == group]
        color = f"C{number % 10}"
        ax.scatter(*places[chosen].T, s=14, color=color, label=group)
        for i in chosen:
            ax.annotate(labels[i], places[i], xytext=(3, 3), textcoords="offset points", fontsize=9, color=color)
    ax.margins(0.12)
    ax.grid(alpha=0.3)
    if groups is not None:
        ax.legend(fontsize=8)
    return ax
