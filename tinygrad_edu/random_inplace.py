"""Random methods of tensors: those that overwrite, ``uniform_``, ``normal_`` and so on, and those that take probabilities.

Inside a graph a value that is overwritten gets a gradient of zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.inplace import rebind

if TYPE_CHECKING:
    from tinygrad_edu.generator import Generator
    from tinygrad_edu.tensor import Tensor


def _uniform(name: str, x: Tensor, generator: Generator | None, dtype: Any = None) -> Tensor:
    """Uniform numbers in [0, 1) in the shape of ``x``, of its type unless said otherwise."""
    from tinygrad_edu.random import rand

    if dtype is None and not x.is_floating_point():
        raise TypeError(f"{name}: random real numbers need a tensor of floating point, not {x.dtype}")
    return rand(x.shape, generator=generator, dtype=dtype or x.dtype, device=x.device)


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with uniform random numbers in [a, b)."""
    if not a <= b:
        raise ValueError(f"uniform_: the interval from {a} to {b} is empty")
    return rebind(self, _uniform("uniform_", self, generator) * (b - a) + a)


def _normal(name: str, x: Tensor, mean: float, std: float, generator: Generator | None) -> Tensor:
    """Normal numbers in the shape and type of ``x``."""
    from tinygrad_edu.random import randn

    if not std >= 0:
        raise ValueError(f"{name}: the standard deviation must be at least 0, got {std}")
    return randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) * std + mean


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with normal random numbers."""
    return rebind(self, _normal("normal_", self, mean, std, generator))


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with eˣ for normal random numbers x of this mean and standard deviation."""
    return rebind(self, _normal("log_normal_", self, mean, std, generator).exp())


def bernoulli(self: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element, or by ``p`` for all, otherwise 0; see :func:`tinygrad_edu.bernoulli`."""
    from tinygrad_edu.random import bernoulli

    return bernoulli(self, p, generator=generator)


def multinomial(
    self: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Column numbers with probabilities proportional to the rows; see :func:`tinygrad_edu.multinomial`."""
    from tinygrad_edu.random import multinomial

    return multinomial(self, num_samples, replacement, generator=generator)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with 1 with probability ``p``, a number or a tensor that broadcasts, otherwise 0."""
    from tinygrad_edu.random import bernoulli

    if isinstance(p, function.Tensor):
        return rebind(self, bernoulli(p.expand(self.shape), generator=generator).to(self.dtype))
    return rebind(self, bernoulli(self.detach(), p, generator=generator))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with random numbers of the density λ e^(-λx), x > 0."""
    if not lambd > 0:
        raise ValueError(f"exponential_: lambd must be above 0, got {lambd}")
    return rebind(self, (1 - _uniform("exponential_", self, generator)).log() / -lambd)


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with how many trials it takes to the first success, each of probability ``p``: P(k) = (1 - p)ᵏ⁻¹ p, k ≥ 1."""
    if not 0 < p < 1:
        raise ValueError(f"geometric_: p must be between 0 and 1, got {p}")
    draws = (1 - _uniform("geometric_", self, generator, "float64")).log() / math.log1p(-p)
    return rebind(self, draws.ceil().clamp(min=1).to(self.dtype))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with random numbers of the density σ / (π ((x - median)² + σ²))."""
    if not sigma > 0:
        raise ValueError(f"cauchy_: sigma must be above 0, got {sigma}")
    draws = (_uniform("cauchy_", self, generator) - 0.5) * math.pi
    return rebind(self, draws.tan() * sigma + median)


def random_(self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with random integers in [low, high), in [0, low) with one number, or in all that the type holds exactly.

    Of floating-point types that is up to 2 to the number of bits of the mantissa, 2²⁴ for float32.
    """
    from tinygrad_edu.random import randint

    if high is None:
        low, high = 0, low or _largest(self) + 1
    if low >= high:
        raise ValueError(f"random_: the range {low} to {high} is empty")
    return rebind(self, randint(low, high, tuple(self.shape), generator=generator, device=self.device).to(self.dtype))


def _largest(x: Tensor) -> int:
    """The largest of the numbers from 0 on that a type holds without gaps."""
    kind = x.dtype
    if kind.is_floating_point:
        return int(2 ** {16: 11, 32: 24, 64: 53}[kind.bits])
    if kind.category == 0:
        return 1
    return int(min(2 ** (kind.bits - kind.is_signed), 2**63 - 1) - 1)
