"""Skip-gram and CBOW: their losses beside PyTorch's, probabilities that sum to one, and what they learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.models import CBOW, AdaptiveSoftmax, FullSoftmax, HierarchicalSoftmax, NegativeSampling, SkipGram
from tinygrad_edu.testing import check_gradients
from tinygrad_edu.text import (
    Huffman,
    Vocabulary,
    WordVectors,
    bundled_text,
    pairs,
    split_sentences,
    subsample,
)

V, D, N = 12, 5, 7
COUNTS = [50, 30, 20, 10, 9, 8, 7, 5, 3, 2, 1, 1]


def drawn(layer):
    """The layer with parameters in double precision that are not zero."""
    layer = layer.to(tg.float64)
    with tg.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer


OUTPUTS = {
    "full": lambda: FullSoftmax(D, V),
    "hierarchical": lambda: HierarchicalSoftmax(D, COUNTS),
    "adaptive": lambda: AdaptiveSoftmax(D, V, [3, 7]),
    "negative": lambda: NegativeSampling(D, COUNTS, negatives=3),
}


@pytest.fixture(autouse=True)
def seed():
    tg.manual_seed(0)


def words(*shape):
    return tg.randint(0, V, shape)


@pytest.mark.parametrize("name", OUTPUTS)
def test_gradients_are_those_of_the_loss(name):
    layer = drawn(OUTPUTS[name]())
    hidden, targets = tg.randn(N, D, dtype=tg.float64), words(N)
    noise = (words(N, 3),) if name == "negative" else ()
    held = [
        (layer.get_submodule(key.rpartition(".")[0]), key.rpartition(".")[2]) for key, _ in layer.named_parameters()
    ]
    values = [parameter.detach() for parameter in layer.parameters()]
    for module, key in held:
        delattr(module, key)

    def loss(hidden, *values):
        for (module, key), value in zip(held, values, strict=True):
            setattr(module, key, value)
        return layer(hidden, targets, *noise)

    check_gradients(loss, hidden, *values)


@pytest.mark.parametrize("name", ["full", "hierarchical", "adaptive"])
def test_probabilities_sum_to_one_and_the_loss_is_theirs(name):
    layer = drawn(OUTPUTS[name]())
    hidden, targets = tg.randn(N, D, dtype=tg.float64), words(N)
    log_prob = layer.log_prob(hidden)
    assert log_prob.exp().sum(1).detach().numpy() == pytest.approx(np.ones(N))
    chosen = log_prob[tg.arange(N), targets]
    assert layer(hidden, targets).item() == pytest.approx(-chosen.mean().item())


def test_hierarchical_softmax_walks_the_tree():
    layer = drawn(HierarchicalSoftmax(D, COUNTS))
    hidden = tg.randn(1, D, dtype=tg.float64)
    tree, scores = Huffman(COUNTS), (layer.weight @ hidden[0]).tolist()
    for word in range(V):
        walk = zip(tree.code(word), tree.nodes[word], strict=False)
        expected = sum(math.log1p(math.exp(-scores[node] if turn == "1" else scores[node])) for turn, node in walk)
        assert layer(hidden, tg.tensor([word])).item() == pytest.approx(expected)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from([tg.float32, tg.float64]))
def test_a_step_of_skip_gram_is_pytorchs(n, k, draw, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(draw)
    model = drawn(SkipGram(V, D, NegativeSampling(D, COUNTS, negatives=k))).to(dtype)
    centers, neighbours, noise = (rng.integers(0, V, shape) for shape in ((n,), (n,), (n, k)))
    tables = [torch.tensor(p.detach().numpy().copy(), requires_grad=True) for p in model.parameters()]
    hidden = torch.nn.functional.embedding(torch.tensor(centers), tables[0], sparse=True)
    rows = torch.nn.functional.embedding(torch.tensor(np.c_[neighbours, noise]), tables[1], sparse=True)
    scores = (rows * hidden[:, None]).sum(-1)
    expected = -(
        torch.nn.functional.logsigmoid(scores[:, 0]) + torch.nn.functional.logsigmoid(-scores[:, 1:]).sum(1)
    ).mean()
    loss = model.output(model.embedding(tg.tensor(centers)), tg.tensor(neighbours), tg.tensor(noise))
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype == tg.float64 else {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(loss.item(), expected.item(), **tolerance)
    loss.backward()
    expected.backward()
    optim.SGD(model.parameters(), lr=0.5).step()
    torch.optim.SGD(tables, lr=0.5).step()
    for ours, theirs in zip(model.parameters(), tables, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **tolerance)


def test_cbow_takes_the_mean_of_the_words_that_are_there():
    model = drawn(CBOW(V, D, FullSoftmax(D, V)))
    neighbours = tg.tensor([[0, 1, V, 3], [V, V, V, 5], [2, 2, 4, 4]])
    table = model.vectors.numpy()
    means = np.stack([table[[0, 1, 3]].mean(0), table[5], table[[2, 4]].mean(0)])
    targets = tg.tensor([2, 7, 0])
    loss = model(neighbours, targets)
    assert loss.item() == pytest.approx(model.output(tg.tensor(means), targets).item())
    loss.backward()
    assert not model.embedding.weight.grad[V].any()
    assert model.vectors.shape == (V, D)


@pytest.mark.parametrize("model", [SkipGram, CBOW])
@pytest.mark.parametrize("name", OUTPUTS)
def test_at_first_nothing_is_known(model, name):
    layer = OUTPUTS[name]()
    built = model(V, D, layer)
    inputs = words(N) if model is SkipGram else words(N, 4)
    expected = {"full": math.log(V), "negative": 4 * math.log(2)}
    targets = words(N)
    if name == "hierarchical":
        expected[name] = Huffman(COUNTS).lengths[targets.numpy()].mean() * math.log(2)
    if name in expected:
        assert built(inputs, targets).item() == pytest.approx(expected[name], rel=1e-5)
    built(inputs, targets).backward()
    assert built.output.weight.grad is not None if name != "adaptive" else built.output.head.weight.grad is not None


def test_negative_samples_are_drawn_by_powers_of_counts():
    layer = NegativeSampling(D, COUNTS, negatives=50, power=0.5)
    drawn = layer.draw(2000)
    assert drawn.shape == (2000, 50) and drawn.dtype == tg.int64
    share = np.sqrt(COUNTS) / np.sqrt(COUNTS).sum()
    assert np.bincount(drawn.numpy().ravel(), minlength=V) / drawn.numel() == pytest.approx(share, abs=0.005)
    tg.manual_seed(3)
    first = layer.draw(5).tolist()
    tg.manual_seed(3)
    assert layer.draw(5).tolist() == first
    assert set(layer.state_dict()) == {"weight"}
    with pytest.raises(ValueError, match="NegativeSampling: needs at least one negative sample, got 0"):
        NegativeSampling(D, COUNTS, negatives=0)


@pytest.mark.parametrize("model", [SkipGram, CBOW])
@pytest.mark.parametrize("name", OUTPUTS)
def test_words_of_a_kind_find_each_other(model, name):
    """Words stand only beside words of their own kind: those of two kinds, 0..5 and 6..11, end far apart."""
    output = {"negative": lambda: NegativeSampling(D, [1] * V), "hierarchical": lambda: HierarchicalSoftmax(D, [1] * V)}
    built = model(V, D, output.get(name, OUTPUTS[name])())
    optimizer = optim.Adam(built.parameters(), lr=0.05)
    rng = np.random.default_rng(0)
    shape = (64,) if model is SkipGram else (64, 4)
    for _ in range(60):
        kind = 6 * rng.integers(0, 2, 64)
        neighbours = kind.reshape(64, *[1] * (len(shape) - 1)) + rng.integers(0, 6, shape)
        loss = built(tg.from_numpy(neighbours), tg.from_numpy(kind + rng.integers(0, 6, 64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unit = nn.functional.normalize(built.vectors)
    cosines = (unit @ unit.T).numpy()
    within = np.concatenate([cosines[:6, :6].ravel(), cosines[6:, 6:].ravel()])
    assert within.mean() > cosines[:6, 6:].mean() + 0.5


# A word, and words that a reader would expect among its nearest neighbours: at least one of them must be there.
QUESTIONS = {
    "first": "second last next third",
    "left": "right",
    "year": "month day week",
    "width": "height",
    "true": "false none",
    "red": "blue",
    "raise": "raised raises exception typeerror oserror attributeerror",
    "valueerror": "typeerror keyerror oserror attributeerror",
    "server": "client request connection smtp socket",
    "thread": "threads process lock daemon executor",
}


@pytest.mark.slow
def test_ten_questions_to_predicted_words():
    text = split_sentences(bundled_text())
    vocabulary = Vocabulary.build((word for sentence in text for word in sentence), min_count=10)
    sentences = [vocabulary.encode(sentence, skip_unknown=True) for sentence in text]
    model = SkipGram(len(vocabulary), 64, NegativeSampling(64, vocabulary.counts))
    optimizer = optim.SGD(model.parameters(), lr=0.05 * 512)
    rng = np.random.default_rng(0)
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.05 * 512 * (1 - epoch / 3)
        centers, neighbours = pairs(subsample(sentences, vocabulary.counts, 1e-3, rng), 5, generator=rng)
        order = rng.permutation(len(centers))
        for start in range(0, len(order), 512):
            chosen = order[start : start + 512]
            loss = model(tg.from_numpy(centers[chosen]), tg.from_numpy(neighbours[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    vectors = WordVectors(vocabulary, model.vectors)
    for word, expected in QUESTIONS.items():
        nearest = [other for other, _ in vectors.most_similar(word, 8)]
        assert set(nearest) & set(expected.split()), f"{word}: {nearest}"
