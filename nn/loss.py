"""Losses of classes as modules, and what all losses share; the formulas are in the functions of the same name."""

from __future__ import annotations

from typing import ClassVar

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = ["CrossEntropyLoss", "NLLLoss", "NLLLoss2d"]


class Loss(Module):
    """What losses share: a reduction, "mean", "sum" or "none"."""

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self.reductions:
            known = ", ".join(map(repr, self.reductions[:-1]))
            raise ValueError(
                f"{self._get_name()}: reduction must be {known} or {self.reductions[-1]!r}, got {reduction!r}"
            )
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a factor for each class or element, which is part of the state."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class _ClassLoss(WeightedLoss):
    """A loss of class numbers, one of which may stand for targets that do not count."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index


class CrossEntropyLoss(_ClassLoss):
    """The cross entropy -ln softmax(x)[target] between logits (N, C, …) and classes (N, …) or probabilities.

    Parameters
    ----------
    weight : Tensor, (C,), optional
        A factor for each class.
    ignore_index : int, default -100
        Targets with this number do not count.
    reduction : "mean", "sum" or "none"
    label_smoothing : float, default 0.0
        The share of the target that is spread evenly over all classes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.CrossEntropyLoss()(tg.zeros(2, 4), tg.tensor([0, 3]))
    tensor(1.3863)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (C,), (N, C) or (N, C, d1, …) and targets to a number, or one for each target."""
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(_ClassLoss):
    """The negative log likelihood -x[target], for log-probabilities (N, C, …) and classes (N, …).

    Parameters
    ----------
    weight, ignore_index, reduction
        As in :class:`CrossEntropyLoss`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.NLLLoss()(tg.tensor([[-1.0, -2.0]]), tg.tensor([1]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities and classes to a number, or one for each target."""
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class NLLLoss2d(NLLLoss):
    """:class:`NLLLoss`, which takes pictures as well; an old name."""
