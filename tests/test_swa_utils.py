"""Averages of weights: PyTorch's, and means written out; batch statistics; the schedule to a constant rate."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import same_state

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.optim import swa_utils

seeds = st.integers(0, 2**32 - 1)
KINDS = ["default", "swa", "ema", "swa multi", "ema multi"]


def model_of(library: Any) -> Any:
    m = library.nn
    return m.Sequential(m.Linear(3, 4), m.BatchNorm1d(4), m.ReLU(), m.Linear(4, 2)).to(library.float64)


def options_of(utils: Any, kind: str, decay: float) -> dict[str, Any]:
    return {
        "default": {},
        "swa": {"avg_fn": utils.get_swa_avg_fn()},
        "ema": {"avg_fn": utils.get_ema_avg_fn(decay)},
        "swa multi": {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
        "ema multi": {"multi_avg_fn": utils.get_ema_multi_avg_fn(decay)},
    }[kind]


@given(st.sampled_from(KINDS), st.floats(0, 1), st.booleans(), seeds)
def test_averages_are_those_of_pytorch(kind: str, decay: float, use_buffers: bool, seed: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = model_of(tg), model_of(torch)
    tolerance = 1e-9
    if kind == "swa multi":  # where PyTorch has no mean of integers, and 1 / n in single precision
        use_buffers, tolerance = False, 1e-6
    averages = [
        utils.AveragedModel(model, **options_of(utils, kind, decay), use_buffers=use_buffers)
        for utils, model in ((swa_utils, ours), (torch.optim.swa_utils, theirs))
    ]
    for step in range(4):
        same_state(ours, theirs, seed % 1000 + step)
        for average, model in zip(averages, (ours, theirs), strict=True):
            average.update_parameters(model)
    found, expected = (a.state_dict() for a in averages)
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key].numpy(), value.numpy(), rtol=tolerance, atol=tolerance, err_msg=key)
    assert all(p.is_leaf and p.requires_grad for p in averages[0].parameters())
    x = np.random.default_rng(seed).normal(size=(5, 3))
    for average in averages:
        average.module[1].running_var.abs_()
        average.eval()
    np.testing.assert_allclose(
        averages[0](tg.tensor(x)).detach().numpy(), averages[1](torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-5
    )


@given(st.floats(0, 1), st.integers(1, 6), seeds)
def test_averages_are_sums_over_the_past(decay: float, steps: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(steps, 2))
    model = nn.Linear(2, 1, bias=False).to(tg.float64)
    mean = swa_utils.AveragedModel(model)
    ema = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))
    for value in values:
        with tg.no_grad():
            model.weight.copy_(tg.tensor(value[None]))
        mean.update_parameters(model)
        ema.update_parameters(model)
    assert mean.n_averaged.item() == steps
    np.testing.assert_allclose(mean.module.weight.detach().numpy()[0], values.mean(0), atol=1e-12)
    shares = np.array([decay ** (steps - 1 - k) * (1 - decay if k else 1.0) for k in range(steps)])
    np.testing.assert_allclose(ema.module.weight.detach().numpy()[0], shares @ values, atol=1e-12)


def test_an_average_goes_on_from_its_state_and_leaves_the_model_alone() -> None:
    model = model_of(tg)
    before = copy.deepcopy(model.state_dict())
    average = swa_utils.AveragedModel(model)
    average.update_parameters(model)
    file = io.BytesIO()
    tg.save(average.state_dict(), file)
    file.seek(0)
    other = swa_utils.AveragedModel(model_of(tg))
    other.load_state_dict(tg.load(file))
    with tg.no_grad():
        for p in model.parameters():
            p.add_(1)
    for a in (average, other):
        a.update_parameters(model)
    for key, value in average.state_dict().items():
        assert other.state_dict()[key].equal(value), key
    np.testing.assert_allclose(average.module[0].bias.detach().numpy(), before["0.bias"].numpy() + 0.5)


def test_batch_statistics_are_the_means_over_all_batches() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(n, 3)) for n in (4, 6, 5)]
    ours, theirs = model_of(tg), model_of(torch)
    same_state(ours, theirs)
    ours[0].eval()
    swa_utils.update_bn([(tg.tensor(b), None) for b in batches], ours)
    torch.optim.swa_utils.update_bn([torch.tensor(b) for b in batches], theirs)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_allclose(getattr(ours[1], name).numpy(), getattr(theirs[1], name).numpy(), err_msg=name)
    assert ours[1].momentum == 0.1 and ours.training and not ours[0].training
    x = tg.zeros(2, 3, dtype=tg.float64)
    with pytest.raises(ValueError, match="BatchNorm1d"):
        swa_utils.update_bn([x, x[0]], ours)
    assert ours[1].momentum == 0.1 and not ours[0].training  # also after an error
    swa_utils.update_bn(iter([]), nn.Linear(1, 1))  # nothing to do


@given(
    st.sampled_from(["cos", "linear"]),
    st.integers(0, 6),
    st.lists(st.floats(1e-3, 1), min_size=1, max_size=2),
    st.integers(0, 9),
)
def test_rates_are_those_of_pytorch(strategy: str, epochs: int, rates: list[float], meddle_at: int) -> None:
    torch = pytest.importorskip("torch")
    runs = []
    for library, utils in ((tg, swa_utils), (torch, torch.optim.swa_utils)):
        optimizer = library.optim.SGD([{"params": [library.zeros(1)], "lr": 0.5 + lr} for lr in rates], lr=1.0)
        options = {"swa_lr": rates, "anneal_epochs": epochs, "anneal_strategy": strategy}
        scheduler = utils.SWALR(optimizer, **options)
        runs.append([scheduler.get_last_lr()])
        for epoch in range(10):
            optimizer.step()
            if epoch == meddle_at:
                optimizer.param_groups[0]["lr"] = 0.7
            scheduler.step()
            runs[-1].append(scheduler.get_last_lr())
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: swa_utils.get_ema_multi_avg_fn(1.5), ValueError, "get_ema_multi_avg_fn: decay .* 1.5"),
        (lambda: swa_utils.get_ema_avg_fn(-1), ValueError, "get_ema_avg_fn: decay .* -1"),
        (lambda: swa_utils.AveragedModel(3), TypeError, "AveragedModel: expected a Module, got int"),
        (
            lambda: swa_utils.AveragedModel(
                nn.Linear(1, 1), avg_fn=swa_utils.get_swa_avg_fn(), multi_avg_fn=swa_utils.get_swa_multi_avg_fn()
            ),
            ValueError,
            "not both",
        ),
        (
            lambda: swa_utils.AveragedModel(nn.Linear(1, 2)).update_parameters(nn.Linear(2, 2)),
            ValueError,
            r"parameters of shapes \[\(2, 2\), \(2,\)\], the average \[\(2, 1\), \(2,\)\]",
        ),
        (lambda: swa_utils.SWALR(3, 0.1), TypeError, "SWALR: expected an Optimizer"),
        (lambda: swa_utils.SWALR(optim.SGD([tg.zeros(1)], 1.0), 0.1, anneal_strategy="x"), ValueError, "got 'x'"),
        (lambda: swa_utils.SWALR(optim.SGD([tg.zeros(1)], 1.0), 0.1, -1), ValueError, "anneal_epochs .* -1"),
        (lambda: swa_utils.SWALR(optim.SGD([tg.zeros(1)], 1.0), [0.1, 0.2]), ValueError, "1 values as swa_lr"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
