"""Losses between probabilities: cross entropies of single events, and the divergence of distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run, run2
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._loss import (
    check_alike,
    check_broadcast,
    check_factor,
    check_reduction,
    reduced,
    rounded_once,
)
from tinygrad_edu.ops._types import demand, same_type, xp
from tinygrad_edu.ops.elementwise._base import Binary, floating, in_blocks
from tinygrad_edu.ops.reduce import sum as sum_

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

LOWEST_LOG = -100.0  # what stands for the logarithm of 0


class Bce(Op):
    """-y ln x - (1 - y) ln(1 - x); where x (1 - x) is smaller than 1e-12 the derivative divides by that."""

    __slots__ = ()
    keeps = (0, 1)

    def forward(self, x: Any, y: Any) -> Any:
        self.saved = x, y
        ns = xp(x)

        def formula(x: Any, y: Any) -> Any:
            return (y - 1) * ns.maximum(ns.log1p(-x), LOWEST_LOG) - y * ns.maximum(ns.log(x), LOWEST_LOG)

        return ns.in_blocks(formula, x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = gy = None
        if self.needs(0):
            gx = in_blocks(lambda g, x, y: g * ((x - y) / ew.maximum((1 - x) * x, 1e-12)), g, x, y)
        if self.needs(1):
            gy = in_blocks(lambda g, x: g * (_limited_log(1 - x) - _limited_log(x)), g, x)
        return gx, gy


def _limited_log(x: Any) -> Any:
    """ln x, not below that of the smallest probability."""
    some = x > 0
    return ew.where(some, ew.clamp(ew.log(ew.where(some, x, 1.0)), min=LOWEST_LOG), LOWEST_LOG)


@rounded_once
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The cross entropy -y ln x - (1 - y) ln(1 - x) between probabilities x and y, with logarithms of at least -100.

    Parameters
    ----------
    input, target : Tensor
        Probabilities x and y, of one shape; :func:`binary_cross_entropy_with_logits` is more accurate where the input
        comes from a sigmoid.
    weight : Tensor, optional
        A factor for each element, broadcast.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When the shapes differ, or a number of the input does not lie in [0, 1].

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> binary_cross_entropy(tg.tensor([0.5, 0.25]), tg.tensor([0.0, 1.0]), reduction="none")
    tensor([0.6931, 1.3863])
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    check_alike(name, input, target)
    floating(name, target)
    if weight is not None:
        check_factor(name, "weight", weight, tuple(input.shape))
    demand((input >= 0) & (input <= 1), f"{name}: the input must lie between 0 and 1")
    losses = run(Bce(), same_type(input, target))
    return reduced(losses if weight is None else losses * weight, reduction)


class BceWithLogits(Op):
    """-y ln σ(x) - (1 - y) ln(1 - σ(x)) = (1 - y) x - min(x, 0) + ln(1 + e^-|x|), whose derivative by x is σ(x) - y."""

    __slots__ = ()
    keeps = (0, 1)

    def forward(self, x: Any, y: Any) -> Any:
        self.saved = x, y
        ns = xp(x)

        def formula(x: Any, y: Any) -> Any:
            loss = ns.log1p(ns.exp(-ns.abs(x)))
            loss -= ns.minimum(x, 0)
            loss += (1 - y) * x
            return loss

        return ns.in_blocks(formula, x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gx = in_blocks(lambda g, x, y: g * (ew.sigmoid(x) - y), g, x, y) if self.needs(0) else None
        return gx, -(g * x) if self.needs(1) else None


@rounded_once
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
    check_alike(name, input, target)
    for what, factor in (("weight", weight), ("pos_weight", pos_weight)):
        if factor is not None:
            check_factor(name, what, factor, tuple(input.shape))
    if pos_weight is None:
        losses = run(BceWithLogits(), same_type(input, target))
    else:  # ln(1 - σ(x)) = ln σ(x) - x, so one logarithm is enough
        losses = (1 - target) * input - (target * pos_weight + (1 - target)) * ew.logsigmoid(input)
    return reduced(losses if weight is None else losses * weight, reduction)


class KlDiv(Binary):
    """y (ln y - x), which is 0 where y is 0."""

    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        ns = xp(x)
        return y * ns.log(ns.where(y == 0, ns.ones_like(y), y)) - y * x

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        gy = g * (ew.log(y) + 1 - x) if self.needs(1) else None
        return self.fit(-(g * y), gy)


@rounded_once
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The terms y (ln y - x) of the Kullback-Leibler divergence of a distribution y from that with ln p = x.

    Parameters
    ----------
    input : Tensor
        Logarithms x of probabilities.
    target : Tensor
        Probabilities y, or their logarithms; broadcast against the input.
    reduction : "batchmean", "mean", "sum" or "none"
        "batchmean" is the divergence as it is defined, averaged over the first dimension; "mean" divides by the number
        of elements.
    log_target : bool
        Whether the target holds logarithms.

    Raises
    ------
    ValueError
        When the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> kl_div(tg.tensor([[0.25, 0.75]]).log(), tg.tensor([[0.5, 0.5]]), reduction="batchmean")
    tensor(0.1438)
    """
    check_reduction("kl_div", reduction, "batchmean")
    check_tensors("kl_div", input=input, target=target)
    check_broadcast("kl_div", input=input, target=target)
    floating("kl_div", input)
    if log_target:
        losses = ew.exp(target) * (target - input)
    else:
        x, y = same_type(input, target)
        losses = run2(KlDiv, x, y)
    if reduction != "batchmean":
        return reduced(losses, reduction)
    if not input.dim():
        raise ValueError("kl_div: 'batchmean' needs a first dimension, got an input without dimensions")
    return sum_(losses) / input.shape[0]
