"""`tinygrad_edu.amp` in the form that it had when only cards had it: ``autocast()`` without a device."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import amp
from tinygrad_edu.amp import GradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """:class:`tinygrad_edu.amp.autocast` for ``"cuda"``."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)
