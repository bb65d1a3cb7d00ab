"""Encoder and decoder of attention: the network of nn.Transformer, written from a past as if read at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.models import AttentionDecoder, AttentionEncoder, Seq2Seq

WIDTH, HEADS = 8, 2


def network(layers=2):
    tg.manual_seed(0)
    encoder = AttentionEncoder(11, WIDTH, HEADS, layers, longest=12)
    decoder = AttentionDecoder(9, WIDTH, HEADS, layers, longest=12)
    model = Seq2Seq(encoder, decoder, bos=1, eos=2).double()
    with tg.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.6)
    return model.eval()


def drawn(seed, n, s, t):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, s + 1, n)
    lengths[0] = s
    source = np.where(np.arange(s) < lengths[:, None], rng.integers(1, 11, (n, s)), 0)
    return tg.tensor(source), lengths.tolist(), tg.tensor(rng.integers(3, 9, (n, t)))


def like_pytorch(model):
    """The same weights in an nn.Transformer."""
    layers = len(model.encoder.layers)
    twin = nn.Transformer(
        WIDTH, HEADS, layers, layers, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
    ).double()
    state = {}

    def put(to, attend, number):
        for kind in ("weight", "bias"):
            parts = [getattr(part, kind) for part in (attend.query, attend.key_value)]
            state[f"{to}.in_proj_{kind}"] = tg.cat(parts)
            state[f"{to}.out_proj.{kind}"] = getattr(attend.out, kind)
            state[f"{to.rpartition('.')[0]}.norm{number}.{kind}"] = getattr(attend.norm, kind)

    for name, part in (("encoder", model.encoder), ("decoder", model.decoder)):
        for i, layer in enumerate(part.layers):
            at = f"{name}.layers.{i}"
            put(f"{at}.self_attn", layer.attention, 1)
            if name == "decoder":
                put(f"{at}.multihead_attn", layer.crossing, 2)
            for kind in ("weight", "bias"):
                state[f"{at}.linear1.{kind}"] = getattr(layer.feed_forward.inner, kind)
                state[f"{at}.linear2.{kind}"] = getattr(layer.feed_forward.outer, kind)
                state[f"{at}.norm{3 if name == 'decoder' else 2}.{kind}"] = getattr(layer.feed_forward.norm, kind)
        for kind in ("weight", "bias"):
            state[f"{name}.norm.{kind}"] = getattr(part.norm, kind)
    twin.load_state_dict(state)
    return twin


@settings(max_examples=15)
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 6), st.integers(1, 5))
def test_it_is_the_network_of_nn_transformer(seed, n, s, t):
    model = network()
    source, lengths, target = drawn(seed, n, s, t)
    twin = like_pytorch(model)
    padding = tg.arange(s) >= tg.tensor(lengths)[:, None]
    x, y = model.encoder.embedding(source, 0, ""), model.decoder.embedding(target, 0, "")
    mask = tg.ones(t, t).triu(1).bool()
    wanted = model.decoder.head(
        twin(x, y, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    )
    found, _ = model.decoder(target, model.start(source, lengths))
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-10)


@settings(max_examples=15)
@given(st.integers(0, 99), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_writing_on_is_reading_at_once(seed, pieces):
    model = network()
    source, lengths, target = drawn(seed, 3, 5, sum(pieces))
    state, parts = model.start(source, lengths), []
    for piece in target.split(pieces, 1):
        logits, state = model.decoder(piece, state)
        parts.append(logits)
    assert state.length == sum(pieces) and state.weights.shape == (3, pieces[-1], 5)
    whole, _ = model.decoder(target, model.start(source, lengths))
    np.testing.assert_allclose(tg.cat(parts, 1).detach().numpy(), whole.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_rows_go_together():
    model = network()
    source, lengths, target = drawn(5, 3, 5, 4)
    index = tg.tensor([2, 0, 0, 1])
    _, state = model.decoder(target[:, :3], model.start(source, lengths))
    found, _ = model.decoder(target[index, 3:], state.select_rows(index))
    whole, _ = model.decoder(target, model.start(source, lengths))
    np.testing.assert_allclose(found[:, 0].detach().numpy(), whole[index, 3].detach().numpy(), rtol=1e-10)


def test_where_it_looks_is_a_distribution_over_what_is_no_padding():
    model = network()
    source, lengths, target = drawn(1, 3, 6, 4)
    weights = model.align(source, target, lengths)
    there = np.arange(6) < np.array(lengths)[:, None]
    assert weights.shape == (3, 3, 6) and (weights.numpy()[~np.broadcast_to(there[:, None], (3, 3, 6))] == 0).all()
    np.testing.assert_allclose(weights.sum(-1).numpy(), 1.0, rtol=1e-9)


def test_it_learns_to_write_backwards():
    tg.manual_seed(1)
    model = Seq2Seq(AttentionEncoder(8, 32, 2, 1), AttentionDecoder(8, 32, 2, 1), bos=1, eos=2)
    optimizer = tg.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        source = tg.randint(3, 8, (32, 4))
        target = tg.cat((tg.ones(32, 1, dtype=tg.int64), source.flip(1), 2 * tg.ones(32, 1, dtype=tg.int64)), 1)
        optimizer.zero_grad()
        model.loss(source, target).backward()
        optimizer.step()
    source = tg.randint(3, 8, (20, 4))
    wanted = source.flip(1).tolist()
    assert model.generate(source, max_length=6) == wanted
    assert [row[0].tokens[:4] for row in model.beam_search(source, max_length=6, beam_size=3)] == wanted


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AttentionEncoder(5, 8, 3, 1), "3 heads do not divide a width of 8"),
        (lambda: AttentionDecoder(5, 8, 0, 1), "0 heads do not divide"),
        (lambda: network().start(tg.ones(1, 13, dtype=tg.int64)), "AttentionEncoder: 13 tokens are more than the 12"),
        (
            lambda: network()(tg.ones(1, 3, dtype=tg.int64), tg.ones(1, 14, dtype=tg.int64)),
            "AttentionDecoder: 13 tokens are more than the 12",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
