"""Schedules that go up and down between two rates, and momentum the other way round."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_edu.optim.lr_scheduler.base import Schedule, attributes_of, check_optimizer, one_each, set_rates
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


class _WithMomentum(Schedule):
    """A schedule that changes momentum, or Adam's first beta, with the rate."""

    def _start_momentum(
        self, optimizer: Optimizer, cycle_momentum: bool, base: Any, largest: Any, last_epoch: int
    ) -> tuple[list[Any], list[Any]] | None:
        """The smallest and largest momentum of each group, which begin with the largest; None where it stays."""
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return None
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                f"{type(self).__name__}: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        bases = one_each(self, "base_momentum", base, optimizer)
        tops = one_each(self, "max_momentum", largest, optimizer)
        if last_epoch == -1:
            for group, low, top in zip(optimizer.param_groups, bases, tops, strict=True):
                self._set_momentum(group, top)
                group["max_momentum"] = top
                group["base_momentum"] = low
        return bases, tops

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_WithMomentum):
    """Goes up and down between two rates, and momentum down and up.

    In a cycle of `step_size_up` and `step_size_down` steps h rises evenly from 0 to 1 and falls again;
    lr = base_lr + (max_lr - base_lr) · h · scale, momentum = max_momentum - (max_momentum - base_momentum) · h · scale. The scale is
    1 ("triangular"), 2^(1 - cycle) ("triangular2"), gamma^step ("exp_range"), or what `scale_fn` says. Call ``step`` after each
    batch.
    Source: Smith, Cyclical learning rates for training neural networks, WACV 2017.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float, or list of float
        For all groups or for each.
    step_size_up : int, default 2000
    step_size_down : int, optional
        By default as long as up.
    mode : "triangular", "triangular2" or "exp_range"
    gamma : float, default 1
    scale_fn : callable, optional
        Takes the number of the cycle, from 1, or of the step, as `scale_mode` says.
    scale_mode : "cycle" or "iterations"
    cycle_momentum : bool, default True
        Whether momentum, or Adam's first beta, goes along.
    base_momentum, max_momentum : float, or list of float, default 0.8 and 0.9
    last_epoch : int, default -1
        The last step that is over.

    Raises
    ------
    ValueError
        When the mode is unknown, or the optimizer has no momentum to change.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0, momentum=0.9)
    >>> scheduler = optim.lr_scheduler.CyclicLR(optimizer, base_lr=1.0, max_lr=3.0, step_size_up=2)
    >>> rates = []
    >>> for batch in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        base_lrs = one_each(self, "base_lr", base_lr, optimizer)
        self.max_lrs = one_each(self, "max_lr", max_lr, optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        if last_epoch == -1:
            set_rates(optimizer, base_lrs)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        momenta = self._start_momentum(optimizer, cycle_momentum, base_momentum, max_momentum, last_epoch)
        if momenta is not None:
            self.base_momentums, self.max_momentums = momenta
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """How high a cycle is, from its number or that of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        rates = super().get_lr()
        if self.cycle_momentum:
            momenta = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, top in momenta:
                self._set_momentum(group, top - self._rise(low, top))
        return rates

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        return base + self._rise(base, self.max_lrs[i])

    def _rise(self, low: float, top: float) -> float:
        """How far above the lower end it stands."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return (top - low) * height * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and a function that is code; of another callable its attributes."""
        custom = self._scale_fn_custom
        return super().state_dict() | {"_scale_fn_custom": None if custom is None else attributes_of(custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class OneCycleLR(_WithMomentum):
    """One rise to a large rate and a long fall far below the first one, with momentum the other way round.

    It begins with max_lr / div_factor, reaches max_lr after the share `pct_start` of all steps, and ends with
    max_lr / (div_factor · final_div_factor); with `three_phase` it comes back to the first rate as fast as it rose, and falls from
    there. Between two rates it follows half a cosine wave or a line. Call ``step`` after each batch.
    Source: Smith and Topin, Super-convergence: very fast training of neural networks using large learning rates, 2018.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or list of float
        For all groups or for each.
    total_steps : int, optional
        Or `epochs` and `steps_per_epoch`.
    epochs, steps_per_epoch : int, optional
    pct_start : float, default 0.3
    anneal_strategy : "cos" or "linear"
    cycle_momentum : bool, default True
        Whether momentum, or Adam's first beta, goes along.
    base_momentum, max_momentum : float, or list of float, default 0.85 and 0.95
    div_factor : float, default 25
    final_div_factor : float, default 1e4
    three_phase : bool, default False
    last_epoch : int, default -1
        The last step that is over.

    Raises
    ------
    ValueError
        When the number of steps is not given, a setting is out of range, or more steps are made.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0, momentum=0.9)
    >>> scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, div_factor=2, final_div_factor=5)
    >>> rates = []
    >>> for batch in range(10):
    ...     rates.append(round(scheduler.get_last_lr()[0], 2))
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.96, 0.83, 0.65, 0.45, 0.27, 0.14, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        self.total_steps = _count(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be a float in [0, 1], got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        top = float(pct_start * self.total_steps) - 1
        self._schedule_phases = [_phase(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            end = float(2 * pct_start * self.total_steps) - 2
            self._schedule_phases += [
                _phase(end, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                _phase(self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases.append(
                _phase(self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")
            )
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            for group, largest in zip(optimizer.param_groups, one_each(self, "max_lr", max_lr, optimizer), strict=True):
                group["initial_lr"] = largest / div_factor
                group["max_lr"] = largest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self._start_momentum(optimizer, cycle_momentum, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps")
        group = self.optimizer.param_groups[i]
        start = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"]:
                break
            if phase is not self._schedule_phases[-1]:
                start = phase["end_step"]
        share = (self.last_epoch - start) / (phase["end_step"] - start)
        if self.cycle_momentum:
            self._set_momentum(
                group, self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], share)
            )
        return self._between(group[phase["start_lr"]], group[phase["end_lr"]], share)

    def _between(self, start: float, end: float, share: float) -> float:
        """What lies between two values after a share of the way."""
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _phase(end: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    """A part of the cycle: its last step, and where the group has the values at both ends."""
    return {
        "end_step": end,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


def _count(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The number of steps, as one number or two."""
    given = (
        {"total_steps": total_steps}
        if total_steps is not None
        else {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    )
    count = 1
    for name, value in given.items():
        if value is None:
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"OneCycleLR: {name} must be an integer of at least 1, got {value!r}")
        count *= value
    return count
