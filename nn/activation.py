"""Smooth nonlinearities as modules."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn._activation import Activation, InPlace
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class Tanh(Module):
    """The hyperbolic tangent, element by element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Tanh()(tg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.tanh(input)


class Sigmoid(Module):
    """The logistic function 1 / (1 + e⁻ˣ), element by element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Sigmoid()(tg.tensor([0.0]))
    tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.sigmoid(input)


class Softmax(Activation):
    """eˣⁱ / Σⱼ eˣʲ along one dimension.

    Parameters
    ----------
    dim : int
        The dimension along which the results add up to 1; where it is left out it is guessed, as in PyTorch, with a warning.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softmax(dim=-1)(tg.zeros(2, 2)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    shown = "dim"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim: Any = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.softmax(input, self.dim)


class LogSoftmax(Activation):
    """ln softmax(x) along one dimension.

    Parameters
    ----------
    dim : int
        The dimension along which the exponentials of the results add up to 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LogSoftmax(dim=0)(tg.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    shown = "dim"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim: Any = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.log_softmax(input, self.dim)


class Softmin(Softmax):
    """e⁻ˣⁱ / Σⱼ e⁻ˣʲ along one dimension: the smallest number gets the largest share.

    Parameters
    ----------
    dim : int
        The dimension along which the results add up to 1; where it is left out it is guessed, as in PyTorch, with a warning.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softmin(dim=0)(tg.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """The softmax over the channels of each place.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softmax2d()(tg.zeros(2, 1, 1)).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to the same shape."""
        if len(input.shape) not in (3, 4):
            raise ValueError(f"Softmax2d: expected an input of 3 or 4 dimensions, got shape {tuple(input.shape)}")
        return F.softmax(input, -3)


class ELU(InPlace):
    """x where it is positive, alpha (eˣ - 1) elsewhere.

    Parameters
    ----------
    alpha : float, default 1
        What it comes close to below 0, with the opposite sign.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.ELU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """

    shown = "alpha"

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(InPlace):
    """x where it is positive, alpha (e^(x / alpha) - 1) elsewhere.

    Parameters
    ----------
    alpha : float, default 1
        What it comes close to below 0, with the opposite sign.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.CELU(2.0)(tg.tensor([-1.0, 2.0]))
    tensor([-0.7869,  2.0000])
    """

    shown = "alpha"

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.celu(input, self.alpha, self.inplace)


class SELU(InPlace):
    """The ELU scaled so that mean 0 and variance 1 are kept from layer to layer.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.SELU()(tg.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.selu(input, self.inplace)


class SiLU(InPlace):
    """x · sigmoid(x), element by element.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.SiLU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.silu(input, self.inplace)


class Mish(InPlace):
    """x · tanh(softplus(x)), element by element.

    Parameters
    ----------
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Mish()(tg.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.mish(input, self.inplace)


class GELU(Activation):
    """x · Φ(x), with the normal distribution function Φ.

    Parameters
    ----------
    approximate : "none" or "tanh"
        "tanh" takes an approximation by a hyperbolic tangent.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.GELU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """

    shown = "approximate"

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.gelu(input, self.approximate)


class Softplus(Activation):
    """ln(1 + e^(beta x)) / beta, a smooth ReLU.

    Parameters
    ----------
    beta : float, default 1
        How sharp the bend is.
    threshold : float, default 20
        Where beta · x is above it, the result is x.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softplus()(tg.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """

    shown = "beta threshold"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.softplus(input, self.beta, self.threshold)


class Softsign(Module):
    """x / (1 + |x|), element by element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Softsign()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5000,  0.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.softsign(input)


class LogSigmoid(Module):
    """ln(1 / (1 + e⁻ˣ)), element by element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.LogSigmoid()(tg.tensor([-1.0, 2.0]))
    tensor([-1.3133, -0.1269])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.logsigmoid(input)


class Tanhshrink(Module):
    """x - tanh(x), element by element.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.Tanhshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-0.2384,  1.0360])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.tanhshrink(input)


class GLU(Activation):
    """a · sigmoid(b) of the two halves a and b of the input along one dimension.

    Parameters
    ----------
    dim : int, default -1
        The dimension that is halved.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.GLU()(tg.tensor([1.0, 0.0]))
    tensor([0.5000])
    """

    shown = "dim"

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """(…, 2n, …) to (…, n, …)."""
        return F.glu(input, self.dim)
