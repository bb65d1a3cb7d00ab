"""``torch.nn.attention``: which kernel computes attention can be asked for, but there is one way here."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from enum import IntEnum

__all__ = ["SDPBackend", "sdpa_kernel"]

_said = False


class SDPBackend(IntEnum):
    """PyTorch's names for its kernels of attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """Accepted without effect: `scaled_dot_product_attention` has one kernel for each device. The first call says so.

    Parameters
    ----------
    backends : SDPBackend or sequence of them
        Which kernels PyTorch may choose from.
    set_priority : bool, default False
        Whether their order is the order in which PyTorch tries them.

    Raises
    ------
    TypeError
        When something else than these names is given.
    """
    global _said
    asked = [backends] if isinstance(backends, SDPBackend) else list(backends)
    for backend in asked:
        if not isinstance(backend, SDPBackend):
            raise TypeError(f"sdpa_kernel: expected members of SDPBackend, got {backend!r}")
    if not asked:
        raise ValueError("sdpa_kernel: expected at least one member of SDPBackend, got none")
    if not _said:
        _said = True
        warnings.warn("sdpa_kernel: attention has one kernel here; the choice has no effect", stacklevel=3)
    yield
