"""Which words stand near which: pairs and contexts within a window, and which frequent words to leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["contexts", "pairs", "subsample"]

Integers = NDArray[np.int64]


def pairs(
    sequences: Iterable[ArrayLike], window: int = 5, *, generator: np.random.Generator | None = None
) -> tuple[Integers, Integers]:
    """All pairs of a word and one that stands at most `window` places from it in the same sequence.

    Parameters
    ----------
    sequences : sequence of int arrays
        Sentences, or one text in a list. No window reaches beyond its sequence.
    window : int, default 5
    generator : numpy.random.Generator, optional
        If given, each word's window is drawn from ``1..window``, as word2vec does, so that near words come more often.

    Returns
    -------
    centers, neighbours : numpy.ndarray (P,) of int64
        In the order of the text.

    Raises
    ------
    ValueError
        If the corpus is shorter than one window, or no sequence has two words.

    Examples
    --------
    >>> centers, neighbours = pairs([[4, 7, 9]], window=1)
    >>> centers, neighbours
    (array([4, 7, 7, 9]), array([7, 4, 9, 7]))
    """
    around = contexts(sequences, window, generator=generator)
    rows, columns = np.nonzero(around[1] >= 0)
    return around[0][rows], around[1][rows, columns]


def contexts(
    sequences: Iterable[ArrayLike], window: int = 5, *, generator: np.random.Generator | None = None, padding: int = -1
) -> tuple[Integers, Integers]:
    """Each word that has neighbours, with those that stand at most `window` places before and after it.

    Parameters
    ----------
    sequences, window, generator
        As for `pairs`.
    padding : int, default -1
        What stands where a window is narrower or reaches beyond its sequence.

    Returns
    -------
    centers : numpy.ndarray (N,) of int64
    neighbours : numpy.ndarray (N, 2 * window) of int64

    Raises
    ------
    ValueError
        If the corpus is shorter than one window, or no sequence has two words.

    Examples
    --------
    >>> centers, neighbours = contexts([[4, 7, 9]], window=1)
    >>> neighbours.tolist()
    [[-1, 7], [4, 9], [7, -1]]
    """
    words, numbers = flat(sequences, window, "contexts")
    widths = np.full(words.size, window) if generator is None else generator.integers(1, window + 1, words.size)
    around = np.full((words.size, 2 * window), -1, np.int64)
    for distance in range(1, min(window, words.size - 1) + 1):
        same = numbers[distance:] == numbers[:-distance]
        before = same & (widths[distance:] >= distance)
        after = same & (widths[:-distance] >= distance)
        around[distance:, window - distance] = np.where(before, words[:-distance], -1)
        around[:-distance, window + distance - 1] = np.where(after, words[distance:], -1)
    kept = (around >= 0).any(axis=1)
    if not kept.any():
        raise ValueError(f"contexts: none of the {numbers[-1] + 1} sequences has two words")
    chosen = around[kept]
    chosen[chosen < 0] = padding
    return words[kept], chosen


def subsample(
    sequences: Iterable[ArrayLike], counts: ArrayLike, threshold: float, generator: np.random.Generator
) -> list[Integers]:
    """Leave out occurrences of frequent words at random: the, of, a, ... tell little about their neighbours.

    An occurrence of a word whose share of the text is f stays with probability :math:`\\sqrt{t/f} + t/f`, which is the rule
    of the word2vec program (T. Mikolov et al., "Distributed representations of words and phrases and their
    compositionality", 2013, have it without the second term).

    Parameters
    ----------
    sequences : sequence of int arrays
    counts : array (V,)
        How often each word occurs.
    threshold : float
        The share t, such as 1e-3. Words rarer than it all stay.
    generator : numpy.random.Generator

    Returns
    -------
    list of numpy.ndarray
        As many sequences, some of them shorter or empty.
    """
    if not threshold > 0:
        raise ValueError(f"subsample: the threshold must be positive, got {threshold}")
    total = np.asarray(counts, np.float64)
    shares = np.maximum(total, 1) / max(total.sum(), 1)
    keep = np.sqrt(threshold / shares) + threshold / shares
    arrays = [np.asarray(sequence, np.int64) for sequence in sequences]
    return [words[generator.random(words.size) < keep[words]] for words in arrays]


def flat(sequences: Iterable[ArrayLike], window: int, name: str) -> tuple[Integers, Integers]:
    """All words one after the other, and the number of each one's sequence; what is too short for a window is refused."""
    if window < 1:
        raise ValueError(f"{name}: the window must be at least 1, got {window}")
    arrays: Sequence[Integers] = [np.asarray(sequence, np.int64) for sequence in sequences]
    for words in arrays:
        if words.ndim != 1:
            raise ValueError(
                f"{name}: expected sequences of integers, got one of shape {list(words.shape)}; put a single text into a list"
            )
    total = sum(words.size for words in arrays)
    if total < 2 * window + 1:
        raise ValueError(
            f"{name}: the corpus has {total} words, a window of {window} on both sides spans {2 * window + 1}"
        )
    lengths = [words.size for words in arrays]
    joined = np.concatenate(arrays)
    if joined.min() < 0:
        raise ValueError(f"{name}: indices of words are not negative, got {joined.min()}")
    return joined, np.repeat(np.arange(len(arrays)), lengths)
