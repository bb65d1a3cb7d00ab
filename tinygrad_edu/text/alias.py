"""AliasTable: draw from any discrete distribution in constant time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AliasTable"]


class AliasTable:
    """A discrete distribution as V boxes of equal width, each shared by at most two outcomes.

    A draw chooses a box, and then between its two: however many outcomes there are, it costs two random numbers.

    Parameters
    ----------
    weights : array (V,)
        Not negative; they need not sum to 1. word2vec draws its negative samples with ``counts ** 0.75``.

    Attributes
    ----------
    threshold : numpy.ndarray (V,) of float64
        With which probability box i gives i itself.
    alias : numpy.ndarray (V,) of int64
        What it gives otherwise.

    Raises
    ------
    ValueError
        If there are no weights, one is negative or not finite, or all are 0.

    Notes
    -----
    A. J. Walker, "An efficient method for generating discrete random variables with general distributions", ACM TOMS 3
    (1977); the table is built as M. D. Vose has it, IEEE Transactions on Software Engineering 17 (1991).

    Examples
    --------
    >>> table = AliasTable([3, 1])
    >>> table.threshold, table.alias
    (array([1. , 0.5]), array([0, 0]))
    >>> table.draw((2, 5), np.random.default_rng(0)).shape
    (2, 5)
    """

    def __init__(self, weights: ArrayLike) -> None:
        given = np.asarray(weights, np.float64)
        if given.ndim != 1 or not given.size:
            raise ValueError(f"AliasTable: expected a list of weights, got shape {list(given.shape)}")
        if not np.isfinite(given).all() or given.min() < 0 or not given.any():
            raise ValueError("AliasTable: weights must be finite, not negative, and not all 0")
        shares = given * (given.size / given.sum())
        self.threshold: NDArray[np.float64] = np.ones(given.size)
        self.alias: NDArray[np.int64] = np.arange(given.size)
        left = shares.tolist()
        small = [i for i, share in enumerate(left) if share < 1]
        large = [i for i, share in enumerate(left) if share >= 1]
        while small and large:
            poor, rich = small.pop(), large[-1]
            self.threshold[poor], self.alias[poor] = left[poor], rich
            left[rich] -= 1 - left[poor]
            if left[rich] < 1:
                small.append(large.pop())
        # What remains on either side is full but for rounding, and keeps its box for itself; but a weight of 0 must not.
        for i in small:
            if given[i] == 0:
                self.threshold[i], self.alias[i] = 0.0, int(given.argmax())

    def __len__(self) -> int:
        return self.alias.size

    def draw(self, shape: int | tuple[int, ...], generator: np.random.Generator) -> NDArray[np.int64]:
        """Independent outcomes in ``0..V-1``, an array of the given shape."""
        boxes = generator.integers(0, len(self), shape)
        return np.where(generator.random(shape) < self.threshold[boxes], boxes, self.alias[boxes])
