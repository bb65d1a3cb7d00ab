"""What all transforms of images do: read values, give them back as what the image was, in its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor

Image = TypeVar("Image", bound="Tensor | np.ndarray[Any, Any]")
Array = np.ndarray[Any, Any]


def array_of(name: str, image: Any, dims: int = 2) -> Array:
    """Return the values of an image; errors name the transform."""
    if isinstance(image, Tensor):
        raw = image._data  # on the CPU an array already, which is quicker than asking for it
        image = raw if type(raw) is np.ndarray else image.detach().cpu().numpy()
    if not isinstance(image, np.ndarray):
        hint = "; ToTensor makes one of a picture" if hasattr(image, "getbands") else ""
        raise TypeError(f"{name}: expected a tensor or an array, got {type(image).__name__}{hint}")
    if image.ndim < dims:
        expected = "(..., C, H, W)" if dims == 3 else "(..., H, W)"
        raise ValueError(f"{name}: expected an image of the shape {expected}, got {image.shape}")
    return image


def like(image: Image, values: Array) -> Image:
    """Return `values` as what `image` is: a tensor on its device, or an array."""
    if isinstance(image, Tensor):
        made: Any = from_numpy(np.ascontiguousarray(values))
        return made if type(image._data) is np.ndarray else made.to(image.device)
    same: Any = values
    return same


def brightest(values: Array) -> float:
    """White, in images of this type."""
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0


def typed(values: Array, dtype: Any) -> Array:
    """Convert computed values to the type of an image: integers are rounded and kept in range."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype, copy=False)


def computable(values: Array) -> Array:
    """Floating-point values to compute with."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    found = (size, size) if isinstance(size, int) else tuple(size)
    if len(found) == 1:
        found = (found[0], found[0])
    if len(found) != 2 or not all(isinstance(n, int) and n > 0 for n in found):
        raise ValueError(f"{name}: size must be a positive integer or two of them (height, width), got {size!r}")
    return found


def per_channel(name: str, what: str, given: Any, values: Array) -> Array:
    """Numbers for each channel, or one for all, in the shape (C, 1, 1)."""
    numbers = np.asarray(given, values.dtype).reshape(-1, 1, 1)
    if len(numbers) not in (1, values.shape[-3]):
        raise ValueError(f"{name}: {len(numbers)} numbers are given as {what} for {values.shape[-3]} channels")
    return numbers


def filling_of(name: str, fill: Any, values: Array) -> Array:
    """What fills places without an image, to be broadcast: one number, or one for each channel."""
    if fill is None or isinstance(fill, (int, float)):
        return np.asarray(fill or 0, values.dtype)
    return per_channel(name, "fill", fill, values)
