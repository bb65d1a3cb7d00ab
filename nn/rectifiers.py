"""Nonlinearities made of lines, as modules."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.creation import empty
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn._activation import Activation, InPlace
from tinygrad_edu.nn.init import constant_
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


class ReLU(InPlace):
    """max(0, x), element by element.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ReLU()(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.relu(input, self.inplace)


class ReLU6(InPlace):
    """min(max(0, x), 6), element by element.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ReLU6()(tg.tensor([-1.0, 9.0]))
    tensor([0., 6.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.relu6(input, self.inplace)


class LeakyReLU(InPlace):
    """x where it is positive, negative_slope · x elsewhere.

    Parameters
    ----------
    negative_slope : float, default 0.01
        The slope below 0.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LeakyReLU(0.5)(tg.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    shown = "negative_slope"

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class RReLU(InPlace):
    """A leaky ReLU whose slope is drawn anew for each element while training, and is the mean slope afterwards.

    Parameters
    ----------
    lower, upper : float
        The range of the slope.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.RReLU(0.25, 0.75).eval()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    shown = "lower upper"

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Activation):
    """x where it is positive, weight · x elsewhere, with a slope that is learnt.

    Source: He et al., Delving deep into rectifiers, ICCV (2015).

    Parameters
    ----------
    num_parameters : int, default 1
        1, or as many as the input has channels (dimension 1).
    init : float, default 0.25
        Where the slopes begin.
    device, dtype : optional
        Of the weight.

    Attributes
    ----------
    weight : Parameter, (num_parameters,)
        The slopes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.PReLU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.2500,  2.0000], grad_fn=<PreluKernelBackward0>)
    """

    shown = "num_parameters"

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all slopes to `init`."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape; several slopes need (N, C, …) or (N, C)."""
        return F.prelu(input, self.weight)


class Threshold(InPlace):
    """x where it is above the threshold, value elsewhere.

    Parameters
    ----------
    threshold : float
        What x must exceed.
    value : float
        What stands in for the others.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Threshold(0.5, 9.0)(tg.tensor([-1.0, 2.0]))
    tensor([9., 2.])
    """

    shown = "threshold value"

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Hardtanh(InPlace):
    """x limited to [min_val, max_val].

    Parameters
    ----------
    min_val, max_val : float, default -1 and 1
        The limits.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Hardtanh()(tg.tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """

    shown = "min_val max_val"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: min_val ({min_val}) must be smaller than max_val ({max_val})")
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class Hardsigmoid(InPlace):
    """relu6(x + 3) / 6, a sigmoid made of three lines.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Hardsigmoid()(tg.tensor([-3.0, 0.0]))
    tensor([0.0000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class Hardswish(InPlace):
    """x · relu6(x + 3) / 6.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Hardswish()(tg.tensor([-3.0, 3.0]))
    tensor([-0.,  3.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class Hardshrink(Module):
    """x outside [-lambd, lambd], 0 inside.

    Parameters
    ----------
    lambd : float, default 0.5
        The limit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Hardshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Module):
    """x moved towards 0 by lambd, and 0 inside [-lambd, lambd].

    Parameters
    ----------
    lambd : float, default 0.5
        The limit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5000,  1.5000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)
