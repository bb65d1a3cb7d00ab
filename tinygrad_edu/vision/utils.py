"""Grids of images, as tensors and as files."""

from __future__ import annotations

import math
import os
from typing import Any

from tinygrad_edu import dtypes
from tinygrad_edu.creation import full
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.tensor import Tensor

__all__ = ["make_grid", "save_image"]


@no_grad()
def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Lay images out in a grid, (3, H', W').

    Parameters
    ----------
    tensor : Tensor (N, C, H, W), (C, H, W) or (H, W), or a list of images of one size
        With one channel or with three.
    nrow : int
        Images in a row.
    padding : int
        Pixels between and around them, of the value `pad_value`.
    normalize : bool
        Map the lowest value, or that of `value_range`, to 0 and the highest to 1; of each image alone with `scale_each`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.vision.utils import make_grid
    >>> make_grid(tg.zeros(6, 1, 4, 4), nrow=3).shape
    Size([3, 14, 20])
    """
    images = stack(list(tensor)) if isinstance(tensor, (list, tuple)) else tensor
    if images.ndim == 2:
        images = images.unsqueeze(0)
    if images.ndim == 3:
        images = images.unsqueeze(0)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"make_grid: expected images (N, C, H, W) with 1 or 3 channels, got shape {tuple(images.shape)}"
        )
    if images.shape[1] == 1:
        images = cat([images, images, images], 1)
    if normalize:
        images = stack([_scaled(i, value_range) for i in images]) if scale_each else _scaled(images, value_range)
    count, channels, height, width = images.shape
    if count == 1:
        return images.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    size = (channels, height * rows + padding, width * columns + padding)
    grid = full(size, pad_value, dtype=images.dtype, device=images.device)
    for i in range(count):
        top, left = i // columns * height + padding, i % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = images[i]
    return grid


def _scaled(images: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range or (images.min().item(), images.max().item())
    return (images.clamp(low, high) - low) / max(high - low, 1e-5)


@no_grad()
def save_image(tensor: Any, fp: str | os.PathLike[str], format: str | None = None, **options: Any) -> None:
    """Write a grid of images with values from 0 to 1 to a file, with Pillow; `options` are those of :func:`make_grid`."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "pictures are written with Pillow, which isn't installed; pip install 'tinygrad_edu[data]'"
        ) from None
    grid = make_grid(tensor, **options)
    pixels = (grid * 255 + 0.5).clamp(0, 255).to(dtypes.uint8).permute(1, 2, 0).contiguous()
    Image.fromarray(pixels.cpu().numpy()).save(fp, format=format)
