"""Distances and similarities of vectors, and losses of them, as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.loss import Loss
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "PairwiseDistance",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`.

    Parameters
    ----------
    dim : int, default 1
    eps : float, default 1e-8
        The smallest length that is divided by.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.CosineSimilarity()(tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two tensors that broadcast to their common shape without the dimension."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm ‖a - b + eps‖ of the differences of vectors, which lie along the last dimension.

    Parameters
    ----------
    p : float, default 2.0
        The exponent of the norm.
    eps : float, default 1e-6
        Added to each difference.
    keepdim : bool, default False
        Whether to keep the last dimension, of size 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.PairwiseDistance()(tg.tensor([[3.0, 0.0]]), tg.tensor([[0.0, 4.0]]))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Vectors (N, D) or (D,) to distances (N,) or ()."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineEmbeddingLoss(Loss):
    """1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1.

    Parameters
    ----------
    margin : float, default 0.0
        The largest cosine that does not count as alike.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.CosineEmbeddingLoss()(tg.tensor([1.0, 0.0]), tg.tensor([1.0, 1.0]), tg.tensor(1))
    tensor(0.2929)
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Vectors (N, D) or (D,) and targets (N,) or () to a number, or one for each target."""
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """max(0, d(a, b) - d(a, c) + margin): an anchor a should be nearer to its like, b, than to another, c.

    Parameters
    ----------
    margin : float, default 1.0
    p : float, default 2.0
        The exponent of the norm that is the distance.
    eps : float, default 1e-6
        Added to each difference.
    swap : bool, default False
        Whether d(b, c) counts in place of d(a, c) where it is smaller.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.TripletMarginLoss()(tg.tensor([[0.0]]), tg.tensor([[2.0]]), tg.tensor([[1.0]]))
    tensor(2.)
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        _check_margin(self, margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Vectors (N, D) or (D,) to a number, or one for each triplet."""
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """:class:`TripletMarginLoss` with any distance.

    Parameters
    ----------
    distance_function : callable, optional
        Takes two tensors and gives their distances; by default :class:`PairwiseDistance`.
    margin : float, default 1.0
    swap : bool, default False
        Whether d(b, c) counts in place of d(a, c) where it is smaller.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance(p=1))
    >>> loss(tg.tensor([[0.0]]), tg.tensor([[2.0]]), tg.tensor([[1.0]]))
    tensor(2.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        _check_margin(self, margin)
        self.distance_function = distance_function if distance_function is not None else PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """What the distance takes to a number, or one for each triplet."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


def _check_margin(loss: Loss, margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"{loss._get_name()}: margin must be positive, got {margin}")
