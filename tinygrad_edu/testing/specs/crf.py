"""Conditional random fields; the references go through all sequences of tags."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

ORDER = 3


@st.composite
def _chains(draw: Any, tagged: bool = False) -> tuple[Any, ...]:
    """Emissions (T, N, C), tags (T, N) if asked for, transitions, scores of first and last tags, and lengths."""
    steps, batch, tags = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    emissions = draw(some.tensors((steps, batch, tags), -2.0, 2.0))
    labels = [draw(some.integers((steps, batch), 0, tags))] if tagged else []
    scores = [draw(some.tensors(shape, -1.0, 1.0)) for shape in ((tags, tags), (tags,), (tags,))]
    lengths = draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    return emissions, *labels, *scores, lengths


def _scores(emissions: Any, transitions: Any, start: Any, end: Any, lengths: Any) -> list[dict[tuple[int, ...], float]]:
    """For each sequence the score of all its tags."""
    steps, batch, tags = emissions.shape
    found = []
    for n in range(batch):
        scores = {}
        for y in itertools.product(range(tags), repeat=steps if lengths is None else lengths[n]):
            moved = sum(transitions[i, j] for i, j in itertools.pairwise(y))
            emitted = sum(emissions[t, n, c] for t, c in enumerate(y))
            scores[y] = start[y[0]] + end[y[-1]] + moved + emitted
        found.append(scores)
    return found


def _log_partition(*arguments: Any) -> Any:
    return np.array([np.log(sum(map(np.exp, scores.values()))) for scores in _scores(*arguments)])


def _marginals(emissions: Any, *arguments: Any) -> Any:
    shares = np.zeros(emissions.shape)
    for n, scores in enumerate(_scores(emissions, *arguments)):
        for y, score in scores.items():
            shares[range(len(y)), n, y] += np.exp(score) / sum(map(np.exp, scores.values()))
    return shares


def _score(emissions: Any, tags: Any, *arguments: Any) -> Any:
    return np.array(
        [s[tuple(tags[: len(next(iter(s))), n].tolist())] for n, s in enumerate(_scores(emissions, *arguments))]
    )


def _viterbi(emissions: Any, *arguments: Any) -> Any:
    scores = _scores(emissions, *arguments)
    tags = np.full(emissions.shape[:2], -100)
    for n, s in enumerate(scores):
        best = max(s, key=s.__getitem__)
        tags[: len(best), n] = best
    return np.array([max(s.values()) for s in scores]), tags


def _clear(case: Any) -> bool:
    """Whether the best tags of each sequence are the best by far."""
    arguments = [a.numpy() if isinstance(a, tg.Tensor) else a for a in case]
    ranked = [sorted(s.values()) for s in _scores(*arguments)]
    return all(len(s) == 1 or s[-1] - s[-2] > 0.25 for s in ranked)


_ERRORS = (
    Bad(lambda: (tg.zeros(2, 3), tg.zeros(3, 3)), ValueError, r"got \(2, 3\)"),
    Bad(lambda: (tg.zeros(2, 1, 3), tg.zeros(3, 2)), ValueError, r"got \(3, 2\)"),
)

SPECS = [
    OpSpec("F.crf_log_partition", F.crf_log_partition, _chains(), _log_partition, errors=_ERRORS),
    OpSpec("F.crf_marginals", F.crf_marginals, _chains(), _marginals, errors=_ERRORS, rtol=1e-11),
    OpSpec(
        "F.crf_score",
        F.crf_score,
        _chains(tagged=True),
        _score,
        errors=(Bad(lambda: (tg.zeros(1, 1, 2), tg.tensor([[2]]), tg.zeros(2, 2)), IndexError, "2"),),
    ),
    OpSpec(
        "F.viterbi_decode",
        F.viterbi_decode,
        _chains().filter(_clear),
        _viterbi,
        errors=_ERRORS,
        domain="scores without a tie for the best",
        notes="the gradient is that of the score of the best tags",
    ),
]
