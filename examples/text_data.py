"""Text for the character-level examples: where it comes from, what is left out of it, and how it is split.

The default text is the reference that Python's ``help()`` prints, about 465,000 characters of English that every Python
installation carries.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

__all__ = ["Corpus", "drop_repeats", "load_corpus", "read_text", "streams"]

PARTS = 10  # the text is cut into so many equal parts, and the end of each is held out
HELD_OUT = 0.1  # ... namely this share of it


@dataclass(frozen=True)
class Corpus:
    """A text as integers, split into what a model may learn from and what it is judged by."""

    vocabulary: str
    """The V distinct characters in code-point order; the code of a character is its position."""
    train: np.ndarray
    """Shape (L,): the training stretches of all parts, one after the other."""
    held_out: np.ndarray
    """Shape (T, PARTS): in each column one contiguous stretch that no model is trained on."""
    digest: str
    """SHA-256 of the text, so that a checkpoint can tell whether it goes with this one."""
    read: int
    """Characters before repeated paragraphs were dropped."""

    def encode(self, text: str) -> list[int]:
        """Return the codes of ``text``; characters outside the vocabulary are skipped."""
        code = {c: i for i, c in enumerate(self.vocabulary)}
        return [code[c] for c in text if c in code]


def read_text(path: str | None) -> str:
    """Return the text of a UTF-8 file, or by default that of Python's own reference topics.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If it isn't UTF-8.
    """
    if path is None:
        return "\n\n".join(topics[name] for name in sorted(topics))
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None


def drop_repeats(text: str) -> str:
    """Keep only the first of equal paragraphs (apart from white space).

    Python's topics repeat whole sections: "specialnames" contains "callable-types", "compound" contains "while", ...,
    a fifth of the text. A held-out paragraph that stands in the training text as well would measure memory, not skill.

    Examples
    --------
    >>> drop_repeats("one\\n\\ntwo\\n\\n  one")
    'one\\n\\ntwo'
    """
    seen: set[str] = set()
    kept = []
    for paragraph in re.split(r"\n\n+", text):
        words = " ".join(paragraph.split())
        if words not in seen:
            seen.add(words)
            kept.append(paragraph)
    return "\n\n".join(kept)


def load_corpus(path: str | None = None, *, keep_repeats: bool = False) -> Corpus:
    """Read a text, drop repeated paragraphs, and split it.

    The text is cut into ``PARTS`` equal parts, and the last ``HELD_OUT`` of each part is held out. So the judges come
    from all over the text, which matters here: one topic is an essay, the next one a grammar.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If it isn't UTF-8, is too short to be split, or is one character over and over.
    """
    raw = read_text(path)
    text = raw if keep_repeats else drop_repeats(raw)
    vocabulary = "".join(sorted(set(text)))
    size = len(text) // PARTS
    held = int(size * HELD_OUT)
    if held < 2 or len(vocabulary) < 2:
        raise ValueError(
            f"the text is too short: without repeated paragraphs it has {len(text)} characters, {len(vocabulary)} "
            f"of them different; at least {round(2 * PARTS / HELD_OUT)} and 2 are needed"
        )
    code = {c: i for i, c in enumerate(vocabulary)}
    parts = np.array([code[c] for c in text[: size * PARTS]], dtype=np.int64).reshape(PARTS, size)
    return Corpus(
        vocabulary=vocabulary,
        train=parts[:, : size - held].reshape(-1),
        held_out=np.ascontiguousarray(parts[:, size - held :].T),
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        read=len(raw),
    )


def streams(codes: np.ndarray, batch_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lay a text out as parallel streams, each of which continues from row to row.

    The text is a ring that is entered at a random place, so that chunks of these rows are cut elsewhere in every epoch.

    Returns
    -------
    tuple of numpy.ndarray
        Inputs and targets, both of shape (T, N) with N = ``batch_size``: the target is the character after the input.

    Examples
    --------
    >>> inputs, targets = streams(np.arange(7), 2, np.random.default_rng(1))
    >>> inputs.T, targets.T
    (array([[3, 4, 5],
           [6, 0, 1]]), array([[4, 5, 6],
           [0, 1, 2]]))
    """
    ring = np.roll(codes, -int(rng.integers(codes.size)))
    length = (codes.size - 1) // batch_size
    inputs = ring[: length * batch_size].reshape(batch_size, length)
    targets = ring[1 : length * batch_size + 1].reshape(batch_size, length)
    return np.ascontiguousarray(inputs.T), np.ascontiguousarray(targets.T)
