"""Sequences of different lengths: padding them to one tensor, and packing them without the padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tinygrad_edu.creation import arange, full, tensor
from tinygrad_edu.dtypes import int64
from tinygrad_edu.errors import describe
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.scatter import scatter
from tinygrad_edu.ops.sorting import sort
from tinygrad_edu.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths without padding, as recurrent layers read them.

    The sequences are sorted, longest first. `data` holds first the first step of all, then the second step of those
    that have one, and so on;
    `batch_sizes` says how many there are at each step. Made by :func:`pack_padded_sequence` and :func:`pack_sequence`.

    Attributes
    ----------
    data : Tensor, (sum of lengths, …)
    batch_sizes : Tensor of int64, (T,), on the CPU
        The number of sequences that have a step t; it never grows.
    sorted_indices : Tensor of int64, (N,), or None
        Which of the original sequences stands at each place.
    unsorted_indices : Tensor of int64, (N,), or None
        Where each of the original sequences stands.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if not isinstance(data, Tensor) or not isinstance(batch_sizes, Tensor):
            raise TypeError(
                f"PackedSequence: data and batch_sizes must be tensors, got {describe(data)} and {describe(batch_sizes)}"
            )
        sizes = [int(n) for n in batch_sizes.tolist()]
        if str(batch_sizes.device) != "cpu":
            raise ValueError(f"PackedSequence: batch_sizes must be on the cpu, got {batch_sizes.device}")
        if not sizes or sizes[-1] < 1 or any(a < b for a, b in pairwise(sizes)) or sum(sizes) != data.shape[0]:
            raise ValueError(
                f"PackedSequence: batch_sizes must fall from step to step and add up to the {data.shape[0]} rows of data, got {sizes}"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _with(self, data: Tensor) -> PackedSequence:
        """The same sequences with other data."""
        return PackedSequence(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert the data to a dtype or move it to a device; the indices move along."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        both = (i if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return PackedSequence(data, self.batch_sizes, *both)

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self) -> PackedSequence:
        return self.to("cuda")

    def float(self) -> PackedSequence:
        return self._with(self.data.float())

    def double(self) -> PackedSequence:
        return self._with(self.data.double())

    def half(self) -> PackedSequence:
        return self._with(self.data.half())

    def long(self) -> PackedSequence:
        return self._with(self.data.long())

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Say where each number of a permutation stands; None stays None.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> invert_permutation(tg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = arange(permutation.numel(), device=permutation.device)
    return scatter(places, 0, permutation, places)


def _lengths(name: str, lengths: Any, batch: int, longest: int) -> list[int]:
    """The lengths as numbers, checked."""
    values = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{name}: lengths must be a list or a tensor of integers, got {describe(lengths)}")
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and n == int(n) for n in values):
        raise TypeError(f"{name}: lengths must be integers, got {list(values)}")
    numbers = [int(n) for n in values]
    if len(numbers) != batch:
        raise ValueError(f"{name}: expected one length for each of the {batch} sequences, got {len(numbers)}")
    if not numbers:
        raise ValueError(f"{name}: there are no sequences")
    if min(numbers) < 1:
        raise ValueError(f"{name}: every sequence needs at least one step, got lengths {numbers}")
    if max(numbers) > longest:
        raise ValueError(f"{name}: a length of {max(numbers)} goes beyond the {longest} steps of the input")
    return numbers


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences: what lies beyond their lengths is left out.

    Parameters
    ----------
    input : Tensor, (T, N, …), with `batch_first` (N, T, …)
    lengths : list or Tensor of integers, (N,)
        The length of each sequence, from 1 to T.
    batch_first : bool, default False
    enforce_sorted : bool, default True
        Whether the sequences must come longest first; otherwise they are sorted here, and what comes out of a
        recurrent layer or of
        :func:`pad_packed_sequence` stands in the original order again.

    Raises
    ------
    ValueError
        For lengths that do not fit the input, and unsorted ones where they must be sorted.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> packed = pack_padded_sequence(tg.tensor([[1, 4], [2, 0], [3, 0]]), [3, 1])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    name = "pack_padded_sequence"
    if not isinstance(input, Tensor) or input.dim() < 2:
        raise TypeError(f"{name}: expected a tensor (T, N, …), got {describe(input)}")
    if batch_first:
        input = input.transpose(0, 1)
    numbers = _lengths(name, lengths, input.shape[1], input.shape[0])
    sorted_indices: Tensor | None = None
    if not enforce_sorted:
        order = sort(tensor(numbers, dtype=int64, device="cpu"), descending=True, stable=True)[1].tolist()
        sorted_indices = tensor(order, dtype=int64, device=input.device)
        input, numbers = index_select(input, 1, sorted_indices), [numbers[i] for i in order]
    elif any(a < b for a, b in pairwise(numbers)):
        raise ValueError(
            f"{name}: sequences must come longest first, got lengths {numbers}; enforce_sorted=False sorts them"
        )
    sizes = [sum(n > t for n in numbers) for t in range(numbers[0])]
    data = (
        cat([input[t, :size] for t, size in enumerate(sizes)])
        if len(set(sizes)) > 1
        else input[: len(sizes)].flatten(0, 1)
    )
    return PackedSequence(data, tensor(sizes, dtype=int64, device="cpu"), sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo :func:`pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool, default False
    padding_value : float, default 0.0
        What stands behind the end of the shorter sequences.
    total_length : int, optional
        Steps of the result; the longest length by default.

    Returns
    -------
    padded : Tensor, (T, N, …), with `batch_first` (N, T, …)
    lengths : Tensor of int64, (N,), on the CPU

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> packed = pack_sequence([tg.tensor([1, 2, 3]), tg.tensor([4])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"pad_packed_sequence: expected a PackedSequence, got {describe(sequence)}")
    data, sizes = sequence.data, [int(n) for n in sequence.batch_sizes.tolist()]
    steps, batch = len(sizes), sizes[0]
    total = steps if total_length is None else total_length
    if total < steps:
        raise ValueError(
            f"pad_packed_sequence: total_length = {total} is shorter than the longest sequence of {steps} steps"
        )
    # The rows of data behind one more row, the padding, which every place beyond an end takes.
    filler = full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    rows: list[int] = []
    start = 0
    for size in [*sizes, *[0] * (total - steps)]:
        rows += [*range(start, start + size), *[data.shape[0]] * (batch - size)]
        start += size
    index = tensor(rows, dtype=int64, device=data.device)
    padded = index_select(cat([data, filler]), 0, index).unflatten(0, (total, batch))
    lengths = [sum(size > i for size in sizes) for i in range(batch)]
    if sequence.unsorted_indices is not None:
        padded = index_select(padded, 1, sequence.unsorted_indices)
        lengths = [lengths[i] for i in sequence.unsorted_indices.tolist()]
    return (padded.transpose(0, 1) if batch_first else padded), tensor(lengths, dtype=int64, device="cpu")


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences of different lengths, with padding behind (or before) the shorter ones.

    Parameters
    ----------
    sequences : iterable of Tensor, each (Tᵢ, …)
    batch_first : bool, default False
    padding_value : float, default 0.0
    padding_side : "right" or "left"

    Returns
    -------
    Tensor, (T, N, …), with `batch_first` (N, T, …)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> pad_sequence([tg.tensor([1, 2, 3]), tg.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    parts = _parts("pad_sequence", sequences)
    if padding_side not in ("right", "left"):
        raise ValueError(f"pad_sequence: padding_side must be 'right' or 'left', got {padding_side!r}")
    longest = max(part.shape[0] for part in parts)
    first, rows = parts[0], []
    for part in parts:
        if part.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"pad_sequence: all sequences must have the same trailing dimensions, got {tuple(first.shape)} and {tuple(part.shape)}"
            )
        missing = longest - part.shape[0]
        padding = full((missing, *first.shape[1:]), padding_value, dtype=part.dtype, device=part.device)
        rows.append(cat([part, padding] if padding_side == "right" else [padding, part]) if missing else part)
    stacked = cat([row.unsqueeze(0) for row in rows])
    return stacked if batch_first else stacked.transpose(0, 1)


def _parts(name: str, sequences: Any) -> list[Tensor]:
    """The sequences as a list of tensors with at least one dimension."""
    if not isinstance(sequences, (Tensor, Iterable)) or isinstance(sequences, str):
        raise TypeError(f"{name}: expected an iterable of tensors, got {describe(sequences)}")
    parts = list(sequences)
    if not parts:
        raise ValueError(f"{name}: there are no sequences")
    for part in parts:
        if not isinstance(part, Tensor) or part.dim() == 0:
            raise TypeError(
                f"{name}: every sequence must be a tensor with at least one dimension, got {describe(part)}"
            )
    return parts


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences, each (Tᵢ, …); see :func:`pack_padded_sequence`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> pack_sequence([tg.tensor([1]), tg.tensor([2, 3])], enforce_sorted=False).data
    tensor([2, 1, 3])
    """
    parts = _parts("pack_sequence", sequences)
    return pack_padded_sequence(pad_sequence(parts), [part.shape[0] for part in parts], enforce_sorted=enforce_sorted)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Undo :func:`pad_sequence`: cut each sequence to its length.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> unpad_sequence(tg.tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
    [tensor([1, 2, 3]), tensor([4])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    numbers = _lengths("unpad_sequence", lengths, rows.shape[0], rows.shape[1])
    return [row[:n] for row, n in zip(rows, numbers, strict=True)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo :func:`pack_sequence`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> unpack_sequence(pack_sequence([tg.tensor([1]), tg.tensor([2, 3])], enforce_sorted=False))
    [tensor([1]), tensor([2, 3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
