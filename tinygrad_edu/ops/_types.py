"""What operations share: promotion of mixed types, axes, and undoing a broadcast."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.backends import of as xp
from tinygrad_edu.dtypes import DType, from_raw, promote_types
from tinygrad_edu.errors import describe, not_a_tensor, running

__all__ = ["axes_of", "axis_of", "fit", "nothing", "same_type", "to_float", "xp"]


def same_type(x: Any, y: Any) -> tuple[Any, Any]:
    """Convert two operands to their common type by PyTorch's rule; Python numbers adapt to the tensor."""
    if isinstance(x, function.Tensor):
        if isinstance(y, function.Tensor):
            dx, dy = x._data.dtype, y._data.dtype
            if dx is dy or dx == dy:
                return x, y
            dtype = result_type(x, y)
            return x.to(dtype), y.to(dtype)
        return _with_number(x, y)
    if isinstance(y, function.Tensor):
        y, x = _with_number(y, x)
        return x, y
    return number("an operand", x), number("an operand", y)


def _with_number(x: Any, y: Any) -> tuple[Any, Any]:
    """A tensor and something that is no tensor: a number, or an array that becomes a constant."""
    kind = type(y)
    if kind is float:
        return (x, y) if from_raw(x._data.dtype).category >= 2 else (x.to(modes.dtype), y)
    if kind is int or kind is bool:
        return x, y
    if isinstance(y, (float, int)) or (getattr(y, "shape", None) == () and hasattr(y, "item")):
        return _with_number(x, y.item() if hasattr(y, "item") else y)
    if hasattr(y, "dtype") and hasattr(y, "shape"):
        return same_type(x, x.new_tensor(y, dtype=from_raw(y.dtype)))
    if isinstance(y, complex):
        raise TypeError(f"{running()}complex numbers are not supported")
    raise TypeError(
        f"{running()}expected a Tensor, a number or an array as operand, got {type(y).__name__} ({y!r:.40})"
    )


def result_type(*tensors: Any) -> DType:
    """The common type of tensors: a tensor without dimensions gives way to one with, inside its category."""
    dtype: DType | None = None
    for with_dims in (True, False):
        group: DType | None = None
        for t in tensors:
            if (t._data.ndim > 0) == with_dims:
                d = from_raw(t._data.dtype)
                group = d if group is None else promote_types(group, d)
        if dtype is None or (group is not None and group.category > dtype.category):
            dtype = group
    assert dtype is not None
    return dtype


def to_float(x: Any) -> Any:
    """``x`` itself when it is of floating point, else converted to the default type (raw arrays pass)."""
    if isinstance(x, function.Tensor):
        return x if from_raw(x._data.dtype).category >= 2 else x.to(modes.dtype)
    if type(x) in (int, float, bool):  # by type: a raw value without dimensions may be a NumPy scalar, a kind of float
        raise TypeError(f"{running()}expected a Tensor, got the number {x!r}; wrap it: tg.tensor({x!r})")
    kind_of(x)
    return x


def number(what: str, x: Any) -> Any:
    """A tensor, a Python number, or a raw value; anything else is refused as this argument."""
    if isinstance(x, (function.Tensor, int, float)) or hasattr(x, "dtype"):
        return x
    raise TypeError(f"{running()}{what} must be a number or a Tensor, got {describe(x)}")


def bounds(raw: Any) -> tuple[int, int]:
    """The smallest and largest of an integer array; (0, -1), as of an empty one, where looking would wait for the device and
    neither the backend's ``checks_indices`` nor anomaly mode asks for it."""
    ns = xp(raw)
    return ns.bounds(raw) if ns.checks_indices or modes.anomaly else (0, -1)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor or raw array; anything else is refused."""
    try:
        return tuple(getattr(x, "_data", x).shape)
    except AttributeError:
        raise not_a_tensor(x) from None


def kind_of(x: Any) -> DType:
    """The type of the elements of a tensor or raw array; anything else is refused."""
    try:
        return from_raw(getattr(x, "_data", x).dtype)
    except AttributeError:
        raise not_a_tensor(x) from None


def demand(condition: Any, message: str, kind: type[Exception] = ValueError) -> None:
    """Raise unless all truth values of a tensor are true: at once in anomaly mode, else when the device is next waited for, where
    looking would wait for it."""
    raw = condition._data
    ns = xp(raw)
    ns.demand(raw, message, kind)
    if modes.anomaly:
        ns.raise_pending()


def axis_of(dim: Any, ndim: int) -> int:
    """A dimension counted from the front; negative ones count from the end."""
    try:
        i = operator.index(dim)
    except TypeError:
        raise TypeError(f"{running()}dim must be an integer, got {dim!r}") from None
    n = max(ndim, 1)
    if not -n <= i < n:
        raise IndexError(f"{running()}dim {i} is out of range for {ndim} dimensions (expected {-n} to {n - 1})")
    return i % n


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """Sorted distinct dimensions from None (all), a number, or a sequence of numbers."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    found = [axis_of(d, ndim) for d in dim] if isinstance(dim, (tuple, list)) else [axis_of(dim, ndim)]
    if len(set(found)) != len(found):
        raise ValueError(f"{running()}dim {dim!r} names a dimension twice")
    return tuple(sorted(found)) if ndim else ()


def sizes_of(args: Sequence[Any]) -> tuple[int, ...]:
    """A shape given as separate numbers or as one sequence."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = args[0]
    try:
        return tuple(operator.index(a) for a in args)
    except TypeError:
        raise TypeError(f"{running()}a shape is made of integers, got {tuple(args)!r}") from None


def new_shape(args: Sequence[Any], size: Any = None) -> tuple[int, ...]:
    """The shape of a tensor to be made, given as numbers, as one sequence, or under the keyword ``size``."""
    if bool(args) == (size is not None):
        given = f"both {tuple(args)!r} and size={size!r}" if args else "nothing"
        raise TypeError(f"{running()}expected a shape, as numbers, as one sequence or as size=, got {given}")
    shape = sizes_of(args or (size,))
    if min(shape, default=0) < 0:
        raise ValueError(f"{running()}sizes must not be negative, got {shape}")
    return shape


def count(shape: Sequence[int]) -> int:
    """Number of elements."""
    return math.prod(shape)


def nothing(g: Any) -> Any:
    """Zeros like a gradient; times zero would not do, since infinity times zero is not a number."""
    return g.new_zeros(g.shape) if isinstance(g, function.Tensor) else xp(g).zeros_like(g)


def fit(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the dimensions along which an argument of ``shape`` was broadcast."""
    if g is None or g.shape == shape:
        return g
    raw = not isinstance(g, function.Tensor)
    from tinygrad_edu.ops.reduce import sum as sum_
    from tinygrad_edu.ops.shape import reshape

    lead = len(g.shape) - len(shape)
    dims = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1))
    if raw:
        ns = xp(g)
        if dims:
            g = ns.sum(g, axis=dims if len(dims) > 1 else dims[0], keepdims=True)
        return ns.reshape(g, shape) if lead else g
    if dims:
        g = sum_(g, dims, True)
    return reshape(g, shape) if lead else g
