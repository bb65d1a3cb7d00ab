"""Transforms of transforms: one after the other, some of the time, one of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.random import rand

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "Transform"]


def chance(p: float) -> bool:
    """Whether something happens that has the probability `p`; a number is drawn in any case."""
    return uniform(0.0, 1.0) < p


def uniform(low: float, high: float) -> float:
    """A number from `low` to below `high`, from the default generator."""
    return low + (high - low) * float(rand((), dtype="float64", device="cpu"))


def integer(high: int) -> int:
    """A whole number from 0 to below `high`, from the default generator."""
    return int(uniform(0, high))


def check_probability(name: str, p: float) -> float:
    """Return `p` if it is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be a probability from 0 to 1, got {p!r}")
    return p


class Transform:
    """Base class: a transform is called with an image and returns another.

    Random ones draw from the default generator, so that :func:`tinygrad_edu.manual_seed` repeats them, and a
    `DataLoader` gives each batch numbers of its own.
    """

    _shown: tuple[str, ...] = ()  # the attributes that repr shows

    def __call__(self, img: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, img)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self._shown)})"


class Compose(Transform):
    """One transform after the other.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import transforms
    >>> pipeline = transforms.Compose([transforms.Pad(1), transforms.Normalize([0.5], [0.5])])
    >>> pipeline(tg.ones(1, 1, 1))
    tensor([[[-1., -1., -1.],
             [-1.,  1., -1.],
             [-1., -1., -1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        for t in transforms:
            if not callable(t):
                raise TypeError(f"{type(self).__name__}: a transform is called with an image, {t!r} can't be called")
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class Lambda(Transform):
    """A function of one's own as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class RandomApply(Compose):
    """All of the transforms with the probability `p`, else none of them."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = check_probability("RandomApply", p)

    def __call__(self, img: Any) -> Any:
        return super().__call__(img) if chance(self.p) else img


class RandomChoice(Compose):
    """One of the transforms, each as likely as the others."""

    def __call__(self, img: Any) -> Any:
        return self.transforms[integer(len(self.transforms))](img)
