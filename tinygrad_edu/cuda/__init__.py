"""GPUs under PyTorch's names: devices, memory, streams, events and seeds.

Without a card ``is_available()`` is False, ``device_count()`` is 0 and ``manual_seed`` does nothing; everything else raises one
clear line that says what is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tinygrad_edu import backends, generator
from tinygrad_edu.absent import explain_missing
from tinygrad_edu.backends import BackendError
from tinygrad_edu.device import device as _device
from tinygrad_edu.errors import OutOfMemoryError
from tinygrad_edu.legacy import on_cuda
from tinygrad_edu.tensor import Tensor

FloatTensor, DoubleTensor, HalfTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor = on_cuda

__all__ = [
    "Event",
    "OutOfMemoryError",
    "Stream",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_rng_state",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_device",
    "set_rng_state",
    "stream",
    "synchronize",
]

Device = Any  # a number, a name such as "cuda:1", a device, or None for the current one


# Devices -----------------------------------------------------------------------------------------------------------------


def _family() -> Any:
    return backends.get("cuda")


def is_available() -> bool:
    """Whether there is a card, and CuPy to use it with."""
    return device_count() > 0


def device_count() -> int:
    """How many cards there are; 0 as well when CuPy is not installed (``tg.backends.available()["cuda"]`` says which)."""
    try:
        return int(_family().device_count())
    except BackendError:
        return 0


def _index(where: Device) -> int:
    """The number of a card, checked."""
    family = _family()
    if where is None:
        return int(family.current)
    if isinstance(where, (str, _device)):
        found = _device(where)
        if found.type != "cuda":
            raise ValueError(f"cuda: expected a CUDA device, got {found}")
        where = family.current if found.index is None else found.index
    if isinstance(where, bool) or not isinstance(where, int):
        raise TypeError(f"cuda: expected a device such as 1 or 'cuda:1', got {where!r}")
    family.at(where)  # raises when there is none
    return where


def current_device() -> int:
    """The number of the card that ``device="cuda"`` means."""
    return _index(None)


def set_device(device: Device) -> None:
    """Let ``device="cuda"`` mean this card from now on."""
    index = _index(device)
    if index >= 0:
        _family().use(index)


class device:
    """``with tg.cuda.device(1):`` — :func:`set_device` for a block; a negative number or None changes nothing."""

    def __init__(self, device: Device) -> None:
        self.idx = -1 if device is None or device == -1 else _index(device)
        self._before = -1

    def __enter__(self) -> None:
        self._before = current_device()
        if self.idx >= 0:
            _family().use(self.idx)

    def __exit__(self, *_: Any) -> None:
        _family().use(self._before)


class DeviceProperties:
    """What is known of a card: ``name``, ``major``, ``minor``, ``total_memory``, ``multi_processor_count``."""

    def __init__(self, facts: dict[str, Any]) -> None:
        name = facts["name"]
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self.major, self.minor = int(facts["major"]), int(facts["minor"])
        self.total_memory = int(facts["totalGlobalMem"])
        self.multi_processor_count = int(facts.get("multiProcessorCount", 0))

    def __repr__(self) -> str:
        parts = (f"{k}={v!r}" for k, v in vars(self).items())
        return f"DeviceProperties({', '.join(parts)})"


def get_device_properties(device: Device = None) -> DeviceProperties:
    """Name, generation and memory of a card."""
    return DeviceProperties(_family().runtime.runtime.getDeviceProperties(_index(device)))


def get_device_name(device: Device = None) -> str:
    """The name of a card, as its maker calls it."""
    return get_device_properties(device).name


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """The generation of a card, major and minor."""
    found = get_device_properties(device)
    return found.major, found.minor


def synchronize(device: Device = None) -> None:
    """Wait until a card has done all that it was given; raises what kernels reported meanwhile, such as an index out of range."""
    _family().at(_index(device)).synchronize()


# Memory ------------------------------------------------------------------------------------------------------------------

_peaks: dict[int, Any] = {}


def memory_allocated(device: Device = None) -> int:
    """Bytes that arrays on a card take."""
    return int(_family().at(_index(device)).memory_stats()["used_bytes"])


def memory_reserved(device: Device = None) -> int:
    """Bytes that CuPy's pool holds on a card, in use or kept for the next arrays."""
    return int(_family().at(_index(device)).memory_stats()["reserved_bytes"])


def max_memory_allocated(device: Device = None) -> int:
    """The most bytes that arrays took since :func:`reset_peak_memory_stats`, or since this was first called, in this thread.

    Until then nothing is counted, since counting costs time at every allocation.
    """
    index = _index(device)
    if index not in _peaks:
        reset_peak_memory_stats(index)
    return int(_peaks[index].peak)


def reset_peak_memory_stats(device: Device = None) -> None:
    """Begin to count the most bytes in use from now on."""
    index = _index(device)
    if index in _peaks:
        _peaks[index].peak = _peaks[index].used
    else:
        _peaks[index] = _family().count_peak(index, memory_allocated(index))


def memory_stats(device: Device = None) -> dict[str, int]:
    """The counts of this module under PyTorch's keys."""
    index = _index(device)
    stats = {
        "allocated_bytes.all.current": memory_allocated(index),
        "reserved_bytes.all.current": memory_reserved(index),
    }
    return stats | ({"allocated_bytes.all.peak": max_memory_allocated(index)} if index in _peaks else {})


def mem_get_info(device: Device = None) -> tuple[int, int]:
    """Free and total bytes of a card, other programs' share taken into account."""
    family, index = _family(), _index(device)
    with family.runtime.Device(index):
        free, total = family.runtime.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Give back to the card what CuPy's pool keeps for later; arrays keep theirs."""
    _family().at(_index(None)).empty_cache()


# Random numbers ----------------------------------------------------------------------------------------------------------


def manual_seed(seed: int) -> None:
    """Seed the generator of the current card; without a card nothing happens."""
    if is_available():
        generator.default_generator(f"cuda:{current_device()}").manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all cards; without a card nothing happens."""
    for index in range(device_count()):
        generator.default_generator(f"cuda:{index}").manual_seed(seed)


def get_rng_state(device: Device = None) -> Tensor:
    """The state of a card's generator, for a checkpoint."""
    return generator.default_generator(f"cuda:{_index(device)}").get_state()


def set_rng_state(new_state: Tensor, device: Device = None) -> None:
    """Go on from what :func:`get_rng_state` gave."""
    generator.default_generator(f"cuda:{_index(device)}").set_state(new_state)


# Streams -----------------------------------------------------------------------------------------------------------------


class Event:
    """A mark in a stream: when is the work before it done, and how long did it take?

    Parameters
    ----------
    enable_timing : bool
        Whether :meth:`elapsed_time` is wanted.
    blocking : bool
        Whether :meth:`synchronize` lets the processor sleep.
    interprocess : bool
        Whether other processes may use it.
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        make = _family().runtime.Event
        self.raw = make(block=blocking, disable_timing=not enable_timing, interprocess=interprocess)
        self._timed = enable_timing

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark into a stream, by default the current one."""
        self.raw.record((stream or current_stream()).raw)

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait for the mark; the program goes on."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """Whether the work before the mark is done."""
        return bool(self.raw.done)

    def synchronize(self) -> None:
        """Wait for the work before the mark."""
        self.raw.synchronize()
        _family().raise_pending()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between two marks that the card has passed."""
        if not (self._timed and end_event._timed):
            raise ValueError("Event.elapsed_time: both events need enable_timing=True")
        return float(_family().runtime.get_elapsed_time(self.raw, end_event.raw))


class Stream:
    """A queue of work on a card; work of different streams may run side by side.

    Parameters
    ----------
    device : device, optional
    priority : int
        Lower numbers go first.
    """

    def __init__(self, device: Device = None, priority: int = 0, *, raw: Any = None) -> None:
        family = _family()
        self.device_index = _index(device)
        if raw is None:
            with family.runtime.Device(self.device_index):
                raw = family.runtime.Stream(non_blocking=True, priority=priority)
        self.raw = raw

    def synchronize(self) -> None:
        """Wait until all work of the stream is done."""
        self.raw.synchronize()
        _family().raise_pending()

    def query(self) -> bool:
        """Whether all work of the stream is done."""
        return bool(self.raw.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark into the stream."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let all work that comes after wait for a mark of another stream."""
        self.raw.wait_event(event.raw)

    def wait_stream(self, stream: Stream) -> None:
        """Let all work that comes after wait for what another stream was given so far."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.raw.ptr == other.raw.ptr

    def __hash__(self) -> int:
        return hash(self.raw.ptr)


def current_stream(device: Device = None) -> Stream:
    """The stream that operations are put into."""
    index = _index(device)
    return Stream(index, raw=_family().runtime.get_current_stream())


def default_stream(device: Device = None) -> Stream:
    """The stream that is current unless another is chosen."""
    return Stream(_index(device), raw=_family().runtime.Stream.null)


@contextlib.contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """``with tg.cuda.stream(s):`` — put the operations of a block into a stream; None changes nothing.

    Memory that is freed inside is used again by the same stream alone.
    """
    if stream is None:
        yield
        return
    with _family().runtime.Device(stream.device_index), stream.raw:
        yield


explain_missing(globals(), "cuda")
