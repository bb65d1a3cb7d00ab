"""Distances and similarities of vectors, and the losses that learn from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._loss import check_broadcast, check_reduction, reduced, rounded_once
from tinygrad_edu.ops._types import axis_of
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.norms import vector_norm
from tinygrad_edu.ops.reduce import sum as sum_

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


@rounded_once
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine a·b / (max(‖a‖, eps) · max(‖b‖, eps)) of the angle between vectors along `dim`.

    Parameters
    ----------
    x1, x2 : Tensor
        They broadcast.
    dim : int
        Along which the vectors lie, in the shape after broadcasting.
    eps : float
        The smallest length that is divided by.

    Raises
    ------
    ValueError
        When the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> cosine_similarity(tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    shape = check_broadcast("cosine_similarity", x1=x1, x2=x2)
    floating("cosine_similarity", x1)
    floating("cosine_similarity", x2)
    back = axis_of(dim, len(shape)) - len(shape)  # counted from the end, it is the same before broadcasting

    def along(x: Tensor) -> Tensor:
        return x if x.dim() >= -back and x.shape[back] == shape[back] else x.expand(*shape)

    a, b = along(x1), along(x2)
    lengths = [ew.clamp(vector_norm(x, 2, back, True), min=eps) for x in (a, b)]
    return sum_((a / lengths[0]) * (b / lengths[1]), back)


@rounded_once
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm ‖a - b + eps‖ of the differences of vectors, which lie along the last dimension.

    Parameters
    ----------
    x1, x2 : Tensor, (N, D) or (D,)
        They broadcast.
    p : float
        The exponent of the norm.
    eps : float
        Added to each difference, so that the derivative exists where both are equal.
    keepdim : bool
        Whether to keep the last dimension, of size 1.

    Raises
    ------
    ValueError
        When the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> pairwise_distance(tg.tensor([[3.0, 0.0]]), tg.tensor([[0.0, 4.0]]))
    tensor([5.])
    """
    if not check_broadcast("pairwise_distance", x1=x1, x2=x2):
        raise ValueError("pairwise_distance: expected vectors along the last dimension, got tensors without dimensions")
    floating("pairwise_distance", x1)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@rounded_once
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor, (N, D) or (D,)
        a and b.
    target : Tensor, (N,) or ()
        1 for vectors that should be alike, -1 for others.
    margin : float
        The largest cosine that does not count as alike.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> cosine_embedding_loss(tg.tensor([1.0, 0.0]), tg.tensor([1.0, 1.0]), tg.tensor(1))
    tensor(0.2929)
    """
    name = "cosine_embedding_loss"
    check_reduction(name, reduction)
    check_tensors(name, input1=input1, input2=input2, target=target)
    dims = target.dim() + 1
    if dims > 2 or not dims == input1.dim() == input2.dim():
        shapes = f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        raise ValueError(f"{name}: expected shapes (N, D), (N, D) and (N,), or (D,), (D,) and (), got {shapes}")
    check_broadcast(name, input1=input1, input2=input2)
    squares = (sum_(ew.square(x), -1) + 1e-12 for x in (input1, input2))
    cosine = sum_(input1 * input2, -1) / ew.sqrt(next(squares) * next(squares))
    check_broadcast(name, cosine=cosine, target=target)
    apart = ew.where(target == -1, ew.clamp(cosine - margin, min=0), 0.0)
    return reduced(ew.where(target == 1, 1 - cosine, apart), reduction)


@rounded_once
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, b) - d(a, c) + margin): an anchor a should be nearer to its like, b, than to another, c.

    Parameters
    ----------
    anchor, positive, negative : Tensor, (N, D) or (D,)
        a, b and c.
    margin : float
    p, eps : float
        Of the distance d: see :func:`pairwise_distance`.
    swap : bool
        Whether d(b, c) counts in place of d(a, c) where it is smaller.
    reduction : "mean", "sum" or "none"

    Raises
    ------
    ValueError
        When shapes do not fit, or `margin` is not positive.

    Source: Balntas et al., Learning local feature descriptors with triplets and shallow convolutional neural networks,
    BMVC (2016).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> triplet_margin_loss(tg.tensor([[0.0]]), tg.tensor([[2.0]]), tg.tensor([[1.0]]))
    tensor(2.)
    """
    name = "triplet_margin_loss"
    check_tensors(name, anchor=anchor, positive=positive, negative=negative)
    if not anchor.dim() == positive.dim() == negative.dim():
        shapes = ", ".join(str(tuple(t.shape)) for t in (anchor, positive, negative))
        raise ValueError(f"{name}: the inputs need one number of dimensions, got shapes {shapes}")
    check_broadcast(name, anchor=anchor, positive=positive, negative=negative)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplets(name, anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with any distance, by default :func:`pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : Tensor
        Whatever the distance takes.
    distance_function : callable, optional
        Takes two tensors and gives their distances.
    margin, swap, reduction
        As in :func:`triplet_margin_loss`.

    Raises
    ------
    ValueError
        When `margin` is not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> def apart(a, b):
    ...     return 1 - cosine_similarity(a, b)
    >>> a, b, c = tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 1.0]]), tg.tensor([[0.0, 1.0]])
    >>> triplet_margin_with_distance_loss(a, b, c, distance_function=apart)
    tensor(0.2929)
    """
    name = "triplet_margin_with_distance_loss"
    check_tensors(name, anchor=anchor, positive=positive, negative=negative)
    distance = distance_function or pairwise_distance
    return _triplets(name, anchor, positive, negative, distance, margin, swap, reduction)


def _triplets(
    name: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    check_reduction(name, reduction)
    if not margin > 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ew.minimum(far, distance(positive, negative))
    return reduced(ew.clamp(margin + near - far, min=0), reduction)
