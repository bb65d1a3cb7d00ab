"""Softmax and its relatives, dropout, and losses on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.function import RESULT, Fused, Op, run, run1
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._types import axis_of, to_float, xp
from tinygrad_edu.ops.reduce import logsumexp, mean
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scatter import gather

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Softmax(Op):
    __slots__ = ("axis",)
    keeps = (RESULT,)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        if not x.shape:
            out = ns.ones_like(x)
        else:
            out = ns.exp(x - ns.max(x, axis=axis, keepdims=True)) if x.shape[axis] else ns.copy(x)
            out = out / ns.sum(out, axis=axis, keepdims=True)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        if not out.shape:
            return g * 0
        return out * (g - sum_(g * out, self.axis, True))


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """eˣⁱ / Σⱼ eˣʲ along ``dim``: positive numbers that add up to 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.softmax(tg.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    x = to_float(input if dtype is None else input.to(dtype))
    return run1(Softmax, x, axis_of(dim, len(x.shape)))


class LogSoftmax(Op):
    __slots__ = ("axis",)
    keeps = (RESULT,)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        if not x.shape:
            out = x * 0
        elif not x.shape[axis]:
            out = ns.copy(x)
        else:
            out = x - ns.max(x, axis=axis, keepdims=True)
            out = out - ns.log(ns.sum(ns.exp(out), axis=axis, keepdims=True))
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        if not out.shape:
            return g * 0
        return g - ew.exp(out) * sum_(g, self.axis, True)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """ln softmax(x) along ``dim``, computed without overflow: x - logsumexp(x)."""
    x = to_float(input if dtype is None else input.to(dtype))
    return run1(LogSoftmax, x, axis_of(dim, len(x.shape)))


class Dropout(Op):
    __slots__ = ()
    saves_constants = True

    def forward(self, x: Any, mask: Any) -> Any:
        self.saved = (mask,)
        return x * mask

    def backward(self, g: Any) -> Any:
        (mask,) = self.saved
        return g * mask


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by 1 / (1 - p), while training.

    The expected value is the input's. Source: Srivastava et al., Dropout, JMLR 15 (2014).

    Raises
    ------
    ValueError
        When ``p`` is not a probability.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability between 0 and 1, got {p}")
    if not training or p == 0:
        return input
    from tinygrad_edu.random import raw_uniform

    raw = input._data
    ns = xp(raw)
    keep = ns.astype(raw_uniform(input, tuple(raw.shape)) >= p, raw.dtype)
    out = run(Dropout(), (input, keep * (1 / (1 - p)) if p < 1 else keep * 0))
    return input._rebind(out) if inplace else out


class CrossEntropy(Fused):
    """Mean or sum over rows of logsumexp(x) - x[target], for logits (N, C) and class numbers (N,)."""

    __slots__ = ("scale",)

    @property
    def name(self) -> str:
        return "cross_entropy"

    def forward(self, x: Any, target: Any, weights: Any, scale: float) -> Any:
        """``weights`` (N,) holds each row's share in the loss: 0 for an ignored row; None means 1 for all."""
        ns = xp(x)
        rows = ns.arange(x.shape[0])
        kernel = ns.kernels.get("cross_entropy")
        if kernel is not None:
            losses, work = kernel(x, target, any(e is not None for e in self.edges))
        else:
            top = ns.max(x, axis=1, keepdims=True)
            work = ns.exp(x - top)
            total = ns.sum(work, axis=1, keepdims=True)
            work = work / total
            losses = ns.log(total[:, 0]) + top[:, 0] - ns.getitem(x, (rows, target))
        self.saved = x, target, weights, scale, work
        if weights is not None:
            losses = losses * weights
        return ns.astype(ns.sum(losses) * scale, x.dtype)

    def backward(self, g: Any) -> Any:
        _, target, weights, scale, work = self.saved
        ns = xp(target)
        factor = g * scale
        kernel = ns.kernels.get("cross_entropy_backward")
        if kernel is not None:
            return kernel(work, target, weights, factor, not modes.retain)
        hits = ns.astype(ns.expand_dims(target, axis=1) == ns.arange(work.shape[1]), work.dtype)
        gx = (work - hits) * factor
        return gx if weights is None else gx * ns.expand_dims(weights, axis=1)

    @staticmethod
    def reference(x: Any, target: Any, weights: Any, scale: float) -> Any:
        target = target if isinstance(target, function.Tensor) else x.new_tensor(target)
        losses = logsumexp(x, 1) - gather(x, 1, target.reshape(-1, 1)).reshape(-1)
        return sum_(losses if weights is None else losses * weights) * scale


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
    label_smoothing : float
        In [0, 1]: the share of the target that is spread evenly over all classes.

    Raises
    ------
    IndexError
        When a class number is out of range.
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> logits = tg.zeros(2, 4)
    >>> tg.nn.functional.cross_entropy(logits, tg.tensor([0, 3]))
    tensor(1.3863)
    """
    from tinygrad_edu.ops.shape import movedim, reshape

    _check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    shape = tuple(input.shape)
    if not shape:
        raise ValueError("cross_entropy: the input needs a dimension of classes, got a tensor without dimensions")
    axis = 0 if len(shape) == 1 else 1
    classes = shape[axis]
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing, axis)
    if tuple(target.shape) != shape[:axis] + shape[axis + 1 :]:
        raise ValueError(
            f"cross_entropy: for an input of shape {shape} the target must have shape {shape[:axis] + shape[axis + 1 :]} "
            f"(class numbers) or {shape} (probabilities), got {tuple(target.shape)}"
        )
    x = input if len(shape) == 2 else reshape(movedim(input, axis, -1), (-1, classes))
    labels = reshape(target, (-1,))
    keep = _valid_labels("cross_entropy", labels, classes, ignore_index)
    if keep is not None:
        labels = ew.where(keep, labels, 0)
    if weight is None and label_smoothing == 0 and reduction != "none":
        rows = x.shape[0]
        weights = None if keep is None else keep.to(x.dtype)
        counted = rows if keep is None else int(sum_(keep))
        scale = 1.0 if reduction == "sum" else (1.0 / counted if counted else float("nan"))
        return run(CrossEntropy(), (to_float(x), labels, weights, scale))
    losses, factors = _weighted_losses(log_softmax(x, 1), labels, keep, weight, label_smoothing)
    if reduction == "none":
        return reshape(losses, tuple(target.shape))
    return sum_(losses) if reduction == "sum" else sum_(losses) / sum_(factors)


def _weighted_losses(
    logp: Tensor, labels: Tensor, keep: Tensor | None, weight: Tensor | None, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The loss of each row, and its share in the mean's divisor."""
    from tinygrad_edu.ops.indexing import getitem
    from tinygrad_edu.ops.shape import reshape

    classes = logp.shape[1]
    factors = logp.new_ones(labels.shape) if weight is None else getitem(weight, labels)
    if keep is not None:
        factors = factors * keep.to(logp.dtype)
    losses = -reshape(gather(logp, 1, reshape(labels, (-1, 1))), (-1,)) * factors
    if smoothing:
        spread = -sum_(logp if weight is None else logp * weight, 1)
        if keep is not None:
            spread = spread * keep.to(logp.dtype)
        losses = losses * (1 - smoothing) + spread * (smoothing / classes)
    return losses, factors


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
        logp = logp * weight.reshape([classes if i == axis else 1 for i in range(len(input.shape))])
    losses = -sum_(logp * target, axis)
    if reduction == "none":
        return losses
    return sum_(losses) if reduction == "sum" else sum_(losses) / (input.numel() / classes)


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _valid_labels(name: str, labels: Tensor, classes: int, ignore_index: int) -> Tensor | None:
    """Check the range of class numbers; the mask of those that count, or None when all do."""
    if labels.dtype.category != 1:
        raise TypeError(f"{name}: class numbers must be integers, got {labels.dtype}")
    raw = labels._data
    low, high = xp(raw).bounds(raw)
    if low >= 0 and high < classes and not 0 <= ignore_index < classes:
        return None
    keep = labels != ignore_index
    counted = ew.where(keep, labels, 0)
    low, high = xp(raw).bounds(counted._data)
    if low < 0 or high >= classes:
        raise IndexError(f"{name}: target {low if low < 0 else high} is out of range for {classes} classes")
    return keep


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative log likelihood -input[target], for log-probabilities (N, C) or (N, C, d1, …)."""
    from tinygrad_edu.ops.shape import movedim, reshape

    _check_reduction("nll_loss", reduction)
    shape = tuple(input.shape)
    axis = 0 if len(shape) == 1 else 1
    if not shape or tuple(target.shape) != shape[:axis] + shape[axis + 1 :]:
        raise ValueError(f"nll_loss: an input of shape {shape} and a target of shape {tuple(target.shape)} do not fit")
    logp = input if len(shape) == 2 else reshape(movedim(input, axis, -1), (-1, shape[axis]))
    labels = reshape(target, (-1,))
    keep = _valid_labels("nll_loss", labels, shape[axis], ignore_index)
    if keep is not None:
        labels = ew.where(keep, labels, 0)
    losses, factors = _weighted_losses(logp, labels, keep, weight, 0.0)
    if reduction == "none":
        return reshape(losses, tuple(target.shape))
    return sum_(losses) if reduction == "sum" else sum_(losses) / sum_(factors)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared error (input - target)², averaged, summed or as it is."""
    _check_reduction("mse_loss", reduction)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"mse_loss: the input has shape {tuple(input.shape)} and the target {tuple(target.shape)}; they must be equal"
        )
    losses = ew.square(input - target)
    return losses if reduction == "none" else (mean(losses) if reduction == "mean" else sum_(losses))
