"""Copies with one part overwritten, and views of any form on memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import Draw, bad, named, positive, with_tensor, zeros
from tinygrad_edu.testing.specs.indexing import index_of, numpy_index
from tinygrad_edu.testing.strategies import shapes, tensors


def _written(x: Any, index: Any, src: Any) -> Any:
    out = np.array(x)
    out[index] = src
    return out


@st.composite
def _assignment(draw: Any) -> tuple[Any, ...]:
    """A tensor, an index that names no element twice, and a value that fits there, perhaps by broadcasting."""
    x = draw(tensors(shapes(1, 3)))
    (where,) = index_of(draw, x)
    assume(_distinct(x, where))
    chosen = _places(x.numpy(), where).shape
    kept = chosen[draw(st.integers(0, len(chosen))) :]
    return x, where, draw(tensors(tuple(1 if draw(st.booleans()) else n for n in kept)) | st.just(0.5))


def _places(x: Any, where: Any) -> Any:
    """The numbers of the elements that an index names."""
    return numpy_index(np.arange(x.size).reshape(x.shape), where)


def _distinct(x: Tensor, where: Any) -> bool:
    places = _places(x.numpy(), where)
    return len(np.unique(places)) == places.size


def _set(x: Tensor, where: Any, value: Any) -> Tensor:
    out = x.clone()
    out[where] = value
    return out


def _set_by_numpy(x: Any, where: Any, value: Any) -> Any:
    out = np.array(x)
    out.flat[_places(x, where)] = np.broadcast_to(value, _places(x, where).shape)
    return out


def _select_arguments(draw: Draw, x: Tensor) -> tuple[Any, ...]:
    axis = positive(draw, x)
    n = x.shape[axis]
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    return draw(tensors(rest)), axis, draw(st.integers(-n, n - 1))


def _slice_arguments(draw: Draw, x: Tensor) -> tuple[Any, ...]:
    axis = positive(draw, x)
    n = x.shape[axis]
    start, end, step = draw(st.integers(0, n)), draw(st.integers(-1, n)), draw(st.integers(1, 2))
    length = len(range(*slice(start, end, step).indices(n)))
    return draw(tensors((*x.shape[:axis], length, *x.shape[axis + 1 :]))), axis, start, end, step


def _diagonal_arguments(draw: Draw, x: Tensor) -> tuple[Any, ...]:
    offset = draw(st.integers(-1, 1))
    dims = (0, 1) if draw(st.booleans()) else (-1, -2)
    return draw(tensors(tuple(x.diagonal(offset, *dims).shape))), offset, *dims


def _diagonal_scatter(x: Any, src: Any, offset: int, dim1: int, dim2: int) -> Any:
    out = np.array(x)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = src
    return out


def _fill_diagonal(x: Tensor, value: float, wrap: bool) -> Tensor:
    return x.clone().fill_diagonal_(value, wrap)


def _filled(x: Any, value: float, wrap: bool) -> Any:
    out = np.array(x)
    np.fill_diagonal(out, value, wrap=wrap)
    return out


@st.composite
def _strided_arguments(draw: Any) -> tuple[Any, ...]:
    """Sizes and strides that stay inside of the memory."""
    x = draw(tensors(shapes(1, 2)))
    size = draw(st.lists(st.integers(0, 3), max_size=3).map(tuple))
    offset = draw(st.integers(0, x.numel() - 1))
    left, stride = x.numel() - 1 - offset, []
    for n in size:
        stride.append(draw(st.integers(0, left // (n - 1))) if n > 1 else draw(st.integers(0, 3)))
        left -= stride[-1] * max(n - 1, 0)
    return x, size, tuple(stride), offset


def _as_strided(x: Any, size: Any, stride: Any, offset: int) -> Any:
    flat = x.reshape(-1)
    out = np.empty(size)
    for index in np.ndindex(*size):
        out[index] = flat[offset + sum(i * s for i, s in zip(index, stride, strict=True))]
    return out


SPECS = [
    OpSpec(
        "Tensor.__setitem__",
        _set,
        _assignment(),
        _set_by_numpy,
        torch=lambda m, *args: _set(*args),
        errors=(
            *bad(IndexError, "setitem: .*5", zeros(3), 5, 1.0),
            *bad(ValueError, "setitem: a value of shape", zeros(3), slice(None), zeros(2)),
        ),
        dtypes="float64 float32",
    ),
    named(
        "select_scatter",
        with_tensor(_select_arguments, 1),
        lambda x, src, axis, i: _written(x, (*[slice(None)] * axis, i), src),
        methods="select_scatter",
        errors=(
            *bad(ValueError, "select_scatter: src must have shape", zeros(2, 3), zeros(2), 0, 0),
            *bad(IndexError, "index 5 is out of range", zeros(2, 3), zeros(3), 0, 5),
        ),
    ),
    named(
        "slice_scatter",
        with_tensor(_slice_arguments, 1),
        lambda x, src, axis, a, b, c: _written(x, (*[slice(None)] * axis, slice(a, b, c)), src),
        methods="slice_scatter",
        errors=(
            *bad(ValueError, "slice_scatter: src must have shape", zeros(3), zeros(2), 0, 0, 1),
            *bad(ValueError, "the step must be positive", zeros(3), zeros(3), 0, 0, 3, 0),
        ),
    ),
    named(
        "diagonal_scatter",
        with_tensor(_diagonal_arguments, 2, 3, 2),
        _diagonal_scatter,
        methods="diagonal_scatter",
        errors=bad(ValueError, "diagonal_scatter: src must have shape", zeros(2, 3), zeros(3)),
    ),
    OpSpec(
        "Tensor.fill_diagonal_",
        _fill_diagonal,
        with_tensor(lambda draw, x: (draw(st.integers(-2, 2)) / 2, draw(st.booleans())), 2, 2),
        _filled,
        torch=lambda m, x, value, wrap: x.clone().fill_diagonal_(value, wrap),
        errors=(
            *bad(ValueError, "fill_diagonal_: expected a matrix", zeros(2, 2, 3), 1.0, False),
            *bad(TypeError, "fill_diagonal_: expected a number", zeros(2, 2), "a", False),
        ),
    ),
    OpSpec(
        "as_strided",
        lambda x, *args: tg.as_strided(x.contiguous(), *args),
        _strided_arguments(),
        _as_strided,
        torch="as_strided",
        errors=(
            *bad(RuntimeError, "reach element 6 of a memory of 6", zeros(2, 3), (4,), (2,)),
            *bad(ValueError, "nothing negative", zeros(3), (2,), (-1,)),
        ),
        domain="tensors that are contiguous in memory",
    ),
]
