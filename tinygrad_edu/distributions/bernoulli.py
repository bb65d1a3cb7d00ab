"""The Bernoulli distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.creation import arange
from tinygrad_edu.distributions.distribution import Distribution, broadcast_all, derived, one_of
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.elementwise import clamp, log, log1p, sigmoid, where
from tinygrad_edu.ops.probability_losses import binary_cross_entropy_with_logits
from tinygrad_edu.random import bernoulli
from tinygrad_edu.tensor import Tensor


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0.

    Parameters
    ----------
    probs : Tensor or float, optional
        Probabilities.
    logits : Tensor or float, optional
        Their log-odds ln(p / (1 - p)); one of the two must be given.
    validate_args : bool, optional
        Whether to check parameters and values.

    Raises
    ------
    ValueError
        When both or neither are given, or probabilities do not lie in [0, 1].

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> d = tg.distributions.Bernoulli(tg.tensor([0.25, 0.5]))
    >>> d.log_prob(tg.ones(2)).exp()
    tensor([0.2500, 0.5000])
    """

    parameters: ClassVar[dict[str, int]] = {"probs": 0, "logits": 0}

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, given = one_of("Bernoulli", probs, logits)
        (value,) = broadcast_all(given)
        self.__dict__[name] = value
        super().__init__(value.shape, validate_args=validate_args)
        if name == "probs":
            self._demand(name, (value >= 0) & (value <= 1), "between 0 and 1")
        else:
            self._demand(name, value == value, "a number")

    @derived
    def logits(self) -> Tensor:
        """The log-odds; those of 0 and 1 are limited to what the type can tell from 0 and 1."""
        p = inner_probabilities(self.probs)
        return log(p) - log1p(-p)

    @derived
    def probs(self) -> Tensor:
        """The probabilities."""
        return sigmoid(self.logits)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        """0 or 1, and NaN where both are equally likely."""
        p = self.probs
        return where(p == 0.5, float("nan"), (p >= 0.5).to(p.dtype))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Zeros and ones."""
        with no_grad():
            return bernoulli(self.probs.expand(*self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """ln p of ones, ln(1 - p) of zeros."""
        self._check_value(value)
        if self._validate_args:
            self._demand("a value", (value == 0) | (value == 1), "0 or 1")
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """-p ln p - (1 - p) ln(1 - p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = arange(2, dtype=self._given.dtype, device=self._given.device).reshape(2, *[1] * len(self._batch_shape))
        return values.expand(2, *self._batch_shape) if expand else values


def inner_probabilities(probs: Tensor) -> Tensor:
    """Probabilities, limited to those whose logarithm and that of whose complement are finite."""
    eps = {16: 2.0**-10, 32: 2.0**-23, 64: 2.0**-52}[probs.dtype.bits]
    return clamp(probs, eps, 1 - eps)
