"""Orders of elements in memory that PyTorch's programs name; kernels choose their own."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["channels_last", "channels_last_3d", "check_format", "contiguous_format", "preserve_format"]

# New tensors have the orders of PyTorch's first two.
preserve_format = "preserve_format"
contiguous_format = "contiguous_format"
channels_last = "channels_last"
channels_last_3d = "channels_last_3d"

_said = False


def check_format(name: str, memory_format: Any) -> None:
    """Refuse what is no order; say once that the order of channels has no effect."""
    global _said
    if memory_format in (None, preserve_format, contiguous_format):
        return
    if memory_format not in (channels_last, channels_last_3d):
        raise ValueError(
            f"{name}: memory_format must be preserve_format, contiguous_format, channels_last or channels_last_3d, "
            f"got {memory_format!r}"
        )
    if not _said:
        _said = True
        warnings.warn(
            f"{name}: kernels choose the layout of their memory themselves; {memory_format} has no effect", stacklevel=3
        )
