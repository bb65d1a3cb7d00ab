"""The Kullback-Leibler divergence of pairs of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_edu.distributions.bernoulli import Bernoulli
from tinygrad_edu.distributions.categorical import Categorical
from tinygrad_edu.distributions.distribution import Distribution
from tinygrad_edu.distributions.independent import Independent
from tinygrad_edu.distributions.normal import Normal
from tinygrad_edu.distributions.uniform import Uniform
from tinygrad_edu.ops.elementwise import log, softplus, square, where
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.tensor import Tensor

Divergence = Callable[[Any, Any], Tensor]
_KNOWN: dict[tuple[type, type], Divergence] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[Divergence], Divergence]:
    """Say, as a decorator, how to compute the divergence of a pair of types; it holds for their subclasses too.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.distributions import Distribution, Normal, kl_divergence, register_kl
    >>> class Point(Distribution):
    ...     def __init__(self, at):
    ...         self.at = at
    >>> @register_kl(Point, Normal)
    ... def _kl_point_normal(p, q):
    ...     return -q.log_prob(p.at)
    >>> kl_divergence(Point(tg.tensor(0.0)), Normal(0.0, 1.0))
    tensor(0.9189)
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: expected two types of distributions, got {kind!r}")

    def register(function: Divergence) -> Divergence:
        _KNOWN[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expected value of ln p(x) - ln q(x) for x drawn from p, in nats, for each pair of the batch.

    Source: Kullback and Leibler, On information and sufficiency, Annals of Mathematical Statistics 22 (1951).

    Raises
    ------
    NotImplementedError
        When nobody has said how to compute it: see :func:`register_kl`.

    Examples
    --------
    >>> from tinygrad_edu.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    for kind_p in type(p).__mro__:
        for kind_q in type(q).__mro__:
            if (kind_p, kind_q) in _KNOWN:
                return _KNOWN[kind_p, kind_q](p, q)
    raise NotImplementedError(f"kl_divergence: there is none of {type(p).__name__} from {type(q).__name__}")


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Normal, q: Normal) -> Tensor:
    ratio = square(p.scale / q.scale)
    return 0.5 * (ratio + square((p.loc - q.loc) / q.scale) - 1 - log(ratio))


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zeros = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    ones = where(p.probs == 0, 0.0, where(q.probs == 0, math.inf, ones))
    return ones + where(p.probs == 1, 0.0, where(q.probs == 1, math.inf, zeros))


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p: Categorical, q: Categorical) -> Tensor:
    never, impossible = p.probs == 0, q.probs == 0
    terms = p.probs * (where(never, 0.0, p.logits) - where(impossible, 0.0, q.logits))
    return sum_(where(never, 0.0, where(impossible, math.inf, terms)), -1)


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p: Uniform, q: Uniform) -> Tensor:
    ratio = log((q.high - q.low) / (p.high - p.low))
    return where((q.low > p.low) | (q.high < p.high), math.inf, ratio)


@register_kl(Uniform, Normal)
def _kl_uniform_normal(p: Uniform, q: Normal) -> Tensor:
    from_mean = square((p.high + p.low) / 2 - q.loc)
    return -p.entropy() + log(q.scale) + math.log(2 * math.pi) / 2 + (p.variance + from_mean) / (2 * square(q.scale))


@register_kl(Normal, Uniform)
def _kl_normal_uniform(p: Normal, q: Uniform) -> Tensor:
    """Infinite: a normal number may lie outside of any interval."""
    return (p.loc + q.low).detach() * 0 + math.inf


@register_kl(Independent, Independent)
def _kl_independent_independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            f"kl_divergence: {p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims} dimensions are taken together; "
            "they must be the same"
        )
    return p.summed(kl_divergence(p.base_dist, q.base_dist))
