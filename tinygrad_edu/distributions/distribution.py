"""What probability distributions share: shapes of samples, checks, and quantities that are computed when first asked for."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from tinygrad_edu._state import modes
from tinygrad_edu.creation import tensor
from tinygrad_edu.grad_mode import enable_grad, no_grad
from tinygrad_edu.ops._types import demand, sizes_of
from tinygrad_edu.ops.elementwise import exp
from tinygrad_edu.ops.shape import broadcast_shapes, broadcast_tensors
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.values import Size

D = TypeVar("D", bound="Distribution")


class derived(functools.cached_property[Tensor]):
    """A quantity that follows from the parameters, computed when it is first asked for, with its graph even inside
    ``no_grad``: it may be asked for again outside."""

    def __init__(self, function: Callable[[Any], Tensor]) -> None:
        super().__init__(enable_grad()(function))


class Distribution:
    """Base class of distributions; subclass it to add your own.

    A sample has shape ``sample_shape + batch_shape + event_shape``: how many are drawn, how many distributions there
    are, and what one draw is.

    Attributes
    ----------
    batch_shape, event_shape : Size
    has_rsample : bool
        Whether samples can be differentiated by the parameters.
    """

    has_rsample: bool = False
    # The parameters, and how many of their last dimensions belong to one distribution.
    parameters: ClassVar[dict[str, int]] = {}
    _validate_args = True

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their parameters and the values that they are asked about."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected True or False, got {value!r}")
        Distribution._validate_args = value

    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters: how many distributions there are."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw from one distribution."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance from the mean."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw values, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw values as a function of the parameters and of noise, so that they have a gradient."""
        raise self._missing("rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability (density) of values."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of being at most `value`."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a draw lies with probability `value`: the inverse of :meth:`cdf`."""
        raise self._missing("icdf")

    def entropy(self) -> Tensor:
        """The expected value of -log_prob, in nats."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """e to the power of the entropy."""
        return exp(self.entropy())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first dimension; with `expand` for each distribution of the batch."""
        raise self._missing("enumerate_support")

    def expand(self: D, batch_shape: Sequence[int]) -> D:
        """The same distributions with their batch broadcast to a larger shape."""
        shape = sizes_of((tuple(batch_shape),))
        new = copy.copy(self)
        new._batch_shape = Size(shape)
        for name, dims in self.parameters.items():
            value = new.__dict__.get(name)
            if value is not None:
                new.__dict__[name] = value.expand(*shape, *value.shape[value.dim() - dims :])
        return new

    def __repr__(self) -> str:
        given = [(name, self.__dict__[name]) for name in self.parameters if self.__dict__.get(name) is not None]
        shown = ", ".join(f"{name}: {v if v.numel() == 1 else v.shape}" for name, v in given)
        return f"{type(self).__name__}({shown})"

    @property
    def _given(self) -> Tensor:
        """One of the parameters, for its type and device."""
        return next(self.__dict__[name] for name in self.parameters if name in self.__dict__)

    def _missing(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has no {what}")

    def _extended_shape(self, sample_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of so many samples."""
        return (*sizes_of((tuple(sample_shape),)), *self._batch_shape, *self._event_shape)

    def _demand(self, name: str, holds: Tensor, what: str) -> None:
        """Raise where a parameter or a value is not what it must be."""
        if self._validate_args:
            demand(holds, f"{type(self).__name__}: {name} must be {what}")

    def _check_value(self, value: Any) -> None:
        """Raise when values are no tensor, or do not broadcast against the batch."""
        if not self._validate_args:
            return
        kind = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"{kind}: expected a Tensor as value, got {type(value).__name__}")
        try:
            broadcast_shapes(tuple(value.shape), (*self._batch_shape, *self._event_shape))
        except ValueError:
            raise ValueError(
                f"{kind}: a value of shape {tuple(value.shape)} does not broadcast against the batch {tuple(self._batch_shape)}"
            ) from None


def broadcast_all(*values: Tensor | float) -> list[Tensor]:
    """Tensors of one shape from tensors and numbers; numbers take the type and the device of the first tensor."""
    first = next((v for v in values if isinstance(v, Tensor)), None)
    tensors = []
    for v in values:
        if isinstance(v, Tensor):
            tensors.append(v)
        elif isinstance(v, (int, float)):
            dtype = modes.dtype if first is None else first.dtype
            tensors.append(tensor(float(v), dtype=dtype, device=None if first is None else first.device))
        else:
            raise ValueError(f"expected tensors and numbers as parameters, got {type(v).__name__}")
    return list(broadcast_tensors(*tensors))


def one_of(kind: str, probs: Any, logits: Any) -> tuple[str, Any]:
    """Which of the two was given, and its value."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{kind}: give probs or logits, {'not both' if probs is not None else 'one of them'}")
    return ("probs", probs) if logits is None else ("logits", logits)
