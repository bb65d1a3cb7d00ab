"""What the transforms do to an image, without anything random: functions with torchvision's names.

An image is a tensor or a NumPy array with the dimensions (..., C, H, W), or (..., H, W) where colours don't matter; the
result is of the same kind and type. Leading dimensions are treated alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.transforms._images import (
    Array,
    Image,
    array_of,
    brightest,
    computable,
    filling_of,
    like,
    pair,
    per_channel,
    typed,
)
from tinygrad_edu.transforms._resampling import affine, resize, rotate

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_saturation",
    "affine",
    "center_crop",
    "crop",
    "erase",
    "gaussian_noise",
    "hflip",
    "normalize",
    "pad",
    "resize",
    "rgb_to_grayscale",
    "rotate",
    "to_tensor",
    "vflip",
]

# Types and values ----------------------------------------------------------------------------------------------------


def to_tensor(pic: Any) -> Tensor:
    """A tensor (C, H, W) of a picture (H, W, C) or (H, W): bytes become numbers in [0, 1], other types stay.

    Parameters
    ----------
    pic : array, picture of Pillow, or Tensor
        Two or three dimensions, colours last. Of a tensor, which is (C, H, W) already, only bytes are converted.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.transforms import functional
    >>> functional.to_tensor(np.full((2, 2, 3), 255, np.uint8)).shape
    Size([3, 2, 2])
    """
    if isinstance(pic, Tensor):
        return pic.float() / 255 if pic.dtype.name == "uint8" else pic
    if not (isinstance(pic, np.ndarray) or hasattr(pic, "getbands")):
        raise TypeError(f"to_tensor: expected an array, a tensor or a picture of Pillow, got {type(pic).__name__}")
    values = np.asarray(pic)
    if values.ndim not in (2, 3):
        raise ValueError(f"to_tensor: expected the shape (H, W) or (H, W, C), got {values.shape}")
    values = values[:, :, None] if values.ndim == 2 else values
    values = np.ascontiguousarray(values.transpose(2, 0, 1))
    if values.dtype == np.uint8:
        values = values.astype(np.float32) / np.float32(255)
    elif values is pic or values.base is not None:
        values = values.copy()
    return from_numpy(values)


def normalize(tensor: Image, mean: Any, std: Any, inplace: bool = False) -> Image:
    """(x - mean) / std, with one mean and one standard deviation for each channel, or for all.

    Raises
    ------
    TypeError
        When the image is of integers.
    ValueError
        When a standard deviation is 0, or the numbers don't fit the channels.
    """
    values = array_of("normalize", tensor, 3)
    if values.dtype.kind != "f":
        raise TypeError(f"normalize: expected an image of floating point, got {values.dtype}; ToTensor makes one")
    mean, std = (per_channel("normalize", name, v, values) for name, v in (("mean", mean), ("std", std)))
    if not std.all():
        raise ValueError(f"normalize: a standard deviation is 0: {std.reshape(-1).tolist()}")
    if inplace:
        target: Any = tensor
        target -= like(tensor, mean) if isinstance(tensor, Tensor) else mean
        target /= like(tensor, std) if isinstance(tensor, Tensor) else std
        return tensor
    return like(tensor, (values - mean) / std)


def gaussian_noise(image: Image, noise: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Image:
    """x + mean + sigma · noise, kept in [0, 1] where `clip` is set; `noise` has the image's shape."""
    values = array_of("gaussian_noise", image)
    if values.dtype.kind != "f":
        raise TypeError(f"gaussian_noise: expected an image of floating point, got {values.dtype}; ToTensor makes one")
    noisy = values + (mean + sigma * array_of("gaussian_noise", noise)).astype(values.dtype)
    return like(image, np.clip(noisy, 0, 1) if clip else noisy)


def erase(img: Image, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Image:
    """The image with `v` in the `h` by `w` pixels from row `i` and column `j` on.

    `v` is a number, or an array that broadcasts to (C, h, w).
    """
    values = array_of("erase", img, 3)
    if inplace and isinstance(img, Tensor):
        img[..., i : i + h, j : j + w] = v
        return img
    values = values if inplace else values.copy()
    values[..., i : i + h, j : j + w] = array_of("erase", v, 0) if isinstance(v, (Tensor, np.ndarray)) else v
    return img if inplace else like(img, values)


# Colours -------------------------------------------------------------------------------------------------------------


def rgb_to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """Luminance, 0.2989 R + 0.587 G + 0.114 B, in one channel or three equal ones."""
    values = _colours("rgb_to_grayscale", img)
    if num_output_channels not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels!r}")
    grey = typed(np.floor(_grey(values)) if values.dtype.kind in "iu" else _grey(values), values.dtype)
    return like(img, np.repeat(grey, num_output_channels, axis=-3))


def _colours(name: str, img: Any) -> Array:
    values = array_of(name, img, 3)
    if values.shape[-3] != 3:
        raise ValueError(f"{name}: expected the 3 channels red, green and blue, got the shape {values.shape}")
    return values


def _grey(values: Array) -> Array:
    numbers = computable(values)
    weights = np.array([0.2989, 0.587, 0.114], numbers.dtype).reshape(3, 1, 1)
    return (numbers * weights).sum(-3, keepdims=True)


def _blend(values: Array, other: Any, factor: float) -> Array:
    """factor · image + (1 - factor) · other, in the image's range."""
    mixed = np.clip(factor * computable(values) + (1 - factor) * other, 0, brightest(values))
    return mixed.astype(values.dtype)


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """The image times a factor: 0 is black, 1 leaves it as it is."""
    values = array_of("adjust_brightness", img)
    return like(
        img, _blend(values, np.zeros((), computable(values).dtype), _factor("adjust_brightness", brightness_factor))
    )


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """The differences from the mean grey times a factor: 0 is an even grey, 1 leaves the image as it is."""
    values = array_of("adjust_contrast", img, 3)
    grey = _grey(values) if values.shape[-3] == 3 else computable(values)
    if values.dtype.kind in "iu":
        grey = np.floor(grey)
    mean = grey.mean((-3, -2, -1), keepdims=True)
    return like(img, _blend(values, mean, _factor("adjust_contrast", contrast_factor)))


def adjust_saturation(img: Image, saturation_factor: float) -> Image:
    """The differences from grey times a factor: 0 is black and white, 1 leaves the image as it is."""
    values = array_of("adjust_saturation", img, 3)
    if values.shape[-3] == 1:
        return img
    grey = _grey(_colours("adjust_saturation", img))
    return like(
        img,
        _blend(
            values,
            np.floor(grey) if values.dtype.kind in "iu" else grey,
            _factor("adjust_saturation", saturation_factor),
        ),
    )


def _factor(name: str, factor: float) -> float:
    if factor < 0:
        raise ValueError(f"{name}: the factor must be 0 or more, got {factor}")
    return factor


# Cutting and turning -------------------------------------------------------------------------------------------------


def hflip(img: Image) -> Image:
    """Left and right exchanged."""
    return like(img, array_of("hflip", img)[..., ::-1].copy())


def vflip(img: Image) -> Image:
    """Top and bottom exchanged."""
    return like(img, array_of("vflip", img)[..., ::-1, :].copy())


_MODES = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pad(img: Image, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Image:
    """The image with a border.

    Parameters
    ----------
    img : image
    padding : int or sequence of int
        The width on all sides; of (left and right, top and bottom); or of (left, top, right, bottom).
    fill : number or sequence of number
        What the border is filled with; one for each channel, or one for all.
    padding_mode : str
        ``"constant"``, ``"edge"``, ``"reflect"`` (without the edge twice) or ``"symmetric"`` (with it).
    """
    values = array_of("pad", img)
    sides = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(sides) not in (1, 2, 4) or not all(isinstance(n, int) and n >= 0 for n in sides):
        raise ValueError(f"pad: padding must be 1, 2 or 4 integers from 0 on, got {padding!r}")
    left, top, right, bottom = (sides * 4)[:4]
    if padding_mode not in _MODES:
        raise ValueError(f"pad: padding_mode must be one of {', '.join(_MODES)}, got {padding_mode!r}")
    height, width = values.shape[-2:]
    if padding_mode == "reflect" and (max(left, right) >= width or max(top, bottom) >= height):
        raise ValueError(f"pad: a border of {padding} can't be reflected from an image of {height} by {width} pixels")
    widths = [(0, 0)] * (values.ndim - 2) + [(top, bottom), (left, right)]
    if padding_mode != "constant":
        return like(img, np.pad(values, widths, padding_mode))  # type: ignore[call-overload]
    padded = np.empty((*values.shape[:-2], top + height + bottom, left + width + right), values.dtype)
    padded[...] = filling_of("pad", fill, values)
    padded[..., top : top + height, left : left + width] = values
    return like(img, padded)


def crop(img: Image, top: int, left: int, height: int, width: int) -> Image:
    """The part of `height` by `width` pixels from row `top` and column `left` on; what lies outside is 0."""
    values = array_of("crop", img)
    rows, columns = values.shape[-2:]
    outside = (max(0, -left), max(0, -top), max(0, left + width - columns), max(0, top + height - rows))
    if any(outside):
        values = pad(values, outside)
        top, left = top + outside[1], left + outside[0]
    return like(img, values[..., top : top + height, left : left + width].copy())


def center_crop(img: Image, output_size: int | Sequence[int]) -> Image:
    """The middle of the image; where it is smaller than `output_size`, with a border of 0."""
    height, width = pair("center_crop", output_size)
    rows, columns = array_of("center_crop", img).shape[-2:]
    if height > rows or width > columns:
        more, wider = max(0, height - rows), max(0, width - columns)
        img = pad(img, (wider // 2, more // 2, (wider + 1) // 2, (more + 1) // 2))
        rows, columns = rows + more, columns + wider
    # Half of an odd difference goes to the even number, as in torchvision.
    return crop(img, round((rows - height) / 2), round((columns - width) / 2), height, width)
