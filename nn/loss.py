"""Losses as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """What losses share: a reduction, "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{self._get_name()}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction


class _ClassLoss(_Loss):
    """What losses of classes share: factors for classes, and a number for targets that do not count."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
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


class MSELoss(_Loss):
    """The squared error (x - y)².

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MSELoss()(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """The absolute error |x - y|.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.L1Loss()(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.l1_loss(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross entropy -y ln σ(x) - (1 - y) ln(1 - σ(x)) between logits and probabilities.

    Parameters
    ----------
    weight : Tensor, optional
        A factor for each element, broadcast.
    reduction : "mean", "sum" or "none"
    pos_weight : Tensor, optional
        A factor for the first term, broadcast: above 1 it favours recall.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.BCEWithLogitsLoss()(tg.zeros(3), tg.ones(3))
    tensor(0.6931)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)
