"""NumPy on the CPU."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.backends import (
    _numpy_attention,
    _numpy_blas,
    _numpy_indexing,
    _numpy_kernels,
    _numpy_optim,
    _numpy_scratch,
    _numpy_special,
    _numpy_threads,
)
from tinygrad_edu.backends import _numpy_elementwise as _elementwise
from tinygrad_edu.backends.base import Array, Backend, BackendError

# log(0) is -inf and 0/0 is NaN, as everywhere in deep learning, without a warning from the inside of this package;
# anomaly mode finds the line of the first NaN. The filter leaves NumPy's warnings in other people's code alone.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_edu\b")

_SCALARS = (
    *(np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
    *(np.float16, np.float32, np.float64),
)

_Strided: Any = type(np.lib.stride_tricks.as_strided(np.empty(1)).base)  # stands between a strided view and its memory


class NumpyBackend(Backend):
    """Arrays are ``numpy.ndarray``; results without dimensions may be NumPy scalars, which are faster to compute
    with."""

    name = "cpu"
    namespace = np
    array_types = (np.ndarray, *_SCALARS)
    mutable = True
    kernels = _numpy_kernels.KERNELS
    linalg_errors = (np.linalg.LinAlgError,)

    def __init__(self, index: int = 0) -> None:
        super().__init__(index)
        _numpy_scratch.keep_freed_memory()

    def from_host(self, x: Any, index: int) -> Array:
        if index:
            raise BackendError(f"device 'cpu:{index}': there is one cpu")
        return x

    def from_buffer(self, memory: Any, dtype: Any) -> Array:
        return np.frombuffer(memory, dtype)

    def to_host(self, x: Array) -> Any:
        return np.asarray(x)

    def dtype(self, name: str) -> Any:
        if name == "bfloat16":
            raise TypeError("bfloat16 is not supported on the cpu: NumPy has no such type; use float32 or float16")
        return np.dtype(name)

    def astype(self, x: Array, dtype: Any) -> Array:
        """``x`` in another type; ``x`` itself when it has that type."""
        return x.astype(dtype, copy=False)

    # The methods of an array are two to five times faster than the functions of the namespace.

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Array:
        """Sum over axes."""
        if dtype is None and x.size >= _elementwise.LARGE and _elementwise.can_sum_last(x):
            if axis is None or axis == tuple(range(x.ndim)):
                return _elementwise.total(x).reshape((1,) * x.ndim if keepdims else ())[()]
            if axis in (-1, x.ndim - 1):
                out = _elementwise.last_axis(x)
                return out[..., None] if keepdims else out
        if axis == 0 and dtype is None and _elementwise.can_sum_first(x):
            out = _elementwise.first_axis(x)
            return out[None] if keepdims else out
        return x.sum(axis, dtype, None, keepdims)

    def reshape(self, x: Array, shape: tuple[int, ...]) -> Array:
        """The same elements in another shape."""
        return x.reshape(shape)

    def permute_dims(self, x: Array, axes: tuple[int, ...]) -> Array:
        """The dimensions in another order."""
        return x.transpose(axes)

    def spread(self, x: Array, shape: tuple[int, ...]) -> Array:
        if math.prod(shape) > 1 << 16:
            return np.broadcast_to(x, shape)
        out = np.empty(shape, x.dtype)
        out[...] = x
        return out

    # Memory ----------------------------------------------------------------------------------------------------------

    def root(self, x: Array) -> Any:
        while type(x) is np.ndarray and x.base is not None:
            x = x.base
            if isinstance(x, _Strided):
                x = x.base
        return x

    def owns(self, x: Array) -> bool:
        return type(x) is not np.ndarray or x.base is None

    def is_view(self, view: Array, of: Array) -> bool:
        if type(view) is not np.ndarray or view.base is None:
            return False
        return view.base is of or view.base is of.base or self.root(view) is self.root(of)

    def whole_of(self, parts: Sequence[Array], shape: tuple[int, ...], axis: int) -> Array | None:
        root = self.root(parts[0])
        if root.size != math.prod(shape) or root.dtype != parts[0].dtype or not root.flags.c_contiguous:
            return None
        whole, stop = root.reshape(shape), 0
        for part in parts:
            start, stop = stop, stop + part.shape[axis]
            place = whole[(slice(None),) * axis + (slice(start, stop),)]
            if (
                self.root(part) is not root
                or _numpy_blas.address(place) != _numpy_blas.address(part)
                or place.strides != part.strides
            ):
                return None
        return whole

    def viewable(self, x: Array) -> Array:
        return x if type(x) is np.ndarray else np.array(x)

    def is_contiguous(self, x: Array) -> bool:
        return type(x) is not np.ndarray or x.flags.c_contiguous

    def strides(self, x: Array) -> tuple[int, ...]:
        return tuple(s // x.itemsize for s in x.strides)

    def contiguous(self, x: Array) -> Array:
        return np.array(x, order="C")

    def alias(self, x: Array) -> Array:
        return x[...] if type(x) is np.ndarray else np.array(x)

    def copy(self, x: Array) -> Array:
        return np.array(x)

    def write(self, target: Array, value: Array) -> Array:
        if type(target) is not np.ndarray:  # a NumPy scalar is immutable, and nobody shares it
            return np.array(value, dtype=target.dtype)
        target[...] = value
        return target

    def is_writable(self, x: Array) -> bool:
        return type(x) is not np.ndarray or x.flags.writeable

    def lock(self, x: Array) -> bool:
        if type(x) is np.ndarray and x.flags.writeable:
            x.flags.writeable = False
            return True
        return False

    def unlock(self, x: Array) -> None:
        if not any(stride == 0 and n > 1 for stride, n in zip(x.strides, x.shape, strict=True)):
            x.flags.writeable = True

    def read_only(self, x: Array) -> Array:
        if type(x) is not np.ndarray:
            return x
        x = x[...]
        x.flags.writeable = False
        return x

    def exportable(self, x: Array, copy: bool | None = None) -> Array:
        """Some libraries cannot stand negative strides: PyTorch ends the whole process."""
        if all(stride >= 0 for stride in x.strides):
            return x
        if copy is False:
            raise BufferError("__dlpack__: copy=False, but the memory is read backwards, which is exported as a copy")
        return np.array(x, order="C")

    def array_interface(self, x: Array, name: str) -> dict[str, Any] | None:
        """With the memory itself in place of its address, so that whoever holds it keeps it alive."""
        if name != "__array_interface__":
            return None
        interface: dict[str, Any] = x.__array_interface__
        if not x.size:
            return interface
        low, high = np.lib.array_utils.byte_bounds(x)
        forward = x[(..., *(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides))]
        first = forward[(..., *(slice(0, 1),) * x.ndim)].reshape(1).view(np.uint8)
        memory = np.lib.stride_tricks.as_strided(first, (high - low,), (1,), writeable=x.flags.writeable)
        offset = interface["data"][0] - low
        return {**interface, "data": memory, "offset": offset, "strides": x.strides}

    # Indexing --------------------------------------------------------------------------------------------------------

    def getitem(self, x: Array, index: Any) -> Array:
        if type(x) is not np.ndarray:
            return np.array(x)[index]  # scalars take masks for something else
        where = _numpy_indexing.places(x, index)
        return x[index] if where is None else x.reshape(-1).take(where)

    def setitem(self, x: Array, index: Any, value: Array) -> Array:
        if type(x) is not np.ndarray:
            x = np.array(x)
        where = _numpy_indexing.places(x, index)
        if where is None:
            if not _numpy_indexing.put_rows(x, index, value):
                x[index] = value
        else:
            x.reshape(-1)[where] = value
        return x

    def index_add(self, x: Array, index: Any, value: Array) -> Array:
        x = self.viewable(x)
        if not _numpy_indexing.repeats(index):
            x[index] += value
            return x
        if x.dtype == np.float16:  # sums of half precision in single precision
            x[...] = self.index_add(x.astype(np.float32), index, np.asarray(value, np.float32))
            return x
        rows = _numpy_indexing.neighbouring(x, index)
        if rows is None:
            return self.index_combine(x, index, value, "add")
        _numpy_indexing.add_rows(x, *rows, value)
        return x

    def index_combine(self, x: Array, index: Any, value: Array, how: str) -> Array:
        x = self.viewable(x)
        ufunc = getattr(np, how)
        if not x.flags.c_contiguous:
            ufunc.at(x, index, value)
            return x
        where = _numpy_indexing.places(x, index)
        if where is None:
            where = _numpy_indexing.all_places(x.shape, index)
        value = np.broadcast_to(value, where.shape).reshape(-1)
        # In one dimension alone is ufunc.at fast.
        ufunc.at(x.reshape(-1), where.reshape(-1), value.astype(x.dtype, copy=False))
        return x

    def take_rows(self, table: Array, rows: Array) -> Array:
        return table.take(rows, 0)

    def sum_rows(self, rows: Array, values: Array, n: int) -> tuple[Array, Array]:
        return _numpy_indexing.sum_rows(rows, values, n)

    def gcd(self, x: Array, y: Array) -> Array:
        return np.gcd(x, y)

    def lcm(self, x: Array, y: Array) -> Array:
        return np.lcm(x, y)

    def bounds(self, x: Array) -> tuple[int, int]:
        return (int(x.min()), int(x.max())) if x.size else (0, -1)

    def argsort_stable(self, x: Array, axis: int, descending: bool) -> Array:
        if not descending:
            return np.argsort(x, axis=axis, kind="stable")
        # Sorting the reversed array and reversing the result keeps equal elements in their order.
        n = x.shape[axis]
        return np.flip(n - 1 - np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)

    # Windows ---------------------------------------------------------------------------------------------------------

    def windows(self, x: Array, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Array:
        n = len(sizes)
        inner, jumps = x.shape[-n:], x.strides[-n:]
        counts = [(m - d * (k - 1) - 1) // s + 1 for m, k, s, d in zip(inner, sizes, steps, dilations, strict=True)]
        strides = [j * d for j, d in zip(jumps, dilations, strict=True)]
        strides += [j * s for j, s in zip(jumps, steps, strict=True)]
        overlap = any(s < d * (k - 1) + 1 for k, s, d in zip(sizes, steps, dilations, strict=True))
        return np.lib.stride_tricks.as_strided(
            x, (*x.shape[:-n], *sizes, *counts), (*x.strides[:-n], *strides), writeable=not overlap
        )

    def as_strided(self, x: Array, size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
        reach, distinct = 0, True
        for step, n in sorted(zip(stride, size, strict=True)):
            distinct &= n < 2 or step > reach
            reach += step * (n - 1)
        return np.lib.stride_tricks.as_strided(
            x.reshape(-1)[offset:],
            tuple(size),
            [step * x.itemsize for step in stride],
            writeable=distinct and x.flags.writeable,
        )

    def kth_place(self, x: Array, k: int, axis: int) -> Array:
        return np.take(np.argpartition(x, k, axis=axis), [k], axis=axis)

    def top_places(self, x: Array, k: int, axis: int, largest: bool) -> Array:
        n = x.shape[axis]
        if n < 64 or 4 * k > n or k == 0:
            return super().top_places(x, k, axis, largest)
        split = np.moveaxis(np.argpartition(x, n - k if largest else k - 1, axis=axis), axis, -1)
        some = np.sort(split[..., n - k :] if largest else split[..., :k], axis=-1)
        values = np.take_along_axis(np.moveaxis(x, axis, -1), some, -1)
        order = self.argsort_stable(values, values.ndim - 1, largest)
        return np.moveaxis(np.take_along_axis(some, order, -1), -1, axis)

    # Arithmetic ------------------------------------------------------------------------------------------------------

    def sum_squares(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        if x.dtype == np.float16:
            x = x.astype(np.float32)
        if axis is None:
            flat = x.ravel(order="K")
            return np.dot(flat, flat)
        axes = axis if isinstance(axis, tuple) else (axis,)
        first = x.ndim - len(axes)
        if axes != tuple(range(first, x.ndim)) or not x.flags.c_contiguous or not x.size:
            return (x * x).sum(axes, None, None, keepdims)
        rows = x.reshape(*x.shape[:first], -1)
        out = np.vecdot(rows, rows)
        return out.reshape(*x.shape[:first], *(1,) * len(axes)) if keepdims and axes else out

    def scale_into(self, x: Array, factor: Array) -> Array:
        if factor == 1:
            return x
        factor = np.asarray(factor, x.dtype)
        if not x.ndim or not x.flags.writeable:
            return np.asarray(x * factor)
        _numpy_threads.split(lambda part: np.multiply(x[part], factor, out=x[part]), len(x), x.size)
        return x

    exp = _elementwise.shared(np.exp)
    log = _elementwise.shared(np.log)
    tanh = _elementwise.shared(np.tanh)

    def sigmoid(self, x: Array) -> Array:
        return _elementwise.sigmoid(x)

    def relu(self, x: Array) -> Array:
        return _elementwise.relu(x)

    def softmax(self, x: Array, axis: int) -> Array:
        return _elementwise.softmax(x, axis)

    def attention(self, *args: Any) -> tuple[Array, Array]:
        return _numpy_attention.attention(*args)

    def attention_backward(
        self, g: Array, args: tuple[Any, ...], out: Array, sums: Array, needed: Sequence[bool]
    ) -> tuple[Any, ...]:
        return _numpy_attention.attention_backward(g, args, out, sums, needed)

    def attention_kept(self, dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
        return _numpy_attention.all_kept(dropout, shape, rows)

    def multiply(self, x: Array, y: Array) -> Array:
        """x · y, shared between threads where they are large."""
        return _elementwise.product(x, y)

    def in_blocks(self, function: Callable[..., Any], *arrays: Array) -> Any:
        return _elementwise.in_blocks(function, *arrays)

    def exp2(self, x: Array) -> Array:
        return np.exp2(x)

    def logaddexp2(self, x: Array, y: Array) -> Array:
        return np.logaddexp2(x, y)

    def fmod(self, x: Array, y: Any) -> Array:
        return np.fmod(x, y)

    def fmax(self, x: Array, y: Any) -> Array:
        return np.fmax(x, y)

    def fmin(self, x: Array, y: Any) -> Array:
        return np.fmin(x, y)

    def frexp(self, x: Array) -> tuple[Array, Array]:
        mantissa, exponent = np.frexp(x)
        return mantissa, np.where(np.isfinite(x), exponent, 0).astype(np.int32)

    def erf(self, x: Array) -> Array:
        return super().erf(x) if x.dtype != np.float32 else _numpy_special.erf_single(x)

    # Optimizer steps -------------------------------------------------------------------------------------------------

    def mix(self, y: Array, b: float, x: Array, a: float) -> Array:
        return _numpy_optim.mix(y, b, x, a)

    def apply_rule(self, rule: Callable[..., tuple[Array, ...]], held: list[list[Array]], elementwise: bool) -> None:
        if elementwise:
            _numpy_optim.apply(rule, held)
        else:
            super().apply_rule(rule, held, elementwise)

    # Running reductions ----------------------------------------------------------------------------------------------

    def cumulative_prod(self, x: Array, axis: int, dtype: Any) -> Array:
        return np.multiply.accumulate(x, axis, dtype)

    def cumulative_max(self, x: Array, axis: int) -> Array:
        return np.maximum.accumulate(x, axis)

    def cumulative_min(self, x: Array, axis: int) -> Array:
        return np.minimum.accumulate(x, axis)

    def cumulative_logaddexp(self, x: Array, axis: int) -> Array:
        return np.logaddexp.accumulate(x, axis)

    def linear_recurrence(self, a: Array, b: Array, axis: int) -> Array:
        result = np.empty(b.shape, b.dtype)
        a, b, out = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0), np.moveaxis(result, axis, 0)
        n = len(b)
        start = 0
        if n > 64 and b.size // n < 256:
            start = _recurrence_by_blocks(a, b, out)
        for k in range(start, n):
            out[k] = b[k] if k == 0 else a[k] * out[k - 1] + b[k]
        return result

    # Linear algebra ------------------------------------------------------------------------------------------------------

    def matmul(self, x: Array, y: Array) -> Array:
        return _numpy_threads.matmul(x, y)

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        return _numpy_threads.linear(x, weight, bias)

    def diagonal(self, x: Array, offset: int) -> Array:
        out = x.diagonal(offset, -2, -1)
        out.flags.writeable = x.flags.writeable
        return out

    def eigh(self, x: Array, upper: bool) -> tuple[Array, Array]:
        w, v = np.linalg.eigh(x, "U" if upper else "L")
        return w, v

    # Threads ---------------------------------------------------------------------------------------------------------

    def set_num_threads(self, n: int) -> None:
        """Use ``n`` threads in matrix products and large elementwise work."""
        _numpy_threads.set_num_threads(n)

    def get_num_threads(self) -> int:
        """How many threads are in use."""
        return _numpy_threads.get_num_threads()

    # Random numbers --------------------------------------------------------------------------------------------------

    def generator(self, seed: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(seed))

    def random_uniform(self, generator: np.random.Generator, shape: Sequence[int], dtype: Any) -> Array:
        if dtype == np.float16:
            return (generator.integers(0, 2048, tuple(shape)) / 2048).astype(np.float16)
        return generator.random(tuple(shape), dtype=dtype)

    def random_normal(self, generator: np.random.Generator, shape: Sequence[int], dtype: Any) -> Array:
        if dtype == np.float16:
            return generator.standard_normal(tuple(shape), dtype=np.float32).astype(np.float16)
        return generator.standard_normal(tuple(shape), dtype=dtype)

    def random_integers(self, generator: np.random.Generator, low: int, high: int, shape: Sequence[int]) -> Array:
        return generator.integers(low, high, tuple(shape), dtype=np.int64)

    def random_permutation(self, generator: np.random.Generator, n: int) -> Array:
        return generator.permutation(n)

    def random_poisson(self, generator: np.random.Generator, rates: Array) -> Array:
        return np.asarray(generator.poisson(rates), np.int64)

    def random_binomial(self, generator: np.random.Generator, counts: Array, chances: Array) -> Array:
        return np.asarray(generator.binomial(counts, chances), np.int64)

    def get_random_state(self, generator: np.random.Generator) -> str:
        return json.dumps(generator.bit_generator.state)

    def set_random_state(self, generator: np.random.Generator, state: str) -> None:
        generator.bit_generator.state = json.loads(state)


def _recurrence_by_blocks(a: Array, b: Array, out: Array) -> int:
    """Solve s[k] = a[k] s[k-1] + b[k] for blocks of about √n at once, then carry from block to block.

    Returns how many elements are done: all whole blocks, or none where a block's product is too large to carry with.
    """
    n = len(b)
    size = math.isqrt(n)
    blocks = n // size
    done, rest = blocks * size, b.shape[1:]
    a, b = a[:done].reshape(blocks, size, *rest), b[:done].reshape(blocks, size, *rest)
    s, p = np.empty_like(b), np.empty_like(a)
    s[:, 0], p[:, 0] = b[:, 0], a[:, 0]
    for k in range(1, size):
        s[:, k] = a[:, k] * s[:, k - 1] + b[:, k]
        p[:, k] = a[:, k] * p[:, k - 1]
    if not np.isfinite(p).all():
        return 0
    for i in range(1, blocks):
        s[i] += p[i] * s[i - 1, -1]
    out[:done] = s.reshape(done, *rest)
    return done
