"""Images side by side: samples, filters, feature maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.plots._axes import host, one
from tinygrad_edu.plots.layers import LayerRecorder

__all__ = ["image_grid", "plot_feature_maps", "plot_filters", "plot_images"]


def image_grid(
    images: Any, columns: int | None = None, padding: int = 1, normalize: bool | str = False
) -> np.ndarray[Any, Any]:
    """Lay images out in a grid.

    Parameters
    ----------
    images : Tensor or array, (N, H, W), (N, 1, H, W) or (N, 3, H, W)
    columns : int, optional
        Images in a row; by default about as many as there are rows.
    padding : int
        Pixels between them, of the lowest value.
    normalize : bool or "each"
        Map the lowest value to 0 and the highest to 1: of all images together, or of each one alone.

    Returns
    -------
    array, (H', W') or (H', W', 3)

    Raises
    ------
    ValueError
        For other shapes, and for no images.
    """
    pixels = host(images).astype(float)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        raise ValueError(
            f"image_grid: expected images of shape (N, H, W), (N, 1, H, W) or (N, 3, H, W), got {tuple(host(images).shape)}"
        )
    if normalize:
        over = (1, 2, 3) if normalize == "each" else None
        low, high = pixels.min(over, keepdims=True), pixels.max(over, keepdims=True)
        pixels = (pixels - low) / np.where(high > low, high - low, 1)
    n, c, h, w = pixels.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else min(columns, n)
    rows = math.ceil(n / columns)
    grid = np.full((rows * (h + padding) - padding, columns * (w + padding) - padding, c), pixels.min())
    for i, image in enumerate(pixels):
        top, left = i // columns * (h + padding), i % columns * (w + padding)
        grid[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return grid[..., 0] if c == 1 else grid


def plot_images(
    images: Any,
    *,
    columns: int | None = None,
    labels: Sequence[Any] | None = None,
    normalize: bool | str = True,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Draw images in a grid, each with its label if there are `labels`; return the axes. See :func:`image_grid`."""
    pixels = host(images)
    padding = 1 if labels is None else max(pixels.shape[-2] // 2, 4)
    grid = image_grid(images, columns, padding, normalize)
    ax = one(ax)
    ax.imshow(grid, cmap="gray" if grid.ndim == 2 else None, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title)
    if labels is not None:
        if len(labels) != len(pixels):
            raise ValueError(f"plot_images: {len(labels)} labels for {len(pixels)} images")
        h, w = pixels.shape[-2:]
        across = math.ceil(math.sqrt(len(pixels))) if columns is None else min(columns, len(pixels))
        for i, label in enumerate(labels):
            x, y = i % across * (w + padding) + w / 2, i // across * (h + padding) + h
            ax.text(x, y, str(label), ha="center", va="top", fontsize=7, color="white")
    return ax


def plot_filters(weight: Any, *, columns: int | None = None, title: str = "filters", ax: Any = None) -> Any:
    """Draw the filters of a convolution, each scaled alone: a layer, or its weight (C_out, C_in, H, W).

    Filters of 1 or 3 channels are one image each; of others each channel is an image, a row a filter.
    """
    weight = host(getattr(weight, "weight", weight))
    if weight.ndim != 4:
        raise ValueError(f"plot_filters: expected a weight of shape (C_out, C_in, H, W), got {tuple(weight.shape)}")
    if weight.shape[1] not in (1, 3):
        columns = weight.shape[1] if columns is None else columns
        weight = weight.reshape(-1, 1, *weight.shape[2:])
    return plot_images(weight, columns=columns, normalize="each", title=title, ax=ax)


def plot_feature_maps(model: Any, layer: str, input: Any, *, columns: int | None = None, ax: Any = None) -> Any:
    """Draw what a layer makes of one image: its output (1, C, H, W) or (C, H, W), one image a channel."""
    with LayerRecorder(model, [layer]) as recorder:
        model(input)
    maps = recorder.activations[layer]
    if maps.ndim == 4:
        maps = maps[0]
    if maps.ndim != 3:
        raise ValueError(f"plot_feature_maps: the output of {layer!r} is no image: its shape is {tuple(maps.shape)}")
    return plot_images(maps, columns=columns, normalize="each", title=f"feature maps of {layer}", ax=ax)
