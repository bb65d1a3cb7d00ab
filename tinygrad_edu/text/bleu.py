"""BLEU: how close translations are to those that people made, counted in words that stand together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

__all__ = ["bleu"]


def bleu(
    candidates: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    *,
    max_order: int = 4,
    smooth: bool = False,
) -> float:
    """The geometric mean of the shares of n-grams that a reference has, times a penalty for what is too short.

    BLEU = min(1, exp(1 - r / c)) · exp(Σ ln pₙ / 4), over all candidates together: pₙ is the share of their n-grams that
    occur in a reference of theirs, at most as often as there; c and r are the numbers of words of all candidates, and of
    the references whose lengths are the closest.

    Parameters
    ----------
    candidates : sequence of sequences of str
        What was translated, in tokens.
    references : sequence of lists of sequences of str
        For each candidate one or more right translations.
    max_order : int, default 4
        The longest n-grams.
    smooth : bool, default False
        Whether to add one to both numbers of each share with n > 1; otherwise BLEU is 0 where a pₙ is.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there are no candidates, or not as many lists of references, or one of them is empty.

    Notes
    -----
    Source: Papineni et al., BLEU: a method for automatic evaluation of machine translation, ACL 2002; smoothing: Lin and
    Och, ORANGE, COLING 2004.

    Examples
    --------
    >>> bleu(["the cat sat on the mat".split()], [["the cat sat on a mat".split()]])  # doctest: +ELLIPSIS
    0.5372...
    """
    if not candidates or len(candidates) != len(references):
        raise ValueError(
            f"bleu: expected a list of references for each candidate, got {len(candidates)} candidates and {len(references)} lists"
        )
    if max_order < 1:
        raise ValueError(f"bleu: max_order must be at least 1, got {max_order}")
    hits, totals = [0] * max_order, [0] * max_order
    length = wanted = 0
    for i, (candidate, known) in enumerate(zip(candidates, references, strict=True)):
        if isinstance(candidate, str) or any(isinstance(reference, str) for reference in known):
            raise TypeError(f"bleu: candidate {i} or a reference of it is a str; cut it into tokens first")
        if not known:
            raise ValueError(f"bleu: candidate {i} has no reference")
        length += len(candidate)
        wanted += min((abs(len(reference) - len(candidate)), len(reference)) for reference in known)[1]
        for n in range(1, max_order + 1):
            found = _ngrams(candidate, n)
            most: Counter[tuple[str, ...]] = Counter()
            for reference in known:
                most |= _ngrams(reference, n)
            hits[n - 1] += (found & most).total()
            totals[n - 1] += found.total()
    if smooth:
        hits[1:], totals[1:] = [h + 1 for h in hits[1:]], [t + 1 for t in totals[1:]]
    if not all(hits):
        return 0.0
    mean = sum(math.log(h / t) for h, t in zip(hits, totals, strict=True)) / max_order
    return math.exp(min(0.0, 1 - wanted / length) + mean)


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram occurs."""
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
