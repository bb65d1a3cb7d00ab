"""Average pooling: the mean of each window, a sum along one dimension after the other; and its power mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._pooling import Windows, windows_of
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.elementwise._base import floating

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class WindowSum(Op):
    """Sums of windows; the input's last dimensions become their number. The adjoint is :class:`WindowSpread`."""

    __slots__ = ("windows",)
    keeps = ()

    @property
    def name(self) -> str:
        return "window_sum"

    def forward(self, x: Any, windows: Windows) -> Any:
        self.windows = windows
        ns = xp(x)
        kernel = ns.kernels.get("window_sum")
        if kernel is not None:
            return kernel(x, windows)
        for dim in reversed(range(len(windows.sizes))):
            x = _summed(ns, x, windows, dim)
        return x

    def backward(self, g: Any) -> Any:
        return run(WindowSpread(), (g, self.windows)), None


class WindowSpread(Op):
    """Give every element the sum over the windows that it is in."""

    __slots__ = ("windows",)
    keeps = ()

    @property
    def name(self) -> str:
        return "window_spread"

    def forward(self, g: Any, windows: Windows) -> Any:
        self.windows = windows
        ns = xp(g)
        kernel = ns.kernels.get("window_spread")
        if kernel is not None:
            return kernel(g, windows)
        for dim in range(len(windows.sizes)):
            g = _summed(ns, g, windows, dim, back=True)
        return g

    def backward(self, g: Any) -> Any:
        return run(WindowSum(), (g, self.windows)), None


def _summed(ns: Any, x: Any, windows: Windows, dim: int, back: bool = False) -> Any:
    """Sums of windows along one dimension, or ``back`` what each element gets from them."""
    lead = len(x.shape) - len(windows.sizes) + dim
    length = (windows.lengths if back else windows.counts)[dim]
    out = ns.zeros((*x.shape[:lead], length, *x.shape[lead + 1 :]), dtype=x.dtype)
    for inside, source in windows.along(dim):
        to, of = (*[slice(None)] * lead, inside, ...), (*[slice(None)] * lead, source, ...)
        to, of = (of, to) if back else (to, of)
        out = ns.setitem(out, to, out[to] + x[of])
    return out


def average(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Check the arguments of a pooling over ``dims`` dimensions, and run it."""
    check_tensors(name, input=input)
    floating(name, input)
    if divisor_override is not None and divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    windows = windows_of(name, input, dims, kernel_size, stride, padding, 1, ceil_mode)
    half = input.dtype.bits == 16  # summed in single precision
    total = run(WindowSum(), (input.float() if half else input, windows))
    if divisor_override is not None:
        out = total / divisor_override
    else:
        out = total
        for dim in range(dims):
            out = _divided(out, windows.covered(dim, count_include_pad), dims - 1 - dim)
    return out.to(input.dtype)


def _divided(total: Tensor, counts: list[int], behind: int) -> Tensor:
    """Sums divided by the number of elements along one dimension, which is often the same everywhere."""
    if len(set(counts)) == 1:
        return total / counts[0] if counts[0] != 1 else total
    return total / total.new_tensor([float(c) for c in counts]).reshape((-1,) + (1,) * behind)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a sequence; see :func:`avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> avg_pool1d(tg.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return average("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of a picture.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        How far apart windows start; by default they lie side by side.
    padding : int or pair of int
        Zeros on every side; at most half a window.
    ceil_mode : bool
        Whether a last window may reach over the end.
    count_include_pad : bool
        Whether the zeros count in the mean.
    divisor_override : int, optional
        What to divide by instead of the number of elements.

    Raises
    ------
    ValueError
        When the input or the arguments have the wrong size, or no window fits.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> avg_pool2d(tg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    return average("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of a volume; see :func:`avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> avg_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    return average("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(
    name: str, dims: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    check_tensors(name, input=input)
    mean = average(name, dims, input**norm_type, kernel_size, stride, 0, ceil_mode)
    size = kernel_size**dims if isinstance(kernel_size, int) else math.prod(kernel_size)
    # With an odd exponent the sum may be negative; its root is taken as that of 0.
    return (ew.sign(mean) * ew.relu(ew.abs(mean)) * size) ** (1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root (Σ xᵖ)^(1/p) of each window of a sequence; see :func:`lp_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> lp_pool1d(tg.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root (Σ xᵖ)^(1/p) of each window of a picture: a sum for p = 1, close to the largest element for large p.

    Where Σ xᵖ is 0 the gradient is not a number, as in PyTorch.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    norm_type : float
        The exponent p.
    kernel_size, stride, ceil_mode
        As in :func:`avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> lp_pool2d(tg.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """The root (Σ xᵖ)^(1/p) of each window of a volume; see :func:`lp_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> lp_pool3d(tg.tensor([[[[3.0, 4.0]]]]), 2, (1, 1, 2))
    tensor([[[[5.]]]])
    """
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)
