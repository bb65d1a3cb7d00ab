"""Beam search: against going through all sequences, against greedy writing, batches against single rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.models import beam_search, generate
from tinygrad_edu.models.gpt import GPT, GPTConfig
from tinygrad_edu.nn import functional as F


class Random:
    """A small recurrent model with drawn weights, whose state is a dict of tensors and tuples, rows first."""

    def __init__(self, vocabulary: int, seed: int, rows: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.read, self.mix, self.write = (
            tg.tensor(rng.normal(size=size) * 2) for size in ((vocabulary, 4), (4, 4), (4, vocabulary))
        )
        self.state = {"h": (tg.tensor(rng.normal(size=(rows, 4))),), "seen": tg.zeros(rows, 1)}

    def step(self, tokens: tg.Tensor, state: Any) -> tuple[tg.Tensor, Any]:
        h = tg.tanh(state["h"][0] @ self.mix + self.read[tokens])
        return h @ self.write, {"h": (h,), "seen": state["seen"] + 1}

    def row(self, i: int) -> Any:
        return {"h": (self.state["h"][0][i : i + 1],), "seen": self.state["seen"][i : i + 1]}


def score(log_p: float, length: int, alpha: float, penalty: str) -> float:
    return log_p / (length if penalty == "average" else (5 + length) / 6) ** alpha


def all_sequences(
    model: Random,
    vocabulary: int,
    first: int,
    end: int,
    longest: int,
    shortest: int,
    rank: Callable[[float, int], float],
) -> list[tuple[list[int], float]]:
    """Every sequence that ends, or is as long as it may be, with its score, the best first."""
    others = [token for token in range(vocabulary) if token != end]
    found = []
    for length in range(1, longest + 1):
        for tokens in itertools.product(others, repeat=length - 1):
            lasts = [end] if length > shortest else []
            for last in [*lasts, *(others if length == longest else [])]:
                log_p, state, read = 0.0, model.row(0), first
                for token in [*tokens, last]:
                    logits, state = model.step(tg.tensor([read]), state)
                    log_p += F.log_softmax(logits, 1)[0, token].item()
                    read = token
                found.append(([*tokens, last][: length - (last == end)], rank(log_p, length)))
    return sorted(found, key=lambda pair: -pair[1])


@given(
    st.integers(2, 3),
    st.integers(1, 3),
    st.integers(0, 1),
    st.sampled_from([0.0, 0.6, 1.0, -0.5]),
    st.sampled_from(["gnmt", "average"]),
    st.integers(0, 2**32 - 1),
)
def test_a_wide_beam_finds_what_going_through_all_sequences_finds(
    vocabulary: int, longest: int, shortest: int, alpha: float, penalty: str, seed: int
) -> None:
    """The best of all and those behind it, with their scores."""
    model, end = Random(vocabulary, seed), seed % vocabulary
    everything = all_sequences(
        model, vocabulary, 0, end, longest, shortest, lambda log_p, n: score(log_p, n, alpha, penalty)
    )
    wide = vocabulary**longest + 1
    options = {"end": end, "max_length": longest, "min_length": shortest, "state": model.state, "dim": 0}
    weights = {"length_penalty": alpha, "penalty": penalty}
    for n_best in (1, 3):
        (found,) = beam_search(model, tg.tensor([0]), beam_size=wide, n_best=n_best, **options, **weights)
        expected = everything[:n_best]
        np.testing.assert_allclose([h.score for h in found], [s for _, s in expected], rtol=1e-9)
        assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
        for h in found:
            length = len(h.tokens) + h.ended
            assert h.score == pytest.approx(score(h.log_probability, length, alpha, penalty))
            assert len(h.tokens) >= shortest and (h.ended or length == longest)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 6), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_a_batch_is_its_rows_one_by_one(vocabulary: int, rows: int, beam: int, shortest: int, seed: int) -> None:
    model = Random(vocabulary, seed, rows)
    first = tg.tensor([i % vocabulary for i in range(rows)])
    options = {
        "end": 1,
        "max_length": 6,
        "min_length": shortest,
        "beam_size": beam,
        "n_best": beam,
        "length_penalty": 0.7,
    }
    together = beam_search(model, first, state=model.state, dim=0, **options)
    for i, found in enumerate(together):
        (alone,) = beam_search(model, first[i : i + 1], state=model.row(i), dim=0, **options)
        assert [(h.tokens, h.ended) for h in found] == [(h.tokens, h.ended) for h in alone]
        np.testing.assert_allclose([h.score for h in found], [h.score for h in alone], rtol=1e-9)
        assert found == sorted(found, key=lambda h: -h.score) and 1 <= len(found) <= beam
        assert len({(tuple(h.tokens), h.ended) for h in found}) == len(found)


@given(st.integers(2, 6), st.integers(1, 3), st.floats(-1, 1), st.integers(0, 2**32 - 1))
def test_a_beam_of_one_is_greedy_writing(vocabulary: int, rows: int, alpha: float, seed: int) -> None:
    model = Random(vocabulary, seed, rows)
    first = tg.zeros(rows, dtype="int64")
    found = beam_search(model, first, end=1, max_length=7, beam_size=1, length_penalty=alpha, state=model.state, dim=0)
    written = generate(model.step, first[:, None], 7, greedy=True, stop=[1], state=model.state)
    assert [h.tokens for (h,) in found] == written


def test_a_wider_beam_finds_the_likelier_whole_behind_an_unlikelier_beginning() -> None:
    chances = tg.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])

    def step(tokens: tg.Tensor, state: None) -> tuple[tg.Tensor, None]:
        return chances[tokens].log(), state

    (narrow,), (wide,) = (beam_search(step, tg.tensor([0]), end=0, max_length=5, beam_size=beam)[0] for beam in (1, 2))
    assert narrow.tokens == [1] and narrow.log_probability == pytest.approx(math.log(0.24))
    assert wide.tokens == [2] and wide.log_probability == pytest.approx(math.log(0.36)) and wide.ended


def test_unlikely_ends_do_not_stop_a_search() -> None:
    """A model that is sure of its way has the end among the likeliest at every step, far behind."""
    chances = tg.full((6, 6), 0.01) + 0.9 * tg.eye(6).roll(1, 1)  # 1, 2, 3, 4, 5, and then 0, the end

    def step(tokens: tg.Tensor, state: None) -> tuple[tg.Tensor, None]:
        return chances[tokens].log(), state

    for beam in (1, 2, 4, 10):
        found = beam_search(step, tg.tensor([0]), end=0, max_length=9, beam_size=beam, n_best=min(beam, 3))[0]
        assert found[0].tokens == [1, 2, 3, 4, 5] and len(found) == min(beam, 3)


def test_a_penalty_makes_long_sequences_win_and_a_minimum_forbids_short_ones() -> None:
    chances = tg.tensor([[0.4, 0.6]]).log()

    def step(tokens: tg.Tensor, state: None) -> tuple[tg.Tensor, None]:
        return chances.expand(len(tokens), 2), state

    def best(**options: Any) -> Any:
        return beam_search(step, tg.tensor([1]), end=0, max_length=6, beam_size=8, **options)[0][0]

    assert best().tokens == []  # 0.4, and the log-probability of a longer one is lower
    assert best(min_length=2).tokens == [1, 1]
    long = best(length_penalty=1.0, penalty="average")
    assert long.tokens == [1] * 6 and not long.ended and long.score == pytest.approx(math.log(0.6))


def test_rows_end_at_different_times_and_a_row_may_have_no_sequence() -> None:
    table = tg.tensor([[-math.inf, 0.0, -math.inf], [0.0, -math.inf, -math.inf], [-math.inf, -math.inf, 0.0]])

    def step(tokens: tg.Tensor, state: None) -> tuple[tg.Tensor, None]:
        return table[tokens], state

    found = beam_search(step, tg.tensor([0, 1, 2]), end=0, max_length=4, beam_size=3, n_best=3)
    assert [[(h.tokens, h.ended) for h in row] for row in found] == [[([1], True)], [([], True)], [([2] * 4, False)]]
    assert beam_search(step, tg.tensor([1]), end=0, max_length=2, min_length=2) == [[]]


def test_a_transformer_with_a_cache_can_be_searched() -> None:
    tg.manual_seed(1)
    model = GPT(GPTConfig(vocab_size=5, block_size=8, n_layer=1, n_head=1, n_embd=4, dropout=0.5))
    first = tg.tensor([0, 1])
    found = beam_search(model, first, end=4, max_length=6, beam_size=1, dim=0)
    assert model.training  # as it was
    assert [h.tokens for (h,) in found] == generate(model, first[:, None], 6, greedy=True, stop=[4])
    wide = beam_search(model, first, end=4, max_length=6, beam_size=6, dim=0)
    assert all(a.score >= b.score - 1e-6 for (a,), (b,) in zip(wide, found, strict=True))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"end": -1}, ValueError, "end must be an integer of at least 0, got -1"),
        ({"end": 9}, ValueError, "end = 9 is none of the model's 3 tokens"),
        ({"max_length": 0}, ValueError, "max_length must be an integer of at least 1"),
        ({"min_length": 6}, ValueError, "min_length = 6 is more than max_length = 5"),
        ({"beam_size": 2.0}, ValueError, "beam_size must be an integer"),
        ({"n_best": 5}, ValueError, "n_best = 5 is more than beam_size = 4"),
        ({"penalty": "sum"}, ValueError, "'gnmt' or 'average', got 'sum'"),
        ({"length_penalty": math.nan}, ValueError, "length_penalty must be a number"),
        ({"model": 3}, TypeError, "something that has a method step, got 3"),
        ({"model": lambda t, s: t}, TypeError, r"a pair \(logits, state\), got int64\[2\]"),
        ({"model": lambda t, s: (tg.zeros(3), s)}, ValueError, r"logits of shape \(2, V\)"),
        ({"model": lambda t, s: (tg.full((2, 3), math.nan), s)}, ValueError, "logits are NaN"),
        ({"first": tg.zeros(2)}, TypeError, r"one integer a row, \(N,\), got float32\[2\]"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"model": lambda t, s: (tg.zeros(len(t), 3), s), "first": tg.tensor([0, 1])}
    arguments |= {"end": 0, "max_length": 5} | change
    with pytest.raises(error, match=message):
        beam_search(arguments.pop("model"), arguments.pop("first"), **arguments)
