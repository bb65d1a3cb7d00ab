"""Rearranging elements into new memory: turning, rolling, repeating, grids, and pixels to channels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.layouts import check_format
from tinygrad_edu.ops._types import axes_of, axis_of, count, shape_of, sizes_of, xp
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.ops.shape import expand, permute, ravel, reshape, transpose

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Contiguous(Op):
    """A copy whose elements lie in the order of the dimensions."""

    __slots__ = ()
    keeps = ()

    def forward(self, x: Any) -> Any:
        return xp(x).contiguous(x)

    def backward(self, g: Any) -> Any:
        return g


def contiguous(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """The tensor itself, or a copy when its elements do not lie in memory in the order of its dimensions."""
    check_tensors("contiguous", input=input)
    if memory_format is not None:
        check_format("contiguous", memory_format)
    return input if xp(input._data).is_contiguous(input._data) else run(Contiguous(), (input,))


class Flip(Op):
    """Elements in reverse order along dimensions; its own adjoint."""

    __slots__ = ("axes",)
    keeps = ()

    def forward(self, x: Any, axes: tuple[int, ...]) -> Any:
        self.axes = axes
        return xp(x).copy(xp(x).flip(x, axis=axes))

    def backward(self, g: Any) -> Any:
        return flip(g, self.axes)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Reverse the order of elements along dimensions; a copy.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.flip(tg.tensor([[1, 2], [3, 4]]), (0,))
    tensor([[3, 4],
            [1, 2]])
    """
    axes = sizes_of(dims)
    return run(Flip(), (input, axes_of(axes, len(input.shape)) if axes else ()))


def fliplr(input: Tensor) -> Tensor:
    """Reverse the columns, dimension 1."""
    if len(shape_of(input)) < 2:
        raise ValueError(f"fliplr: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Reverse the rows, dimension 0."""
    if not len(shape_of(input)):
        raise ValueError("flipud: expected at least 1 dimension, got a tensor without")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by ``k`` quarters in the plane of two dimensions, from the first towards the second; a copy.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.rot90(tg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    ndim = len(shape_of(input))
    if len(dims) != 2 or ndim < 2:
        raise ValueError(f"rot90: expected two dims of a tensor with at least two, got {dims} of {tuple(input.shape)}")
    a, b = axis_of(dims[0], ndim), axis_of(dims[1], ndim)
    if a == b:
        raise ValueError(f"rot90: dims {dims} name one dimension twice")
    turns = k % 4
    if turns in (0, 2):
        return flip(input, (a, b)) if turns else input.clone()
    return transpose(flip(input, b if turns == 1 else a), a, b)


class Roll(Op):
    """Elements shifted around along dimensions; the adjoint shifts back."""

    __slots__ = ("axes", "shifts")
    keeps = ()

    def forward(self, x: Any, shifts: tuple[int, ...], axes: tuple[int, ...]) -> Any:
        self.shifts, self.axes = shifts, axes
        return xp(x).roll(x, shifts, axis=axes)

    def backward(self, g: Any) -> Any:
        return roll(g, tuple(-s for s in self.shifts), self.axes)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Shift elements along dimensions; those pushed out at the end come in at the front.

    Parameters
    ----------
    shifts : int or tuple of int
        By how much, in each of ``dims``.
    dims : int or tuple of int, optional
        Without it the tensor is rolled as if it were flat.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.roll(tg.arange(5), 2)
    tensor([3, 4, 0, 1, 2])
    """
    by = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    along = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not along and len(by) == 1:
        return reshape(run(Roll(), (ravel(input), by, (0,))), tuple(input.shape))
    if len(by) != len(along) or not by:
        raise ValueError(f"roll: shifts {by} and dims {along} must have the same length")
    return (
        run(Roll(), (input, by, tuple(axis_of(d, len(shape_of(input))) for d in along)))
        if shape_of(input)
        else input * 1
    )


def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """Tile the tensor: ``sizes[i]`` copies along dimension i; extra sizes add dimensions in front.

    Raises
    ------
    ValueError
        When there are fewer sizes than dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = sizes_of(sizes)
    lead = len(times) - len(shape_of(input))
    if lead < 0 or min(times, default=0) < 0:
        raise ValueError(f"repeat: {times} must have a non-negative count for each of {len(input.shape)} dimensions")
    shape = (1,) * lead + tuple(input.shape)
    x = reshape(input, tuple(k for n in shape for k in (1, n)))
    x = expand(x, tuple(k for r, n in zip(times, shape, strict=True) for k in (r, n)))
    return _own(reshape(x, tuple(r * n for r, n in zip(times, shape, strict=True))))


def _own(x: Any) -> Any:
    """``x`` in memory of its own, where it is a view."""
    return x if not isinstance(x, function.Tensor) or x._view is None else run(Contiguous(), (x,))


def tile(input: Tensor, *dims: Any) -> Tensor:
    """:func:`repeat` where missing counts, in front, are 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tile(tg.tensor([[1], [2]]), (2,))
    tensor([[1, 1],
            [2, 2]])
    """
    times = sizes_of(dims)
    return repeat(input, (1,) * (len(shape_of(input)) - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Repeat each element along ``dim`` (each of the flat tensor without it), one after the other.

    Parameters
    ----------
    repeats : int or Tensor of integers
        How often; a tensor holds a number for each place along ``dim``. Left out, ``input`` holds the numbers, and the
        places themselves are repeated.
    output_size : int, optional
        How many there will be, if known; it is checked.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.repeat_interleave(tg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> tg.repeat_interleave(tg.tensor([1, 2]), tg.tensor([1, 3]))
    tensor([1, 2, 2, 2])
    """
    if repeats is None:
        if len(input.shape) != 1 or input.dtype.category != 1:
            raise ValueError(f"repeat_interleave: expected a 1-d tensor of counts, got {describe(input)}")
        places = input.new_tensor(range(len(input)), dtype="int64")
        return repeat_interleave(places, input, 0, output_size=output_size)
    x = ravel(input) if dim is None or not input.shape else input
    axis = axis_of(0 if dim is None else dim, len(x.shape))
    n = x.shape[axis]
    if isinstance(repeats, function.Tensor) and repeats.numel() == 1:
        repeats = repeats.item()
    if isinstance(repeats, int):
        if repeats < 0:
            raise ValueError(f"repeat_interleave: a count must not be negative, got {repeats}")
        total = n * repeats
        lead, rest = tuple(x.shape[: axis + 1]), tuple(x.shape[axis + 1 :])
        wide = expand(reshape(x, (*lead, 1, *rest)), (*lead, repeats, *rest))
        out = _own(reshape(wide, (*lead[:-1], total, *rest)))
    else:
        counts = repeats if isinstance(repeats, function.Tensor) else input.new_tensor(repeats, dtype="int64")
        if tuple(counts.shape) != (n,) or counts.dtype.category != 1:
            raise ValueError(
                f"repeat_interleave: expected {n} integer counts for dimension {axis}, got {describe(counts)}"
            )
        ns = xp(counts._data)
        if ns.bounds(counts._data)[0] < 0:
            raise ValueError(f"repeat_interleave: a count must not be negative, got {ns.bounds(counts._data)[0]}")
        index = ns.repeat(ns.arange(n), counts._data)
        total = index.shape[0]
        out = getitem(x, (*[slice(None)] * axis, index))
    if output_size is not None and output_size != total:
        raise ValueError(f"repeat_interleave: output_size is {output_size}, but there are {total} elements")
    return out


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of coordinates from one vector a dimension; views.

    Parameters
    ----------
    *tensors : Tensor, or one sequence of them
        With at most one dimension; grid i varies along dimension i.
    indexing : {"ij", "xy"}
        "xy" swaps the first two dimensions of every grid, as is usual for pictures.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> rows, columns = tg.meshgrid(tg.arange(2), tg.arange(3))
    >>> rows
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    lines = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    if not lines or any(len(shape_of(x)) > 1 for x in lines):
        raise ValueError(f"meshgrid: expected vectors, got shapes {[tuple(x.shape) for x in lines]}")
    if len({x.dtype for x in lines}) > 1:
        raise TypeError(f"meshgrid: all vectors must be of one type, got {[x.dtype for x in lines]}")
    swap = indexing == "xy" and len(lines) > 1
    if swap:
        lines[:2] = lines[1::-1]
    sizes = tuple(x.numel() for x in lines)
    flat = enumerate(lines)
    grids = [expand(reshape(x, tuple(n if j == i else 1 for j, n in enumerate(sizes))), sizes) for i, x in flat]
    if swap:
        grids = [transpose(x, 0, 1) for x in grids]
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element from each vector, (number of combinations, number of vectors).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cartesian_prod(tg.tensor([1, 2]), tg.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if any(len(shape_of(x)) != 1 for x in tensors) or not tensors:
        raise ValueError(f"cartesian_prod: expected vectors, got shapes {[tuple(x.shape) for x in tensors]}")
    if len(tensors) == 1:
        return reshape(tensors[0], tuple(tensors[0].shape))
    return stack([ravel(x) for x in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, in order, (number of choices, r).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.combinations(tg.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if len(shape_of(input)) != 1 or r < 0:
        raise ValueError(
            f"combinations: expected a vector and r not below 0, got shape {tuple(input.shape)} and r = {r}"
        )
    choose: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(len(input)), r))
    if not rows or not r:
        return input.new_empty((len(rows) if r else 0, r) if r else (0,))
    return getitem(input, input.new_tensor(rows, dtype="int64"))


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to pixels: (…, C·r², H, W) becomes (…, C, H·r, W·r).

    Raises
    ------
    ValueError
        When the channels are no multiple of r².

    References
    ----------
    Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network, 2016.
    """
    r, shape = upscale_factor, shape_of(input)
    if r < 1 or len(shape) < 3 or shape[-3] % (r * r):
        raise ValueError(f"pixel_shuffle: shape {shape} has no (…, C·r², H, W) for an upscale factor of {r}")
    *lead, c, h, w = shape
    n = len(lead)
    x = reshape(input, (*lead, c // (r * r), r, r, h, w))
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return _own(reshape(x, (*lead, c // (r * r), h * r, w * r)))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels to channels, the inverse of :func:`pixel_shuffle`: (…, C, H·r, W·r) becomes (…, C·r², H, W)."""
    r, shape = downscale_factor, shape_of(input)
    if r < 1 or len(shape) < 3 or shape[-1] % r or shape[-2] % r:
        raise ValueError(f"pixel_unshuffle: shape {shape} has no (…, C, H·r, W·r) for a downscale factor of {r}")
    *lead, c, h, w = shape
    n = len(lead)
    x = reshape(input, (*lead, c, h // r, r, w // r, r))
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return _own(reshape(x, (*lead, c * r * r, h // r, w // r)))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal out the channels of (N, C, …) group by group, so that each new group has one of every old one."""
    shape = shape_of(input)
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise ValueError(f"channel_shuffle: shape {shape} has no (N, C, …) with channels in {groups} groups")
    x = transpose(reshape(input, (shape[0], groups, shape[1] // groups, count(shape[2:]))), 1, 2)
    return _own(reshape(x, shape))
