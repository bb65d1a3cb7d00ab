"""Convolutional layers over signals, pictures and volumes, and their transposes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_edu.creation import empty
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.ops._convolution import same_padding, sizes_of
from tinygrad_edu.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What convolutional layers share: settings, parameters, and the checks of what comes in."""

    dimensions: ClassVar[int]
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name, n = self._get_name(), self.dimensions
        for what, value in (("groups", groups), ("in_channels", in_channels), ("out_channels", out_channels)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}: {what} must be an integer, got {value!r}")
            if value < 1:
                raise ValueError(f"{name}: {what} must be at least 1, got {value}")
            if value % groups:
                raise ValueError(f"{name}: {what} must be divisible by groups={groups}, got {value}")
        if padding_mode not in _MODES:
            raise ValueError(f"{name}: padding_mode must be one of {', '.join(_MODES)}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes_of(name, "kernel_size", kernel_size, n, 1)
        self.stride = sizes_of(name, "stride", stride, n, 1)
        self.dilation = sizes_of(name, "dilation", dilation, n, 1)
        self.output_padding = sizes_of(name, "output_padding", output_padding, n, 0)
        self.padding: Any
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding must be 'same', 'valid' or integers, got {padding!r}")
            if padding == "same" and set(self.stride) != {1}:
                raise ValueError(f"{name}: padding='same' needs stride 1, got {self.stride}")
            self.padding = padding
        else:
            self.padding = sizes_of(name, "padding", padding, n, 0)
        self.groups = groups
        self.padding_mode = padding_mode
        outer, inner = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(outer, inner // groups, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from U(-1/√fan_in, 1/√fan_in), where fan_in is the number of inputs of one output."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def _checked(self, input: Any, weight: Tensor) -> Tensor:
        """The input, when it fits the layer, whose weight is read once a call: a parametrized one is computed each time."""
        n, name = self.dimensions, self._get_name()
        letters = {1: "L", 2: "H, W", 3: "D, H, W"}[n]
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expected a Tensor as input, got {describe(input)}")
        shape = tuple(input.shape)
        if len(shape) not in (n + 1, n + 2) or shape[-n - 1] != self.in_channels:
            raise ValueError(
                f"{name}: expected an input of shape (N, {self.in_channels}, {letters}) or "
                f"({self.in_channels}, {letters}), got {shape}"
            )
        if input.dtype is not weight.dtype:
            raise TypeError(
                f"{name}: the input is {input.dtype} and the weight {weight.dtype}; convert one with .to(dtype)"
            )
        return input

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            f"padding={self.padding}" if self.padding != (0,) * self.dimensions else "",
            f"dilation={self.dilation}" if set(self.dilation) != {1} else "",
            f"output_padding={self.output_padding}" if any(self.output_padding) else "",
            f"groups={self.groups}" if self.groups != 1 else "",
            "bias=False" if self.bias is None else "",
            f"padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "",
        ]
        return ", ".join(part for part in parts if part)


class _Convolution(_ConvNd):
    """A convolution; subclasses say over how many dimensions, and with which function."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            0,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) to (N, O, …), or the same without N."""
        weight = self.weight
        x = self._checked(input, weight)
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = self._surrounded(x), 0
        convolve = getattr(F, f"conv{self.dimensions}d")
        self._check_room(x, padding)
        y: Tensor = convolve(x, weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return y

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        """The widths before and after each dimension."""
        if self.padding == "same":
            return same_padding(self.kernel_size, self.dilation)
        widths = (0,) * self.dimensions if self.padding == "valid" else self.padding
        return tuple((p, p) for p in widths)

    def _surrounded(self, x: Tensor) -> Tensor:
        """The input with its mirror image, its edges or its other ends around it."""
        pairs = self._pairs()
        try:
            return F.pad(x, [p for pair in reversed(pairs) for p in pair], mode=self.padding_mode)
        except ValueError as error:
            raise ValueError(
                f"{self._get_name()}: padding {pairs} with padding_mode={self.padding_mode!r} does not fit an input of "
                f"shape {tuple(x.shape)} ({error})"
            ) from None

    def _check_room(self, x: Tensor, padding: Any) -> None:
        """Raise where no window fits into the input."""
        pairs = self._pairs() if padding == self.padding else ((0, 0),) * self.dimensions
        needed = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))
        lengths = tuple(x.shape[-self.dimensions :])
        if any(m + a + b < k for m, (a, b), k in zip(lengths, pairs, needed, strict=True)):
            raise ValueError(
                f"{self._get_name()}: expected an input of at least {needed} with its padding, got {lengths} with "
                f"padding {pairs} (kernel_size={self.kernel_size}, dilation={self.dilation})"
            )


class _Transpose(_ConvNd):
    """A transposed convolution; subclasses say over how many dimensions."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"{self._get_name()}: padding_mode can only be 'zeros', got {padding_mode!r}")
        if isinstance(padding, str):
            raise TypeError(f"{self._get_name()}: padding must be an integer or a tuple of them, got {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, …) to (N, O, …), or the same without N.

        Several output sizes lead back to one input size when the stride is not 1; ``output_size`` chooses among them in
        place of the layer's ``output_padding``.
        """
        weight = self.weight
        x = self._checked(input, weight)
        least = self._least(x)
        extra = self.output_padding if output_size is None else self._extra(x, least, output_size)
        made = tuple(m + e for m, e in zip(least, extra, strict=True))
        if min(made) < 1 or not all(x.shape[-self.dimensions :]):
            raise ValueError(f"{self._get_name()}: an input of shape {tuple(x.shape)} would give sizes {made}")
        transpose = getattr(F, f"conv_transpose{self.dimensions}d")
        y: Tensor = transpose(x, weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)
        return y

    def _least(self, x: Tensor) -> tuple[int, ...]:
        """The sizes of the result without output_padding."""
        settings = zip(
            x.shape[-self.dimensions :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
        )
        return tuple((m - 1) * s - 2 * p + d * (k - 1) + 1 for m, s, p, d, k in settings)

    def _extra(self, x: Tensor, least: tuple[int, ...], output_size: Any) -> tuple[int, ...]:
        """The output_padding that leads to a size."""
        n, name = self.dimensions, self._get_name()
        wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
        if len(wanted) == len(x.shape):
            wanted = wanted[-n:]
        if len(wanted) != n or not all(isinstance(m, int) for m in wanted):
            raise ValueError(
                f"{name}: output_size must have {n} sizes (or those of all {len(x.shape)} dimensions), got {output_size!r}"
            )
        extra = tuple(w - m for w, m in zip(wanted, least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(m + s - 1 for m, s in zip(least, self.stride, strict=True))
            raise ValueError(
                f"{name}: output_size must lie between {least} and {most} for an input of shape {tuple(x.shape)}, got {wanted}"
            )
        return extra


class Conv1d(_Convolution):
    """Convolution of signals: y[n, o, i] = bias[o] + Σ weight[o, c, k] · x[n, c, i · stride + k · dilation - padding].

    Weight and bias start from U(-1/√fan_in, 1/√fan_in), fan_in = C / groups · elements of the window.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int
        Size of the window.
    stride, dilation : int, default 1
        Distance of the windows, and of their elements.
    padding : int, "same" or "valid", default 0
        What is added at each end; "same" keeps the size.
    groups : int, default 1
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.
    bias : bool, default True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (O, C / groups, K)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Conv1d(3, 4, 3, padding=1)(tg.zeros(1, 3, 9)).shape
    Size([1, 4, 9])
    """

    dimensions = 1


class Conv2d(_Convolution):
    """Convolution of pictures: y[n, o, i] = bias[o] + Σ weight[o, c, k] · x[n, c, i · stride + k · dilation - padding].

    Weight and bias start from U(-1/√fan_in, 1/√fan_in), fan_in = C / groups · elements of the window.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or two of them
        Size of the window.
    stride, dilation : int or two of them, default 1
        Distance of the windows, and of their elements.
    padding : int or two of them, "same" or "valid", default 0
        What is added at each end; "same" keeps the size.
    groups : int, default 1
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.
    bias : bool, default True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (O, C / groups, KH, KW)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Conv2d(3, 4, 3, padding=1)(tg.zeros(1, 3, 8, 9)).shape
    Size([1, 4, 8, 9])
    """

    dimensions = 2


class Conv3d(_Convolution):
    """Convolution of volumes: y[n, o, i] = bias[o] + Σ weight[o, c, k] · x[n, c, i · stride + k · dilation - padding].

    Weight and bias start from U(-1/√fan_in, 1/√fan_in), fan_in = C / groups · elements of the window.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or three of them
        Size of the window.
    stride, dilation : int or three of them, default 1
        Distance of the windows, and of their elements.
    padding : int or three of them, "same" or "valid", default 0
        What is added at each end; "same" keeps the size.
    groups : int, default 1
        Into how many groups the channels are divided; outputs of a group see the inputs of the same group alone.
    bias : bool, default True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (O, C / groups, KD, KH, KW)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Conv3d(3, 4, 3, padding=1)(tg.zeros(1, 3, 7, 8, 9)).shape
    Size([1, 4, 7, 8, 9])
    """

    dimensions = 3


class ConvTranspose1d(_Transpose):
    """Transposed convolution of signals: the gradient of :class:`Conv1d` by its input, as a layer that enlarges.

    Sizes become (n - 1) · stride - 2 padding + dilation · (kernel_size - 1) + output_padding + 1.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int
        Size of the window that each element is spread over.
    stride, padding, dilation : int
        Those of the convolution whose gradient it is.
    output_padding : int, default 0
        More elements at the end; smaller than the stride or the dilation.
    groups : int, default 1
        Into how many groups the channels are divided.
    bias : bool, default True
    padding_mode : "zeros"
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (C, O / groups, K)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ConvTranspose1d(3, 4, 2, stride=2)(tg.zeros(1, 3, 5)).shape
    Size([1, 4, 10])
    """

    dimensions = 1


class ConvTranspose2d(_Transpose):
    """Transposed convolution of pictures: the gradient of :class:`Conv2d` by its input, as a layer that enlarges.

    Sizes become (n - 1) · stride - 2 padding + dilation · (kernel_size - 1) + output_padding + 1.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or two of them
        Size of the window that each element is spread over.
    stride, padding, dilation : int or two of them
        Those of the convolution whose gradient it is.
    output_padding : int or two of them, default 0
        More elements at the end; smaller than the stride or the dilation.
    groups : int, default 1
        Into how many groups the channels are divided.
    bias : bool, default True
    padding_mode : "zeros"
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (C, O / groups, KH, KW)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ConvTranspose2d(3, 4, 2, stride=2)(tg.zeros(1, 3, 4, 5)).shape
    Size([1, 4, 8, 10])
    """

    dimensions = 2


class ConvTranspose3d(_Transpose):
    """Transposed convolution of volumes: the gradient of :class:`Conv3d` by its input, as a layer that enlarges.

    Sizes become (n - 1) · stride - 2 padding + dilation · (kernel_size - 1) + output_padding + 1.

    Parameters
    ----------
    in_channels, out_channels : int
        C and O.
    kernel_size : int or three of them
        Size of the window that each element is spread over.
    stride, padding, dilation : int or three of them
        Those of the convolution whose gradient it is.
    output_padding : int or three of them, default 0
        More elements at the end; smaller than the stride or the dilation.
    groups : int, default 1
        Into how many groups the channels are divided.
    bias : bool, default True
    padding_mode : "zeros"
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter, (C, O / groups, KD, KH, KW)
    bias : Parameter, (O,), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ConvTranspose3d(3, 4, 2, stride=2)(tg.zeros(1, 3, 3, 4, 5)).shape
    Size([1, 4, 6, 8, 10])
    """

    dimensions = 3
