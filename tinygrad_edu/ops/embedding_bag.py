"""Sums, means and maxima of rows of a table, bag by bag."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.embedding import embedding
from tinygrad_edu.ops.extremes import max as max_
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scatter import index_add
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Look up rows of ``weight`` (V, D) and reduce them bag by bag: result (B, D), with zeros for an empty bag.

    Parameters
    ----------
    input : Tensor, (B, L) or (M,)
        Integers: bags of one length, or all bags one after the other.
    offsets : Tensor, (B,), optional
        Where in (M,) each bag begins; the first at 0.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As in :func:`embedding`.
    mode : "sum", "mean" or "max"
        How a bag is reduced.
    per_sample_weights : Tensor, optional
        Factors of the rows, in the shape of the input; with "sum" alone.
    include_last_offset : bool
        Whether ``offsets`` has one number more, the end of the last bag.
    padding_idx : int, optional
        A row that does not count and gets no gradient.

    Raises
    ------
    IndexError
        When an index is outside of the table.
    TypeError
        When the input or the offsets are no integers.
    ValueError
        When shapes, offsets or options do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> table = tg.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> embedding_bag(tg.tensor([0, 2, 1]), table, tg.tensor([0, 2]))
    tensor([[2., 3.],
            [2., 3.]])
    """
    name = "embedding_bag"
    _check(name, input, weight, mode, per_sample_weights, scale_grad_by_freq)
    starts, total = _starts(name, input, offsets, include_last_offset)
    flat = reshape(input, (-1,))[:total]
    factors = None if per_sample_weights is None else reshape(per_sample_weights, (-1,))[:total]
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    count = len(starts)
    sizes = [b - a for a, b in zip(starts, [*starts[1:], total], strict=True)]
    keep = None if padding_idx is None else flat != padding_idx % weight.shape[0]
    if mode == "max":
        return _largest(rows, starts, sizes, keep)
    if factors is not None:
        rows = rows * unsqueeze(factors, -1)
    if keep is not None:
        rows = ew.where(unsqueeze(keep, -1), rows, 0)
    if offsets is None:  # bags of one length
        length = input.shape[1]
        out = sum_(reshape(rows, (count, length, rows.shape[1])), 1)
        if mode == "mean" and keep is not None:
            return out / sum_(reshape(keep.to(rows.dtype), (count, length)), 1, keepdim=True).clamp(min=1)
        return out if mode == "sum" else out / max(length, 1)
    bags = flat.new_tensor([bag for bag, size in enumerate(sizes) for _ in range(size)])
    out = index_add(rows.new_zeros((count, rows.shape[1])), 0, bags, rows)
    if mode == "sum":
        return out
    ones = rows.new_ones(rows.shape[:1]) if keep is None else keep.to(rows.dtype)
    return out / unsqueeze(index_add(rows.new_zeros(count), 0, bags, ones).clamp(min=1), -1)


def _largest(rows: Tensor, starts: list[int], sizes: list[int], keep: Tensor | None) -> Tensor:
    """The largest number of each column of a bag: bags side by side, filled up to one length."""
    longest = max(sizes, default=0)
    if not longest:
        return rows.new_zeros((len(sizes), rows.shape[1])) + sum_(rows) * 0
    places = [
        [start + min(k, max(size - 1, 0)) for k in range(longest)] for start, size in zip(starts, sizes, strict=True)
    ]
    table = rows.new_tensor(places, dtype="int64").clamp(max=rows.shape[0] - 1)
    there = rows.new_tensor([[k < size for k in range(longest)] for size in sizes], dtype="bool")
    if keep is not None:
        there = there & getitem(keep, table)
    filled = ew.where(unsqueeze(there, -1), getitem(rows, table), float("-inf"))
    found: Any = max_(filled, 1)
    return ew.where(unsqueeze(there.any(1), -1), found.values, 0)


def _check(name: str, input: Any, weight: Any, mode: str, factors: Any, by_frequency: bool) -> None:
    if not isinstance(input, function.Tensor) or input.dtype.category != 1 or len(input.shape) not in (1, 2):
        error = ValueError if isinstance(input, function.Tensor) and input.dtype.category == 1 else TypeError
        raise error(f"{name}: the input must be an integer tensor (B, L) or (M,), got {describe(input)}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and by_frequency:
        raise ValueError(f"{name}: mode 'max' cannot scale the gradient by frequency")
    if factors is not None:
        if mode != "sum":
            raise ValueError(f"{name}: per_sample_weights need mode 'sum', got {mode!r}")
        if tuple(factors.shape) != tuple(input.shape):
            raise ValueError(
                f"{name}: per_sample_weights must have the input's shape {tuple(input.shape)}, got {tuple(factors.shape)}"
            )
        if factors.dtype is not weight.dtype:
            raise TypeError(f"{name}: per_sample_weights are {factors.dtype}, the weight {weight.dtype}")


def _starts(name: str, input: Tensor, offsets: Tensor | None, last: bool) -> tuple[list[int], int]:
    """Where each bag begins, and where the last one ends."""
    shape = tuple(input.shape)
    if len(shape) == 2:
        if offsets is not None:
            raise ValueError(f"{name}: an input (B, L) needs no offsets, got {describe(offsets)}")
        return [shape[1] * i for i in range(shape[0])], shape[0] * shape[1]
    if offsets is None:
        raise ValueError(f"{name}: an input (M,) needs offsets, got None")
    if offsets.dtype.category != 1 or len(offsets.shape) != 1:
        raise ValueError(f"{name}: offsets must be integers (B,), got {describe(offsets)}")
    starts = [int(v) for v in xp(offsets._data).to_host(offsets._data)]
    total = shape[0]
    if last:
        if not starts:
            raise ValueError(f"{name}: include_last_offset=True needs at least one offset")
        total = starts.pop()
    ends = [*starts, total]
    if (starts and starts[0] != 0) or any(b < a for a, b in itertools.pairwise(ends)) or total > shape[0]:
        raise ValueError(
            f"{name}: offsets must begin with 0, not decrease and not go beyond {shape[0]}, got {offsets.tolist()}"
        )
    return starts, total
