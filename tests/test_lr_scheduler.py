"""Learning-rate schedulers: the same rates as PyTorch's, from epoch to epoch and through checkpoints."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_settings import to_ours

import tinygrad_edu as tg
from tinygrad_edu import optim
from tinygrad_edu.optim import lr_scheduler
from tinygrad_edu.optim.lr_scheduler import LRScheduler

EPOCHS = 25

rates = st.floats(1e-4, 0.3)
shares = st.floats(0.0, 0.95)
flags = st.booleans()
few = st.integers(1, 12)


class Waves:
    """A callable object with something to remember."""

    def __init__(self, height: float) -> None:
        self.height = height

    def __call__(self, epoch: float) -> float:
        return 1 + self.height * (epoch % 3)


SCHEDULES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "LambdaLR": {"lr_lambda": st.sampled_from([lambda epoch: 0.9**epoch, Waves(0.1)])},
    "MultiplicativeLR": {"lr_lambda": st.sampled_from([lambda epoch: 0.9, Waves(0.1)])},
    "StepLR": {"step_size": st.integers(1, 6), "gamma": shares},
    "MultiStepLR": {"milestones": st.lists(st.integers(0, 15), max_size=5), "gamma": shares},
    "ConstantLR": {"factor": st.floats(0.01, 1), "total_iters": st.integers(0, 12)},
    "LinearLR": {"start_factor": st.floats(0.01, 1), "end_factor": st.floats(0, 1), "total_iters": few},
    "ExponentialLR": {"gamma": st.floats(0.5, 1.1)},
    "PolynomialLR": {"total_iters": few, "power": st.floats(0.5, 3)},
    "CosineAnnealingLR": {"T_max": few, "eta_min": st.floats(0, 0.1)},
    "CosineAnnealingWarmRestarts": {"T_0": few, "T_mult": st.integers(1, 3), "eta_min": st.floats(0, 0.1)},
    "CyclicLR": {
        "base_lr": rates,
        "max_lr": st.floats(0.3, 1),
        "step_size_up": st.integers(1, 6),
        "step_size_down": st.none() | st.integers(1, 6),
        "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
        "gamma": st.floats(0.8, 1.0),
        "scale_fn": st.none() | st.sampled_from([lambda x: 0.9**x, Waves(0.1)]),
        "scale_mode": st.sampled_from(["cycle", "iterations"]),
        "cycle_momentum": flags,
        "base_momentum": st.floats(0.5, 0.8),
    },
    "OneCycleLR": {
        "max_lr": rates,
        "total_steps": st.just(EPOCHS + 15),
        "pct_start": st.floats(0.1, 0.45),
        "anneal_strategy": st.sampled_from(["cos", "linear"]),
        "cycle_momentum": flags,
        "three_phase": flags,
        "div_factor": st.floats(1, 30),
        "final_div_factor": st.floats(1, 1e4),
    },
}
PLAIN = [name for name in SCHEDULES if name not in ("CyclicLR", "OneCycleLR")]


def chosen(names: list[str]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A scheduler's name and settings."""
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), st.fixed_dictionaries(SCHEDULES[name])))


# Builds a scheduler for the optimizer of either library: (module of schedulers, optimizer) → scheduler.
Build = Callable[[Any, Any], Any]


def build(name: str, options: dict[str, Any]) -> Build:
    def make(module: Any, optimizer: Any) -> Any:
        ours = {k: Waves(v.height) if isinstance(v, Waves) else v for k, v in options.items()}
        return getattr(module, name)(optimizer, **ours)

    return make


simple = chosen(list(SCHEDULES)).map(lambda pair: build(*pair))
part = chosen(PLAIN).map(lambda pair: build(*pair))


@st.composite
def composed(draw: Any) -> Build:
    """Schedulers one after the other, or all at once, also of such."""
    first = part | composed() if draw(st.integers(0, 3)) == 0 else part
    parts = [draw(first), *draw(st.lists(part, max_size=2))]
    if draw(flags):
        return lambda module, optimizer: module.ChainedScheduler([p(module, optimizer) for p in parts])
    count = len(parts) - 1
    milestones = sorted(draw(st.lists(st.integers(1, 15), min_size=count, max_size=count, unique=True)))
    return lambda module, optimizer: module.SequentialLR(optimizer, [p(module, optimizer) for p in parts], milestones)


def both_optimizers(lrs: list[float], kind: str = "SGD") -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    return tuple(
        getattr(library.optim, kind)([{"params": [library.zeros(1)], "lr": lr} for lr in lrs], lr=1.0)
        for library in (torch, tg)
    )  # type: ignore[return-value]


def values(optimizer: Any) -> list[Any]:
    """What schedulers change."""
    return [[g["lr"], g.get("momentum"), g.get("betas")] for g in optimizer.param_groups]


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    tg.save(state, file)
    file.seek(0)
    return tg.load(file)


early = pytest.mark.filterwarnings(
    "ignore:Detected call", "ignore:.*was called before"
)  # inside composed ones, in both


@early
@settings(max_examples=2 * settings().max_examples)
@given(
    st.lists(simple, min_size=1, max_size=2) | st.lists(composed(), min_size=1, max_size=1),
    st.lists(rates, min_size=1, max_size=2),
    st.sampled_from(["SGD", "Adam"]),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_rates_are_exactly_those_of_pytorch(
    builds: list[Build], lrs: list[float], kind: str, meddle_at: int, interrupt_at: int
) -> None:
    """One scheduler or two on one optimizer, a rate that the user changes meanwhile, and a checkpoint on the way."""
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers(lrs, kind)
    a = [make(torch.optim.lr_scheduler, theirs) for make in builds]
    b = [make(lr_scheduler, ours) for make in builds]
    for epoch in range(EPOCHS):
        for x, y in zip(a, b, strict=True):
            assert y.get_last_lr() == x.get_last_lr()
        assert values(ours) == values(theirs)
        if epoch == meddle_at:
            theirs.param_groups[0]["lr"] = ours.param_groups[0]["lr"] = 0.7
        if epoch == interrupt_at:
            saved = through_a_file({"optimizer": ours.state_dict(), "schedulers": [y.state_dict() for y in b]})
            ours = both_optimizers([0.9] * len(lrs), kind)[1]
            b = [make(lr_scheduler, ours) for make in builds]
            ours.load_state_dict(saved["optimizer"])
            for y, state in zip(b, saved["schedulers"], strict=True):
                y.load_state_dict(state)
        theirs.step()
        ours.step()
        for scheduler in a + b:
            scheduler.step()


def with_counters(state: Any) -> Any:
    """A state of ours as PyTorch has it: its milestones are a Counter, which no file of ours holds."""
    if isinstance(state, dict):
        return {k: Counter(v) if k == "milestones" else with_counters(v) for k, v in state.items()}
    return [with_counters(v) for v in state] if isinstance(state, list) else state


@early
@given(simple | composed(), st.integers(1, 10))
def test_states_go_to_pytorch_and_back(make: Build, epochs: int) -> None:
    """They have the same entries, with the same values, and each library goes on from the other's."""
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers([0.5, 0.1])
    a, b = make(torch.optim.lr_scheduler, theirs), make(lr_scheduler, ours)
    for _ in range(epochs):
        for step in (theirs.step, ours.step, a.step, b.step):
            step()
    wanted, found = a.state_dict(), b.state_dict()
    assert found == wanted
    optimizers = both_optimizers([0.9, 0.9])
    c, d = make(torch.optim.lr_scheduler, optimizers[0]), make(lr_scheduler, optimizers[1])
    optimizers[0].load_state_dict(theirs.state_dict())
    optimizers[1].load_state_dict(to_ours(theirs.state_dict()))
    c.load_state_dict(with_counters(found))
    d.load_state_dict(wanted)
    for _ in range(5):
        for step in (optimizers[0].step, optimizers[1].step, a.step, c.step, d.step):
            step()
        assert d.get_last_lr() == c.get_last_lr() == a.get_last_lr()


@early
@given(chosen(PLAIN), st.integers(1, 10))
def test_last_epoch_resumes_as_in_pytorch(pair: tuple[str, dict[str, Any]], epoch: int) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers([0.5])
    for optimizer in (theirs, ours):
        optimizer.param_groups[0].update(lr=0.2, initial_lr=0.5)
    name, options = pair
    a = getattr(torch.optim.lr_scheduler, name)(theirs, **options, last_epoch=epoch)
    b = getattr(lr_scheduler, name)(ours, **options, last_epoch=epoch)
    for _ in range(10):
        assert b.get_last_lr() == a.get_last_lr()
        theirs.step()
        a.step()
        b.step()


@pytest.mark.filterwarnings("ignore:.*epoch")
@given(simple, st.lists(st.integers(0, 12), min_size=1, max_size=5))
def test_a_jump_to_an_epoch_is_pytorchs(make: Build, epochs: list[int]) -> None:
    """By the closed form where there is one."""
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers([0.5])
    a, b = make(torch.optim.lr_scheduler, theirs), make(lr_scheduler, ours)
    for epoch in epochs:
        theirs.step()
        ours.step()
        a.step(epoch)
        b.step(epoch)
        np.testing.assert_allclose(b.get_last_lr(), a.get_last_lr(), rtol=1e-13, atol=1e-300)
        assert b.last_epoch == a.last_epoch


@given(st.integers(1, 5), st.integers(1, 3), st.lists(st.floats(0, 40, allow_nan=False), min_size=1, max_size=5))
def test_warm_restarts_take_fractions_of_epochs(first: int, factor: int, epochs: list[float]) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = both_optimizers([0.5])
    a = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, first, factor)
    b = lr_scheduler.CosineAnnealingWarmRestarts(ours, first, factor)
    for epoch in epochs:
        a.step(epoch)
        b.step(epoch)
        np.testing.assert_allclose(b.get_last_lr(), a.get_last_lr(), rtol=1e-12, atol=1e-12)
        assert b.last_epoch == a.last_epoch


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
            "min_lr": st.sampled_from([0, 0.05, [0.1, 0.01]]),
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
        assert b.get_last_lr() == a.get_last_lr() and b.in_cooldown == a.in_cooldown
        if i == 10:  # through a state, too
            state = through_a_file(b.state_dict())
            assert state == a.state_dict()
            b = lr_scheduler.ReduceLROnPlateau(ours)
            b.load_state_dict(state)


# Factors of our own ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 512), st.integers(1, 50))
def test_noam_rises_to_its_top_and_falls_with_the_root(width: int, steps: int) -> None:
    factor = lr_scheduler.noam(width, steps)
    values = np.array([factor(i) for i in range(4 * steps)])
    assert values.argmax() == steps - 1
    np.testing.assert_allclose(values[:steps], values[0] * np.arange(1, steps + 1), rtol=1e-12)
    assert values[4 * steps - 1] == pytest.approx(values[steps - 1] / 2)
    assert values[steps - 1] == pytest.approx((width * steps) ** -0.5)


def test_warm_up_hands_over_to_what_comes_after() -> None:
    optimizer = optim.SGD([tg.zeros(1)], lr=2.0)
    scheduler = lr_scheduler.LambdaLR(optimizer, lr_scheduler.warmup(2, after=lambda step: 0.5**step))
    found = []
    for _ in range(5):
        found += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    assert found == [1.0, 2.0, 2.0, 1.0, 0.5]


@given(st.integers(1, 20), st.integers(1, 30), st.sampled_from([0.0, 0.1]))
def test_after_the_warm_up_the_cosine_is_that_of_its_scheduler(steps: int, fall: int, floor: float) -> None:
    factor = lr_scheduler.warmup_cosine(steps, steps + fall, floor)
    np.testing.assert_allclose([factor(i) for i in range(steps)], np.arange(1, steps + 1) / steps, rtol=1e-12)
    optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, fall, eta_min=floor)
    for i in range(steps, steps + fall + 1):
        assert factor(i) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        scheduler.step()
    assert factor(steps + 2 * fall) == floor, "it stays there"


# Warnings --------------------------------------------------------------------------------------------------------------


def warned(action: Callable[[], Any]) -> int:
    """How many warnings an action gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return len(caught)


@pytest.mark.parametrize("library", ["tinygrad_edu", "torch"])
def test_the_wrong_order_of_calls_is_warned_of(library: str) -> None:
    lib = pytest.importorskip(library)

    def run(*calls: str) -> int:
        optimizer = lib.optim.SGD([lib.zeros(1)], lr=1.0)
        if calls[0] == "early":  # a step before there is a scheduler does not count
            optimizer.step()
        schedulers = [lib.optim.lr_scheduler.StepLR(optimizer, 2) for _ in range(2)]
        does = {"o": optimizer.step, "s": schedulers[0].step, "t": schedulers[1].step, "early": lambda: None}
        return warned(lambda: [does[call]() for call in calls])

    assert run("s") == 1
    assert run("s", "o", "s") == 1
    assert run("s", "t") == 2
    assert run("early", "s") == 1
    assert run("o", "s", "s", "t") == 0
    scheduler = lib.optim.lr_scheduler.ExponentialLR(lib.optim.SGD([lib.zeros(1)], lr=1.0), 0.5)
    assert warned(scheduler.get_lr) == 1
    assert warned(scheduler.get_last_lr) == 0


def test_the_warning_says_what_to_do() -> None:
    optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"StepLR.step\(\) was called before optimizer.step\(\)") as caught:
        scheduler.step()
    assert caught[0].filename == __file__
    optimizer.step()
    with pytest.warns(UserWarning, match="the argument epoch is deprecated"):
        scheduler.step(3)


# Schedulers that users write -------------------------------------------------------------------------------------------


def users_schedule(library: Any) -> Any:
    """A warm-up in the style of many repositories."""

    class WarmUp(library.optim.lr_scheduler._LRScheduler):
        def __init__(self, optimizer: Any, steps: int, last_epoch: int = -1) -> None:
            self.steps = steps
            super().__init__(optimizer, last_epoch)

        def get_lr(self) -> list[float]:
            if not self._get_lr_called_within_step:
                warnings.warn("use get_last_lr()", UserWarning, stacklevel=2)
            if self.last_epoch == 0:
                return [lr / self.steps for lr in self.base_lrs]
            if self.last_epoch >= self.steps:
                return [group["lr"] for group in self.optimizer.param_groups]
            return [lr * (self.last_epoch + 1) / self.steps for lr in self.base_lrs]

        def _get_closed_form_lr(self) -> list[float]:
            return [lr * min(1.0, (self.last_epoch + 1) / self.steps) for lr in self.base_lrs]

    return WarmUp


def test_a_schedule_in_pytorchs_style_runs() -> None:
    torch = pytest.importorskip("torch")
    traces = []
    for library in (torch, tg):
        optimizer = library.optim.SGD([library.zeros(1)], lr=0.5)
        module = library.optim.lr_scheduler
        schedulers = [users_schedule(library)(optimizer, 4), module.ExponentialLR(optimizer, 0.9)]
        scheduler = module.SequentialLR(optimizer, schedulers, milestones=[6])
        trace = []
        for _ in range(10):
            trace += scheduler.get_last_lr()
            optimizer.step()
            scheduler.step()
        traces.append((trace, scheduler.state_dict()))
    assert traces[1] == traces[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: lr_scheduler.StepLR(tg.zeros(1), 2), TypeError, "expected an Optimizer"),
        (lambda o: lr_scheduler.StepLR(o, 0), ValueError, "step_size"),
        (lambda o: lr_scheduler.StepLR(o, 2, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: lr_scheduler.ConstantLR(o, factor=1.5), ValueError, "ConstantLR: factor"),
        (lambda o: lr_scheduler.LinearLR(o, start_factor=0.0), ValueError, "start_factor"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs, abs]), ValueError, "got 2"),
        (lambda o: lr_scheduler.MultiplicativeLR(o, 0.5), TypeError, "must be a function of the epoch, got float"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="up"), ValueError, "mode"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0, 0]), ValueError, "one a group"),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), ValueError, "T_max"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 1.5), ValueError, "T_mult"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3).step(-1), ValueError, "at least 0, got -1"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, [0.2, 0.3]), ValueError, "expected 1 values as max_lr"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError, "mode must be"),
        (lambda o: lr_scheduler.CyclicLR(optim.Adagrad([tg.zeros(1)]), 0.1, 0.2), ValueError, "neither momentum"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "give total_steps"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=0), ValueError, "steps_per_epoch"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 9, pct_start=2.0), ValueError, "pct_start"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 9, anneal_strategy="sine"), ValueError, "anneal_strategy"),
        (lambda o: [s.step() for s in [lr_scheduler.OneCycleLR(o, 0.1, 2)] * 3], ValueError, "step 3 of .* 2 steps"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 2)], [3]), ValueError, "expected 0 milestones"),
        (
            lambda o: lr_scheduler.SequentialLR(
                o, [lr_scheduler.StepLR(o, 2), lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2)])], [3]
            ),
            ValueError,
            "ChainedScheduler at place 1 cannot begin later",
        ),
        (lambda o: lr_scheduler.ChainedScheduler([o]), TypeError, "expected schedulers, got SGD at place 0"),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError, "needs a measure"),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2)], optim.SGD([tg.zeros(1)])),
            ValueError,
            "must belong to one optimizer",
        ),
        (lambda o: lr_scheduler.noam(0), ValueError, "noam: d_model"),
        (lambda o: lr_scheduler.warmup(0), ValueError, "warmup: steps"),
        (lambda o: lr_scheduler.warmup_cosine(5, 5), ValueError, "warmup_cosine: steps .* got 5 and 5"),
        (lambda o: LRScheduler(o), NotImplementedError, "no get_lr"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*was called before", "ignore:.*epoch")
def test_bad_schedules_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(optim.SGD([tg.zeros(1)], lr=0.1, momentum=0.9))


def test_a_group_that_came_later_is_named() -> None:
    optimizer = optim.SGD([tg.zeros(1)], lr=0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.add_param_group({"params": tg.zeros(1)})
    optimizer.step()
    with pytest.raises(ValueError, match="made for 1 parameter groups, and there are 2"):
        scheduler.step()
