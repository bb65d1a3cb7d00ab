"""Tensors of random numbers; where the numbers come from is in `generator`."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes
from tinygrad_edu.creation import _finish, tensor
from tinygrad_edu.device import resolve
from tinygrad_edu.dtypes import float32, int64, to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.generator import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from tinygrad_edu.ops._types import demand, new_shape
from tinygrad_edu.ops.shape import broadcast_tensors
from tinygrad_edu.tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "binomial",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


def raw_uniform(like: Tensor, shape: tuple[int, ...]) -> Any:
    """Uniform numbers in [0, 1) in single precision, as a raw array on the device of ``like``."""
    xp = backends.of(like._data)
    return xp.random_uniform(default_generator(like.device)._raw, shape, xp.dtype("float32"))


def _draw(
    name: str,
    kind: str,
    shape: tuple[int, ...],
    dtype: Any,
    device: Any,
    generator: Generator | None,
    requires_grad: bool = False,
) -> Tensor:
    """Real numbers of a kind that the backend draws."""
    generator, xp = _source(device, generator)
    wanted = modes.dtype if dtype is None else to_dtype(dtype)
    if not wanted.is_floating_point:
        raise TypeError(f"{name}: random real numbers are of floating point, not {wanted}; use randint for integers")
    raw = getattr(xp, kind)(generator._raw, shape, xp.dtype(wanted.name))
    return _finish(xp.asarray(raw), requires_grad)


def _source(device: Any, generator: Generator | None) -> tuple[Generator, backends.Backend]:
    target = resolve(device if device is not None or generator is None else generator.device)
    generator = default_generator(target) if generator is None else generator
    if generator.device != target:
        raise RuntimeError(f"the generator is on {generator.device}, the tensor would be on {target}")
    return generator, target.backend


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1); the shape is given as numbers, as one sequence or as ``size=``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.rand(2, 1000)
    >>> x.shape, bool((x >= 0).all() and (x < 1).all())
    (Size([2, 1000]), True)
    """
    return _draw("rand", "random_uniform", new_shape(sizes, size), dtype, device, generator, requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random numbers from the standard normal distribution; the shape is given as for :func:`rand`."""
    return _draw("randn", "random_normal", new_shape(sizes, size), dtype, device, generator, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in the shape, type and device of ``input``."""
    shape, dtype, device = tuple(input.shape), dtype or input.dtype, device or input.device
    return _draw("rand_like", "random_uniform", shape, dtype, device, generator, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal random numbers in the shape, type and device of ``input``."""
    shape, dtype, device = tuple(input.shape), dtype or input.dtype, device or input.device
    return _draw("randn_like", "random_normal", shape, dtype, device, generator, requires_grad)


def randint(
    low: Any = None,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random integers in [low, high); called as ``randint(high, size)`` in [0, high).

    Raises
    ------
    ValueError
        When the range is empty, or does not fit into the type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.randint(1, 7, (1000,))
    >>> x.min(), x.max()
    (tensor(1), tensor(6))
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    shape = new_shape((), size)
    low = 0 if low is None else low
    wanted = int64 if dtype is None else to_dtype(dtype)
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise TypeError(f"randint: expected integers as limits, got {low!r} and {high!r}")
    if low >= high:
        raise ValueError(f"randint: the range {low} to {high} is empty")
    for extreme in (low, high - 1):
        tensor(extreme, dtype=wanted, device="cpu")  # raises where it does not fit
    generator, xp = _source(device, generator)
    raw = xp.asarray(xp.random_integers(generator._raw, low, high, shape))
    return _finish(Tensor._wrap(raw).to(wanted)._data, requires_grad)


def randint_like(
    input: Tensor,
    low: Any,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random integers in [low, high), or [0, low) without ``high``, in the shape, type and device of ``input``."""
    low, high = (0, low) if high is None else (low, high)
    where = device or input.device
    return randint(
        low,
        high,
        tuple(input.shape),
        generator=generator,
        dtype=dtype or input.dtype,
        device=where,
        requires_grad=requires_grad,
    )


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A random permutation of 0 … n-1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.randperm(5).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    (n,) = new_shape((n,))
    generator, xp = _source(device, generator)
    out = Tensor._wrap(xp.random_permutation(generator._raw, n))
    return _finish((out if dtype is None else out.to(dtype))._data, requires_grad)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers with a mean and a standard deviation for each element, or for all.

    No gradient passes: for one that does write ``mean + std * randn_like(mean)``.

    Parameters
    ----------
    mean, std : Tensor or float
        Where both are tensors they broadcast.
    size : sequence of int
        The shape; needed, and allowed, where both are numbers.

    Raises
    ------
    TypeError
        When tensors are not of floating point, or numbers come without a size.
    ValueError
        When a standard deviation is negative.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.normal(tg.tensor([1.0, 10.0]), tg.zeros(2))
    tensor([ 1., 10.])
    """
    given = [v.detach() for v in (mean, std) if isinstance(v, Tensor)]
    if bool(given) == (size is not None):
        raise TypeError("normal: expected a tensor as mean or std, or two numbers and a size")
    for t in given:
        if not t.is_floating_point():
            raise TypeError(f"normal: mean and std must be of floating point, got {t.dtype}")
    negative = "normal: the standard deviation must not be negative anywhere"
    if isinstance(std, Tensor):
        demand(std.detach() >= 0, negative)
    elif not std >= 0:
        raise ValueError(negative)
    if given:
        like = given[0] if len(given) == 1 else given[0] + given[1]
        size, dtype, device = tuple(like.shape), dtype or like.dtype, device or like.device
    draws = _draw("normal", "random_normal", new_shape((), size), dtype, device, generator)
    mean, std = (v.detach() if isinstance(v, Tensor) else v for v in (mean, std))
    return _finish((draws * std + mean)._data, requires_grad)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element, or by ``p`` for all, otherwise 0.

    Raises
    ------
    TypeError
        When probabilities are taken from a tensor that is not of floating point.
    ValueError
        When one is no probability.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.bernoulli(tg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if p is None and not input.is_floating_point():
        raise TypeError(f"bernoulli: probabilities must be of floating point, got {input.dtype}")
    wrong = "bernoulli: every element must be a probability between 0 and 1"
    chances: Any = input.detach().double() if p is None else float(p)
    if p is None:
        demand((chances >= 0) & (chances <= 1), wrong)
    elif not 0 <= p <= 1:
        raise ValueError(wrong)
    draws = _draw("bernoulli", "random_uniform", tuple(input.shape), float32, input.device, generator)
    return (draws.double() < chances).to(input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, each with probability ``prob``: P(k) = C(n, k) pᵏ (1 - p)ⁿ⁻ᵏ, in the type of ``count``.

    Parameters
    ----------
    count, prob : Tensor
        Of floating point and one type; they broadcast. Counts are rounded down.

    Raises
    ------
    TypeError
        When the types differ, or are not of floating point.
    ValueError
        When a count is negative or not finite, or a probability lies outside of 0 to 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.binomial(tg.tensor([10.0, 10.0]), tg.tensor([0.0, 1.0]))
    tensor([ 0., 10.])
    """
    if not count.is_floating_point() or prob.dtype is not count.dtype:
        raise TypeError(
            f"binomial: count and prob must be of one floating-point type, got {count.dtype} and {prob.dtype}"
        )
    trials, chances = (t.detach().double() for t in broadcast_tensors(count, prob))
    demand((trials >= 0) & trials.isfinite(), "binomial: every count must be finite and not negative")
    demand((chances >= 0) & (chances <= 1), "binomial: every element of prob must be a probability between 0 and 1")
    generator, xp = _source(count.device, generator)
    drawn = xp.random_binomial(generator._raw, trials.long()._data, chances._data)
    return Tensor._wrap(drawn).to(count.dtype)


def poisson(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """How many events happen where each element is the number expected: P(k) = e^(-λ) λᵏ / k!, in the type of ``input``.

    Raises
    ------
    TypeError
        When the rates are not of floating point.
    ValueError
        When one is negative or not finite.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.poisson(tg.tensor([0.0, 0.0]))
    tensor([0., 0.])
    """
    if not input.is_floating_point():
        raise TypeError(f"poisson: rates must be of floating point, got {input.dtype}")
    rates = input.detach()
    demand((rates >= 0) & rates.isfinite(), "poisson: every rate must be finite and not negative")
    generator, xp = _source(input.device, generator)
    return Tensor._wrap(xp.random_poisson(generator._raw, rates._data)).to(input.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Draw column numbers with probabilities proportional to the rows of ``input``.

    Parameters
    ----------
    input : Tensor, (C,) or (N, C)
        Non-negative weights, which need not add up to 1.
    num_samples : int
        How many numbers to draw for each row.
    replacement : bool
        Whether a number can be drawn twice.

    Returns
    -------
    Tensor of int64, (num_samples,) or (N, num_samples)

    Raises
    ------
    ValueError
        When weights are negative, not finite or all zero, or fewer than the numbers to be drawn are above zero.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.multinomial(tg.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    if num_samples < 1:
        raise ValueError(f"multinomial: at least one number must be drawn, got num_samples = {num_samples}")
    if input.dim() not in (1, 2) or not input.is_floating_point():
        raise ValueError(f"multinomial: expected a floating-point tensor of 1 or 2 dimensions, got {describe(input)}")
    weights = input.detach().double()
    weights = weights.reshape(1, -1) if input.dim() == 1 else weights
    wrong = "multinomial: weights must be finite and non-negative, and not all zero in a row"
    demand((weights >= 0) & weights.isfinite() & (weights.sum(1, keepdim=True) != 0), wrong)
    rows = weights.shape[0]
    if replacement:
        ends = weights.cumsum(1)
        points = rand(rows, num_samples, generator=generator, dtype="float64", device=input.device) * ends[:, -1:]
        drawn = (points.unsqueeze(-1) >= ends.unsqueeze(1)).sum(-1).clamp(max=weights.shape[1] - 1)
    else:
        if num_samples > weights.shape[1]:
            raise ValueError(
                f"multinomial: {num_samples} different numbers cannot be drawn from {weights.shape[1]} weights"
            )
        enough = (weights > 0).sum(1) >= num_samples
        demand(enough, f"multinomial: {num_samples} different numbers cannot be drawn from fewer non-zero weights")
        # The largest of u^(1/w) are a sample without replacement (Efraimidis and Spirakis, 2006).
        keys = (
            rand(weights.shape, generator=generator, dtype="float64", device=input.device).clamp(min=1e-300).log()
            / weights
        )
        drawn = keys.topk(num_samples, 1).indices
    return drawn[0] if input.dim() == 1 else drawn
