"""Batches in page-locked memory, from which a GPU copies while the processor goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_edu.tensor import Tensor

__all__ = ["pin"]


def pin(batch: Any) -> Any:
    """Put the tensors of a batch of any structure into page-locked memory; what has a method ``pin_memory`` does it itself."""
    if isinstance(batch, Tensor):
        return batch.pin_memory() if batch.device == "cpu" else batch
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    if isinstance(batch, Mapping):
        kind: Any = type(batch)
        return kind({key: pin(part) for key, part in batch.items()})
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(pin, batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(map(pin, batch))
    return batch
