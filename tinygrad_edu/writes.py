"""When was memory last written in place? So that a backward that needs an overwritten value says so."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.node import Array, tick


class _Writes:
    """When each storage was last written in place, by the identity of the object that owns the memory."""

    def __init__(self) -> None:
        self.latest = 0
        self.stamps: dict[int, int] = {}
        self._owners: dict[int, Any] = {}

    def record(self, raw: Array) -> None:
        """Note that the memory of ``raw`` was just overwritten."""
        self.record_owners([backends.of(raw).root(raw)])

    def record_owners(self, roots: list[Any]) -> None:
        """The same for several arrays, given the objects that own their memory."""
        stamps, now = self.stamps, tick()
        for root in roots:
            key = id(root)
            if key not in stamps:
                # Forget the stamp with the storage. (An id used again meanwhile can't mislead: a value that a node
                # keeps has been alive since before any stamp that the node would have to fear.) Some owners of memory
                # take no weak references.
                with contextlib.suppress(TypeError):
                    self._owners[key] = weakref.ref(root, lambda _, key=key: self._forget(key))  # type: ignore[misc]
            stamps[key] = now
        self.latest = now

    def _forget(self, key: int) -> None:
        self.stamps.pop(key, None)
        self._owners.pop(key, None)

    def overwritten(self, raw: Array, seq: int) -> bool:
        """Whether the memory of ``raw`` was written after the node with number ``seq`` was made."""
        return self.stamps.get(id(backends.of(raw).root(raw)), 0) < seq


writes = _Writes()
