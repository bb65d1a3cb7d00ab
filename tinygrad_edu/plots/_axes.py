"""Where pictures are drawn, and the way from tensors to what matplotlib draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.tensor import Tensor

__all__ = ["host", "new_axes", "save"]


def host(x: Any) -> np.ndarray[Any, Any]:
    """A tensor, array, or nested list as an array of NumPy."""
    if isinstance(x, Tensor):
        return np.asarray(x.detach().cpu().numpy())
    if isinstance(x, (list, tuple)) and any(isinstance(part, Tensor) for part in x):
        return np.stack([host(part) for part in x])
    return np.asarray(x)


def new_axes(rows: int = 1, columns: int = 1, size: tuple[float, float] = (5.0, 4.0)) -> Any:
    """Make a figure of so many rows and columns of axes, each of ``size`` inches; return the axes, row by row.

    Returns
    -------
    list of matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'tinygrad_edu[examples]'") from None
    # A figure of its own, known to no window: nothing stays open in a long run, and no display is needed.
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return list(figure.subplots(rows, columns, squeeze=False).flat)


def one(ax: Any, size: tuple[float, float] = (5.0, 4.0)) -> Any:
    """The given axes, or new ones."""
    return new_axes(size=size)[0] if ax is None else ax


def save(ax: Any, path: str | Path, dpi: int = 120) -> Path:
    """Write the figure of the axes (or the first of a list of them) to a file, whose folder is made; return its path.

    The ending chooses the format: ``.png``, ``.svg``, ``.pdf``.
    """
    first = ax[0] if isinstance(ax, (list, tuple)) else ax
    figure = first.figure if hasattr(first, "figure") else first
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    return path
