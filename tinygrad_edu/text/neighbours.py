"""WordVectors: which words are alike, and what is to one word as a second is to a third."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.serialization._writing import Path, replacing
from tinygrad_edu.text.vocabulary import Vocabulary

__all__ = ["WordVectors"]

Ranking = list[tuple[str, float]]


class WordVectors:
    """A vector for each word of a vocabulary, and questions to ask of them.

    Parameters
    ----------
    vocabulary : Vocabulary
    vectors : array or tensor (V, D)
        Of floating-point numbers. They are copied.

    Raises
    ------
    ValueError
        If there are not as many vectors as words, or some numbers are not finite.

    Examples
    --------
    >>> words = Vocabulary(["king", "queen", "man", "woman", "apple"])
    >>> vectors = WordVectors(words, np.array([[4.0, 3, 0], [4, -3, 0], [0, 5, 0], [0, -5, 0], [0, 0, 5]]))
    >>> vectors.most_similar("king", 1)
    [('man', 0.6)]
    >>> vectors.analogy("man", "king", "woman", 1)
    [('queen', 0.917...)]
    """

    def __init__(self, vocabulary: Vocabulary, vectors: Any) -> None:
        raw = vectors.detach().numpy() if hasattr(vectors, "detach") else vectors
        self.vectors: NDArray[np.floating] = np.array(raw)
        if self.vectors.ndim != 2 or len(self.vectors) != len(vocabulary):
            raise ValueError(
                f"WordVectors: {len(vocabulary)} words need vectors of shape [{len(vocabulary)}, D], got {list(self.vectors.shape)}"
            )
        if not np.isfinite(self.vectors).all():
            raise ValueError("WordVectors: some numbers are not finite; a training that diverges leaves such vectors")
        self.vocabulary = vocabulary
        norms = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self._unit = self.vectors / np.where(norms > 0, norms, 1)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        return f"WordVectors({len(self)} words, {self.vectors.shape[1]} dimensions)"

    def __getitem__(self, word: str) -> NDArray[np.floating]:
        """The vector of a word; a KeyError has words that are spelled alike."""
        return self.vectors[self.vocabulary.index(word)]

    def similarity(self, a: str, b: str) -> float:
        """The cosine of the angle between two words: 1 where they point the same way, 0 where they have nothing in common."""
        return float(self._unit[self.vocabulary.index(a)] @ self._unit[self.vocabulary.index(b)])

    def most_similar(self, word: str | NDArray[np.floating], count: int = 10) -> Ranking:
        """The words whose vectors have the smallest angle to a word's, or to a vector of shape (D,), with its cosine.

        Raises
        ------
        KeyError
            If the word is not in the vocabulary.
        """
        if isinstance(word, str):
            index = self.vocabulary.index(word)
            return self._best(self._unit @ self._unit[index], [index], count)
        return self._best(self._unit @ (word / (np.linalg.norm(word) or 1)), [], count)

    def analogy(self, a: str, b: str, c: str, count: int = 5, *, method: str = "add") -> Ranking:
        """What is to `c` as `b` is to `a`: words with a score, the best first; none of the three is among them.

        Parameters
        ----------
        a, b, c : str
            "man", "king", "woman".
        count : int, default 5
        method : {"add", "mul"}
            3CosAdd ranks by :math:`\\cos(d, b - a + c)`. 3CosMul ranks by
            :math:`\\cos(d, b)\\cos(d, c) / \\cos(d, a)` of cosines moved to 0..1, which lets no term rule the others
            (O. Levy and Y. Goldberg, "Linguistic regularities in sparse and explicit word representations", 2014).

        Raises
        ------
        KeyError
            If a word is not in the vocabulary.
        """
        given = [self.vocabulary.index(word) for word in (a, b, c)]
        if method == "add":
            direction = self._unit[given[1]] - self._unit[given[0]] + self._unit[given[2]]
            scores = self._unit @ (direction / (np.linalg.norm(direction) or 1))
        elif method == "mul":
            from_a, from_b, from_c = (self._unit @ self._unit[given].T).T / 2 + 0.5
            scores = from_b * from_c / (from_a + 1e-3)
        else:
            raise ValueError(f"analogy: method is 'add' or 'mul', got {method!r}")
        return self._best(scores, given, count)

    def _best(self, scores: NDArray[np.floating], excluded: Sequence[int], count: int) -> Ranking:
        """The `count` words with the highest scores, but for those excluded."""
        if count < 1:
            raise ValueError(f"the number of words to list must be at least 1, got {count}")
        scores = scores.copy()
        scores[list(excluded)] = -np.inf
        order = np.argsort(-scores, kind="stable")[: min(count, len(self) - len(set(excluded)))]
        return [(self.vocabulary.tokens[i], float(scores[i])) for i in order]

    def principal(self, words: Iterable[str], dimensions: int = 2) -> NDArray[np.floating]:
        """Coordinates of words along the directions in which they differ most, for a plot (PCA of their unit vectors).

        Returns
        -------
        numpy.ndarray (number of words, dimensions)
        """
        chosen = self._unit[[self.vocabulary.index(word) for word in words]]
        if not 1 <= dimensions <= min(chosen.shape):
            raise ValueError(
                f"principal: vectors of shape {list(chosen.shape)} have no {dimensions} principal directions"
            )
        u, s, _ = np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)
        signs = np.sign(u[np.abs(u).argmax(axis=0), np.arange(u.shape[1])])
        return (u * s * signs)[:, :dimensions]

    def save(self, path: Path) -> None:
        """Write the text format of word2vec: the sizes, and on each line a word and its vector."""
        for word in self.vocabulary:
            if not word or word.split() != [word]:
                raise ValueError(
                    f"WordVectors.save: the format has no place for {word!r}, which has white space or is empty"
                )
        with replacing(os.path.realpath(path)) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{len(self)} {self.vectors.shape[1]}\n")
            for word, vector in zip(self.vocabulary, self.vectors, strict=True):
                file.write(f"{word} {' '.join(map(str, vector.tolist()))}\n")

    @classmethod
    def load(cls, path: Path) -> WordVectors:
        """Read the text format of word2vec, or GloVe's, which has no line of sizes; float32.

        Raises
        ------
        OSError
            If the file can't be read.
        ValueError
            Which line holds no word with as many numbers as the others.
        """
        name = os.fspath(path)
        words: list[str] = []
        rows: list[NDArray[np.float32]] = []
        number = 0
        with open(path, encoding="utf-8") as file:
            try:
                for number, line in enumerate(file, 1):
                    word, *numbers = line.rstrip().split(" ")
                    if number == 1 and len(numbers) == 1 and word.isdecimal() and numbers[0].isdecimal():
                        continue
                    rows.append(np.array(numbers, np.float32))
                    words.append(word)
                    if not numbers or rows[-1].size != rows[0].size:
                        raise ValueError(f"it has {len(numbers)} numbers, the first word has {rows[0].size}")
            except ValueError as error:
                raise ValueError(f"WordVectors.load: line {number} of {name!r}: {error}") from None
        if not rows:
            raise ValueError(f"WordVectors.load: {name!r} has no vectors")
        return cls(Vocabulary(words), np.stack(rows))
