"""Losses with a margin: what is right must lie above what is wrong by some distance, or below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._loss import (
    check_alike,
    check_broadcast,
    check_labels,
    check_reduction,
    may_look,
    reduced,
    rounded_once,
)
from tinygrad_edu.ops.counting import one_hot
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.extremes import amax
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.probability_losses import binary_cross_entropy_with_logits
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scan import cumsum
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


@rounded_once
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """max(0, -y (a - b) + margin): where y is 1 the first input should be the larger, where it is -1 the second.

    Parameters
    ----------
    input1, input2, target : Tensor
        a, b and y, of one number of dimensions; they broadcast.
    margin : float
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> margin_ranking_loss(tg.tensor([3.0]), tg.tensor([1.0]), tg.tensor([-1.0]))
    tensor(2.)
    """
    name = "margin_ranking_loss"
    check_reduction(name, reduction)
    check_broadcast(name, input1=input1, input2=input2, target=target)
    if not input1.dim() == input2.dim() == target.dim():
        shapes = ", ".join(str(tuple(t.shape)) for t in (input1, input2, target))
        raise ValueError(f"{name}: the inputs and the target need one number of dimensions, got shapes {shapes}")
    return reduced(ew.clamp(margin - target * (input1 - input2), min=0), reduction)


@rounded_once
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1: for distances x between things that are alike or not.

    Parameters
    ----------
    input : Tensor
    target : Tensor
        1 or -1, broadcast against the input.
    margin : float
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When the shapes do not broadcast.

    Source: Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping, CVPR (2006).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> hinge_embedding_loss(tg.tensor([0.25, 0.25]), tg.tensor([1.0, -1.0]), reduction="none")
    tensor([0.2500, 0.7500])
    """
    check_reduction("hinge_embedding_loss", reduction)
    check_broadcast("hinge_embedding_loss", input=input, target=target)
    floating("hinge_embedding_loss", input)
    apart = ew.where(target != 1, ew.clamp(margin - input, min=0), 0.0)
    return reduced(apart + ew.where(target != -1, input, 0.0), reduction)


@rounded_once
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """ln(1 + e^(-y x)) for y = 1 or -1, without overflow.

    Parameters
    ----------
    input, target : Tensor
        x and y, of one shape.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When the shapes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> soft_margin_loss(tg.zeros(2), tg.tensor([1.0, -1.0]))
    tensor(0.6931)
    """
    check_reduction("soft_margin_loss", reduction)
    check_alike("soft_margin_loss", input, target)
    return reduced(-ew.logsigmoid(target * input), reduction)


def _rows(name: str, input: Tensor) -> Tensor:
    """The input as (N, C)."""
    if len(input.shape) not in (1, 2) or input.shape[-1] == 0:
        raise ValueError(f"{name}: expected an input of shape (N, C) or (C,), got {tuple(input.shape)}")
    return input if len(input.shape) == 2 else unsqueeze(input, 0)


@rounded_once
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ max(0, margin - x[y] + x[i])ᵖ / C over all classes i but the right one, y: the hinge of many classes.

    Parameters
    ----------
    input : Tensor, (N, C) or (C,)
        Scores.
    target : Tensor, (N,) or ()
        Class numbers.
    p : 1 or 2
    margin : float
    weight : Tensor, (C,), optional
        A factor for the targets of each class.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit, or `p` is another number.
    IndexError
        When a class number is out of range.

    Source: Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, JMLR (2001).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multi_margin_loss(tg.tensor([[0.5, 1.0]]), tg.tensor([1]))
    tensor(0.2500)
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    check_tensors(name, input=input, target=target)
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p!r}")
    x = _rows(name, floating(name, input))
    classes = x.shape[1]
    if tuple(target.shape) != tuple(input.shape[:-1]) and (len(input.shape) == 2 or target.numel() != 1):
        raise ValueError(
            f"{name}: for an input of shape {tuple(input.shape)} the target needs shape {tuple(input.shape[:-1])}, "
            f"got {tuple(target.shape)}"
        )
    check_labels(name, target, classes)
    labels = reshape(target, (-1,))
    gaps = ew.relu(margin - gather(x, 1, unsqueeze(labels, 1)) + x)
    if p == 2:
        gaps = ew.square(gaps)
    losses = sum_(ew.where(one_hot(labels, classes) == 1, 0.0, gaps), 1) / classes
    if weight is not None:
        check_tensors(name, weight=weight)
        if tuple(weight.shape) != (classes,):
            raise ValueError(f"{name}: the weight needs shape ({classes},), got {tuple(weight.shape)}")
        losses = losses * getitem(weight, labels)
    return reduced(losses if len(input.shape) == 2 else reshape(losses, ()), reduction)


@rounded_once
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Σ max(0, 1 - (x[j] - x[i])) / C over all right classes j and all wrong ones i.

    Parameters
    ----------
    input : Tensor, (N, C) or (C,)
        Scores.
    target : Tensor, of the input's shape
        In each row the numbers of the right classes, then -1; what follows the first -1 does not count.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit.
    IndexError
        When a class number is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multilabel_margin_loss(tg.tensor([0.1, 0.2, 0.4, 0.8]), tg.tensor([3, 0, -1, 1]))
    tensor(0.8500)
    """
    name = "multilabel_margin_loss"
    check_reduction(name, reduction)
    check_alike(name, input, target)
    x = _rows(name, input)
    classes = x.shape[1]
    check_labels(name, target, classes, -1)
    labels = reshape(target, tuple(x.shape))
    counts = cumsum(labels < 0, 1) == 0
    if may_look(labels._data):  # few labels in many classes need little room
        longest = int(amax(sum_(counts, 1))) if counts.numel() else 0
        labels, counts = narrow(labels, 1, 0, longest), narrow(counts, 1, 0, longest)
    labels = ew.where(counts, labels, 0)
    right = one_hot(labels, classes) * unsqueeze(counts, 2)  # (N, J, C)
    gaps = ew.relu(1 - unsqueeze(gather(x, 1, labels), 2) + unsqueeze(x, 1))
    counted = unsqueeze(counts, 2) & unsqueeze(sum_(right, 1) == 0, 1)
    losses = sum_(ew.where(counted, gaps, 0.0), (1, 2)) / classes
    return reduced(losses if len(input.shape) == 2 else reshape(losses, ()), reduction)


@rounded_once
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The cross entropy -y ln σ(x) - (1 - y) ln(1 - σ(x)) of each class, averaged over the classes.

    Parameters
    ----------
    input, target : Tensor, (…, C)
        Logits x, and y = 1 for classes that are right and 0 for others.
    weight : Tensor, optional
        A factor for each class, broadcast.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> multilabel_soft_margin_loss(tg.zeros(1, 3), tg.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """
    name = "multilabel_soft_margin_loss"
    check_reduction(name, reduction)
    check_alike(name, input, target)
    if not input.dim():
        raise ValueError(f"{name}: the input needs a dimension of classes, got a tensor without dimensions")
    losses: Any = binary_cross_entropy_with_logits(input, target, weight, "none")
    return reduced(mean(losses, -1), reduction)
