"""Texts for language models of words: three parts as integers, and the vocabulary of the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.datasets.files import Path, find
from tinygrad_edu.text.corpora import read_text, split_sentences
from tinygrad_edu.text.vocabulary import EOS, UNK, Vocabulary

__all__ = ["WordCorpus", "read_penn_treebank", "split_words"]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class WordCorpus:
    """A text of words in three parts: to learn from, to choose settings by, and to judge the result.

    Words that are not listed in the vocabulary, which is that of the first part, are ``<unk>``; sentences or lines end
    with ``<eos>``.
    """

    vocabulary: Vocabulary
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]

    def unknown(self) -> float:
        """The share of ``<unk>`` in `test`, which tells how much the vocabulary leaves out."""
        return float((self.test == self.vocabulary[UNK]).mean())


def read_penn_treebank(root: Path, *, min_count: int = 1, max_size: int | None = None) -> WordCorpus:
    """Read a corpus in the format of the Penn Treebank: three files, words between white space, ``<eos>`` after each line.

    Mikolov's preparation has 10,000 words, ``<unk>`` among them. Files of WikiText, and of one's own, have the same format.

    Parameters
    ----------
    root : path
        A folder with ``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt``; also ``wiki.train.tokens`` or ``train.txt``
        and the like. They may lie in ``simple-examples/data``, as Mikolov's archive has them.
    min_count, max_size : optional
        Words of the training text that are rarer, or beyond so many, become ``<unk>``; by default none.

    Raises
    ------
    FileNotFoundError
        When one of the files is not there.
    ValueError
        When one is not UTF-8 text, or has no words.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name, text in {"train": "no it was n't", "valid": "it was", "test": "was it black monday"}.items():
    ...     _ = (root / f"ptb.{name}.txt").write_text(text)
    >>> corpus = read_penn_treebank(root)
    >>> corpus.vocabulary.decode(corpus.test)
    ['was', 'it', '<unk>', '<unk>', '<eos>']
    """
    parts = []
    for split in SPLITS:
        path = find(
            "read_penn_treebank",
            root,
            ("", "simple-examples/data", "data"),
            (f"ptb.{split}.txt", f"wiki.{split}.tokens", f"{split}.txt"),
            "bring your own copy of Mikolov's preparation of the Penn Treebank, or files of the same form.",
        )
        lines = read_text(path).rstrip("\n").split("\n")
        parts.append([word for line in lines for word in (*line.split(), EOS)])
    return _numbered(parts, min_count, max_size)


def split_words(
    text: str, *, min_count: int = 1, max_size: int | None = None, parts: int = 10, held_out: float = 0.1
) -> WordCorpus:
    """Cut a text into words and sentences, and hold some of it out.

    The text is cut into equal parts, and from the end of each part comes what is held out, half of it for `valid` and half
    for `test`: so the judges come from all over the text, and read stretches as long as possible.

    Parameters
    ----------
    text : str
    min_count, max_size : optional
        Words of the training text that are rarer, or beyond so many, become ``<unk>``.
    parts : int, default 10
    held_out : float, default 0.1
        The share of the sentences that is held out.

    Raises
    ------
    ValueError
        When there are too few sentences to hold out two of each part, or arguments are out of their range.

    Examples
    --------
    >>> corpus = split_words("You say goodbye. I say hello!  " * 100, parts=2)
    >>> corpus.train.size, corpus.valid.size, corpus.test.size
    (900, 50, 50)
    >>> corpus.vocabulary.decode(corpus.train[:5])
    ['you', 'say', 'goodbye', '.', '<eos>']
    """
    if parts < 1 or not 0 < held_out < 1:
        raise ValueError(
            f"split_words: parts must be positive and held_out between 0 and 1, got {parts} and {held_out}"
        )
    sentences = split_sentences(text, punctuation=True)
    size = len(sentences) // parts
    held = int(size * held_out / 2)
    if not held:
        raise ValueError(
            f"split_words: {len(sentences)} sentences are too few to hold out {held_out:g} of {parts} parts; "
            f"at least {int(np.ceil(2 / held_out)) * parts} are needed"
        )
    splits: list[list[str]] = [[], [], []]
    for start in range(0, size * parts, size):
        part = sentences[start : start + size]
        cuts = (part[: size - 2 * held], part[size - 2 * held : size - held], part[size - held :])
        for split, cut in zip(splits, cuts, strict=True):
            split += [word for sentence in cut for word in (*sentence, EOS)]
    return _numbered(splits, min_count, max_size)


def _numbered(splits: list[list[str]], min_count: int, max_size: int | None) -> WordCorpus:
    """List the words of the first part, and number those of all parts."""
    vocabulary = Vocabulary.build(splits[0], min_count=min_count, max_size=max_size, specials=(UNK, EOS))
    return WordCorpus(vocabulary, *(vocabulary.encode(split) for split in splits))
