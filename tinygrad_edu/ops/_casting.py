"""What functions do inside of autocast: they lower their arguments to half precision, or compute in single precision."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from tinygrad_edu import _state, function
from tinygrad_edu._state import modes, swap
from tinygrad_edu.dtypes import float32
from tinygrad_edu.ops._types import to_float

__all__ = ["lowered", "lowers", "promotes", "single", "to_single", "widens"]

P = ParamSpec("P")
R = TypeVar("R")


def lowered(*values: Any) -> tuple[Any, ...]:
    """The arguments of a product, float32 ones converted to the type of the region."""
    return tuple(_cast(value, True) for value in values)


def single(*values: Any) -> tuple[Any, ...]:
    """The arguments of what needs single precision, those in half precision converted to it."""
    return tuple(_cast(value, False) for value in values)


def to_single(x: Any) -> Any:
    """`to_float` of an argument of what needs single precision."""
    return to_float(_cast(x, False) if _state.casting_threads else x)


def lowers(operation: Callable[P, R]) -> Callable[P, R]:
    """A composition whose arguments are lowered, and within which nothing else is converted."""
    return _converting(operation, lowered)


def widens(operation: Callable[P, R]) -> Callable[P, R]:
    """A composition that computes in single precision all through."""
    return _converting(operation, single)


def promotes(operation: Callable[P, R]) -> Callable[P, R]:
    """A composition in which nothing is converted: of two types it takes the wider one."""
    return _converting(operation, lambda *values: values)


def _converting(operation: Callable[P, R], cast: Callable[..., tuple[Any, ...]]) -> Callable[P, R]:
    @functools.wraps(operation)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not (_state.casting_threads and modes.casts):
            return operation(*args, **kwargs)
        args, kwargs = cast(*args), {name: cast(value)[0] for name, value in kwargs.items()}  # type: ignore[assignment]
        before = swap({"casts": {}})
        try:
            return operation(*args, **kwargs)
        finally:
            swap(before)

    return run


def _cast(value: Any, down: bool) -> Any:
    if not isinstance(value, function.Tensor) or not value.is_floating_point():
        return value
    low = modes.casts.get(str(value.device).split(":")[0])
    if low is None or value.dtype.bits == 64:
        return value
    return value.to(low if down else float32)
