"""Averages of a model's weights over training, which often do better than the last ones.

This module stands above both optimizers and layers: it is the one of this folder that knows `nn`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinygrad_edu.creation import tensor
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn.batchnorm import _BatchNorm
from tinygrad_edu.nn.module import Module
from tinygrad_edu.optim.lr_scheduler.base import Schedule, check_optimizer, one_each
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverage = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average w ← decay · w + (1 - decay) · new, of one tensor."""
    _check_decay("get_ema_avg_fn", decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return ema_param * decay + current_param * (1 - decay)

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """The exponential moving average w ← decay · w + (1 - decay) · new, of many tensors in place.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30 (1992).

    Parameters
    ----------
    decay : float
        In [0, 1].

    Raises
    ------
    ValueError
        For another `decay`.
    """
    _check_decay("get_ema_multi_avg_fn", decay)

    @no_grad()
    def ema_update(ema_params: list[Tensor], current_params: list[Tensor], num_averaged: Any) -> None:
        for ema, current in zip(ema_params, current_params, strict=True):
            _move(ema, current, 1 - decay)

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean over all updates, w ← w + (new - w) / (n + 1), of one tensor."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """The mean over all updates, w ← w + (new - w) / (n + 1), of many tensors in place."""

    @no_grad()
    def swa_update(averaged_params: list[Tensor], current_params: list[Tensor], num_averaged: Any) -> None:
        share = 1 / (float(num_averaged) + 1)
        for averaged, current in zip(averaged_params, current_params, strict=True):
            _move(averaged, current, share)

    return swa_update


def _check_decay(name: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{name}: decay must be between 0 and 1, got {decay}")


def _move(average: Tensor, current: Tensor, share: float) -> None:
    """Go a share of the way; of integers the result is cut off, as by PyTorch."""
    if average.is_floating_point():
        average.lerp_(current.to(average.dtype), share)
    else:
        average.copy_(average * (1 - share) + current * share)


class AveragedModel(Module):
    """A copy of a model whose weights are averages of the model's weights over training.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, UAI 2018.

    Parameters
    ----------
    model : Module
        Is copied.
    device : optional
        Where the copy lies.
    avg_fn : callable, optional
        Takes an average, a new value and the number of values so far, and gives the new average.
    multi_avg_fn : callable, optional
        The same for lists of tensors of one type and device, whose averages it changes in place: see
        :func:`get_ema_multi_avg_fn`. By default the plain mean is taken.
    use_buffers : bool, default False
        Whether buffers are averaged too, rather than copied.

    Attributes
    ----------
    module : Module
        The copy.
    n_averaged : Tensor, ()
        How many updates there were.

    Raises
    ------
    ValueError
        When both kinds of functions are given.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    >>> for value in (1.0, 2.0):  # two steps of training
    ...     _ = nn.init.constant_(model.weight, value)
    ...     ema.update_parameters(model)
    >>> ema(tg.ones(1, 1)).item()  # 0.9 · 1 + 0.1 · 2
    1.100000023841858
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: expected a Module, got {type(model).__name__}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype="int64", device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the model's present weights into the average; the first ones are the average.

        Raises
        ------
        ValueError
            When the model is not of the same parameters; nothing is changed then.
        """
        pairs = _matched("parameters", self.module.parameters(), model.parameters())
        buffers = _matched("buffers", self.module.buffers(), model.buffers())
        averaged, copied = ([*pairs, *buffers], []) if self.use_buffers else (pairs, buffers)
        if int(self.n_averaged) == 0:
            copied = [*averaged, *copied]
        else:
            self._average([(a, m.to(a.device)) for a, m in averaged])
        for mine, current in copied:
            mine.copy_(current)
        self.n_averaged.add_(1)

    def _average(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        if self.avg_fn is not None:
            for average, current in pairs:
                average.copy_(self.avg_fn(average, current, self.n_averaged))
            return
        groups: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        for average, current in pairs:
            groups.setdefault((str(average.device), average.dtype), []).append((average, current))
        update = self.multi_avg_fn or get_swa_multi_avg_fn()
        for group in groups.values():
            update([a for a, _ in group], [m for _, m in group], self.n_averaged)


def _matched(what: str, ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Tensors of the average with those of the model, as values outside of any graph."""
    mine, others = [t.detach() for t in ours], [t.detach() for t in theirs]
    shapes, expected = [tuple(t.shape) for t in mine], [tuple(t.shape) for t in others]
    if shapes != expected:
        raise ValueError(f"AveragedModel: the model has {what} of shapes {expected}, the average {shapes}")
    return list(zip(mine, others, strict=True))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of batch normalisation anew, from one pass over data.

    Averaged weights need this: the statistics of none of the averaged models are theirs.

    Parameters
    ----------
    loader : iterable
        Gives batches; of a tuple or list the first element is the input.
    model : Module
    device : optional
        Where the batches go first.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta, training = [m.momentum for m in norms], [(m, m.training) for m in model.modules()]
    try:
        model.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        for batch in loader:
            x = batch[0] if isinstance(batch, (tuple, list)) else batch
            model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in training:
            module.training = mode


class SWALR(Schedule):
    """Goes from the present rate to a constant one, at which weights are averaged.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or sequence of float
        The constant rate, or one for each group.
    anneal_epochs : int, default 10
        How many epochs it takes to get there.
    anneal_strategy : "cos" or "linear"
        Along half a wave of a cosine, or a straight line.
    last_epoch : int, default -1

    Raises
    ------
    ValueError
        For another strategy, or a negative number of epochs.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> optimizer = optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for epoch in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [0.75]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an integer from 0, got {anneal_epochs!r}")
        for group, rate in zip(optimizer.param_groups, one_each(self, "swa_lr", swa_lr, optimizer), strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs = anneal_epochs
        self._anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way lies behind after some steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _next(self, i: int, lr: Any, base: Any) -> Any:
        target = self.optimizer.param_groups[i]["swa_lr"]
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._share(step - 1), self._share(step)
        start = target if before == 1 else (lr - before * target) / (1 - before)
        return target * now + start * (1 - now)
