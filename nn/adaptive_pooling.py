"""Pooling layers with a given size of the output: adaptive windows, and windows drawn at random."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
]


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of each of `output_size` parts of a sequence; see `AdaptiveAvgPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) to (…, output_size)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each part of a picture that is divided into `output_size` parts.

    Part i of n parts of a dimension of size L goes from ⌊i L / n⌋ to ⌈(i + 1) L / n⌉.

    Parameters
    ----------
    output_size : int or pair of int or None
        How many parts; None keeps the input's size.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.AdaptiveAvgPool2d((5, None))(tg.zeros(1, 64, 8, 9)).shape
    Size([1, 64, 5, 9])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to (…, *output_size)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean of each part of a volume that is divided into `output_size` parts; see `AdaptiveAvgPool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) to (…, *output_size)."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest element of each of `output_size` parts of a sequence; see `AdaptiveMaxPool2d`."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) or (C, L) to (…, output_size); and the places, where these are asked for."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest element of each part of a picture that is divided into `output_size` parts, as in `AdaptiveAvgPool2d`.

    Parameters
    ----------
    output_size : int or pair of int or None
        How many parts; None keeps the input's size.
    return_indices : bool, default False
        Whether to return also where the largest elements are, in the flattened picture.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.AdaptiveMaxPool2d(1)(tg.arange(6.0).reshape(1, 2, 3))
    tensor([[[5.]]])
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) to (…, *output_size); and the places, where these are asked for."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest element of each part of a volume that is divided into `output_size` parts; see `AdaptiveMaxPool2d`."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) to (…, *output_size); and the places, where these are asked for."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _FractionalMaxPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{self._get_name()}: either output_size or output_ratio must be given, and not both")
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,)
        if output_ratio is not None and not all(0 < r < 1 for r in ratios):
            raise ValueError(f"{self._get_name()}: output_ratio must be between 0 and 1, got {output_ratio!r}")
        self.kernel_size = kernel_size
        self.output_size = output_size
        self.output_ratio = output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def _arguments(self) -> tuple[Any, ...]:
        return (self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of windows whose distances are drawn at random, so that a picture shrinks by any factor.

    Source: Graham, Fractional max-pooling (2014).

    Parameters
    ----------
    kernel_size : int or pair of int
        The size of a window.
    output_size : int or pair of int, optional
        The size of the result.
    output_ratio : float or pair of float, optional
        Or its share of the input's size, between 0 and 1.
    return_indices : bool, default False
        Whether to return also where the largest elements are.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.FractionalMaxPool2d(3, output_ratio=(0.7, 0.5))(tg.zeros(2, 3, 20, 20)).shape
    Size([2, 3, 14, 10])
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) to the same with fewer elements."""
        return F.fractional_max_pool2d(input, *self._arguments())


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest element of windows of volumes whose distances are drawn at random; see `FractionalMaxPool2d`."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) to the same with fewer elements."""
        return F.fractional_max_pool3d(input, *self._arguments())
