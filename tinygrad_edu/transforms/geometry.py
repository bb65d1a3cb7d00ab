"""Transforms that move pixels: cutting, turning, resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.transforms import functional
from tinygrad_edu.transforms._images import array_of, pair
from tinygrad_edu.transforms.compose import Transform, chance, check_probability, integer, uniform

__all__ = [
    "CenterCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
]

_Size = int | Sequence[int]


class Resize(Transform):
    """The image in another size: see :func:`functional.resize`."""

    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self, size: _Size, interpolation: str = "bilinear", max_size: int | None = None, antialias: bool = True
    ) -> None:
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return functional.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of the image."""

    _shown = ("size",)

    def __init__(self, size: _Size) -> None:
        self.size = pair("CenterCrop", size)

    def __call__(self, img: Any) -> Any:
        return functional.center_crop(img, self.size)


class Pad(Transform):
    """The image with a border: see :func:`functional.pad`."""

    _shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: _Size, fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        return functional.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A part of the image at a random place; with `padding`, a shift in all directions.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the part.
    padding : int or sequence of int, optional
        A border that the image gets first: see :func:`functional.pad`.
    pad_if_needed : bool, default False
        Whether a smaller image gets a border that makes it large enough.
    fill, padding_mode
        Of the border.

    Raises
    ------
    ValueError
        When the image is smaller than the part.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import transforms
    >>> transforms.RandomCrop(32, padding=4)(tg.rand(3, 32, 32)).shape
    Size([3, 32, 32])
    """

    _shown = ("size", "padding")

    def __init__(
        self,
        size: _Size,
        padding: _Size | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair("RandomCrop", size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def __call__(self, img: Any) -> Any:
        if self.padding is not None:
            img = functional.pad(img, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        rows, columns = array_of("RandomCrop", img).shape[-2:]
        if self.pad_if_needed and (rows < height or columns < width):
            border = (max(0, width - columns), max(0, height - rows))
            img = functional.pad(img, border, self.fill, self.padding_mode)
            rows, columns = rows + 2 * border[1], columns + 2 * border[0]
        if rows < height or columns < width:
            raise ValueError(
                f"RandomCrop: a part of {height} by {width} pixels can't be cut out of {rows} by {columns}; "
                "pass padding or pad_if_needed=True"
            )
        return functional.crop(img, integer(rows - height + 1), integer(columns - width + 1), height, width)


class RandomResizedCrop(Transform):
    """A part of random size and form, resized: the augmentation of large image collections.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the result.
    scale : (float, float), default (0.08, 1.0)
        The least and the largest share of the image's area.
    ratio : (float, float), default (3/4, 4/3)
        The least and the largest width over height.
    interpolation, antialias
        As for :func:`functional.resize`.
    """

    _shown = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self,
        size: _Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
        antialias: bool = True,
    ) -> None:
        self.size = pair("RandomResizedCrop", size)
        self.scale = _range("RandomResizedCrop", "scale", scale)
        self.ratio = _range("RandomResizedCrop", "ratio", ratio)
        self.interpolation = interpolation
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        rows, columns = array_of("RandomResizedCrop", img).shape[-2:]
        part = functional.crop(img, *self._part(rows, columns))
        return functional.resize(part, self.size, self.interpolation, antialias=self.antialias)

    def _part(self, rows: int, columns: int) -> tuple[int, int, int, int]:
        for _ in range(10):
            place = rectangle(rows, columns, self.scale, self.ratio)
            if place is not None:
                return place
        # The middle, in a form that is allowed.
        width = min(columns, round(rows * self.ratio[1]))
        height = min(rows, round(columns / self.ratio[0]))
        return (rows - height) // 2, (columns - width) // 2, height, width


def rectangle(
    rows: int, columns: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int] | None:
    """A random (top, left, height, width) with a share of the area and a form in the ranges given; None where it is too large."""
    area = rows * columns * uniform(*scale)
    form = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
    width, height = round(math.sqrt(area * form)), round(math.sqrt(area / form))
    if not (0 < width <= columns and 0 < height <= rows):
        return None
    return integer(rows - height + 1), integer(columns - width + 1), height, width


def _range(name: str, what: str, values: Sequence[float]) -> tuple[float, float]:
    low, high = values
    if not 0 < low <= high:
        raise ValueError(f"{name}: {what} must be two numbers above 0, the smaller first, got {values!r}")
    return low, high


class RandomHorizontalFlip(Transform):
    """Left and right exchanged with the probability `p`."""

    _shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(type(self).__name__, p)

    def __call__(self, img: Any) -> Any:
        return functional.hflip(img) if chance(self.p) else img


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with the probability `p`."""

    def __call__(self, img: Any) -> Any:
        return functional.vflip(img) if chance(self.p) else img


class RandomRotation(Transform):
    """The image turned by a random angle.

    Parameters
    ----------
    degrees : float or (float, float)
        From which angle to which; one number stands for (-degrees, degrees).
    interpolation, expand, center, fill
        As for :func:`functional.rotate`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import transforms
    >>> transforms.RandomRotation((90, 90))(tg.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    _shown = ("degrees", "interpolation", "expand", "fill")

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = _around("RandomRotation", "degrees", degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        angle = uniform(*self.degrees)
        return functional.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


def _around(name: str, what: str, values: float | Sequence[float]) -> tuple[float, ...]:
    """A range given as two numbers (or four, two ranges), or as one that stands for both signs."""
    if isinstance(values, (int, float)):
        if values < 0:
            raise ValueError(f"{name}: {what} as one number must be 0 or more, got {values}")
        return -values, values
    found = tuple(values)
    if len(found) not in ((2, 4) if what == "shear" else (2,)):
        raise ValueError(f"{name}: {what} must be one number or a range of two, got {values!r}")
    return found


class RandomAffine(Transform):
    """The image turned, moved, scaled and sheared by random amounts; with ``degrees=0`` and `translate`, a shift.

    Parameters
    ----------
    degrees : float or (float, float)
        From which angle to which, with the clock.
    translate : (float, float), optional
        The largest shift as a share of the width, and of the height.
    scale : (float, float), optional
        From which factor to which.
    shear : float or sequence of float, optional
        From which angle to which along x; four numbers give a second range, along y.
    interpolation, fill, center
        As for :func:`functional.affine`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import transforms
    >>> shift = transforms.RandomAffine(0, translate=(0.25, 0.25))
    >>> shift(tg.ones(1, 8, 8)).sum().item() >= 36
    True
    """

    _shown = ("degrees", "translate", "scale", "shear")

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = _around("RandomAffine", "degrees", degrees)
        if translate is not None and (len(translate) != 2 or not all(0 <= t <= 1 for t in translate)):
            raise ValueError(f"RandomAffine: translate must be two shares from 0 to 1, got {translate!r}")
        self.translate = translate
        self.scale = None if scale is None else _range("RandomAffine", "scale", scale)
        self.shear = None if shear is None else _around("RandomAffine", "shear", shear)
        self.interpolation = interpolation
        self.fill = fill
        self.center = center

    def __call__(self, img: Any) -> Any:
        rows, columns = array_of("RandomAffine", img).shape[-2:]
        angle = uniform(*self.degrees)
        across, down = self.translate or (0.0, 0.0)
        moved = (round(uniform(-across, across) * columns), round(uniform(-down, down) * rows))
        scale = 1.0 if self.scale is None else uniform(*self.scale)
        shear = self.shear or (0.0, 0.0)
        slant = (uniform(*shear[:2]), uniform(*shear[2:]) if len(shear) == 4 else 0.0)
        return functional.affine(img, angle, moved, scale, slant, self.interpolation, self.fill, self.center)
