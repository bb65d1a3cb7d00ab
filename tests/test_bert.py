"""BERT: the same network as PyTorch's encoder layers, padding that changes nothing, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.models.bert import Bert, BertConfig, BertForMaskedLM, mean_pool


def filled(kind=Bert, **changes):
    sizes = {"vocab_size": 13, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    tg.manual_seed(0)
    net = kind(BertConfig(**sizes | {"intermediate_size": 12, "max_position_embeddings": 10} | changes)).double()
    with tg.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0.0, 0.5)
    return net.eval()


def peer(torch, net, tokens, kinds, there):
    """The hidden vectors by PyTorch's own encoder layers."""
    c = net.config
    weights = {name: torch.tensor(value.numpy()) for name, value in net.state_dict().items()}
    names = "word_embeddings token_type_embeddings position_embeddings".split()
    tables = [weights[f"embeddings.{name}.weight"].requires_grad_() for name in names]
    places = np.arange(tokens.shape[1])
    x = sum(table[torch.tensor(index)] for table, index in zip(tables, (tokens, kinds, places), strict=True))
    norm = torch.nn.LayerNorm(c.hidden_size, c.layer_norm_eps, dtype=torch.float64)
    norm.load_state_dict({kind: weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")})
    x = norm(x)
    act = {"gelu": torch.nn.GELU(), "gelu_new": torch.nn.GELU("tanh"), "relu": torch.nn.ReLU()}[c.hidden_act]
    for i in range(c.num_hidden_layers):
        at = f"encoder.layer.{i}."
        layer = torch.nn.TransformerEncoderLayer(
            c.hidden_size,
            c.num_attention_heads,
            c.intermediate_size,
            0.0,
            act,
            c.layer_norm_eps,
            True,
            dtype=torch.float64,
        )
        state = {}
        for kind in ("weight", "bias"):
            parts = [weights[f"{at}attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            state[f"self_attn.in_proj_{kind}"] = torch.cat(parts)
            for theirs, ours in {
                "self_attn.out_proj": "attention.output.dense",
                "norm1": "attention.output.LayerNorm",
                "linear1": "intermediate.dense",
                "linear2": "output.dense",
                "norm2": "output.LayerNorm",
            }.items():
                state[f"{theirs}.{kind}"] = weights[f"{at}{ours}.{kind}"]
        layer.load_state_dict(state)
        x = layer(x, src_key_padding_mask=torch.tensor(~there))
    return x, tables


@given(
    st.integers(1, 3),
    st.integers(1, 10),
    st.sampled_from([1, 2, 4]),
    st.sampled_from(["gelu", "gelu_new", "relu"]),
    st.integers(0, 1000),
)
@settings(max_examples=12)
def test_vectors_and_gradients_are_those_of_pytorchs_layers(n, t, heads, act, seed):
    torch = pytest.importorskip("torch")
    net = filled(num_attention_heads=heads, hidden_act=act)
    rng = np.random.default_rng(seed)
    tokens, kinds = rng.integers(0, 13, (n, t)), rng.integers(0, 2, (n, t))
    there = np.arange(t) < rng.integers(1, t + 1, (n, 1))
    out = net(tg.tensor(tokens), tg.tensor(there), tg.tensor(kinds))
    expected, tables = peer(torch, net, tokens, kinds, there)
    np.testing.assert_allclose(
        out.last_hidden_state.detach().numpy()[there], expected.detach().numpy()[there], rtol=1e-9, atol=1e-9
    )
    pooled = np.tanh(
        expected[:, 0].detach().numpy() @ net.pooler["dense"].weight.detach().numpy().T
        + net.pooler["dense"].bias.detach().numpy()
    )
    np.testing.assert_allclose(out.pooler_output.detach().numpy(), pooled, rtol=1e-9, atol=1e-9)
    (out.last_hidden_state[tg.tensor(there)] ** 3).sum().backward()
    (expected[torch.tensor(there)] ** 3).sum().backward()
    for name, table in zip(("word", "token_type", "position"), tables, strict=True):
        found = getattr(net.embeddings, f"{name}_embeddings").weight.grad.numpy()
        np.testing.assert_allclose(found, table.grad.numpy(), rtol=1e-7, atol=1e-8, err_msg=name)


def test_padding_changes_no_sentence():
    net, rng = filled(), np.random.default_rng(0)
    short = rng.integers(0, 13, (1, 4))
    for pad in (0, 7):
        padded = np.concatenate([short, np.full((1, 5), pad)], 1)
        mask = tg.tensor((np.arange(9) < 4)[None])
        long = mean_pool(net(tg.tensor(padded), mask).last_hidden_state, mask)
        alone = net(tg.tensor(short)).last_hidden_state.mean(1)
        np.testing.assert_allclose(long.detach().numpy(), alone.detach().numpy(), rtol=1e-10)


def test_logits_of_masked_places_are_those_of_all():
    net, rng = filled(BertForMaskedLM), np.random.default_rng(0)
    tokens, places = tg.tensor(rng.integers(0, 13, (3, 6))), tg.tensor(rng.random((3, 6)) < 0.4)
    np.testing.assert_allclose(
        net(tokens, places=places).detach().numpy(), net(tokens)[places].detach().numpy(), rtol=1e-12
    )


def test_the_head_and_the_embeddings_share_a_table():
    net = filled(BertForMaskedLM)
    net(tg.tensor([[1, 2, 3]])).sum().backward()
    grad = net.bert.embeddings.word_embeddings.weight.grad
    assert (grad.abs().sum(1) > 0).all().item(), "also of tokens that were not read"
    assert not any("decoder" in name for name in net.state_dict())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BertConfig(hidden_size=10, num_attention_heads=3), "3 heads do not divide a width of 10"),
        (lambda: BertConfig(hidden_act="swish"), "got 'swish'"),
        (lambda: filled()(tg.zeros(1, 11, dtype=tg.int64)), "11 tokens are more than the 10 positions"),
        (lambda: filled()(tg.zeros(1, 3)), "input_ids must be integers"),
        (
            lambda: filled()(tg.zeros(2, 3, dtype=tg.int64), tg.ones(3, dtype=tg.int64)),
            r"attention_mask must have the shape of input_ids, \(2, 3\), got \(3,\)",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
