"""GradScaler makes the steps, and chooses the factors, that PyTorch's does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.amp import GradScaler


@given(
    st.lists(st.sampled_from([0.5, 3.0, np.inf, np.nan, 1e30]), min_size=1, max_size=12),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
    st.booleans(),
)
def test_steps_and_factors_are_pytorchs(slopes, interval, unscale, two):
    torch = pytest.importorskip("torch")

    def train(lib, scaler):
        w = lib.tensor([1.0, -2.0], requires_grad=True)
        v = lib.tensor([0.5], requires_grad=True)
        optimizers = [lib.optim.SGD([w], lr=0.1, momentum=0.9), lib.optim.Adam([v], lr=0.1)]
        seen = []
        for slope in slopes:
            for optimizer in optimizers:
                optimizer.zero_grad()
            with np.errstate(invalid="ignore", over="ignore"):
                scaler.scale((w * slope).sum() + (v * 0.5).sum()).backward()
            for optimizer in optimizers[: 1 + two]:
                if unscale:
                    scaler.unscale_(optimizer)
                scaler.step(optimizer)
            scaler.update()
            seen.append((scaler.get_scale(), *w.tolist(), *v.tolist()))
        return seen, scaler.state_dict()

    settings = {"init_scale": 1024.0, "growth_interval": interval}
    ours, state = train(tg, GradScaler("cpu", **settings))
    theirs, expected = train(torch, torch.amp.GradScaler("cpu", **settings))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert state == expected


def test_small_gradients_survive_and_rows_stay_sparse():
    table = tg.nn.Parameter(tg.ones(5, 2))
    optimizer, scaler = tg.optim.SGD([table], lr=1.0), GradScaler(init_scale=2.0**14)
    loss = (tg.nn.functional.embedding(tg.tensor([1, 1, 3]), table).half() * 1e-4 * 1e-4).float().sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    assert type(table._grad) is tg.sparse.SparseGrad
    np.testing.assert_allclose(table.grad.numpy()[[1, 3], 0], [2e-8, 1e-8], rtol=0.01)


def test_clipping_sees_the_true_gradients():
    w = tg.tensor([3.0, 4.0], requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=1.0), GradScaler()
    scaler.scale((w * w).sum() / 2).backward()
    scaler.unscale_(optimizer)
    assert tg.nn.utils.clip_grad_norm_([w], 1.0).item() == pytest.approx(5.0)
    scaler.step(optimizer)
    np.testing.assert_allclose(w.tolist(), [2.4, 3.2], rtol=1e-5)


def test_large_but_finite_gradients_make_a_step():
    w = tg.tensor([0.0], requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=1e-30), GradScaler(init_scale=1.0)
    scaler.scale((w * 1e30).sum()).backward()
    scaler.step(optimizer)
    assert w.item() == pytest.approx(-1.0), "their squares overflow, they do not"


def test_one_that_is_not_enabled_does_nothing():
    w = tg.tensor([1.0], requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=0.5), GradScaler(enabled=False)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5 and scaler.get_scale() == 1.0 and scaler.state_dict() == {} and not scaler.is_enabled()


def test_state_goes_on_where_it_was():
    first, second = GradScaler(init_scale=8.0, growth_interval=3), GradScaler()
    first._good_steps = 2
    second.load_state_dict(first.state_dict())
    w = tg.tensor([1.0], requires_grad=True)
    optimizer = tg.optim.SGD([w], lr=0.5)
    second.scale([w.sum()])[0].backward()
    second.step(optimizer)
    second.update()
    assert second.get_scale() == 16.0
    second.update(4.0)
    assert second.get_scale() == 4.0
    with pytest.raises(RuntimeError, match="the state is empty"):
        second.load_state_dict({})


def test_calls_in_the_wrong_order_are_refused():
    w = tg.tensor([1.0], requires_grad=True)
    optimizer, scaler = tg.optim.SGD([w], lr=0.5), GradScaler()
    with pytest.raises(RuntimeError, match="no parameter of this optimizer has a gradient"):
        scaler.step(optimizer)
    scaler = GradScaler()
    with pytest.raises(RuntimeError, match="no step"):
        scaler.update()
    w.sum().backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already called for this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="step: already called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="called after step"):
        scaler.unscale_(optimizer)
    scaler.update()
    with pytest.raises(RuntimeError, match="closure"):
        scaler.step(optimizer, lambda: w.sum())
    half = tg.tensor([1.0], dtype=tg.float16, requires_grad=True)
    half.sum().backward()
    with pytest.raises(ValueError, match="gradients in half precision"):
        scaler.unscale_(tg.optim.SGD([half], lr=0.1))
    for settings, message in (({"growth_factor": 1.0}, "above 1"), ({"backoff_factor": 1.0}, "below 1")):
        with pytest.raises(ValueError, match=message):
            GradScaler(**settings)
    with pytest.raises(ValueError, match="expected a Tensor"):
        scaler.scale(3)
