"""Sources of random numbers: one seed makes a run repeatable, and a generator's state can be saved and restored."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.creation import tensor
from tinygrad_edu.device import resolve
from tinygrad_edu.errors import describe
from tinygrad_edu.tensor import Tensor


class Generator:
    """A source of random numbers on a device.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a = tg.rand(2, generator=tg.Generator().manual_seed(1))
    >>> b = tg.rand(2, generator=tg.Generator().manual_seed(1))
    >>> a.equal(b)
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = resolve(device)
        self._seed = 0
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from ``seed``, an integer from -2⁶³ to 2⁶⁴ - 1."""
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"manual_seed: expected an integer, got {seed!r}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError(f"manual_seed: expected an integer of 64 bits, got {seed}")
        self._seed = seed % (1 << 64)
        self._raw = self.device.backend.generator(self._seed)
        return self

    def seed(self) -> int:
        """Start again from a seed that the operating system draws, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the generator last started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes, for a checkpoint."""
        text = self.device.backend.get_random_state(self._raw)
        return tensor(list(text.encode()), dtype="uint8", device="cpu")

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that :meth:`get_state` gave."""
        if not isinstance(new_state, Tensor) or new_state.dtype.name != "uint8":
            raise TypeError(f"set_state: expected a uint8 tensor from get_state(), got {describe(new_state)}")
        try:
            self.device.backend.set_random_state(self._raw, bytes(new_state.tolist()).decode())
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"set_state: these bytes are no generator state ({error})") from None


class _Generators(threading.local):
    """The default generators of a thread, one a device."""

    def __init__(self) -> None:
        self.by_device: dict[str, Generator] = {}
        self.seed: int | None = None


_defaults = _Generators()


def default_generator(device: Any = "cpu") -> Generator:
    """The generator that is used on a device when none is given."""
    found = resolve(device)
    name = f"{found.type}:{found.index or 0}"
    if name not in _defaults.by_device:
        generator = _defaults.by_device[name] = Generator(found)
        if _defaults.seed is None:
            generator.seed()
        else:
            generator.manual_seed(_defaults.seed)
    return _defaults.by_device[name]


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices, in this thread; returns the CPU's."""
    cpu = default_generator("cpu").manual_seed(seed)
    _defaults.seed = seed
    for generator in _defaults.by_device.values():
        generator.manual_seed(seed)
    return cpu


@contextmanager
def borrowed(seed: int) -> Iterator[None]:
    """Let the CPU's default generator start from ``seed``, and afterwards go on as if nothing had happened."""
    cpu = default_generator("cpu")
    before = cpu._seed, cpu._raw
    cpu.manual_seed(seed)
    try:
        yield
    finally:
        cpu._seed, cpu._raw = before


def seed() -> int:
    """Seed the default generators from the operating system, and return the seed."""
    drawn = default_generator("cpu").seed()
    manual_seed(drawn)
    return drawn


def initial_seed() -> int:
    """The seed that the CPU's default generator started from."""
    return default_generator("cpu").initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's default generator, for a checkpoint."""
    return default_generator("cpu").get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Go on from what :func:`get_rng_state` gave."""
    default_generator("cpu").set_state(new_state)


def all_states(devices: Iterable[Any] = ()) -> dict[str, str]:
    """The states of this thread's default generators, by device; also of those of ``devices``, where nothing was drawn yet."""
    for device in ("cpu", *devices):
        default_generator(device)
    found = _defaults.by_device.items()
    return {name: g.device.backend.get_random_state(g._raw) for name, g in found}


def set_all_states(states: dict[str, str]) -> None:
    """Go on from what :func:`all_states` gave."""
    for name, state in states.items():
        generator = default_generator(name)
        generator.device.backend.set_random_state(generator._raw, state)


@contextmanager
def fork_rng(devices: Iterable[Any] = (), enabled: bool = True) -> Iterator[None]:
    """Inside, random numbers are drawn without effect on what is drawn afterwards.

    Parameters
    ----------
    devices : iterable of devices
        Whose default generators go back to their states, besides the CPU's and all that were used before.
    enabled : bool
        Whether to do so.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> with tg.random.fork_rng():
    ...     first = tg.rand(1)
    >>> tg.rand(1).equal(first)
    True
    """
    states = all_states(devices) if enabled else {}
    try:
        yield
    finally:
        set_all_states(states)
