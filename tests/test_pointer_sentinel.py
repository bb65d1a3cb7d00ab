"""The pointer sentinel mixture model: its probabilities, its window, and text in which copying is what matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.models import PointerSentinelLM, RNNLanguageModel, generate, perplexity
from tinygrad_edu.models.pointer_sentinel import mixture_log_prob, pointer_sentinel_loss
from tinygrad_edu.testing import check_gradients
from tinygrad_edu.utils.bptt import TruncatedBPTT


@st.composite
def mixtures(draw):
    """Logits, scores with some -inf, words in sight, and targets."""
    batch = draw(st.sampled_from([(), (3,), (2, 3)]))
    size, seen = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = 2 * rng.normal(size=(*batch, seen + 1))
    scores[..., :-1][rng.uniform(size=(*batch, seen)) < draw(st.sampled_from([0, 0.5, 1]))] = -np.inf
    return (
        2 * rng.normal(size=(*batch, size)),
        scores,
        rng.integers(size, size=(*batch, seen)),
        rng.integers(size, size=batch),
    )


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@given(mixtures())
def test_the_mixture_is_that_of_the_equation(mixture):
    logits, scores, words, target = mixture
    weights = softmax(scores)
    expected = weights[..., -1:] * softmax(logits)
    for place in np.ndindex(words.shape):
        expected[(*place[:-1], words[place])] += weights[place]
    tensors = [tg.tensor(a) for a in mixture]
    np.testing.assert_allclose(mixture_log_prob(*tensors[:3]).exp().numpy(), expected, rtol=1e-10)
    chosen = np.take_along_axis(expected, target[..., None], -1)[..., 0]
    found = {how: pointer_sentinel_loss(*tensors, reduction=how).numpy() for how in ("none", "sum", "mean")}
    np.testing.assert_allclose(found["none"], -np.log(chosen), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["sum"], found["none"].sum())
    np.testing.assert_allclose(found["mean"], found["none"].mean())
    hit = (weights[..., :-1] * (words == target[..., None])).sum(-1) + weights[..., -1]
    np.testing.assert_allclose(
        pointer_sentinel_loss(*tensors, reduction="none", supervision=0.5).numpy(),
        found["none"] - 0.5 * np.log(hit),
        rtol=1e-10,
        atol=1e-12,
    )


@given(mixtures(), st.sampled_from([0.0, 0.7]))
def test_gradients_of_the_mixture(mixture, supervision):
    logits, scores, words, target = mixture
    shut = tg.tensor(np.isinf(scores))
    scores = np.where(np.isinf(scores), 0, scores)

    def run(logits, scores):
        scores = scores.masked_fill(shut, -np.inf)
        loss = pointer_sentinel_loss(
            logits, scores, tg.tensor(words), tg.tensor(target), reduction="none", supervision=supervision
        )
        return loss, mixture_log_prob(logits, scores, tg.tensor(words))

    check_gradients(run, tg.tensor(logits), tg.tensor(scores), names=("logits", "scores"))


def small(window, **options):
    return PointerSentinelLM("LSTM", 6, 4, 4, 2, window=window, **options).double()


@given(st.integers(1, 9), st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 99))
def test_reading_in_pieces_is_reading_at_once(window, cuts, seed):
    tg.manual_seed(seed)
    model = small(window).eval()
    model.sentinel.data.normal_()
    text = tg.randint(0, 6, (sum(cuts), 2))
    expected, end = model(text)
    np.testing.assert_allclose(expected.exp().sum(-1).detach().numpy(), 1, rtol=1e-12)
    found, state, at = [], None, 0
    for cut in cuts:
        piece, state = model(text[at : at + cut], state)
        found.append(piece)
        at += cut
    np.testing.assert_allclose(tg.cat(found).detach().numpy(), expected.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(state.outputs.detach().numpy(), end.outputs.detach().numpy(), atol=1e-12)
    assert state.words.shape[0] == min(window - 1, text.shape[0])
    at_once, _ = model.prefill(text.transpose(0, 1))
    np.testing.assert_allclose(at_once.detach().numpy(), expected[-1].detach().numpy(), atol=1e-12)
    loss, _ = model.loss(text[:-1], text[1:]) if sum(cuts) > 1 else (None, None)
    if loss is not None:
        picked = expected[:-1].gather(-1, text[1:].unsqueeze(-1))
        assert loss.item() == pytest.approx(-picked.mean().item(), rel=1e-10)


@given(st.integers(1, 4), st.integers(1, 10))
def test_only_words_of_the_window_can_be_pointed_to(window, steps):
    text = tg.arange(steps).unsqueeze(1) % 6
    _, scores, words, _ = small(window).attend(text)
    for t in range(steps):
        open_places = np.flatnonzero(np.isfinite(scores[t, 0].detach().numpy()))
        assert list(open_places) == [*range(max(0, t - window + 1), t + 1), steps], "and the sentinel"
    assert words[0, 0].equal(text[:, 0])


def test_a_document_does_not_point_into_the_one_before():
    model, text = small(50).eval(), tg.randint(0, 6, (9, 2))
    resets = tg.zeros(9, 2).bool()
    resets[4, 0] = True
    outputs = [chunk.output for chunk in TruncatedBPTT(model, 3).walk(text, resets=resets)]
    found = tg.cat(outputs)
    np.testing.assert_allclose(found[4:, :1].detach().numpy(), model(text[4:, :1])[0].detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(found[:, 1:].detach().numpy(), model(text[:, 1:])[0].detach().numpy(), atol=1e-12)


def test_all_parameters_are_trained_and_the_pointer_is_taught_only_while_training():
    model = small(5, supervision=1.0)
    text = tg.randint(0, 6, (8, 3))
    loss, _ = model.loss(text[:-1], text[1:])
    loss.backward()
    assert all((p.grad != 0).any() for p in model.parameters())
    assert model.eval().loss(text[:-1], text[1:])[0].item() < loss.item()
    assert {"query.weight", "query.bias", "sentinel"} < model.state_dict().keys()


def names_that_return(documents, rng, names=300):
    """Documents like ``<doc> 17 says . 4 says . 17 says …``: which few names a document is about, nobody can know."""
    words = []
    for _ in range(documents):
        about = rng.choice(names, size=2, replace=False) + 3
        words.append(0)
        for _ in range(8):
            words += [int(rng.choice(about)), 1, 2]
    return words


@pytest.mark.slow
def test_where_rare_words_return_the_pointer_is_clearly_better():
    rng = np.random.default_rng(0)
    train = tg.tensor(names_that_return(480, rng)).reshape(16, -1).transpose(0, 1)
    held_out = tg.tensor(names_that_return(40, rng))
    found = {}
    for kind, options in ((RNNLanguageModel, {}), (PointerSentinelLM, {"window": 30})):
        tg.manual_seed(1)
        model = kind("LSTM", 303, 24, 24, tie_weights=True, **options)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for _ in range(6):
            for chunk in TruncatedBPTT(lambda pair, s, m=model: m.loss(*pair.unbind(-1), s), 25).walk(
                tg.stack([train[:-1], train[1:]], -1)
            ):
                optimizer.zero_grad()
                chunk.output.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
        found[kind] = perplexity(model, held_out)
        # A third of the words is a name. Who knows both names of a document needs 2^(1/3), who knows none 300^(1/3).
    assert found[PointerSentinelLM] < 0.6 * found[RNNLanguageModel], found


def test_text_is_generated_by_prompt_or_word_by_word():
    model = small(4)
    assert generate(model, tg.tensor([[1, 2], [3, 4]]), 4, greedy=True) == generate(
        model.step, tg.tensor([[1, 2], [3, 4]]), 4, greedy=True
    )


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: small(0), "window must be a positive integer, got 0"),
        (lambda: small(3, supervision=-1.0), "supervision"),
        (lambda: small(3)(tg.zeros(4, dtype=tg.int64)), r"\(T, N\)"),
        (lambda: mixture_log_prob(tg.zeros(2, 3), tg.zeros(2, 3), tg.zeros(2, 3, dtype=tg.int64)), r"words \(..., M\)"),
        (
            lambda: pointer_sentinel_loss(
                tg.zeros(2, 3), tg.zeros(2, 1), tg.zeros(2, 0, dtype=tg.int64), tg.zeros(3, dtype=tg.int64)
            ),
            r"expected targets \(2,\), got int64\[3\]",
        ),
        (
            lambda: pointer_sentinel_loss(
                tg.zeros(3), tg.zeros(1), tg.zeros(0, dtype=tg.int64), tg.tensor(0), reduction="men"
            ),
            "reduction .* 'men'",
        ),
    ],
)
def test_bad_arguments_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
