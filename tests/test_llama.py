"""LLaMA: the same network as PyTorch's functions make, cached steps as one pass, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.models.llama import Llama, LlamaConfig, rope_frequencies

LONGER = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}


def model(**changes):
    sizes = {"vocab_size": 13, "hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "max_position_embeddings": 16, "rope_theta": 100.0}
    tg.manual_seed(0)
    net = Llama(LlamaConfig(**sizes | heads | changes)).double()
    with tg.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0.0, 0.5)
    return net.eval()


def peer(torch, net, tokens):
    """The logits by PyTorch's functions; positions are rotations of complex numbers."""
    F, c = torch.nn.functional, net.config
    weights = {name: torch.tensor(value.numpy()).requires_grad_() for name, value in net.state_dict().items()}
    if c.tie_word_embeddings:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    x = weights["model.embed_tokens.weight"][torch.tensor(tokens)]
    angles = torch.arange(tokens.shape[1])[:, None] * torch.tensor(rope_frequencies(c), dtype=torch.float64)
    rotation = torch.polar(torch.ones_like(angles), angles)

    def heads(x, name, bias):
        y = F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias") if bias else None)
        return y.unflatten(-1, (-1, c.head_dim)).transpose(1, 2)

    def turned(x):
        y = torch.complex(*x.chunk(2, -1)) * rotation
        return torch.cat((y.real, y.imag), -1)

    for i in range(c.num_hidden_layers):
        at = f"model.layers.{i}."
        y = F.rms_norm(x, x.shape[-1:], weights[at + "input_layernorm.weight"], c.rms_norm_eps)
        q, k, v = (heads(y, f"{at}self_attn.{name}_proj", c.attention_bias) for name in "qkv")
        y = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True, enable_gqa=True)
        x = x + F.linear(
            y.transpose(1, 2).flatten(2),
            weights[at + "self_attn.o_proj.weight"],
            weights.get(at + "self_attn.o_proj.bias"),
        )
        y = F.rms_norm(x, x.shape[-1:], weights[at + "post_attention_layernorm.weight"], c.rms_norm_eps)
        gate, up = (F.linear(y, weights[f"{at}mlp.{name}_proj.weight"]) for name in ("gate", "up"))
        x = x + F.linear(F.silu(gate) * up, weights[at + "mlp.down_proj.weight"])
    x = F.rms_norm(x, x.shape[-1:], weights["model.norm.weight"], c.rms_norm_eps)
    return x @ weights["lm_head.weight"].T, weights


@given(
    st.integers(1, 3),
    st.integers(1, 16),
    st.sampled_from([(1, 1, None), (2, 1, None), (4, 2, 6), (3, 3, 2)]),
    st.booleans(),
    st.sampled_from([None, LONGER, {"rope_type": "linear", "factor": 2.0}]),
)
@settings(max_examples=12)
def test_logits_and_gradients_are_those_of_pytorchs_functions(n, t, heads, flag, scaling):
    torch = pytest.importorskip("torch")
    count, keys, width = heads
    net = model(
        num_attention_heads=count,
        num_key_value_heads=keys,
        head_dim=width,
        tie_word_embeddings=flag,
        attention_bias=not flag,
        rope_scaling=scaling,
    )
    tokens = np.random.default_rng(t).integers(0, 13, (n, t))
    logits = net(tg.tensor(tokens))
    expected, weights = peer(torch, net, tokens)
    np.testing.assert_allclose(logits.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    logits.square().mean().backward()
    expected.square().mean().backward()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), weights[name].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name
        )


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.sampled_from([1, 2]))
def test_reading_in_pieces_is_reading_at_once(pieces, keys):
    net = model(num_key_value_heads=keys)
    tokens = tg.tensor(np.random.default_rng(0).integers(0, 13, (2, sum(pieces))))
    past, parts = None, []
    for piece in tokens.split(pieces, 1):
        logits, past = net.advance(piece, past)
        parts.append(logits)
    assert past.length == sum(pieces) and past.layers[0][0].shape[1] == keys, "keys are kept once for all queries"
    np.testing.assert_allclose(tg.cat(parts, 1).detach().numpy(), net(tokens).detach().numpy(), rtol=1e-12, atol=1e-12)


def test_only_distances_matter_to_attention(monkeypatch):
    """The same text further on is read alike: positions turn queries and keys together."""
    net = model(num_hidden_layers=1)
    attention = net.model["layers"][0].self_attn
    x = tg.randn(1, 4, 12, dtype=tg.float64)
    here, _ = attention(x, None)
    turn = nn.RotaryEmbedding.forward
    monkeypatch.setattr(nn.RotaryEmbedding, "forward", lambda self, x, start: turn(self, x, start + 9))
    there, _ = attention(x, None)
    np.testing.assert_allclose(here.detach().numpy(), there.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_half_precision_turns_by_exact_angles():
    net = model().half()
    ones = tg.ones(1, 6, dtype=tg.float16) * (tg.arange(6) < 3)  # of each pair the first element alone
    turned = net.model["layers"][0].self_attn.rotary(ones, 3)[0, :3]
    assert turned.dtype == tg.float16
    assert turned.tolist() == [float(np.float16(np.cos(3 * f))) for f in rope_frequencies(net.config)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_attention_heads": 5}, "5 heads do not divide a width of 12"),
        ({"num_attention_heads": 4, "num_key_value_heads": 3}, "3 heads do not divide a width of 4"),
        ({"num_key_value_heads": 0}, "num_key_value_heads must be at least 1, got 0"),
        ({"head_dim": 5}, "a head must be even .*, got 5"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "'yarn' is not known"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        model(**changes)
