"""Adaptive pooling: divide the input into a given number of parts, and take the largest element or the mean of each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._convolution import sizes_of
from tinygrad_edu.ops._pooling import check_dims
from tinygrad_edu.ops._types import count, xp
from tinygrad_edu.ops.average_pooling import average
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.max_pooling import max_pool
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.shape import reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def adaptive_sizes(name: str, input: Tensor, output_size: Any, dims: int) -> tuple[int, ...]:
    """The output size of an adaptive pooling; None keeps the input's."""
    check_tensors(name, input=input)
    check_dims(name, input, dims)
    lengths = tuple(input.shape)[-dims:]
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    wanted = [n if g is None else g for n, g in zip(lengths, given, strict=False)]
    return sizes_of(name, "output_size", wanted if len(given) == dims else given, dims, 1)


def spans(length: int, parts: int) -> list[tuple[int, int]]:
    """Start and end of the parts that a dimension is divided into; they share an element where it does not come out even."""
    return [(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]


def _adaptive_max_pool(name: str, dims: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    sizes = adaptive_sizes(name, input, output_size, dims)
    shape = tuple(input.shape)
    lengths = shape[-dims:]
    if all(n % k == 0 for n, k in zip(lengths, sizes, strict=True)):
        windows = tuple(n // k for n, k in zip(lengths, sizes, strict=True))
        return max_pool(name, dims, input, return_indices, windows)
    raw = input._data
    ns = xp(raw)
    lead = shape[:-dims]
    found = []
    for part in itertools.product(*(spans(n, k) for n, k in zip(lengths, sizes, strict=True))):
        block = raw[(..., *(slice(a, b) for a, b in part))]
        place = ns.argmax(ns.reshape(block, (*lead, count(block.shape[len(lead) :]))), axis=-1)
        total: Any = 0
        stride = 1
        for (a, b), n in zip(reversed(part), reversed(lengths), strict=True):
            total = total + (place % (b - a) + a) * stride
            place, stride = place // (b - a), stride * n
        found.append(total)
    indices = function.Tensor._wrap(ns.astype(ns.stack(found, axis=-1), ns.int64))
    out = reshape(gather(reshape(input, (*lead, count(lengths))), -1, indices), (*lead, *sizes))
    return (out, reshape(indices, (*lead, *sizes))) if return_indices else out


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of ``output_size`` parts of a sequence; see :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_max_pool1d(tg.arange(5.0).reshape(1, 5), 2)
    tensor([[2., 4.]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each part of a picture that is divided into ``output_size`` parts.

    Part i of n parts of a dimension of size L goes from ⌊i L / n⌋ to ⌈(i + 1) L / n⌉, so that neighbours may share elements.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    output_size : int or pair of int or None
        How many parts; None keeps the input's size.
    return_indices : bool
        Whether to return also where the largest elements are, in the flattened (H·W).

    Raises
    ------
    ValueError
        When sizes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_max_pool2d(tg.arange(16.0).reshape(1, 4, 4), (2, 1))
    tensor([[[ 7.],
             [15.]]])
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each part of a volume; see :func:`adaptive_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[7.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any) -> Any:
    """:func:`adaptive_max_pool1d` with ``return_indices=True``."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any) -> Any:
    """:func:`adaptive_max_pool2d` with ``return_indices=True``."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any) -> Any:
    """:func:`adaptive_max_pool3d` with ``return_indices=True``."""
    return adaptive_max_pool3d(input, output_size, True)


def _adaptive_avg_pool(name: str, dims: int, input: Tensor, output_size: Any) -> Tensor:
    sizes = adaptive_sizes(name, input, output_size, dims)
    floating(name, input)
    lengths = tuple(input.shape)[-dims:]
    if set(sizes) == {1}:
        return mean(input, tuple(range(-dims, 0)), True)
    if all(n % k == 0 for n, k in zip(lengths, sizes, strict=True)):
        return average(name, dims, input, tuple(n // k for n, k in zip(lengths, sizes, strict=True)))
    out = input
    for axis, n, k in zip(range(len(input.shape) - dims, len(input.shape)), lengths, sizes, strict=True):
        if n != k:
            out = cat([mean(narrow(out, axis, a, b - a), axis, True) for a, b in spans(n, k)], axis)
    return out


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` parts of a sequence; see :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_avg_pool1d(tg.arange(5.0).reshape(1, 5), 2)
    tensor([[1., 3.]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part of a picture that is divided into ``output_size`` parts, as in :func:`adaptive_max_pool2d`.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    output_size : int or pair of int or None
        How many parts; None keeps the input's size.

    Raises
    ------
    ValueError
        When sizes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_avg_pool2d(tg.arange(16.0).reshape(1, 4, 4), (2, 1))
    tensor([[[ 3.5000],
             [11.5000]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each part of a volume; see :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> adaptive_avg_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)
