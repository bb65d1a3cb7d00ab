"""Conversions between types and devices, as methods of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import backends, dtypes

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def to_type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """PyTorch's name of the type, ``'torch.FloatTensor'``, or the tensor converted to ``dtype``, which may be such a name."""
    from tinygrad_edu import legacy

    if dtype is None:
        return legacy.name_of(self)
    dtype, place = legacy.meant_by(dtype)
    return self.to(dtype) if place in (None, self.device.type) else self.to(place, dtype, non_blocking=non_blocking)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """Convert to the type of ``other``."""
    return self.to(other.dtype)


def cpu(self: Tensor) -> Tensor:
    """The tensor on the CPU."""
    return self.to("cpu")


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """The tensor on a GPU, the current one unless its number or name is given."""
    return self.to("cuda" if device is None else device, non_blocking=non_blocking)


def pin_memory(self: Tensor) -> Tensor:
    """A copy of a CPU tensor in page-locked memory, from which ``to("cuda", non_blocking=True)`` copies while the program goes on.

    Raises
    ------
    BackendError
        When there is no GPU.
    RuntimeError
        When the tensor is not on the CPU.
    """
    if self.device.type != "cpu":
        raise RuntimeError(f"pin_memory: only tensors on the CPU can be pinned, this one is on {self.device}")
    return self if is_pinned(self) else type(self)._wrap(backends.get("cuda").pinned(self.detach()._data))


def is_pinned(self: Tensor) -> bool:
    """Whether the tensor lies in page-locked memory of the host."""
    loaded = backends._loaded.get("cuda")
    return self.device.type == "cpu" and loaded is not None and loaded.is_pinned(self._data)


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
