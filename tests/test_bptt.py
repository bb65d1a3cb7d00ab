"""Truncated backpropagation through time: what it cuts, what it carries, and that its memory stays flat."""

from __future__ import annotations

import gc
import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.utils.bptt import TruncatedBPTT, detach_state, map_state, parallel_streams, reset_state

KINDS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
CELLS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}


def layer_and_cell(kind):
    layer = KINDS[kind](2, 3, dtype=tg.float64)
    cell = CELLS[kind](2, 3, dtype=tg.float64)
    for name, p in cell.named_parameters():
        p.data.copy_(getattr(layer, f"{name}_l0").data)
    return layer, cell


@given(st.sampled_from(list(KINDS)), st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.data())
def test_the_gradient_is_that_of_the_whole_with_older_connections_removed(kind, steps, k1, windows, data):
    """Step by step with a cell: the loss of a chunk flows back to the step k2 before its end, and no further."""
    k2 = k1 * windows
    layer, cell = layer_and_cell(kind)
    x, weights = tg.randn(steps, 2, 2, dtype=tg.float64), tg.randn(steps, 2, 3, dtype=tg.float64)
    resets = tg.tensor(
        data.draw(st.lists(st.sampled_from([False, False, True]), min_size=2 * steps, max_size=2 * steps))
    )
    resets = resets.reshape(steps, 2) if data.draw(st.booleans()) else None
    chunks = list(range(0, steps, k1))
    for chunk in TruncatedBPTT(layer, k1, k2).walk(x, weights, resets):
        (chunk.output * chunk.target).sum().backward()
    losses = []
    for start in chunks:
        end = min(start + k1, steps)
        state, loss = None, 0
        for t in range(end):
            if t == max(start + k1 - k2, 0):
                state = detach_state(state)
            if resets is not None and state is not None:
                state = reset_state(state, resets[t], 0)
            state = cell(x[t], state)
            if t >= start:
                loss = loss + ((state[0] if kind == "LSTM" else state) * weights[t]).sum()
        losses.append(loss)
    sum(losses).backward()
    for name, p in cell.named_parameters():
        np.testing.assert_allclose(getattr(layer, f"{name}_l0").grad.numpy(), p.grad.numpy(), atol=1e-12)


def test_values_are_those_of_the_whole_sequence_whatever_is_cut():
    layer = nn.LSTM(2, 3, 2)
    x = tg.randn(17, 4, 2)
    whole, _ = layer(x)
    for k1, k2 in ((1, 1), (5, 5), (4, 12), (17, 17), (20, 20)):
        walker = TruncatedBPTT(layer, k1, k2)
        parts = [chunk.output for chunk in walker.walk(x[:9])] + [chunk.output for chunk in walker.walk(x[9:])]
        np.testing.assert_allclose(tg.cat(parts).detach().numpy(), whole.detach().numpy(), atol=1e-6)
        assert not any(part.requires_grad for part in walker.state)


def test_an_optimizer_may_step_between_chunks_that_overlap():
    layer, head = nn.GRU(1, 4), nn.Linear(4, 1)
    optimizer = optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)
    x = tg.randn(30, 2, 1)
    for chunk in TruncatedBPTT(layer, 5, 15).walk(x, x):
        loss = F.mse_loss(head(chunk.output), chunk.target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(layer.parameters(), 0.25)
        optimizer.step()


def test_batch_first_and_a_data_loader():
    layer = nn.RNN(2, 3, batch_first=True)
    x = tg.randn(2, 20, 2)
    whole, _ = layer(x)
    loader = tg.utils.data.DataLoader([x[:, :8], x[:, 8:]], batch_size=None)
    walker = TruncatedBPTT(layer, 3, time_dim=1)
    parts = [chunk.output for piece in loader for chunk in walker.walk(piece)]
    np.testing.assert_allclose(tg.cat(parts, 1).detach().numpy(), whole.detach().numpy(), atol=1e-6)
    walker.reset()
    assert walker.state is None


def test_documents_do_not_see_each_other():
    layer = nn.LSTM(2, 3)
    x = tg.randn(10, 2, 2)
    resets = tg.zeros(10, 2, dtype=tg.bool)
    resets[4, 1] = resets[7, 0] = True
    out = tg.cat([chunk.output for chunk in TruncatedBPTT(layer, 3).walk(x, resets=resets)]).detach().numpy()
    for begin, end, n in ((0, 7, 0), (7, 10, 0), (0, 4, 1), (4, 10, 1)):
        alone, _ = layer(x[begin:end, n])
        np.testing.assert_allclose(out[begin:end, n], alone.detach().numpy(), atol=1e-6)


class Pair(NamedTuple):
    a: tg.Tensor
    b: list


def test_states_of_any_structure():
    x = tg.ones(2, requires_grad=True)
    state = Pair(x * 2, [{"c": x * 3}, None, (x * 4,)])
    cut = detach_state(state)
    assert isinstance(cut, Pair) and cut.b[1] is None and not cut.b[0]["c"].requires_grad
    assert map_state(lambda t: t.sum(), state).b[2][0].item() == 8
    ended = reset_state((tg.ones(1, 2, 3),), tg.tensor([True, False]))
    assert ended[0].sum(2).tolist() == [[0.0, 3.0]]


@pytest.mark.cpu
@pytest.mark.slow
def test_memory_is_flat_in_the_length_of_the_stream():
    layer, head = nn.GRU(4, 8), nn.Linear(8, 4)
    optimizer = optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)

    def peak(characters):
        codes = parallel_streams(tg.arange(characters) % 4, 500)
        walker = TruncatedBPTT(layer, 20, 40)
        gc.collect()
        tracemalloc.start()
        for chunk in walker.walk(codes[:-1], codes[1:], None):
            loss = F.cross_entropy(head(chunk.output).flatten(0, 1), chunk.target.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    layer.forward = lambda codes, state, forward=layer.forward: forward(F.one_hot(codes, 4).float(), state)
    peak(50_000)
    assert peak(1_000_000) < 1.1 * peak(100_000)


BAD = {
    "k1": (lambda: TruncatedBPTT(len, 0), ValueError, "k1"),
    "k2": (lambda: TruncatedBPTT(len, 2, 3), ValueError, "multiple of k1 = 2"),
    "empty": (lambda: next(TruncatedBPTT(nn.RNN(1, 1), 2).walk(tg.zeros(0, 1, 1))), ValueError, "empty"),
    "input": (lambda: next(TruncatedBPTT(nn.RNN(1, 1), 2).walk([1])), TypeError, "must be a tensor"),
    "target": (
        lambda: next(TruncatedBPTT(nn.RNN(1, 1), 2).walk(tg.zeros(4, 1, 1), tg.zeros(3))),
        ValueError,
        "4 steps",
    ),
    "model": (lambda: next(TruncatedBPTT(lambda x, s: x, 2).walk(tg.zeros(4, 1, 1))), TypeError, "pair"),
    "streams": (lambda: parallel_streams(tg.arange(3), 4), ValueError, "3 steps into 4"),
    "state": (lambda: reset_state(tg.zeros(1, 3), tg.tensor([True])), ValueError, "does not count 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
