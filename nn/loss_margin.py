"""Losses with a margin as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.loss import Loss, WeightedLoss
from tinygrad_edu.tensor import Tensor

__all__ = [
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
]


class HingeEmbeddingLoss(Loss):
    """x where the target is 1, max(0, margin - x) where it is -1.

    Parameters
    ----------
    margin : float, default 1.0
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.HingeEmbeddingLoss()(tg.tensor([0.25, 0.25]), tg.tensor([1.0, -1.0]))
    tensor(0.5000)
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Distances and targets to a number, or to their shape."""
        return F.hinge_embedding_loss(input, target, self.margin, self.reduction)


class MarginRankingLoss(Loss):
    """max(0, -y (a - b) + margin): where y is 1 the first input should be the larger, where it is -1 the second.

    Parameters
    ----------
    margin : float, default 0.0
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MarginRankingLoss()(tg.tensor([3.0]), tg.tensor([1.0]), tg.tensor([-1.0]))
    tensor(2.)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Three tensors that broadcast to a number, or to their common shape."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class SoftMarginLoss(Loss):
    """ln(1 + e^(-y x)) for y = 1 or -1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.SoftMarginLoss()(tg.zeros(2), tg.tensor([1.0, -1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.soft_margin_loss(input, target, self.reduction)


class MultiMarginLoss(WeightedLoss):
    """Σ max(0, margin - x[y] + x[i])ᵖ / C over all classes i but the right one, y.

    Parameters
    ----------
    p : 1 or 2
    margin : float, default 1.0
    weight : Tensor, (C,), optional
        A factor for the targets of each class.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MultiMarginLoss()(tg.tensor([[0.5, 1.0]]), tg.tensor([1]))
    tensor(0.2500)
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p!r}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: the weight needs shape (C,), got {tuple(weight.shape)}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) or (C,) and class numbers to a number, or one for each target."""
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """Σ max(0, 1 - (x[j] - x[i])) / C over all right classes j and all wrong ones i.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MultiLabelMarginLoss()(tg.tensor([0.1, 0.2, 0.4, 0.8]), tg.tensor([3, 0, -1, 1]))
    tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) or (C,) and lists of class numbers that end with -1 to a number, or one for each row."""
        return F.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The cross entropy between logits and 0 or 1 for each class, averaged over the classes.

    Parameters
    ----------
    weight : Tensor, (C,), optional
        A factor for each class.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MultiLabelSoftMarginLoss()(tg.zeros(1, 3), tg.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors (…, C) to a number, or one for each row."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)
