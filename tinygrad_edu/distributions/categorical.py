"""The categorical distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from tinygrad_edu.creation import arange, full
from tinygrad_edu.distributions.bernoulli import inner_probabilities
from tinygrad_edu.distributions.distribution import Distribution, derived, one_of
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.activation import softmax
from tinygrad_edu.ops.elementwise import log, where
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.reduce import logsumexp
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import broadcast_shapes, squeeze, unsqueeze
from tinygrad_edu.random import multinomial
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.values import Size


class Categorical(Distribution):
    """One of the classes 0 to C - 1, each with its probability.

    Parameters
    ----------
    probs : Tensor, (…, C), optional
        Probabilities, or any weights that are not negative: they are divided by their sum.
    logits : Tensor, (…, C), optional
        Their logarithms, but for a constant; one of the two must be given.
    validate_args : bool, optional
        Whether to check parameters and values.

    Raises
    ------
    ValueError
        When both or neither are given, there is no dimension of classes, or weights are negative or all 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> d = tg.distributions.Categorical(tg.tensor([1.0, 1.0, 2.0]))
    >>> d.log_prob(tg.tensor(2)).exp()
    tensor(0.5000)
    >>> d.sample((2, 3)).shape
    Size([2, 3])
    """

    parameters: ClassVar[dict[str, int]] = {"probs": 1, "logits": 1}

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        name, given = one_of("Categorical", probs, logits)
        if not isinstance(given, Tensor) or not given.dim():
            raise ValueError(f"Categorical: {name} must be a Tensor with a dimension of classes, got {given!r}")
        super().__init__(given.shape[:-1], validate_args=validate_args)
        if name == "probs":
            total = sum_(given, -1, True)
            self._demand(name, (given >= 0) & (total > 0) & (total < math.inf), "weights of a finite sum above 0")
            self.__dict__[name] = given / total
        else:
            self._demand(name, given == given, "a number")
            self.__dict__[name] = given - logsumexp(given, -1, True)
        self._num_events = given.shape[-1]

    @derived
    def logits(self) -> Tensor:
        """The logarithms of the probabilities; that of 0 is limited to what the type can tell from 0."""
        return log(inner_probabilities(self.probs))

    @derived
    def probs(self) -> Tensor:
        """The probabilities."""
        return softmax(self.logits, -1)

    @property
    def param_shape(self) -> Size:
        """The shape of the probabilities."""
        return self._given.shape

    @property
    def mean(self) -> Tensor:
        """NaN: classes have no order."""
        return self._undefined()

    @property
    def mode(self) -> Tensor:
        """The most likely class."""
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        """NaN: classes have no order."""
        return self._undefined()

    def _undefined(self) -> Tensor:
        return full(tuple(self._batch_shape), math.nan, dtype=self._given.dtype, device=self._given.device)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Class numbers, as int64."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            count = math.prod(shape[: len(shape) - len(self._batch_shape)])
            if not count or not rows.shape[0]:
                return rows.new_zeros(shape, dtype="int64")
            return multinomial(rows, count, True).t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithms of the probabilities of class numbers."""
        self._check_value(value)
        if self._validate_args:
            whole = (value >= 0) & (value < self._num_events) & (value == value.to("int64"))
            self._demand("a value", whole, f"a whole number from 0 to {self._num_events - 1}")
        shape = tuple(broadcast_shapes(tuple(value.shape), tuple(self._batch_shape)))
        index = unsqueeze(value.to("int64").expand(*shape), -1)
        return squeeze(gather(self.logits.expand(*shape, self._num_events), -1, index), -1)

    def entropy(self) -> Tensor:
        """-Σ p ln p; a class that is impossible adds nothing."""
        impossible = self.logits == -math.inf
        return -sum_(where(impossible, 0.0, self.logits) * self.probs, -1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to C - 1."""
        n = self._num_events
        values = arange(n, dtype="int64", device=self._given.device).reshape(n, *[1] * len(self._batch_shape))
        return values.expand(n, *self._batch_shape) if expand else values
