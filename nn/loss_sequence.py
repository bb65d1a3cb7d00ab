"""Losses of sequences as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.loss import Loss
from tinygrad_edu.tensor import Tensor

__all__ = ["CTCLoss"]


class CTCLoss(Loss):
    """-ln of the probability of labels, summed over all times at which they may occur.

    Parameters
    ----------
    blank : int, default 0
        The class that stands for no label.
    reduction : "mean", "sum" or "none"
        "mean" first divides the loss of each sequence by its number of labels.
    zero_infinity : bool, default False
        Whether a sequence that is too short for its labels, whose loss is infinite, counts as 0 and has no gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> logp = nn.functional.log_softmax(tg.zeros(5, 2, 3), 2)  # 5 steps, 2 sequences, 3 classes
    >>> nn.CTCLoss()(logp, tg.tensor([[1, 2], [1, 0]]), [5, 4], [2, 1])
    tensor(1.5304)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        """Logarithms of probabilities (T, N, C) or (T, C), labels and lengths to a number, or one for each sequence."""
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
