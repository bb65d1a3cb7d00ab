"""GPT: the same network as PyTorch's layers make, cached steps as one pass, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu.models.causal import SlidingWindow
from tinygrad_edu.models.gpt import GPT, GPTConfig


def model(**changes):
    sizes = {"vocab_size": 13, "block_size": 12, "n_layer": 2, "n_head": 2, "n_embd": 8}
    tg.manual_seed(0)
    net = GPT(GPTConfig(**sizes | changes)).double()
    with tg.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0.0, 0.5)
    return net.eval()


def peer(torch, net, tokens):
    """The logits by PyTorch's own encoder layers."""
    c = net.config
    weights = {name: torch.tensor(value.numpy()) for name, value in net.state_dict().items()}
    table = weights["transformer.wte.weight"].requires_grad_()
    x = torch.nn.functional.embedding(torch.tensor(tokens), table)
    x = x + weights["transformer.wpe.weight"][: tokens.shape[1]]
    act = torch.nn.GELU("tanh" if c.activation == "gelu_tanh" else "none")
    mask = torch.nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], dtype=torch.float64)
    names = {
        "self_attn.in_proj_": "attn.c_attn.",
        "self_attn.out_proj.": "attn.c_proj.",
        "linear1.": "mlp.c_fc.",
        "linear2.": "mlp.c_proj.",
        "norm1.": "ln_1.",
        "norm2.": "ln_2.",
    }
    for i in range(c.n_layer):
        layer = torch.nn.TransformerEncoderLayer(
            c.n_embd, c.n_head, 4 * c.n_embd, 0.0, act, c.eps, True, True, dtype=torch.float64
        )
        layer.load_state_dict(
            {
                theirs + kind: weights[f"transformer.h.{i}.{ours}{kind}"]
                for theirs, ours in names.items()
                for kind in ("weight", "bias")
            }
        )
        x = layer(x, mask, is_causal=True)
    x = torch.nn.functional.layer_norm(
        x, (c.n_embd,), weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], c.eps
    )
    return x @ table.T, table


@given(st.integers(1, 3), st.integers(1, 12), st.sampled_from([1, 2, 4]), st.sampled_from(["gelu", "gelu_tanh"]))
@settings(max_examples=12)
def test_logits_and_the_tied_gradient_are_those_of_pytorchs_layers(n, t, heads, activation):
    torch = pytest.importorskip("torch")
    net = model(n_head=heads, activation=activation)
    rng = np.random.default_rng(t)
    tokens, targets = rng.integers(0, 13, (2, n, t))
    logits = net(tg.tensor(tokens))
    expected, table = peer(torch, net, tokens)
    np.testing.assert_allclose(logits.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    F.cross_entropy(logits.flatten(0, 1), tg.tensor(targets).flatten()).backward()
    torch.nn.functional.cross_entropy(expected.flatten(0, 1), torch.tensor(targets).flatten()).backward()
    np.testing.assert_allclose(net.lm_head.weight.grad.numpy(), table.grad.numpy(), rtol=1e-8, atol=1e-10)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_reading_in_pieces_is_reading_at_once(pieces):
    net = model()
    tokens = tg.tensor(np.random.default_rng(0).integers(0, 13, (2, sum(pieces))))
    state, parts = None, []
    for piece in tokens.split(pieces, 1):
        logits, state = net.advance(piece, state)
        parts.append(logits)
    np.testing.assert_allclose(tg.cat(parts, 1).detach().numpy(), net(tokens).detach().numpy(), rtol=1e-12, atol=1e-12)


def test_a_later_token_changes_no_earlier_logits():
    net, tokens = model(), tg.tensor(np.random.default_rng(1).integers(0, 13, (1, 9)))
    other = tokens.clone()
    other[0, 5] = (other[0, 5] + 1) % 13
    changed = (net(tokens) != net(other)).any(-1)[0].tolist()
    assert changed == [False] * 5 + [True] * 4


def test_a_sliding_window_has_no_end():
    net, state, plain = model(block_size=4), None, None
    endless = SlidingWindow(net)
    tokens = np.random.default_rng(2).integers(0, 13, 11)
    for i, token in enumerate(tokens):
        logits, state = endless.step(tg.tensor([token]), state)
        window = state.tokens.shape[1]
        assert 1 <= window <= 4 and state.tokens[0].tolist() == tokens[i + 1 - window : i + 1].tolist()
        expected = net(tg.tensor(tokens[None, i + 1 - window : i + 1]))[:, -1]
        np.testing.assert_allclose(logits.detach().numpy(), expected.detach().numpy(), rtol=1e-10)
        if i < 4:
            same, plain = net.step(tg.tensor([token]), plain)
            assert (same == logits).all().item()
    assert endless.prefill(tg.tensor(tokens[None]))[1].tokens[0].tolist() == tokens[-2:].tolist()


def test_rows_of_a_past_are_chosen():
    net = model()
    tokens = tg.tensor(np.random.default_rng(3).integers(0, 13, (3, 5)))
    index = tg.tensor([2, 2, 0, 1])
    state = net.prefill(tokens[:, :4])[1].select_rows(index)
    logits, _ = net.step(tokens[index, 4], state)
    np.testing.assert_allclose(logits.detach().numpy(), net(tokens[index])[:, -1].detach().numpy(), rtol=1e-10)


def test_it_learns_a_pattern_by_heart():
    tg.manual_seed(0)
    net = GPT(GPTConfig(vocab_size=5, block_size=16, n_layer=1, n_head=2, n_embd=16, dropout=0.1))
    tokens = tg.tensor([[0, 1, 2, 0, 3, 4] * 3])[:, :17]
    optimizer = tg.optim.AdamW(net.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(tokens[:, :-1])[0], tokens[0, 1:])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2, "after 0 comes 1 or 3, so looking back is needed"


def test_names_are_those_of_gpt2():
    names = list(model(n_layer=1).state_dict())
    block = [
        f"transformer.h.0.{part}.{kind}"
        for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
        for kind in ("weight", "bias")
    ]
    ends = ["transformer.ln_f.weight", "transformer.ln_f.bias", "lm_head.weight"]
    assert names == ["transformer.wte.weight", "transformer.wpe.weight", *block, *ends]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GPTConfig(n_embd=10, n_head=3), "3 heads do not divide a width of 10"),
        (lambda: GPTConfig(n_layer=0), "n_layer must be at least 1, got 0"),
        (lambda: GPTConfig(activation="relu"), "got 'relu'"),
        (lambda: model()(tg.zeros(1, 13, dtype=tg.int64)), "13 tokens are more than the 12 positions"),
        (lambda: model()(tg.zeros(3, dtype=tg.int64)), r"expected integers of shape \(N, T\)"),
        (lambda: model()(tg.zeros(1, 3)), "expected integers"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
