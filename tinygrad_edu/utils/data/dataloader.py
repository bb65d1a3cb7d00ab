"""DataLoader: batches of a data set, made in the calling process or by workers."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import repeat
from typing import Any, Generic, TypeVar

from tinygrad_edu import cuda
from tinygrad_edu.random import Generator, randint
from tinygrad_edu.utils.data.collate import default_collate, default_convert
from tinygrad_edu.utils.data.dataset import Dataset, IterableDataset
from tinygrad_edu.utils.data.fetch import Exhausted, Recipe, Task
from tinygrad_edu.utils.data.pinning import pin
from tinygrad_edu.utils.data.pool import Epoch, Pool
from tinygrad_edu.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader"]

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
        How many processes make batches ahead of time; 0 makes them in the calling process, when they are asked for.
        The batches are the same for any number: each has random numbers of its own, which follow the generator.
    collate_fn : callable, optional
        Makes a batch of a list of samples; `default_collate` where it is left out.
    pin_memory : bool, default False
        Whether to put batches into page-locked memory, from which ``.to("cuda", non_blocking=True)`` returns at once; without a GPU
        there is none, and a pass begins with a warning.
    drop_last : bool, default False
        Whether to leave out a last batch that is not full.
    timeout : float, default 0
        After how many seconds without a batch from the workers to give up; 0 means never.
    worker_init_fn : callable, optional
        Called with its number in each worker when it starts.
    multiprocessing_context : str or context, optional
        How workers are started: ``"fork"``, ``"spawn"``, ``"forkserver"``, or a context of `multiprocessing`.
    generator : Generator, optional
        Where the random order and the seeds come from; the default generator where it is left out.
    prefetch_factor : int, default 2
        How many batches each worker makes ahead.
    persistent_workers : bool, default False
        Whether the workers live on after an epoch, with their copies of the data set.
    pin_memory_device : str, optional
        Accepted and without effect.
    in_order : bool, default True
        Whether batches come in the order of the sampler; with False, as soon as they are made.

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
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(
            num_workers, timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers
        )
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
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self.collate_fn: Callable[[Any], Any] = collate_fn or (default_collate if batched else default_convert)
        self._pool: Pool | None = None  # of persistent workers

    def __iter__(self) -> Iterator[Any]:
        if not self.pin_memory:
            return self._batches()
        if not cuda.is_available():
            warnings.warn("DataLoader: pin_memory=True has no effect, since there is no GPU", stacklevel=2)
            return self._batches()
        return map(pin, self._batches())

    def _batches(self) -> Iterator[Any]:
        """The batches of an epoch."""
        # Drawn whether it is used or not, so that what follows doesn't depend on the data set.
        seed = int(randint(0, 1 << 62, (), generator=self.generator, device="cpu"))
        requests = self._requests()
        if self.num_workers == 0:
            return _here(self._recipe().fetcher(), requests, seed)
        pool = self._pool
        if pool is None or not pool.stop.alive:
            context = self.multiprocessing_context
            if context is None or isinstance(context, str):
                context = multiprocessing.get_context(context)
            pool = Pool(self._recipe(), self.num_workers, context, seed, self.worker_init_fn)
            self._pool = pool if self.persistent_workers else None
        assert self.prefetch_factor is not None
        ahead, lasting = self.prefetch_factor, self.persistent_workers
        return Epoch(pool, requests, seed, ahead, self.timeout, self.in_order, lasting)

    def _recipe(self) -> Recipe:
        batched = self.batch_size is not None or self.batch_sampler is not None
        return Recipe(self.dataset, batched, self.collate_fn, self.batch_size, self.drop_last)

    def _requests(self) -> Iterator[Any]:
        """What is asked for, batch by batch; of a stream only the next one."""
        if isinstance(self.dataset, IterableDataset):
            return repeat(None)
        wanted: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return iter(wanted)

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


def _here(fetch: Callable[[Task], Any], requests: Iterator[Any], seed: int) -> Iterator[Any]:
    """Yield the batches of an epoch, made in this process."""
    for number, indices in enumerate(requests):
        try:
            batch = fetch(Task(0, number, indices, seed))
        except Exhausted:
            return
        yield batch


def _check_workers(
    num_workers: int, timeout: float, init: Any, context: Any, prefetch_factor: int | None, persistent: bool
) -> None:
    """Raise where the arguments about workers make no sense."""
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
        raise ValueError(f"DataLoader: num_workers must be an integer from 0 on, got {num_workers!r}")
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must be 0 or more seconds, got {timeout!r}")
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError(f"DataLoader: prefetch_factor must be at least 1, got {prefetch_factor!r}")
    if init is not None and not callable(init):
        raise TypeError(f"DataLoader: worker_init_fn must be a function of a worker's number, got {init!r}")
    if isinstance(context, str) and context not in multiprocessing.get_all_start_methods():
        known = ", ".join(map(repr, multiprocessing.get_all_start_methods()))
        raise ValueError(f"DataLoader: multiprocessing_context must be one of {known}, got {context!r}")
    if not (context is None or isinstance(context, (str, multiprocessing.context.BaseContext))):
        raise TypeError(f"DataLoader: multiprocessing_context must be a name or a context, got {context!r}")
    if num_workers == 0:
        given = {"timeout": timeout, "multiprocessing_context": context, "prefetch_factor": prefetch_factor}
        for name, value in {**given, "persistent_workers": persistent}.items():
            if value:
                raise ValueError(f"DataLoader: {name}={value!r} is about worker processes, and num_workers is 0")
