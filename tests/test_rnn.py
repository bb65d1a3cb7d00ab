"""Recurrent layers and cells: PyTorch's results, derivatives, names, shapes and texts at the same state."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.ops import recurrent

KINDS = ["RNN", "LSTM", "GRU"]
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@st.composite
def configurations(draw: Any) -> tuple[str, dict[str, Any]]:
    """A class and its arguments."""
    kind = draw(st.sampled_from(KINDS))
    options = {
        "input_size": draw(st.integers(1, 3)),
        "hidden_size": draw(st.integers(1, 3)),
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "dropout": 0.0,
        "bidirectional": draw(st.booleans()),
    }
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, options["hidden_size"] - 1))
    return kind, options


def state_shapes(kind: str, options: dict[str, Any], *batch: int) -> list[tuple[int, ...]]:
    """The shapes of the initial states."""
    count = options["num_layers"] * (1 + options["bidirectional"])
    sizes = [options.get("proj_size") or options["hidden_size"], options["hidden_size"]][: 2 if kind == "LSTM" else 1]
    return [(count, *batch, size) for size in sizes]


def pair(kind: str, dtype: str, options: dict[str, Any], seed: int = 0) -> tuple[Any, Any]:
    """Our layer and PyTorch's, with the same random state."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, kind)(**options, dtype=dtype)
    theirs = getattr(torch.nn, kind)(**options, dtype=getattr(torch, dtype))
    same_state(ours, theirs, seed)
    return ours, theirs


def caller(kind: str, module: Any) -> Any:
    """Call a layer or cell on an input and its states, of which an LSTM takes two as a pair."""

    def call(x: Any, *states: Any) -> Any:
        if not states:
            return module(x)
        return module(x, states if kind.startswith("LSTM") else states[0])

    return call


@given(configurations(), st.data(), st.integers(0, 2**32 - 1))
def test_layers_agree_with_pytorch(configuration: tuple[str, dict[str, Any]], data: Any, seed: int) -> None:
    """Outputs, last states, gradients by everything, and derivatives of the gradients."""
    kind, options = configuration
    dtype = data.draw(st.sampled_from(["float64", "float32"]), label="dtype")
    batched = data.draw(st.booleans(), label="batched")
    steps, n = data.draw(st.integers(1, 4), label="T"), data.draw(st.integers(0, 3), label="N")
    ours, theirs = pair(kind, dtype, options, seed)
    rng = np.random.default_rng(seed)
    batch = (n,) if batched else ()
    shape = (n, steps) if batched and options["batch_first"] else (steps, *batch)
    arrays = [rng.normal(size=(*shape, options["input_size"]))]
    if data.draw(st.booleans(), label="initial state"):
        arrays += [rng.normal(size=size) for size in state_shapes(kind, options, *batch)]
    agree(
        caller(kind, ours),
        caller(kind, theirs),
        [a.astype(dtype) for a in arrays],
        (list(ours.parameters()), list(theirs.parameters())),
        seed=seed,
        tolerance=1e-9 if dtype == "float64" else 1e-4,
    )


@given(configurations(), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data(), st.integers(0, 2**32 - 1))
def test_packed_sequences_agree_with_pytorch(
    configuration: tuple[str, dict[str, Any]], lengths: list[int], data: Any, seed: int
) -> None:
    """Layers over sequences of different lengths, sorted or not, and padded again."""
    torch = pytest.importorskip("torch")
    kind, options = configuration
    in_order = data.draw(st.booleans(), label="enforce_sorted")
    lengths = sorted(lengths, reverse=True) if in_order else lengths
    ours, theirs = pair(kind, "float64", options, seed)
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths)) if options["batch_first"] else (max(lengths), len(lengths))
    arrays = [rng.normal(size=(*shape, options["input_size"]))]
    if data.draw(st.booleans(), label="initial state"):
        arrays += [rng.normal(size=size) for size in state_shapes(kind, options, len(lengths))]

    def through(utils: Any, module: Any) -> Any:
        def call(x: Any, *states: Any) -> Any:
            packed = utils.pack_padded_sequence(x, lengths, options["batch_first"], in_order)
            out, ends = caller(kind, module)(packed, *states)
            return utils.pad_packed_sequence(out, options["batch_first"], 0.5, max(lengths) + 1)[0], ends

        return call

    agree(
        through(nn.utils.rnn, ours),
        through(torch.nn.utils.rnn, theirs),
        arrays,
        (list(ours.parameters()), list(theirs.parameters())),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_packed_sequence_is_run_as_if_it_were_alone(kind: str, bidirectional: bool) -> None:
    layer = getattr(nn, kind)(2, 3, num_layers=2, bidirectional=bidirectional)
    sequences = [tg.randn(n, 2) for n in (2, 4, 1, 4)]
    out, ends = layer(nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False))
    for i, (sequence, made) in enumerate(zip(sequences, nn.utils.rnn.unpack_sequence(out), strict=True)):
        alone, end = layer(sequence)
        np.testing.assert_allclose(made.detach().numpy(), alone.detach().numpy(), atol=1e-6)
        for a, b in zip(ends, end, strict=True) if kind == "LSTM" else [(ends, end)]:
            np.testing.assert_allclose(a[:, i].detach().numpy(), b.detach().numpy(), atol=1e-6)


@given(
    st.sampled_from(KINDS),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
)
def test_cells_agree_with_pytorch(
    kind: str, inputs: int, hidden: int, bias: bool, batched: bool, given_state: bool, seed: int
) -> None:
    for more in ({"nonlinearity": "tanh"}, {"nonlinearity": "relu"}) if kind == "RNN" else ({},):
        ours, theirs = pair(
            f"{kind}Cell", "float64", {"input_size": inputs, "hidden_size": hidden, "bias": bias, **more}, seed
        )
        rng = np.random.default_rng(seed)
        batch = (2,) if batched else ()
        arrays = [rng.normal(size=(*batch, inputs))]
        if given_state:
            arrays += [rng.normal(size=(*batch, hidden)) for _ in range(2 if kind == "LSTM" else 1)]
        parameters = (list(ours.parameters()), list(theirs.parameters()))
        agree(caller(kind, ours), caller(kind, theirs), arrays, parameters, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind: str) -> None:
    """At sizes where blocks of a product and threads come into play."""
    layer = getattr(nn, kind)(40, 50, dtype="float64")
    cell = getattr(nn, f"{kind}Cell")(40, 50, dtype="float64")
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = tg.randn(7, 33, 40, dtype="float64", requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    out, _ = layer(x)
    state, steps = None, []
    for x_t in twin.unbind(0):
        state = cell(x_t, state)
        steps.append(state[0] if kind == "LSTM" else state)
    cotangent = tg.randn(out.shape, dtype="float64")
    (out * cotangent).sum().backward()
    expected = tg.stack(steps)
    (expected * cotangent).sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), twin.grad.numpy(), atol=1e-11)
    for p, q in zip(layer.parameters(), cell.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-10)


@pytest.mark.skipif("lstm" not in tg.get_default_device().backend.kernels, reason="this backend runs the reference")
@pytest.mark.parametrize("op", [recurrent.Tanh, recurrent.Relu, recurrent.LSTM, recurrent.GRU])
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sets(st.integers(0, 6)),
    st.integers(0, 2**32 - 1),
)
def test_the_fused_operation_is_its_reference(
    op: Any, steps: int, n: int, hidden: int, frozen: set[int], seed: int
) -> None:
    """Whichever of the arguments need no gradient, and whichever of the results are used."""
    gates = GATES.get(op.__name__, 1)
    rng = np.random.default_rng(seed)
    states = 2 if op is recurrent.LSTM else 1
    shapes = [
        (steps, n, 2),
        *[(n, hidden)] * states,
        (gates * hidden, 2),
        (gates * hidden, hidden),
        *[(gates * hidden,)] * 2,
    ]
    arrays = [rng.normal(size=shape) for shape in shapes]
    results = []
    for function in (op.apply, op.reference):
        leaves = [tg.tensor(a, requires_grad=i not in frozen) for i, a in enumerate(arrays)]
        outs = function(*leaves)
        used = [o for i, o in enumerate(outs) if (seed >> i) & 1 and o.requires_grad]
        if used:
            cotangents = [tg.tensor(np.random.default_rng(i).normal(size=tuple(o.shape))) for i, o in enumerate(used)]
            tg.autograd.backward(used, cotangents)
        results.append([*[o.detach() for o in outs], *[x.grad for x in leaves]])
    for a, b in zip(*results, strict=True):
        if a is None or b is None:
            assert all(v is None or not v.numpy().any() for v in (a, b))
        else:
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_stays_half_and_close(kind: str) -> None:
    half = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, dtype="float16")
    wide = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, dtype="float64")
    wide.load_state_dict({name: value.double() for name, value in half.state_dict().items()})
    x = tg.randn(5, 2, 3, dtype=tg.float16)
    out, expected = half(x)[0], wide(x.double())[0]
    out.sum().backward()
    expected.sum().backward()
    assert out.dtype is tg.float16
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), atol=1e-2)
    for p, q in zip(half.parameters(), wide.parameters(), strict=True):
        assert p.grad.dtype is tg.float16
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=5e-2, atol=5e-2)


def test_state_carried_over_chunks_gives_the_whole_sequence() -> None:
    lstm = nn.LSTM(2, 3, num_layers=2, dtype="float64")
    x = tg.randn(6, 2, 2, dtype="float64")
    whole, (h, c) = lstm(x)
    first, state = lstm(x[:2])
    second, (h2, c2) = lstm(x[2:], state)
    np.testing.assert_allclose(tg.cat([first, second]).detach().numpy(), whole.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose([h2.tolist(), c2.tolist()], [h.tolist(), c.tolist()], atol=1e-14)


def test_dropout_acts_between_layers_while_training() -> None:
    x = tg.ones(3, 2, 4)
    layer = nn.LSTM(4, 5, num_layers=2, dropout=1.0)
    out, (h, _) = layer(x)
    changed = nn.LSTM(4, 5, num_layers=2, dropout=1.0)
    changed.load_state_dict({k: v * 2 if k.endswith("_l0") else v for k, v in layer.state_dict().items()})
    assert changed(x)[0].equal(out)  # with all of the first layer's outputs dropped it makes no difference
    assert not changed(x)[1][0].equal(h)  # except for its own last state, which is not dropped
    assert not changed.eval()(x)[0].equal(layer.eval()(x)[0])
    tg.manual_seed(3)
    half = nn.GRU(4, 5, num_layers=2, dropout=0.5)
    tg.manual_seed(4)
    first = half(x)[0]
    assert not half(x)[0].equal(first)
    tg.manual_seed(4)
    assert half(x)[0].equal(first)


@given(configurations())
def test_state_dict_and_text_are_those_of_pytorch(configuration: tuple[str, dict[str, Any]]) -> None:
    torch = pytest.importorskip("torch")
    kind, options = configuration
    if options["num_layers"] > 1:
        options["dropout"] = 0.25
    ours, theirs = getattr(nn, kind)(**options), getattr(torch.nn, kind)(**options)
    shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in ours.state_dict().items()} == shapes
    assert list(ours.state_dict()) == list(shapes)
    assert [name for name, _ in ours.named_parameters()] == list(shapes)
    assert repr(ours) == repr(theirs)
    assert [[tuple(w.shape) for w in ws] for ws in ours.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]


@pytest.mark.parametrize("kind", [*KINDS, *(f"{kind}Cell" for kind in KINDS)])
def test_weights_start_uniform_within_the_bound_of_pytorch(kind: str) -> None:
    module = getattr(nn, kind)(30, 400)
    bound = 1 / math.sqrt(400)
    for p in module.parameters():
        values = p.detach().numpy().astype("float64")
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.98 * bound
        assert abs(values.mean()) < 6 * bound / math.sqrt(3 * values.size)
        np.testing.assert_allclose(values.var(), bound**2 / 3, rtol=0.15)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [f"{kind}Cell" for kind in KINDS])
def test_texts_of_cells_are_those_of_pytorch(kind: str, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, kind)(2, 3, bias=bias)) == repr(getattr(torch.nn, kind)(2, 3, bias=bias))
    if kind == "RNNCell":
        options = {"bias": bias, "nonlinearity": "relu"}
        assert repr(nn.RNNCell(2, 3, **options)) == repr(torch.nn.RNNCell(2, 3, **options))


def test_dropout_of_a_single_layer_is_pointless_and_says_so() -> None:
    with pytest.warns(UserWarning, match="one layer"):
        nn.LSTM(2, 3, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.LSTM(2, 3, num_layers=2, dropout=0.5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.LSTM(2, 0), ValueError, "hidden_size must be at least 1, got 0"),
        (lambda: nn.LSTM(2, 3, num_layers=0), ValueError, "num_layers must be at least 1"),
        (lambda: nn.GRU(2, 3.0), TypeError, "hidden_size must be an integer"),
        (lambda: nn.GRU(2, 3, dropout=1.5), ValueError, "dropout must be a probability"),
        (lambda: nn.RNN(2, 3, nonlinearity="gelu"), ValueError, "'tanh' or 'relu', got 'gelu'"),
        (lambda: nn.RNNCell(2, 3, nonlinearity="gelu"), ValueError, "'tanh' or 'relu', got 'gelu'"),
        (lambda: nn.LSTM(2, 3)(tg.zeros(5, 1, 4)), ValueError, r"input_size = 2, got shape \(5, 1, 4\)"),
        (lambda: nn.LSTM(2, 3)(tg.zeros(2)), ValueError, r"2 dimensions .* got shape \(2,\)"),
        (lambda: nn.LSTM(2, 3)(tg.zeros(0, 1, 2)), ValueError, "at least one time step"),
        (lambda: nn.LSTM(2, 3)([1.0, 2.0]), TypeError, "expected a Tensor or a PackedSequence as input"),
        (lambda: nn.LSTM(2, 3)(tg.zeros(5, 1, 2, dtype="float64")), TypeError, r"float64 and the weights .*float32"),
        (lambda: nn.LSTM(2, 3)(tg.zeros(5, 1, 2), tg.zeros(1, 1, 3)), TypeError, r"pair \(h_0, c_0\)"),
        (
            lambda: nn.LSTM(2, 3)(tg.zeros(5, 1, 2), (tg.zeros(1, 1, 3), tg.zeros(1, 2, 3))),
            ValueError,
            r"cell state c_0 of shape \(1, 1, 3\), got \(1, 2, 3\)",
        ),
        (
            lambda: nn.GRU(2, 3, bidirectional=True)(tg.zeros(5, 4, 2), tg.zeros(1, 4, 3)),
            ValueError,
            r"h_0 of shape \(2, 4, 3\), got \(1, 4, 3\)",
        ),
        (lambda: nn.GRU(2, 3)(tg.zeros(5, 2), tg.zeros(1, 1, 3)), ValueError, r"\(1, 3\), got \(1, 1, 3\)"),
        (lambda: nn.GRU(2, 3)(tg.zeros(5, 1, 2), tg.zeros(1, 1, 3, dtype="float64")), TypeError, "float64"),
        (lambda: nn.GRUCell(2, 3)(tg.zeros(4, 3)), ValueError, r"\(N, 2\) or \(2,\), got \(4, 3\)"),
        (lambda: nn.GRUCell(2, 3)(tg.zeros(4, 2), tg.zeros(5, 3)), ValueError, r"\(4, 3\), got \(5, 3\)"),
        (lambda: nn.RNN(0, 3), ValueError, "input_size must be at least 1, got 0"),
        (lambda: nn.GRU(2, 3)(tg.zeros(5, 1, 2), (tg.zeros(1, 1, 3),)), TypeError, "a Tensor as the initial state h_0"),
        (lambda: nn.LSTM(2, 3, proj_size=2)(tg.zeros(5, 1, 2), (tg.zeros(1, 1, 3),) * 2), ValueError, r"\(1, 1, 2\)"),
        (lambda: nn.RNNCell(2, -1), ValueError, "hidden_size must not be negative, got -1"),
        (lambda: nn.RNNCell(2.0, 3), TypeError, "input_size must be an integer, got 2.0"),
        (lambda: nn.LSTMCell(2, 3)(tg.zeros(4, 2, dtype="float64")), TypeError, "LSTMCell: the input is .*float64"),
        (
            lambda: nn.RNNCell(2, 3)(tg.zeros(4, 2), tg.zeros(4, 3, dtype="float64")),
            TypeError,
            "RNNCell: the state h is .*float64",
        ),
        (lambda: nn.GRUCell(2, 3)(None), TypeError, "expected a Tensor as input"),
        (lambda: nn.LSTMCell(2, 3)(tg.zeros(4, 2), tg.zeros(4, 3)), TypeError, r"pair \(h, c\)"),
        (lambda: nn.LSTMCell(2, 3)(tg.zeros(2), (tg.zeros(3), tg.zeros(4))), ValueError, "cell state c"),
        (lambda: nn.RNNCell(2, 3)(tg.zeros(1, 2), "h"), TypeError, "the state h"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
