"""Padding layers: constants, zeros, mirror images, edges or the other end around sequences, pictures and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Padding of the last `dims` dimensions."""

    dims: ClassVar[int] = 1
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        widths = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)
        if len(widths) != 2 * self.dims:
            raise ValueError(
                f"{self._get_name()}: padding must be an integer or {2 * self.dims} of them, got {padding!r}"
            )
        self.padding = widths

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) or (C, …) to the same with larger dimensions at the end."""
        if len(input.shape) not in (self.dims + 1, self.dims + 2):
            expected = f"{self.dims + 1} or {self.dims + 2} dimensions"
            raise ValueError(f"{self._get_name()}: expected an input of {expected}, got shape {tuple(input.shape)}")
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """(…) to the same with larger dimensions at the end."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad1d(_ConstantPad):
    """A number around sequences; see `ConstantPad2d`."""


class ConstantPad2d(_ConstantPad):
    """A number around pictures.

    Parameters
    ----------
    padding : int or sequence of int
        Left, right, top, bottom; negative widths cut off.
    value : float
        The number.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ConstantPad2d((1, 0, 0, 1), 7.0)(tg.zeros(1, 1, 2))
    tensor([[[7., 0., 0.],
             [7., 7., 7.]]])
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A number around volumes; see `ConstantPad2d`."""

    dims = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around sequences; see `ConstantPad2d`."""


class ZeroPad2d(_ZeroPad):
    """Zeros around pictures; see `ConstantPad2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ZeroPad2d((1, 0, 0, 1))(tg.ones(1, 1, 2))
    tensor([[[0., 1., 1.],
             [0., 0., 0.]]])
    """

    dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around volumes; see `ConstantPad2d`."""

    dims = 3


class ReflectionPad1d(_Pad):
    """The mirror image, without the edge, around sequences; see `ReflectionPad2d`."""

    mode = "reflect"


class ReflectionPad2d(_Pad):
    """The mirror image, without the edge, around pictures.

    Parameters
    ----------
    padding : int or sequence of int
        Left, right, top, bottom; each smaller than the picture.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ReflectionPad2d((2, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2.]]])
    """

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """The mirror image, without the edge, around volumes; see `ReflectionPad2d`."""

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The edges again around sequences; see `ReplicationPad2d`."""

    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The edges again around pictures.

    Parameters
    ----------
    padding : int or sequence of int
        Left, right, top, bottom.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ReplicationPad2d((2, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3.]]])
    """

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The edges again around volumes; see `ReplicationPad2d`."""

    dims = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """The other end around sequences; see `CircularPad2d`."""

    mode = "circular"


class CircularPad2d(_Pad):
    """The other end around pictures, as on a torus.

    Parameters
    ----------
    padding : int or sequence of int
        Left, right, top, bottom; none larger than the picture.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.CircularPad2d((2, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 3., 1., 2., 3., 1.]]])
    """

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """The other end around volumes; see `CircularPad2d`."""

    dims = 3
    mode = "circular"
