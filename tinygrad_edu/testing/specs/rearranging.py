"""Joining, rearranging, padding and windows: linear operations that move elements."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import (
    a_dim,
    alone,
    bad,
    named,
    order,
    positive,
    some_dims,
    with_tensor,
    zeros,
)
from tinygrad_edu.testing.strategies import numbers, shapes, tensors


def _shuffled(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    out = np.zeros((*lead, c // r**2, h * r, w * r))
    for i, j in itertools.product(range(r), range(r)):
        out[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return out


def _unshuffled(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    out = np.zeros((*lead, c * r**2, h // r, w // r))
    for i, j in itertools.product(range(r), range(r)):
        out[..., i * r + j :: r * r, :, :] = x[..., i::r, j::r]
    return out


def _dealt(x: Any, groups: int) -> Any:
    per = x.shape[1] // groups
    return np.stack([x[:, g * per + k] for k in range(per) for g in range(groups)], 1)


def _padded(x: Any, widths: Any, mode: str, value: Any = None) -> Any:
    pairs = [(0, 0)] * (x.ndim - len(widths) // 2) + list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    inner = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    outer = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "constant":
        return np.pad(x[inner], outer, constant_values=value or 0)
    numpys: Any = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return np.pad(x[inner], outer, mode=numpys[mode])


def _block_diagonal(*parts: Any) -> Any:
    blocks = [np.atleast_2d(p) for p in parts]
    out = np.zeros([sum(n) for n in zip(*(b.shape for b in blocks), strict=True)])
    row = column = 0
    for b in blocks:
        out[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return out


def _columns(x: Any, kernel: Any, dilation: int, padding: int, stride: int) -> Any:
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2)
    tops, lefts = (range(0, n - dilation * (k - 1), stride) for n, k in zip(x.shape[-2:], kernel, strict=True))
    windows = [
        x[..., t : t + dilation * (kernel[0] - 1) + 1 : dilation, e : e + dilation * (kernel[1] - 1) + 1 : dilation]
        for t in tops
        for e in lefts
    ]
    return np.stack([w.reshape(*x.shape[:-3], -1) for w in windows], -1)


@st.composite
def _several(draw: Any, vary: int | None = None, max_dims: int = 3, min_dims: int = 0, count: Any = None) -> Any:
    """A list of tensors of one shape, or of shapes that differ in dimension ``vary``."""
    shape = draw(shapes(min_dims, max_dims))
    made = []
    for _ in range(draw(st.integers(1, 3)) if count is None else count):
        own = list(shape)
        if vary is not None and len(own) > vary:
            own[vary] = draw(st.integers(1, 3))
        made.append(draw(tensors(tuple(own))))
    return made


@st.composite
def _cat_arguments(draw: Any) -> Any:
    shape = draw(shapes(1, 3))
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    return [draw(tensors((*shape[:axis], n, *shape[axis + 1 :]))) for n in sizes], axis - draw(
        st.sampled_from([0, len(shape)])
    )


@st.composite
def _stack_arguments(draw: Any) -> Any:
    parts = draw(_several())
    return parts, a_dim(draw, parts[0], 1)


@st.composite
def _vectors(draw: Any) -> Any:
    return tuple(draw(tensors((draw(st.integers(1, 3)),))) for _ in range(draw(st.integers(1, 3))))


@st.composite
def _pixels(draw: Any, down: bool = False) -> Any:
    r, c, h, w = (draw(st.integers(1, 2)) for _ in range(4))
    lead = draw(st.sampled_from([(), (2,)]))
    return draw(tensors((*lead, c, h * r, w * r) if down else (*lead, c * r * r, h, w))), r


@st.composite
def _pad_arguments(draw: Any, mode: str) -> Any:
    x = draw(tensors(shapes(1, 3, 2, 4)))
    k = draw(st.integers(1, x.dim()))
    widths: list[int] = []
    for n in list(x.shape)[::-1][:k]:
        before = draw(st.integers(-1, n - 1))
        widths += [before, draw(st.integers(0 if before < 0 else -1, n - 2 if before < 0 else n - 1))]
    if mode == "reflect":  # the mirror image of what is left once the negative widths have cut
        widths = [
            min(w, n - 2) for w, n in zip(widths, [n for n in list(x.shape)[::-1][:k] for _ in (0, 1)], strict=True)
        ]
    return x, widths, mode, *([draw(st.none() | numbers())] if mode == "constant" else [])


@st.composite
def _picture(draw: Any) -> Any:
    kernel = (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    dilation, padding, stride = (draw(st.integers(low, 2)) for low in (1, 0, 1))
    h, w = (draw(st.integers(dilation * (k - 1) + 1, dilation * (k - 1) + 3)) for k in kernel)
    lead = draw(st.sampled_from([(1,), (2, 1)]))
    return draw(tensors((*lead, h, w), -2.0, 2.0)), kernel, dilation, padding, stride


@st.composite
def _columns_of(draw: Any) -> Any:
    x, *settings = draw(_picture())
    columns = F.unfold(x, *settings)
    return draw(tensors(tuple(columns.shape), -2.0, 2.0)), tuple(x.shape[-2:]), *settings


def _folded(columns: Any, size: Any, *settings: Any) -> Any:
    """The transpose of the matrix of unfolding, applied."""
    n = size[0] * size[1]
    matrix = np.stack([_columns(e.reshape(1, *size), *settings).reshape(-1) for e in np.eye(n)])
    blocks = columns.reshape(*columns.shape[:-2], -1, matrix.shape[1])
    return (blocks @ matrix.T).reshape(*blocks.shape[:-1], *size)


def _repeats(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis = draw(st.none() | st.just(positive(draw, x))) if x.dim() else None
    n = x.numel() if axis is None else x.shape[axis]
    counts = st.lists(st.integers(0, 2), min_size=n, max_size=n).map(lambda v: tg.tensor(v, dtype=tg.int64))
    return draw(st.integers(0, 2) | counts), axis


def _times(draw: Any, x: Tensor) -> tuple[tuple[int, ...]]:
    return (tuple(draw(st.lists(st.integers(1, 2), min_size=x.dim(), max_size=x.dim() + 1))),)


JOINING = [
    named(
        "cat",
        _cat_arguments(),
        np.concatenate,
        errors=bad(ValueError, "only dim 0 may differ", lambda: [tg.zeros(2, 1), tg.zeros(2, 2)]),
    ),
    named(
        "stack",
        _stack_arguments(),
        np.stack,
        errors=bad(ValueError, "all must be equal", lambda: [tg.zeros(2), tg.zeros(3)]),
    ),
    *(
        named(name, _several().map(lambda v: (v,)), getattr(np, name))
        for name in ("hstack", "vstack", "dstack", "column_stack")
    ),
    named("block_diag", _several(0, 2).map(tuple), _block_diagonal),
]


REARRANGING = [
    OpSpec(
        "Tensor.contiguous",
        lambda x: x.transpose(0, -1).contiguous(),
        with_tensor(lambda draw, x: (), 2, 3, 2),
        lambda x: x.swapaxes(0, -1),
        torch=lambda torch, x: x.transpose(0, -1).contiguous(),
    ),
    named("flip", with_tensor(lambda draw, x: (some_dims(draw, x),)), np.flip, methods="flip"),
    *(
        named(name, alone(least), getattr(np, name), methods=name, errors=bad(ValueError, "expected at least", zeros()))
        for name, least in (("fliplr", 2), ("flipud", 1))
    ),
    named(
        "rot90",
        with_tensor(lambda draw, x: (draw(st.integers(-5, 5)), order(draw, x)[:2]), 2),
        np.rot90,
        methods="rot90",
        errors=bad(ValueError, "twice", zeros(2, 2), 1, (0, 0)),
    ),
    named(
        "roll",
        with_tensor(lambda draw, x: (draw(st.integers(-4, 4)), draw(st.none() | st.just(positive(draw, x)))), 1),
        np.roll,
        methods="roll",
        errors=bad(ValueError, "same length", zeros(2, 2), (1, 1), (0,)),
    ),
    named("Tensor.repeat", with_tensor(_times), np.tile, errors=bad(ValueError, "count for each", zeros(2, 2), (1,))),
    named("tile", with_tensor(_times), np.tile, methods="tile"),
    named(
        "repeat_interleave",
        with_tensor(_repeats),
        np.repeat,
        methods="repeat_interleave",
        errors=bad(ValueError, "must not be negative", zeros(2), -1),
    ),
    named(
        "meshgrid",
        _vectors(),
        lambda *v: np.meshgrid(*v, indexing="ij"),
        lambda torch, *v: torch.meshgrid(*v, indexing="ij"),
    ),
    named(
        "cartesian_prod",
        _vectors(),
        lambda *v: np.array(list(itertools.product(*v))).reshape(-1, len(v)) if len(v) > 1 else v[0],
        errors=bad(ValueError, "expected vectors", zeros(2, 2)),
    ),
    named(
        "combinations",
        tensors((3,)).flatmap(lambda x: st.tuples(st.just(x), st.integers(1, 3))),
        lambda x, r: np.array(list(itertools.combinations(x, r))).reshape(-1, r),
        errors=bad(ValueError, "expected a vector", zeros(2, 2)),
    ),
    named("pixel_shuffle", _pixels(), _shuffled, errors=bad(ValueError, "upscale factor of 2", zeros(3, 1, 1), 2)),
    named(
        "pixel_unshuffle",
        _pixels(True),
        _unshuffled,
        errors=bad(ValueError, "downscale factor of 2", zeros(1, 3, 2), 2),
    ),
    named(
        "channel_shuffle",
        tensors((2, 4, 1, 2)).flatmap(lambda x: st.tuples(st.just(x), st.sampled_from([1, 2, 4]))),
        _dealt,
        errors=bad(ValueError, "in 3 groups", zeros(1, 4, 1), 3),
    ),
]


PADDING = [
    OpSpec(
        "F.pad",
        F.pad,
        _pad_arguments("constant"),
        _padded,
        torch="nn.functional.pad",
        errors=bad(ValueError, "pairs of widths", zeros(2), (1, 1, 1, 1)),
    ),
    *(
        OpSpec(
            f"F.pad ({mode})",
            F.pad,
            _pad_arguments(mode),
            _padded,
            errors=bad(
                ValueError,
                "cannot be wrapped|fewer than|takes no value",
                zeros(2),
                (5, 5),
                mode,
                0 if mode != "replicate" else 1,
            ),
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    named("F.unfold", _picture(), _columns, errors=bad(ValueError, "no window", zeros(1, 2, 2), 3)),
    named("F.fold", _columns_of(), _folded, errors=bad(ValueError, "has 4 such windows", zeros(1, 4, 3), 3, 2)),
]

SPECS = JOINING + REARRANGING + PADDING
