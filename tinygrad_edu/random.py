"""Random numbers: one seed makes a run repeatable, and a generator's state can be saved and restored."""

from __future__ import annotations

import os
import threading
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu._state import modes
from tinygrad_edu.creation import _finish, tensor
from tinygrad_edu.device import resolve
from tinygrad_edu.dtypes import float32, to_dtype
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import new_shape
from tinygrad_edu.tensor import Tensor


class Generator:
    """A source of random numbers on a device.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> a = tg.rand(2, generator=tg.Generator().manual_seed(1))
    >>> b = tg.rand(2, generator=tg.Generator().manual_seed(1))
    >>> a.equal(b)
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = resolve(device)
        self._seed = 0
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from ``seed``."""
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"manual_seed: expected an integer, got {seed!r}")
        self._seed = seed % (1 << 64)
        self._raw = self.device.backend.generator(self._seed)
        return self

    def seed(self) -> int:
        """Start again from a seed that the operating system draws, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the generator last started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes, for a checkpoint."""
        text = self.device.backend.get_random_state(self._raw)
        return tensor(list(text.encode()), dtype="uint8", device="cpu")

    def set_state(self, new_state: Tensor) -> None:
        """Go on from a state that :meth:`get_state` gave."""
        if not isinstance(new_state, Tensor) or new_state.dtype.name != "uint8":
            raise TypeError(f"set_state: expected a uint8 tensor from get_state(), got {describe(new_state)}")
        try:
            self.device.backend.set_random_state(self._raw, bytes(new_state.tolist()).decode())
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"set_state: these bytes are no generator state ({error})") from None


class _Generators(threading.local):
    """The default generators of a thread, one a device."""

    def __init__(self) -> None:
        self.by_device: dict[str, Generator] = {}
        self.seed: int | None = None


_defaults = _Generators()


def default_generator(device: Any = "cpu") -> Generator:
    """The generator that is used on a device when none is given."""
    name = str(resolve(device))
    if name not in _defaults.by_device:
        generator = _defaults.by_device[name] = Generator(name)
        if _defaults.seed is None:
            generator.seed()
        else:
            generator.manual_seed(_defaults.seed)
    return _defaults.by_device[name]


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of all devices, in this thread; returns the CPU's."""
    cpu = default_generator("cpu").manual_seed(seed)
    _defaults.seed = seed
    for generator in _defaults.by_device.values():
        generator.manual_seed(seed)
    return cpu


def seed() -> int:
    """Seed the default generators from the operating system, and return the seed."""
    drawn = default_generator("cpu").seed()
    manual_seed(drawn)
    return drawn


def initial_seed() -> int:
    """The seed that the CPU's default generator started from."""
    return default_generator("cpu").initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's default generator, for a checkpoint."""
    return default_generator("cpu").get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Go on from what :func:`get_rng_state` gave."""
    default_generator("cpu").set_state(new_state)


def raw_uniform(like: Tensor, shape: tuple[int, ...]) -> Any:
    """Uniform numbers in [0, 1) in single precision, as a raw array on the device of ``like``."""
    xp = backends.of(like._data)
    return xp.random_uniform(default_generator(like.device)._raw, shape, xp.dtype("float32"))


def _draw(
    kind: str, size: tuple[Any, ...], dtype: Any, device: Any, generator: Generator | None, requires_grad: bool
) -> Tensor:
    shape = new_shape(size)
    generator, xp = _source(device, generator)
    wanted = modes.dtype if dtype is None else to_dtype(dtype)
    if not wanted.is_floating_point:
        raise TypeError(f"rand: random real numbers are of floating point, not {wanted}; use randint for integers")
    raw = getattr(xp, kind)(generator._raw, shape, xp.dtype(wanted.name))
    return _finish(xp.asarray(raw), requires_grad)


def _source(device: Any, generator: Generator | None) -> tuple[Generator, backends.Backend]:
    target = resolve(device if device is not None or generator is None else generator.device)
    generator = default_generator(target) if generator is None else generator
    if generator.device != target:
        raise RuntimeError(f"the generator is on {generator.device}, the tensor would be on {target}")
    return generator, target.backend


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _draw("random_uniform", size, dtype, device, generator, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Random numbers from the standard normal distribution."""
    return _draw("random_normal", size, dtype, device, generator, requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Uniform random numbers in the shape of ``input``."""
    return rand(input.shape, dtype=dtype or input.dtype, device=device or input.device)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Standard normal random numbers in the shape of ``input``."""
    return randn(input.shape, dtype=dtype or input.dtype, device=device or input.device)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Random integers in [low, high); with two arguments in [0, first)."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(high, int) or low >= high:
        raise ValueError(f"randint: the range {low} to {high} is empty")
    generator, xp = _source(device, generator)
    out = Tensor._wrap(xp.asarray(xp.random_integers(generator._raw, low, high, new_shape((size,)))))
    return out if dtype is None else out.to(dtype)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """A random permutation of 0 … n-1."""
    generator, xp = _source(device, generator)
    out = Tensor._wrap(xp.random_permutation(generator._raw, n))
    return out if dtype is None else out.to(dtype)


def normal(mean: Any, std: Any, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Normal random numbers with a mean and a standard deviation, numbers or tensors."""
    if size is None:
        size = (mean * 1.0 + std * 0.0).shape if isinstance(mean, Tensor) or isinstance(std, Tensor) else ()
    return randn(size, generator=generator) * std + mean


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by each element, otherwise 0."""
    draws = rand(input.shape, generator=generator, dtype=float32, device=input.device)
    return (draws.double() < input.detach().double()).to(input.dtype)


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
    """
    if input.dim() not in (1, 2) or not input.is_floating_point():
        raise ValueError(f"multinomial: expected a floating-point tensor of 1 or 2 dimensions, got {describe(input)}")
    weights = input.detach().double()
    weights = weights.reshape(1, -1) if input.dim() == 1 else weights
    if bool((weights < 0).any()) or not bool(weights.isfinite().all()) or bool((weights.sum(1) == 0).any()):
        raise ValueError("multinomial: weights must be finite and non-negative, and not all zero in a row")
    rows = weights.shape[0]
    if replacement:
        ends = weights.cumsum(1)
        points = rand(rows, num_samples, generator=generator, dtype="float64", device=input.device) * ends[:, -1:]
        drawn = (points.unsqueeze(-1) >= ends.unsqueeze(1)).sum(-1).clamp(max=weights.shape[1] - 1)
    else:
        if num_samples > int((weights > 0).sum(1).min()):
            raise ValueError(
                f"multinomial: {num_samples} different numbers cannot be drawn from fewer non-zero weights"
            )
        # The largest of u^(1/w) are a sample without replacement (Efraimidis and Spirakis, 2006).
        keys = (
            rand(weights.shape, generator=generator, dtype="float64", device=input.device).clamp(min=1e-300).log()
            / weights
        )
        drawn = keys.topk(num_samples, 1).indices
    return drawn[0] if input.dim() == 1 else drawn
