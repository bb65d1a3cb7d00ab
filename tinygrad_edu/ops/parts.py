"""Parts of a tensor along one dimension; all of them are views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from tinygrad_edu.ops._types import axis_of, shape_of
from tinygrad_edu.ops.indexing import getitem

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def size_along(name: str, input: Tensor, dim: int) -> tuple[int, int]:
    """A dimension counted from the front, and its size; refuses tensors without dimensions."""
    shape = shape_of(input)
    if not shape:
        raise ValueError(f"{name}: a tensor without dimensions has no parts")
    axis = axis_of(dim, len(shape))
    return axis, shape[axis]


def _part(input: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The elements from ``start`` to ``stop`` of a dimension."""
    return getitem(input, (*[slice(None)] * axis, slice(start, stop)))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The elements ``start`` … ``start + length - 1`` of a dimension; a view.

    Raises
    ------
    IndexError
        When they are outside of the dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.narrow(tg.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    axis, n = size_along("narrow", input, dim)
    first = int(start) + n if start < 0 else int(start)
    if not (0 <= first and 0 <= length and first + length <= n):
        raise IndexError(
            f"narrow: {length} elements from {start} on are not inside dimension {axis}, which has size {n}"
        )
    return _part(input, axis, first, first + length)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice ``index`` of a dimension, which disappears; a view.

    Raises
    ------
    IndexError
        When the index is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.select(tg.tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2, 4])
    """
    axis, n = size_along("select", input, dim)
    if not -n <= index < n:
        raise IndexError(f"select: index {int(index)} is out of range for dimension {axis}, which has size {n}")
    return getitem(input, (*[slice(None)] * axis, int(index)))


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of a given size (the last may be smaller), or of the given sizes; views.

    Raises
    ------
    ValueError
        When a size is negative, or the sizes do not add up to the dimension's.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.split(tg.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    axis, n = size_along("split", tensor, dim)
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and n):
            raise ValueError(f"split: the size of a part must be positive, got {size}")
        sections = [min(size, n - i) for i in range(0, n, size)] if n else [0]
    else:
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != n or min(sections, default=0) < 0:
            raise ValueError(f"split: the sizes {sections} do not divide dimension {axis}, which has size {n}")
    return tuple(_part(tensor, axis, a, b) for a, b in pairwise(accumulate(sections, initial=0)))


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """:func:`split` into parts of the given sizes."""
    return split(input, list(split_sizes), dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of equal size (the last may be smaller); views.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> [len(part) for part in tg.chunk(tg.zeros(7), 3)]
    [3, 3, 1]
    """
    if chunks < 1:
        raise ValueError(f"chunk: expected at least one chunk, got {chunks}")
    axis, n = size_along("chunk", input, dim)
    if n == 0:
        return split(input, [0] * chunks, axis)
    return split(input, -(-n // chunks), axis)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """A number of parts that differ by at most one in size, or the parts between the given positions; views.

    Parameters
    ----------
    indices_or_sections : int, sequence of int, or Tensor
        How many parts, or where each but the first begins.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> [part.tolist() for part in tg.tensor_split(tg.arange(7), 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> [part.tolist() for part in tg.tensor_split(tg.arange(5), (1, 3))]
    [[0], [1, 2], [3, 4]]
    """
    axis, n = size_along("tensor_split", input, dim)
    given = indices_or_sections.tolist() if hasattr(indices_or_sections, "tolist") else indices_or_sections
    if isinstance(given, int):
        if given < 1:
            raise ValueError(f"tensor_split: expected at least one part, got {given}")
        small, larger = divmod(n, given)
        return split(input, [small + 1] * larger + [small] * (given - larger), axis)
    ends = [int(i) for i in given]
    return tuple(_part(input, axis, a, b) for a, b in zip([0, *ends], [*ends, n], strict=True))


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split into columns: along dimension 1, or 0 of a tensor with one dimension; views.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> [part.shape for part in tg.hsplit(tg.zeros(2, 4), 2)]
    [Size([2, 2]), Size([2, 2])]
    """
    return _even_split("hsplit", input, indices_or_sections, 0 if len(shape_of(input)) == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split into rows, along dimension 0; views."""
    return _even_split("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Split in depth, along dimension 2; views."""
    return _even_split("dsplit", input, indices_or_sections, 2, 3)


def _even_split(name: str, input: Tensor, sections: Any, axis: int, least: int) -> tuple[Tensor, ...]:
    """A split whose number of parts must divide the dimension."""
    shape = shape_of(input)
    if len(shape) < least:
        raise ValueError(f"{name}: expected at least {least} dimensions, got shape {shape}")
    if isinstance(sections, int) and (sections < 1 or shape[axis] % sections):
        raise ValueError(f"{name}: dimension {axis} of size {shape[axis]} cannot be split into {sections} equal parts")
    return tensor_split(input, sections, axis)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension; views.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unbind(tg.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    axis, n = size_along("unbind", input, dim)
    lead = [slice(None)] * axis
    return tuple(getitem(input, (*lead, i)) for i in range(n))
