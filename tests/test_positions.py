"""Positions of tokens, and the cache of keys and values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.models.generation import select_rows
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.positions import alibi_slopes
from tinygrad_edu.testing import check_gradients


def drawn(seed, *shape):
    return tg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 20), st.booleans())
def test_sines_and_cosines(length, half, start, batch_first):
    layer = nn.SinusoidalPositions(2 * half, 40, batch_first=batch_first)
    shape = (3, length, 2 * half) if batch_first else (length, 3, 2 * half)
    found = layer(tg.zeros(shape), start).numpy()
    for t in range(length):
        for i in range(half):
            angle = (start + t) / 10000 ** (2 * i / (2 * half))
            row = found[:, t] if batch_first else found[t]
            np.testing.assert_allclose(row[:, 2 * i : 2 * i + 2], [[math.sin(angle), math.cos(angle)]] * 3, atol=1e-6)
    assert not layer.state_dict()


def test_learned_positions_are_added_and_learned():
    layer = nn.LearnedPositions(4, 6).double()
    check_gradients(lambda x, w: layer._add(x, w, 2), drawn(0, 2, 3, 4), layer.weight)
    assert layer(tg.zeros(3, 4).double(), start=3).equal(layer.weight[3:])
    assert list(layer.state_dict()) == ["weight"]


@given(st.booleans(), st.integers(1, 3), st.integers(0, 3), st.integers(0, 50), st.integers(0, 99))
def test_rotary_embedding_turns_pairs(interleaved, half, more, start, seed):
    width = 2 * half + more
    x = np.random.default_rng(seed).normal(size=(2, 4, width))
    found = nn.RotaryEmbedding(2 * half, interleaved=interleaved)(tg.tensor(x), start).numpy()
    expected = x.copy()
    for i in range(half):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
        turned = (x[..., a] + 1j * x[..., b]) * np.exp(1j * (start + np.arange(4)) / 10000 ** (i / half))
        expected[..., a], expected[..., b] = turned.real, turned.imag
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(st.booleans(), st.integers(0, 500), st.integers(0, 99))
def test_scores_of_turned_vectors_depend_on_the_distance_alone(interleaved, shift, seed):
    q, k = (drawn(seed + i, 6, 8).detach() for i in (0, 100))
    rotary = nn.RotaryEmbedding(8, interleaved=interleaved)
    near, far = (rotary(q, start) @ rotary(k, start).mT for start in (0, shift))
    assert near.allclose(far, atol=1e-10)


@pytest.mark.parametrize("interleaved", [False, True])
def test_gradients_of_rotary_embedding(interleaved):
    rotary = nn.RotaryEmbedding(4, interleaved=interleaved)
    check_gradients(lambda x: rotary(x, 3), drawn(0, 2, 3, 5), order=2)


def bucket(distance, count, most, bidirectional):
    """The range of a distance, as the paper's code words it, number by number."""
    found = 0
    if bidirectional:
        count //= 2
        found = count if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(0, -distance)
    exact = count // 2
    if distance < exact:
        return found + distance
    return found + min(
        count - 1, exact + int(math.log(distance / exact) / math.log(most / exact) * (count - exact) + 1e-9)
    )


@given(st.sampled_from([4, 8, 32]), st.sampled_from([20, 64, 128]), st.booleans())
def test_ranges_of_distances(count, most, bidirectional):
    layer = nn.RelativePositionBias(1, count, most, bidirectional)
    with tg.no_grad():
        layer.weight.copy_(tg.arange(count)[:, None].float())
    found = layer(150)[0]
    expected = [[bucket(j - i, count, most, bidirectional) for j in range(150)] for i in range(150)]
    assert found.equal(tg.tensor(expected).float())
    assert layer(3, 150)[0].equal(found[-3:])


def test_clipped_distances():
    layer = nn.ClippedPositionBias(2, 1)
    w = layer.weight
    out = layer(3)
    assert out.shape == (2, 3, 3)
    for h in range(2):
        low, same, high = w[:, h].tolist()
        assert out[h].tolist() == [[same, high, high], [low, same, high], [low, low, same]]
    assert layer(1, 3).equal(out[:, 2:])


@pytest.mark.parametrize("make", [lambda: nn.ClippedPositionBias(2, 1), lambda: nn.RelativePositionBias(2, 4, 4)])
def test_biases_learn_through_attention(make):
    layer = make().double()
    q, k, v = (drawn(i, 1, 2, 3, 2) for i in range(3))
    distances = layer._groups(tg.arange(3) - tg.arange(3)[:, None])

    def attention(weight, q):
        return F.scaled_dot_product_attention(
            q, k.detach(), v.detach(), F.embedding(distances, weight).permute(2, 0, 1)
        )

    assert attention(layer.weight, q).equal(F.scaled_dot_product_attention(q, k, v, layer(3)))
    check_gradients(attention, layer.weight, q)


def test_slopes_of_alibi():
    np.testing.assert_allclose(alibi_slopes(8).numpy(), [2.0**-i for i in range(1, 9)])
    expected = [2.0 ** (-8 * i / 4) for i in range(1, 5)] + [2.0 ** (-8 * i / 8) for i in (1, 3)]
    np.testing.assert_allclose(alibi_slopes(6).numpy(), expected)
    bias = nn.ALiBi(2, causal=False)(3)
    np.testing.assert_allclose(bias[1].numpy(), -(2.0**-8) * np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))
    causal = nn.ALiBi(2)
    q, k, v = (drawn(i, 1, 2, 3, 2).float() for i in range(3))
    hidden = tg.ones(3, 3, dtype=tg.bool).tril()
    expected = F.scaled_dot_product_attention(q, k, v, tg.where(hidden, bias, -math.inf))
    assert F.scaled_dot_product_attention(q, k, v, causal(3)).allclose(expected)
    assert causal(1, 3).equal(causal(3)[:, 2:])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_cached_attention_is_that_of_the_whole(pieces, capacity, width, seed):
    total = sum(pieces)
    q, k, v = (drawn(seed + i, 2, 2, total, w).detach() for i, w in ((0, width), (1, width), (2, 3)))
    whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    cache = nn.KVCache(capacity)
    start = 0
    for n in pieces:
        at = slice(start, start + n)
        keys, values = cache.update(k[:, :, at], v[:, :, at])
        out = F.scaled_dot_product_attention(q[:, :, at], keys, values, cache.causal_mask(n))
        assert out.allclose(whole[:, :, at], atol=1e-12)
        start += n
    assert len(cache) == total and keys.equal(k) and values.equal(v)


def test_rows_of_a_cache_and_going_back():
    cache = nn.KVCache(2)
    k = drawn(0, 2, 1, 3, 2).detach()
    cache.update(k, k)
    chosen = select_rows((cache,), tg.tensor([1, 1, 0]))[0]
    new = drawn(1, 3, 1, 1, 2).detach()
    keys, _ = chosen.update(new, new)
    assert keys.equal(tg.cat([k[tg.tensor([1, 1, 0])], new], 2)) and cache.length == 3
    cache.crop(1)
    keys, _ = cache.update(k[:, :, 2:], k[:, :, 2:])
    assert keys.equal(tg.cat([k[:, :, :1], k[:, :, 2:]], 2))
    assert "2 tokens" in repr(cache)


BAD = {
    "odd width": (lambda: nn.SinusoidalPositions(5), "must be even.*got 5"),
    "odd turns": (lambda: nn.RotaryEmbedding(3), "must be even.*got 3"),
    "too long": (lambda: nn.LearnedPositions(4, 2)(tg.zeros(1, 3, 4)), "positions 0 to 2.*inside the 2 positions"),
    "too long by the start": (
        lambda: nn.SinusoidalPositions(4, 5)(tg.zeros(3, 4), 3),
        "positions 3 to 5.*the 5 positions",
    ),
    "frequencies that do not fit": (lambda: nn.RotaryEmbedding(4, frequencies=[1.0]), "1 frequencies for 4 elements"),
    "too far to turn": (lambda: nn.RotaryEmbedding(2, max_length=4)(tg.zeros(5, 2)), "0 to 4.*the 4 positions"),
    "width": (lambda: nn.LearnedPositions(4, 2)(tg.zeros(1, 2, 3)), "width 4"),
    "head width": (lambda: nn.RotaryEmbedding(4)(tg.zeros(2, 3)), "at least 4"),
    "buckets": (lambda: nn.RelativePositionBias(1, 30), "multiple of 4"),
    "heads": (lambda: nn.ClippedPositionBias(0, 3), "num_heads must be positive"),
    "slopes": (lambda: nn.ALiBi(0), "num_heads must be positive"),
    "keys": (lambda: nn.ALiBi(1)(3, 2), "as many keys as queries"),
    "cache shapes": (lambda: nn.KVCache().update(tg.zeros(1, 1, 2, 2), tg.zeros(1, 2, 2, 2)), "expected keys"),
    "cache batch": (lambda: grown().update(tg.zeros(2, 1, 1, 2), tg.zeros(2, 1, 1, 2)), "does not continue"),
    "cache graph": (lambda: nn.KVCache().update(drawn(0, 1, 1, 1, 1), drawn(0, 1, 1, 1, 1)), "keeps no graph"),
    "crop": (lambda: grown().crop(3), "there are 2 tokens, not 3"),
}


def grown():
    cache = nn.KVCache()
    cache.update(tg.zeros(1, 1, 2, 2), tg.zeros(1, 1, 2, 2))
    return cache


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    make, message = BAD[name]
    with pytest.raises((ValueError, RuntimeError), match=message):
        make()
