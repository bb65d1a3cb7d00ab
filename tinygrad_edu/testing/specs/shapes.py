"""Views and parts: linear operations that show elements under another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import (
    a_dim,
    alone,
    bad,
    factors,
    named,
    order,
    positive,
    some_dims,
    with_tensor,
    zeros,
)
from tinygrad_edu.testing.strategies import shapes, tensors


def _parts(x: Any, size: int, axis: int) -> Any:
    return tuple(np.split(x, range(size, x.shape[axis], size), axis))


@st.composite
def _expand_arguments(draw: Any) -> Any:
    full = draw(shapes(0, 3))
    start = draw(st.integers(0, len(full)))
    x = draw(tensors(tuple(1 if draw(st.booleans()) else n for n in full[start:])))
    return x, full


def _sum_to(x: Any, size: tuple[int, ...]) -> Any:
    lead = x.ndim - len(size)
    x = x.sum(tuple(range(lead)))
    return x.sum(tuple(i for i, n in enumerate(size) if n == 1), keepdims=True)


def _window_arguments(draw: Any, x: Tensor) -> tuple[int, int, int]:
    axis = positive(draw, x)
    return axis, draw(st.integers(1, x.shape[axis])), draw(st.integers(1, 2))


def _sections(draw: Any, x: Tensor) -> tuple[list[int], int]:
    axis = positive(draw, x)
    first = draw(st.integers(0, x.shape[axis]))
    return [first, x.shape[axis] - first], axis


VIEWS = [
    named(
        "reshape",
        with_tensor(lambda draw, x: (factors(draw, x.numel()),)),
        np.reshape,
        methods="reshape view",
        errors=bad(ValueError, "6 elements .* do not fit into shape", zeros(2, 3), (4,)),
    ),
    OpSpec(
        "Tensor.view",
        lambda x, shape: x.contiguous().view(shape),  # which is x itself, but where its memory has gaps
        with_tensor(lambda draw, x: (factors(draw, x.numel()),)),
        np.reshape,
        torch="Tensor.view",
    ),
    OpSpec(
        "Tensor.view_as",
        lambda x, y: x.contiguous().view_as(y),
        with_tensor(lambda draw, x: (tg.zeros(factors(draw, x.numel())),)),
        lambda x, y: x.reshape(y.shape),
        torch="Tensor.view_as",
    ),
    named(
        "Tensor.reshape_as",
        with_tensor(lambda draw, x: (tg.zeros(factors(draw, x.numel())),)),
        lambda x, y: x.reshape(y.shape),
    ),
    named(
        "flatten",
        with_tensor(lambda draw, x: tuple(sorted((positive(draw, x), positive(draw, x)))), 1),
        lambda x, a, b: x.reshape(*x.shape[:a], -1, *x.shape[b + 1 :]),
        methods="flatten",
        errors=bad(ValueError, "comes after", zeros(2, 3), 1, 0),
    ),
    named("ravel", alone(), np.ravel, methods="ravel"),
    named(
        "unflatten",
        with_tensor(lambda draw, x: (-1, factors(draw, x.shape[-1])), 1),
        lambda x, axis, sizes: x.reshape(*x.shape[:-1], *sizes),
        methods="unflatten",
        errors=bad(ValueError, "unflatten: .* do not fit", zeros(6), 0, (4, 2)),
    ),
    named(
        "squeeze",
        with_tensor(
            lambda draw, x: (draw(st.none() | st.just(tuple(i for i in some_dims(draw, x) if x.shape[i] == 1))),)
        ),
        lambda x, dim: np.squeeze(x, dim),
        lambda torch, x, dim: x.squeeze() if dim is None else x.squeeze(dim),
        methods="squeeze",
        errors=bad(IndexError, "out of range", zeros(2), 3),
    ),
    named(
        "unsqueeze",
        with_tensor(lambda draw, x: (a_dim(draw, x, 1),)),
        np.expand_dims,
        methods="unsqueeze",
    ),
    named(
        "permute",
        with_tensor(lambda draw, x: (order(draw, x),)),
        np.transpose,
        methods="permute",
        errors=bad(ValueError, "no reordering", zeros(2, 3), (0, 0)),
    ),
    named(
        "transpose",
        with_tensor(lambda draw, x: (a_dim(draw, x), a_dim(draw, x)), 1),
        np.swapaxes,
        methods="transpose swapaxes swapdims",
    ),
    named("t", alone(0, 2), np.transpose, methods="t", errors=bad(ValueError, "at most 2", zeros(1, 1, 1))),
    named(
        "adjoint",
        alone(2),
        lambda x: np.swapaxes(x, -1, -2),
        methods="adjoint",
        errors=bad(ValueError, "at least 2", zeros(3)),
    ),
    named(
        "movedim",
        with_tensor(lambda draw, x: (a_dim(draw, x), a_dim(draw, x)), 1),
        np.moveaxis,
        methods="movedim moveaxis",
        errors=bad(ValueError, "distinct", zeros(2, 3), (0, 1), (0, 0)),
    ),
    named(
        "Tensor.expand",
        _expand_arguments(),
        np.broadcast_to,
        errors=bad(ValueError, "only dimensions of size 1", zeros(2), (3,)),
    ),
    named("broadcast_to", _expand_arguments(), np.broadcast_to, methods="broadcast_to expand"),
    named(
        "Tensor.expand_as",
        _expand_arguments().map(lambda c: (c[0], tg.zeros(c[1]))),
        lambda x, y: np.broadcast_to(x, y.shape),
    ),
    named(
        "broadcast_tensors",
        _expand_arguments().map(lambda c: (c[0], tg.ones(c[1], dtype=tg.float64))),
        np.broadcast_arrays,
    ),
    named(
        "Tensor.sum_to_size",
        _expand_arguments().map(lambda c: (tg.ones(c[1], dtype=tg.float64) * c[0], tuple(c[0].shape))),
        _sum_to,
        methods="sum_to_size",
        errors=bad(ValueError, "does not broadcast", zeros(2, 3), (2,)),
    ),
    *(named(f"atleast_{n}d", alone(), getattr(np, f"atleast_{n}d")) for n in (1, 2, 3)),
    named(
        "Tensor.unfold",
        with_tensor(_window_arguments, 1),
        lambda x, axis, size, step: np.lib.stride_tricks.sliding_window_view(x, size, axis)[
            (*[slice(None)] * axis, slice(None, None, step))
        ],
        errors=bad(ValueError, "no windows of 4", zeros(3), 0, 4, 1),
    ),
]


PARTS = [
    named(
        "narrow",
        with_tensor(
            lambda draw, x: (lambda axis: (axis, draw(st.integers(0, x.shape[axis] - 1)), 1))(positive(draw, x)), 1
        ),
        lambda x, axis, start, n: np.take(x, range(start, start + n), axis),
        methods="narrow",
        errors=bad(IndexError, "not inside dimension 0", zeros(3), 0, 2, 2),
    ),
    named(
        "select",
        with_tensor(
            lambda draw, x: (lambda axis: (axis, draw(st.integers(-x.shape[axis], x.shape[axis] - 1))))(
                positive(draw, x)
            ),
            1,
        ),
        lambda x, axis, i: np.take(x, i, axis),
        methods="select",
        errors=bad(IndexError, "index 3 is out of range", zeros(3), 0, 3),
    ),
    named(
        "split",
        with_tensor(lambda draw, x: (draw(st.integers(1, 3)), positive(draw, x)), 1),
        _parts,
        methods="split",
        errors=bad(ValueError, "do not divide", zeros(3), [1, 1]),
    ),
    named(
        "split_with_sizes",
        with_tensor(_sections, 1),
        lambda x, sizes, axis: np.split(x, sizes[:1], axis),
        methods="split_with_sizes",
    ),
    named(
        "chunk",
        with_tensor(lambda draw, x: (draw(st.integers(1, 4)), positive(draw, x)), 1),
        lambda x, n, axis: _parts(x, -(-x.shape[axis] // n), axis),
        methods="chunk",
        errors=bad(ValueError, "at least one chunk", zeros(3), 0),
    ),
    named(
        "tensor_split",
        with_tensor(
            lambda draw, x: (draw(st.integers(1, 4) | st.lists(st.integers(0, 3), max_size=2)), positive(draw, x)), 1
        ),
        np.array_split,
        methods="tensor_split",
        errors=bad(ValueError, "at least one part", zeros(3), 0),
    ),
    *(
        named(
            name,
            with_tensor(lambda draw, x: (draw(st.lists(st.integers(0, 3), max_size=2)),), least),
            getattr(np, name),
            methods=name,
            errors=bad(ValueError, "equal parts", zeros(3, 3, 3), 2),
        )
        for name, least in (("hsplit", 1), ("vsplit", 2), ("dsplit", 3))
    ),
    named(
        "unbind",
        with_tensor(lambda draw, x: (positive(draw, x),), 1),
        lambda x, axis: tuple(np.moveaxis(x, axis, 0)),
        methods="unbind",
        errors=bad(ValueError, "without dimensions", zeros()),
    ),
]

SPECS = VIEWS + PARTS
