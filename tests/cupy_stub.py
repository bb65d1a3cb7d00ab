"""A stand-in for CuPy on a machine without a card: its rules of arrays, computed by NumPy.

As in CuPy, arrays refuse to become NumPy arrays on their own, results without dimensions stay arrays, and index arrays that are
out of range wrap. What would wait for the card is counted. The sources of elementwise kernels are compiled as C++ for the CPU.
"""

from __future__ import annotations

import contextlib
import operator
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import cuda_on_cpu
import numpy as np


class Waits:
    """How often a value was asked for."""

    count = 0


@contextlib.contextmanager
def no_waiting(backend: Any) -> Iterator[None]:
    """A block in which nothing waits for the card: on a real one CuPy itself watches, here the count does."""
    if backend._cupy.ndarray is not ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with backend._cupyx.allow_synchronize(False):
                yield
        return
    before = Waits.count
    yield
    assert Waits.count == before, f"{Waits.count - before} values were asked for"


class Place:
    id = 0

    def __init__(self, number: int = 0) -> None: ...
    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: Any) -> None: ...
    def use(self) -> None: ...
    def synchronize(self) -> None: ...


class Pointer:
    def __init__(self, mem: Any, host: Any) -> None:
        self.mem = mem
        self.ptr = host.ctypes.data


class ndarray:
    """An array in imaginary memory of a card."""

    def __init__(self, host: Any, base: ndarray | None = None) -> None:
        self.host = np.asarray(host)
        self.base = base if base is None or base.base is None else base.base
        self.data = Pointer(self if self.base is None else self.base, self.host)
        self.device = Place()

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "strides", "flags", "nbytes", "itemsize"):
            return getattr(self.host, name)
        if name in ("T", "mT"):
            return wrapped(getattr(self.host, name), self)
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(self.host, name)
        return lambda *a, **k: wrapped(method(*map(plain, a), **{n: plain(v) for n, v in k.items()}), self)

    def _ask(self, convert: Callable[[Any], Any]) -> Any:
        Waits.count += 1
        return convert(self.host)

    def __bool__(self) -> bool:
        return self._ask(bool)

    def __int__(self) -> int:
        return self._ask(int)

    def __float__(self) -> float:
        return self._ask(float)

    def __index__(self) -> int:
        return self._ask(operator.index)

    def set(self, host: Any, stream: Any = None) -> None:
        assert type(host) is np.ndarray and host.dtype == self.dtype
        Waits.count += stream is None
        self.host[...] = host

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        Waits.count += blocking
        out = np.empty(self.shape, self.dtype) if out is None else out
        out[...] = self.host
        return out

    def item(self) -> Any:
        return self._ask(lambda host: host.item())

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, index: Any) -> ndarray:
        return wrapped(self.host[wrapping(self.shape, index)], self)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[wrapping(self.shape, index)] = plain(value)


def _operator(name: str) -> Callable[[ndarray, Any], Any]:
    def method(self: ndarray, *others: Any) -> Any:
        if any(getattr(o, "__array_ufunc__", ()) is None for o in others):
            return NotImplemented
        if name.startswith("__i") and name not in ("__invert__",):
            self.host = (
                getattr(self.host, name)(*map(plain, others)) if self.host.ndim else _in_place(self, name, others)
            )
            return self
        with np.errstate(all="ignore"):
            result = getattr(self.host, name)(*map(plain, others))
        return NotImplemented if result is NotImplemented else wrapped(result)

    return method


def _in_place(x: ndarray, name: str, others: tuple[Any, ...]) -> Any:
    x.host[...] = getattr(x.host, "__" + name[3:])(*map(plain, others))
    return x.host


_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
for _name in [
    *_BINARY,
    *(f"r{n}" for n in _BINARY),
    *(f"i{n}" for n in _BINARY),
    *"lt le gt ge eq ne neg abs invert pos".split(),
]:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
ndarray.__hash__ = object.__hash__  # type: ignore[method-assign]


def plain(x: Any) -> Any:
    """The memory behind an argument; NumPy's arrays are refused, as CuPy does."""
    if isinstance(x, ndarray):
        return x.host
    if isinstance(x, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return type(x)(plain(v) for v in x) if type(x) in (tuple, list) else x


def wrapped(x: Any, source: ndarray | None = None) -> Any:
    """A result as arrays; views remember what they were made from."""
    if isinstance(x, (np.ndarray, np.generic)):
        shared = source is not None and isinstance(x, np.ndarray) and np.may_share_memory(x, source.host)
        return ndarray(x, source if shared else None)
    if isinstance(x, tuple) and type(x) is not tuple:  # the named results of unique_inverse and the like
        return type(x)(*map(wrapped, x))
    return type(x)(wrapped(v) for v in x) if type(x) in (tuple, list) else x


def wrapping(shape: tuple[int, ...], index: Any) -> Any:
    """An index as NumPy wants it, with numbers that are out of range wrapped around; masks make the card wait."""
    parts = index if isinstance(index, tuple) else (index,)
    ready = []
    for axis, part in enumerate(parts):
        raw = plain(part)
        if isinstance(raw, np.ndarray) and raw.dtype == bool:
            Waits.count += 1
        elif isinstance(raw, np.ndarray):
            raw = raw if any(p is ... or p is None for p in parts[:axis]) else raw % shape[axis]
        ready.append(raw)
    return tuple(ready) if isinstance(index, tuple) else ready[0]


WAITING = {"nonzero", "unique_inverse", "unique_values", "unique_counts", "repeat", "array_equal"}


class Namespace(types.ModuleType):
    """NumPy's functions on these arrays."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if isinstance(function, (type, types.ModuleType)) or not callable(function):
            return _linalg() if name == "linalg" else function

        def call(*args: Any, **settings: Any) -> Any:
            Waits.count += name in WAITING
            source = next((a for a in args if isinstance(a, ndarray)), None)
            return wrapped(function(*map(plain, args), **{k: plain(v) for k, v in settings.items()}), source)

        return call


def _linalg() -> Namespace:
    part = Namespace("linalg")
    for name in "inv solve det slogdet cholesky qr svd eigh".split():
        function = getattr(np.linalg, name)
        setattr(part, name, lambda *a, function=function, **k: wrapped(tuple_of(function(*map(plain, a), **k))))
    return part


def argsort(x: ndarray, axis: int = -1, descending: bool = False, stable: bool = True) -> ndarray:
    host = np.flip(x.host, axis) if descending else x.host
    order = np.argsort(host, axis=axis, stable=True)
    return ndarray(np.flip(host.shape[axis] - 1 - order, axis) if descending else order)


def tuple_of(x: Any) -> Any:
    return tuple(x) if isinstance(x, tuple) else x


def asnumpy(x: ndarray) -> Any:
    Waits.count += 1
    return x.host.copy()


def scatter_add(x: ndarray, index: Any, value: Any) -> None:
    np.add.at(x.host, wrapping(x.shape, index), plain(value))


class Pool:
    freed = 0

    def used_bytes(self) -> int:
        return 3

    def total_bytes(self) -> int:
        return 5

    def free_all_blocks(self) -> None:
        Pool.freed += 1


class Event:
    """An event: what was queued before it is done when it is waited for, and the clock is a count of records."""

    clock = 0

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.time: int | None = None
        self.timed = not disable_timing
        self.done = True

    def record(self, stream: Any = None) -> None:
        Event.clock += 1
        self.time = Event.clock

    def synchronize(self) -> None:
        Waits.count += 1


class Stream:
    """A stream; the current one is the innermost whose context was entered."""

    null: Any = None
    entered: list[Any] = []

    def __init__(self, null: bool = False, ptds: bool = False, non_blocking: bool = False, priority: int = 0) -> None:
        self.done, self.ptr, self.waited = True, id(self), []

    def __enter__(self) -> Stream:
        Stream.entered.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        Stream.entered.pop()

    def use(self) -> Stream:
        Stream.entered[:] = [self]
        return self

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        self.waited.append(event)

    def synchronize(self) -> None:
        Waits.count += 1


Stream.null = Stream(null=True)


def elapsed(start: Event, end: Event) -> float:
    if not (start.timed and end.timed):
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return float(end.time - start.time)  # type: ignore[operator]


class CUDARuntimeError(RuntimeError):
    """What a call of the runtime raises."""


class OutOfMemoryError(MemoryError):
    """What an allocation raises."""


class CompileException(Exception):
    """What a kernel that does not compile raises."""


class ComputeTypes:
    """The types in which matrix products are computed, as set."""

    COMPUTE_TYPE_DEFAULT, COMPUTE_TYPE_TF32, COMPUTE_TYPE_FP16 = 0, 6, 2
    now: dict[str, int] = {}

    @classmethod
    def set_compute_type(cls, dtype: Any, kind: int) -> None:
        cls.now[dtype.name] = kind


def _runtime() -> Any:
    namespace = types.SimpleNamespace
    runtime = namespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        memGetInfo=lambda: (40, 80),
        getDeviceProperties=lambda index: {"name": b"Imaginary", "major": 9, "minor": 0, "totalGlobalMem": 80},
        CUDARuntimeError=CUDARuntimeError,
    )
    return namespace(
        Device=Place,
        Stream=Stream,
        Event=Event,
        get_elapsed_time=elapsed,
        get_current_stream=lambda: Stream.entered[-1] if Stream.entered else Stream.null,
        runtime=runtime,
        driver=namespace(CUDADriverError=type("CUDADriverError", (RuntimeError,), {})),
        memory=namespace(OutOfMemoryError=OutOfMemoryError),
        compiler=namespace(CompileException=CompileException),
        MemoryHook=MemoryHook,
    )


class MemoryHook:
    """A hook of the memory pool, told of what is taken and given back while it is entered."""

    def __enter__(self) -> MemoryHook:
        return self

    def __exit__(self, *_: Any) -> None: ...


class ElementwiseKernel(cuda_on_cpu.ElementwiseKernel):
    """CuPy's elementwise kernel on these arrays; outputs that are not given are made."""

    def __call__(self, *args: Any) -> Any:
        params = self.inputs + self.outputs
        kind = next(a.dtype.name for a, (t, _) in zip(args, params, strict=False) if t == "T")
        types = [kind if t == "T" else t for t, _ in params]
        hosts = [
            a.host if isinstance(a, ndarray) else np.asarray(plain(a), t) for a, t in zip(args, types, strict=False)
        ]
        shape = np.broadcast_shapes(*(h.shape for h in hosts))
        made = [np.empty(shape, t) for t in types[len(hosts) :]]
        self.run([*hosts, *made], kind)
        outs = [*args[len(self.inputs) :], *(ndarray(m) for m in made)]
        return outs[0] if len(outs) == 1 else tuple(outs)


def modules() -> dict[str, types.ModuleType]:
    """What ``import cupy`` and its relatives are to find."""
    cupy = Namespace("cupy")
    cupy.__version__ = "14.0"  # type: ignore[attr-defined]
    cupy.ndarray, cupy.asnumpy, cupy.ElementwiseKernel = ndarray, asnumpy, ElementwiseKernel  # type: ignore[attr-defined]
    cupy.RawKernel = cuda_on_cpu.RawKernel  # type: ignore[attr-defined]
    cupy.argsort = argsort  # type: ignore[attr-defined]
    cupy.array = lambda x: ndarray(np.array(x))  # type: ignore[attr-defined]
    cupy.asarray = lambda x, dtype=None, copy=None: ndarray(
        np.array(plain(x) if isinstance(x, ndarray) else x, dtype=dtype)
    )  # type: ignore[attr-defined]
    cupy.get_default_memory_pool = Pool  # type: ignore[attr-defined]
    cupy.get_default_pinned_memory_pool = Pool  # type: ignore[attr-defined]
    cupy.cuda = _runtime()  # type: ignore[attr-defined]
    cupy._core = types.SimpleNamespace(_routines_linalg=ComputeTypes)  # type: ignore[attr-defined]
    cupyx = types.ModuleType("cupyx")
    cupyx.scatter_add = scatter_add  # type: ignore[attr-defined]
    cupyx.empty_pinned = np.empty  # type: ignore[attr-defined]
    return {
        "cupy": cupy,
        "cupyx": cupyx,
        "array_api_compat.cupy": cupy,
    }
