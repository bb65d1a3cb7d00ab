"""Labels of tokens: files in CoNLL's format, the spans that labels mean, and how many of them were found.

In the BIO scheme the first token of a span of kind X is labelled ``B-X``, each further one ``I-X``, and a token outside of all
spans ``O``. So ``I-X`` stands after ``B-X`` or ``I-X`` and nowhere else.
Source: Ramshaw and Marcus, Text chunking using transformation-based learning, 1995.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.serialization._writing import Path

__all__ = ["SpanScores", "allowed_bio", "broken_bio", "read_conll", "span_scores", "spans"]

Span = tuple[int, int, str]


def read_conll(
    path: Path, *, token_column: int = 0, label_column: int = -1, separator: str | None = None
) -> list[tuple[list[str], list[str]]]:
    """Read labelled sentences: a token with its columns on each line, an empty line after each sentence.

    Lines that begin with ``-DOCSTART-`` or with ``# `` separate, too, and say nothing.

    Parameters
    ----------
    path : path
        A text file in UTF-8.
    token_column, label_column : int
        Where the token and its label stand; -1 is the last column.
    separator : str, optional
        What stands between columns; any white space by default.

    Returns
    -------
    list of (tokens, labels)

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If a line lacks a column, or there are no sentences; or the file is not UTF-8.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.conll")
    >>> with open(path, "w") as file:
    ...     _ = file.write("Ada NNP B-PER\\nLovelace NNP I-PER\\nwrote VBD O\\n\\nYes UH O\\n")
    >>> read_conll(path)
    [(['Ada', 'Lovelace', 'wrote'], ['B-PER', 'I-PER', 'O']), (['Yes'], ['O'])]
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"read_conll: {os.fspath(path)!r} is not UTF-8 text: {error}") from None
    found: list[tuple[list[str], list[str]]] = []
    tokens: list[str] = []
    labels: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if not line.strip() or line.startswith(("-DOCSTART-", "# ")):
            if tokens:
                found.append((tokens, labels))
                tokens, labels = [], []
            continue
        columns = line.split(separator)
        try:
            token, label = columns[token_column], columns[label_column]
        except IndexError:
            token = label = ""
        if len(columns) < 2 or not token or not label:
            raise ValueError(
                f"read_conll: line {number} of {os.fspath(path)!r} has no token in column {token_column} and label in column "
                f"{label_column}: {line!r:.60}"
            )
        tokens.append(token)
        labels.append(label.strip())
    if not found:
        raise ValueError(f"read_conll: {os.fspath(path)!r} has no sentences")
    return found


def spans(labels: Sequence[str]) -> list[Span]:
    """The spans that labels in the BIO scheme mean: (first token, token after the last, kind).

    An ``I-X`` that continues nothing begins a span, as in the evaluation of CoNLL 2000.

    Examples
    --------
    >>> spans(["B-PER", "I-PER", "O", "B-LOC", "B-LOC"])
    [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]
    """
    found: list[Span] = []
    begin, kind = 0, ""
    for i, label in enumerate([*labels, "O"]):
        goes_on = label.startswith("I-") and label[2:] == kind
        if not goes_on:
            if kind:
                found.append((begin, i, kind))
            begin, kind = i, label[2:] if label[:2] in ("B-", "I-") else ""
    return found


def broken_bio(labels: Sequence[str]) -> int:
    """Count the labels that the BIO scheme forbids: each ``I-X`` that continues no span of kind X.

    Examples
    --------
    >>> broken_bio(["O", "I-PER", "I-PER", "I-LOC"])
    2
    """
    return sum(
        label.startswith("I-") and (last[:2] not in ("B-", "I-") or last[2:] != label[2:])
        for last, label in pairwise(["O", *labels])
    )


def allowed_bio(labels: Iterable[str]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which label may follow which, and which may be the first, in the BIO scheme.

    Returns
    -------
    transitions : array of bool, (C, C)
        True in row i, column j where label j may follow label i.
    start : array of bool, (C,)

    Examples
    --------
    >>> transitions, start = allowed_bio(["O", "B-PER", "I-PER"])
    >>> transitions.tolist(), start.tolist()
    ([[True, True, False], [True, True, True], [True, True, True]], [True, True, False])
    """
    listed = list(labels)
    start = np.array([not broken_bio([label]) for label in listed], bool)
    pairs = [[not label.startswith("I-") or last[2:] == label[2:] for label in listed] for last in listed]
    return np.array(pairs, bool).reshape(len(listed), len(listed)), start


@dataclass(frozen=True)
class SpanScores:
    """How many spans were found, exactly and of the right kind.

    Attributes
    ----------
    precision : float
        The share of found spans that are right.
    recall : float
        The share of right spans that were found.
    f1 : float
        2 / (1 / precision + 1 / recall).
    by_kind : dict
        The F1 of each kind.
    """

    precision: float
    recall: float
    f1: float
    by_kind: dict[str, float]


def span_scores(found: Iterable[Sequence[str]], expected: Iterable[Sequence[str]]) -> SpanScores:
    """Compare labels that were found with those that are right, span by span, over many sentences.

    Raises
    ------
    ValueError
        If there are not as many sentences, or labels in one of them.

    Examples
    --------
    >>> span_scores([["B-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "B-LOC"]]).f1
    0.5
    """
    right, said, there = Counter[str](), Counter[str](), Counter[str]()
    found, expected = list(found), list(expected)
    if len(found) != len(expected):
        raise ValueError(f"span_scores: {len(found)} sentences were labelled, but there are labels of {len(expected)}")
    for i, (mine, true) in enumerate(zip(found, expected, strict=True)):
        if len(mine) != len(true):
            raise ValueError(f"span_scores: sentence {i} has {len(true)} labels, {len(mine)} were found")
        a, b = set(spans(mine)), set(spans(true))
        said.update(kind for *_, kind in a)
        there.update(kind for *_, kind in b)
        right.update(kind for *_, kind in a & b)

    def f1(hits: int, n: int, m: int) -> float:
        return 2 * hits / (n + m) if n + m else 1.0

    hits, n, m = right.total(), said.total(), there.total()
    by_kind = {kind: f1(right[kind], said[kind], there[kind]) for kind in sorted(said | there)}
    return SpanScores(hits / n if n else 1.0, hits / m if m else 1.0, f1(hits, n, m), by_kind)
