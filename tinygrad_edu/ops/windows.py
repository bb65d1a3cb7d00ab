"""Sliding windows and their adjoint, the sum of what overlaps: the two halves of every convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.function import Op, run
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import axis_of, count, shape_of, xp
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.shape import movedim, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Sizes = tuple[int, ...]


class Windows(Op):
    """Windows over the last dimensions: (…, *lengths) to (…, *sizes, *counts)."""

    __slots__ = ("dilations", "lengths", "steps")
    keeps = ()

    def forward(self, x: Any, sizes: Sizes, steps: Sizes, dilations: Sizes) -> Any:
        self.lengths, self.steps, self.dilations = x.shape[-len(sizes) :], steps, dilations
        return xp(x).contiguous(xp(x).windows(x, sizes, steps, dilations))

    def backward(self, g: Any) -> Any:
        return overlap_add(g, self.lengths, self.steps, self.dilations)


def windows(input: Tensor, sizes: Sizes, steps: Sizes, dilations: Sizes) -> Tensor:
    """Copies of all windows over the last dimensions: element (k, i) of a dimension is x[i · step + k · dilation]."""
    return run(Windows(), (input, sizes, steps, dilations))


class OverlapAdd(Op):
    """The adjoint of :class:`Windows`: (…, *sizes, *counts) to (…, *lengths)."""

    __slots__ = ("dilations", "sizes", "steps")
    keeps = ()

    def forward(self, w: Any, lengths: Sizes, steps: Sizes, dilations: Sizes) -> Any:
        n = len(lengths)
        self.sizes, self.steps, self.dilations = w.shape[-2 * n : -n], steps, dilations
        return xp(w).overlap_add(w, lengths, steps, dilations)

    def backward(self, g: Any) -> Any:
        return windows(g, self.sizes, self.steps, self.dilations)


def overlap_add(input: Tensor, lengths: Sizes, steps: Sizes, dilations: Sizes) -> Tensor:
    """Put windows back where they came from, and add up what overlaps."""
    return run(OverlapAdd(), (input, lengths, steps, dilations))


class Unfold(Op):
    """Windows along one dimension, as a view."""

    __slots__ = ("axis", "length", "step")
    kind = VIEW

    def forward(self, x: Any, axis: int, size: int, step: int) -> Any:
        ns = xp(x)
        self.axis, self.length, self.step = axis, x.shape[axis], step
        w = ns.windows(ns.moveaxis(x, axis, -1), (size,), (step,), (1,))
        return ns.moveaxis(ns.moveaxis(w, -2, -1), -2, axis)

    def backward(self, g: Any) -> Any:
        w = movedim(movedim(g, self.axis, -2), -1, -2)
        return movedim(overlap_add(w, (self.length,), (self.step,), (1,)), -1, self.axis)


def unfold_view(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size`` elements along a dimension, ``step`` apart, in a new last dimension; a view.

    Windows that overlap share elements: such a view must not be written to.

    Raises
    ------
    ValueError
        When the window is larger than the dimension, or ``step`` is not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    shape = shape_of(input)
    axis = axis_of(dimension, len(shape))
    n = shape[axis] if shape else 1
    if not 0 <= size <= n or step < 1:
        raise ValueError(f"unfold: no windows of {size} in dimension {axis} of size {n} with step {step}")
    x = input if shape else reshape(input, (1,))
    out = run(Unfold(), (x, axis, size, step))
    return out if shape else reshape(out, (size,))


def _pair(name: str, what: str, value: Any, least: int) -> tuple[int, int]:
    """Two integers given as one number or as two."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) == 1:
        pair *= 2
    if len(pair) != 2 or min(pair) < least:
        raise ValueError(f"{name}: {what} must be one or two integers from {least} on, got {value!r}")
    return pair[0], pair[1]


def _counts(name: str, size: Sequence[int], kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> list[int]:
    """How many windows there are in each dimension."""
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]
    if min(counts) < 1:
        raise ValueError(
            f"{name}: no window of {kernel} with dilation {dilation} fits into {tuple(size)} with padding {padding}"
        )
    return counts


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """All windows of a picture as columns (im2col): (N, C, H, W) to (N, C·kh·kw, L), without N alike.

    Parameters
    ----------
    kernel_size, dilation, padding, stride : int or pair of int
        Size of the window, distance of its elements, zeros around the picture, distance of the windows.

    Raises
    ------
    ValueError
        When no window fits.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.unfold(tg.arange(9.0).reshape(1, 1, 3, 3), 2)[0, :, 0]
    tensor([0., 1., 3., 4.])
    """
    shape = shape_of(input)
    if len(shape) not in (3, 4):
        raise ValueError(f"unfold: expected (N, C, H, W) or (C, H, W), got shape {shape}")
    kernel, spread = _pair("unfold", "kernel_size", kernel_size, 1), _pair("unfold", "dilation", dilation, 1)
    margin, step = _pair("unfold", "padding", padding, 0), _pair("unfold", "stride", stride, 1)
    counts = _counts("unfold", shape[-2:], kernel, spread, margin, step)
    x = pad(input, (margin[1], margin[1], margin[0], margin[0])) if any(margin) else input
    columns = windows(x, kernel, step, spread)
    return reshape(columns, (*shape[:-3], shape[-3] * count(kernel), count(counts)))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Sum columns back into a picture (col2im), the adjoint of :func:`unfold`: (N, C·kh·kw, L) to (N, C, H, W).

    Parameters
    ----------
    output_size : int or pair of int
        H and W.
    kernel_size, dilation, padding, stride : int or pair of int
        As :func:`unfold` got them.

    Raises
    ------
    ValueError
        When the columns don't belong to a picture of that size.

    Examples
    --------
    >>> import tinygrad_edu as tg, tinygrad_edu.nn.functional as F
    >>> F.fold(tg.ones(1, 4, 4), 3, 2)[0, 0]
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """
    shape = shape_of(input)
    kernel, spread = _pair("fold", "kernel_size", kernel_size, 1), _pair("fold", "dilation", dilation, 1)
    margin, step = _pair("fold", "padding", padding, 0), _pair("fold", "stride", stride, 1)
    size = _pair("fold", "output_size", output_size, 1)
    if len(shape) not in (2, 3) or shape[-2] % count(kernel):
        raise ValueError(f"fold: expected (N, C·{count(kernel)}, L) for a window of {kernel}, got shape {shape}")
    counts = _counts("fold", size, kernel, spread, margin, step)
    if shape[-1] != count(counts):
        raise ValueError(f"fold: a picture of {size} has {count(counts)} such windows, got {shape[-1]} columns")
    blocks = reshape(input, (*shape[:-2], shape[-2] // count(kernel), *kernel, *counts))
    wide = tuple(n + 2 * p for n, p in zip(size, margin, strict=True))
    out = overlap_add(blocks, wide, step, spread)
    return pad(out, (-margin[1], -margin[1], -margin[0], -margin[0])) if any(margin) else out
