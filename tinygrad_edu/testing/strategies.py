"""Hypothesis strategies for tensors and for what goes with them.

Numbers are multiples of 1/32 of moderate size: exact in every type, with zeros and ties as likely as they are instructive, and
shrinking to small whole numbers, so that a failure ends as a case of one element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor

Strategy = st.SearchStrategy[Any]


def shapes(min_dims: int = 0, max_dims: int = 3, min_size: int = 1, max_size: int = 3) -> Strategy:
    """Shapes with sizes in the given range."""
    return st.lists(st.integers(min_size, max_size), min_size=min_dims, max_size=max_dims).map(tuple)


def numbers(low: float = -4.0, high: float = 4.0) -> Strategy:
    """Multiples of 1/32 between two limits."""
    return st.integers(math.ceil(low * 32), math.floor(high * 32)).map(lambda k: k / 32)


def _filled(shape: Sequence[int], elements: Strategy, dtype: Any) -> Strategy:
    n = math.prod(shape)
    return st.lists(elements, min_size=n, max_size=n).map(lambda v: tg.tensor(v, dtype=dtype).reshape(tuple(shape)))


def tensors(
    shape: Any = None,
    low: float = -4.0,
    high: float = 4.0,
    dtype: Any = tg.float64,
    min_dims: int = 0,
    max_dims: int = 3,
) -> Strategy:
    """Tensors of a shape, a strategy of shapes, or any shape."""
    if shape is None:
        shape = shapes(min_dims, max_dims)
    if not isinstance(shape, st.SearchStrategy):
        shape = st.just(tuple(shape))
    return shape.flatmap(lambda s: _filled(s, numbers(low, high), dtype))


def away_from(points: Sequence[float], distance: float = 0.25, low: float = -4.0, high: float = 4.0) -> Strategy:
    """Numbers that keep their distance from points such as kinks and poles."""
    return numbers(low, high).filter(lambda v: all(abs(v - p) >= distance for p in points))


def tensors_away_from(
    points: Sequence[float], distance: float = 0.25, low: float = -4.0, high: float = 4.0, **kwargs: Any
) -> Strategy:
    """Tensors whose elements keep their distance from points."""
    dims = shapes(kwargs.pop("min_dims", 0), kwargs.pop("max_dims", 3))
    return dims.flatmap(lambda s: _filled(s, away_from(points, distance, low, high), kwargs.get("dtype", tg.float64)))


@st.composite
def separated(draw: Any, shape: Any = None, gap: float = 0.25, min_dims: int = 1, max_dims: int = 3) -> Tensor:
    """Tensors whose elements all differ by at least ``gap``: for maxima, sorting and medians."""
    if shape is None:
        shape = draw(shapes(min_dims, max_dims))
    n = math.prod(shape)
    order = draw(st.permutations(range(n)))
    return tg.tensor([gap * (k - n // 2) + gap / 3 for k in order], dtype=tg.float64).reshape(tuple(shape))


@st.composite
def broadcastable(
    draw: Any, count: int = 2, low: float = -4.0, high: float = 4.0, max_dims: int = 3
) -> tuple[Tensor, ...]:
    """Tensors whose shapes broadcast against each other."""
    full = draw(shapes(0, max_dims))
    made = []
    for _ in range(count):
        start = draw(st.integers(0, len(full)))
        shape = tuple(1 if draw(st.booleans()) else n for n in full[start:])
        made.append(draw(tensors(shape, low, high)))
    return tuple(made)


@st.composite
def with_axis(draw: Any, tensor: Strategy, allow_none: bool = False) -> tuple[Any, ...]:
    """A tensor and one of its dimensions, counted from either end."""
    x = draw(tensor)
    ndim = x.dim()
    dims = st.integers(-ndim, ndim - 1) if ndim else st.sampled_from([-1, 0])
    return x, draw(st.none() | dims if allow_none else dims)


@st.composite
def with_axes(draw: Any, tensor: Strategy) -> tuple[Any, ...]:
    """A tensor and None, one dimension, or several distinct ones."""
    x = draw(tensor)
    ndim = x.dim()
    if not ndim:
        return x, None
    some = st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True).map(tuple)
    return x, draw(st.none() | st.integers(-ndim, ndim - 1) | some)


@st.composite
def matmul_operands(draw: Any) -> tuple[Tensor, Tensor]:
    """Operands of every rank that a matrix product takes."""
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    batch = draw(shapes(0, 2))
    left = draw(st.sampled_from(["vector", "matrix", "batch"]))
    right = draw(st.sampled_from(["vector", "matrix", "batch"]))

    def lead() -> tuple[int, ...]:
        start = draw(st.integers(0, len(batch)))
        return tuple(1 if draw(st.booleans()) else b for b in batch[start:])

    x = {"vector": (k,), "matrix": (n, k), "batch": (*lead(), n, k)}[left]
    y = {"vector": (k,), "matrix": (k, m), "batch": (*lead(), k, m)}[right]
    return draw(tensors(x)), draw(tensors(y))


@st.composite
def indices(draw: Any, shape: Sequence[int]) -> Any:
    """Every kind of index that fits a tensor of ``shape``: numbers, slices, None, ..., integer and boolean tensors."""
    parts: list[Any] = []
    advanced = draw(st.booleans())
    common = draw(shapes(0, 2))
    for n in shape:
        kinds = ["slice", "number"] + (["integers"] if advanced else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            start = draw(st.none() | st.integers(-n, n))
            stop = draw(st.none() | st.integers(-n, n))
            parts.append(slice(start, stop, draw(st.sampled_from([None, 1, 2]))))
        else:
            count = math.prod(common)
            values = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            parts.append(tg.tensor(values, dtype=tg.int64).reshape(tuple(common)))
    keep = draw(st.integers(0, len(parts)))
    parts = parts[:keep]
    if draw(st.booleans()) and keep < len(shape):
        parts.append(Ellipsis)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if not parts and shape and draw(st.booleans()):
        return draw(masks(shape))
    return tuple(parts) if len(parts) != 1 else parts[0]


def masks(shape: Any) -> Strategy:
    """Boolean tensors."""
    n = math.prod(shape)
    return st.lists(st.booleans(), min_size=n, max_size=n).map(
        lambda v: tg.tensor(v, dtype=tg.bool).reshape(tuple(shape))
    )


def integers(shape: Any, low: int, high: int) -> Strategy:
    """Integer tensors with elements in [low, high)."""
    return _filled(tuple(shape), st.integers(low, high - 1), tg.int64)


def lengths(batch: int, longest: int) -> Strategy:
    """Lengths of the sequences of a batch, none empty and one as long as allowed."""
    return st.lists(st.integers(1, longest), min_size=batch, max_size=batch).map(lambda v: [longest, *v[1:]])


@st.composite
def ragged(draw: Any, features: int = 2, longest: int = 4, batch_first: bool = True) -> tuple[Tensor, list[int]]:
    """A padded batch of sequences of different lengths, with these lengths; what is padding holds numbers as well."""
    batch, steps = draw(st.integers(1, 3)), draw(st.integers(1, longest))
    shape = (batch, steps, features) if batch_first else (steps, batch, features)
    return draw(tensors(shape)), draw(lengths(batch, steps))


@st.composite
def einsum_operands(draw: Any, max_operands: int = 3, ellipsis: bool = True) -> tuple[Any, ...]:
    """An equation for ``einsum`` and its operands: sums, products, transposes, diagonals, batches and an ellipsis."""
    letters = "ijkl"
    sizes = {c: draw(st.integers(1, 3)) for c in letters}
    rest = draw(shapes(0, 2)) if ellipsis and draw(st.booleans()) else None
    terms, operands = [], []
    for _ in range(draw(st.integers(1, max_operands))):
        term = "".join(draw(st.lists(st.sampled_from(letters), max_size=3)))
        lead: tuple[int, ...] = ()
        if rest is not None and draw(st.booleans()):
            start = draw(st.integers(0, len(rest)))
            lead = tuple(1 if draw(st.booleans()) else n for n in rest[start:])
            terms.append("..." + term)
        else:
            terms.append(term)
        operands.append(draw(tensors((*lead, *(sizes[c] for c in term)), -2.0, 2.0)))
    used = sorted(set("".join(terms)) - {"."})
    kept = draw(st.permutations(used).flatmap(lambda p: st.integers(0, len(p)).map(lambda n: "".join(p[:n]))))
    dots = "..." if any(t.startswith("...") for t in terms) else ""
    return f"{','.join(terms)}->{dots}{kept}", *operands


@st.composite
def convolution_arguments(draw: Any, dims: int = 2) -> tuple[Any, ...]:
    """Input (N, C, …), weight, bias or None, stride, padding, dilation and groups of a convolution over ``dims`` axes."""
    groups = draw(st.sampled_from([1, 1, 2]))
    channels, filters = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    stride = tuple(draw(st.integers(1, 2)) for _ in range(dims))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(dims))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(dims))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes = [draw(st.integers(max(r - 2 * p, 1), r + 2)) for r, p in zip(reach, padding, strict=True)]
    x = draw(tensors((draw(st.integers(1, 2)), channels, *sizes), -2.0, 2.0))
    weight = draw(tensors((filters, channels // groups, *kernel), -2.0, 2.0))
    bias = draw(st.none() | tensors((filters,), -2.0, 2.0))
    return x, weight, bias, stride, padding, dilation, groups


@st.composite
def pooling_arguments(draw: Any, dims: int = 2) -> tuple[Any, ...]:
    """Input (N, C, …) without ties, kernel size, stride and padding of a pooling over ``dims`` axes."""
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    sizes = [draw(st.integers(k, k + 2)) for k in kernel]
    x = draw(separated((draw(st.integers(1, 2)), draw(st.integers(1, 2)), *sizes)))
    return x, kernel, stride, padding
