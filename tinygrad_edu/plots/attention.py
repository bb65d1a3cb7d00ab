"""Where attention looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.plots._axes import host, one

__all__ = ["plot_attention"]


def plot_attention(
    weights: Any, source: Sequence[str], target: Sequence[str], *, title: str = "", ax: Any = None
) -> Any:
    """Draw weights of attention as a heat map: a row for each token that was written, a column for each that was read.

    Parameters
    ----------
    weights : Tensor or array, (T, S)
        What lies beyond the tokens is padding, and left out.
    source, target : sequence of str
        The tokens; a str counts as its characters.
    title : str
    ax : Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are more tokens than weights.

    Examples
    --------
    >>> from tinygrad_edu import plots
    >>> ax = plots.plot_attention([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], ["good", "day"], ["guten", "Tag"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['guten', 'Tag']
    """
    table = np.asarray(host(weights), float)
    rows, columns = len(target), len(source)
    if table.ndim != 2 or table.shape[0] < rows or table.shape[1] < columns or not rows or not columns:
        raise ValueError(
            f"plot_attention: expected weights (T, S) for {rows} tokens of the target and {columns} of the source, "
            f"got shape {table.shape}"
        )
    ax = one(ax, (max(3.0, 0.28 * columns + 1.2), max(2.5, 0.28 * rows + 1.2)))
    ax.imshow(table[:rows, :columns], cmap="Greys", vmin=0, vmax=1, aspect="auto")
    words = any(len(token) > 1 for token in source)
    ax.set_xticks(range(columns), ["␣" if token == " " else token for token in source], rotation=60 if words else 0)
    ax.set_yticks(range(rows), ["␣" if token == " " else token for token in target])
    ax.tick_params(length=0)
    ax.set_title(title)
    return ax
