"""Losses between a prediction and a target of its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.reduce import sum as sum_

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def check_reduction(name: str, reduction: str) -> None:
    """Raise ``ValueError`` for an unknown reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _check_shapes(name: str, input: Tensor, target: Tensor) -> None:
    check_tensors(name, input=input, target=target)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"{name}: the input has shape {tuple(input.shape)} and the target {tuple(target.shape)}; they must be equal"
        )


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return losses if reduction == "none" else (mean(losses) if reduction == "mean" else sum_(losses))


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared error (input - target)², averaged, summed or as it is.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    check_reduction("mse_loss", reduction)
    _check_shapes("mse_loss", input, target)
    return _reduced(ew.square(input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The absolute error |input - target|, averaged, summed or as it is; its derivative at 0 is taken as 0.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    check_reduction("l1_loss", reduction)
    _check_shapes("l1_loss", input, target)
    return _reduced(ew.abs(input - target), reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The cross entropy -y ln σ(x) - (1 - y) ln(1 - σ(x)) between logits x and probabilities y, without overflow.

    Parameters
    ----------
    input : Tensor
        Logits of any shape.
    target : Tensor
        Probabilities in the shape of `input`.
    weight : Tensor, optional
        A factor for each element, broadcast.
    reduction : "mean", "sum" or "none"
    pos_weight : Tensor, optional
        A factor for the first term, broadcast.

    Raises
    ------
    ValueError
        When the shapes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> binary_cross_entropy_with_logits(tg.zeros(2), tg.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    _check_shapes(name, input, target)
    hit = target if pos_weight is None else target * pos_weight
    # ln(1 - σ(x)) = ln σ(x) - x, so one logarithm is enough.
    losses = (1 - target) * input - (hit + (1 - target)) * ew.logsigmoid(input)
    return _reduced(losses if weight is None else losses * weight, reduction)
