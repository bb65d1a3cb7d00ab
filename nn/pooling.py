"""Pooling layers: the largest element, the mean or a power mean of each window, and the way back."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _arguments(self) -> tuple[Any, ...]:
        return (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{sizes}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest element of each window of a sequence; see `MaxPool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MaxPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) or (C, L) to the same with fewer elements; and their places, where these are asked for."""
        return F.max_pool1d(input, *self._arguments())


class MaxPool2d(_MaxPool):
    """The largest element of each window of a picture.

    Parameters
    ----------
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        How far apart windows start; by default they lie side by side.
    padding : int or pair of int, default 0
        Margin on every side, of which no element is ever the largest; at most half a window.
    dilation : int or pair of int, default 1
        How far apart the elements of a window are.
    return_indices : bool, default False
        Whether to return also where the largest elements are; `MaxUnpool2d` puts them back.
    ceil_mode : bool, default False
        Whether a last window may reach over the end.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MaxPool2d(3, stride=2)(tg.zeros(20, 16, 50, 32)).shape
    Size([20, 16, 24, 15])
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) to the same with fewer elements; and their places, where these are asked for."""
        return F.max_pool2d(input, *self._arguments())


class MaxPool3d(_MaxPool):
    """The largest element of each window of a volume; see `MaxPool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.MaxPool3d(2)(tg.arange(8.0).reshape(1, 2, 2, 2))
    tensor([[[[7.]]]])
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) to the same with fewer elements; and their places."""
        return F.max_pool3d(input, *self._arguments())


class _MaxUnpool(Module):
    dims = 0

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = self._sizes(kernel_size)
        self.stride = self.kernel_size if stride is None else self._sizes(stride)
        self.padding = self._sizes(padding)

    def _sizes(self, value: Any) -> tuple[int, ...]:
        return (value,) * self.dims if isinstance(value, int) else tuple(value)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the results of a `MaxPool1d` back where they were, among zeros; see `MaxUnpool2d`."""

    dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, L) or (C, L) to the same with more elements."""
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Puts the results of a `MaxPool2d` back where they were, among zeros.

    Parameters
    ----------
    kernel_size, stride, padding : int or pair of int
        Those of the pooling.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> x = tg.arange(4.0).reshape(1, 2, 2)
    >>> nn.MaxUnpool2d(2)(*nn.MaxPool2d(2, return_indices=True)(x))
    tensor([[[0., 0.],
             [0., 3.]]])
    """

    dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same with more elements."""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Puts the results of a `MaxPool3d` back where they were, among zeros; see `MaxUnpool2d`."""

    dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) to the same with more elements."""
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class AvgPool1d(Module):
    """The mean of each window of a sequence; see `AvgPool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.AvgPool1d(2)(tg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        one = [value if isinstance(value, tuple) else (value,) for value in (kernel_size, padding)]
        self.kernel_size, self.padding = one
        self.stride = self.kernel_size if stride is None else stride if isinstance(stride, tuple) else (stride,)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) to the same with fewer elements."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _arguments(self) -> tuple[Any, ...]:
        sizes = (self.kernel_size, self.stride, self.padding)
        return (*sizes, self.ceil_mode, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of a picture.

    Parameters
    ----------
    kernel_size : int or pair of int
        The size of a window.
    stride : int or pair of int, optional
        How far apart windows start; by default they lie side by side.
    padding : int or pair of int, default 0
        Zeros on every side; at most half a window.
    ceil_mode : bool, default False
        Whether a last window may reach over the end.
    count_include_pad : bool, default True
        Whether the zeros count in the mean.
    divisor_override : int, optional
        What to divide by instead of the number of elements.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.AvgPool2d(3, stride=2)(tg.zeros(20, 16, 50, 32)).shape
    Size([20, 16, 24, 15])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same with fewer elements."""
        return F.avg_pool2d(input, *self._arguments())


class AvgPool3d(_AvgPool):
    """The mean of each window of a volume; see `AvgPool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.AvgPool3d(2)(tg.arange(8.0).reshape(1, 2, 2, 2))
    tensor([[[[3.5000]]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) to the same with fewer elements."""
        return F.avg_pool3d(input, *self._arguments())


class _LPPool(Module):
    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def _arguments(self) -> tuple[Any, ...]:
        return float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode

    def extra_repr(self) -> str:
        sizes = f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}"
        return f"{sizes}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """The root (Σ xᵖ)^(1/p) of each window of a sequence; see `LPPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) to the same with fewer elements."""
        return F.lp_pool1d(input, *self._arguments())


class LPPool2d(_LPPool):
    """The root (Σ xᵖ)^(1/p) of each window of a picture: a sum for p = 1, close to the largest element for large p.

    Parameters
    ----------
    norm_type : float
        The exponent p.
    kernel_size, stride, ceil_mode
        As in `MaxPool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LPPool2d(2, (1, 2))(tg.tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same with fewer elements."""
        return F.lp_pool2d(input, *self._arguments())


class LPPool3d(_LPPool):
    """The root (Σ xᵖ)^(1/p) of each window of a volume; see `LPPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) to the same with fewer elements."""
        return F.lp_pool3d(input, *self._arguments())
