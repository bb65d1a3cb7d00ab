"""The weights of attention: distributions, of the past alone where it is causal, and those that make the result."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.models import GPT, Bert, BertConfig, GPTConfig, Llama, LlamaConfig, attention_maps


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 6), st.sampled_from([(2, 2), (4, 2), (3, 1)]), st.booleans())
def test_the_weights_make_the_result(n, length, heads, masked):
    tg.manual_seed(length)
    q = tg.randn(n, heads[0], length, 4, dtype=tg.float64)
    k, v = (tg.randn(n, heads[1], 5, 4, dtype=tg.float64) for _ in range(2))
    mask = tg.rand(n, 1, length, 5) < 0.6 if masked else None
    call = nn.functional.scaled_dot_product_attention
    (weights,) = attention_maps(call, q, k, v, mask, 0.5, enable_gqa=True)
    wanted = call(q, k, v, mask, enable_gqa=True)
    values = v.repeat_interleave(heads[0] // heads[1], 1)
    np.testing.assert_allclose((weights @ values).numpy(), wanted.numpy(), rtol=1e-9, atol=1e-12)
    sums = weights.sum(-1)
    assert ((sums - 1).abs().minimum(sums) < 1e-9).all().item(), "a distribution, or zeros"


def test_all_layers_of_all_models():
    tokens = tg.tensor([[1, 2, 3, 4]])
    causal = [GPT(GPTConfig(7, 8, 2, 2, 8)), Llama(LlamaConfig(7, 8, 8, 2, 4, 2))]
    for model in causal:
        maps = attention_maps(model, tokens)
        assert [m.shape for m in maps] == [(1, model.config.__dict__.get("n_head", 4), 4, 4)] * 2
        assert all((m.triu(1) == 0).all().item() for m in maps)
    maps = attention_maps(Bert(BertConfig(7, 8, 3, 2, 8)), tokens, tg.tensor([[1, 1, 1, 0]]))
    assert len(maps) == 3 and all((m[..., 3] == 0).all().item() and (m[..., :3] > 0).all().item() for m in maps)
    layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True).eval()
    assert attention_maps(layer, tg.randn(1, 4, 8))[0].shape == (1, 2, 4, 4)


def test_who_watched_before_watches_on():
    seen = []
    before = tg._state.swap({"observe": lambda node, outs, raws: seen.append(node.name)})
    try:
        attention_maps(nn.functional.scaled_dot_product_attention, *[tg.ones(1, 1, 2, 2)] * 3)
        assert seen
        count = len(seen)
        tg.ones(1) + 1
        assert len(seen) > count
    finally:
        tg._state.swap(before)
