"""Counting which words stand near which, and what is surprising about it: pointwise mutual information."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_edu.text.windows import flat

__all__ = ["SparseMatrix", "cooccurrence", "pmi", "positive_pmi"]

_BLOCK = 1 << 14  # entries whose rows of a dense factor are gathered at a time, so that they stay in the cache


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix that holds its non-zero entries only, row after row (CSR).

    Row i has the values ``values[starts[i]:starts[i + 1]]`` in the columns ``columns[starts[i]:starts[i + 1]]``.

    Examples
    --------
    >>> matrix = SparseMatrix.from_entries([0, 1, 0], [2, 0, 2], [1.0, 5.0, 3.0], (2, 3))
    >>> matrix.toarray()
    array([[0., 0., 4.],
           [5., 0., 0.]])
    >>> matrix @ np.ones((3, 1))
    array([[4.],
           [5.]])
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.floating]
    shape: tuple[int, int]

    @classmethod
    def from_entries(
        cls, rows: ArrayLike, columns: ArrayLike, values: ArrayLike, shape: tuple[int, int]
    ) -> SparseMatrix:
        """Make a matrix of entries in any order; those of one place are added."""
        values = np.asarray(values)
        keys, inverse = np.unique(np.asarray(rows) * np.int64(shape[1]) + np.asarray(columns), return_inverse=True)
        sums = np.bincount(inverse, values, keys.size).astype(values.dtype, copy=False)
        starts = np.searchsorted(keys, np.arange(shape[0] + 1) * shape[1])
        return cls(starts, keys % shape[1], sums, shape)

    @property
    def size(self) -> int:
        """The number of entries that are held."""
        return self.values.size

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.starts))

    @cached_property
    def T(self) -> SparseMatrix:
        """The transposed matrix."""
        order = np.argsort(self.columns, kind="stable")
        starts = np.searchsorted(self.columns[order], np.arange(self.shape[1] + 1))
        return SparseMatrix(starts, self.rows[order], self.values[order], self.shape[::-1])

    def __matmul__(self, dense: NDArray[np.floating]) -> NDArray[np.floating]:
        """The product with a dense matrix (columns, K): (rows, K)."""
        if dense.ndim != 2 or dense.shape[0] != self.shape[1]:
            raise ValueError(f"SparseMatrix @: shapes {list(self.shape)} and {list(dense.shape)} do not fit")
        result = np.zeros((self.shape[0], dense.shape[1]), np.result_type(self.values, dense))
        filled = np.flatnonzero(np.diff(self.starts))  # reduceat takes an empty row for the next one's first entry
        begins = self.starts[filled]
        first = 0
        while first < filled.size:
            last = max(first + 1, int(np.searchsorted(begins, begins[first] + _BLOCK)))
            begin, end = begins[first], self.starts[filled[last - 1] + 1]
            terms = dense[self.columns[begin:end]]
            terms *= self.values[begin:end, None]
            result[filled[first:last]] = np.add.reduceat(terms, begins[first:last] - begin, axis=0)
            first = last
        return result

    def toarray(self) -> NDArray[np.floating]:
        """The matrix with its zeros."""
        dense = np.zeros(self.shape, self.values.dtype)
        dense[self.rows, self.columns] = self.values
        return dense

    def sum(self, axis: int) -> NDArray[np.floating]:
        """The sums of the columns (`axis` 0) or of the rows (`axis` 1)."""
        index, size = (self.columns, self.shape[1]) if axis == 0 else (self.rows, self.shape[0])
        return np.bincount(index, self.values, size).astype(np.float64, copy=False)


def cooccurrence(
    sequences: Iterable[ArrayLike], num_words: int, window: int = 5, *, weighting: str = "flat"
) -> SparseMatrix:
    """Count how often each word stands at most `window` places from each other one.

    Parameters
    ----------
    sequences : sequence of int arrays
        Sentences, or one text in a list. No window reaches beyond its sequence.
    num_words : int
        The size V of the vocabulary.
    window : int, default 5
    weighting : {"flat", "harmonic"}
        Whether a pair d places apart counts 1, or 1/d as in GloVe.

    Returns
    -------
    SparseMatrix (V, V) of float64
        Symmetric.

    Raises
    ------
    ValueError
        If the corpus is shorter than one window, or has an index outside of the vocabulary.

    Examples
    --------
    >>> cooccurrence([[0, 1, 2, 1, 3]], 4, window=1).toarray()
    array([[0., 1., 0., 0.],
           [1., 0., 2., 1.],
           [0., 2., 0., 0.],
           [0., 1., 0., 0.]])
    """
    if weighting not in ("flat", "harmonic"):
        raise ValueError(f"cooccurrence: weighting is 'flat' or 'harmonic', got {weighting!r}")
    words, numbers = flat(sequences, window, "cooccurrence")
    if words.max() >= num_words:
        raise ValueError(f"cooccurrence: word {words.max()} is not in a vocabulary of {num_words}")
    rows, columns, values = [], [], []
    for distance in range(1, min(window, words.size - 1) + 1):
        same = numbers[distance:] == numbers[:-distance]
        earlier, later = words[:-distance][same], words[distance:][same]
        rows += [earlier, later]
        columns += [later, earlier]
        values += [np.full(2 * earlier.size, 1.0 if weighting == "flat" else 1.0 / distance)]
    return SparseMatrix.from_entries(
        np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (num_words, num_words)
    )


def pmi(counts: SparseMatrix, *, smoothing: float = 1.0) -> SparseMatrix:
    """Pointwise mutual information: how much more often two words meet than they would by chance.

    .. math:: \\mathrm{PMI}(w, c) = \\log\\frac{P(w, c)}{P(w)\\,P_\\alpha(c)},\\qquad P_\\alpha(c) \\propto \\#(c)^\\alpha

    Parameters
    ----------
    counts : SparseMatrix (V, V)
        Of `cooccurrence`.
    smoothing : float, default 1
        The exponent α. With 0.75 rare contexts count for less, whose PMI is otherwise the highest of all.

    Returns
    -------
    SparseMatrix (V, V) of float32
        With an entry wherever `counts` has one; where words never met it would be -inf, and there is none.

    Examples
    --------
    >>> pmi(cooccurrence([[0, 1, 0, 1, 2]], 3, window=1)).toarray().round(2)
    array([[0.  , 0.69, 0.  ],
           [0.69, 0.  , 0.69],
           [0.  , 0.69, 0.  ]], dtype=float32)
    """
    met = counts.sum(axis=1)
    context = counts.sum(axis=0) ** smoothing
    share = context / context.sum()
    ratio = counts.values / (met[counts.rows] * share[counts.columns])
    return SparseMatrix(counts.starts, counts.columns, np.log(ratio).astype(np.float32), counts.shape)


def positive_pmi(counts: SparseMatrix, *, shift: float = 1.0, smoothing: float = 0.75) -> SparseMatrix:
    """Shifted positive PMI, :math:`\\max(0, \\mathrm{PMI}(w, c) - \\log k)`: it forgets what is less than chance.

    Parameters
    ----------
    counts : SparseMatrix (V, V)
        Of `cooccurrence`.
    shift : float, default 1
        The k; skip-gram with k negative samples factorises PMI shifted by it.
    smoothing : float, default 0.75
        As for `pmi`.

    Returns
    -------
    SparseMatrix (V, V) of float32

    Notes
    -----
    O. Levy, Y. Goldberg and I. Dagan, "Improving distributional similarity with lessons learned from word embeddings",
    2015.
    """
    if not shift > 0:
        raise ValueError(f"positive_pmi: the shift must be positive, got {shift}")
    information = pmi(counts, smoothing=smoothing)
    values = information.values - np.float32(np.log(shift))
    kept = values > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[information.starts]
    return SparseMatrix(starts, information.columns[kept], values[kept], counts.shape)
