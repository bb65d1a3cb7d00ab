"""Encoders, decoders and what joins them: PyTorch's compositions, steps against whole sequences, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.models import (
    BahdanauDecoder,
    Decoder,
    Encoder,
    LuongDecoder,
    RecurrentDecoder,
    RecurrentEncoder,
    Seq2Seq,
    inverse_sigmoid_schedule,
    linear_schedule,
)

CELLS = ["rnn", "lstm", "gru"]
KINDS = ["plain", "peeky", "luong", "feeding", "bahdanau"]
ATTENTION = ["dot", "general", "additive", "concat"]
SOURCE, TARGET = 7, 6  # tokens


def make(
    kind: str,
    cell: str = "lstm",
    attention: str = "general",
    *,
    bidirectional: bool = False,
    layers: int = 1,
    **options: Any,
) -> Seq2Seq:
    """A small model of each kind."""
    size = 4
    encoder = RecurrentEncoder(SOURCE, 3, size, cell=cell, num_layers=layers, bidirectional=bidirectional, **options)
    common: dict[str, Any] = {"cell": cell, "num_layers": layers, **options}
    if kind in ("plain", "peeky"):
        decoder: Any = RecurrentDecoder(TARGET, 5, size, peeky=kind == "peeky", **common)
    else:
        common |= {"attention": attention, "memory_size": encoder.output_size}
        if kind == "bahdanau":
            decoder = BahdanauDecoder(TARGET, 5, size, **common)
        else:
            decoder = LuongDecoder(TARGET, 5, size, input_feeding=kind == "feeding", **common)
    return Seq2Seq(encoder, decoder, bos=1, eos=2)


def sequences(seed: int, rows: int = 3) -> tuple[tg.Tensor, list[int], tg.Tensor]:
    """Sources of different lengths, padded, the lengths, and targets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 5, rows)
    source = rng.integers(1, SOURCE, (rows, lengths.max())) * (np.arange(lengths.max()) < lengths[:, None])
    target = np.concatenate([np.ones((rows, 1), int), rng.integers(1, TARGET, (rows, 3))], 1)
    return tg.tensor(source), lengths.tolist(), tg.tensor(target)


def states(model: Any, cell: str, recurrent: Any, x: Any, before: Any) -> Any:
    """PyTorch's layers over (T, N, …), the state as a tuple."""
    out, after = recurrent(x, before if cell == "lstm" else before[0])
    return out, after if cell == "lstm" else (after,)


def peer(model: Seq2Seq, kind: str, cell: str, attention: str) -> tuple[Any, dict[str, Any]]:
    """The same model in PyTorch, step by step as the papers write it, and its parameters."""
    torch = pytest.importorskip("torch")
    p = {name: torch.tensor(value.detach().numpy(), requires_grad=True) for name, value in model.named_parameters()}

    def layers(prefix: str, ours: Any) -> Any:
        theirs = getattr(torch.nn, cell.upper())(
            ours.input_size, ours.hidden_size, ours.num_layers, bidirectional=ours.bidirectional, dtype=torch.float64
        )
        names = [name for name, _ in theirs.named_parameters()]

        def call(x: Any, before: Any = None) -> Any:
            given = {name: p[f"{prefix}.{name}"] for name in names}
            start = () if before is None else (before if cell == "lstm" else before[0],)
            out, after = torch.func.functional_call(theirs, given, (x, *start))
            return out, after if cell == "lstm" else (after,)

        return call

    read = layers("encoder.recurrent", model.encoder.recurrent)
    write = layers("decoder.recurrent", model.decoder.recurrent)

    def scores(query: Any, memory: Any) -> Any:
        if attention == "dot":
            return memory @ query
        if attention == "general":
            return memory @ (query @ p["decoder.attention.weight"])
        if attention == "additive":
            inside = p["decoder.attention.query.weight"] @ query + memory @ p["decoder.attention.key.weight"].T
        else:
            both = torch.cat([query.expand(len(memory), -1), memory], 1)
            inside = both @ p["decoder.attention.joint.weight"].T
        return torch.tanh(inside) @ p["decoder.attention.energy.weight"][0]

    def look(query: Any, memory: Any) -> Any:
        return torch.softmax(scores(query, memory), 0) @ memory

    def line(name: str, x: Any) -> Any:
        return x @ p[f"decoder.{name}.weight"].T + p[f"decoder.{name}.bias"]

    def one(source: list[int], target: list[int]) -> Any:
        """The logits of a single pair."""
        memory, state = read(p["encoder.embed.weight"][source][:, None])
        memory = memory[:, 0]
        if model.encoder.recurrent.bidirectional:
            joined = [s.reshape(-1, 2, s.shape[-1]).flatten(1)[:, None] for s in state]
            state = tuple(
                torch.tanh(s @ p[f"encoder.bridge.{i}.weight"].T + p[f"encoder.bridge.{i}.bias"])
                for i, s in enumerate(joined)
            )
        context = state[0][-1, 0]
        fed = torch.zeros(model.decoder.recurrent.hidden_size, dtype=torch.float64)
        logits = []
        for token in target:
            x = embedded = p["decoder.embed.weight"][token]
            if kind == "peeky":
                x = torch.cat([x, context])
            elif kind == "feeding":
                x = torch.cat([x, fed])
            elif kind == "bahdanau":
                seen = look(state[0][-1, 0], memory)
                x = torch.cat([x, seen])
            out, state = write(x[None, None], state)
            h = out[0, 0]
            if kind == "peeky":
                h = torch.cat([h, context])
            elif kind == "bahdanau":
                h = torch.tanh(line("combine", torch.cat([seen, h, embedded])))
            elif kind in ("luong", "feeding"):
                h = fed = torch.tanh(line("combine", torch.cat([look(h, memory), h])))
            logits.append(line("head", h))
        return torch.stack(logits)

    return one, p


@given(
    st.sampled_from(KINDS),
    st.sampled_from(CELLS),
    st.sampled_from(ATTENTION),
    st.booleans(),
    st.integers(1, 2),
    st.integers(0, 2**32 - 1),
)
def test_models_agree_with_pytorch_pair_by_pair(
    kind: str, cell: str, attention: str, bidirectional: bool, layers: int, seed: int
) -> None:
    """Logits and gradients by all parameters: a padded batch is its pairs one by one, without padding."""
    torch = pytest.importorskip("torch")
    attention = "general" if attention == "dot" and bidirectional else attention
    tg.manual_seed(seed)
    model = make(kind, cell, attention, bidirectional=bidirectional, layers=layers, dtype="float64")
    source, lengths, target = sequences(seed)
    one, theirs = peer(model, kind, cell, attention)

    def whole() -> Any:
        rows = zip(source.tolist(), lengths, target.tolist(), strict=True)
        return torch.stack([one(row[:n], wanted[:-1]) for row, n, wanted in rows])

    agree(
        lambda: model(source, target, lengths),
        whole,
        [],
        (list(model.parameters()), list(theirs.values())),
        seed=seed,
        order=1,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_all_steps_at_once_are_the_steps_one_by_one(kind: str, cell: str) -> None:
    model = make(kind, cell, layers=2, bidirectional=True, dtype="float64")
    source, lengths, target = sequences(3)
    together = model(source, target, lengths)
    state, weights = model.start(source, lengths), []
    for t in range(target.shape[1] - 1):
        logits, state = model.decoder.step(target[:, t], state)
        np.testing.assert_allclose(logits.detach().numpy(), together[:, t].detach().numpy(), atol=1e-12)
        weights.append(state.weights)
    if kind in ("plain", "peeky"):
        with pytest.raises(TypeError, match="RecurrentDecoder has no attention to show"):
            model.align(source, target)
        return
    looked = model.align(source, target)
    np.testing.assert_allclose(looked.numpy(), tg.cat(weights, 1).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(looked.sum(2).numpy(), 1, atol=1e-12)
    assert not looked.numpy()[np.broadcast_to((source == 0).numpy()[:, None], looked.shape)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_rows_around_do_not_matter(kind: str) -> None:
    model = make(kind, bidirectional=True, dtype="float64")
    source, _, target = sequences(5)
    loss = model.loss(source, target).item()
    wider = tg.cat([source, tg.zeros(3, 2, dtype="int64")], 1)
    longer = tg.cat([target, tg.zeros(3, 4, dtype="int64")], 1)
    assert model.loss(wider, longer).item() == pytest.approx(loss, abs=1e-12)
    rows = [model.loss(source[i : i + 1], target[i : i + 1]).item() for i in range(3)]
    assert np.mean(rows) == pytest.approx(loss, abs=1e-12)
    smooth = model.loss(source, target, label_smoothing=0.1)
    logits = model(source, target)
    uniform = -nn.functional.log_softmax(logits, 2).mean().item()
    assert smooth.item() == pytest.approx(0.9 * loss + 0.1 * uniform)


def test_teacher_forcing_is_a_coin_for_each_token() -> None:
    model = make("luong", dtype="float64")
    source, lengths, target = sequences(1)
    told = model(source, target, lengths)
    assert np.abs((model(source, target, lengths, teacher_forcing=1 - 1e-12) - told).detach().numpy()).max() < 1e-12
    alone = model(source, target, lengths, teacher_forcing=0.0)
    state, read = model.start(source, lengths), target[:, 0]
    for t in range(3):  # it reads what it thought likeliest
        logits, state = model.decoder.step(read, state)
        np.testing.assert_allclose(alone[:, t].detach().numpy(), logits.detach().numpy(), atol=1e-12)
        read = logits.argmax(1)
    np.testing.assert_allclose(alone[:, 0].detach().numpy(), told[:, 0].detach().numpy(), atol=1e-12)
    tg.manual_seed(0)
    first = model.loss(source, target, teacher_forcing=0.5)
    tg.manual_seed(0)
    assert model.loss(source, target, teacher_forcing=0.5).item() == first.item()
    first.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_schedules_fall_from_one() -> None:
    for rate in (linear_schedule(1.0, 0.2, 50), inverse_sigmoid_schedule(30)):
        values = [rate(i) for i in range(300)]
        assert values[0] > 0.95 and values == sorted(values, reverse=True) and values[0] > values[-1] >= 0
    assert inverse_sigmoid_schedule(30)(round(30 * math.log(30))) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="k must be at least 1"):
        inverse_sigmoid_schedule(0.5)
    with pytest.raises(ValueError, match="rates lie between 0 and 1"):
        linear_schedule(2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_writing_ends_at_the_end_and_a_beam_of_one_writes_the_same(kind: str) -> None:
    tg.manual_seed(2)
    model = make(kind, "gru", bidirectional=True, dropout=0.5)
    source, lengths, _ = sequences(2, rows=6)
    written = model.generate(source, lengths, max_length=7)
    assert written == model.generate(source, lengths, max_length=7)  # dropout is off meanwhile
    assert model.training and model.encoder.training and model.decoder.training
    assert all(len(tokens) <= 7 and 2 not in tokens for tokens in written)
    beams = model.beam_search(source, lengths, max_length=7, beam_size=1)
    assert [h.tokens for (h,) in beams] == written
    wide = model.beam_search(source, lengths, max_length=7, beam_size=8, n_best=2)
    assert all(h.score >= g.score - 1e-5 for (h, _), (g,) in zip(wide, beams, strict=True))
    drawn = model.generate(source, lengths, max_length=7, greedy=False, generator=tg.Generator().manual_seed(0))
    assert len(drawn) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_learns_to_turn_words_around(kind: str) -> None:
    """Which it can't by chance: 5 tokens in each of up to 4 places."""
    tg.manual_seed(0)
    encoder = RecurrentEncoder(SOURCE, 8, 24, cell="gru", bidirectional=True)
    if kind in ("plain", "peeky"):
        decoder: Decoder = RecurrentDecoder(9, 8, 24, cell="gru", peeky=kind == "peeky")
    elif kind == "bahdanau":
        decoder = BahdanauDecoder(9, 8, 24, cell="gru", memory_size=48)
    else:
        decoder = LuongDecoder(9, 8, 24, cell="gru", memory_size=48, input_feeding=kind == "feeding")
    model = Seq2Seq(encoder, decoder, bos=1, eos=2)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    rng = np.random.default_rng(0)

    def batch() -> tuple[tg.Tensor, list[list[int]], tg.Tensor]:
        words = [(rng.integers(0, 5, rng.integers(1, 4)) + 2).tolist() for _ in range(32)]
        pad = [[*w, *[0] * (3 - len(w))] for w in words]
        goal = [[1, *(t + 1 for t in reversed(w)), 2, *[0] * (3 - len(w))] for w in words]
        return tg.tensor(pad), [[t + 1 for t in reversed(w)] for w in words], tg.tensor(goal)

    for _ in range(150):
        source, _, target = batch()
        optimizer.zero_grad()
        model.loss(source, target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    source, wanted, _ = batch()
    assert np.mean([a == b for a, b in zip(model.generate(source, max_length=5), wanted, strict=True)]) > 0.6


def test_a_state_dict_brings_a_model_back() -> None:
    source, lengths, target = sequences(4)
    for kind in KINDS:
        one, two = make(kind, bidirectional=True), make(kind, bidirectional=True)
        two.load_state_dict(one.state_dict())
        assert one.loss(source, target, lengths).item() == two.loss(source, target, lengths).item()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, s, t: m(s.float(), t), TypeError, r"the source as a tensor of int64, got float32\[3, \d\]"),
        (lambda m, s, t: m(s[0], t), ValueError, r"rows with two tokens at least|a source of shape"),
        (lambda m, s, t: m(s[:, :0], t), ValueError, r"a source of shape \(N, length\) that is not empty"),
        (lambda m, s, t: m(s, t[:2]), ValueError, r"a target of 3 rows .* got shape \(2, 4\)"),
        (lambda m, s, t: m(s, t[:, :1]), ValueError, r"two tokens at least"),
        (lambda m, s, t: m(s * 0, t), ValueError, r"row 0 of the source is empty"),
        (lambda m, s, t: m(s, t, [1, 2, 9]), ValueError, r"\d places of the padding, got 9"),
        (lambda m, s, t: m(s, t, [1, 1]), ValueError, r"one length for each of the 3 sequences, got 2"),
        (lambda m, s, t: m(s, t, [0, 1, 1]), ValueError, r"at least one step"),
        (lambda m, s, t: m(s, t, teacher_forcing=1.5), ValueError, r"teacher_forcing must lie between 0 and 1"),
        (lambda m, s, t: Seq2Seq(m.encoder, m.decoder, bos=1, eos=1), ValueError, r"eos must be a token of its own"),
        (lambda m, s, t: Seq2Seq(m.encoder, m.decoder, bos=-1, eos=1), ValueError, r"bos must be the number"),
        (lambda m, s, t: RecurrentEncoder(5, 2, 3, cell="tree"), ValueError, r"RecurrentEncoder: cell must be one of"),
        (lambda m, s, t: LuongDecoder(5, 2, 3, attention="dot", memory_size=6), ValueError, r"'general' has a matrix"),
        (lambda m, s, t: LuongDecoder(5, 2, 3, attention="hard"), ValueError, r"LuongDecoder: attention must be"),
        (
            lambda m, s, t: BahdanauDecoder(5, 2, 3, attention=nn.DotAttention(4)),
            ValueError,
            r"queries of size 3 and keys of size 3, got 4 and 4",
        ),
        (lambda m, s, t: Encoder()(s), TypeError, r"Encoder does not define forward"),
        (lambda m, s, t: Decoder().start(None), TypeError, r"Decoder does not define start"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    source, _, target = sequences(0)
    with pytest.raises(error, match=message):
        call(make("luong"), source, target)
