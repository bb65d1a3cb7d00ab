"""What losses share: reductions, checks of shapes and classes, and half precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

from tinygrad_edu import _state, function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import float32
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops._types import bounds, demand, xp
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import broadcast_shapes

P = ParamSpec("P")


def check_reduction(name: str, reduction: str, *more: str) -> None:
    """Raise ``ValueError`` for an unknown reduction; ``more`` are known besides the usual ones."""
    known = ("mean", "sum", "none", *more)
    if reduction not in known:
        names = ", ".join(map(repr, known[:-1]))
        raise ValueError(f"{name}: reduction must be {names} or {known[-1]!r}, got {reduction!r}")


def check_alike(name: str, input: Any, target: Any) -> None:
    """Raise unless the input is of floating point and the target has its shape."""
    check_tensors(name, input=input, target=target)
    floating(name, input)
    if tuple(input.shape) != tuple(target.shape):
        raise ValueError(
            f"{name}: the input has shape {tuple(input.shape)} and the target {tuple(target.shape)}; they must be equal"
        )


def check_broadcast(name: str, **tensors: Any) -> tuple[int, ...]:
    """The common shape of tensors that broadcast; raises when they do not."""
    check_tensors(name, **tensors)
    shapes = [tuple(t.shape) for t in tensors.values()]
    try:
        return tuple(broadcast_shapes(*shapes))
    except (ValueError, RuntimeError):
        said = ", ".join(f"{what} {shape}" for what, shape in zip(tensors, shapes, strict=True))
        raise ValueError(f"{name}: these shapes do not broadcast: {said}") from None


def check_factor(name: str, what: str, factor: Any, shape: tuple[int, ...]) -> None:
    """Raise when a factor of each element does not broadcast to their shape."""
    check_tensors(name, **{what: factor})
    own = tuple(factor.shape)
    sizes = zip(reversed(own), reversed(shape), strict=False)
    if len(own) > len(shape) or any(n not in (1, m) for n, m in sizes):
        raise ValueError(f"{name}: a {what} of shape {own} does not broadcast to {shape}")


def check_labels(name: str, labels: Any, classes: int, low: int = 0) -> None:
    """Raise unless these are integers in [low, classes)."""
    if labels.dtype.category != 1:
        raise TypeError(f"{name}: class numbers must be integers, got {labels.dtype}")
    raw = labels._data
    if not may_look(raw):
        demand(
            (labels >= low) & (labels < classes), f"{name}: a target is out of range for {classes} classes", IndexError
        )
        return
    least, most = bounds(raw)
    if labels.numel() and (least < low or most >= classes):
        raise IndexError(f"{name}: target {least if least < low else most} is out of range for {classes} classes")


def may_look(raw: Any) -> bool:
    """Whether values may be looked at for a check: where that would wait for the device, in anomaly mode alone."""
    return bool(xp(raw).checks_indices or modes.anomaly)


def reduced(losses: Any, reduction: str, weight: Any = None) -> Any:
    """The losses as they are, their sum, or their mean, which weights make a weighted one."""
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum_(losses)
    return mean(losses) if weight is None else sum_(losses) / sum_(weight)


def rounded_once(loss: Callable[P, Any]) -> Callable[P, Any]:
    """A loss that computes with half precision in single precision, and rounds its result alone."""

    @functools.wraps(loss)
    def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        if _state.casting_threads:
            args, kwargs = single(*args), {name: single(v)[0] for name, v in kwargs.items()}  # type: ignore[assignment]
        values = (*args, *kwargs.values())
        kinds = {v.dtype for v in values if isinstance(v, function.Tensor) and v.is_floating_point()}
        if len(kinds) != 1 or (half := kinds.pop()).bits != 16:
            return loss(*args, **kwargs)

        def widened(value: Any) -> Any:
            is_half = isinstance(value, function.Tensor) and value.is_floating_point()
            return value.to(float32) if is_half else value

        wide: Any = loss
        return wide(*map(widened, args), **{name: widened(v) for name, v in kwargs.items()}).to(half)

    return run
