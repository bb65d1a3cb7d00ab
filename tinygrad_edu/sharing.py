"""Tensors on memory that somebody else has made: NumPy arrays, arrays of other libraries, buffers."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.creation import tensor
from tinygrad_edu.device import resolve
from tinygrad_edu.dtypes import from_raw, to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.interchange import borrowed
from tinygrad_edu.tensor import Tensor


def from_numpy(array: Any) -> Tensor:
    """A CPU tensor on the memory of a NumPy array: writing to one writes to the other.

    Of an array that is read-only, the tensor cannot be written to.

    Raises
    ------
    TypeError
        When it is no NumPy array, or one of a type that tensors do not have.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> array = np.zeros(2)
    >>> tg.from_numpy(array)[0] = 1
    >>> array
    array([1., 0.])
    """
    cpu = backends.get("cpu")
    if not backends.is_array(array) or backends.of(array) is not cpu:
        raise TypeError(f"from_numpy: expected a NumPy array, got {describe(array)}")
    return _on(array)


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A CPU tensor of one dimension on the memory of a buffer, such as ``bytes``, ``bytearray``, ``array`` or ``mmap``.

    Of a buffer that is read-only, the tensor cannot be written to.

    Parameters
    ----------
    buffer : object with the buffer protocol
    dtype : dtype
        As what its bytes are read, in the byte order of the machine.
    count : int, default -1
        How many elements; -1 for all that there are, the rest of the bytes then being a multiple of the element's size.
    offset : int, default 0
        How many bytes to skip first.
    requires_grad : bool, default False

    Raises
    ------
    TypeError
        When it is no buffer, or a type that has no place in one.
    ValueError
        When the buffer is empty, or too short.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> memory = bytearray([1, 0, 2, 0])
    >>> x = tg.frombuffer(memory, dtype=tg.int16)
    >>> x[0] = 3
    >>> x, memory[0]
    (tensor([3, 2], dtype=tg.int16), 3)
    """
    kind = to_dtype(dtype)
    try:
        memory = memoryview(buffer).cast("B")
    except TypeError as error:
        raise TypeError(f"frombuffer: expected a buffer in one piece, got {describe(buffer)} ({error})") from None
    host = backends.get("cpu")
    element = host.dtype(kind.name)
    size = kind.itemsize
    left = len(memory) - offset
    n = left // size if count == -1 else count
    if not memory or offset < 0 or n <= 0 or n * size > left or (count == -1 and left % size):
        wanted = "a number of" if count == -1 else count
        raise ValueError(f"frombuffer: {len(memory)} bytes, read from {offset} on, are not {wanted} elements of {kind}")
    return _on(host.from_buffer(memory[offset : offset + n * size], element)).requires_grad_(requires_grad)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of any library's array that speaks DLPack, such as PyTorch's, NumPy's, CuPy's or JAX's.

    The tensor is on the default device if that can use the memory, else on ``cpu`` or ``cuda:N``, where the memory is.

    Parameters
    ----------
    ext_tensor : object with ``__dlpack__`` and ``__dlpack_device__``
    device : str or device, optional
        Where the tensor shall be; the values are copied there if they must be.
    copy : bool, optional
        Whether to copy: always, never (then what needs a copy raises), or by default only where it must be. A library with
        immutable arrays gets a copy.

    Raises
    ------
    TypeError
        When the object does not speak DLPack.
    BufferError
        When its library refuses to share it, for example since it requires a gradient.
    ValueError
        When ``copy=False`` and it cannot be had without.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> array = np.arange(3.0)
    >>> x = tg.from_dlpack(array)
    >>> array[0] = 7
    >>> x
    tensor([7., 1., 2.], dtype=tg.float64)
    """
    if not (hasattr(ext_tensor, "__dlpack__") and hasattr(ext_tensor, "__dlpack_device__")):
        raise TypeError(
            f"from_dlpack: expected an array with __dlpack__ and __dlpack_device__, got {describe(ext_tensor)}; of a capsule pass "
            "the array that it came from"
        )
    if isinstance(ext_tensor, Tensor):
        if ext_tensor.requires_grad:
            raise BufferError("from_dlpack: this tensor requires a gradient; use tensor.detach()")
        ext_tensor = ext_tensor._memory()[1]
    target = resolve(device)
    raw = borrowed(ext_tensor, target)
    found = _on(raw)
    out = found if device is None else found.to(target)
    shared = out is found and (
        backends.of(raw).mutable or (backends.is_array(ext_tensor) and backends.of(ext_tensor) is backends.of(raw))
    )
    if copy is False and not shared:
        raise ValueError(
            f"from_dlpack: copy=False, but what is on {found.device} must be copied to be used on {out.device}"
        )
    return out.clone() if copy and shared else out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Like :func:`tensor`, but without a copy where none is needed; a Tensor stays in its graph.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_edu as tg
    >>> array = np.zeros(2, np.float32)
    >>> tg.as_tensor(array).fill_(1)
    tensor([1., 1.])
    >>> array
    array([1., 1.], dtype=float32)
    """
    return asarray(data, dtype=dtype, device=device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """A tensor from anything that :func:`tensor` takes, an array of any library, or a buffer; without a copy where possible.

    Parameters
    ----------
    obj : object
    dtype, device : optional
        Of the result; by default those of ``obj``, or the default device for what is no Tensor.
    copy : bool, optional
        Whether to copy: always, never (then what needs a copy raises), or by default only where it must be.
    requires_grad : bool, optional
        Whether the result requires a gradient; by default, whether ``obj`` does. ``obj`` itself is never changed.

    Raises
    ------
    ValueError
        When ``copy=False`` and it cannot be had without.

    Examples
    --------
    >>> import array
    >>> import tinygrad_edu as tg
    >>> tg.asarray(array.array("f", [1, 2]))
    tensor([1., 2.])
    """
    target = None if isinstance(obj, Tensor) and device is None else resolve(device)
    if isinstance(obj, Tensor):
        found = obj
    elif isinstance(obj, (bool, int, float, list, tuple, range)):
        found = tensor(obj, dtype=dtype, device=target)
        if copy is False:
            raise ValueError(f"asarray: copy=False, but a {type(obj).__name__} has no memory that a tensor could use")
        copy = None
    else:
        raw = borrowed(obj, target)
        if raw is None:
            return tensor(obj, dtype=dtype, device=target)  # which says what it takes
        found = _on(raw)
    out = found.to(dtype=dtype, device=target)
    if copy is False and out is not found:
        raise ValueError(
            f"asarray: copy=False, but {describe(found)} on {found.device} must be copied for {out.dtype} on {out.device}"
        )
    if copy and out is found:
        out = out.clone()
    if requires_grad is not None and requires_grad != out.requires_grad:
        out = out.detach().requires_grad_(requires_grad)
    return out


def _on(raw: Any) -> Tensor:
    from_raw(raw.dtype)  # raises for types that tensors do not have
    return Tensor._wrap(backends.of(raw).alias(raw))
