"""Finding: where elements are that are not zero, between which boundaries values lie, and which are among others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import number, same_type, shape_of, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Nonzero(Op):
    """The indices of elements that are not zero, one row each."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any) -> Any:
        ns = xp(x)
        if not x.shape:
            return ns.zeros((int(bool(ns.astype(x, ns.bool))), 0), dtype=ns.int64)
        return ns.stack(list(ns.nonzero(x)), axis=1)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero, (number found, dimensions).

    Parameters
    ----------
    as_tuple : bool
        Return one vector a dimension instead, as ``input[...]`` takes them.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nonzero(tg.tensor([[0, 3], [4, 0]])).tolist()
    [[0, 1], [1, 0]]
    """
    if not as_tuple:
        return run(Nonzero(), (input,))
    found = run(Nonzero(), (input if shape_of(input) else input.reshape(1),))
    return tuple(found[:, i] for i in range(found.shape[1]))


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, (number found, dimensions)."""
    return run(Nonzero(), (input,))


class SearchSorted(Op):
    """Where values belong in sorted sequences."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, sequence: Any, values: Any, right: bool, small: bool) -> Any:
        ns = xp(sequence)
        if len(sequence.shape) == 1:
            found = ns.searchsorted(sequence, values, side="right" if right else "left")
        else:
            found = _bisect(ns, sequence, values, right)
        return ns.astype(ns.asarray(found), ns.int32 if small else ns.int64)


def _bisect(ns: Any, sequence: Any, values: Any, right: bool) -> Any:
    """A binary search for all values at once, each in its own row."""
    from tinygrad_edu.ops.gather import along

    n = sequence.shape[-1]
    low = ns.zeros(values.shape, dtype=ns.int64)
    high = low + n
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        here = ns.where(middle < n, middle, n - 1)
        reached = ns.getitem(sequence, along(here, len(values.shape) - 1))
        below = ((reached <= values) if right else (reached < values)) & (low < high)
        low, high = ns.where(below, middle + 1, low), ns.where(below, high, ns.where(low < high, middle, high))
    return low


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value would have to be inserted to keep a sequence sorted.

    Parameters
    ----------
    sorted_sequence : Tensor, (N,) or (…, N)
        In rising order along its last dimension.
    input : Tensor or number
        Any shape for one sequence; (…, M) where there is a row of sequences.
    right : bool
        Insert after equal elements rather than before them; the same as ``side="right"``.
    sorter : Tensor, optional
        The order that sorts a sequence that isn't.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if side == "left" and right:
        raise ValueError("searchsorted: side='left' contradicts right=True")
    if not shape_of(sorted_sequence):
        raise ValueError("searchsorted: the sequence must have at least one dimension")
    values = (
        input
        if isinstance(input, function.Tensor)
        else sorted_sequence.new_tensor(number("input", input), dtype=_type_of(input))
    )
    have, want = tuple(sorted_sequence.shape), tuple(values.shape)
    if len(have) > 1 and have[:-1] != want[:-1]:
        raise ValueError(f"searchsorted: sequences of shape {have} and values of shape {want} differ in rows")
    if sorter is not None:
        if tuple(sorter.shape) != have:
            raise ValueError(f"searchsorted: the sorter has shape {tuple(sorter.shape)}, the sequence {have}")
        sorted_sequence = sorted_sequence.detach().gather(-1, sorter)
    sequence, values = same_type(sorted_sequence.detach(), values.detach())
    if have[-1] == 0:
        return sequence.new_zeros(want, dtype="int32" if out_int32 else "int64")
    return run(SearchSorted(), (sequence, values, right or side == "right", out_int32))


def _type_of(number: Any) -> str | None:
    """The type in which a Python number takes part."""
    return "float64" if isinstance(number, float) else None


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket of each value: boundaries[i-1] < value <= boundaries[i], with ``right`` <= and <.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.bucketize(tg.tensor([1, 2, 9]), tg.tensor([2, 4]))
    tensor([0, 0, 2])
    """
    if len(shape_of(boundaries)) != 1:
        raise ValueError(f"bucketize: the boundaries must have one dimension, got shape {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


class IsIn(Op):
    """Whether elements are among others."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, among: Any, invert: bool) -> Any:
        ns = xp(x)
        values = ns.sort(ns.reshape(among, (-1,)))
        place = ns.searchsorted(values, x)
        found = ns.getitem(values, ns.where(place < values.shape[0], place, values.shape[0] - 1)) == x
        return ns.asarray(~found if invert else found)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is equal to one of ``test_elements``; ``invert`` asks for the opposite.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.isin(tg.tensor([1, 2, 3]), tg.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    given = elements if isinstance(elements, function.Tensor) else test_elements
    if not isinstance(given, function.Tensor):
        raise TypeError(
            f"isin: one of the arguments must be a Tensor, got {describe(elements)}, {describe(test_elements)}"
        )
    x, among = (
        v.detach() if isinstance(v, function.Tensor) else given.new_tensor(number("an argument", v), dtype=_type_of(v))
        for v in (elements, test_elements)
    )
    x, among = same_type(x, among)
    if not among.numel():
        return x.new_full(tuple(x.shape), invert, dtype="bool")
    return run(IsIn(), (x, among, invert))
