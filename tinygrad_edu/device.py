"""Device names such as ``cpu`` and ``cuda:1``."""

from __future__ import annotations

import threading
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import default_device, modes


class _Blocks(threading.local):
    """The default devices around the ``with tg.device(...)`` blocks that run in this thread."""

    before: tuple[str | None, ...] = ()


_blocks = _Blocks()


class device:
    """A device by name; compares equal to its name, and as a context manager sets the default for this thread.

    Examples
    --------
    >>> device("cpu").type, device("cuda:1").index, device("cpu") == "cpu"
    ('cpu', 1, True)
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if not isinstance(type, (str, device)):
            raise TypeError(f"device: expected a name like 'cpu', 'cuda' or 'cuda:1', got {type!r}")
        name = str(type)
        kind, colon, number = name.partition(":")
        if not kind or bool(colon) != number.isdecimal() or (colon and index is not None):
            raise ValueError(f"device {name!r}: expected a name like 'cpu', 'cuda' or 'cuda:1'")
        self.type = kind
        self.index = int(number) if number else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        inner = f"type={self.type!r}" + ("" if self.index is None else f", index={self.index}")
        return f"device({inner})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = device(other)
        return isinstance(other, device) and (self.type, self.index or 0) == (other.type, other.index or 0)

    def __hash__(self) -> int:
        return hash((self.type, self.index or 0))

    def __enter__(self) -> device:
        name = str(resolve(self))
        _blocks.before = (*_blocks.before, modes.device)
        modes.device = name
        return self

    def __exit__(self, *_: Any) -> None:
        *before, modes.device = _blocks.before
        _blocks.before = tuple(before)

    @property
    def backend(self) -> backends.Backend:
        """The backend behind the device; raises one clear line when it isn't there."""
        return backends.get(self.type).at(self.index or 0)


def resolve(name: Any) -> device:
    """A device from a name, a number (of a CUDA card), another device, or None (the default)."""
    if name is None:
        return _default()
    if isinstance(name, int):
        name = f"cuda:{name}"
    found = name if isinstance(name, device) else device(name)
    if found.index is None and (current := found.backend.current):
        found = device(found.type, current)
    count = found.backend.device_count()
    if (found.index or 0) >= count:
        raise backends.BackendError(f"device '{found}': there are {count} devices of this kind, numbered from 0")
    return found


def _default() -> device:
    """The default device, which an error says where it was named."""
    name = default_device()
    try:
        return resolve(name)
    except (backends.BackendError, ValueError) as error:
        if modes.device is not None:
            raise
        raise type(error)(f"{error} (named by the environment variable TINYGRAD_EDU_DEVICE)") from None


def set_default_device(name: str | device | None) -> None:
    """Make new tensors on this device, in this thread; None goes back to ``TINYGRAD_EDU_DEVICE`` or the cpu.

    Raises
    ------
    BackendError
        When the device isn't there; the message says what is missing.
    """
    modes.device = None if name is None else str(resolve(name))


def get_default_device() -> device:
    """The device of tensors that are made without ``device=``."""
    return device(default_device())
