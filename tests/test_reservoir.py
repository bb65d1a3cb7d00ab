"""Echo-state networks: a reservoir that forgets or does not, and the best read-out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn


@given(st.integers(1, 4), st.integers(1, 3), st.floats(1e-3, 10), st.integers(0, 999))
def test_ridge_regression_is_where_the_gradient_vanishes(
    features: int, outputs: int, penalty: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = (tg.tensor(rng.normal(1, 2, (9, size))) for size in (features, outputs))
    weight, bias = (v.requires_grad_() for v in nn.ridge_regression(x, y, penalty))
    loss = ((x @ weight.mT + bias - y) ** 2).sum() + penalty * (weight**2).sum()
    for gradient in tg.autograd.grad(loss, (weight, bias)):
        np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-9)


def test_the_reservoir_has_its_spectral_radius_and_no_gradient() -> None:
    net = nn.EchoState(2, 60, 3, spectral_radius=1.2, density=0.2, input_scale=0.3, dtype=tg.float64)
    w = net.cell.weight_hh.numpy()
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(w)).max(), 1.2, rtol=1e-9)
    assert 0.1 < (w != 0).mean() < 0.3
    assert 0.2 < net.cell.weight_ih.abs().max().item() <= 0.3
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["readout.weight", "readout.bias"]
    net(tg.randn(4, 1, 2, dtype=tg.float64))[0].sum().backward()
    assert net.cell.weight_hh.grad is None and net.readout.weight.grad is not None


@pytest.mark.parametrize(("radius", "forgets"), [(0.8, True), (3.0, False)])
def test_the_spectral_radius_decides_whether_the_start_is_forgotten(radius: float, forgets: bool) -> None:
    tg.manual_seed(0)
    net = nn.EchoState(1, 80, 1, spectral_radius=radius, input_scale=0.1, dtype=tg.float64)
    x = tg.randn(200, 1, 1, dtype=tg.float64)
    ends = [net(x, tg.randn(1, 80, dtype=tg.float64))[1] for _ in range(2)]
    distance = (ends[0] - ends[1]).norm().item()
    assert distance < 1e-9 if forgets else distance > 0.1


def wave(steps: int) -> tg.Tensor:
    """The product of two sines."""
    t = tg.arange(float(steps), dtype=tg.float64)
    return (0.2 * t).sin().mul((0.31 * t).sin()).reshape(-1, 1, 1)


def test_a_wave_is_continued_by_what_was_fitted() -> None:
    tg.manual_seed(1)
    x = wave(700)
    net = nn.EchoState(1, 150, 1, dtype=tg.float64)
    state = net.fit(x[:500], x[1:501], penalty=1e-8, washout=100)
    same(state, net(x[:500])[1])
    seen, made = x[500:501], []
    for _ in range(100):  # its own outputs are what it reads
        seen, state = net(seen, state)
        made.append(seen)
    assert (tg.cat(made) - x[501:601]).abs().max().item() < 0.02


def test_training_by_gradient_comes_down_to_the_closed_form() -> None:
    tg.manual_seed(2)
    x, y = wave(200)[:-1], wave(200)[1:]
    net = nn.EchoState(1, 10, 1, dtype=tg.float64)
    net.fit(x, y, penalty=0.1, washout=20)
    states = net.states(x)[0].detach()[20:]

    def loss() -> tg.Tensor:
        return ((net.readout(states) - y[20:]) ** 2).sum() + 0.1 * (net.readout.weight**2).sum()

    best, fitted = loss().item(), net.readout.weight.detach().clone()
    net.readout.reset_parameters()
    optimizer = tg.optim.LBFGS(
        [p for p in net.parameters() if p.requires_grad], max_iter=200, line_search_fn="strong_wolfe"
    )

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    assert loss().item() > 2 * best
    optimizer.step(closure)
    same(net.readout.weight, fitted, rtol=1e-3, atol=1e-3)
    assert best <= loss().item() < best * (1 + 1e-6)


def test_batch_first_is_the_other_layout() -> None:
    net = nn.EchoState(1, 5, 2, leak=0.5, dtype=tg.float64)
    turned = nn.EchoState(1, 5, 2, leak=0.5, batch_first=True, dtype=tg.float64)
    turned.load_state_dict(net.state_dict())
    x, y = tg.randn(30, 3, 1, dtype=tg.float64), tg.randn(30, 3, 2, dtype=tg.float64)
    out, last = net(x)
    out_turned, last_turned = turned(x.transpose(0, 1))
    same(out_turned.transpose(0, 1), out)
    same(last_turned, last)
    net.fit(x, y, washout=3)
    turned.fit(x.transpose(0, 1), y.transpose(0, 1), washout=3)
    same(turned.readout.weight, net.readout.weight)


def net() -> nn.EchoState:
    return nn.EchoState(1, 4, 1)


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "input": (lambda: net()(tg.zeros(3, 1, 2)), ValueError, r"\(…, …, 1\)"),
    "empty": (lambda: net()(tg.zeros(0, 1, 1)), ValueError, "at least one time step"),
    "state": (lambda: net()(tg.zeros(3, 2, 1), tg.zeros(1, 4)), ValueError, r"\(2, 4\), got \(1, 4\)"),
    "target": (lambda: net().fit(tg.zeros(3, 1, 1), tg.zeros(2, 1, 1)), ValueError, r"each step of \(3, 1, 1\)"),
    "washout": (lambda: net().fit(tg.zeros(3, 1, 1), tg.zeros(3, 1, 1), washout=3), ValueError, "some of 3 steps"),
    "rows": (lambda: nn.ridge_regression(tg.zeros(3, 1), tg.zeros(2, 1)), ValueError, r"\(3, 1\) and \(2, 1\)"),
    "penalty": (lambda: nn.ridge_regression(tg.zeros(3, 1), tg.zeros(3, 1), -1), ValueError, "not be negative"),
    "singular": (lambda: nn.ridge_regression(tg.zeros(3, 1), tg.zeros(3, 1), 0), tg.linalg.LinAlgError, "singular"),
    "radius": (lambda: nn.EchoState(1, 4, 1, spectral_radius=-1), ValueError, "not be negative"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
