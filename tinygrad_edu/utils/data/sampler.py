"""Samplers: in which order samples are taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

from tinygrad_edu.dtypes import float64
from tinygrad_edu.random import Generator, multinomial, randint, randperm
from tinygrad_edu.sharing import as_tensor
from tinygrad_edu.tensor import Tensor

__all__ = [
    "BatchSampler",
    "BucketBatchSampler",
    "DistributedSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)
_AT_ONCE = 4096  # indices are drawn in such parts, since some ask for as many as a training that has no end may want


class Sampler(Generic[T_co]):
    """What a `DataLoader` asks for the next index: define ``__iter__``, and ``__len__`` where it is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... up to the size of the data set."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices of a data set in random order, a new one each time.

    Parameters
    ----------
    data_source : sized
        The data set.
    replacement : bool, default False
        Whether an index may come again before all have come.
    num_samples : int, optional
        How many indices to draw; by default as many as there are samples.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import RandomSampler
    >>> sorted(RandomSampler(range(5)))
    [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"RandomSampler: num_samples must be a positive integer, got {num_samples!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        size, wanted = len(self.data_source), self.num_samples
        if size == 0:
            if wanted:
                raise ValueError(f"RandomSampler: {wanted} samples can't be drawn from an empty data set")
            return
        if self.replacement:
            for start in range(0, wanted, _AT_ONCE):
                some = min(_AT_ONCE, wanted - start)
                yield from randint(0, size, (some,), generator=self.generator, device="cpu").tolist()
            return
        # One of its own, since orders are drawn while others use the default generator.
        generator = self.generator or Generator().manual_seed(int(randint(0, 1 << 62, (), device="cpu")))
        while wanted > 0:
            order = randperm(size, generator=generator, device="cpu").tolist()
            yield from order[:wanted]
            wanted -= size


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator, device="cpu").tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn in proportion to weights, for example to see rare classes as often as others.

    Parameters
    ----------
    weights : sequence of float
        One for each sample, not negative; they need not add up to 1.
    num_samples : int
        How many indices to draw.
    replacement : bool, default True
        Whether an index may come more than once.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Raises
    ------
    ValueError
        If weights are no such numbers, or too few to draw from without replacement.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import WeightedRandomSampler
    >>> list(WeightedRandomSampler([0.0, 3.0, 0.0], 4))
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples <= 0:
            raise ValueError(f"WeightedRandomSampler: num_samples must be a positive integer, got {num_samples!r}")
        self.weights = as_tensor(weights, dtype=float64, device="cpu")
        if self.weights.dim() != 1:
            raise ValueError(
                f"WeightedRandomSampler: weights must be one number a sample, got the shape {tuple(self.weights.shape)}"
            )
        values = self.weights.tolist()
        if not all(0 <= w < math.inf for w in values) or not any(values):
            raise ValueError("WeightedRandomSampler: weights must be finite numbers from 0 on, and not all of them 0")
        possible = sum(w > 0 for w in values)
        if not replacement and possible < num_samples:
            raise ValueError(
                f"WeightedRandomSampler: {num_samples} different samples can't be drawn, {possible} have a weight above 0"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of another sampler into lists.

    Parameters
    ----------
    sampler : iterable of int
        The indices; it must have a length for this one to have one.
    batch_size : int
        How many indices make a batch.
    drop_last : bool
        Whether to leave out a last batch that is not full.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size must be a positive integer, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last must be True or False, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        sampler: Any = self.sampler
        full, rest = divmod(len(sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)


class BucketBatchSampler(Sampler[list[int]]):
    """Batches of samples of about the same length, so that little is padded, in an order that is still random.

    All indices are shuffled and cut into pools; each pool is sorted by length and cut into batches; the batches of all
    pools are shuffled.

    Parameters
    ----------
    lengths : sequence of int
        The length of each sample.
    batch_size : int, optional
        How many samples make a batch; or, in its place,
    max_tokens : int, optional
        how large a batch may be with its padding: its number of samples times the longest of them.
    shuffle : bool, default True
        With False, the batches are the same in every pass, from the shortest samples to the longest.
    drop_last : bool, default False
        Whether to leave out batches of less than `batch_size` samples.
    pool_size : int, default 100
        How many batches, of `batch_size` or on average, a pool has: fewer are more random, more have less padding.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import BucketBatchSampler
    >>> list(BucketBatchSampler([5, 1, 6, 2, 5], batch_size=2, shuffle=False))
    [[1, 3], [0, 4], [2]]
    >>> list(BucketBatchSampler([5, 1, 6, 2, 5], max_tokens=6, shuffle=False))
    [[1, 3], [0], [4], [2]]
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int | None = None,
        *,
        max_tokens: int | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        pool_size: int = 100,
        generator: Generator | None = None,
    ) -> None:
        if (batch_size is None) is (max_tokens is None):
            raise ValueError("BucketBatchSampler takes either batch_size or max_tokens")
        for name, value in {"batch_size": batch_size, "max_tokens": max_tokens, "pool_size": pool_size}.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
                raise ValueError(f"BucketBatchSampler: {name} must be a positive integer, got {value!r}")
        if drop_last and batch_size is None:
            raise ValueError("BucketBatchSampler: drop_last needs a batch_size")
        self.lengths = [int(n) for n in lengths]
        if max_tokens is not None and max(self.lengths, default=0) > max_tokens:
            raise ValueError(
                f"BucketBatchSampler: a sample has the length {max(self.lengths)}, more than max_tokens={max_tokens}"
            )
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.pool_size = pool_size
        self.generator = generator

    def __iter__(self) -> Iterator[list[int]]:
        total = len(self.lengths)
        if not self.shuffle:
            yield from self._cut(list(range(total)))
            return
        order = randperm(total, generator=self.generator, device="cpu").tolist()
        batches = [
            batch for start in range(0, total, self._pool()) for batch in self._cut(order[start : start + self._pool()])
        ]
        for i in randperm(len(batches), generator=self.generator, device="cpu").tolist():
            yield batches[i]

    def _pool(self) -> int:
        """How many samples a pool has: a multiple of the batch size, so that only the last pool has a small batch."""
        if self.batch_size is not None:
            return self.batch_size * self.pool_size
        assert self.max_tokens is not None
        mean = max(1.0, sum(self.lengths) / max(1, len(self.lengths)))
        return max(1, int(self.pool_size * self.max_tokens / mean))

    def _cut(self, pool: list[int]) -> Iterator[list[int]]:
        """Sort a pool by length and cut it into batches."""
        batch: list[int] = []
        for i in sorted(pool, key=self.lengths.__getitem__):
            if batch and self._full(batch, i):
                yield batch
                batch = []
            batch.append(i)
        if batch and not (self.drop_last and len(batch) < (self.batch_size or 0)):
            yield batch

    def _full(self, batch: list[int], i: int) -> bool:
        """Whether sample `i`, which is not shorter than those in `batch`, needs a new one."""
        if self.max_tokens is None:
            return len(batch) == self.batch_size
        return (len(batch) + 1) * self.lengths[i] > self.max_tokens

    def __len__(self) -> int:
        """Return the number of batches in a pass; with `max_tokens` it is not known before the samples are dealt out."""
        if self.batch_size is None:
            if self.shuffle:
                raise TypeError("BucketBatchSampler: with max_tokens and shuffle the number of batches varies")
            return sum(1 for _ in self._cut(list(range(len(self.lengths)))))
        full, rest = divmod(len(self.lengths), self.batch_size)
        return full + (rest > 0 and not self.drop_last)


class DistributedSampler(Sampler[int]):
    """The share of a data set that one of several processes reads; together they read all, each as many samples.

    Parameters
    ----------
    dataset : sized
    num_replicas : int
        How many processes there are.
    rank : int
        Which of them this is, from 0.
    shuffle : bool, default True
        Whether the order is random; call :meth:`set_epoch` before each epoch for another one.
    seed : int, default 0
        The same in all processes.
    drop_last : bool, default False
        Leave samples out, rather than to read some twice, where they cannot be shared out evenly.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import DistributedSampler
    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError("DistributedSampler: there are no process groups; say num_replicas= and rank=")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank must be from 0 to {num_replicas - 1}, got {rank}")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        share = len(dataset) / num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            order = randperm(count, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        while len(order) < self.total_size:
            order += order[: self.total_size - len(order)]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Let the next order be that of an epoch."""
        self.epoch = epoch
