"""Making tensors from data and from nothing."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes
from tinygrad_edu.device import resolve
from tinygrad_edu.dtypes import DType, from_raw, int64, to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import new_shape
from tinygrad_edu.tensor import Tensor


def _finish(raw: Any, requires_grad: bool) -> Tensor:
    t = Tensor._wrap(raw)
    if requires_grad:
        t.requires_grad = True
    return t


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``.

    Parameters
    ----------
    data : number, nested sequence, array or Tensor
        Python floats become the default type (float32), integers int64; arrays and tensors keep their type.
    dtype : dtype, optional
    device : str or device, optional
    requires_grad : bool
        Whether a gradient shall be computed for it.

    Raises
    ------
    ValueError
        When nested sequences have different lengths.
    TypeError
        When elements are no numbers.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    target = resolve(device)
    wanted = None if dtype is None else to_dtype(dtype)
    if isinstance(data, Tensor):
        host = backends.of(data._data).to_host(data._data)
    elif backends.is_array(data):
        host = backends.of(data).to_host(data)
    else:
        host = _host_array(data)
        if wanted is None:
            wanted = _default_type(data, host)
    from_raw(host.dtype)
    if wanted is not None and from_raw(host.dtype) is not wanted:
        host = host.astype(backends.get("cpu").dtype(wanted.name))
    elif target.type == "cpu":
        host = host.copy()
    return _finish(target.backend.from_host(host, target.index or 0), requires_grad)


def _host_array(data: Any) -> Any:
    """Nested Python sequences as a host array."""
    cpu = backends.get("cpu")
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], Tensor):
        data = [d.detach().cpu().numpy() if isinstance(d, Tensor) else d for d in data]
    elif isinstance(data, (list, tuple)):
        data = [d.tolist() if isinstance(d, Tensor) else d for d in data]
    try:
        host = cpu.asarray(data)
    except ValueError:
        raise ValueError(
            "tensor: the nested sequences have different lengths; every row needs as many elements"
        ) from None
    if host.dtype.kind not in "biuf":
        raise TypeError(f"tensor: elements must be numbers or booleans, got {_offender(data)}")
    return host


def _offender(data: Any) -> str:
    while isinstance(data, (list, tuple)) and data:
        bad = [d for d in data if not isinstance(d, (int, float))]
        data = bad[0] if bad else data[0]
    return f"{data!r:.60} ({type(data).__name__})"


def _default_type(data: Any, host: Any) -> DType | None:
    """The type of what came from Python numbers; arrays inside sequences keep theirs."""
    if host.dtype.kind == "f" and not _holds_arrays(data):
        return modes.dtype
    if host.dtype.kind in "iu" and not _holds_arrays(data):
        return int64
    return None


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return backends.is_array(data) and not isinstance(data, float)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Like :func:`tensor`, but without a copy where none is needed."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    if backends.is_array(data) and data.shape:
        return from_numpy(data).to(dtype=dtype, device=resolve(device))
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A CPU tensor on the memory of a NumPy array: writing to one writes to the other."""
    cpu = backends.get("cpu")
    if not backends.is_array(array) or backends.of(array) is not cpu:
        raise TypeError(f"from_numpy: expected a NumPy array, got {describe(array)}")
    from_raw(array.dtype)
    return Tensor._wrap(cpu.alias(array))


def _filled(name: str, size: tuple[Any, ...], dtype: Any, device: Any, requires_grad: bool, *value: Any) -> Tensor:
    target = resolve(device)
    shape = new_shape(size)
    xp = target.backend
    raw = getattr(xp, name)(shape, *value, dtype=xp.dtype((modes.dtype if dtype is None else to_dtype(dtype)).name))
    return _finish(raw, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return _filled("zeros", size, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return _filled("ones", size, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose values are whatever the memory held."""
    return _filled("empty", size, dtype, device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number throughout; its type follows the number unless ``dtype`` is given."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if not isinstance(fill_value, (int, float)) and not backends.is_array(fill_value):
        raise TypeError(f"full: the fill value must be a number, got {describe(fill_value)}")
    if dtype is None:
        dtype = bool if isinstance(fill_value, bool) else int64 if isinstance(fill_value, int) else modes.dtype
    return _filled("full", (size,), dtype, device, requires_grad, fill_value)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape, type and device of ``input``."""
    return input.new_zeros(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape, type and device of ``input``."""
    return input.new_ones(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A constant of the shape, type and device of ``input``."""
    return input.new_full(input.shape, fill_value, dtype=dtype, device=device)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Uninitialised memory of the shape, type and device of ``input``."""
    return empty(input.shape, dtype=dtype or input.dtype, device=device if device is not None else input.device)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers from ``start`` (0 if only one is given) up to, but without, ``end``."""
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: with step {step} there is no way from {start} to {end}")
    if dtype is None:
        dtype = int64 if all(isinstance(v, int) for v in (start, end, step)) else modes.dtype
    xp = resolve(device).backend
    return _finish(xp.arange(start, end, step, dtype=xp.dtype(to_dtype(dtype).name)), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included."""
    if steps < 0:
        raise ValueError(f"linspace: the number of steps must not be negative, got {steps}")
    xp = resolve(device).backend
    raw = xp.linspace(
        float(start), float(end), steps, dtype=xp.dtype((modes.dtype if dtype is None else to_dtype(dtype)).name)
    )
    return _finish(raw, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix (n, m)."""
    rows, columns = new_shape((n, n if m is None else m))
    xp = resolve(device).backend
    raw = xp.eye(rows, columns, dtype=xp.dtype((modes.dtype if dtype is None else to_dtype(dtype)).name))
    return _finish(raw, requires_grad)
