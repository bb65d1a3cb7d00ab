"""What a classifier decides, and where it errs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.creation import tensor
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.plots._axes import host, one

__all__ = ["confusion_matrix", "plot_confusion_matrix", "plot_decision_boundary"]


def confusion_matrix(target: Any, prediction: Any, classes: int | None = None) -> np.ndarray[Any, Any]:
    """Count how often each class (row) was taken for each class (column).

    Parameters
    ----------
    target, prediction : Tensor or array of integers, (N,)
    classes : int, optional
        How many classes there are; by default one more than the largest number.

    Returns
    -------
    array of int64, (classes, classes)

    Raises
    ------
    ValueError
        For different lengths, or numbers that are no classes.

    Examples
    --------
    >>> from tinygrad_edu import plots
    >>> plots.confusion_matrix([0, 0, 1], [0, 1, 1]).tolist()
    [[1, 1], [0, 1]]
    """
    truth, guess = host(target).ravel(), host(prediction).ravel()
    if truth.shape != guess.shape:
        raise ValueError(f"confusion_matrix: {len(truth)} targets for {len(guess)} predictions")
    if truth.dtype.kind not in "iub" or guess.dtype.kind not in "iub":
        raise ValueError(f"confusion_matrix: classes are integers, got {truth.dtype} and {guess.dtype}")
    highest = int(max(truth.max(initial=-1), guess.max(initial=-1)))
    n = highest + 1 if classes is None else classes
    if min(truth.min(initial=0), guess.min(initial=0)) < 0 or highest >= n:
        raise ValueError(f"confusion_matrix: classes lie in [0, {n}), got numbers up to {highest}")
    return np.bincount(truth.astype(np.int64) * n + guess, minlength=n * n).reshape(n, n)


def plot_confusion_matrix(counts: Any, names: Sequence[str] | None = None, *, ax: Any = None) -> Any:
    """Draw a confusion matrix, with colours by the share of each row and the counts in it; return the axes."""
    table = host(counts)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"plot_confusion_matrix: expected a square matrix of counts, got shape {tuple(table.shape)}")
    n = len(table)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    ax = one(ax, (max(4.0, 0.5 * n),) * 2)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i in range(n):
        for j in range(n):
            if table[i, j]:
                color = "white" if share[i, j] > 0.5 else "black"
                ax.text(j, i, str(table[i, j]), ha="center", va="center", color=color, fontsize=8)
    labels = list(names) if names is not None else [str(i) for i in range(n)]
    ax.set_xticks(range(n), labels)
    ax.set_yticks(range(n), labels)
    ax.set(xlabel="predicted", ylabel="true", title=f"{np.trace(table) / max(table.sum(), 1):.1%} right")
    return ax


def plot_decision_boundary(
    model: Any, x: Any, y: Any, *, resolution: int = 200, margin: float = 0.3, title: str = "", ax: Any = None
) -> Any:
    """Colour the plane by the class that a model decides for, and draw the points of a data set on it.

    Parameters
    ----------
    model : callable
        From points (N, 2) to logits (N, classes); or to one logit (N,) or (N, 1), of which positive ones mean class 1.
    x : Tensor or array, (N, 2)
    y : Tensor or array of integers, (N,)
    resolution : int
        Points along each side at which the model is asked.
    margin : float
        How far around the points the plane is shown.

    Returns
    -------
    Axes
    """
    points, classes = host(x), host(y).ravel()
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(classes):
        raise ValueError(
            f"plot_decision_boundary: expected points (N, 2) and classes (N,), got {tuple(points.shape)} and {tuple(host(y).shape)}"
        )
    low, high = points.min(0) - margin, points.max(0) + margin
    across, up = (np.linspace(low[i], high[i], resolution, dtype=np.float32) for i in (0, 1))
    plane = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)
    first = next(iter(model.parameters()), None) if hasattr(model, "parameters") else None
    with no_grad():
        logits = host(model(tensor(plane, device=None if first is None else first.device)))
    if logits.ndim == 2 and logits.shape[1] > 1:
        decided = logits.argmax(1)
    else:
        decided = (logits.ravel() > 0).astype(np.int64)
    ax = one(ax)
    shown = {"cmap": "tab10", "vmin": 0, "vmax": 9}
    extent = (low[0], high[0], low[1], high[1])
    ax.imshow(
        decided.reshape(resolution, resolution), origin="lower", extent=extent, alpha=0.35, aspect="auto", **shown
    )
    ax.scatter(points[:, 0], points[:, 1], c=classes, s=10, edgecolors="white", linewidths=0.3, **shown)
    ax.set_title(title)
    return ax
