"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.distributions.distribution import Distribution, broadcast_all
from tinygrad_edu.ops.elementwise import erf, erfinv, log, square
from tinygrad_edu.random import randn
from tinygrad_edu.tensor import Tensor


class Normal(Distribution):
    """The normal (Gaussian) distribution with density exp(-(x - loc)² / (2 scale²)) / (scale √(2π)).

    Parameters
    ----------
    loc : Tensor or float
        The mean.
    scale : Tensor or float
        The standard deviation, which is positive; both broadcast.
    validate_args : bool, optional
        Whether to check parameters and values.

    Raises
    ------
    ValueError
        When a mean is NaN or a standard deviation not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> d = tg.distributions.Normal(tg.zeros(2), 1.0)
    >>> d.log_prob(tg.tensor([0.0, 1.0]))
    tensor([-0.9189, -1.4189])
    >>> d.rsample((3,)).shape
    Size([3, 2])
    """

    has_rsample = True
    parameters: ClassVar[dict[str, int]] = {"loc": 0, "scale": 0}

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)
        self._demand("loc", self.loc == self.loc, "a number")
        self._demand("scale", self.scale > 0, "positive")

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return square(self.scale)

    @property
    def stddev(self) -> Tensor:
        return self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale · ε for standard normal ε."""
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._check_value(value)
        if self._validate_args:
            self._demand("a value", value == value, "a number")
        return -square((value - self.loc) / self.scale) / 2 - log(self.scale) - math.log(2 * math.pi) / 2

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf((x - loc) / (scale √2))) / 2."""
        self._check_value(value)
        return 0.5 * (1 + erf((value - self.loc) / (self.scale * math.sqrt(2))))

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale √2 erf⁻¹(2 value - 1)."""
        self._check_value(value)
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """ln(scale) + (1 + ln(2π)) / 2."""
        return log(self.scale) + (1 + math.log(2 * math.pi)) / 2
