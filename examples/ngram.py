"""A character n-gram model with interpolated modified Kneser-Ney smoothing: the baseline of ``char_lm.py``.

It only counts, so it needs no gradients, and it is hard to beat on little text. Run it alone to see how the order
matters::

    python examples/ngram.py

The probability of a character after a context comes from three ideas:

1. **Discount.** Take a little off every count, so that some probability is left for what was never seen.
2. **Back off.** Share that remainder out as the next shorter context would, down to the uniform distribution.
3. **Continuation counts.** A shorter context is asked only where the longer one failed, so there it doesn't matter how
   often a gram occurred but after how many *different* characters: "rancisco" is frequent, but only after "F".

The equations are those of S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language
modeling", Computer Speech & Language 13 (1999), section 3.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from text_data import Corpus, load_corpus

__all__ = ["KneserNey", "discounts", "held_out_bits"]

UNSEEN = -1  # the id of a gram that the training text doesn't contain


def discounts(counts: np.ndarray) -> np.ndarray:
    """Estimate how much to take off a count of 1, of 2, and of 3 or more.

    With :math:`n_r` the number of grams that occur exactly r times and :math:`Y = n_1 / (n_1 + 2 n_2)`:
    :math:`D_r = r - (r + 1) Y n_{r+1} / n_r`, which is what leaving one occurrence out suggests.

    Parameters
    ----------
    counts
        One positive count for each gram of one length.

    Returns
    -------
    numpy.ndarray
        Shape (4,), indexed by ``min(count, 3)``; entry 0 is 0.

    Examples
    --------
    >>> discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4]))
    array([0.  , 0.5 , 1.25, 1.  ])
    """
    n = [0, *(int((counts == r).sum()) for r in (1, 2, 3, 4))]
    guess = [0.0, 0.5, 1.0, 1.5]  # where there are too few grams to estimate from, as among single characters
    if not n[1] or not n[2]:
        return np.array(guess)
    share = n[1] / (n[1] + 2 * n[2])
    estimate = [r - (r + 1) * share * n[r + 1] / n[r] if n[r] else guess[r] for r in (1, 2, 3)]
    # A discount above its count would make probabilities negative, and one of zero would leave nothing to the unseen.
    return np.array([0.0, *np.clip(estimate, 0.05, [0.95, 1.9, 2.85])])


@dataclass(frozen=True)
class _Level:
    """All grams of one length with one kind of count: everything that one step of the interpolation needs.

    ``discounted[g]`` belongs to a gram g; ``total`` and ``reserved`` to a context, which is a gram of the level below.
    """

    discounted: np.ndarray  # count minus discount
    total: np.ndarray  # sum of the counts after each context, 0 where nothing ever followed
    reserved: np.ndarray  # sum of the discounts after each context

    @classmethod
    def from_counts(cls, counts: np.ndarray, parents: np.ndarray, contexts: int) -> _Level:
        taken = discounts(counts)[np.minimum(counts, 3)]
        return cls(
            counts - taken,
            np.bincount(parents, weights=counts, minlength=contexts),
            np.bincount(parents, weights=taken, minlength=contexts),
        )

    def interpolate(self, grams: np.ndarray, contexts: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Mix the discounted counts of this level with the probabilities ``lower`` of the next shorter context."""
        total = np.where(contexts == UNSEEN, 0.0, self.total[contexts])
        known = total > 0.0
        seen = np.where(grams == UNSEEN, 0.0, self.discounted[grams])
        return np.where(known, (seen + self.reserved[contexts] * lower) / np.where(known, total, 1.0), lower)


class KneserNey:
    """Interpolated modified Kneser-Ney models of every order from 1 to ``max_order`` over one alphabet.

    Grams live in a trie, stored level by level: the gram of length n with id g is its prefix (an id of level n - 1)
    and one more character, and g is the position of ``prefix * vocab_size + character`` among the sorted keys.

    Parameters
    ----------
    codes
        The training text as integers in ``range(vocab_size)``, shape (L,).
    vocab_size
        The size V of the alphabet, characters that the training text lacks included.
    max_order
        The longest gram to count. A model of order n predicts a character from the n - 1 before it.

    Raises
    ------
    ValueError
        If ``codes`` is empty or holds something outside the alphabet, or ``max_order`` is below 1.

    Examples
    --------
    >>> model = KneserNey(np.array([0, 1, 0, 1, 0, 1, 0]), vocab_size=3, max_order=2)
    >>> model.probabilities([0], order=2).round(2)
    array([0.14, 0.74, 0.12])
    """

    def __init__(self, codes: np.ndarray, vocab_size: int, max_order: int) -> None:
        codes = np.asarray(codes, dtype=np.int64)
        if codes.ndim != 1 or codes.size == 0:
            raise ValueError(f"KneserNey needs a non-empty one-dimensional text, got the shape {codes.shape}")
        if codes.min() < 0 or codes.max() >= vocab_size:
            raise ValueError(f"KneserNey: codes span {codes.min()}..{codes.max()}, expected 0..{vocab_size - 1}")
        if max_order < 1:
            raise ValueError(f"KneserNey: max_order must be at least 1, got {max_order}")
        self.vocab_size = vocab_size
        self.max_order = min(max_order, codes.size)
        self._keys: list[np.ndarray] = []  # [n - 1]: the sorted keys of the grams of length n
        self._by_occurrence: list[_Level] = []  # [n - 1]: used when n is the order of the model
        self._by_continuation: list[_Level] = []  # [n - 1]: used when a longer context backs off to n
        self._count(codes)

    def _count(self, codes: np.ndarray) -> None:
        """Build the trie and both kinds of counts, level by level."""
        ids = np.zeros(codes.size + 1, dtype=np.int64)  # which gram of length n - 1 ends there: at first the empty one
        sizes = [1]  # the number of distinct grams of each length
        for n in range(1, self.max_order + 1):
            # A gram is its prefix, which ends one character earlier, and its last character.
            prefixes, suffixes = ids[:-1], ids[1:]
            keys, first, ids, counts = np.unique(
                prefixes * self.vocab_size + codes[n - 1 :], return_index=True, return_inverse=True, return_counts=True
            )
            if n > 1:
                # Each distinct gram shows its suffix one different character to the left. The start of the text is a
                # left neighbour too, or the gram that stands there might never count.
                continuations = np.bincount(suffixes[first], minlength=sizes[-1])
                continuations[prefixes[0]] += 1
                parents = self._keys[-1] // self.vocab_size
                self._by_continuation.append(_Level.from_counts(continuations, parents, sizes[-2]))
            self._keys.append(keys)
            self._by_occurrence.append(_Level.from_counts(counts, keys // self.vocab_size, sizes[-1]))
            sizes.append(keys.size)

    def _child(self, n: int, prefixes: np.ndarray, characters: np.ndarray) -> np.ndarray:
        """Ids of the grams of length n made of ``prefixes`` (ids of length n - 1) and one character; or UNSEEN."""
        keys, wanted = self._keys[n - 1], prefixes * self.vocab_size + characters
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        return np.where((prefixes != UNSEEN) & (keys[at] == wanted), at, UNSEEN)

    def sequence_probabilities(self, codes: np.ndarray) -> np.ndarray:
        """Probability of each character of a text given those before it, for every order at once.

        Parameters
        ----------
        codes
            The text, shape (L,). Its first characters are predicted from the shorter contexts that exist.

        Returns
        -------
        numpy.ndarray
            Shape (max_order, L): row n - 1 is the model of order n.
        """
        codes = np.asarray(codes, dtype=np.int64)
        if codes.size and (codes.min() < 0 or codes.max() >= self.vocab_size):
            raise ValueError(f"sequence_probabilities: codes must lie in 0..{self.vocab_size - 1}")
        lower = np.full(codes.size, 1.0 / self.vocab_size)  # order 0: every character alike
        contexts = np.zeros(codes.size, dtype=np.int64)
        rows = []
        for n in range(1, self.max_order + 1):
            grams = self._child(n, contexts, codes)
            rows.append(self._by_occurrence[n - 1].interpolate(grams, contexts, lower))
            if n < self.max_order:
                lower = self._by_continuation[n - 1].interpolate(grams, contexts, lower)
            contexts = np.concatenate([[UNSEEN], grams[:-1]])
        return np.stack(rows)

    def probabilities(self, context: np.ndarray | list[int], order: int | None = None) -> np.ndarray:
        """Return the distribution of the character that follows ``context``: shape (V,), non-negative, of sum 1.

        Parameters
        ----------
        context
            Integers in ``range(vocab_size)``, any number; the last ``order - 1`` matter.
        order
            Which of the models to ask; the longest by default.
        """
        order = self.max_order if order is None else order
        if not 1 <= order <= self.max_order:
            raise ValueError(f"probabilities: order must lie in 1..{self.max_order}, got {order}")
        history = [int(c) for c in context]
        every = np.arange(self.vocab_size)
        p = np.full(self.vocab_size, 1.0 / self.vocab_size)
        for n in range(1, min(order, len(history) + 1) + 1):
            context_id = np.zeros(1, dtype=np.int64)
            for length, c in enumerate(history[len(history) - (n - 1) :], start=1):
                context_id = self._child(length, context_id, np.array([c]))
            contexts = np.repeat(context_id, self.vocab_size)
            level = self._by_occurrence if n == order else self._by_continuation
            p = level[n - 1].interpolate(self._child(n, contexts, every), contexts, p)
        return p


def held_out_bits(corpus: Corpus, max_order: int) -> np.ndarray:
    """Count the training text, and return the bits per character on the held-out text for each order.

    Bits are the mean of :math:`-\\log_2 p`: what an ideal coder would spend on a character with this model. Each
    held-out stretch is read from its beginning, and its first character, which has nothing before it, isn't scored:
    the very characters that ``char_lm.py`` scores.

    Returns
    -------
    numpy.ndarray
        Shape (max_order,), the model of order 1 first.
    """
    model = KneserNey(corpus.train, len(corpus.vocabulary), max_order)
    scored = [model.sequence_probabilities(stretch)[:, 1:] for stretch in corpus.held_out.T]
    return -np.log2(np.concatenate(scored, axis=1)).mean(axis=1)


def main() -> None:
    """Print the held-out bits of every order."""
    parser = argparse.ArgumentParser(description="Character n-grams with modified Kneser-Ney smoothing.")
    parser.add_argument("--text", metavar="FILE", help="a UTF-8 text (default: the topics of Python's help())")
    parser.add_argument("--max-order", type=int, default=12, help="longest n-gram (default: 12)")
    args = parser.parse_args()
    try:
        bits = held_out_bits(load_corpus(args.text), args.max_order)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print("order  held-out bits per character  perplexity")
    for order, b in enumerate(bits, start=1):
        print(f"{order:5d}  {b:27.3f}  {2**b:10.2f}")
    print("Look at where longer contexts stop helping: almost every long context of a new text has never been seen.")


if __name__ == "__main__":
    main()
