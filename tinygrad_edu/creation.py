"""Making tensors from data and from nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes
from tinygrad_edu.device import resolve
from tinygrad_edu.dtypes import DType, bool_, float64, from_raw, int64, promote_types, to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.interchange import borrowed
from tinygrad_edu.layouts import check_format
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
        Python floats become the default type (float32), integers int64; arrays and tensors keep their type. Of a mixture
        the types are promoted.
    dtype : dtype, optional
    device : str or device, optional
    requires_grad : bool
        Whether a gradient shall be computed for it.

    Raises
    ------
    ValueError
        When nested sequences have different lengths, or a number does not fit into the type.
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
    elif not isinstance(data, _PLAIN) and (found := borrowed(data)) is not None:
        host = backends.of(found).to_host(found)
    else:
        host, natural = _host_array(data)
        wanted = wanted or natural
        _check_fit(host, wanted)
    from_raw(host.dtype)
    if wanted is not None and from_raw(host.dtype) is not wanted:
        host = host.astype(backends.get("cpu").dtype(wanted.name))
    elif target.type == "cpu":
        host = host.copy()
    return _finish(target.backend.from_host(host, target.index or 0), requires_grad)


_NUMBERS = {int, float, bool}
_PLAIN = (int, float, list, tuple, range, str)


def _host_array(data: Any) -> tuple[Any, DType]:
    """Nested Python sequences as a host array, and the type that their elements ask for."""
    kinds: set[Any] = set()
    plain = _unwrapped(data, kinds)
    try:
        host = backends.get("cpu").asarray(plain)
    except ValueError:
        raise ValueError(
            "tensor: the nested sequences have different lengths; every row needs as many elements"
        ) from None
    except OverflowError as error:
        raise ValueError(f"tensor: {error}") from None
    if host.dtype.kind not in "biuf" and not (host.dtype.kind == "O" and kinds <= {int, bool}):
        raise TypeError(f"tensor: elements must be numbers or booleans, got {_offender(data)}")
    natural: DType | None = None
    for kind in kinds:
        found = kind if isinstance(kind, DType) else {bool: bool_, int: int64, float: modes.dtype}[kind]
        natural = found if natural is None else promote_types(natural, found)
    return host, natural or modes.dtype


def _unwrapped(data: Any, kinds: set[Any]) -> Any:
    """The data with numbers in place of tensors; collects the types of Python numbers, of arrays and of tensors."""
    if isinstance(data, (list, tuple, range)):
        found = set(map(type, data))
        if found <= _NUMBERS:  # nothing to replace, and one look at a whole row
            kinds |= found
            return data
        return [_unwrapped(d, kinds) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):  # a deque, say
        return _unwrapped(list(data), kinds)
    if isinstance(data, Tensor):
        if data.numel() != 1:
            raise ValueError(
                f"tensor: a tensor of shape {tuple(data.shape)} stands among the elements; join tensors with stack() or cat()"
            )
        kinds.add(data.dtype)
        return data.item()
    if backends.is_array(data):
        kinds.add(from_raw(data.dtype))
    elif isinstance(data, (bool, int, float)):
        kinds.add(next(kind for kind in (bool, int, float) if isinstance(data, kind)))
    else:
        raise TypeError(f"tensor: elements must be numbers or booleans, got {_offender(data)}")
    return data


def _offender(data: Any) -> str:
    while isinstance(data, (list, tuple)) and data:
        bad = [d for d in data if not isinstance(d, (int, float))]
        data = bad[0] if bad else data[0]
    return f"{data!r:.60} ({type(data).__name__})"


def _check_fit(host: Any, wanted: DType) -> None:
    """Raise when a number is too large for an integer type; of unsigned types negative numbers wrap around."""
    if wanted.category != 1 or not host.size or host.dtype.name == wanted.name:
        return
    most = 2 ** (wanted.bits - wanted.is_signed) - 1
    least = -most - wanted.is_signed
    for value in (host.min(), host.max()):
        value = value.item() if backends.is_array(value) else value  # Python numbers compare exactly
        if not least <= value <= most:
            raise ValueError(f"tensor: {value} does not fit into {wanted}")


def _filled(
    name: str, sizes: tuple[Any, ...], size: Any, dtype: Any, device: Any, requires_grad: bool, *value: Any
) -> Tensor:
    xp = resolve(device).backend
    raw = getattr(xp, name)(new_shape(sizes, size), *value, dtype=_raw_type(xp, dtype))
    return _finish(raw, requires_grad)


def _raw_type(xp: Any, dtype: Any) -> Any:
    """The backend's dtype object; the default type where none was asked for."""
    return xp.dtype((modes.dtype if dtype is None else to_dtype(dtype)).name)


def zeros(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; its shape is given as numbers, as one sequence or as ``size=``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled("zeros", sizes, size, dtype, device, requires_grad)


def ones(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; its shape is given as for :func:`zeros`."""
    return _filled("ones", sizes, size, dtype, device, requires_grad)


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor whose values are whatever the memory held; its shape is given as for :func:`zeros`."""
    check_format("empty", memory_format)
    return _filled("empty", sizes, size, dtype, device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number throughout; its type follows the number unless ``dtype`` is given.

    Raises
    ------
    ValueError
        When the number does not fit into the type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.full((2,), 7), tg.full((2,), 7.0)
    (tensor([7, 7]), tensor([7., 7.]))
    """
    value = _number("full", fill_value)
    if dtype is None:
        dtype = bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else modes.dtype
    if to_dtype(dtype).category == 1:
        value = tensor(value, dtype=dtype, device="cpu").item()  # raises where it does not fit
    return _filled("full", (), size, dtype, device, requires_grad, value)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Zeros of the shape, type and device of ``input``."""
    check_format("zeros_like", memory_format)
    return input.new_zeros(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Ones of the shape, type and device of ``input``."""
    check_format("ones_like", memory_format)
    return input.new_ones(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A constant of the shape, type and device of ``input``."""
    check_format("full_like", memory_format)
    return input.new_full(input.shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """Uninitialised memory of the shape, type and device of ``input``."""
    check_format("empty_like", memory_format)
    where = device if device is not None else input.device
    return empty(input.shape, dtype=dtype or input.dtype, device=where, requires_grad=requires_grad)


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from ``start`` (0 if only one is given) up to, but without, ``end``.

    Raises
    ------
    ValueError
        When no step leads from start to end.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.arange(4), tg.arange(1, 2, 0.5)
    (tensor([0, 1, 2, 3]), tensor([1.0000, 1.5000]))
    """
    if start is None and end is None:
        raise TypeError("arange: expected a number to stop before")
    start, end = (start, end) if start is not None and end is not None else (0, start if end is None else end)
    start, end, step = (_number("arange", v) for v in (start, end, step))
    if dtype is None:
        dtype = modes.dtype if any(isinstance(v, float) for v in (start, end, step)) else int64
    dtype = to_dtype(dtype)
    if dtype is int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0 or not (end - start) * step >= 0 or abs(end - start) == float("inf"):
        raise ValueError(f"arange: with step {step} there is no way from {start} to {end}")
    xp = resolve(device).backend
    if dtype is int64:
        return _finish(xp.arange(start, end, step, dtype=_raw_type(xp, int64)), requires_grad)
    steps = math.ceil((end - start) / step)
    if not dtype.is_floating_point:
        start, step = int(start), int(step)
    # In the widest type, so that rounding does not add up from number to number.
    numbers = xp.arange(steps, dtype=_raw_type(xp, float64 if dtype.is_floating_point else int64))
    return _finish(xp.astype(start + numbers * step, _raw_type(xp, dtype)), requires_grad)


def _number(name: str, value: Any) -> int | float:
    """A Python number from a number, or a tensor or array of one element."""
    if type(value) in _NUMBERS:
        return value
    if isinstance(value, Tensor) or backends.is_array(value):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name}: expected a number, got {describe(value)}")
    return value


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    xp = resolve(device).backend
    if steps < 0:
        raise ValueError(f"linspace: the number of steps must not be negative, got {steps}")
    low, high = float(_number("linspace", start)), float(_number("linspace", end))
    return _finish(xp.linspace(low, high, steps, dtype=_raw_type(xp, dtype)), requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from ``base**start`` to ``base**end``, both included, each a fixed multiple of the one before.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    powers = float(base) ** linspace(start, end, steps, dtype=float64, device=device)
    return _finish(powers.to(modes.dtype if dtype is None else dtype)._data, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix (n, m).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    xp = resolve(device).backend
    rows, columns = new_shape((n, n if m is None else m))
    return _finish(xp.eye(rows, columns, dtype=_raw_type(xp, dtype)), requires_grad)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Where the elements of the lower triangle of a (row, col) matrix stand: their rows and columns, (2, number).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle_indices("tril", row, col, offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Where the elements of the upper triangle of a (row, col) matrix stand: their rows and columns, (2, number)."""
    return _triangle_indices("triu", row, col, offset, dtype, device)


def _triangle_indices(half: str, row: int, col: int, offset: int, dtype: Any, device: Any) -> Tensor:
    xp = resolve(device).backend
    rows, columns = new_shape((row, col))
    inside = xp.stack(list(xp.nonzero(getattr(xp, half)(xp.ones((rows, columns), dtype=xp.int64), k=offset))))
    return _finish(xp.astype(inside, _raw_type(xp, int64 if dtype is None else dtype)), False)
