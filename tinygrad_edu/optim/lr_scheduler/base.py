"""What schedulers share: when rates change, and saving where a schedule stands."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.errors import describe
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.tensor import Tensor

__all__ = ["LRScheduler"]


class LRScheduler:
    """Base class of schedulers: subclass it and define ``get_lr``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups get the rates; making a scheduler sets the rates of the first epoch.
    last_epoch : int, default -1
        The last epoch that is over, when training is resumed without a saved scheduler.

    Attributes
    ----------
    base_lrs : list of float
        The rates that the groups started with.
    last_epoch : int
        The epoch whose rates are set, from 0.

    Raises
    ------
    KeyError
        When training is resumed with groups that have no ``"initial_lr"``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> class Halving(optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(self, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes training, but group {i} has no 'initial_lr'; "
                    "load the optimizer's state first"
                )
        self.optimizer = optimizer
        self.base_lrs: list[Any] = [_copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        if optimizer._step_called is None:
            optimizer._step_called = False
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The rate of each group in epoch ``self.last_epoch``; called by ``step``. Users want :meth:`get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(): define the rates of an epoch")

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one a group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch; call it after the optimizer's last step in an epoch.

        Parameters
        ----------
        epoch : int, optional
            The epoch to go to. Deprecated, as in PyTorch.
        """
        if self._step_count == 1 and not self.optimizer._step_called:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(): the first rate of the schedule is passed "
                "over; call optimizer.step() first, then the scheduler's",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch(self)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or of a given one."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form: Callable[[], list[Any]] | None = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr() if epoch is None or closed_form is None else closed_form()
        finally:
            self._get_lr_called_within_step = False
        set_rates(self.optimizer, rates)
        self._last_lr: list[Any] = rates_of(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave; the rates themselves are in the optimizer's state."""
        self.__dict__.update(copy.deepcopy(state_dict))


class _LRScheduler(LRScheduler):
    """The name that older programs subclass."""


class Schedule(LRScheduler):
    """Base class of the schedulers here: a subclass says how a group's rate follows from the one before."""

    def get_lr(self) -> list[Any]:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "get_lr() computes the next rates; get_last_lr() gives those in use", UserWarning, stacklevel=2
            )
        rates = rates_of(self.optimizer)
        if len(rates) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: it was made for {len(self.base_lrs)} parameter groups, and there are {len(rates)} by now"
            )
        return [self._next(i, lr, base) for i, (lr, base) in enumerate(zip(rates, self.base_lrs, strict=True))]

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        """Group i's rate in epoch ``self.last_epoch``, from that of the epoch before and the initial one."""
        raise NotImplementedError


class ClosedForm(Schedule):
    """A schedule whose rates can also be had at once, for an epoch to which a user or :class:`SequentialLR` jumps."""

    def _get_closed_form_lr(self) -> list[Any]:
        return [self._at(base) for base in self.base_lrs]

    def _at(self, base: Any) -> Any:
        """The rate of epoch ``self.last_epoch`` from the initial one."""
        raise NotImplementedError


def check_optimizer(scheduler: LRScheduler, optimizer: Any) -> None:
    """Raise ``TypeError`` when it is none."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: expected an Optimizer, got {describe(optimizer)}")


def one_each(scheduler: LRScheduler, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A value for each group: those given, or the same for all."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [_copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(
            f"{type(scheduler).__name__}: expected {groups} values as {name}, one a group, got {len(value)}"
        )
    return [_copied(v) for v in value]


def rates_of(optimizer: Optimizer) -> list[Any]:
    """The groups' rates now."""
    return [_copied(group["lr"]) for group in optimizer.param_groups]


def set_rates(optimizer: Optimizer, rates: Sequence[Any]) -> None:
    """Set the groups' rates; a tensor keeps its place and gets the value."""
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(float(lr))
        else:
            group["lr"] = lr


def warn_of_epoch(scheduler: LRScheduler) -> None:
    """Say that ``step(epoch)`` is deprecated."""
    warnings.warn(
        f"{type(scheduler).__name__}.step: the argument epoch is deprecated; call step() once an epoch",
        UserWarning,
        stacklevel=3,
    )


def attributes_of(function: Any) -> dict[str, Any] | None:
    """What a callable object remembers, for a checkpoint; a function is code and is not stored."""
    if isinstance(function, types.FunctionType):
        return None
    return dict(getattr(function, "__dict__", {}))


def _copied(rate: Any) -> Any:
    return rate.clone() if isinstance(rate, Tensor) else rate
