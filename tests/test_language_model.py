"""Recurrent language models: the numbers of PyTorch's example, what dropout drops, perplexity, and corpora of words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.models import RNNLanguageModel, generate, perplexity
from tinygrad_edu.models.language_model import KINDS, held_out_loss
from tinygrad_edu.text import EOS, UNK, read_penn_treebank, split_words


def theirs(torch, kind, vocabulary, embedding, hidden, layers, tied):
    """The model of PyTorch's example word_language_model, without dropout."""
    model = torch.nn.Module()
    model.encoder = torch.nn.Embedding(vocabulary, embedding)
    options = {"nonlinearity": kind[4:].lower()} if kind.startswith("RNN") else {}
    model.rnn = getattr(torch.nn, kind[:3] if options else kind)(embedding, hidden, layers, **options)
    model.decoder = torch.nn.Linear(hidden, vocabulary)
    if tied:
        model.decoder.weight = model.encoder.weight
    return model.double()


@given(st.sampled_from(sorted(KINDS)), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 99))
def test_the_model_is_that_of_pytorchs_example(kind, layers, tied, with_state, seed):
    torch = pytest.importorskip("torch")
    sizes = (7, 4, 4 if tied else 3)
    model = RNNLanguageModel(kind, *sizes, layers, dropout=0.5, tie_weights=tied).double().eval()
    peer = theirs(torch, kind, *sizes, layers, tied)
    same_state(model, peer, seed)
    tokens = np.random.default_rng(seed).integers(7, size=(5, 2))
    tokens[1] = tokens[0]  # words that occur twice
    states = np.random.default_rng(seed).normal(size=(2, layers, 2, sizes[2]))

    def ours_run(h, c):
        state = None if not with_state else (h, c) if kind == "LSTM" else h
        return model(tg.tensor(tokens), state)

    def theirs_run(h, c):
        state = None if not with_state else (h, c) if kind == "LSTM" else h
        outputs, state = peer.rnn(peer.encoder(torch.tensor(tokens)), state)
        return peer.decoder(outputs), state

    agree(ours_run, theirs_run, list(states), (list(model.parameters()), list(peer.parameters())), seed=seed, order=1)


@given(st.sampled_from(sorted(KINDS)), st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 5))
def test_reading_word_by_word_is_reading_at_once(kind, words, count):
    model = RNNLanguageModel(kind, 6, 3, 4, 2, dropout=0.3, variational=True).double().eval()
    tokens = tg.tensor([words, words[::-1]])
    at_once, end = model(tokens.transpose(0, 1), model.init_state(2))
    state = None
    for t in range(len(words)):
        logits, state = model.step(tokens[:, t], state)
        np.testing.assert_allclose(logits.detach().numpy(), at_once[t].detach().numpy(), atol=1e-12)
    last, state = model.prefill(tokens)
    np.testing.assert_allclose(last.detach().numpy(), at_once[-1].detach().numpy(), atol=1e-12)
    for a, b in zip(state if kind == "LSTM" else [state], end if kind == "LSTM" else [end], strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-12)
    new = generate(model, tokens, count, greedy=True)
    assert new == generate(model.step, tokens, count, greedy=True)
    assert [len(row) for row in new] == [count, count]


@pytest.mark.parametrize("variational", [False, True])
def test_dropout_drops_embeddings_outputs_and_what_goes_between_layers(variational):
    model = RNNLanguageModel("LSTM", 5, 30, 30, 3, dropout=0.5, variational=variational, tie_weights=True)
    masks = []
    for part in (model.drop, model.rnn.between):
        part.register_forward_hook(lambda module, args, out: masks.append(out.detach().numpy() == 0))
    model(tg.zeros(8, 2, dtype=tg.int64))
    assert len(masks) == 4, "embeddings, twice between layers, outputs"
    for mask in masks:
        assert 0.3 < mask.mean() < 0.7
        assert (mask == mask[:1]).all() == variational, "one mask for all steps, or one for each"
        assert (mask[:, 0] != mask[:, 1]).any(), "each text has a mask of its own"
    assert not np.array_equal(masks[0], masks[1])
    masks.clear()
    model.eval()(tg.zeros(8, 2, dtype=tg.int64))
    assert not any(mask.any() for mask in masks[1:])


def test_dropout_between_layers_keeps_packed_sequences_apart():
    layer = nn.LSTM(3, 20, 2)
    layer.between = nn.VariationalDropout(0.5)
    seen = []
    layer.between.register_forward_hook(lambda module, args, out: seen.append((args[0], out)))
    lengths = [2, 5, 3]
    out, _ = layer(nn.utils.rnn.pack_padded_sequence(tg.randn(5, 3, 3), lengths, enforce_sorted=False))
    assert out.data.shape == (10, 20)
    before, after = (nn.utils.rnn.pad_packed_sequence(packed)[0].detach().numpy() for packed in seen[0])
    for i, length in enumerate(lengths):
        mask = after[:length, i] == 0
        assert (mask == mask[0]).all() and mask.any() and not mask.all()
        np.testing.assert_allclose(after[:length, i][~mask], 2 * before[:length, i][~mask], rtol=1e-6)


def test_tied_weights_are_one_parameter():
    model = RNNLanguageModel("GRU", 11, 4, 4, tie_weights=True)
    assert model.decoder.weight is model.encoder.weight
    assert len(list(model.parameters())) == 6 and len(model.state_dict()) == 7
    before = model.encoder.weight.detach().clone()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    loss, _ = model.loss(tg.tensor([[1], [2]]), tg.tensor([[2], [3]]))
    loss.backward()
    optimizer.step()
    assert model.decoder.weight is model.encoder.weight
    changed = (model.encoder.weight.detach() != before).any(1)
    assert changed.all(), "the output's gradient reaches the rows of all words"


@given(st.integers(2, 30), st.integers(1, 3), st.integers(1, 40), st.sampled_from(["LSTM", "GRU"]))
def test_perplexity_weighs_words_and_carries_the_state(steps, texts, chunk, kind):
    model = RNNLanguageModel(kind, 6, 3, 4, dropout=0.9).double()
    tokens = tg.tensor(np.random.default_rng(steps).integers(6, size=(steps, texts)))
    model.eval()
    logits = model(tokens[:-1])[0].detach().numpy()
    model.train()
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -np.take_along_axis(logs, tokens[1:].numpy()[..., None], -1).mean()
    assert held_out_loss(model, tokens, chunk=chunk) == pytest.approx(expected, rel=1e-12)
    assert perplexity(lambda *args: model.forward(*args), tokens[:, 0], chunk=chunk) > 0
    assert perplexity(model, tokens[:, 0]) == pytest.approx(
        math.exp(held_out_loss(model, tokens[:, :1], chunk=chunk)), rel=1e-12
    )
    assert model.training and all(p.grad is None for p in model.parameters())


def test_reductions_of_the_loss_belong_together():
    model = RNNLanguageModel("LSTM", 6, 3, 4).double()
    tokens, targets = tg.randint(0, 6, (5, 2)), tg.randint(0, 6, (5, 2))
    each, _ = model.loss(tokens, targets, reduction="none")
    assert each.shape == (5, 2)
    assert model.loss(tokens, targets)[0].item() == pytest.approx(each.mean().item())
    assert model.loss(tokens, targets, reduction="sum")[0].item() == pytest.approx(each.sum().item())


def test_a_model_learns_to_count():
    tg.manual_seed(0)
    model = RNNLanguageModel("LSTM", 5, 8, 8, 2, dropout=0.1, variational=True, tie_weights=True)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    text = tg.arange(200).reshape(50, 4) % 5
    text = (tg.arange(50).unsqueeze(1) + tg.arange(4)) % 5
    for _ in range(60):
        loss, _ = model.loss(text[:-1], text[1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert perplexity(model, text) < 1.1
    assert generate(model, tg.tensor([3]), 6, greedy=True) == [4, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: RNNLanguageModel("LSTMS", 5, 4, 4), "rnn_type must be one of RNN_TANH.*'LSTMS'"),
        (lambda: RNNLanguageModel("LSTM", 0, 4, 4), "vocab_size .* got 0"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 3, tie_weights=True), "tied weights .* 4 and 3"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 4, 0), "num_layers must be at least 1"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 4, dropout=1.5), "p must be a probability"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 4)(tg.zeros(3, dtype=tg.int64)), r"\(T, N\), got int64\[3\]"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 4)(tg.zeros(3, 1)), "words as integers"),
        (lambda: RNNLanguageModel("LSTM", 5, 4, 4)(tg.zeros(0, 2, dtype=tg.int64)), "at least one time step"),
        (lambda: RNNLanguageModel("GRU", 5, 4, 4)(tg.zeros(3, 2, dtype=tg.int64), tg.zeros(1, 3, 4)), r"\(1, 2, 4\)"),
        (
            lambda: RNNLanguageModel("GRU", 5, 4, 4).loss(
                tg.zeros(3, 2, dtype=tg.int64), tg.zeros(2, 3, dtype=tg.int64)
            ),
            r"expected targets \(3, 2\), got int64\[2, 3\]",
        ),
        (lambda: perplexity(RNNLanguageModel("GRU", 5, 4, 4), tg.tensor([1])), "two words at least"),
        (lambda: perplexity(RNNLanguageModel("GRU", 5, 4, 4), tg.zeros(3)), "words as integers"),
    ],
)
def test_bad_arguments_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_an_unknown_word_is_an_error():
    with pytest.raises(IndexError, match="5"):
        RNNLanguageModel("LSTM", 5, 4, 4)(tg.full((1, 1), 5))


# Corpora of words


def write(root, texts, form="ptb.{}.txt"):
    root.mkdir(parents=True, exist_ok=True)
    for split, text in texts.items():
        (root / form.format(split)).write_text(text, encoding="utf-8")


TEXTS = {"train": " the cat sat \n the <unk> sat \n\n", "valid": " the dog sat \n", "test": "sat the cat"}


@pytest.mark.parametrize(
    ("folder", "form"),
    [("", "ptb.{}.txt"), ("simple-examples/data", "ptb.{}.txt"), ("", "wiki.{}.tokens"), ("", "{}.txt")],
)
def test_a_folder_in_the_format_of_the_penn_treebank_is_read(tmp_path, folder, form):
    write(tmp_path / folder, TEXTS, form)
    corpus = read_penn_treebank(tmp_path)
    decode = corpus.vocabulary.decode
    assert set(corpus.vocabulary) == {UNK, EOS, "the", "cat", "sat"}
    assert decode(corpus.train) == ["the", "cat", "sat", EOS, "the", UNK, "sat", EOS]
    assert decode(corpus.valid) == ["the", UNK, "sat", EOS]
    assert decode(corpus.test) == ["sat", "the", "cat", EOS]
    assert corpus.unknown() == 0
    few = read_penn_treebank(tmp_path, min_count=2)
    assert few.vocabulary.decode(few.test) == ["sat", "the", UNK, EOS] and few.unknown() == 0.25
    assert len(read_penn_treebank(tmp_path, max_size=3).vocabulary) == 3


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"read_penn_treebank: there is no file 'ptb.train.txt'"):
        read_penn_treebank(tmp_path)
    write(tmp_path, {**TEXTS, "valid": " \n"})
    with pytest.raises(ValueError, match=r"ptb.valid.txt' has no text"):
        read_penn_treebank(tmp_path)
    (tmp_path / "ptb.valid.txt").write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(ValueError, match=r"ptb.valid.txt' is not UTF-8 text.* line 2"):
        read_penn_treebank(tmp_path)


@given(st.integers(1, 4), st.integers(4, 30), st.floats(0.2, 0.8))
def test_held_out_sentences_come_from_all_over_a_text(parts, size, held_out):
    # Each sentence has a word of its own, and all have one in common.
    text = " ".join(f"Word{i} is." for i in range(parts * size))
    if int(size * held_out / 2) < 1:
        return
    corpus = split_words(text, parts=parts, held_out=held_out)
    assert (corpus.train.size + corpus.valid.size + corpus.test.size) == 4 * parts * size
    names = [word for word in corpus.vocabulary if word.startswith("word")]
    assert 4 * len(names) == corpus.train.size and len(corpus.vocabulary) == len(names) + 4
    assert corpus.unknown() == 0.25, "what is only in the judges' part is unknown"
    assert corpus.valid.size == corpus.test.size == 4 * parts * int(size * held_out / 2)
    assert f"word{parts * size - 1}" not in names and "word0" in names
    assert corpus.train[-1] == corpus.test[-1] == corpus.vocabulary[EOS]


def test_a_text_too_short_to_be_split_is_refused():
    with pytest.raises(ValueError, match=r"2 sentences are too few .* at least 200"):
        split_words("One is. Two is.")
    with pytest.raises(ValueError, match="held_out"):
        split_words("One is.", held_out=1.0)
