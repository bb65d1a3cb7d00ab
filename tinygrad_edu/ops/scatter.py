"""Writing along a dimension or at an index: scatter and its relatives.

All of them are indexing with the right index, ``x[index] = value`` or ``x[index] += value``, on a copy or, for the names with
an underscore, on the tensor itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function, inplace
from tinygrad_edu.errors import not_a_tensor
from tinygrad_edu.function import run
from tinygrad_edu.ops._types import count, kind_of, number, shape_of, xp
from tinygrad_edu.ops.gather import at_axis, elements, integers, shaped, slices
from tinygrad_edu.ops.indexing import IndexAdd, SetItem, getitem, raw_index
from tinygrad_edu.ops.shape import ravel, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


# Writing ----------------------------------------------------------------------------------------------------------------
# Each function checks its arguments once, for both of its forms, and hands the index and the value to ``write`` or ``write_sum``.


def write(x: Any, index: Any, value: Any, here: bool) -> Any:
    """``x[index] = value``, on a copy or in place."""
    if here:
        return inplace.write_at(x, index, value)
    value = value if isinstance(value, function.Tensor) else x.new_tensor(value)
    return run(SetItem(), (x.clone(), value.to(x.dtype), index))


def write_sum(x: Any, index: Any, value: Any, here: bool) -> Any:
    """``x[index] += value``, on a copy or in place."""
    return inplace.add_at(x, index, value) if here else run(IndexAdd(), (x, value, index))


def same_dtype(name: str, input: Tensor, source: Any) -> None:
    """Refuse a source of another type than the input."""
    if isinstance(source, function.Tensor) and source.dtype is not kind_of(input):
        raise TypeError(f"{name}: the source is of {source.dtype}, the input of {input.dtype}; they must be equal")


def _scatter(name: str, input: Tensor, dim: int, index: Any, src: Any, here: bool, add: bool = False) -> Any:
    """Write, or add, elements of ``src`` (a tensor or number) along a dimension."""
    tensor = isinstance(src, function.Tensor)
    if tensor:
        same_dtype(name, input, src)
    elif not add:
        number("src", src)
    else:
        raise not_a_tensor(src)
    x, full = elements(name, input, dim, index, src.shape if tensor else None)
    if full is None or 0 in index.shape:
        return input if here else input.clone()
    value = src
    if tensor:
        value = getitem(src, tuple(slice(n) for n in index.shape)) if src.shape else reshape(src, (1,))
    out = (write_sum if add else write)(x, full, value, here)
    return input if here else shaped(out, tuple(input.shape))


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Write elements along ``dim`` into a copy: out[i][index[i][j]] = src[i][j] for dim = 1.

    Where the index names an element twice, the last one stays, and it alone gets a gradient.

    Parameters
    ----------
    index : Tensor
        Integers, with as many dimensions as ``input``.
    src : Tensor or number
        What is written, no smaller than the index; ``value`` is the same as a keyword for numbers.
    reduce : {"add", "multiply"}, optional
        Combine with what is there instead of writing over it.

    Raises
    ------
    ValueError
        When the shapes do not go together.
    IndexError
        When an index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.scatter(tg.zeros(2, 3), 1, tg.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return _scatter_reduced(input, dim, index, src, value, reduce, False)


def scatter_(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """In-place :func:`scatter`."""
    return _scatter_reduced(input, dim, index, src, value, reduce, True)


def _scatter_reduced(
    input: Tensor, dim: int, index: Tensor, src: Any, value: Any, reduce: str | None, here: bool
) -> Any:
    """Both forms of ``scatter`` with its ways to combine."""
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    source = value if src is None else src
    if reduce is None:
        return _scatter("scatter", input, dim, index, source, here)
    if not isinstance(source, function.Tensor):
        source = input.new_full(tuple(index.shape), source)
    if reduce == "add":
        return _scatter("scatter", input, dim, index, source, here, add=True)
    if reduce != "multiply":
        raise ValueError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}")
    from tinygrad_edu.ops.scatter_reduce import scatter_reduce

    out = scatter_reduce(input, dim, index, source, "prod")
    return inplace.rebind(input, out) if here else out


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add elements along ``dim`` to a copy: out[i][index[i][j]] += src[i][j] for dim = 1; repeated indices add up.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.scatter_add(tg.zeros(3), 0, tg.tensor([0, 2, 2]), tg.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    return _scatter("scatter_add", input, dim, index, src, False, add=True)


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """In-place :func:`scatter_add`."""
    return _scatter("scatter_add", input, dim, index, src, True, add=True)


def into_slices(name: str, input: Tensor, dim: int, index: Any, source: Any) -> tuple[Any, Any, Any]:
    """Input, index and source for writing whole slices, checked."""
    x, axis, raw = slices(name, input, dim, index)
    same_dtype(name, input, source)
    want = (*x.shape[:axis], raw.shape[0], *x.shape[axis + 1 :])
    if count(shape_of(source)) != count(want) or (source.shape and input.shape and tuple(source.shape) != want):
        raise ValueError(f"{name}: the source must have shape {want}, got {tuple(source.shape)}")
    return x, at_axis(axis, raw), shaped(source, want)


def _index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float, here: bool) -> Any:
    """Both forms of ``index_add``."""
    x, full, value = into_slices("index_add", input, dim, index, source)
    out = write_sum(x, full, value if alpha == 1 else value * alpha, here)
    return input if here else shaped(out, tuple(input.shape))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """Add ``alpha`` times the slices of ``source`` to the slices ``index`` of a copy; repeated indices add up.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.index_add(tg.zeros(3), 0, tg.tensor([1, 1]), tg.tensor([2.0, 3.0]))
    tensor([0., 5., 0.])
    """
    return _index_add(input, dim, index, source, alpha, False)


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """In-place :func:`index_add`."""
    return _index_add(input, dim, index, source, alpha, True)


def _index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, here: bool) -> Any:
    """Both forms of ``index_copy``."""
    x, full, value = into_slices("index_copy", input, dim, index, source)
    out = write(x, full, value, here)
    return input if here else shaped(out, tuple(input.shape))


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Write the slices of ``source`` over the slices ``index`` of a copy; of repeated indices the last one stays."""
    return _index_copy(input, dim, index, source, False)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """In-place :func:`index_copy`."""
    return _index_copy(input, dim, index, source, True)


def _index_fill(input: Tensor, dim: int, index: Tensor, value: Any, here: bool) -> Any:
    """Both forms of ``index_fill``."""
    if isinstance(value, function.Tensor) and value.shape:
        raise ValueError(
            f"index_fill: the value must be a number or have no dimensions, got shape {tuple(value.shape)}"
        )
    x, axis, raw = slices("index_fill", input, dim, index)
    number("value", value)
    out = write(x, at_axis(axis, raw), value, here)
    return input if here else shaped(out, tuple(input.shape))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Write a number over the slices ``index`` of a copy.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.index_fill(tg.zeros(2, 2), 1, tg.tensor([1]), 3)
    tensor([[0., 3.],
            [0., 3.]])
    """
    return _index_fill(input, dim, index, value, False)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """In-place :func:`index_fill`."""
    return _index_fill(input, dim, index, value, True)


def _index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool, here: bool) -> Any:
    """Both forms of ``index_put``."""
    raw = raw_index(tuple(indices))[0]
    same_dtype("index_put", input, values)
    inplace.check_fits("index_put", input, raw, values)
    return (write_sum if accumulate else write)(input, raw, values, here)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with out[indices] = values, or += with ``accumulate``, where repeated positions add up.

    Parameters
    ----------
    indices : tuple of Tensor
        Integer or boolean tensors, as in ``input[indices]``.
    values : Tensor
        Broadcast to the shape of ``input[indices]``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.index_put(tg.zeros(3), (tg.tensor([1, 1]),), tg.tensor(2.0), accumulate=True)
    tensor([0., 4., 0.])
    """
    return _index_put(input, indices, values, accumulate, False)


def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place :func:`index_put`."""
    return _index_put(input, indices, values, accumulate, True)


def _put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool, here: bool) -> Any:
    """Both forms of ``put``."""
    raw = integers("put", index, count(shape_of(input)), negative=True)
    same_dtype("put", input, source)
    if count(shape_of(source)) != count(raw.shape):
        raise ValueError(f"put: {count(raw.shape)} indices but {source.numel()} elements")
    flat = xp(raw).reshape(raw, (-1,))
    flat = xp(raw).where(flat < 0, flat + input.numel(), flat)
    full, left = [], flat
    for n in reversed(input.shape):
        full.append(left % n)
        left = left // n
    change = write_sum if accumulate else write
    if not full:
        out = change(reshape(input, (1,)), (flat,), ravel(source), here)
        return input if here else reshape(out, ())
    return change(input, tuple(reversed(full)), ravel(source), here)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Write (or add, with ``accumulate``) the elements of ``source`` at places of the flat tensor, into a copy."""
    return _put(input, index, source, accumulate, False)


def put_(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """In-place :func:`put`."""
    return _put(input, index, source, accumulate, True)
