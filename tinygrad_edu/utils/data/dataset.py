"""Data sets: where samples come from."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from tinygrad_edu.creation import tensor
from tinygrad_edu.random import Generator, randperm
from tinygrad_edu.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by number: subclass it and define ``__getitem__`` and ``__len__``.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import DataLoader, Dataset
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def __getitem__(self, i):
    ...         return i, i * i
    >>> for numbers, squares in DataLoader(Squares(), batch_size=2):
    ...     print(numbers.tolist(), squares.tolist())
    [0, 1] [0, 1]
    [2, 3] [4, 9]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __add__(self, other: Dataset[T_co]) -> Dataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples one after the other, for streams: subclass it and define ``__iter__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")

    def __add__(self, other: Dataset[T_co]) -> Dataset[T_co]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """The rows of tensors: sample ``i`` is ``(t[i] for every tensor t)``.

    Parameters
    ----------
    *tensors : Tensor
        All with the same first dimension N, the number of samples.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.utils.data import TensorDataset
    >>> data = TensorDataset(tg.arange(6).reshape(3, 2), tg.tensor([0, 1, 0]))
    >>> len(data), data[1]
    (3, (tensor([2, 3]), tensor(1)))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        if any(t.dim() == 0 or t.shape[0] != tensors[0].shape[0] for t in tensors):
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
            raise ValueError(f"TensorDataset needs tensors with the same first dimension, got the shapes {shapes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def rows(self, indices: Sequence[int]) -> list[Tensor]:
        """Return many samples as one batch: what collating them one by one gives, at the cost of one look-up."""
        return [t[tensor([int(i) for i in indices], device=t.device)] for t in self.tensors]


class StackDataset(Dataset[Any]):
    """Several data sets side by side: sample i has sample i of each.

    Parameters
    ----------
    *args : Dataset
        Samples become tuples; or
    **kwargs : Dataset
        samples become dictionaries. All have the same length.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import StackDataset
    >>> StackDataset(["a", "b"], [10, 20])[1], StackDataset(word=["a", "b"], number=[10, 20])[0]
    (('b', 20), {'word': 'a', 'number': 10})
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) is bool(kwargs):
            raise ValueError("StackDataset takes data sets either by position (tuples) or by name (dictionaries)")
        self.datasets: Any = args or kwargs
        sizes = [_size(d) for d in (args or kwargs.values())]
        if len(set(sizes)) > 1:
            raise ValueError(f"StackDataset needs data sets of the same length, got the lengths {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class Subset(Dataset[T_co]):
    """Some of the samples of a data set.

    Parameters
    ----------
    dataset : Dataset
        The whole.
    indices : sequence of int
        Which of its samples, in which order.
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Several data sets as one, the samples of the first in front.

    Parameters
    ----------
    datasets : iterable of Dataset
        At least one, none of them iterable-style.
    """

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset needs at least one data set")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError("ConcatDataset looks samples up by number, an IterableDataset can't: use ChainDataset")
        self.cumulative_sizes = list(accumulate(_size(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for a data set of {len(self)} samples")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset[T_co]):
    """Several iterable-style data sets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets: list[IterableDataset[T_co]] = []
        for d in datasets:
            if not isinstance(d, IterableDataset):
                raise TypeError(f"ChainDataset takes IterableDatasets, got a {type(d).__name__}")
            self.datasets.append(d)

    def __iter__(self) -> Iterator[T_co]:
        for d in self.datasets:
            yield from d

    def __len__(self) -> int:
        return sum(_size(d) for d in self.datasets)


def _size(dataset: Any) -> int:
    return len(dataset)


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Split a data set at random into parts that don't overlap.

    Parameters
    ----------
    dataset : Dataset
        What to split.
    lengths : sequence of int or float
        The sizes of the parts, which add up to the whole; or fractions that add up to 1. What rounding down the
        fractions leaves over is dealt out from the first part on.
    generator : Generator, optional
        Where randomness comes from; the default generator where it is left out.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import random_split
    >>> train, test = random_split(range(10), [0.8, 0.2])
    >>> sorted([*train, *test]) == list(range(10)), len(test)
    (True, 2)
    """
    total = _size(dataset)
    if math.isclose(sum(lengths), 1) and all(0 <= fraction <= 1 for fraction in lengths):
        sizes = [math.floor(total * fraction) for fraction in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(n) for n in lengths if n >= 0 and n == int(n)]
    if sum(sizes) != total or len(sizes) != len(lengths):
        raise ValueError(
            f"random_split: the lengths {list(lengths)} must add up to the {total} samples of the data set, or as "
            "fractions to 1"
        )
    order = randperm(total, generator=generator, device="cpu").tolist()
    return [Subset(dataset, order[end - n : end]) for n, end in zip(sizes, accumulate(sizes), strict=True)]
