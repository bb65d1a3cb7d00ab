"""How samples are taken from a data set, in the calling process and in workers alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from tinygrad_edu.generator import borrowed
from tinygrad_edu.utils.data.collate import default_collate
from tinygrad_edu.utils.data.dataset import IterableDataset, Subset, TensorDataset

# Seeds of batches lie this far from those of workers, which follow the seed of an epoch directly.
_FIRST_BATCH = 1 << 40


class Task(NamedTuple):
    """One batch to be made: its number in the epoch, and which samples; a stream decides for itself which."""

    epoch: int
    number: int
    indices: Any
    seed: int  # of the epoch


class Exhausted(Exception):
    """A stream has no more samples."""


class Recipe(NamedTuple):
    """What a loader tells about batches: everything that a fetcher needs."""

    dataset: Any
    batched: bool
    collate: Callable[[Any], Any]
    batch_size: int | None
    drop_last: bool

    def fetcher(self) -> Callable[[Task], Any]:
        """Return what makes the batches of one epoch."""
        fetch = _Stream(self).fetch if isinstance(self.dataset, IterableDataset) else self._look_up

        def seeded(task: Task) -> Any:
            # Each batch has random numbers of its own, so that it is the same whoever makes it.
            with borrowed((task.seed + _FIRST_BATCH + task.number) % (1 << 64)):
                return fetch(task.indices)

        return seeded

    def _look_up(self, indices: Any) -> Any:
        if not self.batched:
            return self.collate(self.dataset[indices])
        if self.collate is default_collate:
            whole, rows = self.dataset, indices
            while type(whole) is Subset:
                rows = [whole.indices[i] for i in rows]
                whole = whole.dataset
            if type(whole) is TensorDataset:
                return whole.rows(rows)
        if hasattr(self.dataset, "__getitems__"):
            return self.collate(self.dataset.__getitems__(indices))
        return self.collate([self.dataset[i] for i in indices])


class _Stream:
    """Batches of an iterable data set, one pass."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._samples: Any = None

    def fetch(self, indices: Any) -> Any:
        recipe = self._recipe
        if self._samples is None:  # here, so that what the data set draws when it starts is seeded as well
            self._samples = iter(recipe.dataset)
        if recipe.batch_size is None:
            for sample in self._samples:
                return recipe.collate(sample)
            raise Exhausted
        batch = list(islice(self._samples, recipe.batch_size))
        if not batch or (recipe.drop_last and len(batch) < recipe.batch_size):
            raise Exhausted
        return recipe.collate(batch)
