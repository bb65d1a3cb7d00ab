"""Curves of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.plots._axes import host, new_axes

__all__ = ["plot_history"]


def _smoothed(values: np.ndarray[Any, Any], share: float) -> np.ndarray[Any, Any]:
    """The running mean in which ``share`` stays from step to step, without the pull of its start."""
    mean, weight, out = 0.0, 0.0, np.empty(len(values))
    for i, value in enumerate(values):
        mean, weight = share * mean + (1 - share) * value, share * weight + (1 - share)
        out[i] = mean / weight
    return out


def plot_history(
    history: Mapping[str, Sequence[Any]],
    *,
    x: Mapping[str, Sequence[float]] | None = None,
    smooth: float = 0.0,
    log: bool = False,
    xlabel: str = "epoch",
) -> list[Any]:
    """Draw what was measured while training, one panel a measure.

    Parameters
    ----------
    history : dict of sequences
        The values by name. Of a name with a slash the last part is the measure: ``train/loss`` and ``test/loss``
        share the panel `loss`.
    x : dict of sequences, optional
        Where the values of a name were measured; 1, 2, 3, … by default.
    smooth : float in [0, 1), default 0
        How much of a running mean stays from value to value; the raw values are then drawn faintly behind it.
    log : bool
        Whether the vertical axes are logarithmic.
    xlabel : str

    Returns
    -------
    list of Axes
        One for each measure.

    Raises
    ------
    ValueError
        When there is nothing to draw, or `smooth` is out of range.

    Examples
    --------
    >>> from tinygrad_edu import plots
    >>> axes = plots.plot_history({"train/loss": [2.0, 1.0, 0.5], "test/loss": [2.1, 1.4, 1.3], "accuracy": [0.1, 0.6, 0.7]})
    >>> [ax.get_title() for ax in axes]
    ['loss', 'accuracy']
    """
    if not history:
        raise ValueError("plot_history: the history is empty")
    if not 0 <= smooth < 1:
        raise ValueError(f"plot_history: smooth must lie in [0, 1), got {smooth}")
    panels: dict[str, list[str]] = {}
    for name in history:
        panels.setdefault(name.rpartition("/")[2], []).append(name)
    axes = new_axes(1, len(panels))
    for ax, (measure, names) in zip(axes, panels.items(), strict=True):
        for name in names:
            values = host(history[name]).astype(float)
            at = host(x[name]) if x is not None and name in x else np.arange(1, len(values) + 1)
            if len(at) != len(values):
                raise ValueError(f"plot_history: {name} has {len(values)} values at {len(at)} places")
            label = name.rpartition("/")[0] or name
            if smooth:
                (line,) = ax.plot(at, values, alpha=0.25)
                ax.plot(at, _smoothed(values, smooth), label=label, color=line.get_color())
            else:
                ax.plot(at, values, label=label, marker="o" if len(values) < 20 else None, markersize=3)
        ax.set(title=measure, xlabel=xlabel, yscale="log" if log else "linear")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        if len(names) > 1:
            ax.legend()
    return axes
