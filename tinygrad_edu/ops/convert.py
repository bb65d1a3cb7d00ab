"""Conversions between types and devices, as methods of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import dtypes

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def to_type(self: Tensor, dtype: Any = None) -> Any:
    """The name of the type, or the tensor converted to ``dtype``."""
    return f"tg.{self.dtype.name}" if dtype is None else self.to(dtype)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the type of ``other``."""
    return self.to(other.dtype)


def cpu(self: Tensor) -> Tensor:
    """The tensor on the CPU."""
    return self.to("cpu")


def cuda(self: Tensor, index: int | None = None) -> Tensor:
    """The tensor on a GPU."""
    return self.to("cuda" if index is None else f"cuda:{index}")


def to_float32(self: Tensor) -> Tensor:
    """Convert to float32."""
    return self.to(dtypes.float32)


def to_float64(self: Tensor) -> Tensor:
    """Convert to float64."""
    return self.to(dtypes.float64)


def to_float16(self: Tensor) -> Tensor:
    """Convert to float16."""
    return self.to(dtypes.float16)


def to_int8(self: Tensor) -> Tensor:
    """Convert to int8."""
    return self.to(dtypes.int8)


def to_uint8(self: Tensor) -> Tensor:
    """Convert to uint8."""
    return self.to(dtypes.uint8)


def to_int16(self: Tensor) -> Tensor:
    """Convert to int16."""
    return self.to(dtypes.int16)


def to_int32(self: Tensor) -> Tensor:
    """Convert to int32."""
    return self.to(dtypes.int32)


def to_int64(self: Tensor) -> Tensor:
    """Convert to int64."""
    return self.to(dtypes.int64)


def to_bool(self: Tensor) -> Tensor:
    """Convert to bool: whether elements are non-zero."""
    return self.to(dtypes.bool_)
