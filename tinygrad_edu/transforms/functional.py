"""What the transforms do to an image, without anything random: functions with torchvision's names.

An image is a tensor or a NumPy array with the dimensions (..., C, H, W), or (..., H, W) where colours don't matter; the
result is of the same kind and type. Leading dimensions are treated alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor

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


def _brightest(values: Array) -> float:
    """White, in images of this type."""
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else 1.0


def _typed(values: Array, dtype: Any) -> Array:
    """Convert computed values to the type of an image: integers are rounded and kept in range."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype, copy=False)


def _computable(values: Array) -> Array:
    """Floating-point values to compute with."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def _pair(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    found = (size, size) if isinstance(size, int) else tuple(size)
    if len(found) == 1:
        found = (found[0], found[0])
    if len(found) != 2 or not all(isinstance(n, int) and n > 0 for n in found):
        raise ValueError(f"{name}: size must be a positive integer or two of them (height, width), got {size!r}")
    return found


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
    mean, std = (_per_channel("normalize", name, v, values) for name, v in (("mean", mean), ("std", std)))
    if not std.all():
        raise ValueError(f"normalize: a standard deviation is 0: {std.reshape(-1).tolist()}")
    if inplace:
        target: Any = tensor
        target -= like(tensor, mean) if isinstance(tensor, Tensor) else mean
        target /= like(tensor, std) if isinstance(tensor, Tensor) else std
        return tensor
    return like(tensor, (values - mean) / std)


def _per_channel(name: str, what: str, given: Any, values: Array) -> Array:
    """Numbers for each channel, or one for all, in the shape (C, 1, 1)."""
    numbers = np.asarray(given, values.dtype).reshape(-1, 1, 1)
    if len(numbers) not in (1, values.shape[-3]):
        raise ValueError(f"{name}: {len(numbers)} numbers are given as {what} for {values.shape[-3]} channels")
    return numbers


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
    grey = _typed(np.floor(_grey(values)) if values.dtype.kind in "iu" else _grey(values), values.dtype)
    return like(img, np.repeat(grey, num_output_channels, axis=-3))


def _colours(name: str, img: Any) -> Array:
    values = array_of(name, img, 3)
    if values.shape[-3] != 3:
        raise ValueError(f"{name}: expected the 3 channels red, green and blue, got the shape {values.shape}")
    return values


def _grey(values: Array) -> Array:
    numbers = _computable(values)
    weights = np.array([0.2989, 0.587, 0.114], numbers.dtype).reshape(3, 1, 1)
    return (numbers * weights).sum(-3, keepdims=True)


def _blend(values: Array, other: Any, factor: float) -> Array:
    """factor · image + (1 - factor) · other, in the image's range."""
    mixed = np.clip(factor * _computable(values) + (1 - factor) * other, 0, _brightest(values))
    return mixed.astype(values.dtype)


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """The image times a factor: 0 is black, 1 leaves it as it is."""
    values = array_of("adjust_brightness", img)
    return like(
        img, _blend(values, np.zeros((), _computable(values).dtype), _factor("adjust_brightness", brightness_factor))
    )


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """The differences from the mean grey times a factor: 0 is an even grey, 1 leaves the image as it is."""
    values = array_of("adjust_contrast", img, 3)
    grey = _grey(values) if values.shape[-3] == 3 else _computable(values)
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
    padded[...] = _filling("pad", fill, values)
    padded[..., top : top + height, left : left + width] = values
    return like(img, padded)


def _filling(name: str, fill: Any, values: Array) -> Array:
    """What fills places without an image, to be broadcast: one number, or one for each channel."""
    if fill is None or isinstance(fill, (int, float)):
        return np.asarray(fill or 0, values.dtype)
    return _per_channel(name, "fill", fill, values)


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
    height, width = _pair("center_crop", output_size)
    rows, columns = array_of("center_crop", img).shape[-2:]
    if height > rows or width > columns:
        more, wider = max(0, height - rows), max(0, width - columns)
        img = pad(img, (wider // 2, more // 2, (wider + 1) // 2, (more + 1) // 2))
        rows, columns = rows + more, columns + wider
    # Half of an odd difference goes to the even number, as in torchvision.
    return crop(img, round((rows - height) / 2), round((columns - width) / 2), height, width)


# Resampling ----------------------------------------------------------------------------------------------------------


def _triangle(x: Array) -> Array:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: Array) -> Array:
    """Keys' kernel with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


_KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {"bilinear": (_triangle, 1.0), "bicubic": (_cubic, 2.0)}


def _weights(before: int, after: int, interpolation: str, antialias: bool) -> Array:
    """The matrix (after, before) that resamples a line: each row is the kernel around a new pixel's place."""
    scale = before / after
    place = (np.arange(after) + 0.5) * scale
    if interpolation == "nearest":
        weights = np.zeros((after, before))
        weights[np.arange(after), np.minimum((np.arange(after) * scale).astype(int), before - 1)] = 1
        return weights
    kernel, support = _KERNELS[interpolation]
    widen = max(scale, 1.0) if antialias else 1.0
    centre = np.arange(before) + 0.5
    distance = centre[None, :] - place[:, None]
    # Whole pixels only, those whose centres lie within the support.
    weights = np.where(np.abs(distance) <= support * widen, kernel(distance / widen), 0.0)
    total: Array = weights / weights.sum(1, keepdims=True)
    return total


def resize(
    img: Image,
    size: int | Sequence[int],
    interpolation: str = "bilinear",
    max_size: int | None = None,
    antialias: bool = True,
) -> Image:
    """The image in another size.

    Parameters
    ----------
    img : image
    size : int or (int, int)
        Height and width; or one number for the shorter side, and the other follows.
    interpolation : str
        ``"nearest"``, ``"bilinear"`` or ``"bicubic"``.
    max_size : int, optional
        The most that the longer side may become, where `size` is one number.
    antialias : bool, default True
        Whether a smaller image averages over what it leaves out.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.transforms import functional
    >>> functional.resize(tg.arange(4.0).reshape(1, 2, 2), (1, 1))
    tensor([[[1.5000]]])
    """
    values = array_of("resize", img)
    if interpolation not in ("nearest", *_KERNELS):
        raise ValueError(f"resize: interpolation must be 'nearest', 'bilinear' or 'bicubic', got {interpolation!r}")
    if interpolation == "bicubic" and not antialias:
        raise ValueError("resize: 'bicubic' needs antialias=True")
    height, width = values.shape[-2:]
    new_height, new_width = _new_size(height, width, size, max_size)
    if (new_height, new_width) == (height, width):
        return img
    numbers = _computable(values)
    down = _weights(height, new_height, interpolation, antialias).astype(numbers.dtype)
    across = _weights(width, new_width, interpolation, antialias).astype(numbers.dtype)
    return like(img, _typed(down @ numbers @ across.T, values.dtype))


def _new_size(height: int, width: int, size: int | Sequence[int], max_size: int | None) -> tuple[int, int]:
    if not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size is for a size of one number")
        return _pair("resize", size)
    short, _ = _pair("resize", size)
    if max_size is not None and max_size <= short:
        raise ValueError(f"resize: max_size={max_size} must be larger than the size {short} of the shorter side")
    long = int(short * max(height, width) / min(height, width))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (short, long) if height <= width else (long, short)


def rotate(
    img: Image,
    angle: float,
    interpolation: str = "nearest",
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = 0,
) -> Image:
    """The image turned by `angle` degrees against the clock.

    Parameters
    ----------
    img : image
    angle : float
    interpolation : str
        ``"nearest"`` or ``"bilinear"``.
    expand : bool, default False
        Whether the result grows so that no corner is cut off.
    center : (float, float), optional
        The point (x, y) that stays where it is; by default the middle.
    fill : number or sequence of number
        What stands where no image is; one for each channel, or one for all.
    """
    height, width = array_of("rotate", img).shape[-2:]
    matrix = _turn(-angle)
    if not expand:
        return _resampled("rotate", img, matrix, (0, 0), center, (height, width), interpolation, fill)
    if center is not None:
        raise ValueError("rotate: center has no meaning with expand=True")
    if angle % 90 == 0:  # exactly, where the old grid and the new one needn't meet
        return like(img, np.rot90(array_of("rotate", img), int(angle // 90), (-2, -1)).copy())
    sides = np.array([width, height])
    reach = np.abs(matrix) @ sides / 2  # of the corners, from the middle
    # Whole pixels of the old grid.
    wide, high = (np.ceil((sides / 2 + reach).round(4)) - np.floor((sides / 2 - reach).round(4))).astype(int).tolist()
    return _resampled("rotate", img, matrix, (0, 0), None, (high, wide), interpolation, fill)


def affine(
    img: Image,
    angle: float = 0.0,
    translate: Sequence[float] = (0, 0),
    scale: float = 1.0,
    shear: float | Sequence[float] = 0.0,
    interpolation: str = "nearest",
    fill: Any = 0,
    center: Sequence[float] | None = None,
) -> Image:
    """The image turned, scaled and sheared around its middle, and then moved.

    Parameters
    ----------
    img : image
    angle : float
        In degrees, with the clock (as in torchvision; `rotate` turns against it).
    translate : (float, float)
        By how many pixels to the right and down.
    scale : float
        Above 0.
    shear : float or (float, float)
        In degrees, along x, or along x and y.
    interpolation, fill, center
        As for `rotate`.
    """
    if scale <= 0:
        raise ValueError(f"affine: scale must be above 0, got {scale}")
    along_x, along_y = (shear, 0.0) if isinstance(shear, (int, float)) else tuple(shear)
    slant_x = np.array([[1, -math.tan(math.radians(along_x))], [0, 1]])
    slant_y = np.array([[1, 0], [-math.tan(math.radians(along_y)), 1]])
    matrix = scale * _turn(angle) @ slant_y @ slant_x
    size = array_of("affine", img).shape[-2:]
    return _resampled("affine", img, matrix, translate, center, size, interpolation, fill)


def _turn(angle: float) -> Array:
    """The matrix that turns points (x, y), y downwards, by degrees with the clock."""
    quarter = angle % 360 / 90
    if quarter == int(quarter):  # exactly
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[int(quarter) % 4]
    else:
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))  # type: ignore[assignment]
    return np.array([[cos, -sin], [sin, cos]], np.float64)


def _resampled(
    name: str,
    img: Image,
    matrix: Array,
    translate: Sequence[float],
    center: Sequence[float] | None,
    size: tuple[int, ...],
    interpolation: str,
    fill: Any,
) -> Image:
    """The image with its points moved by a matrix around a centre: each new pixel looks up where it comes from."""
    values = array_of(name, img)
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"{name}: interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")
    rows, columns = values.shape[-2:]
    middle = np.array([0.0, 0.0] if center is None else [center[0] - columns / 2, center[1] - rows / 2])
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    points = np.stack([x + 0.5 - size[1] / 2, y + 0.5 - size[0] / 2], -1) - middle - np.asarray(translate, np.float64)
    source = points @ np.linalg.inv(matrix).T + middle
    x, y = source[..., 0] + columns / 2 - 0.5, source[..., 1] + rows / 2 - 0.5
    filling = _filling(name, fill, values)
    if interpolation == "nearest":
        return like(img, _look_up(values, np.rint(y.round(9)), np.rint(x.round(9)), filling))
    numbers, blank = _computable(values), filling.astype(_computable(values).dtype)
    left, top = np.floor(x), np.floor(y)
    right, lower = (x - left).astype(numbers.dtype), (y - top).astype(numbers.dtype)
    upper = _look_up(numbers, top, left, blank) * (1 - right) + _look_up(numbers, top, left + 1, blank) * right
    under = _look_up(numbers, top + 1, left, blank) * (1 - right) + _look_up(numbers, top + 1, left + 1, blank) * right
    return like(img, _typed(upper * (1 - lower) + under * lower, values.dtype))


def _look_up(values: Array, y: Array, x: Array, filling: Array) -> Array:
    """The pixels at rows `y` and columns `x`, and the filling where there are none."""
    rows, columns = values.shape[-2:]
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    place = np.where(inside, y * columns + x, 0).astype(np.intp)
    found = values.reshape(*values.shape[:-2], rows * columns)[..., place]
    return np.where(inside, found, filling)
