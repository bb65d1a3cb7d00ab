"""DataLoader: batches of a data set, in the calling process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

from tinygrad_edu.random import Generator
from tinygrad_edu.utils.data.collate import default_collate, default_convert
from tinygrad_edu.utils.data.dataset import Dataset, IterableDataset, Subset, TensorDataset
from tinygrad_edu.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)


class DataLoader(Generic[T_co]):
    """Iterates over a data set in batches; every ``for`` over it is one epoch.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``__getitem__`` and ``__len__``, or an `IterableDataset`.
    batch_size : int or None, default 1
        Samples a batch; None gives single samples, without a batch dimension.
    shuffle : bool, default False
        Whether to draw a new random order in every epoch.
    sampler : iterable of int, optional
        The order of the samples, instead of `shuffle`.
    batch_sampler : iterable of list of int, optional
        The batches, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int, default 0
        Only 0: samples are loaded in the calling process.
    collate_fn : callable, optional
        Makes a batch of a list of samples; `default_collate` where it is left out.
    pin_memory : bool, default False
        Accepted and without effect.
    drop_last : bool, default False
        Whether to leave out a last batch that is not full.
    timeout : float, default 0
        Only 0: there are no workers to wait for.
    worker_init_fn : callable, optional
        Accepted; never called, since there are no workers.
    generator : Generator, optional
        Where the random order comes from; the default generator where it is left out.

    Raises
    ------
    ValueError
        If arguments contradict one another.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.utils.data import DataLoader, TensorDataset
    >>> loader = DataLoader(TensorDataset(tg.arange(5)), batch_size=2)
    >>> len(loader), [x.tolist() for (x,) in loader]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        dataset: Dataset[T_co] | Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[int] | Iterable[int] | None = None,
        batch_sampler: Sampler[list[int]] | Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_workers != 0:
            raise ValueError(
                f"num_workers={num_workers}: this DataLoader loads samples in the calling process; pass num_workers=0"
            )
        if timeout != 0:
            raise ValueError(f"timeout={timeout}: without workers there is nothing to wait for; pass timeout=0")
        iterable = isinstance(dataset, IterableDataset)
        if iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("an IterableDataset decides its own order: leave out shuffle, sampler and batch_sampler")
        if sampler is not None and shuffle:
            raise ValueError("sampler and shuffle=True exclude each other: the sampler decides the order")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler excludes batch_size, shuffle, sampler and drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("drop_last has no meaning without batches (batch_size=None)")
        if sampler is None and not iterable:
            sized: Any = dataset
            sampler = RandomSampler(sized, generator=generator) if shuffle else SequentialSampler(sized)
        batched = batch_size is not None or batch_sampler is not None
        if batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset: Any = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.collate_fn: Callable[[Any], Any] = collate_fn or (default_collate if batched else default_convert)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            return self._stream(iter(self.dataset))
        if self.batch_sampler is None:
            assert self.sampler is not None
            return (self.collate_fn(self.dataset[i]) for i in self.sampler)
        return (self._batch(indices) for indices in self.batch_sampler)

    def _stream(self, samples: Iterator[Any]) -> Iterator[Any]:
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def _batch(self, indices: list[int]) -> Any:
        if self.collate_fn is default_collate:
            whole: Any = self.dataset
            rows = indices
            while type(whole) is Subset:
                rows = [whole.indices[i] for i in rows]
                whole = whole.dataset
            if type(whole) is TensorDataset:
                return whole.rows(rows)
        if hasattr(self.dataset, "__getitems__"):
            return self.collate_fn(self.dataset.__getitems__(indices))
        return self.collate_fn([self.dataset[i] for i in indices])

    def __len__(self) -> int:
        """Return the number of batches in an epoch (of samples where ``batch_size`` is None)."""
        if isinstance(self.dataset, IterableDataset):
            stream: Any = self.dataset
            if not isinstance(stream, Sized):
                raise TypeError(f"{type(stream).__name__} has no length, so its DataLoader has none")
            if self.batch_size is None:
                return len(stream)
            full, rest = divmod(len(stream), self.batch_size)
            return full + (rest > 0 and not self.drop_last)
        counted: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(counted)


def get_worker_info() -> None:
    """Return None: samples are loaded in the main process."""
    return None
