"""The uniform distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.distributions.distribution import Distribution, broadcast_all
from tinygrad_edu.ops.elementwise import clamp, log, square, where
from tinygrad_edu.random import rand
from tinygrad_edu.tensor import Tensor


class Uniform(Distribution):
    """The uniform distribution on [low, high), with density 1 / (high - low).

    Parameters
    ----------
    low, high : Tensor or float
        Limits; they broadcast.
    validate_args : bool, optional
        Whether to check parameters and values.

    Raises
    ------
    ValueError
        When a lower limit is not below the upper one.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> d = tg.distributions.Uniform(0.0, tg.tensor([2.0, 4.0]))
    >>> d.log_prob(tg.tensor([1.0, 1.0])).exp()
    tensor([0.5000, 0.2500])
    """

    has_rsample = True
    parameters: ClassVar[dict[str, int]] = {"low": 0, "high": 0}

    def __init__(self, low: Tensor | float, high: Tensor | float, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        self._demand("low", self.low < self.high, "below high")

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """NaN: no value is likelier than another."""
        return self.high * float("nan")

    @property
    def variance(self) -> Tensor:
        return square(self.high - self.low) / 12

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / 12**0.5

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """low + u · (high - low) for u from [0, 1)."""
        u = rand(self._extended_shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density; -inf outside, where values may lie when arguments are not checked."""
        self._check_support(value)
        inside = (self.low <= value) & (value < self.high)
        return where(inside, 0.0, float("-inf")).to(self.low.dtype) - log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        """(x - low) / (high - low), limited to [0, 1]."""
        self._check_support(value)
        return clamp((value - self.low) / (self.high - self.low), 0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """low + value · (high - low)."""
        self._check_value(value)
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """ln(high - low)."""
        return log(self.high - self.low)

    def _check_support(self, value: Tensor) -> None:
        self._check_value(value)
        if self._validate_args:
            self._demand("a value", (self.low <= value) & (value <= self.high), "between low and high")
