"""A schedule that looks at how training goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat

from tinygrad_edu.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    one_each,
    rates_of,
    set_rates,
    warn_of_epoch,
)
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by `factor` when a measure has not got better for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : "min" or "max"
        Whether smaller or larger is better.
    factor : float, default 0.1
        Below 1.
    patience : int, default 10
        How many epochs without an improvement are tolerated.
    threshold : float, default 1e-4
        By how much a value must be better than the best to count.
    threshold_mode : "rel" or "abs"
        Whether the threshold is a share of the best or an amount.
    cooldown : int, default 0
        Epochs after a reduction in which bad values do not count.
    min_lr : float or sequence of float, default 0
        The smallest rate, for all groups or for each.
    eps : float, default 1e-8
        Smaller changes of the rate are not made.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 3.0, 3.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(self, optimizer)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.default_min_lr = min_lr if isinstance(min_lr, (int, float)) else None
        self.min_lrs = one_each(self, "min_lr", min_lr, optimizer)
        self.eps = eps
        self.last_epoch = 0
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._last_lr = rates_of(optimizer)
        self._reset()

    def _reset(self) -> None:
        """Forget the measures seen."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether the rate was reduced so lately that bad values do not count."""
        return self.cooldown_counter > 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]  # it needs a measure
        """Go to the next epoch, with the measure of the one that is over.

        Parameters
        ----------
        metrics : float, or Tensor with one element
        epoch : int, optional
            The epoch to go to. Deprecated, as in PyTorch.
        """
        if epoch is not None:
            warn_of_epoch(self)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        value = float(metrics)
        if self._better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = rates_of(self.optimizer)

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        limit = (
            self.best * (1 + sign * self.threshold)
            if self.threshold_mode == "rel"
            else self.best + sign * self.threshold
        )
        return sign * value > sign * limit

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) != len(groups):  # groups were added meanwhile
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: there are {len(groups)} parameter groups now, and {len(self.min_lrs)} values in min_lrs"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        rates = []
        for group, least in zip(groups, self.min_lrs, strict=True):
            lr = float(group["lr"])
            lower = max(lr * self.factor, least)
            rates.append(lower if lr - lower > self.eps else group["lr"])
        set_rates(self.optimizer, rates)
