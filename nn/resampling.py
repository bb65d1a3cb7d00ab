"""Layers that rearrange or resample pictures: larger ones, pixels for channels, windows as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "ChannelShuffle",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class Upsample(Module):
    """Makes sequences, pictures or volumes larger.

    Parameters
    ----------
    size : int or sequence of int, optional
        The new size.
    scale_factor : float or sequence of float, optional
        Or how many times as large it is.
    mode : str, default "nearest"
        "nearest", "linear", "bilinear", "bicubic" or "trilinear"; see `functional.interpolate`.
    align_corners : bool, optional
        Of the blending modes: whether the first and last elements stay where they are.
    recompute_scale_factor : bool, optional
        Whether to compute with the factor that follows from the sizes instead of the given one.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Upsample(scale_factor=2)(tg.tensor([[[1.0, 3.0]]]))
    tensor([[[1., 1., 3., 3.]]])
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor: Any = None
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        elif scale_factor:
            self.scale_factor = float(scale_factor)  # type: ignore[arg-type]  # no sequence here
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) to the same with other sizes at the end."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        what = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Makes pictures larger by repeating pixels.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.UpsamplingNearest2d(scale_factor=2)(tg.zeros(1, 3, 4, 5)).shape
    Size([1, 3, 8, 10])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Makes pictures larger by blending pixels; the corners stay where they are.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.UpsamplingBilinear2d((1, 3))(tg.tensor([[[[1.0, 3.0]]]]))
    tensor([[[[1., 2., 3.]]]])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """Channels to pixels: (…, C·r², H, W) becomes (…, C, H·r, W·r).

    Source: Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network, CVPR (2016).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.PixelShuffle(3)(tg.zeros(1, 9, 4, 4)).shape
    Size([1, 1, 12, 12])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(…, C·r², H, W) to (…, C, H·r, W·r)."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels to channels, the inverse of `PixelShuffle`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.PixelUnshuffle(3)(tg.zeros(1, 1, 12, 12)).shape
    Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(…, C, H·r, W·r) to (…, C·r², H, W)."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Mixes the channels of groups: the first of each group, then the second of each, and so on.

    Source: Zhang et al., ShuffleNet, CVPR (2018).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ChannelShuffle(2)(tg.arange(4.0).reshape(1, 4, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) to the same shape."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class _Windows(Module):
    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def extra_repr(self) -> str:
        sizes = f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}"
        return f"{sizes}, stride={self.stride}"


class Unfold(_Windows):
    """All windows of a picture as columns: (N, C, H, W) to (N, C·kh·kw, L).

    Parameters
    ----------
    kernel_size, dilation, padding, stride : int or pair of int
        Size of the window, distance of its elements, zeros around the picture, distance of the windows.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Unfold((2, 3))(tg.zeros(2, 5, 3, 4)).shape
    Size([2, 30, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to (…, C·kh·kw, L)."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """Sums columns back into a picture, the adjoint of `Unfold`.

    Parameters
    ----------
    output_size : int or pair of int
        H and W.
    kernel_size, dilation, padding, stride : int or pair of int
        As `Unfold` has them.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Fold((3, 4), (2, 3))(tg.zeros(2, 30, 4)).shape
    Size([2, 5, 3, 4])
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C·kh·kw, L) or (C·kh·kw, L) to (…, C, H, W)."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
