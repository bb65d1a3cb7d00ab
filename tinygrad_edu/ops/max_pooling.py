"""Max pooling: the largest element of each window, and the way back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import bool_, from_raw
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._convolution import sizes_of
from tinygrad_edu.ops._pooling import Windows, check_dims, windows_of
from tinygrad_edu.ops._types import bounds, count, xp
from tinygrad_edu.ops.scatter import scatter
from tinygrad_edu.ops.shape import reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class MaxPool(Op):
    """The largest element of each window; ``choice`` says by number which place in the window it has."""

    __slots__ = ("choice", "windows")
    keeps = ()

    @property
    def name(self) -> str:
        return "max_pool"

    def forward(self, x: Any, windows: Windows) -> Any:
        self.windows = windows
        kernel = xp(x).kernels.get("max_pool")
        best, self.choice = kernel(x, windows) if kernel is not None else _largest(x, windows)
        return best

    def backward(self, g: Any) -> Any:
        return run(Place(), (g, self.choice, self.windows)), None


def _largest(x: Any, windows: Windows) -> tuple[Any, Any]:
    """The largest element of each window, and the number of its place: the first of equal ones; NaN counts as largest."""
    ns = xp(x)
    lead = x.shape[: len(x.shape) - len(windows.sizes)]
    floating = from_raw(x.dtype).category == 2
    best = ns.full((*lead, *windows.counts), -math.inf if floating else ns.iinfo(x.dtype).min, dtype=x.dtype)
    choice = ns.zeros((), dtype=ns.int64)
    for dim, size in enumerate(windows.sizes):
        first = ns.asarray(windows.first(dim), dtype=ns.int64)
        choice = ns.expand_dims(choice, axis=-1) * size + first
    choice = ns.asarray(ns.broadcast_to(choice, best.shape), copy=True)
    for number, inside, source in windows.parts():
        part, where = x[(..., *source)], (..., *inside)
        better = (part > best[where]) | (part != part)
        best = ns.setitem(best, where, ns.where(better, part, best[where]))
        k = ns.full((), _number(number, windows), dtype=ns.int64)
        choice = ns.setitem(choice, where, ns.where(better, k, choice[where]))
    return best, choice


def _number(place: tuple[int, ...], windows: Windows) -> int:
    """A place in a window as one number."""
    total = 0
    for k, size in zip(place, windows.sizes, strict=True):
        total = total * size + k
    return total


class Place(Op):
    """Put a number of each window where its choice is, in the size of the input; the adjoint of :class:`Pick`."""

    __slots__ = ("choice", "windows")
    keeps = ()

    def forward(self, g: Any, choice: Any, windows: Windows) -> Any:
        self.choice, self.windows = choice, windows
        ns = xp(g)
        kernel = ns.kernels.get("max_pool_backward")
        if kernel is not None:
            return kernel(g, choice, windows)
        out = ns.zeros((*g.shape[: len(g.shape) - len(windows.sizes)], *windows.lengths), dtype=g.dtype)
        zero = ns.zeros((), dtype=g.dtype)
        for number, inside, source in windows.parts():
            chosen = choice[(..., *inside)] == _number(number, windows)
            where = (..., *source)
            out = ns.setitem(out, where, out[where] + ns.where(chosen, g[(..., *inside)], zero))
        return out

    def backward(self, g: Any) -> Any:
        return run(Pick(), (g, self.choice, self.windows)), None, None


class Pick(Op):
    """Of each window the element that was chosen before."""

    __slots__ = ("choice", "windows")
    keeps = ()

    def forward(self, x: Any, choice: Any, windows: Windows) -> Any:
        self.choice, self.windows = choice, windows
        ns = xp(x)
        out = ns.zeros(tuple(choice.shape), dtype=x.dtype)
        for number, inside, source in windows.parts():
            where = (..., *inside)
            chosen = choice[where] == _number(number, windows)
            out = ns.setitem(out, where, ns.where(chosen, x[(..., *source)], out[where]))
        return out

    def backward(self, g: Any) -> Any:
        return run(Place(), (g, self.choice, self.windows)), None, None


def _places(choice: Any, windows: Windows) -> Any:
    """Where the chosen elements stand in the flattened last dimensions of the input."""
    ns = xp(choice)
    rest = ns.astype(choice, ns.int64)
    place: Any = 0
    stride = 1
    for dim in reversed(range(len(windows.sizes))):
        size = windows.sizes[dim]
        k, rest = rest % size, rest // size
        starts = ns.arange(windows.counts[dim]) * windows.steps[dim] - windows.pads[dim]
        starts = ns.reshape(starts, (-1,) + (1,) * (len(windows.sizes) - 1 - dim))
        place = place + (starts + k * windows.dilations[dim]) * stride
        stride *= windows.lengths[dim]
    return place


def max_pool(name: str, dims: int, input: Tensor, return_indices: bool, *args: Any) -> Any:
    """Check the arguments of a pooling over ``dims`` dimensions, and run it."""
    check_tensors(name, input=input)
    windows = windows_of(name, input, dims, *args)
    if input.dtype is bool_:
        raise TypeError(f"{name}: booleans have no order; convert them first")
    node = MaxPool()
    out = run(node, (input, windows))
    return (out, function.Tensor._wrap(_places(node.choice, windows))) if return_indices else out


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of a sequence; see :func:`max_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_pool1d(tg.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return max_pool("max_pool1d", 1, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of a picture; of equal ones the first gets the gradient.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        How far apart windows start; by default they lie side by side.
    padding : int or pair of int
        Margin on every side, of which no element is ever the largest; at most half a window.
    dilation : int or pair of int
        How far apart the elements of a window are.
    ceil_mode : bool
        Whether a last window may reach over the end.
    return_indices : bool
        Whether to return also where the largest elements are, in the flattened (H·W).

    Raises
    ------
    ValueError
        When the input or the arguments have the wrong size, or no window fits.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_pool2d(tg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return max_pool("max_pool2d", 2, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of a volume; see :func:`max_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return max_pool("max_pool3d", 3, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """:func:`max_pool1d` with ``return_indices=True``."""
    return max_pool1d(input, *args, **{**kwargs, "return_indices": True})


def max_pool2d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """:func:`max_pool2d` with ``return_indices=True``."""
    return max_pool2d(input, *args, **{**kwargs, "return_indices": True})


def max_pool3d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """:func:`max_pool3d` with ``return_indices=True``."""
    return max_pool3d(input, *args, **{**kwargs, "return_indices": True})


# The way back -----------------------------------------------------------------------------------------------------------


def _max_unpool(
    name: str, dims: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    check_tensors(name, input=input, indices=indices)
    check_dims(name, input, dims)
    shape = tuple(input.shape)
    if tuple(indices.shape) != shape or indices.dtype.category != 1:
        found = f"{indices.dtype} {tuple(indices.shape)}"
        raise ValueError(f"{name}: the indices must be integers of the input's shape {shape}, got {found}")
    sizes = sizes_of(name, "kernel_size", kernel_size, dims, 1)
    steps = sizes if stride is None or stride in ((), []) else sizes_of(name, "stride", stride, dims, 1)
    pads = sizes_of(name, "padding", padding, dims, 0)
    usual = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(shape[-dims:], steps, pads, sizes, strict=True)]
    lengths = tuple(usual if output_size is None else output_size)[-dims:]
    if len(lengths) != dims or any(not u - s < n < u + s for n, u, s in zip(lengths, usual, steps, strict=True)):
        raise ValueError(
            f"{name}: output_size must differ from {tuple(usual)} by less than the stride {steps}, got {output_size!r}"
        )
    low, high = bounds(indices._data)
    if low < 0 or high >= count(lengths):
        raise IndexError(f"{name}: index {low if low < 0 else high} is out of range for an output of {lengths}")
    lead = shape[:-dims]
    flat = (*lead, count(shape[-dims:]))
    out = scatter(input.new_zeros((*lead, count(lengths))), -1, reshape(indices, flat), reshape(input, flat))
    return reshape(out, (*lead, *lengths))


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put the results of :func:`max_pool1d` back where they were, among zeros; see :func:`max_unpool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_unpool1d(*max_pool1d(tg.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True), 2)
    tensor([[0., 3., 2., 0.]])
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put the results of :func:`max_pool2d` back where they were, among zeros.

    Parameters
    ----------
    input, indices : Tensor, (N, C, H, W) or (C, H, W)
        What ``max_pool2d(…, return_indices=True)`` returned.
    kernel_size, stride, padding : int or pair of int
        As ``max_pool2d`` got them.
    output_size : sequence of int, optional
        The size of the picture, where several sizes are possible.

    Raises
    ------
    IndexError
        When an index is out of range.
    ValueError
        When sizes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_unpool2d(*max_pool2d(tg.arange(4.0).reshape(1, 2, 2), 2, return_indices=True), 2)
    tensor([[[0., 0.],
             [0., 3.]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put the results of :func:`max_pool3d` back where they were, among zeros; see :func:`max_unpool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> max_unpool3d(*max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2, return_indices=True), 2).sum()
    tensor(7.)
    """
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
