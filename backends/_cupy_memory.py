"""Page-locked memory of the host, which a card reads and writes while the processor does other things; and how much is in use."""

from __future__ import annotations

import weakref
from typing import Any

Array = Any


class PageLocked:
    """Arrays in page-locked memory, and those that a copy still needs."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}
        self._busy: list[tuple[Any, Any]] = []

    def remember(self, x: Array) -> Array:
        """Note that an array of the host has such memory; returns it."""
        key = id(x)
        self._known[key] = weakref.ref(x, lambda _: self._known.pop(key, None))
        return x

    def knows(self, x: Array) -> bool:
        """Whether an array of the host, or the one that it is a view of, was noted."""
        while x is not None:
            held = self._known.get(id(x))
            if held is not None and held() is x:
                return True
            x = getattr(x, "base", None)
        return False

    def keep_until(self, event: Any, x: Array) -> None:
        """Keep an array alive until an event of the card has come."""
        self._busy = [(e, a) for e, a in self._busy if not e.done]
        self._busy.append((event, x))


def peak_counter(hook_class: type, used: int, index: int) -> Any:
    """A hook for CuPy's memory pool that knows the most bytes in use on card ``index`` since it was made; ``used`` are in use now."""

    class Peak(hook_class):  # type: ignore[misc]  # a class of a library that is not there at type checks
        name = f"tinygrad_edu_peak_{index}"  # CuPy wants a name of its own for each

        def __init__(self) -> None:
            self.used = self.peak = used

        def malloc_postprocess(self, **facts: Any) -> None:
            """Called after memory was taken from the pool."""
            if facts["device_id"] == index and facts["mem_ptr"]:
                self.used += facts["mem_size"]
                self.peak = max(self.peak, self.used)

        def free_postprocess(self, **facts: Any) -> None:
            """Called after memory was given back to it."""
            if facts["device_id"] == index and facts["mem_ptr"]:
                self.used -= facts["mem_size"]

    return Peak()
