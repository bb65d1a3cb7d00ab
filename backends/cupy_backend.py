"""CuPy on CUDA cards.

A kernel launch returns at once, and everything that asks for a value (``bool(x)``, ``int(x)``, a shape that depends on values)
waits for the card. So nothing here asks in a training step: results without dimensions stay arrays, and index arrays are checked
only where that is asked for, since CuPy wraps numbers that are out of range around.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.backends import _attention, _cupy_elementwise, _cupy_rnn, _indexing, cuda
from tinygrad_edu.backends._cupy_alarm import Alarm
from tinygrad_edu.backends._cupy_conv import Convolutions
from tinygrad_edu.backends._cupy_indexing import Tables, out_of_range
from tinygrad_edu.backends._cupy_memory import PageLocked, peak_counter
from tinygrad_edu.backends._cupy_norms import Norms
from tinygrad_edu.backends._cupy_optim import Together
from tinygrad_edu.backends._cupy_random import Philox, Random
from tinygrad_edu.backends._cupy_rows import Rows
from tinygrad_edu.backends._face import host
from tinygrad_edu.backends.base import Array, Backend, BackendError, load


class CupyBackend(Backend):
    """Arrays are ``cupy.ndarray``; operations run on the device of their arguments, on CuPy's current stream."""

    name = "cuda"
    mutable = True
    several = True
    checks_indices = False
    lazy = True

    def __init__(self, index: int = 0) -> None:
        self._cupy = cupy = load("cuda", "cupy", "cuda13", "or [cuda12]")
        try:
            self._count = int(cupy.cuda.runtime.getDeviceCount())
        except Exception as error:  # CuPy's own class, which only CuPy has
            raise BackendError(
                f"device 'cuda': CuPy {cupy.__version__} is installed, but finds no card or driver ({error})"
            ) from None
        self._cupyx = load("cuda", "cupyx", "cuda13", "or [cuda12]")
        self.namespace = load("cuda", "array_api_compat.cupy", "cuda13", "or [cuda12]")
        self.array_types = (cupy.ndarray,)
        self.linalg_errors = (np.linalg.LinAlgError,)
        self.runtime = cupy.cuda
        self.device_errors = (
            cupy.cuda.runtime.CUDARuntimeError,
            cupy.cuda.driver.CUDADriverError,
            cupy.cuda.memory.OutOfMemoryError,
            cupy.cuda.compiler.CompileException,
        )
        cuda.matmul.attach(cupy._core._routines_linalg)
        self._alarms: dict[int, Alarm] = {}
        self._page_locked = PageLocked()
        self._rows = Rows(cupy, self.alarm)
        self._together = Together(cupy)
        self._norms = Norms(cupy)
        self._random = Random(cupy)
        self._tables = Tables(cupy, self.alarm)
        self.kernels = {
            **_cupy_elementwise.kernels_of(cupy),
            **self._rows.kernels(),
            **self._norms.kernels(),
            **Convolutions(cupy).kernels(),
            **self._random.kernels(),
            **self._together.kernels(),
            **_cupy_rnn.kernels_of(cupy),
        }
        super().__init__(index)

    # Devices -----------------------------------------------------------------------------------------------------------

    def device_count(self) -> int:
        return self._count

    def at(self, index: int) -> Backend:
        found = super().at(index)
        if self._count > 1:  # kernels start on the current card, so that of the arguments is made it
            self._cupy.cuda.Device(index).use()
        return found

    def use(self, index: int) -> None:
        """Let the name without a number mean card ``index``."""
        self.at(index)
        self._family[0].current = index
        self._cupy.cuda.Device(index).use()

    def count_peak(self, index: int, used: int) -> Any:
        """A counter of the most bytes in use on a card from now on, where ``used`` are now."""
        return peak_counter(self.runtime.MemoryHook, used, index).__enter__()

    def place(self, x: Array) -> int:
        return int(x.device.id)

    def placed(self, create: Callable[..., Array]) -> Callable[..., Array]:
        if self._count == 1:
            return create

        @functools.wraps(create)
        def on_device(*args: Any, **settings: Any) -> Array:
            with self._cupy.cuda.Device(self.index):
                return create(*args, **settings)

        return on_device

    def from_host(self, x: Any, index: int) -> Array:
        """Large arrays travel through CuPy's pool of pinned memory, without waiting."""
        with self._cupy.cuda.Device(index):
            return self._cupy.array(np.asarray(x))

    def to_host(self, x: Array) -> Any:
        with self._waiting():
            host = self._cupy.asnumpy(x)
        self.raise_pending()
        return host

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        """Where a kernel that was started earlier tells of its failure."""
        try:
            yield
        except self.device_errors as error:
            raise RuntimeError(
                f"{error}; an operation that was started earlier failed on the card: autograd.detect_anomaly() waits for each one "
                "and names it"
            ) from error

    def between(self, x: Array, index: int) -> Array:
        with self._cupy.cuda.Device(index):
            return self._cupy.array(x)

    def pinned(self, x: Any) -> Any:
        held = self._cupyx.empty_pinned(x.shape, x.dtype)
        held[...] = x
        return self._page_locked.remember(held)

    def is_pinned(self, x: Any) -> bool:
        return self._page_locked.knows(x)

    def send(self, x: Any, index: int) -> Array:
        if not self.is_pinned(x) or not x.flags.c_contiguous:
            return self.from_host(x, index)
        with self._cupy.cuda.Device(index):
            out = self._cupy.empty(x.shape, x.dtype)
            stream = self._cupy.cuda.get_current_stream()
            out.set(x, stream=stream)
            self._page_locked.keep_until(stream.record(), x)
            return out

    def fetch(self, x: Array) -> Any:
        held = self._page_locked.remember(self._cupyx.empty_pinned(x.shape, x.dtype))
        stream = self._cupy.cuda.get_current_stream()
        self._cupy.ascontiguousarray(x).get(stream=stream, out=held, blocking=False)
        self._page_locked.keep_until(stream.record(), x)
        return held

    def dtype(self, name: str) -> Any:
        if name == "bfloat16":
            raise TypeError("bfloat16 is not supported on cuda: CuPy has no such type; use float32 or float16")
        return np.dtype(name)

    def synchronize(self) -> None:
        with self._waiting():
            self._cupy.cuda.Device(self.index).synchronize()
        self.raise_pending()

    def memory_stats(self) -> dict[str, int]:
        with self._cupy.cuda.Device(self.index):
            pool = self._cupy.get_default_memory_pool()
            used = int(pool.used_bytes())
            reserved = int(pool.total_bytes())
        return {"used_bytes": used, "reserved_bytes": reserved}

    def empty_cache(self) -> None:
        with self._cupy.cuda.Device(self.index):
            self._cupy.get_default_memory_pool().free_all_blocks()
        self._cupy.get_default_pinned_memory_pool().free_all_blocks()

    # Errors of the card ------------------------------------------------------------------------------------------------

    def alarm(self, x: Array) -> Alarm:
        """Where kernels on the card of ``x`` report what they cannot raise."""
        index = self.place(x)
        alarms = self._family[0]._alarms
        found = alarms.get(index)
        if found is None:
            with self._cupy.cuda.Device(index):
                found = alarms[index] = Alarm(self._cupy)
        return found

    def demand(self, condition: Array, message: str, kind: type[Exception]) -> None:
        self.alarm(condition).demand(condition, message.replace("{", "{{").replace("}", "}}"), kind)
        if self.checks_indices:
            self.raise_pending()

    def raise_pending(self) -> None:
        for alarm in self._family[0]._alarms.values():
            alarm.look()

    # Memory ------------------------------------------------------------------------------------------------------------

    def root(self, x: Array) -> Any:
        return x.data.mem

    def owns(self, x: Array) -> bool:
        return x.base is None

    def is_view(self, view: Array, of: Array) -> bool:
        return view is not of and view.data.mem is of.data.mem and view.size > 0

    def is_contiguous(self, x: Array) -> bool:
        return bool(x.flags.c_contiguous)

    def strides(self, x: Array) -> tuple[int, ...]:
        return tuple(s // x.itemsize for s in x.strides)

    def contiguous(self, x: Array) -> Array:
        return x.copy(order="C")

    def alias(self, x: Array) -> Array:
        return x[...]

    def copy(self, x: Array) -> Array:
        return x.copy()

    # Indexing ----------------------------------------------------------------------------------------------------------

    def _look_at(self, x: Array, index: Any) -> None:
        """Check the numbers of an index: now where that is asked for, else on the card."""
        if self.checks_indices:
            self.check_index(tuple(x.shape), index)
            return
        parts = index if type(index) is tuple else (index,)
        if any(isinstance(part, self._cupy.ndarray) and part.dtype.kind in "iu" for part in parts):
            for axis, part in _indexing.arrays_of(tuple(x.shape), index):
                size = x.shape[axis]
                self.alarm(x).check(part, -size, size - 1, out_of_range(size, axis))

    def _is_rows(self, x: Array, index: Any) -> bool:
        """Whether an index is an array of row numbers for a table of floating point."""
        return isinstance(index, self._cupy.ndarray) and index.dtype.kind in "iu" and x.dtype.kind == "f" and x.ndim > 0

    def getitem(self, x: Array, index: Any) -> Array:
        if self._is_rows(x, index) and not self.checks_indices:
            return self._tables.take(x, index, -x.shape[0])
        self._look_at(x, index)
        return x[index]

    def take_rows(self, table: Array, rows: Array) -> Array:
        if not self._is_rows(table, rows) or self.checks_indices:
            return self.getitem(table, rows)
        return self._tables.take(table, rows, 0)

    def setitem(self, x: Array, index: Any, value: Any) -> Array:
        self._look_at(x, index)
        x[index] = value
        return x

    def index_add(self, x: Array, index: Any, value: Any) -> Array:
        if self._is_rows(x, index) and isinstance(value, self._cupy.ndarray) and not self.checks_indices:
            shape = (*index.shape, *x.shape[1:])
            value = value.astype(x.dtype, copy=False)
            value = value if value.shape == shape else self._cupy.broadcast_to(value, shape)
            return self._tables.add(x, index, value, self.deterministic)
        self._look_at(x, index)
        # CuPy's atomic additions lack some types of integers, and half precision loses what is small.
        if x.dtype.name not in ("float32", "float64") or self.deterministic:
            return super().index_add(x, index, value)
        self._cupyx.scatter_add(x, index, value)
        return x

    # Arithmetic --------------------------------------------------------------------------------------------------------

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Array:
        return x.sum(axis=axis, dtype=dtype, keepdims=keepdims)

    def relu(self, x: Array) -> Array:
        return self.kernels["relu"](x) if x.dtype.kind == "f" else super().relu(x)

    def sigmoid(self, x: Array) -> Array:
        return self.kernels["sigmoid"](x)

    def softmax(self, x: Array, axis: int) -> Array:
        return self._rows.softmax(x, axis, False)

    def log_softmax(self, x: Array, axis: int) -> Array:
        return self._rows.softmax(x, axis, True)

    def total_squares(self, arrays: Sequence[Array]) -> Array:
        kinds = {a.dtype for a in arrays}
        parts = [self._together.sum_squares([a for a in arrays if a.dtype == kind]) for kind in kinds]
        return functools.reduce(operator.add, parts)

    def scale_all_into(self, arrays: Sequence[Array], factor: Array) -> list[Array]:
        for kind in {a.dtype for a in arrays}:
            self._together.scale([a for a in arrays if a.dtype == kind], factor)
        return list(arrays)

    def exp2(self, x: Array) -> Array:
        return self._cupy.exp2(x)

    def logaddexp2(self, x: Array, y: Array) -> Array:
        return self._cupy.logaddexp2(x, y)

    def fmax(self, x: Array, y: Any) -> Array:
        return self._cupy.fmax(x, y)

    def fmin(self, x: Array, y: Any) -> Array:
        return self._cupy.fmin(x, y)

    def erf(self, x: Array) -> Array:
        return self.kernels["erf"](x)

    def erfc(self, x: Array) -> Array:
        return self.kernels["erfc"](x)

    def erfinv(self, x: Array) -> Array:
        return self.kernels["erfinv"](x)

    def lgamma(self, x: Array) -> Array:
        return self.kernels["lgamma"](x)

    def cumulative_prod(self, x: Array, axis: int, dtype: Any) -> Array:
        return self._cupy.cumprod(x.astype(dtype, copy=False), axis=axis)

    def diagonal(self, x: Array, offset: int) -> Array:
        return self._cupy.diagonal(x, offset, -2, -1)

    def fmod(self, x: Array, y: Any) -> Array:
        return self._cupy.fmod(x, y)

    # Random numbers ----------------------------------------------------------------------------------------------------

    def generator(self, seed: int) -> Philox:
        return Philox(seed)

    def attention_kept(self, dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
        return _attention.drawn(self, dropout, shape, rows)

    def random_seed(self, generator: Philox) -> int:
        seed, first = generator.use(1)
        return (seed * 0x9E3779B97F4A7C15 + first * 0xBF58476D1CE4E5B9) % (1 << 62)

    def random_uniform(self, generator: Philox, shape: Sequence[int], dtype: Any) -> Array:
        with self._cupy.cuda.Device(self.index):
            return self._random.reals("uniform", generator, shape, np.dtype(dtype))

    def random_normal(self, generator: Philox, shape: Sequence[int], dtype: Any) -> Array:
        with self._cupy.cuda.Device(self.index):
            return self._random.reals("normal", generator, shape, np.dtype(dtype))

    def random_integers(self, generator: Philox, low: int, high: int, shape: Sequence[int]) -> Array:
        with self._cupy.cuda.Device(self.index):
            return self._random.integers(generator, low, high, shape)

    def random_permutation(self, generator: Philox, n: int) -> Array:
        with self._cupy.cuda.Device(self.index):
            return self._random.permutation(generator, n)

    def random_poisson(self, generator: Philox, rates: Array) -> Array:
        with self._cupy.cuda.Device(self.index):
            return self._random.poisson(generator, rates)

    def random_binomial(self, generator: Philox, counts: Array, chances: Array) -> Array:
        source = host().generator(
            self.random_seed(generator)
        )  # on the host: it is seldom used, and takes no simple kernel
        return super().random_binomial(source, counts, chances)

    def get_random_state(self, generator: Philox) -> str:
        return generator.get_state()

    def set_random_state(self, generator: Philox, state: str) -> None:
        generator.set_state(state)
