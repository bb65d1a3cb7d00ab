"""Losses of classification: the cross entropy between logits and classes or probabilities, and the negative log likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state
from tinygrad_edu._state import modes
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Fused, run
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops._loss import check_reduction
from tinygrad_edu.ops._types import bounds, shape_of, to_float, xp
from tinygrad_edu.ops.activation import log_softmax
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.reduce import logsumexp
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import movedim, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class CrossEntropy(Fused):
    """Sum over rows of logsumexp(x) - x[target], times a scale, for logits (N, C) and class numbers (N,)."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return "cross_entropy"

    def forward(self, x: Any, target: Any, keep: Any, scale: float) -> Any:
        """``keep`` (N,) is False for rows that do not count; None counts all."""
        ns = xp(x)
        kernel = ns.kernels.get("cross_entropy")
        if kernel is not None:
            losses, work = kernel(x, target, any(e is not None for e in self.edges))
        else:
            top = ns.max(x, axis=1, keepdims=True)
            work = ns.exp(x - top)
            total = ns.sum(work, axis=1, keepdims=True)
            work = work / total
            losses = ns.log(total[:, 0]) + top[:, 0] - ns.getitem(x, (ns.arange(x.shape[0]), target))
        self.saved = x, target, keep, scale, work
        if keep is not None:
            losses = ns.where(keep, losses, ns.zeros_like(losses))
        return ns.astype(ns.sum(losses) * scale, x.dtype)

    def backward(self, g: Any) -> Any:
        _, target, keep, scale, work = self.saved
        ns = xp(target)
        factor = g * scale
        kernel = ns.kernels.get("cross_entropy_backward")
        if kernel is not None:
            return kernel(work, target, keep, factor, not modes.retain)
        hits = ns.astype(ns.expand_dims(target, axis=1) == ns.arange(work.shape[1]), work.dtype)
        gx = (work - hits) * factor
        return gx if keep is None else ns.where(ns.expand_dims(keep, axis=1), gx, ns.zeros_like(gx))

    @staticmethod
    def reference(x: Any, target: Any, keep: Any, scale: float) -> Any:
        losses = logsumexp(x, 1) - reshape(gather(x, 1, reshape(target, (-1, 1))), (-1,))
        return sum_(losses if keep is None else ew.where(keep, losses, 0)) * scale


class LabelsCrossEntropy(Fused):
    """Sum or mean of :class:`CrossEntropy` over the rows whose class is not ``ignored``, by a kernel that looks at the classes
    itself: where asking for a value would wait for the device, nobody can know them beforehand."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return "cross_entropy"

    def forward(self, x: Any, labels: Any, ignored: int, averaged: bool) -> Any:
        loss, work = xp(x).kernels["labels_cross_entropy"](x, labels, ignored, averaged)
        self.saved = x, labels, ignored, averaged, *work
        return loss

    def backward(self, g: Any) -> Any:
        x, labels, ignored, _, *work = self.saved
        return xp(x).kernels["labels_cross_entropy_backward"](g, x, labels, work, ignored)

    @staticmethod
    def reference(x: Any, labels: Any, ignored: int, averaged: bool) -> Any:
        keep = labels != ignored
        total = CrossEntropy.reference(x, ew.where(keep, labels, 0), keep, 1.0)
        return total / sum_(keep) if averaged else total


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross entropy between logits and classes: -ln softmax(input)[target].

    Parameters
    ----------
    input : Tensor, (C,), (N, C) or (N, C, d1, …)
        Unnormalised log-probabilities.
    target : Tensor
        Class numbers of shape (), (N,) or (N, d1, …); or probabilities in the shape of ``input``.
    weight : Tensor, (C,), optional
        A factor for each class; "mean" then divides by the sum of the factors used.
    ignore_index : int
        Targets with this number do not count.
    reduction : "mean", "sum" or "none"
        The mean over no targets at all is not a number, and its gradient is 0.
    label_smoothing : float
        In [0, 1]: the share of the target that is spread evenly over all classes.

    Raises
    ------
    IndexError
        When a class number is out of range.
    TypeError
        When the types do not fit.
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> logits = tg.zeros(2, 4)
    >>> tg.nn.functional.cross_entropy(logits, tg.tensor([0, 3]))
    tensor(1.3863)
    """
    check_reduction("cross_entropy", reduction)
    if _state.casting_threads:
        input, target, weight = single(input, target, weight)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    check_tensors("cross_entropy", input=input, target=target)
    axis = _class_axis("cross_entropy", input, weight)
    if weight is None and not label_smoothing and reduction != "none" and _sees_labels(input, target):
        x, labels = _flat_rows("cross_entropy", input, target, axis)
        return run(LabelsCrossEntropy(), (x, labels, ignore_index, reduction == "mean"))
    if input.dtype.bits == 16 and not (target.is_floating_point() and target.dtype is not input.dtype):
        return _widened(cross_entropy, input, target, weight, ignore_index, reduction, label_smoothing)
    if target.is_floating_point():
        if ignore_index >= 0:
            raise ValueError(f"cross_entropy: of probabilities none can be ignored, got ignore_index={ignore_index}")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing, axis)
    x, labels, keep, counted = _rows("cross_entropy", input, target, axis, ignore_index)
    if weight is None and label_smoothing == 0 and reduction != "none":
        return _in_one(CrossEntropy(), to_float(x), labels, keep, counted, reduction)
    losses, factors = _weighted_losses(log_softmax(x, 1), labels, keep, weight, label_smoothing)
    return _reduced(losses, factors, counted, reduction, target)


def _in_one(loss: Fused, x: Tensor, labels: Tensor, keep: Tensor | None, counted: Any, reduction: str) -> Tensor:
    """The sum or the mean of a loss that sums over rows itself."""
    scale = 1 / counted if reduction == "mean" and not _is_zero(counted) else 1.0
    total = run(loss, (x, labels, keep, scale))
    return total if not _is_zero(counted) or reduction == "sum" else total + float("nan")


def _sees_labels(input: Tensor, target: Tensor) -> bool:
    """Whether the backend has a kernel that looks at classes itself, and nobody asks for a check at once."""
    ns = xp(input._data)
    known = "labels_cross_entropy" in ns.kernels and not (ns.checks_indices or modes.anomaly)
    return known and target.dtype.category == 1 and input.is_floating_point()


def _widened(
    loss: Callable[..., Tensor], input: Tensor, target: Tensor, weight: Tensor | None, *options: Any
) -> Tensor:
    """A loss of half precision, computed in single precision: its sum may be too large where its mean is not."""
    wide = [t.float() if t is not None and t.is_floating_point() else t for t in (input, target, weight)]
    return loss(*wide, *options).to(input.dtype)


def _class_axis(name: str, input: Tensor, weight: Tensor | None) -> int:
    """The dimension of classes; raises when there is none or the weights of classes do not fit."""
    shape = shape_of(input)
    if not shape:
        raise ValueError(f"{name}: the input needs a dimension of classes, got a tensor without dimensions")
    axis = 0 if len(shape) == 1 else 1
    if weight is not None:
        if shape_of(weight) != (shape[axis],):
            raise ValueError(
                f"{name}: the weight needs shape ({shape[axis]},), a factor for each class, got {tuple(weight.shape)}"
            )
        if weight.dtype is not input.dtype:
            raise TypeError(
                f"{name}: the input is {input.dtype} and the weight {weight.dtype}; convert one with .to(dtype)"
            )
    return axis


def _rows(
    name: str, input: Tensor, target: Tensor, axis: int, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor | None, Any]:
    """The input as (N, C), the class of each row (0 where it does not count), which rows count, and how many."""
    x, labels = _flat_rows(name, input, target, axis)
    keep = _valid_labels(name, labels, x.shape[1], ignore_index)
    if keep is None:
        return x, labels, None, labels.numel()
    return x, ew.where(keep, labels, 0), keep, _count(keep, to_float(x)._data.dtype)


def _flat_rows(name: str, input: Tensor, target: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The input as (N, C) and the target as (N,); raises when they do not fit each other."""
    shape = tuple(input.shape)
    fitting = shape[:axis] + shape[axis + 1 :]
    if shape_of(target) != fitting:
        soft = f" (class numbers) or {shape} (probabilities)" if name == "cross_entropy" else ""
        raise ValueError(
            f"{name}: for an input of shape {shape} the target must have shape {fitting}{soft}, got {tuple(target.shape)}"
        )
    x = input if len(shape) == 2 else reshape(movedim(input, axis, -1), (target.numel(), shape[axis]))
    return x, reshape(target, (-1,))


def _count(keep: Tensor, dtype: Any) -> Any:
    """How many rows count: a number, or an array without dimensions where asking for the number would wait for the device."""
    total = sum_(keep)
    ns = xp(total._data)
    return int(total) if ns.checks_indices else ns.astype(total._data, dtype)


def _is_zero(counted: Any) -> bool:
    """Whether no row counts, as far as is known: where it is not, 0 times infinity gives the same NaN later on."""
    return isinstance(counted, int) and counted == 0


def _valid_labels(name: str, labels: Tensor, classes: int, ignore_index: int) -> Tensor | None:
    """Check the range of class numbers; the mask of those that count, or None when all do."""
    if labels.dtype.category != 1:
        raise TypeError(f"{name}: class numbers must be integers, got {labels.dtype}")
    raw = labels._data
    low, high = bounds(raw)
    known = high >= 0 or not raw.shape[0]  # otherwise nobody looked
    if known and low >= 0 and high < classes and not 0 <= ignore_index < classes:
        return None
    keep = labels != ignore_index
    counted = ew.where(keep, labels, 0)
    low, high = bounds(counted._data)
    if low < 0 or high >= classes:
        raise IndexError(f"{name}: target {low if low < 0 else high} is out of range for {classes} classes")
    return keep


def _weighted_losses(
    logp: Tensor, labels: Tensor, keep: Tensor | None, weight: Tensor | None, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The loss of each row, and its share in the mean's divisor."""
    classes = logp.shape[1]
    factors = logp.new_ones(labels.shape) if weight is None else getitem(weight, labels)
    losses = -reshape(gather(logp, 1, reshape(labels, (-1, 1))), (-1,)) * factors
    if smoothing:
        spread = -sum_(logp if weight is None else logp * weight, 1)
        losses = losses * (1 - smoothing) + spread * (smoothing / classes)
    if keep is None:
        return losses, factors
    return ew.where(keep, losses, 0), ew.where(keep, factors, 0)


def _reduced(losses: Tensor, factors: Tensor, counted: Any, reduction: str, target: Tensor) -> Tensor:
    """The losses in the shape of the target, their sum, or their mean weighted by factors."""
    if reduction == "none":
        return reshape(losses, tuple(target.shape))
    total = sum_(losses)
    if reduction == "sum":
        return total
    return total / sum_(factors) if not _is_zero(counted) else total + float("nan")


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, axis: int
) -> Tensor:
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(
            f"cross_entropy: probabilities as target must have the input's shape {tuple(input.shape)}, got {tuple(target.shape)}; "
            "class numbers must be integers"
        )
    classes = input.shape[axis]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    logp = log_softmax(input, axis)
    if weight is not None:
        logp = logp * reshape(weight, [classes if i == axis else 1 for i in range(len(input.shape))])
    losses = -sum_(logp * target, axis)
    if reduction == "none":
        return losses
    return sum_(losses) if reduction == "sum" else sum_(losses) / losses.numel()


class NegativeLogLikelihood(Fused):
    """Sum over rows of -x[target], times a scale, for log-probabilities (N, C) and class numbers (N,)."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return "nll_loss"

    def forward(self, x: Any, target: Any, keep: Any, scale: float) -> Any:
        """``keep`` (N,) is False for rows that do not count; None counts all."""
        ns = xp(x)
        self.saved = x, target, keep, scale
        picked = ns.getitem(x, (ns.arange(x.shape[0]), target))
        if keep is not None:
            picked = ns.where(keep, picked, ns.zeros_like(picked))
        return ns.astype(ns.sum(picked) * -scale, x.dtype)

    def backward(self, g: Any) -> Any:
        x, target, keep, scale = self.saved
        ns = xp(x)
        slope = ns.astype(g * -scale, x.dtype)
        if keep is not None:
            slope = ns.where(keep, slope, ns.zeros_like(slope))
        return ns.setitem(ns.zeros_like(x), (ns.arange(x.shape[0]), target), slope)

    @staticmethod
    def reference(x: Any, target: Any, keep: Any, scale: float) -> Any:
        losses = -reshape(gather(x, 1, reshape(target, (-1, 1))), (-1,))
        return sum_(losses if keep is None else ew.where(keep, losses, 0)) * scale


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative log likelihood -input[target], for log-probabilities (C,), (N, C) or (N, C, d1, …).

    Parameters
    ----------
    target : Tensor
        Class numbers of shape (), (N,) or (N, d1, …).
    weight, ignore_index, reduction
        As in :func:`cross_entropy`.

    Raises
    ------
    IndexError
        When a class number is out of range.
    TypeError
        When the types do not fit.
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.functional.nll_loss(tg.tensor([[-1.0, -2.0]]), tg.tensor([1]))
    tensor(2.)
    """
    check_reduction("nll_loss", reduction)
    if _state.casting_threads:
        input, target, weight = single(input, target, weight)
    axis = _class_axis("nll_loss", input, weight)
    if input.dtype.bits == 16:
        return _widened(nll_loss, input, target, weight, ignore_index, reduction)
    logp, labels, keep, counted = _rows("nll_loss", input, target, axis, ignore_index)
    if weight is None and reduction != "none":
        return _in_one(NegativeLogLikelihood(), to_float(logp), labels, keep, counted, reduction)
    losses, factors = _weighted_losses(logp, labels, keep, weight, 0.0)
    return _reduced(losses, factors, counted, reduction, target)
