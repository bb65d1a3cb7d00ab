"""Cells over time: the driver beside the fused layers, the further cells beside compositions in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import same
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, derivatives

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn.utils.rnn import pack_padded_sequence, pack_sequence, unpack_sequence

FUSED = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


@st.composite
def layers(draw: Any) -> tuple[str, dict[str, Any], Any, Any, dict[str, Any]]:
    """A kind of layer, its options, the fused layer, and the same layer as cells over time with the same weights."""
    kind = draw(st.sampled_from(sorted(FUSED)))
    options: dict[str, Any] = {
        "input_size": draw(st.integers(1, 3)),
        "hidden_size": draw(st.integers(1, 3)),
        "num_layers": draw(st.integers(1, 3)),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    more: dict[str, Any] = {"bias": draw(st.booleans()), "dtype": tg.float64}
    if kind == "RNN":
        more["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    fused = getattr(nn, kind)(**options, **more)
    plain = nn.Recurrence(FUSED[kind], **options, **more)
    directions = 1 + options["bidirectional"]
    for i, cell in enumerate(plain.cells):
        end = f"_l{i // directions}" + ("_reverse" if i % directions else "")
        state = fused.state_dict()
        cell.load_state_dict({name: state[name + end] for name in cell.state_dict()})
    return kind, options, fused, plain, more


@given(layers(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_cells_over_time_are_the_fused_layer(drawn: Any, lengths: list[int], data: Any) -> None:
    """Outputs, states, gradients and second derivatives: over a batch, one sequence, packed ones, and padded ones."""
    kind, options, fused, plain, _ = drawn
    how = data.draw(st.sampled_from(["batch", "alone", "packed", "lengths"]), label="how")
    seed = data.draw(st.integers(0, 999), label="seed")
    rng = np.random.default_rng(seed)
    n, steps = len(lengths), max(lengths)
    batch = () if how == "alone" else (n,)
    shape = (steps,) if how == "alone" else (n, steps) if options["batch_first"] else (steps, n)
    arrays = [rng.normal(size=(*shape, options["input_size"]))]
    count = options["num_layers"] * (1 + options["bidirectional"])
    if data.draw(st.booleans(), label="initial state"):
        arrays += [rng.normal(size=(count, *batch, options["hidden_size"])) for _ in range(2 if kind == "LSTM" else 1)]

    def call(module: Any) -> Any:
        def run(x: Any, *states: Any) -> Any:
            state = None if not states else states if kind == "LSTM" else states[0]
            if how == "lengths" and module is plain:
                return module(x, state, lengths)
            if how in ("packed", "lengths"):
                x = pack_padded_sequence(x, lengths, options["batch_first"], enforce_sorted=False)
            out, state = module(x, state)
            if how == "packed":
                out = out.data
            if how == "lengths":
                out = nn.utils.rnn.pad_packed_sequence(out, options["batch_first"])[0]
            return out, state

        return run

    found = derivatives(tg, call(plain), arrays, list(plain.parameters()), seed, 2)
    expected = derivatives(tg, call(fused), arrays, list(fused.parameters()), seed, 2)
    for what, values in expected.items():
        for a, b in zip(found[what], values, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1.0, np.abs(b).max()), err_msg=what)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans())
def test_any_cell_reads_each_sequence_to_its_own_end(lengths: list[int], reverse: bool) -> None:
    """A cell that counts and adds up, with a state of its own kind."""

    def cell(x: Any, state: Any) -> Any:
        total, [count] = state if state is not None else (tg.zeros(x.shape), [tg.zeros(x.shape)])
        return total + x, [count + 1]

    sequences = [tg.arange(1.0, n + 1) + 10 * i for i, n in enumerate(sorted(lengths, reverse=True))]
    out, (total, [count]) = nn.unroll(cell, pack_sequence(sequences), reverse=reverse)
    for i, (sequence, made) in enumerate(zip(sequences, unpack_sequence(out), strict=True)):
        expected = sequence.flip(0).cumsum(0).flip(0) if reverse else sequence.cumsum(0)
        assert made.tolist() == expected.tolist()
        assert total[i].item() == sequence.sum().item() and count[i].item() == len(sequence)


def test_padding_is_never_read() -> None:
    layer = nn.Recurrence(nn.LayerNormGRUCell, 2, 3, bidirectional=True)
    x = tg.randn(4, 2, 2)
    x[2:, 1] = float("nan")
    x.requires_grad_()
    out, h = layer(x, lengths=[4, 2])
    assert not out[2:, 1].any() and out[:2, 1].isfinite().all() and h.isfinite().all()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters()) and not x.grad[2:, 1].any()


# Further cells -------------------------------------------------------------------------------------------------------


def norm(F: Any, x: Any, p: dict[str, Any], name: str) -> Any:
    """PyTorch's layer normalisation with a cell's weights."""
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])


def layer_norm_rnn(F: Any, p: Any, x: Any, h: Any) -> Any:
    return F.tanh(norm(F, x @ p["weight_ih"].T + h @ p["weight_hh"].T, p, "norm"))


def layer_norm_lstm(F: Any, p: Any, x: Any, h: Any, c: Any) -> Any:
    i, f, g, o = (norm(F, x @ p["weight_ih"].T, p, "norm_ih") + norm(F, h @ p["weight_hh"].T, p, "norm_hh")).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * norm(F, c, p, "norm_c").tanh(), c


def layer_norm_gru(F: Any, p: Any, x: Any, h: Any) -> Any:
    (xg, xn), (hg, hn) = (
        (s @ p[w].T).tensor_split([2 * h.shape[1]], 1) for s, w in ((x, "weight_ih"), (h, "weight_hh"))
    )
    r, z = (norm(F, xg, p, "norm_ih") + norm(F, hg, p, "norm_hh")).sigmoid().chunk(2, 1)
    n = (norm(F, xn, p, "norm_in") + r * norm(F, hn, p, "norm_hn")).tanh()
    return (1 - z) * n + z * h


def affine(p: Any, x: Any, h: Any) -> Any:
    return x @ p["weight_ih"].T + h @ p["weight_hh"].T + (p["bias_ih"] + p["bias_hh"] if "bias_ih" in p else 0)


def leaky(F: Any, p: Any, x: Any, h: Any) -> Any:
    rate = p["leak_logit"].sigmoid()
    return (1 - rate) * h + rate * affine(p, x, h).tanh()


def skipping(F: Any, p: Any, x: Any, h: Any, past: Any, last: Any) -> Any:
    return (affine(p, x, h) + last @ p["weight_sh"].T).tanh(), h, past


CELLS: dict[str, tuple[Any, int, dict[str, Any]]] = {  # the composition, the number of states, options
    "LayerNormRNNCell": (layer_norm_rnn, 1, {}),
    "LayerNormLSTMCell": (layer_norm_lstm, 2, {}),
    "LayerNormGRUCell": (layer_norm_gru, 1, {}),
    "LeakyRNNCell": (leaky, 1, {"leak": 0.3, "learn_leak": True}),
    "SkipRNNCell": (skipping, 3, {"skip": 3, "bias": False}),
}


@pytest.mark.parametrize("name", CELLS)
@given(st.integers(1, 3), st.integers(2, 4), st.integers(1, 3), st.integers(0, 999))
def test_further_cells_agree_with_pytorch(name: str, inputs: int, hidden: int, n: int, seed: int) -> None:
    """Two steps of each, with its normalised sums not too near to constant ones."""
    torch = pytest.importorskip("torch")
    rule, states, options = CELLS[name]
    cell = getattr(nn, name)(inputs, hidden, **options, dtype=tg.float64)
    rng = np.random.default_rng(seed)
    cell.load_state_dict({key: tg.tensor(rng.normal(size=v.shape)) for key, v in cell.state_dict().items()})
    p = {key: torch.tensor(v.detach().numpy(), requires_grad=True) for key, v in cell.named_parameters()}
    arrays = [rng.normal(size=(2, n, inputs)), *(rng.normal(size=(n, hidden)) for _ in range(states))]

    def ours(x: Any, *state: Any) -> Any:
        state = state if states > 1 else state[0]
        return cell(x[1], cell(x[0], state))

    def theirs(x: Any, *state: Any) -> Any:
        first = rule(torch.nn.functional, p, x[0], *state)
        return rule(torch.nn.functional, p, x[1], *(first if states > 1 else (first,)))

    agree(ours, theirs, arrays, (list(cell.parameters()), list(p.values())), seed=seed, tolerance=1e-7)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_further_cells_over_time(name: str) -> None:
    """By the kit: of the input and of every parameter."""
    cell = getattr(nn, name)(2, 3, **CELLS[name][2], dtype=tg.float64)
    held = [(cell.get_submodule(key.rpartition(".")[0]), key.rpartition(".")[2]) for key, _ in cell.named_parameters()]
    values = [p.detach() for p in cell.parameters()]
    for module, name in held:
        delattr(module, name)

    def run(x: Any, *values: Any) -> Any:
        for (module, name), value in zip(held, values, strict=True):
            setattr(module, name, value)
        return nn.unroll(cell, x)[0]

    x = tg.tensor(np.random.default_rng(0).normal(size=(3, 2, 2)))
    tg.testing.check_gradients(run, x, *values)


@pytest.mark.parametrize("name", CELLS)
def test_further_cells_take_single_vectors_and_start_from_zeros(name: str) -> None:
    cell = getattr(nn, name)(2, 3, **CELLS[name][2])
    x = tg.randn(4, 2)
    batch, alone = cell(x), cell(x[1])
    for a, b in zip(batch, alone, strict=True) if CELLS[name][1] > 1 else [(batch, alone)]:
        same(a[1], b, atol=1e-6)
        assert b.shape == (3,)


def test_a_leak_of_one_is_the_plain_cell_and_a_small_one_remembers() -> None:
    plain, leaky = nn.RNNCell(2, 3), nn.LeakyRNNCell(2, 3, leak=1.0)
    leaky.load_state_dict({**plain.state_dict(), "leak_logit": leaky.leak_logit})
    x, h = tg.randn(4, 2), tg.randn(4, 3)
    same(leaky(x, h), plain(x, h), atol=1e-6)
    rates = tg.tensor([0.01, 0.1, 0.5])
    slow = nn.LeakyRNNCell(2, 3, leak=rates)
    nn.init.zeros_(slow.weight_hh)
    h = tg.ones(1, 3, requires_grad=True)
    end = nn.unroll(slow, tg.zeros(20, 1, 2), h)[1]
    end.sum().backward()
    same(h.grad[0], (1 - rates) ** 20, rtol=1e-5, atol=1e-6)
    assert "leak_logit" not in dict(slow.named_parameters())


def test_a_skip_reaches_the_past_directly() -> None:
    cell = nn.SkipRNNCell(1, 2, skip=5, dtype=tg.float64)
    nn.init.zeros_(cell.weight_hh)
    x = tg.randn(12, 1, 1, dtype=tg.float64, requires_grad=True)
    nn.unroll(cell, x)[0][-1].sum().backward()
    reached = [t for t in range(12) if x.grad[t].item() != 0]
    assert reached == [1, 6, 11]


# Noise ---------------------------------------------------------------------------------------------------------------


@given(st.booleans(), st.integers(0, 99))
def test_variational_dropout_has_one_mask_for_all_steps(batch_first: bool, seed: int) -> None:
    tg.manual_seed(seed)
    drop = nn.VariationalDropout(0.4, batch_first)
    x = tg.randn((3, 7, 50) if batch_first else (7, 3, 50), dtype=tg.float64, requires_grad=True)
    out = drop(x)
    factor = (out / x).detach()
    factor = factor.transpose(0, 1) if batch_first else factor
    assert (factor.sub(factor[0]).abs() < 1e-12).all(), "the same at all steps"
    assert {round(value, 9) for value in factor[0].flatten().tolist()} == {0.0, round(1 / 0.6, 9)}
    assert not factor[0, 0].equal(factor[0, 1]), "another mask for each sequence"
    out.sum().backward()
    same((x.grad.transpose(0, 1) if batch_first else x.grad), factor)
    assert drop.eval()(x) is x and nn.VariationalDropout(0.0)(x) is x


def test_variational_dropout_of_packed_sequences() -> None:
    sequences = [tg.ones(n, 30) for n in (2, 4, 3)]
    out = unpack_sequence(nn.VariationalDropout(0.5)(pack_sequence(sequences, enforce_sorted=False)))
    assert [len(s) for s in out] == [2, 4, 3]
    assert all((s == s[0]).all() and set(s[0].tolist()) == {0.0, 2.0} for s in out)
    assert not out[0][0].equal(out[1][0])
    alone = nn.VariationalDropout(0.5)(tg.ones(4, 30))
    assert (alone == alone[0]).all() and set(alone[0].tolist()) == {0.0, 2.0}


def test_dropped_weights_are_the_same_at_all_steps_and_other_ones_in_the_next_call() -> None:
    lstm = nn.LSTM(2, 8, dtype=tg.float64)
    original = lstm.weight_hh_l0.detach().clone()
    assert nn.utils.parametrizations.weight_drop(lstm, "weight_hh_l0", 0.5) is lstm
    x = tg.randn(6, 1, 2, dtype=tg.float64)
    tg.manual_seed(1)
    out = lstm(x)[0]
    assert not out.equal(lstm(x)[0])
    tg.manual_seed(1)
    mask = lstm.weight_hh_l0.detach()
    ratio = (mask / original).unique()
    assert ratio.tolist() == pytest.approx([0, 2])
    plain = nn.LSTM(2, 8, dtype=tg.float64)
    state = {name.replace("parametrizations.", "").replace(".original", ""): v for name, v in lstm.state_dict().items()}
    plain.load_state_dict({**state, "weight_hh_l0": mask})
    same(plain(x)[0], out)
    out.sum().backward()
    held = lstm.parametrizations.weight_hh_l0.original
    assert ((held.grad == 0) == (mask == 0)).all() and held.equal(original)
    assert lstm.eval().weight_hh_l0.equal(original)


def test_noise_between_the_layers_is_the_same_at_all_steps() -> None:
    class Copy(nn.Module):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__()

        def forward(self, x: Any, state: Any) -> Any:
            return x + 0

    layer = nn.Recurrence(Copy, 20, 20, num_layers=2, dropout=0.5)
    out = layer(tg.ones(5, 2, 20))[0]
    assert (out == out[0]).all() and set(out[0].flatten().tolist()) == {0.0, 2.0}
    assert (layer.eval()(tg.ones(5, 2, 20))[0] == 1).all()


@given(st.integers(1, 12), st.floats(0.01, 3), st.integers(0, 99))
def test_the_spectral_radius_is_what_was_asked_for(n: int, radius: float, seed: int) -> None:
    tg.manual_seed(seed)
    w = nn.init.spectral_radius_(tg.empty(n, n, dtype=tg.float64), radius)
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(w.numpy())).max(), radius, rtol=1e-9)


def test_a_sparse_matrix_has_its_spectral_radius_too() -> None:
    w = nn.init.spectral_radius_(tg.empty(100, 100), 1.3, density=0.1)
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(w.double().numpy())).max(), 1.3, rtol=1e-4)
    assert 0.05 < (w != 0).float().mean().item() < 0.15


PACKED = pack_sequence([tg.zeros(2, 2)])
BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "cell": (lambda: nn.unroll(lambda x, s: 1.0, tg.zeros(2, 1)), TypeError, "must return a tensor"),
    "nothing": (lambda: nn.unroll(lambda x, s: (), tg.zeros(2, 1)), TypeError, "must return a tensor"),
    "input": (lambda: nn.unroll(lambda x, s: x, [1, 2]), TypeError, "a sequence"),
    "empty": (lambda: nn.unroll(lambda x, s: x, tg.zeros(0, 1)), ValueError, "at least one time step"),
    "layers": (lambda: nn.Recurrence(nn.GRUCell, 2, 3, 0), ValueError, "num_layers must be a positive"),
    "dropout": (lambda: nn.Recurrence(nn.GRUCell, 2, 3, dropout=2.0), ValueError, "p must be a probability"),
    "size": (
        lambda: nn.Recurrence(nn.GRUCell, 2, 3)(tg.zeros(4, 1, 3)),
        ValueError,
        r"\(T, 2\).*got shape \(4, 1, 3\)",
    ),
    "list": (lambda: nn.Recurrence(nn.GRUCell, 2, 3)([1.0]), TypeError, "expected a Tensor"),
    "beyond": (
        lambda: nn.Recurrence(nn.GRUCell, 2, 3)(tg.zeros(4, 1, 2), lengths=[5]),
        ValueError,
        "beyond the 4 steps",
    ),
    "alone": (lambda: nn.Recurrence(nn.GRUCell, 2, 3)(tg.zeros(4, 2), lengths=[4]), ValueError, "belong to a batch"),
    "twice": (lambda: nn.Recurrence(nn.GRUCell, 2, 3)(PACKED, lengths=[2]), ValueError, "its own lengths"),
    "state": (
        lambda: nn.Recurrence(nn.GRUCell, 2, 3)(tg.zeros(4, 1, 2), tg.zeros(1, 2, 3)),
        ValueError,
        r"\(1, 1, …\) for 1 cells and 1 sequences, got \(1, 2, 3\)",
    ),
    "hidden": (
        lambda: nn.Recurrence(nn.GRUCell, 2, 3)(tg.zeros(4, 1, 2), tg.zeros(1, 1, 4)),
        ValueError,
        r"the state h of shape \(1, 3\), got \(1, 4\)",
    ),
    "pair": (lambda: nn.LayerNormLSTMCell(2, 3)(tg.zeros(1, 2), tg.zeros(1, 3)), TypeError, "expected 2 states"),
    "three": (lambda: nn.SkipRNNCell(2, 3, 3)(tg.zeros(1, 2), (tg.zeros(1, 3),) * 2), TypeError, "expected 3 states"),
    "skip": (lambda: nn.SkipRNNCell(2, 3, skip=1), ValueError, "at least 2, got 1"),
    "leak": (lambda: nn.LeakyRNNCell(2, 3, leak=0.0), ValueError, "above 0 and at most 1"),
    "learned": (lambda: nn.LeakyRNNCell(2, 3, leak=1.0, learn_leak=True), ValueError, "below 1 to be learned"),
    "leaks": (lambda: nn.LeakyRNNCell(2, 3, leak=tg.ones(2)), ValueError, r"3, got shape \(2,\)"),
    "mask": (lambda: nn.VariationalDropout()(tg.zeros(3)), TypeError, "expected a tensor"),
    "p": (lambda: nn.VariationalDropout(1.5), ValueError, "probability"),
    "drop": (lambda: nn.utils.parametrizations.weight_drop(nn.Linear(1, 1), p=-1), ValueError, "probability"),
    "name": (lambda: nn.utils.parametrizations.weight_drop(nn.Linear(1, 1), "w"), ValueError, "no parameter"),
    "matrix": (lambda: nn.init.spectral_radius_(tg.empty(2, 3)), ValueError, "a square matrix"),
    "radius": (lambda: nn.init.spectral_radius_(tg.empty(2, 2), -1), ValueError, "not be negative"),
    "density": (lambda: nn.init.spectral_radius_(tg.empty(2, 2), 1, 0), ValueError, "density"),
    "no eigenvalue": (lambda: nn.init.spectral_radius_(tg.empty(2, 2), 1, 1e-9), RuntimeError, "are zero"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
