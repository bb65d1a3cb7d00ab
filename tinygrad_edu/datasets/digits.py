"""scikit-learn's digits: a real data set that needs no download."""

from __future__ import annotations

import gzip
import importlib.util
import os
from typing import Any

import numpy as np

from tinygrad_edu.datasets.images import Function, ImageDataset
from tinygrad_edu.random import Generator, randperm
from tinygrad_edu.transforms.functional import resize

__all__ = ["Digits"]


class Digits(ImageDataset):
    """1797 handwritten digits of 8×8 numbers in [0, 1], split into a part to train and one to test.

    The images are those of ``sklearn.datasets.load_digits`` (the optional extra ``data``); of scikit-learn only the data
    file is read. Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI repository, 1998.

    Parameters
    ----------
    train : bool, default True
        The part to train, or the rest.
    transform, target_transform : callable, optional
        See :class:`ImageDataset`; images are float32 (1, size, size).
    size : int, default 8
        Height and width; images are enlarged smoothly, for networks that want 28 or 32.
    test_size : float, default 0.2
        The share of the images to test, of each digit.
    seed : int, default 0
        Which images these are.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn isn't installed; the message says how to install it.

    Examples
    --------
    >>> from tinygrad_edu.datasets import Digits
    >>> train, test = Digits(), Digits(train=False)  # doctest: +SKIP
    >>> len(train), len(test), train[0][0].shape  # doctest: +SKIP
    (1438, 359, Size([1, 8, 8]))
    """

    def __init__(
        self,
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        *,
        size: int = 8,
        test_size: float = 0.2,
        seed: int = 0,
    ) -> None:
        if not 0 < test_size < 1:
            raise ValueError(f"Digits: test_size must be a share between 0 and 1, got {test_size!r}")
        images, labels = _load()
        generator = Generator().manual_seed(seed)
        order = np.array(randperm(len(labels), generator=generator, device="cpu").tolist())
        chosen = np.zeros(len(labels), bool)
        for digit in range(10):  # of each the same share
            members = order[labels[order] == digit]
            chosen[members[: round(test_size * len(members))]] = True
        order = order[chosen[order] != train]
        images = resize(images[order, None], (size, size))
        super().__init__(images, labels[order], [str(i) for i in range(10)], transform, target_transform)


def _load() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return all images, float32 (1797, 8, 8) in [0, 1], and labels."""
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            "Digits: the images come with scikit-learn, which isn't installed; pip install 'tinygrad_edu[data]'"
        )
    path = os.path.join(found.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Digits: this scikit-learn has no file {path!r}; install another version of it")
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",")
    return (rows[:, :-1].reshape(-1, 8, 8) / 16).astype(np.float32), rows[:, -1].astype(np.int64)
