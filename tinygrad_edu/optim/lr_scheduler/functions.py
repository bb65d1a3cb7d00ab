"""Schedules that a user's function makes, and functions to make them of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.optim.lr_scheduler.base import Schedule, attributes_of, check_optimizer
from tinygrad_edu.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR", "noam", "warmup", "warmup_cosine"]

Factor = Callable[[int], float]


class _ByFunctions(Schedule):
    """A schedule of one function for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(lambdas) != groups:
            raise ValueError(
                f"{type(self).__name__}: expected a function for each of {groups} parameter groups, got {len(lambdas)}"
            )
        for f in lambdas:
            if not callable(f):
                raise TypeError(
                    f"{type(self).__name__}: lr_lambda must be a function of the epoch, got {type(f).__name__}"
                )
        self.lr_lambdas: list[Any] = lambdas
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the functions, which are code; of other callables their attributes."""
        return super().state_dict() | {"lr_lambdas": [attributes_of(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for f, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                f.__dict__.update(attributes)


class LambdaLR(_ByFunctions):
    """lr = initial lr · f(epoch).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callables
        f, or one f for each group.
    last_epoch : int, default -1

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        return base * self.lr_lambdas[i](self.last_epoch)


class MultiplicativeLR(_ByFunctions):
    """lr = lr of the epoch before · f(epoch).

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callables
        f, or one f for each group.
    last_epoch : int, default -1

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> optimizer.step(); scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        return lr if self._is_initial else lr * self.lr_lambdas[i](self.last_epoch)


def noam(d_model: int, warmup_steps: int = 4000) -> Factor:
    """The schedule of the first Transformer, for :class:`LambdaLR` with lr=1 and a step of the scheduler after every batch.

    f(s) = d_model^-½ · min((s + 1)^-½, (s + 1) · warmup_steps^-3/2): it rises evenly for `warmup_steps` steps, and falls with
    the root of the step from there on.
    Source: Vaswani et al., Attention is all you need, NeurIPS 2017, section 5.3.

    Parameters
    ----------
    d_model : int
        The width of the model.
    warmup_steps : int, default 4000

    Raises
    ------
    ValueError
        When one of them is under 1.

    Examples
    --------
    >>> from tinygrad_edu.optim.lr_scheduler import noam
    >>> factor = noam(d_model=64, warmup_steps=4)
    >>> [factor(step) for step in (0, 3, 15)]
    [0.015625, 0.0625, 0.03125]
    """
    if d_model < 1 or warmup_steps < 1:
        raise ValueError(f"noam: d_model and warmup_steps must be at least 1, got {d_model} and {warmup_steps}")
    return lambda step: d_model**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup_steps**-1.5)


def warmup(steps: int, after: Factor | None = None) -> Factor:
    """A factor that rises evenly to one in `steps` steps, for :class:`LambdaLR`.

    f(s) = (s + 1) / steps for s < steps; from there on `after(s - steps)`, or one.

    Parameters
    ----------
    steps : int
    after : callable, optional
        The factor from then on, as a function of the steps since.

    Raises
    ------
    ValueError
        When there is no step.

    Examples
    --------
    >>> from tinygrad_edu.optim.lr_scheduler import warmup
    >>> factor = warmup(2, after=lambda step: 0.9**step)
    >>> [factor(step) for step in range(5)]
    [0.5, 1.0, 1.0, 0.9, 0.81]
    """
    if steps < 1:
        raise ValueError(f"warmup: steps must be at least 1, got {steps}")
    rest = after or (lambda step: 1.0)
    return lambda step: (step + 1) / steps if step < steps else rest(step - steps)


def warmup_cosine(steps: int, total: int, floor: float = 0.0) -> Factor:
    """A factor that rises evenly to one in `steps` steps and falls to `floor` along half a cosine, for :class:`LambdaLR`.

    f(s) = (s + 1) / steps for s < steps; from there on floor + (1 - floor) (1 + cos(π (s - steps) / (total - steps))) / 2,
    and `floor` from step `total` on.

    Parameters
    ----------
    steps, total : int
        How long it rises, and how long it takes altogether.
    floor : float, default 0.0

    Raises
    ------
    ValueError
        When there is no step of rising or none of falling.

    Examples
    --------
    >>> from tinygrad_edu.optim.lr_scheduler import warmup_cosine
    >>> factor = warmup_cosine(2, total=6)
    >>> [round(factor(step), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if not 1 <= steps < total:
        raise ValueError(f"warmup_cosine: steps must be at least 1 and less than total, got {steps} and {total}")

    def fall(step: int) -> float:
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(step / (total - steps), 1)))

    return warmup(steps, fall)
