"""Transforms that change pixels where they are: types, colours, noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.random import randn, randperm
from tinygrad_edu.transforms import functional
from tinygrad_edu.transforms._images import array_of, per_channel
from tinygrad_edu.transforms.compose import Transform, chance, check_probability, uniform
from tinygrad_edu.transforms.geometry import _range, rectangle

__all__ = ["ColorJitter", "GaussianNoise", "Grayscale", "Normalize", "RandomErasing", "ToTensor"]


class ToTensor(Transform):
    """A tensor (C, H, W) of a picture (H, W, C): see :func:`functional.to_tensor`."""

    def __call__(self, pic: Any) -> Any:
        return functional.to_tensor(pic)


class Normalize(Transform):
    """(x - mean) / std for each channel: see :func:`functional.normalize`."""

    _shown = ("mean", "std")

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def __call__(self, img: Any) -> Any:
        return functional.normalize(img, self.mean, self.std, self.inplace)


class Grayscale(Transform):
    """The luminance of a colour image, in one channel or three equal ones."""

    _shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return functional.rgb_to_grayscale(img, self.num_output_channels)


class GaussianNoise(Transform):
    """The image with noise of a normal distribution, kept in [0, 1] where `clip` is set.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import transforms
    >>> noisy = transforms.GaussianNoise(sigma=0.1)(tg.full((1, 100, 100), 0.5))
    >>> abs(noisy.std().item() - 0.1) < 0.005
    True
    """

    _shown = ("mean", "sigma", "clip")

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        if sigma < 0:
            raise ValueError(f"GaussianNoise: sigma must be 0 or more, got {sigma}")
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def __call__(self, img: Any) -> Any:
        shape = array_of("GaussianNoise", img).shape
        return functional.gaussian_noise(img, randn(shape, device="cpu"), self.mean, self.sigma, self.clip)


class RandomErasing(Transform):
    """The image with a random rectangle painted over, with the probability `p`.

    Source: Zhong et al., Random erasing data augmentation, AAAI 2020.

    Parameters
    ----------
    p : float, default 0.5
    scale : (float, float), default (0.02, 0.33)
        The least and the largest share of the area.
    ratio : (float, float), default (0.3, 3.3)
        The least and the largest width over height.
    value : number, sequence of number or "random", default 0
        What is painted: one number, one for each channel, or noise of a normal distribution.
    inplace : bool, default False
        Whether to paint over the image itself.
    """

    _shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        self.p = check_probability("RandomErasing", p)
        self.scale = _range("RandomErasing", "scale", scale)
        self.ratio = _range("RandomErasing", "ratio", ratio)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be a number, one for each channel, or 'random', got {value!r}")
        self.value = value
        self.inplace = inplace

    def __call__(self, img: Any) -> Any:
        values = array_of("RandomErasing", img, 3)
        if not chance(self.p):
            return img
        channels, rows, columns = values.shape[-3:]
        for _ in range(10):
            place = rectangle(rows, columns, self.scale, self.ratio)
            if place is not None:
                paint = self.value
                if isinstance(paint, str):
                    paint = randn((channels, *place[2:]), device="cpu").to(values.dtype.name)
                elif not isinstance(paint, (int, float)):
                    paint = per_channel("RandomErasing", "value", paint, values)
                return functional.erase(img, *place, paint, self.inplace)
        return img


class ColorJitter(Transform):
    """Brightness, contrast and saturation changed by random factors, in random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float), default 0
        From which factor to which; one number b stands for (max(0, 1 - b), 1 + b). Hues stay as they are.
    """

    _shown = ("brightness", "contrast", "saturation")

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
    ) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)

    def __call__(self, img: Any) -> Any:
        steps = (
            (functional.adjust_brightness, self.brightness),
            (functional.adjust_contrast, self.contrast),
            (functional.adjust_saturation, self.saturation),
        )
        for i in randperm(len(steps), device="cpu").tolist():
            adjust, factors = steps[i]
            if factors is not None:
                img = adjust(img, uniform(*factors))
        return img


def _factors(name: str, value: float | Sequence[float]) -> tuple[float, float] | None:
    """A range of factors; None where nothing is to be changed."""
    low, high = (max(0.0, 1 - value), 1 + value) if isinstance(value, (int, float)) else tuple(value)
    if not 0 <= low <= high or (isinstance(value, (int, float)) and value < 0):
        raise ValueError(f"ColorJitter: {name} must be 0 or more, or a range of such numbers, got {value!r}")
    return None if low == high == 1 else (low, high)
