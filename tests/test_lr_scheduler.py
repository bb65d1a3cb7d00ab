"""Learning-rate schedulers: the same rates as PyTorch's, from epoch to epoch and through checkpoints."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import optim
from tinygrad_edu.optim import lr_scheduler

rates = st.floats(1e-4, 0.3)
shares = st.floats(0.0, 0.95)

schedules = st.one_of(
    st.tuples(st.just("StepLR"), st.fixed_dictionaries({"step_size": st.integers(1, 6), "gamma": shares})),
    st.tuples(
        st.just("MultiStepLR"),
        st.fixed_dictionaries({"milestones": st.lists(st.integers(0, 15), max_size=5), "gamma": shares}),
    ),
    st.tuples(st.just("ExponentialLR"), st.fixed_dictionaries({"gamma": st.floats(0.5, 1.1)})),
    st.tuples(
        st.just("LinearLR"),
        st.fixed_dictionaries(
            {"start_factor": st.floats(0.01, 1), "end_factor": st.floats(0, 1), "total_iters": st.integers(1, 12)}
        ),
    ),
    st.tuples(
        st.just("CosineAnnealingLR"),
        st.fixed_dictionaries({"T_max": st.integers(1, 12), "eta_min": st.floats(0, 0.1)}),
    ),
    st.tuples(st.just("LambdaLR"), st.just({"lr_lambda": lambda epoch: 0.9**epoch})),
)


def both_optimizers(lrs: list[float]) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": lr} for lr in lrs], lr=1.0)
    return theirs, optim.SGD([{"params": [tg.zeros(1)], "lr": lr} for lr in lrs], lr=1.0)


@given(st.lists(schedules, min_size=1, max_size=2), st.lists(rates, min_size=1, max_size=2), st.integers(0, 20))
def test_learning_rates_are_those_of_pytorch(
    chosen: list[tuple[str, dict[str, Any]]], lrs: list[float], meddle_at: int
) -> None:
    """One scheduler or two on one optimizer, and a rate that the user changes meanwhile."""
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers(lrs)
    a = [getattr(torch.optim.lr_scheduler, name)(theirs, **options) for name, options in chosen]
    b = [getattr(lr_scheduler, name)(ours, **options) for name, options in chosen]
    for epoch in range(30):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(y.get_last_lr(), x.get_last_lr(), rtol=1e-12, atol=1e-300)
        assert [g["lr"] for g in ours.param_groups] == pytest.approx([g["lr"] for g in theirs.param_groups], rel=1e-12)
        if epoch == meddle_at:
            theirs.param_groups[0]["lr"] = ours.param_groups[0]["lr"] = 0.7
        theirs.step()
        ours.step()
        for scheduler in a + b:
            scheduler.step()


@given(schedules, st.integers(0, 10))
def test_a_scheduler_goes_on_from_its_state(chosen: tuple[str, dict[str, Any]], epochs: int) -> None:
    name, options = chosen
    first = optim.SGD([tg.zeros(1)], lr=0.5)
    whole = getattr(lr_scheduler, name)(first, **options)
    for _ in range(epochs):
        whole.step()
    second = optim.SGD([tg.zeros(1)], lr=0.1)
    resumed = getattr(lr_scheduler, name)(second, **options)
    file = io.BytesIO()
    tg.save({"optimizer": first.state_dict(), "scheduler": whole.state_dict()}, file)
    file.seek(0)
    saved = tg.load(file)
    second.load_state_dict(saved["optimizer"])
    resumed.load_state_dict(saved["scheduler"])
    for _ in range(10):
        whole.step()
        resumed.step()
        assert resumed.get_last_lr() == whole.get_last_lr()


@given(schedules, st.integers(1, 10))
def test_last_epoch_resumes_as_in_pytorch(chosen: tuple[str, dict[str, Any]], epoch: int) -> None:
    torch = pytest.importorskip("torch")
    name, options = chosen
    theirs, ours = both_optimizers([0.5])
    for optimizer in (theirs, ours):
        optimizer.param_groups[0].update(lr=0.2, initial_lr=0.5)
    a = getattr(torch.optim.lr_scheduler, name)(theirs, **options, last_epoch=epoch)
    b = getattr(lr_scheduler, name)(ours, **options, last_epoch=epoch)
    for _ in range(10):
        np.testing.assert_allclose(b.get_last_lr(), a.get_last_lr(), rtol=1e-12, atol=1e-300)
        theirs.step()
        a.step()
        b.step()


@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=30),
    st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "factor": st.floats(0.1, 0.9),
            "patience": st.integers(0, 3),
            "threshold": st.sampled_from([1e-4, 0.2]),
            "threshold_mode": st.sampled_from(["rel", "abs"]),
            "cooldown": st.integers(0, 3),
            "min_lr": st.sampled_from([0, 0.05]),
        }
    ),
)
def test_plateaus_are_seen_as_in_pytorch(measures: list[float], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers([0.5, 0.1])
    a = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    b = lr_scheduler.ReduceLROnPlateau(ours, **options)
    for i, measure in enumerate(measures):
        a.step(measure)
        b.step(tg.tensor(measure, dtype="float64"))
        np.testing.assert_allclose(b.get_last_lr(), a.get_last_lr(), rtol=1e-12)
        if i == 10:  # through a state, too
            state = b.state_dict()
            b = lr_scheduler.ReduceLROnPlateau(ours)
            b.load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: lr_scheduler.StepLR(tg.zeros(1), 2), TypeError, "expected an Optimizer"),
        (lambda o: lr_scheduler.StepLR(o, 0), ValueError, "step_size"),
        (lambda o: lr_scheduler.StepLR(o, 2, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: lr_scheduler.LinearLR(o, start_factor=0.0), ValueError, "start_factor"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs, abs]), ValueError, "got 2"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="up"), ValueError, "mode"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0, 0]), ValueError, "one a group"),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), ValueError, "T_max"),
    ],
)
def test_bad_schedules_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(optim.SGD([tg.zeros(1)], lr=0.1))
