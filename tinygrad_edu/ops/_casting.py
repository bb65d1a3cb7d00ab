"""What functions do inside of autocast: they lower their arguments to half precision, or compute in single precision."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import float32

__all__ = ["lowered", "single"]


def lowered(*values: Any) -> tuple[Any, ...]:
    """The arguments of a product, float32 ones converted to the type of the region."""
    return tuple(_cast(value, True) for value in values)


def single(*values: Any) -> tuple[Any, ...]:
    """The arguments of what needs single precision, those in half precision converted to it."""
    return tuple(_cast(value, False) for value in values)


def _cast(value: Any, down: bool) -> Any:
    if not isinstance(value, function.Tensor) or not value.is_floating_point():
        return value
    low = modes.casts.get(str(value.device).split(":")[0])
    if low is None or value.dtype.bits == 64:
        return value
    return value.to(low if down else float32)
