"""Conditional random fields: everything that dynamic programming finds is found once more by going through all sequences of tags."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.testing import check_gradients

seeds = st.integers(0, 2**32 - 1)
INF = float("inf")


def drawn(seed: int, forbid: bool = False) -> dict[str, Any]:
    """Scores of a small problem, some of which forbid something, and the lengths of its sequences."""
    rng = np.random.default_rng(seed)
    steps, batch, tags = rng.integers(1, 5), rng.integers(1, 4), rng.integers(1, 4)
    scale = rng.choice([1.0, 1.0, 50.0])
    shapes = {"emissions": (steps, batch, tags), "transitions": (tags, tags), "start": (tags,), "end": (tags,)}
    scores = {name: rng.normal(size=shape) * scale for name, shape in shapes.items()}
    if forbid:
        for values in scores.values():
            values[rng.random(values.shape) < 0.25] = -INF
    return {**scores, "lengths": rng.integers(1, steps + 1, batch)}


def tensors(problem: dict[str, Any], requires_grad: bool = False) -> dict[str, Any]:
    return {
        name: tg.tensor(v, requires_grad=requires_grad and name != "lengths") if isinstance(v, np.ndarray) else v
        for name, v in problem.items()
    }


def all_scores(p: dict[str, Any], n: int) -> dict[tuple[int, ...], float]:
    """The score of every sequence of tags of sequence n."""
    tags = len(p["start"])
    found = {}
    for y in itertools.product(range(tags), repeat=int(p["lengths"][n])):
        score = p["start"][y[0]] + p["end"][y[-1]] + sum(p["emissions"][t, n, c] for t, c in enumerate(y))
        found[y] = score + sum(p["transitions"][i, j] for i, j in itertools.pairwise(y))
    return found


def log_sum(values: Any) -> float:
    values = np.array(list(values))
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum())) if np.isfinite(top) else -INF


@given(seeds, st.booleans())
def test_the_log_partition_sums_over_all_sequences(seed: int, forbid: bool) -> None:
    problem = drawn(seed, forbid)
    found = F.crf_log_partition(**tensors(problem)).numpy()
    expected = [log_sum(all_scores(problem, n).values()) for n in range(len(found))]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@given(seeds, st.booleans())
def test_scores_are_those_written_out(seed: int, forbid: bool) -> None:
    problem = drawn(seed, forbid)
    rng = np.random.default_rng(seed)
    tags = rng.integers(0, len(problem["start"]), problem["emissions"].shape[:2])
    padded = np.where(np.arange(len(tags))[:, None] < problem["lengths"], tags, -100)
    found = F.crf_score(tags=tg.tensor(padded), **tensors(problem)).numpy()
    for n, length in enumerate(problem["lengths"]):
        assert found[n] == pytest.approx(all_scores(problem, n)[tuple(tags[:length, n].tolist())], rel=1e-12)


@given(seeds, st.booleans())
def test_viterbi_finds_the_best_of_all_sequences(seed: int, forbid: bool) -> None:
    problem = drawn(seed, forbid)
    given_tensors = tensors(problem)
    found = F.viterbi_decode(**given_tensors)
    assert found.score.tolist() == pytest.approx(F.crf_score(tags=found.tags, **given_tensors).tolist())
    for n, length in enumerate(problem["lengths"]):
        scores = all_scores(problem, n)
        path = tuple(found.tags[:length, n].tolist())
        assert scores[path] == pytest.approx(max(scores.values()), rel=1e-12)
        assert found.score[n].item() == pytest.approx(max(scores.values()), rel=1e-12)
        assert (found.tags[length:, n] == -100).all()


@given(seeds, st.booleans())
def test_marginals_are_shares_of_all_sequences_and_the_gradient_of_the_log_partition(seed: int, forbid: bool) -> None:
    problem = drawn(seed, forbid)
    arguments = tensors(problem, requires_grad=True)
    found = F.crf_marginals(**arguments)
    F.crf_log_partition(**arguments).sum().backward()
    np.testing.assert_allclose(found.detach().numpy(), arguments["emissions"].grad.numpy(), rtol=1e-9, atol=1e-11)
    moves = np.zeros_like(problem["transitions"])
    for n in range(found.shape[1]):
        expected = np.zeros(problem["emissions"].shape[::2])
        scores = all_scores(problem, n)
        total = log_sum(scores.values())
        for y, score in scores.items():
            if total > -INF:
                share = np.exp(score - total)
                expected[range(len(y)), y] += share
                np.add.at(moves, (y[:-1], y[1:]), share)
        np.testing.assert_allclose(found[:, n].detach().numpy(), expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(arguments["transitions"].grad.numpy(), moves, rtol=1e-9, atol=1e-10)


@given(seeds)
def test_the_fused_gradient_is_that_of_the_reference_also_where_much_is_forbidden(seed: int) -> None:
    problem = drawn(seed, forbid=True)
    arguments = tensors(problem, requires_grad=True)
    values = F.crf_log_partition(**arguments)
    leaves = [arguments[name] for name in ("emissions", "transitions", "start", "end")]
    cotangent = tg.tensor(np.random.default_rng(seed).normal(size=tuple(values.shape)))
    fused = tg.autograd.grad(values, leaves, cotangent, retain_graph=True)
    plain = tg.autograd.grad(values, leaves, cotangent, create_graph=True, materialize_grads=True)
    second = tg.autograd.grad(sum(g.square().sum() for g in plain), leaves, allow_unused=True, materialize_grads=True)
    for a, b, c in zip(fused, plain, second, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)
        assert np.isfinite(c.numpy()).all()


@pytest.mark.slow
@given(seeds)
def test_derivatives_of_higher_orders(seed: int) -> None:
    problem = drawn(seed)
    problem = {name: v if name == "lengths" else v / np.abs(v).max() for name, v in problem.items()}
    lengths = problem.pop("lengths").tolist()
    points = list(tensors(problem).values())
    check_gradients(lambda *x: F.crf_log_partition(*x, lengths=lengths), *points, order=3, seed=seed)
    check_gradients(lambda *x: F.crf_marginals(*x, lengths=lengths), *points, order=2, seed=seed)


@given(seeds)
def test_a_mask_says_what_lengths_say_and_padding_has_no_effect(seed: int) -> None:
    problem = drawn(seed)
    mask = np.arange(len(problem["emissions"]))[:, None] < problem["lengths"]
    padded = {**problem, "emissions": np.where(mask[:, :, None], problem["emissions"], np.nan)}
    del padded["lengths"]
    a, b = tensors(problem, requires_grad=True), tensors(padded, requires_grad=True)
    for x in (F.crf_log_partition(**a), F.crf_log_partition(**b, mask=tg.tensor(mask))):
        x.sum().backward()
    for name in padded:
        np.testing.assert_array_equal(a[name].grad.numpy(), b[name].grad.numpy())
    assert not b["emissions"].grad.numpy()[~mask].any()


def test_long_sequences_stay_exact_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=shape).astype("float32") for shape in ((2000, 1, 5), (5, 5))]
    single = [tg.tensor(x, requires_grad=True) for x in scores]
    double = [tg.tensor(x.astype("float64"), requires_grad=True) for x in scores]
    for x in (single, double):
        F.crf_log_partition(*x).sum().backward()
    assert F.crf_log_partition(*single).item() == pytest.approx(F.crf_log_partition(*double).item(), rel=1e-5)
    np.testing.assert_allclose(single[0].grad.numpy(), double[0].grad.numpy(), atol=2e-3)


def test_where_nothing_is_allowed_there_is_no_gradient_and_an_infinite_loss() -> None:
    crf = nn.LinearChainCRF(2, reduction="none", allowed_transitions=tg.zeros(2, 2).bool())
    emissions = tg.zeros(2, 1, 2, requires_grad=True)
    loss = crf(emissions, tg.zeros(2, 1).long())
    assert loss.item() == INF
    F.crf_log_partition(emissions, *crf.scores()).sum().backward()
    assert not emissions.grad.numpy().any() and not crf.transitions.grad.numpy().any()


def test_a_layer_learns_what_each_step_cannot_know() -> None:
    """Emissions say nothing; that tags take turns, and how they begin, is in the transitions."""
    tg.manual_seed(0)
    crf = nn.LinearChainCRF(2, batch_first=True)
    assert list(crf.state_dict()) == ["transitions", "start_transitions", "end_transitions"]
    tags = tg.tensor([[0, 1, 0, 1], [0, 1, 0, 1]])
    emissions = tg.zeros(2, 4, 2)
    optimizer = tg.optim.Adam(crf.parameters(), lr=0.3)
    for _ in range(30):
        optimizer.zero_grad()
        loss = crf(emissions, tags, lengths=[4, 2])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    assert crf.decode(emissions, lengths=[4, 3]) == [[0, 1, 0, 1], [0, 1, 0]]
    assert crf.marginals(emissions)[:, 0, 0].min().item() > 0.9


@pytest.mark.parametrize("reduction", ["mean", "sum", "token_mean"])
@pytest.mark.parametrize("form", ["lengths", "list", "mask", "whole"])
def test_reductions(reduction: str, form: str) -> None:
    tg.manual_seed(1)
    emissions, tags = tg.randn(4, 3, 2), tg.randint(0, 2, (4, 3))
    lengths = [4, 4, 4] if form == "whole" else [4, 1, 2]
    masked = {"mask": tg.arange(4)[:, None] < tg.tensor(lengths)}
    how = {"lengths": {"lengths": tg.tensor(lengths)}, "list": {"lengths": lengths}, "mask": masked, "whole": {}}[form]
    crf = nn.LinearChainCRF(2, reduction=reduction)
    alone = nn.LinearChainCRF(2, reduction="none")
    alone.load_state_dict(crf.state_dict())
    losses = alone(emissions, tags, **how)
    over = {"mean": 3, "sum": 1, "token_mean": sum(lengths)}[reduction]
    assert crf(emissions, tags, **how).item() == pytest.approx(losses.sum().item() / over, rel=1e-6)
    for n, length in enumerate(lengths):
        one = alone(emissions[:length, n : n + 1], tags[:length, n : n + 1])
        assert one.item() == pytest.approx(losses[n].item(), rel=1e-5)


def test_what_is_not_allowed_is_never_said() -> None:
    tg.manual_seed(0)
    allowed = tg.tensor([[True, False], [True, True]])
    crf = nn.LinearChainCRF(2, allowed_transitions=allowed, allowed_start=tg.tensor([False, True]))
    emissions = tg.randn(6, 20, 2) * 5
    for path in crf.decode(emissions):
        assert path == sorted(path, reverse=True) and path[0] == 1
    assert crf.marginals(emissions)[0, :, 0].abs().max().item() == 0
    crf(emissions, tg.ones(6, 20).long()).backward()
    assert crf.transitions.grad[0, 1].item() == crf.start_transitions.grad[0].item() == 0
    assert np.isfinite(crf.transitions.grad.numpy()).all()


E, TRANSITIONS, TAGS = tg.zeros(3, 2, 4), tg.zeros(4, 4), tg.zeros(3, 2).long()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.crf_log_partition(E[0], TRANSITIONS), ValueError, r"crf_log_partition: .*\(T, N, C\).*got \(2, 4\)"),
        (lambda: F.crf_log_partition(E[:0], TRANSITIONS), ValueError, r"a step .* at least, got \(0, 2, 4\)"),
        (lambda: F.crf_log_partition(E, TRANSITIONS[1:]), ValueError, r"shape \(4, 4\), got \(3, 4\)"),
        (
            lambda: F.crf_log_partition(E, TRANSITIONS, tg.zeros(3)),
            ValueError,
            r"the start need shape \(4,\), got \(3,\)",
        ),
        (lambda: F.crf_log_partition(E.long(), TRANSITIONS), TypeError, "floating-point"),
        (lambda: F.crf_marginals(E, TRANSITIONS, lengths=[3, 0]), ValueError, "between 1 and .* 3"),
        (lambda: F.crf_marginals(E, TRANSITIONS, lengths=[3, 4]), ValueError, "between 1 and .* 3"),
        (lambda: F.crf_marginals(E, TRANSITIONS, lengths=[3]), ValueError, "2 integers"),
        (lambda: F.crf_marginals(E, TRANSITIONS, lengths=3), TypeError, "lengths must be"),
        (
            lambda: F.viterbi_decode(E, TRANSITIONS, mask=tg.ones(2, 3).bool()),
            ValueError,
            r"\(3, 2\), got bool\[2, 3\]",
        ),
        (lambda: F.viterbi_decode(E, TRANSITIONS, mask=tg.ones(3, 2)), ValueError, "of booleans"),
        (
            lambda: F.viterbi_decode(E, TRANSITIONS, mask=tg.tensor([[1, 1], [0, 1], [1, 0]]).bool()),
            ValueError,
            "holes",
        ),
        (
            lambda: F.viterbi_decode(E, TRANSITIONS, mask=tg.tensor([[1, 0], [1, 0], [1, 0]]).bool()),
            ValueError,
            "without a",
        ),
        (lambda: F.viterbi_decode(E, TRANSITIONS, lengths=[1, 1], mask=E[..., 0] == 0), ValueError, "one of them"),
        (lambda: F.crf_score(E, TAGS + 4, TRANSITIONS), IndexError, "target 4 .* 4 classes"),
        (lambda: F.crf_score(E, TAGS - 1, TRANSITIONS), IndexError, "target -1"),
        (lambda: F.crf_score(E, TAGS[1:], TRANSITIONS), ValueError, r"need shape \(3, 2\), got \(2, 2\)"),
        (lambda: F.crf_score(E, E[..., 0], TRANSITIONS), TypeError, "integers"),
        (lambda: nn.LinearChainCRF(0), ValueError, "num_tags"),
        (lambda: nn.LinearChainCRF(2, reduction="max"), ValueError, "LinearChainCRF: reduction"),
        (
            lambda: nn.LinearChainCRF(2, allowed_start=tg.ones(3).bool()),
            ValueError,
            r"allowed_start .*\(2,\), got bool\[3\]",
        ),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
