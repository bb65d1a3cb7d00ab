"""Sampling and generation: what may be drawn, how often it is, when a text ends, and what its readers get."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.models import generate, sample, select_rows, stream
from tinygrad_edu.models.sampling import apply_temperature, ban_tokens, keep_top_k, keep_top_p, penalize_repeats

ROWS = st.lists(st.floats(-6, 6).map(lambda x: round(x, 1)), min_size=1, max_size=12)  # rounded: some are equal


def kept(logits):
    return set(np.flatnonzero(np.isfinite(logits.numpy())))


def by_rank(row):
    """Tokens from the likeliest to the least likely, of equal ones the first before the others."""
    return sorted(range(len(row)), key=lambda i: (-row[i], i))


@given(ROWS, st.integers(1, 14))
def test_top_k_keeps_the_k_largest(row, k):
    found = keep_top_k(tg.tensor(row, dtype=tg.float64), k)
    assert kept(found) == set(by_rank(row)[:k])
    assert all(found[i].item() == row[i] for i in kept(found))


@given(ROWS, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_tokens_that_reach_it(row, p):
    likely = np.exp(row) / np.exp(row).sum()
    order = by_rank(row)
    sums = np.cumsum(likely[order])
    if np.abs(sums - p).min() < 1e-9:
        return  # rounding may decide
    fewest = next((n for n in range(1, len(row)) if sums[n - 1] >= p), len(row))
    found = keep_top_p(tg.tensor([row, row[::-1]], dtype=tg.float64), p)
    assert kept(found[0]) == set(order[:fewest])
    assert kept(found[1]) == set(by_rank(row[::-1])[:fewest])


def test_what_was_banned_stays_banned():
    row = ban_tokens(tg.tensor([3.0, 2.0, 1.0, 0.0]), [0])
    assert kept(keep_top_k(row, 2)) == {1, 2}
    assert kept(keep_top_p(row, 0.5)) == {1}
    assert 0 not in kept(keep_top_p(row, 0.9999)) and 0 not in kept(keep_top_p(row, 1.0))


@given(ROWS, st.floats(0.1, 5), st.data())
def test_repeats_become_less_likely_and_others_stay(row, penalty, data):
    seen = data.draw(st.lists(st.booleans(), min_size=len(row), max_size=len(row)))
    found = penalize_repeats(tg.tensor(row, dtype=tg.float64), tg.tensor(seen), penalty).numpy()
    expected = [(x / penalty if x > 0 else x * penalty) if s else x for x, s in zip(row, seen, strict=True)]
    np.testing.assert_allclose(found, expected)


@given(ROWS, st.integers(0, 2**32))
def test_temperature_zero_is_greedy_and_low_ones_come_close(row, seed):
    generator = tg.Generator().manual_seed(seed)
    logits = tg.tensor(row)
    assert sample(logits, temperature=0).item() == by_rank(row)[0]
    for temperature in (1e-4, 1e-30, 1e-300):
        assert row[sample(logits, temperature=temperature, generator=generator).item()] == max(row)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.5}, {"temperature": 2.5, "top_k": 4}, {"top_p": 0.8}, {"top_k": 5, "top_p": 0.9}]
)
def test_tokens_are_drawn_as_often_as_they_should(options):
    stats = pytest.importorskip("scipy.stats")
    logits = np.array([0.5, -1.0, 2.0, 0.0, 1.0, 1.5, -3.0])
    p = np.exp(logits / options.get("temperature", 1.0))
    order = np.argsort(-logits)
    p[order[options.get("top_k", 7) :]] = 0
    p /= p.sum()
    if "top_p" in options:
        p[order[np.searchsorted(np.cumsum(p[order]), options["top_p"]) + 1 :]] = 0
        p /= p.sum()
    n = 20000
    drawn = sample(tg.tensor([logits]).expand(n, 7), generator=tg.Generator().manual_seed(1), **options).numpy()
    counts = np.bincount(drawn, minlength=7)
    assert not counts[p == 0].any()
    assert stats.chisquare(counts[p > 0], n * p[p > 0]).pvalue > 0.01


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda x: apply_temperature(x, 0), "apply_temperature: .* 0"),
        (lambda x: apply_temperature(x, math.nan), "apply_temperature: temperature"),
        (lambda x: keep_top_k(x, 0), "keep_top_k: top_k .* got 0"),
        (lambda x: keep_top_k(x, 1.5), "keep_top_k: top_k"),
        (lambda x: keep_top_p(x, 0), "keep_top_p: top_p .* got 0"),
        (lambda x: keep_top_p(x, 1.1), "keep_top_p: top_p"),
        (lambda x: penalize_repeats(x, x > 0, 0), "repetition_penalty .* got 0"),
        (lambda x: penalize_repeats(x, x, 2.0), r"seen must be bool\[3\], got float32\[3\]"),
        (lambda x: sample(x, temperature=-1), "sample: temperature .* got -1"),
        (lambda x: sample(x * math.nan), "sample: logits must be below inf"),
        (lambda x: sample(x - math.inf), "not -inf for all"),
        (lambda x: sample(x.reshape(1, 1, 3)), r"sample: .*\(N, V\)"),
    ],
)
def test_bad_arguments_of_sampling_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call(tg.tensor([0.0, 1.0, 2.0]))


def test_bad_tokens_and_logits_of_sampling_are_named():
    with pytest.raises(IndexError, match="token 3 is not in a vocabulary of 3"):
        ban_tokens(tg.zeros(3), [3])
    for call in (sample, lambda x: keep_top_k(x, 1), lambda x: keep_top_p(x, 0.5), lambda x: ban_tokens(x, [])):
        with pytest.raises(TypeError, match="floating-point logits"):
            call(tg.zeros(3, dtype=tg.int64))


# Generation. The model's state is a hash of all that it has read, so that its logits depend on every token and its place.


class Hashing(nn.Module):
    """A model of 7 tokens that notices everything: dropped, doubled and reordered tokens, gradients and modes."""

    def __init__(self, size=7):
        super().__init__()
        self.table = nn.Parameter(tg.randn(size, size, generator=tg.Generator().manual_seed(3)))
        self.drop = nn.Dropout(0.5)

    def step(self, tokens, state):
        state = tg.zeros(tokens.shape[0], self.table.shape[0]) if state is None else state
        state = self.drop(tg.cos(3 * state @ self.table + self.table[tokens]))
        return 3 * state, state


class Prefilled(Hashing):
    def prefill(self, tokens, state):
        self.read = tokens.shape[1]
        for column in tokens.unbind(1):
            logits, state = self.step(column, state)
        return logits, state


def simple(model, prompt, count):
    """Greedy generation, token by token, as one would write it down."""
    model.eval()
    state = None
    for token in prompt:
        logits, state = model.step(tg.tensor([token]), state)
    new = []
    for _ in range(count):
        new.append(int(logits.argmax()))
        logits, state = model.step(tg.tensor(new[-1:]), state)
    return new


PROMPTS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=4)


def padded(prompts):
    longest = max(map(len, prompts))
    return tg.tensor([p + [0] * (longest - len(p)) for p in prompts]), [len(p) for p in prompts]


@given(PROMPTS, st.integers(0, 6), st.sampled_from([Hashing, Prefilled]))
def test_prompts_of_any_lengths_are_continued_as_if_each_were_alone(prompts, count, kind):
    model = kind()
    expected = [simple(model, p, count) for p in prompts]
    model.train()
    tokens, lengths = padded(prompts)
    assert generate(model, tokens, count, lengths=lengths, greedy=True) == expected
    assert generate(model, tg.tensor(prompts[0]), count, temperature=0) == expected[0]
    assert model.training and model.drop.training, "dropout is off only while generating"
    assert model.table.grad is None
    if kind is Prefilled and count:
        assert model.read == len(prompts[0])


@given(PROMPTS, st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), max_size=3), st.integers(0, 8))
def test_a_row_ends_before_the_first_stop(prompts, stops, least):
    tokens, lengths = padded(prompts)
    model = Hashing(7)
    options = {"lengths": lengths, "stop": stops, "generator": tg.Generator().manual_seed(0)}
    rows = generate(model, tokens, 10, **options)
    for row in rows:
        for end in stops:
            assert not any(row[i : i + len(end)] == end for i in range(len(row))), "no stop is part of the result"
    greedy = generate(model, tokens, 10, lengths=lengths, stop=stops, greedy=True)
    for prompt, row in zip(prompts, greedy, strict=True):
        free = simple(model, prompt, 10)
        assert row == free[: len(row)]
        if len(row) < 10:
            assert any(free[len(row) : len(row) + len(end)] == end for end in stops)
    long = generate(model, tokens, 10, min_new_tokens=least, **options)
    assert all(len(row) >= min(least, 10) - 2 for row in long), "a stop has three tokens at most"


@given(PROMPTS, st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), max_size=3), st.integers(0, 2**32))
def test_a_stream_gives_the_same_tokens_and_a_seed_the_same_text(prompts, stops, seed):
    tokens, lengths = padded(prompts)
    results = []
    for _ in range(2):
        rows = [[] for _ in prompts]
        options = {"lengths": lengths, "stop": stops, "top_k": 3, "generator": tg.Generator().manual_seed(seed)}
        for i, token in stream(Hashing(), tokens, 8, **options):
            rows[i].append(token)
        results.append(rows)
        options["generator"].manual_seed(seed)
        results.append(generate(Hashing(), tokens, 8, **options))
    assert all(result == results[0] for result in results)


def test_a_stream_comes_as_it_is_made_and_leaves_modes_alone():
    model, reads = Hashing(), []
    step = model.step
    model.step = lambda tokens, state: (reads.append(tokens), step(tokens, state))[1]
    tokens = stream(model, tg.tensor([1, 2]), 3, greedy=True)
    assert not reads, "nothing is computed before it is asked for"
    next(tokens)
    assert len(reads) == 2 and model.training and tg.is_grad_enabled()
    assert len(list(tokens)) == 2 and len(reads) == 4, "the last token need not be read"


def test_a_token_is_held_back_while_it_may_begin_a_stop():
    def count(tokens, state):
        return F.one_hot((tokens + 1) % 8, 8).float(), state

    reads = []

    def watched(tokens, state):
        reads.append(tokens)
        return count(tokens, state)

    seen = [(token, len(reads)) for _, token in stream(watched, tg.tensor([0]), 6, greedy=True, stop=[[2, 3, 7]])]
    assert seen == [(1, 1), (2, 4), (3, 4), (4, 4), (5, 5), (6, 6)]
    assert generate(count, tg.tensor([0]), 6, greedy=True, stop=[[4, 5], 5]) == [1, 2, 3]
    assert generate(count, tg.tensor([0]), 2, greedy=True, stop=[[2, 3]]) == [1, 2]
    assert generate(count, tg.tensor([0]), 7, greedy=True, stop=[2], min_new_tokens=3)[1] != 2


def test_rules_of_ones_own_and_banned_tokens():
    def even(logits, rows):
        assert all(len(row) >= 2 for row in rows) and len(rows) == logits.shape[0]
        return ban_tokens(logits, [1, 3, 5])

    rows = generate(Hashing(), tg.tensor([[1, 1], [2, 1]]), 20, processors=[even], banned=[6])
    assert {token for row in rows for token in row} == {0, 2, 4}
    flat = generate(lambda t, s: (tg.zeros(1, 5) + 1, s), tg.tensor([2]), 4, repetition_penalty=1e9, temperature=0.01)
    assert sorted(flat) == [0, 1, 3, 4], "what occurred, in the prompt too, comes last"


@dataclass
class Layered:
    """A state whose parts count sequences in different dimensions."""

    h: tg.Tensor
    memory: tg.Tensor

    def select_rows(self, index):
        return Layered(self.h.index_select(1, index), self.memory.index_select(0, index))


@dataclass
class Plain:
    h: tg.Tensor
    steps: int


def test_rows_of_a_state_of_any_structure_are_chosen():
    h, index = tg.arange(12).reshape(2, 3, 2), tg.tensor([2, 0, 0, 1])
    chosen = tg.tensor(h.numpy()[:, [2, 0, 0, 1]])
    state = {"a": (h, [h, None]), "b": Plain(h, 4), "c": [Layered(h, h.transpose(0, 1))]}
    found = select_rows(state, index)
    assert found["a"][0].equal(chosen) and found["a"][1][0].equal(chosen) and found["a"][1][1] is None
    assert found["b"].h.equal(chosen) and found["b"].steps == 4
    assert found["c"][0].h.equal(chosen) and found["c"][0].memory.equal(chosen.transpose(0, 1))
    assert select_rows(h, tg.tensor([1]), dim=0).equal(h[1:])
    with pytest.raises(ValueError, match=r"shape \(3,\) has no sequences in dimension 1"):
        select_rows(tg.zeros(3), index)
    with pytest.raises(ValueError, match="index must be integers"):
        select_rows(h, tg.zeros(3))


@pytest.mark.parametrize("call", [generate, stream])
@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        ({"model": 3}, TypeError, "step"),
        ({"prompt": [1, 2]}, TypeError, "prompt"),
        ({"prompt": "zeros"}, TypeError, "prompt"),
        ({"prompt": "empty"}, ValueError, r"at least one token, got shape \(0,\)"),
        ({"max_new_tokens": -1}, ValueError, "max_new_tokens .* got -1"),
        ({"lengths": [1, 2]}, ValueError, r"1 lengths from 1 to 2, got \[1, 2\]"),
        ({"lengths": [3]}, ValueError, "lengths"),
        ({"lengths": [0]}, ValueError, "lengths"),
        ({"temperature": -0.1}, ValueError, "temperature"),
        ({"top_k": 0}, ValueError, "top_k"),
        ({"top_p": 0.0}, ValueError, "top_p"),
        ({"repetition_penalty": -1.0}, ValueError, "repetition_penalty"),
        ({"min_new_tokens": 0.5}, ValueError, "min_new_tokens"),
        ({"stop": [[]]}, ValueError, "stop"),
        ({"stop": ["end"]}, ValueError, "stop"),
        ({"topk": 3}, TypeError, "topk"),
    ],
)
def test_bad_arguments_of_generation_are_named(call, change, kind, match):
    prompts = {"zeros": tg.zeros(2), "empty": tg.zeros(0, dtype=tg.int64)}
    arguments = {"model": Hashing(), "prompt": tg.tensor([1, 2]), "max_new_tokens": 2, **change}
    if isinstance(arguments["prompt"], str):
        arguments["prompt"] = prompts[arguments["prompt"]]
    with pytest.raises(kind, match=match) as caught:
        call(**arguments)
    assert "topk" in change or str(caught.value).startswith(f"{call.__name__}: ")


@pytest.mark.parametrize(
    ("step", "kind", "match"),
    [
        (lambda tokens, state: tg.zeros(1, 5), TypeError, "pair"),
        (lambda tokens, state: (tg.zeros(2, 5), state), ValueError, r"shape \(1, V\), got float32\[2, 5\]"),
        (lambda tokens, state: (tg.zeros(5), state), ValueError, r"shape \(1, V\)"),
        (lambda tokens, state: (tg.zeros(1, 5) * math.nan, state), ValueError, "logits"),
    ],
)
def test_a_model_that_returns_something_else_is_refused(step, kind, match):
    with pytest.raises(kind, match=match):
        generate(step, tg.tensor([1]), 2)
