"""How a list of samples becomes one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.creation import tensor
from tinygrad_edu.dtypes import float64
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Join samples of the same structure to one batch with a new first dimension.

    Tensors are stacked, NumPy arrays and numbers become tensors (Python floats float64, integers int64), strings stay
    as they are, and mappings, tuples and lists are joined entry by entry.

    Parameters
    ----------
    batch : sequence
        The samples; at least one.

    Returns
    -------
    object
        A sample's structure, holding batches; a list where the samples are tuples.

    Raises
    ------
    TypeError
        If the samples hold something else.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import default_collate
    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    if len(batch) == 0:
        raise ValueError("default_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, Tensor):
        shapes = {tuple(t.shape) for t in batch}
        if len(shapes) > 1:
            raise RuntimeError(
                f"default_collate: the samples of a batch must have one shape, found {sorted(shapes)}; pad them, "
                "or pass a collate_fn that does"
            )
        return stack(list(batch), 0)
    if isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind in "biuf":
        return default_collate([from_numpy(np.array(item)) for item in batch])
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, int):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        if any(set(item) != set(first) for item in batch):
            raise RuntimeError("default_collate: the samples of a batch must have the same keys")
        joined = {key: default_collate([item[key] for item in batch]) for key in first}
        return joined if type(first) is dict else _like(first, joined)
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("default_collate: the samples of a batch must have the same number of entries")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        if hasattr(first, "_fields"):  # a named tuple
            return type(first)(*columns)
        return columns if isinstance(first, (tuple, list)) else _like(first, columns)
    raise TypeError(
        f"default_collate: a sample holds a {type(first).__name__}; it takes tensors, NumPy arrays, numbers, "
        "strings, and mappings, tuples and lists of them, so pass a collate_fn that joins these"
    )


def _like(example: Any, content: Any) -> Any:
    """Make a container of the class of `example`, where its constructor takes `content`."""
    try:
        return type(example)(content)
    except TypeError:
        return content


def default_convert(sample: Any) -> Any:
    """Turn the NumPy arrays in one sample into tensors and leave everything else as it is.

    Used in the place of `default_collate` where a loader makes no batches (``batch_size=None``).
    """
    if isinstance(sample, (np.ndarray, np.generic)) and sample.dtype.kind in "biuf":
        return from_numpy(np.array(sample))
    if isinstance(sample, Mapping):
        converted = {key: default_convert(item) for key, item in sample.items()}
        return converted if type(sample) is dict else _like(sample, converted)
    if hasattr(sample, "_fields"):
        return type(sample)(*map(default_convert, sample))
    if isinstance(sample, (tuple, list)):
        return [default_convert(item) for item in sample]
    return sample
