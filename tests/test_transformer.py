"""Attention of several heads and Transformer layers beside PyTorch's: results, gradients, state, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import functional as F

REFUSED = (ValueError, TypeError, IndexError, RuntimeError, AssertionError)


def settled(library, module):
    return (module.to(tg.float64) if library is tg else module.double()).train()


def layouts(rng, batch_first, batched, n, length, width):
    x = rng.normal(size=(n, length, width))
    return x[0] if not batched else x if batch_first else x.swapaxes(0, 1)


def pair_mask(draw, rng, kind, heads, n, rows, keys):
    """A mask that hides nothing whole from any row, where PyTorch's weights would be NaN."""
    if kind == "none":
        return None
    shape = (n * heads, rows, keys) if kind.endswith("by head") else (rows, keys)
    if kind.startswith("added"):
        return rng.normal(size=shape)
    hidden = rng.random(shape) < 0.4
    hidden[..., 0] = False
    return np.where(hidden, -np.inf, 0.0) if kind.startswith("infinite") else hidden


PAIRS = ["none", "none", "boolean", "boolean by head", "added", "added by head", "infinite"]
PADDING = ["none", "none", "boolean", "added"]


def padding_of(rng, kind, batched, n, keys):
    if kind == "none":
        return None
    mask = np.arange(keys) >= rng.integers(1, keys + 1, (n, 1))
    mask = mask if kind == "boolean" else rng.normal(size=mask.shape)
    return mask if batched else mask[0]


def given_to(library, *masks):
    return [None if m is None else library.tensor(m) for m in masks]


@settings(deadline=None)
@given(st.data())
def test_multihead_attention(data):
    torch = pytest.importorskip("torch")
    draw = data.draw
    heads, head_width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    width = heads * head_width
    own = draw(st.booleans())
    kdim, vdim = (draw(st.integers(1, 4)), draw(st.integers(1, 4))) if own else (None, None)
    batched, batch_first = draw(st.booleans()), draw(st.booleans())
    options = {name: draw(st.booleans()) for name in ("bias", "add_bias_kv", "add_zero_attn")}
    arguments = {"kdim": kdim, "vdim": vdim, "batch_first": batch_first, **options}
    n, rows, keys = draw(st.integers(1, 2)) if batched else 1, draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sharing = draw(st.sampled_from(["self", "memory", "three"])) if not own else "three"
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if sharing == "self":
        keys = rows
    shapes = [(rows, width), (keys, kdim or width), (keys, vdim or width)][
        : {"self": 1, "memory": 2, "three": 3}[sharing]
    ]
    arrays = [np.ascontiguousarray(layouts(rng, batch_first, batched, n, *s)) for s in shapes]
    pairs = pair_mask(draw, rng, draw(st.sampled_from(PAIRS)), heads, n, rows, keys)
    padding = padding_of(rng, draw(st.sampled_from(PADDING)), batched, n, keys)
    need, average = draw(st.booleans()), draw(st.booleans())
    ours = settled(tg, nn.MultiheadAttention(width, heads, **arguments))
    theirs = settled(torch, torch.nn.MultiheadAttention(width, heads, **arguments))
    same_state(ours, theirs)

    def call(library, module):
        def function(*x):
            full = (*x, *[x[-1]] * (3 - len(x)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch wants both masks of one type
                out, weights = module(
                    *full, *given_to(library, padding), need, *given_to(library, pairs), average_attn_weights=average
                )
            return (out, weights) if need else (out,)

        return function

    agree(call(tg, ours), call(torch, theirs), arrays, (list(ours.parameters()), list(theirs.parameters())), order=1)


@settings(deadline=None)
@given(st.data())
def test_layers(data):
    torch = pytest.importorskip("torch")
    draw = data.draw
    heads, head_width = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    width, batched, batch_first = heads * head_width, draw(st.booleans()), draw(st.booleans())
    n, rows, keys = draw(st.integers(1, 2)) if batched else 1, draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    activation = draw(st.sampled_from(["relu", "gelu", "tanh"]))
    arguments = {
        "dim_feedforward": draw(st.integers(1, 4)),
        "dropout": 0.0,
        "layer_norm_eps": 0.01,
        "batch_first": batch_first,
        "norm_first": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    decoder = draw(st.booleans())
    name = "TransformerDecoderLayer" if decoder else "TransformerEncoderLayer"

    def made(library):
        act = library.tanh if activation == "tanh" else activation
        return settled(library, getattr(library.nn, name)(width, heads, activation=act, **arguments))

    ours, theirs = made(tg), made(torch)
    same_state(ours, theirs)
    lengths = (rows, keys) if decoder else (rows,)
    arrays = [np.ascontiguousarray(layouts(rng, batch_first, batched, n, m, width)) for m in lengths]
    kinds = [k for k in PAIRS if not k.endswith("by head")]
    masks = [pair_mask(draw, rng, draw(st.sampled_from(kinds)), heads, n, rows, m) for m in lengths]
    padding = [padding_of(rng, draw(st.sampled_from(PADDING)), batched, n, m) for m in lengths]

    def call(library, module):
        def function(*x):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return module(*x, *given_to(library, *masks, *padding))

        return function

    parameters = list(ours.parameters()), list(theirs.parameters())
    # Zeros in the middle of ReLU and norms of a single number have second derivatives that depend on rounding.
    agree(call(tg, ours), call(torch, theirs), arrays, parameters, order=1)


@settings(deadline=None, max_examples=10)
@given(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
def test_the_whole_transformer(batch_first, norm_first, hint, seed):
    torch = pytest.importorskip("torch")
    arguments = {"dropout": 0.0, "batch_first": batch_first, "norm_first": norm_first, "activation": "gelu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = [settled(lib, lib.nn.Transformer(4, 2, 2, 1, 6, **arguments)) for lib in (tg, torch)]
    same_state(*made)
    rng = np.random.default_rng(seed)
    arrays = [np.ascontiguousarray(layouts(rng, batch_first, True, 2, m, 4)) for m in (5, 3)]
    padding = np.arange(5) >= np.array([[5], [3]])

    def call(library, module):
        def function(src, tgt):
            causal = library.nn.Transformer.generate_square_subsequent_mask(3).to(library.float64)
            return module(
                src,
                tgt,
                tgt_mask=causal,
                src_key_padding_mask=library.tensor(padding),
                memory_key_padding_mask=library.tensor(padding),
                tgt_is_causal=True if hint else None,
            )

        return function

    agree(call(tg, made[0]), call(torch, made[1]), arrays, tuple(list(m.parameters()) for m in made), order=1)
    theirs = str(made[1]).replace("NonDynamicallyQuantizableLinear", "Linear")  # a name for the sake of quantisation
    assert str(made[0]) == theirs


def test_second_derivatives_of_a_layer():
    torch = pytest.importorskip("torch")
    made = [settled(lib, lib.nn.TransformerEncoderLayer(4, 2, 3, 0.0, "gelu", batch_first=True)) for lib in (tg, torch)]
    same_state(*made)
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        agree(*made, [x], tuple(list(m.parameters()) for m in made), order=2, tolerance=1e-8)


def test_weights_start_as_pytorch_s_do():
    torch = pytest.importorskip("torch")
    for arguments in ({}, {"kdim": 48, "vdim": 40, "add_bias_kv": True}):
        ours, theirs = (lib.nn.MultiheadAttention(64, 4, **arguments).state_dict() for lib in (tg, torch))
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            held = ours[key].numpy()
            assert held.std() == pytest.approx(value.numpy().std(), rel=0.4, abs=1e-9), key
    draws = nn.Transformer(16, 2, 1, 1, 32).state_dict()
    bound = math.sqrt(6 / (16 + 32))
    assert np.abs(draws["encoder.layers.0.linear1.weight"].numpy()).max() == pytest.approx(bound, rel=0.05)


@pytest.mark.parametrize("length", [3, 70])
def test_padding_changes_nothing_and_rows_that_see_nothing_are_no_nan(length):
    tg.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = tg.randn(2, length, 8, requires_grad=True)
    padding = tg.zeros(2, length + 2, dtype=tg.bool)
    padding[:, length:] = True
    wide = tg.cat([x, tg.full((2, 2, 8), 5.0)], 1)
    assert layer(wide, src_key_padding_mask=padding)[:, :length].allclose(layer(x), atol=1e-5)
    blind = tg.ones(length, length, dtype=tg.bool)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    for need in (True, False):
        out, _ = attention(x, x, x, attn_mask=blind, need_weights=need)
        assert out.abs().max().item() == 0  # the projection of zeros, whose bias starts at 0
        (g,) = tg.autograd.grad(out.sum(), x)
        assert (g == 0).all()


def test_a_causal_mask_is_found_without_the_hint():
    tg.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 2).eval()
    x = tg.randn(5, 3, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    expected = encoder(x, mask, is_causal=False)
    for other in (mask, mask == -math.inf):
        assert encoder(x, other).allclose(expected, atol=1e-6)
    assert encoder(x, mask, is_causal=True).allclose(expected, atol=1e-6)
    y = x.clone()
    y[-1] = 0.0
    assert encoder(y, mask)[:-1].allclose(expected[:-1], atol=1e-6)


def test_dropout_is_drawn_in_training_alone():
    tg.manual_seed(0)
    layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.5)
    x, memory = tg.randn(5, 3, 8), tg.randn(4, 3, 8)
    assert not layer(x, memory).equal(layer(x, memory))
    layer.eval()
    assert layer(x, memory).equal(layer(x, memory))
    attention = nn.MultiheadAttention(8, 2, dropout=0.5)
    weights = attention(x, x, x, average_attn_weights=False)[1]
    assert 0.2 < (weights == 0).float().mean().item() < 0.8


def test_half_precision():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0).half()
    assert layer(tg.randn(3, 2, 8).half()).dtype is tg.float16


BAD = {
    "heads that do not divide": (lambda: nn.MultiheadAttention(8, 3), "divisible"),
    "no heads": (lambda: nn.MultiheadAttention(8, 0), "positive"),
    "dropout": (lambda: nn.MultiheadAttention(8, 2, 1.5), "probability"),
    "activation": (lambda: nn.TransformerEncoderLayer(8, 2, activation="swish"), "'relu', 'gelu' or a function"),
    "width": (lambda: call(tg.zeros(3, 1, 6)), r"width 6, expected 8"),
    "ranks": (lambda: call(tg.zeros(3, 1, 8), tg.zeros(3, 8)), "all have 3 dimensions"),
    "lengths": (lambda: call(tg.zeros(3, 1, 8), tg.zeros(3, 1, 8), tg.zeros(4, 1, 8)), "one length"),
    "mask": (
        lambda: call(tg.zeros(3, 1, 8), attn_mask=tg.zeros(2, 3)),
        r"attn_mask must have shape \(3, 3\), got \(2, 3\)",
    ),
    "mask of heads": (lambda: call(tg.zeros(3, 2, 8), attn_mask=tg.zeros(3, 3, 3)), r"\(4, 3, 3\)"),
    "mask of integers": (
        lambda: call(tg.zeros(3, 1, 8), attn_mask=tg.zeros(3, 3, dtype=tg.int64)),
        "boolean or of floating",
    ),
    "padding": (lambda: call(tg.zeros(3, 2, 8), key_padding_mask=tg.zeros(3, 2)), r"\(2, 3\), got \(3, 2\)"),
    "hint": (lambda: call(tg.zeros(3, 1, 8), is_causal=True), "attn_mask, which is missing"),
    "batches": (lambda: nn.Transformer(4, 1, 1, 1, 4)(tg.zeros(3, 2, 4), tg.zeros(3, 1, 4)), "one batch size"),
    "d_model": (lambda: nn.Transformer(4, 1, 1, 1, 4)(tg.zeros(3, 2, 4), tg.zeros(3, 2, 5)), "d_model = 4"),
}


def call(query, key=None, value=None, **options):
    key = query if key is None else key
    return nn.MultiheadAttention(8, 2)(query, key, key if value is None else value, **options)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    make, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_static_keys_and_values():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) for s in ((3, 2, 4), (12, 4), (12,), (4, 4), (4,), (4, 5, 2), (4, 5, 2))]

    def run(function):
        def forward(x, w, b, wo, bo, k, v):
            static = {"static_k": k, "static_v": v}
            return function(x, x, x, 4, 2, w, b, None, None, True, 0.0, wo, bo, need_weights=True, **static)

        return forward

    agree(run(F.multi_head_attention_forward), run(torch.nn.functional.multi_head_attention_forward), arrays, order=1)
