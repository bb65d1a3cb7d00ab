"""Losses between probabilities as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.loss import Loss, WeightedLoss
from tinygrad_edu.tensor import Tensor

__all__ = ["BCELoss", "BCEWithLogitsLoss", "KLDivLoss"]


class BCELoss(WeightedLoss):
    """The cross entropy -y ln x - (1 - y) ln(1 - x) between probabilities, with logarithms of at least -100.

    Parameters
    ----------
    weight : Tensor, optional
        A factor for each element, broadcast.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.BCELoss()(tg.tensor([0.5, 1.0]), tg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
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

    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(Loss):
    """The terms y (ln y - x) of the Kullback-Leibler divergence of a distribution y from that with ln p = x.

    Parameters
    ----------
    reduction : "batchmean", "mean", "sum" or "none"
        "batchmean" is the divergence as it is defined, averaged over the first dimension.
    log_target : bool, default False
        Whether the target holds logarithms.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.KLDivLoss("batchmean")(tg.tensor([[0.25, 0.75]]).log(), tg.tensor([[0.5, 0.5]]))
    tensor(0.1438)
    """

    reductions = ("batchmean", *Loss.reductions)

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.kl_div(input, target, self.reduction, self.log_target)
