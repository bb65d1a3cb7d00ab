"""Images on other grids: made larger or smaller, turned, sheared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.transforms._images import Array, Image, array_of, computable, filling_of, like, pair, typed

__all__ = ["affine", "resize", "rotate"]


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
    numbers = computable(values)
    down = _weights(height, new_height, interpolation, antialias).astype(numbers.dtype)
    across = _weights(width, new_width, interpolation, antialias).astype(numbers.dtype)
    return like(img, typed(down @ numbers @ across.T, values.dtype))


def _new_size(height: int, width: int, size: int | Sequence[int], max_size: int | None) -> tuple[int, int]:
    if not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size is for a size of one number")
        return pair("resize", size)
    short, _ = pair("resize", size)
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
    filling = filling_of(name, fill, values)
    if interpolation == "nearest":
        return like(img, _look_up(values, np.rint(y.round(9)), np.rint(x.round(9)), filling))
    numbers, blank = computable(values), filling.astype(computable(values).dtype)
    left, top = np.floor(x), np.floor(y)
    right, lower = (x - left).astype(numbers.dtype), (y - top).astype(numbers.dtype)
    upper = _look_up(numbers, top, left, blank) * (1 - right) + _look_up(numbers, top, left + 1, blank) * right
    under = _look_up(numbers, top + 1, left, blank) * (1 - right) + _look_up(numbers, top + 1, left + 1, blank) * right
    return like(img, typed(upper * (1 - lower) + under * lower, values.dtype))


def _look_up(values: Array, y: Array, x: Array, filling: Array) -> Array:
    """The pixels at rows `y` and columns `x`, and the filling where there are none."""
    rows, columns = values.shape[-2:]
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    place = np.where(inside, y * columns + x, 0).astype(np.intp)
    found = values.reshape(*values.shape[:-2], rows * columns)[..., place]
    return np.where(inside, found, filling)
