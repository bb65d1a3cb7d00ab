"""Indexing: reading and writing by index, along a dimension or through a mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import bad, index, positive, whole, with_tensor, zeros
from tinygrad_edu.testing.strategies import indices, masks, numbers, separated, shapes, tensors


def _bags(rows: Any, table: Any, starts: Any, mode: str) -> Any:
    """Each bag on its own; an empty one is 0."""
    out = np.zeros((len(starts), table.shape[1]))
    for k, bag in enumerate(np.split(rows, starts[1:])):
        if len(bag):
            out[k] = getattr(np, mode)(table[bag], axis=0)
    return out


def _at(x: Any, axis: int, places: Any) -> Any:
    """The full NumPy index of elements along an axis."""
    grid = list(np.ix_(*map(range, places.shape)))
    grid[axis] = places
    return tuple(grid)


def _changed(x: Any, change: Callable[[Any], Any]) -> Any:
    out = x.copy()
    change(out)
    return out


def _assign(index: Any, value: Any) -> Callable[[Any], None]:
    return lambda out: out.__setitem__(index, value)


def _cropped(places: Any, src: Any) -> Any:
    return src[tuple(map(slice, places.shape))]


def _scatter(x: Any, axis: int, places: Any, src: Any) -> Any:
    return _changed(x, _assign(_at(x, axis, places), _cropped(places, src) if np.ndim(src) else src))


def _scatter_add(x: Any, axis: int, places: Any, src: Any) -> Any:
    return _changed(x, lambda out: np.add.at(out, _at(x, axis, places), _cropped(places, src)))


def _scatter_reduce(x: Any, axis: int, places: Any, src: Any, how: str, include_self: bool) -> Any:
    groups: dict[Any, list[float]] = {}
    for at in np.ndindex(places.shape):
        to = (*at[:axis], int(places[at]), *at[axis + 1 :])
        groups.setdefault(to, [x[to]] if include_self else []).append(src[at])
    out = x.copy()
    combine: Any = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[how]
    for to, values in groups.items():
        out[to] = combine(values)
    return out


def _index_add(x: Any, axis: int, places: Any, source: Any) -> Any:
    return _changed(x, lambda out: np.add.at(out, (*[slice(None)] * axis, places), source))


def _index_reduce(x: Any, axis: int, places: Any, source: Any, how: str, include_self: bool) -> Any:
    every = np.broadcast_to(places.reshape([-1 if i == axis else 1 for i in range(x.ndim)]), source.shape)
    return _scatter_reduce(x, axis, every, source, how, include_self)


def _index_copy(x: Any, axis: int, places: Any, source: Any) -> Any:
    return _changed(x, _assign((*[slice(None)] * axis, places), source))


def _index_put(x: Any, where: Any, values: Any, accumulate: bool) -> Any:
    if accumulate:
        return _changed(x, lambda out: np.add.at(out, tuple(where), values))
    return _changed(x, _assign(tuple(where), values))


def _put(x: Any, places: Any, source: Any, accumulate: bool) -> Any:
    flat = x.reshape(-1).copy()
    if accumulate:
        np.add.at(flat, places, source)
    else:
        flat[places] = source
    return flat.reshape(x.shape)


def _masked_scatter(x: Any, mask: Any, source: Any) -> Any:
    mask = np.broadcast_to(mask, x.shape)
    return _changed(x, _assign(mask, source.reshape(-1)[: np.sum(mask)]))


def numpy_index(x: Any, where: Any) -> Any:
    """NumPy moves dimensions where numbers stand beside integer tensors: take the numbers first."""
    parts = where if isinstance(where, tuple) else (where,)
    parts = tuple(np.asarray(p) if isinstance(p, Tensor) else p for p in parts)
    if all(isinstance(p, int) or p is None or p is ... or isinstance(p, slice) for p in parts):
        return x[parts]
    first: list[Any] = []
    rest: list[Any] = []
    for p in parts:
        if isinstance(p, int):
            first.append(p)
        elif p is None or p is ... or isinstance(p, slice):
            first.append(p)
            rest.append(... if p is ... else slice(None))
        else:
            first += [slice(None)] * (p.ndim if p.dtype == bool else 1)
            rest.append(p)
    return x[tuple(first)][tuple(rest)]


def index_of(draw: Any, x: Tensor) -> tuple[Any]:
    drawn = draw(indices(tuple(x.shape)))
    if isinstance(drawn, tuple) and not any(p is ... for p in drawn):
        drawn = (*drawn, ...)  # a tuple of tensors alone would be taken for several arguments
    return (drawn,)


def _along(draw: Any, x: Tensor, smaller: bool = True) -> tuple[int, Tensor]:
    """A dimension and an index of elements along it."""
    axis = positive(draw, x)
    shape = [draw(st.integers(1, n)) if smaller else n for n in x.shape]
    shape[axis] = draw(st.integers(1, 3))
    return axis, whole(draw, shape, 0, x.shape[axis])


def _scatter_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis, places = _along(draw, x)
    return axis, places, draw(tensors(tuple(n + draw(st.integers(0, 1)) for n in places.shape)))


def _reduce_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis, places = _along(draw, x)
    how = draw(st.sampled_from(["sum", "prod", "mean"]))
    return axis, places, draw(tensors(tuple(places.shape))), how, draw(st.booleans())


def _sum_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis, places = _along(draw, x)
    return axis, places, draw(tensors(tuple(places.shape)))


@st.composite
def _extreme_arguments(draw: Any, ties: bool = False) -> tuple[Any, ...]:
    shape = draw(shapes(1, 2))
    source = (*shape[:-1], draw(st.integers(1, 3)))
    n = math.prod(shape)
    every = draw(separated((n + math.prod(source),)))
    x, src = every[:n].reshape(shape), every[n:].reshape(source)
    if ties:
        x, src = tg.ones(shape, dtype=tg.float64), tg.ones(source, dtype=tg.float64)
    return (
        x.clone(),
        len(shape) - 1,
        whole(draw, source, 0, shape[-1]),
        src.clone(),
        draw(st.sampled_from(["amax", "amin"])),
        draw(st.booleans()),
    )


def _slices(draw: Any, x: Tensor, distinct: bool = False) -> tuple[int, Tensor, tuple[int, ...]]:
    axis = positive(draw, x)
    n = x.shape[axis]
    if distinct:
        order = draw(st.permutations(range(n)))[: draw(st.integers(1, n))]
        places = tg.tensor(list(order), dtype=tg.int64)
    else:
        places = whole(draw, (draw(st.integers(1, 3)),), 0, n)
    return axis, places, (*x.shape[:axis], len(places), *x.shape[axis + 1 :])


def _index_reduce_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis, places, shape = _slices(draw, x)
    return axis, places, draw(tensors(shape)), draw(st.sampled_from(["prod", "mean"])), draw(st.booleans())


@st.composite
def _extreme_slices(draw: Any, ties: bool = False) -> tuple[Any, ...]:
    shape, count = draw(shapes(1, 2)), draw(st.integers(1, 3))
    source = (*shape[:-1], count)
    n = math.prod(shape)
    every = draw(separated((n + math.prod(source),)))
    x, src = every[:n].reshape(shape).clone(), every[n:].reshape(source).clone()
    if ties:
        x, src = tg.ones(shape, dtype=tg.float64), tg.ones(source, dtype=tg.float64)
    how = draw(st.sampled_from(["amax", "amin"]))
    return x, len(shape) - 1, whole(draw, (count,), 0, shape[-1]), src, how, draw(st.booleans())


def _slices_and_source(distinct: bool) -> Any:
    def arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
        axis, places, shape = _slices(draw, x, distinct)
        return axis, places, draw(tensors(shape))

    return with_tensor(arguments, 1)


def _put_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    if draw(st.booleans()):
        places = whole(draw, (draw(st.integers(1, 3)),), -x.numel(), x.numel())
        return places, draw(tensors(tuple(places.shape))), True
    order = draw(st.permutations(range(x.numel())))[: draw(st.integers(1, x.numel()))]
    return tg.tensor(list(order), dtype=tg.int64), draw(tensors((len(order),))), False


def _index_put_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    k = draw(st.integers(1, x.dim()))
    common = draw(st.integers(1, 3))
    where = [whole(draw, (common,), 0, n) for n in x.shape[:k]]
    shape = (common, *x.shape[k:])
    return where, draw(tensors(shape[draw(st.integers(0, len(shape))) :])), True


def _mask_for(draw: Any, x: Tensor) -> Tensor:
    return draw(masks(tuple(1 if draw(st.booleans()) else n for n in x.shape)))


def _masked_scatter_arguments(draw: Any, x: Tensor) -> tuple[Any, ...]:
    return _mask_for(draw, x), draw(tensors((x.numel() + draw(st.integers(0, 1)),)))


READING = [
    OpSpec(
        "Tensor.__getitem__",
        Tensor.__getitem__,
        with_tensor(index_of, 1),
        numpy_index,
        torch=lambda torch, x, where: x[where],
        errors=bad(IndexError, "getitem: .*5", zeros(3), 5),
    ),
    OpSpec(
        "gather",
        tg.gather,
        with_tensor(_along, 1),
        lambda x, axis, places: x[_at(x, axis, places)],
        methods="gather",
        torch="gather",
        errors=bad(IndexError, "gather: index 3", zeros(3), 0, index(3)),
    ),
    OpSpec(
        "index_select",
        tg.index_select,
        with_tensor(lambda draw, x: _slices(draw, x)[:2], 1),
        lambda x, axis, places: np.take(x, places, axis),
        methods="index_select",
        torch="index_select",
        errors=bad(IndexError, "index_select: index 3", zeros(3), 0, index(3)),
    ),
    OpSpec(
        "take",
        tg.take,
        with_tensor(lambda draw, x: (whole(draw, draw(shapes(0, 2)), -x.numel(), x.numel()),)),
        lambda x, places: np.take(x, places),
        methods="take",
        torch="take",
        errors=bad(IndexError, "take: index 3", zeros(3), index(3)),
    ),
    OpSpec(
        "take_along_dim",
        tg.take_along_dim,
        with_tensor(lambda draw, x: _along(draw, x, False)[::-1], 1),
        lambda x, places, axis: np.take_along_axis(x, places, axis),
        methods="take_along_dim",
        torch="take_along_dim",
        errors=bad(ValueError, "differ in dimensions", zeros(3, 1), index(0), 0),
    ),
    OpSpec(
        "masked_select",
        tg.masked_select,
        with_tensor(lambda draw, x: (_mask_for(draw, x),)),
        lambda x, mask: x[np.broadcast_to(mask, x.shape)],
        methods="masked_select",
        torch="masked_select",
        errors=bad(TypeError, "boolean", zeros(3), zeros(3)),
    ),
    OpSpec(
        "F.embedding",
        F.embedding,
        tensors((4, 2)).flatmap(
            lambda w: st.lists(st.integers(0, 3), max_size=3).map(lambda i: (tg.tensor(i, dtype=tg.int64), w))
        ),
        lambda rows, table: table[rows],
        torch="nn.functional.embedding",
        errors=bad(IndexError, "embedding: index 5", index(5), zeros(3, 2)),
    ),
    OpSpec(
        "F.embedding_bag",
        lambda rows, table, starts, mode: F.embedding_bag(rows, table, starts, mode=mode),
        st.tuples(
            st.lists(st.integers(0, 3), min_size=2, max_size=4).map(lambda i: tg.tensor(i, dtype=tg.int64)),
            separated((4, 2)),
            st.sampled_from([(0,), (0, 1), (0, 0, 2)]).map(lambda i: tg.tensor(i, dtype=tg.int64)),
            st.sampled_from(["sum", "mean", "max"]),
        ),
        _bags,
        torch=lambda torch, rows, table, starts, mode: torch.nn.functional.embedding_bag(
            rows, table, starts, mode=mode
        ),
        dtypes="float64 float32",
        errors=bad(ValueError, "must begin with 0", index(0), zeros(3, 2), index(1), "sum"),
    ),
]


WRITING = [
    OpSpec(
        "scatter",
        tg.scatter,
        with_tensor(_scatter_arguments, 1),
        _scatter,
        methods="scatter",
        inplace="scatter_",
        errors=bad(IndexError, "scatter: index 3", zeros(3), 0, index(3), 1.0),
        notes="Of values for one place the last one stays, and alone gets a gradient.",
    ),
    OpSpec(
        "scatter_add",
        tg.scatter_add,
        with_tensor(_scatter_arguments, 1),
        _scatter_add,
        methods="scatter_add",
        inplace="scatter_add_",
        errors=bad(IndexError, "scatter_add: index 3", zeros(3), 0, index(3), zeros(1)),
    ),
    OpSpec(
        "scatter_reduce",
        lambda x, axis, places, src, how, include: tg.scatter_reduce(x, axis, places, src, how, include_self=include),
        with_tensor(_reduce_arguments, 1, 2),
        _scatter_reduce,
        rtol=1e-10,
    ),
    OpSpec(
        "scatter_reduce (extremes)",
        lambda x, axis, places, src, how, include: tg.scatter_reduce(x, axis, places, src, how, include_self=include),
        _extreme_arguments(),
        _scatter_reduce,
        kinks=_extreme_arguments(ties=True),
        errors=bad(ValueError, "reduce must be one of", zeros(3), 0, index(0), zeros(1), "median", True),
        notes="Equal extremes share the gradient evenly.",
    ),
    OpSpec(
        "Tensor.scatter_reduce_",
        lambda x, axis, places, src: x.clone().scatter_reduce_(axis, places, src, "sum"),
        with_tensor(_sum_arguments, 1),
        _scatter_add,
    ),
    OpSpec(
        "index_add",
        tg.index_add,
        _slices_and_source(False),
        _index_add,
        methods="index_add",
        inplace="index_add_",
        torch="index_add",
        errors=bad(IndexError, "index_add: index -1", zeros(3), 0, index(-1), zeros(1)),
    ),
    OpSpec(
        "index_reduce",
        lambda x, axis, places, src, how, include: tg.index_reduce(x, axis, places, src, how, include_self=include),
        with_tensor(_index_reduce_arguments, 1),
        _index_reduce,
        rtol=1e-10,
    ),
    OpSpec(
        "index_reduce (extremes)",
        lambda x, axis, places, src, how, include: tg.index_reduce(x, axis, places, src, how, include_self=include),
        _extreme_slices(),
        _index_reduce,
        kinks=_extreme_slices(ties=True),
        errors=bad(ValueError, "reduce must be one of", zeros(3), 0, index(0), zeros(1), "sum", True),
        notes="Equal extremes share the gradient evenly.",
    ),
    OpSpec(
        "Tensor.index_reduce_",
        lambda x, axis, places, src, how, include: x.clone().index_reduce_(
            axis, places, src, how, include_self=include
        ),
        with_tensor(_index_reduce_arguments, 1),
        _index_reduce,
        rtol=1e-10,
    ),
    OpSpec(
        "index_copy",
        tg.index_copy,
        _slices_and_source(True),
        _index_copy,
        methods="index_copy",
        inplace="index_copy_",
        torch="index_copy",
        errors=bad(ValueError, "the source must have shape", zeros(3), 0, index(1), zeros(2)),
    ),
    OpSpec(
        "index_fill",
        tg.index_fill,
        with_tensor(lambda draw, x: (*_slices(draw, x)[:2], draw(numbers() | tensors(()))), 1),
        _index_copy,
        methods="index_fill",
        inplace="index_fill_",
        errors=bad(ValueError, "must be a number", zeros(3), 0, index(1), zeros(2)),
    ),
    OpSpec(
        "index_put",
        tg.index_put,
        with_tensor(_index_put_arguments, 1),
        _index_put,
        methods="index_put",
        inplace="index_put_",
        errors=bad(IndexError, "index_put: .*7", zeros(3), lambda: (tg.tensor([7]),), zeros(1)),
    ),
    OpSpec(
        "put",
        tg.put,
        with_tensor(_put_arguments),
        _put,
        methods="put",
        inplace="put_",
        torch="Tensor.put",
        errors=bad(ValueError, "2 indices but 1 elements", zeros(3), index(0, 1), zeros(1)),
    ),
    OpSpec(
        "masked_fill",
        tg.masked_fill,
        with_tensor(lambda draw, x: (_mask_for(draw, x), draw(numbers() | tensors(())))),
        lambda x, mask, value: np.where(mask, value, x),
        methods="masked_fill",
        inplace="masked_fill_",
        torch="masked_fill",
        dtypes="float64 float32",
        errors=bad(TypeError, "boolean", zeros(3), zeros(3), 1.0),
    ),
    OpSpec(
        "masked_scatter",
        tg.masked_scatter,
        with_tensor(_masked_scatter_arguments),
        _masked_scatter,
        methods="masked_scatter",
        inplace="masked_scatter_",
        torch="masked_scatter",
        errors=bad(ValueError, "chooses 3 elements", zeros(3), lambda: tg.ones(3, dtype=tg.bool), zeros(2)),
    ),
]

SPECS = READING + WRITING
