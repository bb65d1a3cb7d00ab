"""Pairs of texts for models that turn one into the other: reading them, and padding them to batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.serialization._writing import Path
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.text.vocabulary import BOS, EOS, PAD, Vocabulary
from tinygrad_edu.utils.data.dataset import Dataset

__all__ = ["EncodedPairs", "PairBatch", "pad_tokens", "read_pairs"]


def read_pairs(path: Path, *, columns: tuple[int, int] = (0, 1)) -> list[tuple[str, str]]:
    """Read a tab-separated file of translations, a pair on each line, such as the collections of Tatoeba.

    Empty lines are left out, and so are further columns.

    Parameters
    ----------
    path : path
        A text file in UTF-8.
    columns : pair of int, default (0, 1)
        Which columns hold source and target, from 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        Which line is wrong, and what was expected.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "pairs.tsv")
    >>> with open(path, "w", encoding="utf-8") as file:
    ...     _ = file.write("Good morning.\\tGuten Morgen.\\nThank you.\\tDanke.\\tCC-BY\\n")
    >>> read_pairs(path)
    [('Good morning.', 'Guten Morgen.'), ('Thank you.', 'Danke.')]
    """
    name = os.fspath(path)
    if min(columns) < 0:
        raise ValueError(f"read_pairs: columns are counted from 0, got {columns}")
    if not os.path.isfile(name):
        raise FileNotFoundError(f"read_pairs: there is no file {name!r}")
    with open(name, "rb") as file:
        lines = file.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    pairs = []
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"read_pairs: line {number} of {name!r} is not UTF-8: {error}") from None
        if not text.strip():
            continue
        fields = [field.strip() for field in text.split("\t")]
        if len(fields) <= max(columns):
            raise ValueError(
                f"read_pairs: line {number} of {name!r} has {len(fields)} fields between tabs, "
                f"expected {max(columns) + 1} at least: {text.strip()[:60]!r}"
            )
        pair = fields[columns[0]], fields[columns[1]]
        if not all(pair):
            raise ValueError(f"read_pairs: line {number} of {name!r} has an empty field: {text.strip()[:60]!r}")
        pairs.append(pair)
    if not pairs:
        raise ValueError(f"read_pairs: {name!r} has no pairs")
    return pairs


def pad_tokens(sequences: Sequence[Sequence[int] | NDArray[np.int64]], padding: int = 0) -> tuple[Tensor, Tensor]:
    """Put sequences of tokens into one tensor, with padding behind the shorter ones.

    Parameters
    ----------
    sequences : sequence of sequences of int
    padding : int, default 0

    Returns
    -------
    tokens : Tensor of int64, (N, T), on the CPU
    lengths : Tensor of int64, (N,), on the CPU

    Raises
    ------
    ValueError
        If there are no sequences, or one is empty.

    Examples
    --------
    >>> pad_tokens([[5, 6, 7], [8]])
    (tensor([[5, 6, 7],
            [8, 0, 0]]), tensor([3, 1]))
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    if not len(lengths):
        raise ValueError("pad_tokens: there are no sequences")
    if not lengths.all():
        raise ValueError(f"pad_tokens: sequence {int(np.argmin(lengths))} is empty")
    tokens = np.full((len(lengths), int(lengths.max())), padding, np.int64)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = sequence
    return from_numpy(tokens), from_numpy(lengths)


class PairBatch(NamedTuple):
    """A batch of pairs, padded.

    Attributes
    ----------
    source : Tensor of int64, (N, S)
    lengths : Tensor of int64, (N,)
        Of the sources.
    target : Tensor of int64, (N, T)
        From ``<bos>`` to ``<eos>``.
    """

    source: Tensor
    lengths: Tensor
    target: Tensor


class EncodedPairs(Dataset[tuple[NDArray[np.int64], NDArray[np.int64]]]):
    """Pairs of texts as tokens; its method `collate` makes batches of them.

    Parameters
    ----------
    pairs : sequence of (str, str)
    source, target : Vocabulary
        With ``<pad>`` at the same place in both, and ``<bos>`` and ``<eos>`` in the target.
    tokenize : callable, default list
        Cuts a text into tokens; `list` cuts it into characters.
    reverse : bool, default False
        Whether to read sources backwards: their beginning then stands close to the target's, which is easier to learn.
        Source: Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks, NeurIPS 2014.

    Attributes
    ----------
    lengths : list of int
        Of the sources, for `BucketBatchSampler`.
    tokens : int
        In all sources and targets.

    Raises
    ------
    KeyError
        If a vocabulary lacks a token, and has no ``<unk>``.
    ValueError
        If a text is empty.

    Examples
    --------
    >>> from tinygrad_edu.text import BOS, EOS, PAD, EncodedPairs, Vocabulary
    >>> source = Vocabulary.of_characters("0123456789+", specials=(PAD,))
    >>> target = Vocabulary.of_characters("0123456789", specials=(PAD, BOS, EOS))
    >>> data = EncodedPairs([("57+5", "62"), ("1+1", "2")], source, target)
    >>> data.collate([data[0], data[1]])
    PairBatch(source=tensor([[7, 9, 1, 7],
            [3, 1, 3, 0]]), lengths=tensor([4, 3]), target=tensor([[1, 9, 5, 2],
            [1, 5, 2, 0]]))
    >>> data.decode([9, 5])
    '62'
    """

    def __init__(
        self,
        pairs: Sequence[tuple[str, str]],
        source: Vocabulary,
        target: Vocabulary,
        tokenize: Callable[[str], list[str]] = list,
        *,
        reverse: bool = False,
    ) -> None:
        for what, vocabulary, specials in (("source", source, (PAD,)), ("target", target, (PAD, BOS, EOS))):
            missing = [token for token in specials if token not in vocabulary]
            if missing:
                raise ValueError(f"EncodedPairs: the {what} vocabulary lacks {', '.join(missing)}")
        if source[PAD] != target[PAD]:
            raise ValueError(f"EncodedPairs: {PAD} is {source[PAD]} in the source and {target[PAD]} in the target")
        self.padding = source[PAD]
        self.target = target
        self._separator = "" if tokenize is list else " "
        around = (np.array([target[BOS]]), np.array([target[EOS]]))
        self.items: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for i, pair in enumerate(pairs):
            read, written = source.encode(tokenize(pair[0])), target.encode(tokenize(pair[1]))
            if not len(read) or not len(written):
                raise ValueError(f"EncodedPairs: pair {i} has an empty text: {pair!r}")
            self.items.append((read[::-1] if reverse else read, np.concatenate([around[0], written, around[1]])))
        self.lengths = [len(read) for read, _ in self.items]
        self.tokens = sum(self.lengths) + sum(len(written) for _, written in self.items)

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def collate(self, items: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> PairBatch:
        """Pad items to a batch: the `collate_fn` of a loader."""
        source, lengths = pad_tokens([read for read, _ in items], self.padding)
        return PairBatch(source, lengths, pad_tokens([written for _, written in items], self.padding)[0])

    def decode(self, tokens: Sequence[int]) -> str:
        """The target text of tokens."""
        return self._separator.join(self.target.decode(tokens))
