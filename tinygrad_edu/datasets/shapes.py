"""Images in the form of CIFAR-10 that are drawn here: shapes of any colour, at any place, in any position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.datasets.images import Function, ImageDataset
from tinygrad_edu.generator import Generator
from tinygrad_edu.random import rand, randn, randperm

__all__ = ["Shapes"]

Array = np.ndarray[Any, Any]


def _box(u: Array, v: Array, width: float, height: float) -> Array:
    return np.maximum(np.abs(u) - width, np.abs(v) - height)


def _star(u: Array, v: Array) -> Array:
    """Five points: the radius of the border goes up and down with the angle."""
    turn = np.arctan2(v, u) * 5 / (2 * np.pi)
    return np.hypot(u, v) - (0.4 + 1.2 * np.abs(turn - np.rint(turn)))


# Where a point lies: below 0 inside, and about its distance from the border. Shapes reach about 1 from the middle.
_SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": lambda u, v: np.hypot(u, v) - 0.85,
    "square": lambda u, v: _box(u, v, 0.75, 0.75),
    "triangle": lambda u, v: np.maximum.reduce([v, 0.866 * u - 0.5 * v, -0.866 * u - 0.5 * v]) - 0.5,
    "cross": lambda u, v: np.minimum(_box(u, v, 0.95, 0.28), _box(u, v, 0.28, 0.95)),
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.75) - 0.2,
    "star": _star,
    "bar": lambda u, v: _box(u, v, 1.0, 0.28),
    "half": lambda u, v: np.maximum(np.hypot(u, v - 0.4) - 0.95, v - 0.4),
    "corner": lambda u, v: np.minimum(_box(u + 0.6, v, 0.26, 0.85), _box(u, v - 0.6, 0.85, 0.26)),
    "dots": lambda u, v: np.hypot(np.abs(u) - 0.6, v) - 0.4,
}


class Shapes(ImageDataset):
    """Ten kinds of shapes, bytes (3, size, size) as in CIFAR-10, for convolutional networks without a download.

    Colours, place, size and position are random and tell nothing about the class; noise and a change of colour in the
    background keep simple rules from working. The first images are the same whatever their number.

    Parameters
    ----------
    train : bool, default True
        Images to train, or others, to test.
    n_samples : int, optional
        By default 5000 to train and 1000 to test; as many of each class as of others.
    transform, target_transform : callable, optional
        See :class:`ImageDataset`.
    size : int, default 32
        Height and width.
    noise : float, default 0.05
        The standard deviation of the noise, where white is 1.
    seed : int, default 0
        Which images these are.

    Examples
    --------
    >>> from tinygrad_edu.datasets import Shapes
    >>> data = Shapes(n_samples=20)
    >>> image, label = data[0]
    >>> image.shape, image.dtype, len(data.classes)
    (Size([3, 32, 32]), tg.uint8, 10)
    """

    def __init__(
        self,
        train: bool = True,
        n_samples: int | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
        *,
        size: int = 32,
        noise: float = 0.05,
        seed: int = 0,
    ) -> None:
        count = (5000 if train else 1000) if n_samples is None else n_samples
        for name, value in (("n_samples", count), ("size", size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"Shapes: {name} must be a positive integer, got {value!r}")
        if noise < 0:
            raise ValueError(f"Shapes: noise must be 0 or more, got {noise!r}")
        generator = Generator().manual_seed(2 * seed + (not train))
        batches = [_draw(generator, size, noise) for _ in range(-(-count // _BATCH))]
        images, labels = (np.concatenate(parts)[:count] for parts in zip(*batches, strict=True))
        super().__init__(images, labels, list(_SHAPES), transform, target_transform)


_BATCH = 200  # drawn together


def _uniform(generator: Generator, *size: int) -> Array:
    values: Array = rand(*size, generator=generator, device="cpu").numpy()
    return values


def _draw(generator: Generator, size: int, noise: float) -> tuple[Array, Array]:
    """Return images (n, 3, size, size) of bytes and their labels."""
    labels = np.array(randperm(_BATCH, generator=generator, device="cpu").tolist()) % len(_SHAPES)
    u, v, scale = _coordinates(generator, size)
    inside = np.empty_like(u)
    for label, border in enumerate(_SHAPES.values()):
        chosen = labels == label
        # Pixels on the border belong to both sides: distance in pixels, from -1/2 to 1/2.
        inside[chosen] = np.clip(0.5 - border(u[chosen], v[chosen]) * scale[chosen], 0, 1)
    behind, front = _colours(generator, size)
    images = behind * (1 - inside[:, None]) + front * inside[:, None]
    images += noise * randn(images.shape, generator=generator, device="cpu").numpy()
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8), labels


def _coordinates(generator: Generator, size: int) -> tuple[Array, Array, Array]:
    """Return each pixel's place in the turned, moved and scaled system of its shape, and how many pixels its unit has."""
    draws = _uniform(generator, 4, _BATCH)[:, :, None, None]
    angle = 2 * np.pi * draws[0]
    scale = size * (0.25 + 0.15 * draws[1])
    free = size / 2 - scale  # so far from the middle may a shape's own middle be
    y, x = np.mgrid[:size, :size].astype(np.float32) + 0.5 - size / 2
    x, y = x - free * (2 * draws[2] - 1), y - free * (2 * draws[3] - 1)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    return x * cos + y * sin, y * cos - x * sin, scale


def _colours(generator: Generator, size: int) -> tuple[Array, Array]:
    """Return backgrounds that change from corner to corner, and colours that stand out from them."""
    one, other, front = _uniform(generator, 3, _BATCH, 3)
    luminance = np.array([0.299, 0.587, 0.114], np.float32)
    difference = (front - (one + other) / 2) @ luminance
    # Where front and background are alike, away from the background, to the side with more room.
    towards = np.where(((one + other) / 2) @ luminance < 0.5, 1, -1)
    front = np.where((np.abs(difference) < 0.3)[:, None], np.clip(front + 0.5 * towards[:, None], 0, 1), front)
    weight = np.linspace(0, 1, size, dtype=np.float32)
    share = ((weight[:, None] + weight) / 2)[None, None]
    behind = one[:, :, None, None] * share + other[:, :, None, None] * (1 - share)
    return behind, front[:, :, None, None]
