"""What a backend is: an array namespace, and the functions that the array standard lacks.

A backend gives its arrays, which the engine never looks into, and functions on them. The functions of the Python
array-API
standard (https://data-apis.org/array-api) are taken from :attr:`Backend.namespace` and become attributes of the
backend, so that
operations write ``xp.exp(x)``. The rest, the *extensions* below, have a portable default written on the standard
alone; a
backend overrides those that its library does better.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.backends import _attention, _gamma, _indexing, _lu, _rules, _special

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
    def rounded_once(self: Backend, x: Array, *args: Any) -> Array:
        if name_of(x.dtype) not in HALF:
            return formula(self, x, *args)
        wide = [self.astype(a, self.float32) if getattr(a, "dtype", None) == x.dtype else a for a in args]
        return self.astype(formula(self, self.astype(x, self.float32), *wide), x.dtype)

    return rounded_once


class BackendError(RuntimeError):
    """A device that isn't there; the message says what is missing and how to get it."""


class Backend:
    """An array library behind a uniform face.

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

    def at(self, index: int) -> Backend:
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

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Broadcast to ``shape`` for reading only: a view or a copy, whatever is faster."""
        return self.namespace.broadcast_to(x, shape)

    def viewable(self, x: Array) -> Array:
        """``x`` itself, or the same value in memory that views can share, where ``x`` has none."""
        return x

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

    # Indexing --------------------------------------------------------------------------------------------------------

    def check_index(self, shape: tuple[int, ...], index: Any) -> None:
        """Raise ``IndexError`` where an index of an array of this shape is out of range; waits for the device."""
        _indexing.check(self, shape, index)

    def in_range(self, index: Array, n: int) -> Array:
        """An integer array with negative numbers counted from the end; raises ``IndexError`` when one is out of range.

        The check waits for the device; a backend with ``checks_indices`` False leaves it out.
        """
        if self.checks_indices:
            low, high = self.bounds(index)
            if low < -n or high >= n:
                raise IndexError(f"index {low if low < -n else high} is out of range for a dimension of size {n}")
        return self.namespace.where(index < 0, index + n, index)

    def getitem(self, x: Array, index: Any) -> Array:
        """``x[index]`` for every NumPy form of index; raises ``IndexError`` when out of range."""
        places = _indexing.places(self, tuple(x.shape), index)
        flat = self.reshape(x, (-1,))
        return self.reshape(self.take(flat, self.reshape(places, (-1,))), tuple(places.shape))

    def setitem(self, x: Array, index: Any, value: Any) -> Array:
        """``x[index] = value``, in place where arrays are mutable; returns the array."""
        return self._put(_indexing.put, x, index, value)

    def index_add(self, x: Array, index: Any, value: Any) -> Array:
        """Add ``value`` at ``x[index]``, repeated positions adding up, in place where arrays are mutable.

        Of half precision in single precision, since a sum of many small numbers stands still otherwise.
        """
        if name_of(x.dtype) not in HALF:
            return self.index_combine(x, index, value, "add")
        wide = self.index_combine(self.astype(x, self.float32), index, self.astype(value, self.float32), "add")
        return self.write(x, self.astype(wide, x.dtype))

    def index_combine(self, x: Array, index: Any, value: Any, how: str) -> Array:
        """Combine ``value`` with ``x[index]`` by "add", "multiply", "maximum" or "minimum", repeated positions one after
        the other, in place where arrays are mutable."""
        put = functools.partial(_indexing.put_combined, combine=getattr(self, how))
        return self._put(put, x, index, value)

    def _put(self, put: Callable[..., Array], x: Array, index: Any, value: Any) -> Array:
        places = _indexing.places(self, tuple(x.shape), index)
        value = self.asarray(value, dtype=x.dtype) if isinstance(value, (bool, int, float)) else value
        spare = len(value.shape) - len(places.shape)  # dimensions of size 1 in front
        value = self.reshape(value, tuple(value.shape)[max(spare, 0) :])
        values = self.reshape(self.broadcast_to(self.astype(value, x.dtype), tuple(places.shape)), (-1,))
        flat = put(self, self.reshape(x, (-1,)), self.reshape(places, (-1,)), values)
        return self.reshape(flat, tuple(x.shape))

    def occurrences(self, numbers: Array) -> Array:
        """For each element of a non-empty vector of integers, how many equal ones come before it."""
        ns = self
        order = ns.argsort(numbers, stable=True)
        ordered = ns.take(numbers, order)
        starts = ns.concat([ns.ones((1,), dtype=ns.bool), ordered[1:] != ordered[:-1]])
        group = ns.cumulative_sum(ns.astype(starts, numbers.dtype)) - 1
        rank = ns.arange(numbers.shape[0]) - ns.take(ns.nonzero(starts)[0], group)
        return self.setitem(ns.zeros_like(rank), order, rank)

    def take_rows(self, table: Array, rows: Array) -> Array:
        """``table[rows]`` for an integer array ``rows``; raises ``IndexError`` when out of range."""
        return self.getitem(table, rows)

    def sum_rows(self, rows: Array, values: Array) -> tuple[Array, Array]:
        """Distinct ``rows`` and, for each, the sum of its ``values``: (R,), (R, D) to (U,), (U, D)."""
        ns = self
        distinct, inverse = ns.unique_inverse(rows)
        sums = ns.zeros((distinct.shape[0], *values.shape[1:]), dtype=values.dtype)
        return distinct, self.index_add(sums, ns.reshape(inverse, (-1,)), values)

    def gcd(self, x: Array, y: Array) -> Array:
        """The greatest common divisor of integers, by Euclid."""
        ns = self.namespace
        x, y = ns.broadcast_arrays(x, y)
        x, y = (v if "uint" in str(v.dtype) else ns.abs(v) for v in (x, y))
        while bool(ns.any(y != 0)):
            x, y = ns.where(y == 0, x, y), ns.where(y == 0, y, x % ns.where(y == 0, ns.ones_like(y), y))
        return x

    def lcm(self, x: Array, y: Array) -> Array:
        """The least common multiple of integers."""
        ns = self.namespace
        common = self.gcd(x, y)
        size = y if "uint" in str(y.dtype) else ns.abs(y)
        multiple = x // ns.where(common == 0, ns.ones_like(common), common) * size
        return multiple if "uint" in str(multiple.dtype) else ns.abs(multiple)

    def bounds(self, x: Array) -> tuple[int, int]:
        """The smallest and largest of an integer array, (0, -1) when it is empty; waits for the device."""
        if 0 in x.shape:
            return 0, -1
        return int(self.namespace.min(x)), int(self.namespace.max(x))

    def argsort_stable(self, x: Array, axis: int, descending: bool) -> Array:
        """The stable order that sorts along ``axis``."""
        return self.namespace.argsort(x, axis=axis, descending=descending, stable=True)

    # Windows ---------------------------------------------------------------------------------------------------------

    def strided_places(self, size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
        """Where in memory element (i, j, …) of a strided view lies: offset + i · stride[0] + j · stride[1] + …"""
        ns = self
        places = ns.reshape(ns.arange(1) + offset, (1,) * len(size))
        for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
            places = places + ns.reshape(ns.arange(n) * step, (*(1,) * axis, n, *(1,) * (len(size) - axis - 1)))
        return places

    def as_strided(self, x: Array, size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
        """The elements of a contiguous array at :meth:`strided_places`; a view where the library can make one."""
        ns = self
        places = ns.strided_places(size, stride, offset)
        return ns.reshape(ns.take(ns.reshape(x, (-1,)), ns.reshape(places, (-1,))), tuple(size))

    def windows(self, x: Array, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Array:
        """All windows over the last dimensions, (…, *lengths) to (…, *sizes, *counts), for reading only.

        Element (k, i) of a dimension is x[i · step + k · dilation]; a view or a copy, whatever is faster.
        """
        ns = self
        lead = len(x.shape) - len(sizes)
        order = [*range(lead)]
        for j, (size, step, dilation) in enumerate(zip(sizes, steps, dilations, strict=True)):
            axis = lead + 2 * j
            count = (x.shape[axis] - dilation * (size - 1) - 1) // step + 1
            places = ns.reshape(ns.arange(size) * dilation, (-1, 1)) + ns.arange(count) * step
            x = ns.take(x, ns.reshape(places, (-1,)), axis=axis)
            x = ns.reshape(x, (*x.shape[:axis], size, count, *x.shape[axis + 1 :]))
        order += [lead + 2 * j for j in range(len(sizes))] + [lead + 2 * j + 1 for j in range(len(sizes))]
        return ns.permute_dims(x, tuple(order))

    def overlap_add(self, w: Array, lengths: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Array:
        """The adjoint of :meth:`windows`: (…, *sizes, *counts) to (…, *lengths), what overlaps adding up."""
        n = len(lengths)
        lead, sizes, counts = w.shape[: -2 * n], w.shape[-2 * n : -n], w.shape[-n:]
        out = self.zeros((*lead, *lengths), dtype=w.dtype)
        for offset in itertools.product(*map(range, sizes)):
            places = tuple(
                slice(k * d, k * d + s * (c - 1) + 1, s) if c else slice(0, 0)
                for k, s, d, c in zip(offset, steps, dilations, counts, strict=True)
            )
            part = w[(..., *offset, *[slice(None)] * n)]
            out = self.setitem(out, (..., *places), out[(..., *places)] + part)
        return out

    def kth_place(self, x: Array, k: int, axis: int) -> Array:
        """Where the ``k``-th smallest along ``axis`` stands, keeping the axis."""
        order = self.namespace.moveaxis(self.argsort_stable(x, axis, False), axis, 0)
        return self.namespace.moveaxis(order[k : k + 1, ...], 0, axis)

    def top_places(self, x: Array, k: int, axis: int, largest: bool) -> Array:
        """Where the ``k`` largest or smallest along ``axis`` stand, in order."""
        order = self.namespace.moveaxis(self.argsort_stable(x, axis, largest), axis, 0)
        return self.namespace.moveaxis(order[:k, ...], 0, axis)

    # Arithmetic ------------------------------------------------------------------------------------------------------

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Array:
        """The sum over axes; of booleans, which the standard does not add, how many are true."""
        if x.dtype == self.bool:
            x = self.astype(x, self.int64)
        return self.namespace.sum(x, axis=axis, keepdims=keepdims, dtype=dtype)

    def add_into(self, x: Array, y: Array) -> Array:
        """``x + y``, in place of ``x`` where arrays are mutable; ``x`` must be ours."""
        x += y
        return x

    def sum_squares(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """The sum of the squares of all elements, or over ``axis``; of half precision in single precision."""
        ns = self
        if name_of(x.dtype) in HALF:
            x = ns.astype(x, ns.float32)
        return ns.sum(x * x, axis=axis, keepdims=keepdims)

    def total_squares(self, arrays: Sequence[Array]) -> Array:
        """The sum of the squares of all elements of all arrays (at least one)."""
        return functools.reduce(lambda x, y: x + y, map(self.sum_squares, arrays))

    def scale_all_into(self, arrays: Sequence[Array], factor: Array) -> list[Array]:
        """:meth:`scale_into` for several arrays."""
        return [self.scale_into(a, factor) for a in arrays]

    def scale_into(self, x: Array, factor: Array) -> Array:
        """``x · factor`` for a factor without dimensions, in place of ``x`` where arrays are mutable; ``x`` must be ours."""
        x *= self.namespace.astype(factor, x.dtype)
        return x

    # Optimizer steps -------------------------------------------------------------------------------------------------

    def mix(self, y: Array, b: float, x: Array, a: float) -> Array:
        """b · y + a · x for numbers a and b, in place of ``y`` where arrays are mutable; ``y`` must be ours."""
        if not self.mutable:
            return y * b + x * a
        y *= b
        y += x * a
        return y

    def apply_rule(self, rule: Callable[..., tuple[Array, ...]], held: list[list[Array]], elementwise: bool) -> None:
        """Run an optimizer's rule for several parameters.

        Parameters
        ----------
        rule : callable
            ``rule(p, g, *state)`` returns the new p and state; by :meth:`mix` it may write on what it gets, but for the
            gradient g.
        held : list of [p, g, *state]
            The arrays of each parameter, overwritten, or replaced in the lists where arrays cannot be written. All have the
            same types.
        elementwise : bool
            Whether the rule treats every element alike, so that arrays may be cut, joined and reshaped.
        """
        _rules.apply(self, rule, held, elementwise)

    @in_single
    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + e⁻ˣ), written with e to the power of -|x| so that nothing overflows."""
        e = self.namespace.exp(-self.namespace.abs(x))
        return self.namespace.where(x >= 0, 1 / (1 + e), e / (1 + e))

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return self.namespace.maximum(x, self.namespace.zeros_like(x))

    @in_single
    def softmax(self, x: Array, axis: int) -> Array:
        """exp(x - max) / Σ exp(x - max) along an axis."""
        e = self.namespace.exp(x - self.namespace.max(x, axis=axis, keepdims=True))
        return e / self.namespace.sum(e, axis=axis, keepdims=True)

    def log_softmax(self, x: Array, axis: int) -> Array:
        """x - ln Σ exp(x) along an axis, without overflow."""
        ns = self.namespace
        centred = x - ns.max(x, axis=axis, keepdims=True)
        return centred - ns.log(ns.sum(ns.exp(centred), axis=axis, keepdims=True))

    # Attention, whose arguments are q, k, v, mask, causal, scale and dropout; _attention.py says what they are ----------

    def attention(self, *args: Any) -> tuple[Array, Array]:
        """The result, and what :meth:`attention_backward` needs of each row's sum."""
        return _attention.attention(self, *args)

    def attention_backward(
        self, g: Array, args: tuple[Any, ...], out: Array, sums: Array, needed: Sequence[bool]
    ) -> tuple[Any, ...]:
        """The gradients of queries, keys, values and mask, as far as they are needed."""
        return _attention.attention_backward(self, g, args, out, sums, needed)

    def attention_kept(self, dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
        """Which weights of some rows of (B, H, L, S) :meth:`attention` keeps with a probability and a seed of dropout."""
        return self.from_host(_host().attention_kept(dropout, shape, rows), self.index)

    def in_blocks(self, function: Callable[..., Any], *arrays: Array) -> Any:
        """``function(*arrays)``, an elementwise formula on arrays of one shape, in parts if that is faster."""
        return function(*arrays)

    def exp2(self, x: Array) -> Array:
        """Two to the power of x."""
        return 2.0**x

    @in_single
    def logaddexp2(self, x: Array, y: Array) -> Array:
        """log₂(2ˣ + 2ʸ)."""
        ns = self
        return ns.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)

    def fmod(self, x: Array, y: Any) -> Array:
        """The remainder with the sign of ``x``."""
        ns = self
        rest = ns.remainder(ns.abs(x), abs(y))
        return ns.where(x < 0, -rest, rest)

    def fmax(self, x: Array, y: Any) -> Array:
        """The larger, and the number where the other is NaN."""
        ns = self
        return ns.where(y != y, x, ns.where(x != x, y, ns.maximum(x, y)))

    def fmin(self, x: Array, y: Any) -> Array:
        """The smaller, and the number where the other is NaN."""
        ns = self
        return ns.where(y != y, x, ns.where(x != x, y, ns.minimum(x, y)))

    def erf(self, x: Array) -> Array:
        """The error function."""
        return _special.erf(self, x)

    def erfc(self, x: Array) -> Array:
        """1 - erf(x), exact where it is tiny."""
        return _special.erfc(self, x)

    def erfinv(self, x: Array) -> Array:
        """The inverse of the error function."""
        return _special.erfinv(self, x)

    def lgamma(self, x: Array) -> Array:
        """ln |Γ(x)|, in double precision on the way."""
        ns = self
        return ns.astype(_gamma.log_gamma(self.namespace, ns.astype(x, ns.float64)), x.dtype)

    def polygamma(self, n: int, x: Array) -> Array:
        """The (n + 1)-th derivative of ln Γ(x), in double precision on the way."""
        ns = self
        return ns.astype(_gamma.poly_gamma(self.namespace, n, ns.astype(x, ns.float64)), x.dtype)

    # Running reductions along one axis, by doubling the reach -----------------------------------------------------------

    def _running(self, combine: Callable[[Array, Array], Array], x: Array, axis: int) -> Array:
        ns = self
        x = ns.moveaxis(x, axis, 0)
        reach = 1
        while reach < x.shape[0]:
            x = ns.concat([x[:reach, ...], combine(x[:-reach, ...], x[reach:, ...])], axis=0)
            reach *= 2
        return ns.moveaxis(x, 0, axis)

    def cumulative_prod(self, x: Array, axis: int, dtype: Any) -> Array:
        """The running product, computed in ``dtype``."""
        return self._running(lambda p, q: p * q, self.namespace.astype(x, dtype), axis)

    def cumulative_max(self, x: Array, axis: int) -> Array:
        """The largest element so far; NaN from the first NaN on."""
        return self._running(self.namespace.maximum, x, axis)

    def cumulative_min(self, x: Array, axis: int) -> Array:
        """The smallest element so far; NaN from the first NaN on."""
        return self._running(self.namespace.minimum, x, axis)

    @in_single
    def cumulative_logaddexp(self, x: Array, axis: int) -> Array:
        """The running ln Σ eˣ."""
        return self._running(self.namespace.logaddexp, x, axis)

    def linear_recurrence(self, a: Array, b: Array, axis: int) -> Array:
        """s[k] = a[k] s[k-1] + b[k] along ``axis``, from s[-1] = 0."""
        ns = self
        s, p = ns.moveaxis(b, axis, 0), ns.moveaxis(a, axis, 0)
        p = ns.concat([ns.zeros_like(p[:1, ...]), p[1:, ...]], axis=0)
        reach = 1
        while reach < s.shape[0]:
            s = ns.concat([s[:reach, ...], p[reach:, ...] * s[:-reach, ...] + s[reach:, ...]], axis=0)
            p = ns.concat([p[:reach, ...], p[reach:, ...] * p[:-reach, ...]], axis=0)
            reach *= 2
        return ns.moveaxis(s, 0, axis)

    # Linear algebra: the extension "linalg" of the array standard --------------------------------------------------------

    def diagonal(self, x: Array, offset: int) -> Array:
        """The diagonal of the last two axes, a view where the library can make one that can be written to."""
        rows, columns = x.shape[-2:]
        n = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
        ns = self
        flat = ns.reshape(x, (*x.shape[:-2], rows * columns))
        first = max(offset, 0) - min(offset, 0) * columns
        return ns.take(flat, first + ns.arange(n) * (columns + 1), axis=-1)

    def inv(self, x: Array) -> Array:
        """The inverse of each matrix."""
        return self.namespace.linalg.inv(x)

    def solve(self, a: Array, b: Array) -> Array:
        """The X with a X = b, for matrices b."""
        return self.namespace.linalg.solve(a, b)

    def lu(self, x: Array) -> tuple[Array, Array]:
        """L, without its ones, and U of matrices in one array, and the order of the rows: (L U)[i] = x[order[i]]."""
        return _lu.lu(self, x)

    def solve_triangular(self, a: Array, b: Array, upper: bool, unit: bool) -> Array:
        """The X with a X = b, looking only at one triangle of a, with a diagonal of ones if ``unit``."""
        ns = self
        eye = ns.eye(a.shape[-1], dtype=a.dtype)
        a = ns.triu(a, k=int(unit)) if upper else ns.tril(a, k=-int(unit))
        return self.solve(a + eye if unit else a, b)

    def det(self, x: Array) -> Array:
        """The determinant of each matrix."""
        return self.namespace.linalg.det(x)

    def slogdet(self, x: Array) -> tuple[Array, Array]:
        """The sign of the determinant and the logarithm of its size."""
        sign, size = self.namespace.linalg.slogdet(x)
        return sign, size

    def cholesky(self, x: Array) -> Array:
        """The lower Cholesky factor of each matrix, of which only the lower triangle is looked at."""
        return self.namespace.linalg.cholesky(x)

    def qr(self, x: Array, mode: str) -> tuple[Array, Array]:
        """Q and R, "reduced" or "complete"."""
        q, r = self.namespace.linalg.qr(x, mode=mode)
        return q, r

    def svd(self, x: Array, full: bool) -> tuple[Array, Array, Array]:
        """U, the singular values in descending order, and Vᵀ."""
        u, s, vh = self.namespace.linalg.svd(x, full_matrices=full)
        return u, s, vh

    def eigh(self, x: Array, upper: bool) -> tuple[Array, Array]:
        """Eigenvalues in ascending order and eigenvectors, looking only at one triangle."""
        ns = self
        part = ns.triu(x) if upper else ns.tril(x)
        other = ns.triu(x, k=1) if upper else ns.tril(x, k=-1)
        w, v = self.namespace.linalg.eigh(part + ns.matrix_transpose(other))
        return w, v

    # Random numbers: by default drawn on the host, so that a seed gives the same numbers on every backend ---------------

    def _drawn(self, kind: str, *args: Any) -> Array:
        return self.from_host(getattr(_host(), kind)(*args), self.index)

    def generator(self, seed: int) -> Any:
        """A random generator object of this backend, seeded."""
        return _host().generator(seed)

    def random_seed(self, generator: Any) -> int:
        """A number that a generator of its own can start from; never waits for the device."""
        return int(_host().random_integers(generator, 0, 1 << 62, ()))

    def random_uniform(self, generator: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Uniform numbers in [0, 1)."""
        return self._drawn("random_uniform", generator, shape, _host().dtype(name_of(dtype)))

    def random_normal(self, generator: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Standard normal numbers."""
        return self._drawn("random_normal", generator, shape, _host().dtype(name_of(dtype)))

    def random_integers(self, generator: Any, low: int, high: int, shape: Sequence[int]) -> Array:
        """Integers in [low, high)."""
        return self._drawn("random_integers", generator, low, high, shape)

    def random_permutation(self, generator: Any, n: int) -> Array:
        """A permutation of 0 … n-1."""
        return self._drawn("random_permutation", generator, n)

    def random_poisson(self, generator: Any, rates: Array) -> Array:
        """Numbers of events, as int64, where ``rates`` are expected."""
        return self._drawn("random_poisson", generator, self.to_host(rates))

    def get_random_state(self, generator: Any) -> str:
        """The generator's state as text."""
        state: str = _host().get_random_state(generator)
        return state

    def set_random_state(self, generator: Any, state: str) -> None:
        """Restore what :meth:`get_random_state` gave."""
        _host().set_random_state(generator, state)


def load(device: str, module: str, extra: str, other: str = "") -> Any:
    """Import the array library behind a device, or say in one line what is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        hint = f"pip install 'tinygrad_edu[{extra}]'{other and ' ' + other}"
        raise BackendError(f"device {device!r} needs {module} ({error}): {hint}") from None


def name_of(dtype: Any) -> str:
    """The standard's name of a library's dtype object, such as ``float32``."""
    return str(dtype).rsplit(".", 1)[-1]


def _host() -> Any:
    from tinygrad_edu import backends

    return backends.get("cpu")
