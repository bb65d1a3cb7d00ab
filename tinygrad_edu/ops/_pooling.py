"""What poolings share: where their windows lie, and the checks of their arguments."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.ops._convolution import sizes_of

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Sizes = tuple[int, ...]
Slices = tuple[slice, ...]


class Windows(NamedTuple):
    """Windows over the last dimensions: their size, distance, padding and dilation, their number, and the input's size."""

    sizes: Sizes
    steps: Sizes
    pads: Sizes
    dilations: Sizes
    counts: Sizes
    lengths: Sizes

    def parts(self) -> tuple[tuple[Sizes, Slices, Slices], ...]:
        """For each place in a window: its numbers, the windows that have it inside the input, and where it is there."""
        return _parts(self)

    def along(self, dim: int) -> list[tuple[slice, slice]]:
        """The same of one dimension alone."""
        size, step, pad, spread, count, n = (values[dim] for values in self)
        return [_inside(k * spread - pad, step, count, n) for k in range(size)]

    def first(self, dim: int) -> list[int]:
        """For each window of a dimension the first of its places that is inside the input."""
        spread, step = self.dilations[dim], self.steps[dim]
        return [max(0, -((i * step - self.pads[dim]) // spread)) for i in range(self.counts[dim])]

    def covered(self, dim: int, with_padding: bool) -> list[int]:
        """For each window of a dimension how many of its places are inside the input, or inside the padding as well."""
        size, step, pad, n = self.sizes[dim], self.steps[dim], self.pads[dim], self.lengths[dim]
        starts = [i * step - pad for i in range(self.counts[dim])]
        if with_padding:
            return [min(s + size, n + pad) - s for s in starts]
        return [min(s + size, n) - max(s, 0) for s in starts]

    @property
    def apart(self) -> bool:
        """Whether no element is in two windows."""
        return all(
            step >= size and spread == 1
            for size, step, spread in zip(self.sizes, self.steps, self.dilations, strict=True)
        )


@functools.lru_cache(256)
def _parts(windows: Windows) -> tuple[tuple[Sizes, Slices, Slices], ...]:
    places = [
        [_inside(k * d - p, step, count, n) for k in range(size)]
        for size, step, p, d, count, n in zip(*windows, strict=True)
    ]
    parts = []
    for number in itertools.product(*map(range, windows.sizes)):
        found = [places[dim][k] for dim, k in enumerate(number)]
        if all(inside.stop > inside.start for inside, _ in found):
            parts.append((number, tuple(w for w, _ in found), tuple(s for _, s in found)))
    return tuple(parts)


def _inside(shift: int, step: int, count: int, n: int) -> tuple[slice, slice]:
    """The windows i with 0 ≤ i · step + shift < n, and where these places are."""
    low = max(0, -(shift // step))
    high = max(low, min(count, (n - 1 - shift) // step + 1))
    return slice(low, high), slice(low * step + shift, max((high - 1) * step + shift + 1, 0), step)


def windows_of(
    name: str,
    input: Tensor,
    dims: int,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Windows:
    """The windows that a pooling's arguments describe; raises where they describe none."""
    check_dims(name, input, dims)
    sizes = sizes_of(name, "kernel_size", kernel_size, dims, 1)
    given = stride is not None and stride not in ((), [])
    steps = sizes_of(name, "stride", stride, dims, 1) if given else sizes
    pads = sizes_of(name, "padding", padding, dims, 0)
    spreads = sizes_of(name, "dilation", dilation, dims, 1)
    if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(pads, sizes, spreads, strict=True)):
        raise ValueError(f"{name}: padding must be at most half of the window {sizes}, got {pads}")
    lengths = tuple(input.shape)[-dims:]
    counts = tuple(_count(*z, ceil_mode) for z in zip(lengths, sizes, steps, pads, spreads, strict=True))
    if min(counts) < 1:
        raise ValueError(
            f"{name}: no window of {sizes} with dilation {spreads} fits into {lengths} with padding {pads}"
        )
    return Windows(sizes, steps, pads, spreads, counts, lengths)


def _count(n: int, size: int, step: int, pad: int, spread: int, ceil: bool) -> int:
    """How many windows there are; with ``ceil`` the last may reach over the end, if it starts before it."""
    room = n + 2 * pad - spread * (size - 1) - 1
    count = (room + (step - 1 if ceil else 0)) // step + 1
    return count - 1 if ceil and (count - 1) * step >= n + pad else count


def check_dims(name: str, input: Tensor, dims: int) -> None:
    """Raise unless the input is (N, C, …) or (C, …) with ``dims`` further dimensions, none of them empty."""
    shape = tuple(input.shape)
    letters = ", ".join("DHW"[3 - dims :]) if dims > 1 else "L"
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1 :]:
        raise ValueError(
            f"{name}: expected an input (N, C, {letters}) or (C, {letters}), none of C, {letters} 0, got {shape}"
        )
