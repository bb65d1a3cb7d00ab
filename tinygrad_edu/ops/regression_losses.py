"""Losses of regression: the distance between a prediction and a number, or how likely the number is under a distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import widens
from tinygrad_edu.ops._loss import check_alike, check_broadcast, check_reduction, reduced, rounded_once
from tinygrad_edu.ops._types import demand, same_type, xp
from tinygrad_edu.ops.elementwise._base import floating, in_blocks
from tinygrad_edu.ops.shape import unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The squared error (x - y)², averaged, summed or as it is.

    Parameters
    ----------
    input, target : Tensor
        x and y, of one shape.
    reduction : "mean", "sum" or "none"
    weight : Tensor, optional
        A factor for each element, in the same shape; "mean" then divides by the sum of the factors.

    Raises
    ------
    ValueError
        When the shapes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    check_reduction("mse_loss", reduction)
    check_alike("mse_loss", input, target)
    _check_weight("mse_loss", input, weight)
    return reduced(ew.square(input - target), reduction, weight)


@widens
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The absolute error |x - y|, averaged, summed or as it is; its derivative at 0 is taken as 0.

    Parameters
    ----------
    input, target, reduction, weight
        As in :func:`mse_loss`.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    check_reduction("l1_loss", reduction)
    check_alike("l1_loss", input, target)
    _check_weight("l1_loss", input, weight)
    return reduced(ew.abs(input - target), reduction, weight)


def _check_weight(name: str, input: Tensor, weight: Tensor | None) -> None:
    if weight is not None:
        check_tensors(name, weight=weight)
        if tuple(weight.shape) != tuple(input.shape):
            raise ValueError(
                f"{name}: the weight needs the input's shape {tuple(input.shape)}, got {tuple(weight.shape)}"
            )


class Huber(Op):
    """With d = x - y, limited to c in [-δ, δ], the loss is c (d - c/2) times a factor, and its derivative c times it."""

    __slots__ = ("settings",)
    keeps = (0, 1)

    def forward(self, x: Any, y: Any, delta: float, factor: float) -> Any:
        self.settings = delta, factor
        self.saved = x, y
        ns = xp(x)

        def formula(x: Any, y: Any) -> Any:
            d = x - y
            c = ns.clip(d, -delta, delta)
            d -= 0.5 * c
            d *= c * factor
            return d

        return ns.in_blocks(formula, x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        delta, factor = self.settings

        def slope(g: Any, x: Any, y: Any) -> Any:
            return g * (ew.clamp(x - y, -delta, delta) * factor)

        gx = in_blocks(slope, g, x, y)
        return gx, -gx if self.needs(1) else None


@rounded_once
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, and |x - y| - beta / 2 beyond.

    Parameters
    ----------
    input, target, reduction
        As in :func:`mse_loss`.
    beta : float
        Where the parabola ends; 0 gives :func:`l1_loss`.

    Raises
    ------
    ValueError
        When the shapes differ or `beta` is negative.

    Source: Girshick, Fast R-CNN, ICCV (2015).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> smooth_l1_loss(tg.tensor([0.5, 3.0]), tg.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])
    """
    check_reduction("smooth_l1_loss", reduction)
    check_alike("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    return reduced(run(Huber(), (*same_type(input, target), beta, 1 / beta)), reduction)


@rounded_once
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """(x - y)² / 2 where |x - y| < delta, and delta (|x - y| - delta / 2) beyond.

    Parameters
    ----------
    input, target, reduction
        As in :func:`mse_loss`.
    delta : float
        Where the parabola ends.
    weight : Tensor, optional
        A factor for each element, in the same shape; here "mean" divides by the number of elements all the same.

    Raises
    ------
    ValueError
        When the shapes differ or `delta` is not positive.

    Source: Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> huber_loss(tg.tensor([0.5, 3.0]), tg.zeros(2), reduction="none", delta=2.0)
    tensor([0.1250, 4.0000])
    """
    check_reduction("huber_loss", reduction)
    check_alike("huber_loss", input, target)
    _check_weight("huber_loss", input, weight)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    losses = run(Huber(), (*same_type(input, target), delta, 1.0))
    return reduced(losses if weight is None else losses * weight, reduction)


@rounded_once
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood of counts y under a Poisson distribution: eˣ - y x for x = ln rate.

    Parameters
    ----------
    input : Tensor
        Logarithms of rates, or rates.
    target : Tensor
        Counts, broadcast against the input.
    log_input : bool
        Whether the input holds logarithms; of rates x the loss is x - y ln(x + eps).
    full : bool
        Whether to add Stirling's approximation y ln y - y + ln(2π y) / 2 of ln y! where y > 1.
    eps : float
        What keeps the logarithm of a rate finite.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> poisson_nll_loss(tg.zeros(2), tg.tensor([0.0, 3.0]))
    tensor(1.)
    """
    check_reduction("poisson_nll_loss", reduction)
    check_broadcast("poisson_nll_loss", input=input, target=target)
    x, y = same_type(floating("poisson_nll_loss", input), target)
    losses = ew.exp(x) - y * x if log_input else x - y * ew.log(x + eps)
    if full:
        many = ew.where(y > 1, y, 1.0)  # elsewhere the terms below would be NaN, and so would their gradient
        stirling = many * ew.log(many) - many + 0.5 * ew.log(2 * math.pi * many)
        losses = losses + ew.where(y > 1, stirling, 0.0)
    return reduced(losses, reduction)


class Raised(Op):
    """max(x, low) for values that must grow again: the gradient passes below the limit as well."""

    __slots__ = ()
    keeps = ()

    def forward(self, x: Any, low: float) -> Any:
        return xp(x).maximum(x, low)

    def backward(self, g: Any) -> Any:
        return g


@rounded_once
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log likelihood (ln v + (y - x)² / v) / 2 of y under a normal distribution, without its constant.

    Parameters
    ----------
    input : Tensor
        The mean x.
    target : Tensor
        The sample y, broadcast against the mean.
    var : Tensor or float
        The variance v in the input's shape, where sizes may be 1 or the last dimension may be left out; or one number.
    full : bool
        Whether to add ln(2π) / 2.
    eps : float
        The smallest variance; one below it counts as `eps`, but gets its gradient, so that it can grow.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit, a variance is negative, or `eps` is not positive.

    Source: Nix and Weigend, Estimating the mean and variance of the target probability distribution, ICNN (1994).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> gaussian_nll_loss(tg.zeros(2), tg.tensor([1.0, 3.0]), tg.ones(2))
    tensor(2.5000)
    """
    name = "gaussian_nll_loss"
    check_reduction(name, reduction)
    if not eps > 0:
        raise ValueError(f"{name}: eps must be positive, got {eps}")
    check_broadcast(name, input=input, target=target)
    floating(name, input)
    if isinstance(var, (int, float)):
        var = input.new_full((), float(var))
    check_tensors(name, var=var)
    shape = tuple(input.shape)
    if var.dim() == len(shape) - 1 and tuple(var.shape) == shape[:-1]:
        var = unsqueeze(var, -1)
    elif var.dim() not in (0, len(shape)) or any(n not in (1, m) for n, m in zip(var.shape, shape, strict=False)):
        raise ValueError(
            f"{name}: for an input of shape {shape} the variance needs that shape, with some sizes 1 or without the last "
            f"dimension, got {tuple(var.shape)}"
        )
    demand(~(var < 0), f"{name}: a variance is negative")  # one that is NaN makes a loss that is NaN
    var = run1(Raised, var, eps)
    losses = 0.5 * (ew.log(var) + ew.square(input - target) / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
