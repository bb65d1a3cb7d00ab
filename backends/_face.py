"""What every part of a backend sees of it: the array namespace, devices, types and memory."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

Array = Any

# The engine knows types by all libraries' dtype objects in one table, where this library warns of being compared with others.
warnings.filterwarnings("ignore", message="You are comparing a array_api_strict dtype", module=r"tinygrad_edu\b")

STANDARD = (
    "abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh "
    "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor broadcast_arrays "
    "broadcast_to ceil clip concat copysign cos cosh cumulative_sum divide empty empty_like equal exp expand_dims expm1 eye "
    "finfo flip floor floor_divide full full_like greater greater_equal hypot iinfo isdtype isfinite isinf isnan less less_equal "
    "linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max "
    "maximum mean meshgrid min minimum moveaxis multiply negative nonzero not_equal ones ones_like permute_dims positive "
    "pow prod remainder repeat reshape roll round searchsorted sign signbit sin sinh sort sqrt square squeeze stack std subtract "
    "sum take tan tanh tensordot tile tril triu trunc unique_inverse unique_values unstack var vecdot where zeros zeros_like"
).split()

CREATION = frozenset("arange asarray empty eye full linspace ones zeros".split())

HALF = ("float16", "bfloat16")

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()


def in_single(formula: Callable[..., Array]) -> Callable[..., Array]:
    """A formula of several steps that computes half precision in single, to round once and not at each step."""

    @functools.wraps(formula)
    def rounded_once(self: Any, x: Array, *args: Any) -> Array:
        if name_of(x.dtype) not in HALF:
            return formula(self, x, *args)
        wide = [self.astype(a, self.float32) if getattr(a, "dtype", None) == x.dtype else a for a in args]
        return self.astype(formula(self, self.astype(x, self.float32), *wide), x.dtype)

    return rounded_once


def name_of(dtype: Any) -> str:
    """The standard's name of a library's dtype object, such as ``float32``."""
    return str(dtype).rsplit(".", 1)[-1]


def host() -> Any:
    """The backend of the host, NumPy's."""
    from tinygrad_edu import backends

    return backends.get("cpu")


class BackendError(RuntimeError):
    """A device that isn't there; the message says what is missing and how to get it."""


class Face:
    """The library behind a backend, and where its arrays are; :class:`Backend` adds what is done with them.

    Attributes
    ----------
    name : str
        How users choose it: ``device="name"`` or ``device="name:1"``.
    namespace : module
        A namespace that follows the array-API standard.
    array_types : tuple of type
        The classes of its arrays; an array's class tells its backend.
    mutable : bool
        Whether arrays can be written in place.
    checks_indices : bool
        Whether an index array is checked for numbers out of range at every use. A library where the check would wait for the
        device says False; the engine then checks where it is asked to.
    lazy : bool
        Whether a call returns before its work is done, so that asking for a value waits. The engine then asks for none in a
        training step; gradients of embeddings become whole tables there.
    several : bool
        Whether arrays of one class can be on several devices; then :meth:`place` tells on which.
    deterministic : bool
        Whether sums whose order would depend on chance are to be made in a fixed order, where that is slower.
    kernels : dict
        Fast versions of fused operations by name (``"lstm"``, ``"adam"``, …); an operation without one runs its
        reference.
    """

    name: str = ""
    namespace: Any = None
    array_types: tuple[type, ...] = ()
    mutable: bool = True
    checks_indices: bool = True
    several: bool = False
    lazy: bool = False
    deterministic: bool = False
    current: int = 0  # the device that the name without a number means
    kernels: dict[str, Callable[..., Any]] = {}
    device_errors: tuple[type[Exception], ...] = ()  # what the library raises when a kernel or an allocation fails
    linalg_errors: tuple[type[Exception], ...] = ()  # what the library's linear algebra raises when there is no result

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self._family = {index: self}
        for name in STANDARD:
            if not hasattr(self, name) and hasattr(self.namespace, name):
                function = getattr(self.namespace, name)
                setattr(self, name, self.placed(function) if name in CREATION else function)
        for name in DTYPES:
            if hasattr(self.namespace, name):
                setattr(self, name, self.dtype(name))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the {self.name} backend has no {name!r}, neither of the array standard nor an extension")

    def __repr__(self) -> str:
        return f"<{self.name} backend>"

    # Devices ---------------------------------------------------------------------------------------------------------

    def at(self, index: int) -> Any:
        """The backend for device ``index`` of this kind: the same functions, but what they create is there."""
        if index not in self._family:
            if index >= self.device_count():
                raise BackendError(
                    f"device '{self.name}:{index}': there are {self.device_count()} devices of this kind, numbered from 0"
                )
            sibling = type(self)(index)
            sibling._family = self._family
            self._family[index] = sibling
        return self._family[index]

    def placed(self, create: Callable[..., Array]) -> Callable[..., Array]:
        """A creation function of the namespace, bound to this backend's device."""
        return create

    def place(self, x: Array) -> int:
        """The number of the device that an array is on."""
        return 0

    def device_count(self) -> int:
        """How many devices of this kind there are; 0 where the hardware is missing."""
        return 1

    def device_of(self, x: Array) -> str:
        """The device name of an array, as users write it."""
        return f"{self.name}:{self.place(x)}" if self.several else self.name

    def between(self, x: Array, index: int) -> Array:
        """A copy of an array of another device of this kind on device ``index``."""
        return self.from_host(self.to_host(x), index)

    def pinned(self, x: Any) -> Any:
        """A copy of a host (NumPy) array in memory that the device reads without the processor's help, where there is such."""
        raise BackendError(f"the {self.name} backend has no page-locked memory")

    def is_pinned(self, x: Any) -> bool:
        """Whether a host (NumPy) array has memory that :meth:`pinned` made."""
        return False

    def send(self, x: Any, index: int) -> Array:
        """:meth:`from_host` that returns before a pinned array has been read."""
        return self.from_host(x, index)

    def fetch(self, x: Array) -> Any:
        """:meth:`to_host` that may return before the values are there, which they are after :meth:`synchronize`."""
        return self.to_host(x)

    def from_host(self, x: Any, index: int) -> Array:
        """An array on this backend's device ``index`` with the values of a host (NumPy) array."""
        return self.at(index).asarray(x, copy=True)

    def from_buffer(self, memory: Any, dtype: Any) -> Array:
        """An array of one dimension on the bytes of a buffer; a copy where they are not memory of the device."""
        return self.from_host(host().from_buffer(memory, host().dtype(name_of(dtype))), self.index)

    def to_host(self, x: Array) -> Any:
        """The values as a host (NumPy) array; waits for the device."""
        raise BackendError(f"the {self.name} backend does not say how its arrays come to the host")

    # Memory that other libraries made, or are to use ------------------------------------------------------------------

    def from_dlpack(self, x: Any) -> Array:
        """An array on the memory of another library's array, which is on this device."""
        return self.namespace.from_dlpack(x)

    def exportable(self, x: Array, copy: bool | None = None) -> Array:
        """``x``, or a copy where other libraries could not read its memory; with ``copy`` False ``BufferError`` instead."""
        return x

    def dlpack_device(self) -> tuple[int, int]:
        """The kind and the number that DLPack gives this device."""
        kind, index = self.zeros((1,), dtype=self.dtype("int32")).__dlpack_device__()
        return int(kind), int(index)

    def array_interface(self, x: Array, name: str) -> dict[str, Any] | None:
        """``x.__array_interface__`` or ``x.__cuda_array_interface__``; None where it has no such thing."""
        return getattr(x, name, None)

    def synchronize(self) -> None:
        """Wait until all work given to the device is done."""

    def demand(self, condition: Array, message: str, kind: type[Exception]) -> None:
        """Raise an error of this kind unless all truth values are true: now, or where looking would wait for the device, when one
        next waits for it."""
        if not bool(self.namespace.all(condition)):
            raise kind(message)

    def raise_pending(self) -> None:
        """Raise what the device found out of range since it was last waited for; called where one waits anyway."""

    def empty_cache(self) -> None:
        """Give memory that is not in use back to the device."""

    def memory_stats(self) -> dict[str, int]:
        """Bytes in use and reserved on the device, where its library counts them."""
        return {}

    # Types -----------------------------------------------------------------------------------------------------------

    def dtype(self, name: str) -> Any:
        """The library's own dtype object for ``name``."""
        found = getattr(self.namespace, name, None)
        if found is None:
            raise TypeError(f"{name} is not supported on {self.name}: its array library has no such type")
        return found

    # Memory ----------------------------------------------------------------------------------------------------------

    def root(self, x: Array) -> Any:
        """The object that owns the memory of ``x``: equal for an array and its views, and alive as long as they are."""
        return x

    def owns(self, x: Array) -> bool:
        """Whether ``x`` has its memory for itself (is no view of another array)."""
        return False

    def is_view(self, view: Array, of: Array) -> bool:
        """Whether ``view``, made from ``of`` by a shaping operation, shares its memory."""
        return False

    def whole_of(self, parts: Sequence[Array], shape: tuple[int, ...], axis: int) -> Array | None:
        """The array of which these are the parts, side by side in one dimension, if they lie in its memory; else None."""
        return None

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Broadcast to ``shape`` for reading only: a view or a copy, whatever is faster."""
        return self.namespace.broadcast_to(x, shape)

    def viewable(self, x: Array) -> Array:
        """``x`` itself, or the same value in memory that views can share, where ``x`` has none."""
        return x

    def address(self, x: Array) -> int:
        """Where in memory the first element of an array lies."""
        if hasattr(x, "data_ptr"):
            return int(x.data_ptr())
        if hasattr(x, "__cuda_array_interface__"):
            return int(x.__cuda_array_interface__["data"][0])
        if hasattr(x, "__array_interface__"):
            return int(x.__array_interface__["data"][0])
        raise TypeError(f"address: arrays of {self.name} do not tell where they lie in memory")

    def is_contiguous(self, x: Array) -> bool:
        """Whether the elements lie in memory in the order of the dimensions, last one fastest."""
        return True

    def strides(self, x: Array) -> tuple[int, ...]:
        """How many elements apart in memory neighbours along each dimension lie."""
        return tuple(math.prod(x.shape[i + 1 :]) for i in range(len(x.shape)))

    def contiguous(self, x: Array) -> Array:
        """A copy whose elements lie in memory in the order of the dimensions."""
        return self.namespace.asarray(x, copy=True)

    def alias(self, x: Array) -> Array:
        """Another array object on the same values (on the same memory, where arrays are mutable)."""
        return self.namespace.asarray(x, copy=True)

    def copy(self, x: Array) -> Array:
        """A fresh array with the same values."""
        return self.namespace.asarray(x, copy=True)

    def write(self, target: Array, value: Array) -> Array:
        """Overwrite ``target`` with ``value`` (same shape) and return it; a new array where arrays are immutable."""
        return self.setitem(target, ..., value)

    def is_writable(self, x: Array) -> bool:
        """Whether ``x`` can be written: not where several of its elements are one in memory, or where it is locked."""
        return True

    def lock(self, x: Array) -> bool:
        """Write-protect the memory of ``x``, if it can be done; whether it was done."""
        return False

    def unlock(self, x: Array) -> None:
        """Undo :meth:`lock`."""

    def read_only(self, x: Array) -> Array:
        """Another array on the memory of ``x`` that refuses writes, where that can be had, else ``x`` itself."""
        return x
