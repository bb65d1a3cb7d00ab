"""Points in the plane and on a line that are made up: small problems whose solution can be seen.

Each function returns two tensors on the CPU, inputs (N, 2) or (N, 1) of float32 and targets: labels (N,) of int64, or
values (N, 1). ``TensorDataset(*spiral())`` is a data set of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinygrad_edu.creation import arange, tensor
from tinygrad_edu.generator import Generator
from tinygrad_edu.ops.elementwise import cos, sin
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.random import rand, randn, randperm
from tinygrad_edu.tensor import Tensor

__all__ = ["blobs", "noisy_sine", "spiral", "two_moons", "xor"]

_Pair = tuple[Tensor, Tensor]


def _check(name: str, n_samples: int, noise: float) -> None:
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 1:
        raise ValueError(f"{name}: n_samples must be a positive integer, got {n_samples!r}")
    if noise < 0:
        raise ValueError(f"{name}: noise must be 0 or more, got {noise!r}")


def _counts(total: int, classes: int) -> list[int]:
    """As equal numbers as possible that add up to `total`."""
    return [total // classes + (i < total % classes) for i in range(classes)]


def _mixed(points: list[Tensor], noise: float, generator: Generator | None) -> _Pair:
    """The points of all classes with noise, in random order, and their labels."""
    x = cat(points, 0)
    y = cat([tensor([label] * len(p), dtype="int64", device="cpu") for label, p in enumerate(points)], 0)
    x = x + noise * randn(x.shape, generator=generator, device="cpu")
    order = randperm(len(y), generator=generator, device="cpu")
    return x[order], y[order]


def spiral(n_samples: int = 300, classes: int = 3, noise: float = 0.02, *, generator: Generator | None = None) -> _Pair:
    """The arms of a spiral, a class each: no straight line separates them.

    Parameters
    ----------
    n_samples : int, default 300
        Of all classes together.
    classes : int, default 3
        How many arms.
    noise : float, default 0.02
        The standard deviation of the distance from the arm; the radius is 1.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.datasets import spiral
    >>> x, y = spiral(90)
    >>> x.shape, y.bincount().tolist()
    (Size([90, 2]), [30, 30, 30])
    """
    _check("spiral", n_samples, noise)
    if classes < 1:
        raise ValueError(f"spiral: classes must be at least 1, got {classes}")
    arms = []
    for label, count in enumerate(_counts(n_samples, classes)):
        radius = arange(count, device="cpu") / max(1, count)
        angle = 2 * math.pi * label / classes + 4 * radius
        arms.append(stack([radius * sin(angle), radius * cos(angle)], 1))
    return _mixed(arms, noise, generator)


def two_moons(n_samples: int = 200, noise: float = 0.1, *, generator: Generator | None = None) -> _Pair:
    """Two half circles that reach into one another.

    Parameters
    ----------
    n_samples : int, default 200
    noise : float, default 0.1
        The standard deviation of both coordinates; the radius is 1.
    generator : Generator, optional

    Examples
    --------
    >>> from tinygrad_edu.datasets import two_moons
    >>> x, y = two_moons(100, noise=0)
    >>> bool((x[y == 0].norm(dim=1) - 1).abs().max() < 1e-6)  # the upper moon is a half circle around 0
    True
    """
    _check("two_moons", n_samples, noise)
    moons = []
    for label, count in enumerate(_counts(n_samples, 2)):
        angle = math.pi * arange(count, device="cpu") / max(1, count - 1)
        points = stack([cos(angle), sin(angle)], 1)
        moons.append(points if label == 0 else tensor([1.0, 0.5], device="cpu") - points)
    return _mixed(moons, noise, generator)


def blobs(
    n_samples: int = 300,
    centers: int | Sequence[Sequence[float]] = 3,
    noise: float = 0.5,
    *,
    generator: Generator | None = None,
) -> _Pair:
    """Clouds around centres, a class each.

    Parameters
    ----------
    n_samples : int, default 300
    centers : int or sequence of points, default 3
        How many, on a circle of radius 2; or where they are, in any number of dimensions.
    noise : float, default 0.5
        The standard deviation of each coordinate.
    generator : Generator, optional

    Examples
    --------
    >>> from tinygrad_edu.datasets import blobs
    >>> x, y = blobs(50, centers=[[0, 0, 0], [5, 5, 5]])
    >>> x.shape, y.bincount().tolist()
    (Size([50, 3]), [25, 25])
    """
    _check("blobs", n_samples, noise)
    if isinstance(centers, int):
        angles = [2 * math.pi * i / centers for i in range(centers)]
        centers = [[2 * math.cos(a), 2 * math.sin(a)] for a in angles]
    if not centers:
        raise ValueError("blobs: there must be at least one centre")
    counts = _counts(n_samples, len(centers))
    places = [
        tensor([list(map(float, c))] * n, device="cpu").reshape(n, len(c)) for c, n in zip(centers, counts, strict=True)
    ]
    return _mixed(places, noise, generator)


def xor(n_samples: int = 4, noise: float = 0.0, *, generator: Generator | None = None) -> _Pair:
    """The corners of a square, the classes at opposite ones: "either, or", which a single layer can't learn.

    Parameters
    ----------
    n_samples : int, default 4
        The corners come in turn.
    noise : float, default 0
        The standard deviation of both coordinates.
    generator : Generator, optional

    Examples
    --------
    >>> from tinygrad_edu.datasets import xor
    >>> x, y = xor()
    >>> x.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    _check("xor", n_samples, noise)
    corners = [[i // 2 % 2, i % 2] for i in range(n_samples)]
    x = tensor(corners, dtype="float32", device="cpu")
    y = tensor([a ^ b for a, b in corners], dtype="int64", device="cpu")
    return (x + noise * randn(x.shape, generator=generator, device="cpu") if noise else x), y


def noisy_sine(
    n_samples: int = 100,
    noise: float = 0.1,
    *,
    low: float = -math.pi,
    high: float = math.pi,
    generator: Generator | None = None,
) -> _Pair:
    """Values of sin x with noise, at random places: a regression whose answer is known.

    Parameters
    ----------
    n_samples : int, default 100
    noise : float, default 0.1
        The standard deviation of the values.
    low, high : float, default -π and π
        Where x lies.
    generator : Generator, optional

    Examples
    --------
    >>> from tinygrad_edu.datasets import noisy_sine
    >>> x, y = noisy_sine(50, noise=0)
    >>> x.shape, bool((y - x.sin()).abs().max() < 1e-6)
    (Size([50, 1]), True)
    """
    _check("noisy_sine", n_samples, noise)
    if not low < high:
        raise ValueError(f"noisy_sine: low must be below high, got {low} and {high}")
    x = low + (high - low) * rand(n_samples, 1, generator=generator, device="cpu")
    return x, sin(x) + noise * randn(n_samples, 1, generator=generator, device="cpu")
