"""Vocabulary: which integer stands for which token."""

from __future__ import annotations

import difflib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.serialization._writing import Path, replacing

__all__ = ["BOS", "EOS", "PAD", "UNK", "Vocabulary"]

PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<bos>", "<eos>"
"""Fills up short sequences; stands for words that are not listed; before the first word; after the last."""


class Vocabulary:
    """A list of distinct tokens; the index of a token is its place in it.

    Make one from a text with `build`, or one of characters with `of_characters`.

    Parameters
    ----------
    tokens : iterable of str
        In the order of their indices.
    counts : sequence of int, optional
        How often each occurs; zeros where it is left out.

    Attributes
    ----------
    tokens : tuple of str
    counts : numpy.ndarray (V,) of int64
        How often each token occurred in the text; for ``<unk>``, how often those occurred that were cut.

    Raises
    ------
    ValueError
        If a token occurs twice, or there are not as many counts as tokens.

    Examples
    --------
    >>> vocabulary = Vocabulary.build("you say goodbye and i say hello .".split())
    >>> len(vocabulary), vocabulary["say"], vocabulary.tokens[0]
    (7, 0, 'say')
    >>> vocabulary.encode(["i", "say", "hello"])
    array([5, 0, 4])
    >>> vocabulary.decode([5, 0, 4])
    ['i', 'say', 'hello']
    """

    def __init__(self, tokens: Iterable[str], counts: Sequence[int] | NDArray[np.int64] | None = None) -> None:
        self.tokens: tuple[str, ...] = tuple(tokens)
        for token in self.tokens:
            if not isinstance(token, str):
                raise TypeError(f"Vocabulary: tokens are str, got {token!r} of type {type(token).__name__}")
        self._index = {token: i for i, token in enumerate(self.tokens)}
        if len(self._index) < len(self.tokens):
            twice = [token for token, n in Counter(self.tokens).items() if n > 1]
            raise ValueError(f"Vocabulary: a token has one index, but {twice[:3]} occur more than once")
        self.counts: NDArray[np.int64] = np.zeros(len(self.tokens), np.int64)
        if counts is not None:
            given = np.asarray(counts)
            if given.shape != self.counts.shape:
                raise ValueError(f"Vocabulary: {len(self.tokens)} tokens, but counts of shape {list(given.shape)}")
            self.counts[:] = given

    @classmethod
    def build(
        cls,
        tokens: Iterable[str] | Mapping[str, int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Count the tokens of a text, and list them: first the specials, then the others, the most frequent first.

        Tokens of one count are sorted by their characters, so the result depends on nothing but the counts.

        Parameters
        ----------
        tokens : iterable of str, or mapping from str to int
            A text, or the counts of its tokens.
        min_count : int, default 1
            Leave out what is rarer.
        max_size : int, optional
            At most as many tokens, specials included.
        specials : sequence of str
            Tokens that are listed in any case, such as ``(PAD, UNK)``.

        Raises
        ------
        ValueError
            If `max_size` has no room for the specials, or nothing is left.

        Examples
        --------
        >>> text = "a rose is a rose is a rose".split()
        >>> vocabulary = Vocabulary.build(text, min_count=3, specials=("<pad>", "<unk>"))
        >>> vocabulary.tokens, vocabulary.counts
        (('<pad>', '<unk>', 'a', 'rose'), array([0, 2, 3, 3]))
        """
        if isinstance(tokens, str):
            raise TypeError(
                "Vocabulary.build: expected a list of tokens, got a str; cut it with words(...) or characters(...)"
            )
        if min_count < 1:
            raise ValueError(f"Vocabulary.build: min_count must be at least 1, got {min_count}")
        if max_size is not None and max_size < max(1, len(specials)):
            raise ValueError(f"Vocabulary.build: max_size={max_size} has no room for {max(1, len(specials))} tokens")
        counts = Counter(tokens)
        fixed = list(specials)
        ranked = sorted(
            (t for t, n in counts.items() if n >= min_count and t not in fixed), key=lambda t: (-counts[t], t)
        )
        listed = fixed + (ranked if max_size is None else ranked[: max_size - len(fixed)])
        if not listed:
            what = f"none of {len(counts)} tokens occurs {min_count} times" if counts else "the text has no tokens"
            raise ValueError(f"Vocabulary.build: {what}; an empty vocabulary is of no use")
        result = cls(listed, [counts[token] for token in listed])
        if UNK in result:
            result.counts[result[UNK]] += counts.total() - int(result.counts.sum())
        return result

    @classmethod
    def of_characters(cls, text: str, *, specials: Sequence[str] = ()) -> Vocabulary:
        """The distinct characters of a text in code-point order, after the specials.

        Examples
        --------
        >>> Vocabulary.of_characters("57+5", specials=("<pad>",)).tokens
        ('<pad>', '+', '5', '7')
        """
        counts = Counter(text)
        listed = [*specials, *sorted(counts)]
        if not listed:
            raise ValueError("Vocabulary.of_characters: the text has no characters")
        return cls(listed, [counts[token] for token in listed])

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.tokens[:5]))
        return f"Vocabulary({len(self)} tokens: {shown}{', ...' if len(self) > 5 else ''})"

    def __getitem__(self, token: str) -> int:
        """The index of a token, or of ``<unk>`` where that is listed; a KeyError as from `index` where neither is."""
        return (
            self._index[token]
            if token in self._index
            else self._index[UNK]
            if UNK in self._index
            else self.index(token)
        )

    def index(self, token: str) -> int:
        """The index of a token that is listed itself.

        Raises
        ------
        KeyError
            If it is not; the message has words that are spelled alike.
        """
        index = self._index.get(token)
        if index is None:
            alike = difflib.get_close_matches(str(token), self.tokens, n=3, cutoff=0.7)
            hint = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else ""
            raise KeyError(f"{token!r} is not among the {len(self)} tokens of the vocabulary{hint}")
        return index

    def encode(self, tokens: Iterable[str], *, skip_unknown: bool = False) -> NDArray[np.int64]:
        """The indices of tokens, of a text for example.

        Parameters
        ----------
        tokens : iterable of str
            A str counts as its characters.
        skip_unknown : bool, default False
            Whether tokens that are not listed are left out, in place of becoming ``<unk>`` or an error.

        Returns
        -------
        numpy.ndarray (T,) of int64

        Raises
        ------
        KeyError
            If a token is not listed, and neither is ``<unk>``.
        """
        if skip_unknown:
            found = [i for i in map(self._index.get, tokens) if i is not None]
        else:
            tokens = list(tokens)
            unknown = self._index.get(UNK, -1)
            found = [self._index.get(token, unknown) for token in tokens]
            if -1 in found:
                self.index(tokens[found.index(-1)])  # raises, with a hint
        return np.array(found, np.int64)

    def decode(self, indices: Any) -> list[str]:
        """The tokens of indices.

        Parameters
        ----------
        indices : sequence of int, array or tensor (T,)

        Raises
        ------
        IndexError
            If an index is not in ``0..V-1``.
        """
        if hasattr(indices, "tolist"):
            indices = indices.tolist()
        chosen = [int(i) for i in indices]
        for i in chosen:
            if not 0 <= i < len(self):
                raise IndexError(f"Vocabulary.decode: index {i} is not in 0..{len(self) - 1}")
        return [self.tokens[i] for i in chosen]

    def save(self, path: Path) -> None:
        """Write the tokens and their counts to a JSON file, whole or not at all.

        Raises
        ------
        OSError
            If it can't be written.
        """
        content = {"tokens": self.tokens, "counts": self.counts.tolist()}
        with replacing(os.path.realpath(path)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` has written.

        Raises
        ------
        OSError
            If it can't be read.
        ValueError
            If it holds something else.

        Examples
        --------
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "vocabulary.json")
        >>> Vocabulary.of_characters("hello").save(path)
        >>> Vocabulary.load(path)
        Vocabulary(4 tokens: 'e', 'h', 'l', 'o')
        """
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            return cls(content["tokens"], content["counts"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"Vocabulary.load: {os.fspath(path)!r} holds no vocabulary: {error}") from None
