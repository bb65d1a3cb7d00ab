"""Losses of regression as modules; the formulas are in the functions of the same name."""

from __future__ import annotations

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.loss import Loss
from tinygrad_edu.tensor import Tensor

__all__ = ["GaussianNLLLoss", "HuberLoss", "L1Loss", "MSELoss", "PoissonNLLLoss", "SmoothL1Loss"]


class MSELoss(Loss):
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


class L1Loss(Loss):
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


class SmoothL1Loss(Loss):
    """(x - y)² / (2 beta) where |x - y| < beta, |x - y| - beta / 2 beyond.

    Parameters
    ----------
    reduction : "mean", "sum" or "none"
    beta : float, default 1.0
        Where the parabola ends.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.SmoothL1Loss()(tg.tensor([0.5, 3.0]), tg.tensor([0.0, 0.0]))
    tensor(1.3125)
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(Loss):
    """(x - y)² / 2 where |x - y| < delta, delta (|x - y| - delta / 2) beyond.

    Parameters
    ----------
    reduction : "mean", "sum" or "none"
    delta : float, default 1.0
        Where the parabola ends.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.HuberLoss(delta=2.0)(tg.tensor([0.5, 3.0]), tg.tensor([0.0, 0.0]))
    tensor(2.0625)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class PoissonNLLLoss(Loss):
    """The negative log likelihood eˣ - y x of counts y, for x = ln rate.

    Parameters
    ----------
    log_input : bool, default True
        Whether the input holds logarithms of rates, or rates.
    full : bool, default False
        Whether to add Stirling's approximation of ln y!.
    eps : float, default 1e-8
        What keeps the logarithm of a rate finite.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.PoissonNLLLoss()(tg.zeros(2), tg.tensor([0.0, 3.0]))
    tensor(1.)
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape to a number, or to their shape."""
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, self.eps, self.reduction)


class GaussianNLLLoss(Loss):
    """The negative log likelihood (ln v + (y - x)² / v) / 2 under a normal distribution of mean x and variance v.

    Parameters
    ----------
    full : bool, default False
        Whether to add ln(2π) / 2.
    eps : float, default 1e-6
        The smallest variance.
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.GaussianNLLLoss()(tg.zeros(2), tg.tensor([1.0, 3.0]), tg.ones(2))
    tensor(2.5000)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """Means, samples and variances to a number, or to the shape of the samples."""
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
