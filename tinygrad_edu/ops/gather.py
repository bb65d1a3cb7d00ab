"""Reading elements along a dimension or at places of the flat tensor, and the index that this takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import axis_of, bounds, count, shape_of, xp
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.shape import broadcast_shapes, expand, ravel, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


# The index --------------------------------------------------------------------------------------------------------------


def along(index: Any, axis: int) -> Any:
    """The full index that picks ``index`` along ``axis`` and goes with it in the other dimensions."""
    ns = xp(index)
    ndim = len(index.shape)
    lines = [
        index if i == axis else ns.reshape(ns.arange(n), tuple(n if j == i else 1 for j in range(ndim)))
        for i, n in enumerate(index.shape)
    ]
    return tuple(lines)


def integers(name: str, index: Any, n: int, negative: bool = False) -> Any:
    """The raw array of an index, checked for its type and range."""
    if not isinstance(index, function.Tensor):
        if not hasattr(index, "dtype"):
            raise TypeError(f"{name}: the index must be an integer tensor, got {describe(index)}")
        raw = index
    else:
        raw = index._data
    if "int" not in str(raw.dtype):
        raise TypeError(f"{name}: the index must be of an integer type, got {describe(raw)}")
    low, high = bounds(raw)
    least = -n if negative else 0
    if low < least or high >= n:
        bad = low if low < least else high
        raise IndexError(f"{name}: index {bad} is out of range for a dimension of size {n}")
    return raw


def at_axis(axis: int, raw: Any) -> Any:
    """The index of whole slices ``raw`` along a dimension."""
    return (*[slice(None)] * axis, raw)


def slices(name: str, input: Tensor, dim: int, index: Any) -> tuple[Any, int, Any]:
    """The input with at least one dimension, the dimension, and the checked 1-d index of slices of it."""
    x = input if shape_of(input) else reshape(input, (1,))
    axis = axis_of(dim, len(input.shape))
    if len(shape_of(index)) > 1:
        raise ValueError(f"{name}: the index must have one dimension, got shape {tuple(index.shape)}")
    raw = integers(name, index, x.shape[axis])
    return x, axis, xp(raw).reshape(raw, (-1,))


def elements(name: str, input: Tensor, dim: int, index: Any, limit: Any) -> tuple[Any, Any]:
    """The input with at least one dimension, and the full index of elements along ``dim``; ``limit`` is the shape within
    which the index must lie, -1 where any size will do."""
    x = input if shape_of(input) else reshape(input, (1,))
    axis = axis_of(dim, len(input.shape))
    raw = integers(name, index, x.shape[axis])
    if not raw.shape:
        raw = xp(raw).reshape(raw, (1,))
    have, want = tuple(x.shape), tuple(raw.shape)
    fits = len(have) == len(want) and all(w <= h for i, (h, w) in enumerate(zip(have, want, strict=True)) if i != axis)
    if limit is not None:
        source = tuple(limit) or (1,)
        fits = fits and len(source) == len(want) and all(w <= s for w, s in zip(want, source, strict=True))
    if not fits and 0 not in want:
        beside = "" if limit is None else f" and a source of shape {tuple(limit)}"
        raise ValueError(
            f"{name}: an index of shape {want} does not fit an input of shape {have}{beside} along dim {dim}"
        )
    return x, along(raw, axis) if len(have) == len(want) else None


# Reading ----------------------------------------------------------------------------------------------------------------


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Pick elements along ``dim``: out[i][j] = input[i][index[i][j]] for dim = 1.

    Parameters
    ----------
    index : Tensor
        Integers, with as many dimensions as ``input`` and no larger in the other dimensions.
    sparse_grad : bool
        Accepted for PyTorch's sake: the gradient is kept sparse in any case.

    Raises
    ------
    ValueError
        When the shapes do not go together.
    IndexError
        When an index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.gather(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    x, full = elements("gather", input, dim, index, None)
    if full is None or 0 in index.shape:
        return _nothing_of(input, index)
    return shaped(getitem(x, full), tuple(index.shape))


def _nothing_of(input: Any, index: Any) -> Any:
    """A result without elements, inside the graph."""
    return reshape(getitem(ravel(input), slice(0, 0)), tuple(index.shape))


def shaped(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` under a shape."""
    return x if tuple(x.shape) == shape else reshape(x, shape)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices ``index`` (integers, at most one dimension) of a dimension.

    Raises
    ------
    IndexError
        When an index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.index_select(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([1, 1]))
    tensor([[2, 2],
            [4, 4]])
    """
    x, axis, raw = slices("index_select", input, dim, index)
    out = getitem(x, at_axis(axis, raw))
    return out if input.shape else reshape(out, ())


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flat tensor, in the shape of ``index``; negative indices count from the end.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.take(tg.tensor([[1, 2], [3, 4]]), tg.tensor([0, -1]))
    tensor([1, 4])
    """
    raw = integers("take", index, count(shape_of(input)), negative=True)
    if 0 in raw.shape:
        return _nothing_of(input, index)
    return shaped(getitem(ravel(input), xp(raw).reshape(raw, (-1,))), tuple(raw.shape))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """:func:`gather` with input and indices broadcast in the other dimensions; flat without ``dim``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([[3, 1], [2, 4]])
    >>> tg.take_along_dim(x, x.argmax(1, keepdim=True), 1)
    tensor([[3],
            [4]])
    """
    if dim is None:
        integers("take_along_dim", indices, input.numel())
        return gather(ravel(input), 0, ravel(indices))
    if len(shape_of(input)) != len(shape_of(indices)):
        raise ValueError(
            f"take_along_dim: input of shape {tuple(input.shape)} and indices of shape {tuple(indices.shape)} differ in dimensions"
        )
    axis = axis_of(dim, len(input.shape))

    def but_axis(x: Any) -> list[int]:
        return [1 if i == axis else n for i, n in enumerate(x.shape)]

    common = list(broadcast_shapes(but_axis(input), but_axis(indices)))

    def spread(x: Any) -> Any:
        return expand(x, tuple(x.shape[i] if i == axis else n for i, n in enumerate(common)))

    integers("take_along_dim", indices, input.shape[axis] if input.shape else 1)
    return gather(spread(input), axis, spread(indices)) if input.shape else gather(input, 0, indices)
