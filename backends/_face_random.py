"""Random numbers: by default drawn on the host, so that a seed gives the same numbers on every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.backends._face import Array, Face, host, name_of


class RandomNumbers(Face):
    """What is drawn by a generator."""

    def _drawn(self, kind: str, *args: Any) -> Array:
        return self.from_host(getattr(host(), kind)(*args), self.index)

    def generator(self, seed: int) -> Any:
        """A random generator object of this backend, seeded."""
        return host().generator(seed)

    def random_seed(self, generator: Any) -> int:
        """A number that a generator of its own can start from; never waits for the device."""
        return int(host().random_integers(generator, 0, 1 << 62, ()))

    def random_uniform(self, generator: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Uniform numbers in [0, 1)."""
        return self._drawn("random_uniform", generator, shape, host().dtype(name_of(dtype)))

    def random_normal(self, generator: Any, shape: Sequence[int], dtype: Any) -> Array:
        """Standard normal numbers."""
        return self._drawn("random_normal", generator, shape, host().dtype(name_of(dtype)))

    def random_integers(self, generator: Any, low: int, high: int, shape: Sequence[int]) -> Array:
        """Integers in [low, high)."""
        return self._drawn("random_integers", generator, low, high, shape)

    def random_permutation(self, generator: Any, n: int) -> Array:
        """A permutation of 0 … n-1."""
        return self._drawn("random_permutation", generator, n)

    def random_poisson(self, generator: Any, rates: Array) -> Array:
        """Numbers of events, as int64, where ``rates`` are expected."""
        return self._drawn("random_poisson", generator, self.to_host(rates))

    def random_binomial(self, generator: Any, counts: Array, chances: Array) -> Array:
        """Numbers of successes, as int64, in ``counts`` trials that succeed with ``chances``."""
        return self._drawn("random_binomial", generator, self.to_host(counts), self.to_host(chances))

    def get_random_state(self, generator: Any) -> str:
        """The generator's state as text."""
        state: str = host().get_random_state(generator)
        return state

    def set_random_state(self, generator: Any, state: str) -> None:
        """Restore what :meth:`get_random_state` gave."""
        host().set_random_state(generator, state)
