"""Pieces of words: byte pairs learned from a text, and the tokenizers that come with pretrained models.

The work is done by the ``tokenizers`` package (``pip install 'tinygrad_edu[text]'``), which is fast and reads the files of
published models; what is here gives it the manners of a :class:`~tinygrad_edu.text.Vocabulary`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.serialization._writing import Path, replacing

__all__ = ["SubwordTokenizer"]


def _library() -> Any:
    """The ``tokenizers`` package."""
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "SubwordTokenizer needs the package tokenizers: pip install 'tinygrad_edu[text]'", name="tokenizers"
        ) from None
    return tokenizers


class SubwordTokenizer:
    """A text as pieces of words, each of them an integer; any text can be encoded, and comes back as it was.

    Make one with `train`, or read one with `load`. Trained ones join the bytes of a text: they begin with the 256 bytes,
    and again and again the neighbours that stand together most often become one piece. Source: Sennrich, Haddow and
    Birch, Neural machine translation of rare words with subword units, ACL (2016), on bytes as in GPT-2.

    Examples
    --------
    >>> from tinygrad_edu.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["newest newest newest low"], 262)  # doctest: +SKIP
    >>> tokenizer.pieces(" newest low")  # doctest: +SKIP
    [' newest', ' ', 'l', 'o', 'w']
    >>> tokenizer.decode(tokenizer.encode("Größer!"))  # doctest: +SKIP
    'Größer!'
    """

    def __init__(self, backend: Any) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, *, specials: Sequence[str] = (), min_count: int = 2
    ) -> SubwordTokenizer:
        """Learn byte pairs from texts.

        Parameters
        ----------
        texts : iterable of str
            Read one by one: the lines of a file, for example. A str counts as one text.
        vocab_size : int
            How many tokens there shall be: the specials, the 256 bytes, and pieces. Short texts may give fewer.
        specials : sequence of str
            Tokens that are never cut, such as ``("<pad>", "<eos>")``; they get the first numbers.
        min_count : int, default 2
            How often neighbours must stand together to become one.

        Raises
        ------
        ModuleNotFoundError
            Without the package ``tokenizers``.
        ValueError
            If there is no room for the specials and the bytes.
        """
        if vocab_size < 256 + len(specials):
            raise ValueError(
                f"SubwordTokenizer.train: vocab_size={vocab_size} has no room for 256 bytes and {len(specials)} specials"
            )
        library = _library()
        backend = library.Tokenizer(library.models.BPE())
        backend.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_count,
            special_tokens=list(specials),
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        backend.train_from_iterator([texts] if isinstance(texts, str) else texts, trainer)
        return cls(backend)

    @classmethod
    def load(cls, path: Path) -> SubwordTokenizer:
        """Read what `save` has written, or the ``tokenizer.json`` of a published model.

        Raises
        ------
        ModuleNotFoundError
            Without the package ``tokenizers``.
        OSError
            If the file can't be read.
        ValueError
            If it holds something else.
        """
        library = _library()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            return cls(library.Tokenizer.from_str(text))
        except Exception as error:  # that package raises plain Exceptions
            raise ValueError(f"SubwordTokenizer.load: {os.fspath(path)!r} holds no tokenizer: {error}") from None

    def save(self, path: Path) -> None:
        """Write the tokenizer to a JSON file, whole or not at all."""
        with replacing(os.path.realpath(path)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(self.backend.to_str())

    def __len__(self) -> int:
        return int(self.backend.get_vocab_size())

    def __contains__(self, token: object) -> bool:
        return isinstance(token, str) and self.backend.token_to_id(token) is not None

    def __getitem__(self, token: str) -> int:
        """The number of a token, such as a special one.

        Raises
        ------
        KeyError
            If it is not listed.
        """
        index = self.backend.token_to_id(token)
        if index is None:
            raise KeyError(f"{token!r} is not among the {len(self)} tokens of the tokenizer")
        return int(index)

    def __repr__(self) -> str:
        return f"SubwordTokenizer({len(self)} tokens)"

    def encode(self, text: str) -> NDArray[np.int64]:
        """The numbers (T,) of the pieces of a text, with the marks that a published model wants around it."""
        if not isinstance(text, str):
            raise TypeError(f"SubwordTokenizer.encode: expected a str, got {type(text).__name__}")
        return np.array(self.backend.encode(text).ids, np.int64)

    def encode_batch(
        self, texts: Sequence[str], *, pad: str | int = 0, max_length: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The numbers of several texts, filled up to one length, and which of them are no filling: both (N, T).

        Parameters
        ----------
        texts : sequence of str
        pad : str or int, default 0
            The token with which shorter texts are filled up.
        max_length : int, optional
            Longer texts are cut; marks at the end stay.
        """
        filler = self[pad] if isinstance(pad, str) else pad
        if max_length is not None:
            self.backend.enable_truncation(max_length)
        try:
            rows = [encoding.ids for encoding in self.backend.encode_batch(list(texts))]
        finally:
            self.backend.no_truncation()
        tokens = np.full((len(rows), max(map(len, rows), default=0)), filler, np.int64)
        there = np.zeros(tokens.shape, bool)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = row
            there[i, : len(row)] = True
        return tokens, there

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text; what is only a part of a character is shown by the mark of an unknown one."""
        return [self.decode([index]) for index in self.encode(text)]

    def decode(self, indices: Any) -> str:
        """The text of numbers; special tokens are part of it.

        Parameters
        ----------
        indices : sequence of int, array or tensor (T,)

        Raises
        ------
        IndexError
            If a number is not in ``0..V-1``.
        """
        chosen = [int(i) for i in (indices.tolist() if hasattr(indices, "tolist") else indices)]
        for i in chosen:
            if not 0 <= i < len(self):
                raise IndexError(f"SubwordTokenizer.decode: index {i} is not in 0..{len(self) - 1}")
        return str(self.backend.decode(chosen, skip_special_tokens=False))
