"""Several independent draws as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.distributions.distribution import Distribution
from tinygrad_edu.ops._types import sizes_of
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.tensor import Tensor


class Independent(Distribution):
    """Distributions of which the last dimensions of the batch are taken together: one draw is a draw from each of them.

    Parameters
    ----------
    base_distribution : Distribution
    reinterpreted_batch_ndims : int
        How many dimensions of its batch become dimensions of an event; log-probabilities are added up over them.
    validate_args : bool, optional
        Whether to check values.

    Raises
    ------
    ValueError
        When the batch has fewer dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> d = tg.distributions.Independent(tg.distributions.Normal(tg.zeros(5, 3), 1.0), 1)  # five vectors of three numbers
    >>> d.batch_shape, d.event_shape, d.log_prob(d.sample()).shape
    (Size([5]), Size([3]), Size([5]))
    """

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        batch = base_distribution.batch_shape
        if not 0 <= reinterpreted_batch_ndims <= len(batch):
            raise ValueError(
                f"Independent: the batch {tuple(batch)} has {len(batch)} dimensions, {reinterpreted_batch_ndims} cannot be taken "
                "from it"
            )
        kept = len(batch) - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.has_rsample = base_distribution.has_rsample
        super().__init__(batch[:kept], (*batch[kept:], *base_distribution.event_shape), validate_args)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    @property
    def stddev(self) -> Tensor:
        return self.base_dist.stddev

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw values, without a gradient."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw values with a gradient, where the base distribution can."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum of the logarithms of the probabilities of what belongs together."""
        return self.summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """The sum of the entropies of what belongs together."""
        return self.summed(self.base_dist.entropy())

    def expand(self, batch_shape: Sequence[int]) -> Any:
        """The same distributions with their batch broadcast to a larger shape."""
        kept = len(self._batch_shape)
        shape = (*sizes_of((tuple(batch_shape),)), *self.base_dist.batch_shape[kept:])
        return Independent(self.base_dist.expand(shape), self.reinterpreted_batch_ndims, self._validate_args)

    def summed(self, x: Tensor) -> Tensor:
        """Sum over the dimensions that belong together, which are the last."""
        n = self.reinterpreted_batch_ndims
        return sum_(x, tuple(range(x.dim() - n, x.dim()))) if n else x

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
