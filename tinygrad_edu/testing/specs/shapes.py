"""Views, parts, joining, rearranging, padding and windows: linear operations that move elements."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import Tensor
from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs._drawing import a_dim, bad, factors, order, positive, some_dims, with_tensor, zeros
from tinygrad_edu.testing.strategies import numbers, shapes, tensors


def _spec(name: str, inputs: Any, reference: Callable[..., Any] | None, torch: Any = "", **more: Any) -> OpSpec:
    room: Any = tg
    *rooms, last = name.split(".")
    if rooms:
        room = F if rooms == ["F"] else Tensor
    return OpSpec(name, getattr(room, last), inputs, reference, torch=torch or _torch_name(name), **more)


def _torch_name(name: str) -> str:
    return name.replace("F.", "nn.functional.", 1) if name.startswith("F.") else name


def _alone(min_dims: int = 0, max_dims: int = 3) -> Any:
    return with_tensor(lambda draw, x: (), min_dims, max_dims)


# References ----------------------------------------------------------------------------------------------------------


def _parts(x: Any, size: int, axis: int) -> Any:
    return tuple(np.split(x, range(size, x.shape[axis], size), axis))


def _rearranged(x: Any, steps: Callable[[Any], Any]) -> Any:
    """What ``steps`` does to the places of elements, done to the elements."""
    return x.reshape(-1)[steps(np.arange(x.size).reshape(x.shape))]


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


def _windows(x: Any, axis: int, size: int, step: int) -> Any:
    return np.moveaxis(
        np.stack([np.take(x, range(i, i + size), axis) for i in range(0, x.shape[axis] - size + 1, step)]),
        [0, axis + 1],
        [axis, -1],
    )


def _columns(x: Any, kernel: Any, dilation: int, padding: int, stride: int) -> Any:
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2)
    tops, lefts = (range(0, n - dilation * (k - 1), stride) for n, k in zip(x.shape[-2:], kernel, strict=True))
    windows = [
        x[..., t : t + dilation * (kernel[0] - 1) + 1 : dilation, e : e + dilation * (kernel[1] - 1) + 1 : dilation]
        for t in tops
        for e in lefts
    ]
    return np.stack([w.reshape(*x.shape[:-3], -1) for w in windows], -1)


# Arguments -----------------------------------------------------------------------------------------------------------


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
def _expand_arguments(draw: Any) -> Any:
    full = draw(shapes(0, 3))
    start = draw(st.integers(0, len(full)))
    x = draw(tensors(tuple(1 if draw(st.booleans()) else n for n in full[start:])))
    return x, full


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


def _window_arguments(draw: Any, x: Tensor) -> tuple[int, int, int]:
    axis = positive(draw, x)
    return axis, draw(st.integers(1, x.shape[axis])), draw(st.integers(1, 2))


def _repeats(draw: Any, x: Tensor) -> tuple[Any, ...]:
    axis = draw(st.none() | st.just(positive(draw, x))) if x.dim() else None
    n = x.numel() if axis is None else x.shape[axis]
    counts = st.lists(st.integers(0, 2), min_size=n, max_size=n).map(lambda v: tg.tensor(v, dtype=tg.int64))
    return draw(st.integers(0, 2) | counts), axis


def _times(draw: Any, x: Tensor) -> tuple[tuple[int, ...]]:
    return (tuple(draw(st.lists(st.integers(1, 2), min_size=x.dim(), max_size=x.dim() + 1))),)


def _sections(draw: Any, x: Tensor) -> tuple[list[int], int]:
    axis = positive(draw, x)
    first = draw(st.integers(0, x.shape[axis]))
    return [first, x.shape[axis] - first], axis


VIEWS = [
    _spec(
        "reshape",
        with_tensor(lambda draw, x: (factors(draw, x.numel()),)),
        np.reshape,
        methods="reshape view",
        errors=bad(ValueError, "6 elements .* do not fit into shape", zeros(2, 3), (4,)),
    ),
    _spec("Tensor.view", with_tensor(lambda draw, x: (factors(draw, x.numel()),)), np.reshape),
    _spec(
        "Tensor.view_as",
        with_tensor(lambda draw, x: (tg.zeros(factors(draw, x.numel())),)),
        lambda x, y: x.reshape(y.shape),
    ),
    _spec(
        "Tensor.reshape_as",
        with_tensor(lambda draw, x: (tg.zeros(factors(draw, x.numel())),)),
        lambda x, y: x.reshape(y.shape),
    ),
    _spec(
        "flatten",
        with_tensor(lambda draw, x: tuple(sorted((positive(draw, x), positive(draw, x)))), 1),
        lambda x, a, b: x.reshape(*x.shape[:a], -1, *x.shape[b + 1 :]),
        methods="flatten",
        errors=bad(ValueError, "comes after", zeros(2, 3), 1, 0),
    ),
    _spec("ravel", _alone(), np.ravel, methods="ravel"),
    _spec(
        "unflatten",
        with_tensor(lambda draw, x: (-1, factors(draw, x.shape[-1])), 1),
        lambda x, axis, sizes: x.reshape(*x.shape[:-1], *sizes),
        methods="unflatten",
        errors=bad(ValueError, "unflatten: .* do not fit", zeros(6), 0, (4, 2)),
    ),
    _spec(
        "squeeze",
        with_tensor(
            lambda draw, x: (draw(st.none() | st.just(tuple(i for i in some_dims(draw, x) if x.shape[i] == 1))),)
        ),
        lambda x, dim: np.squeeze(x, dim),
        lambda torch, x, dim: x.squeeze() if dim is None else x.squeeze(dim),
        methods="squeeze",
        errors=bad(IndexError, "out of range", zeros(2), 3),
    ),
    _spec(
        "unsqueeze",
        with_tensor(lambda draw, x: (a_dim(draw, x, 1),)),
        np.expand_dims,
        methods="unsqueeze",
    ),
    _spec(
        "permute",
        with_tensor(lambda draw, x: (order(draw, x),)),
        np.transpose,
        methods="permute",
        errors=bad(ValueError, "no reordering", zeros(2, 3), (0, 0)),
    ),
    _spec(
        "transpose",
        with_tensor(lambda draw, x: (a_dim(draw, x), a_dim(draw, x)), 1),
        np.swapaxes,
        methods="transpose swapaxes swapdims",
    ),
    _spec("t", _alone(0, 2), np.transpose, methods="t", errors=bad(ValueError, "at most 2", zeros(1, 1, 1))),
    _spec(
        "adjoint",
        _alone(2),
        lambda x: np.swapaxes(x, -1, -2),
        methods="adjoint",
        errors=bad(ValueError, "at least 2", zeros(3)),
    ),
    _spec(
        "movedim",
        with_tensor(lambda draw, x: (a_dim(draw, x), a_dim(draw, x)), 1),
        np.moveaxis,
        methods="movedim moveaxis",
        errors=bad(ValueError, "distinct", zeros(2, 3), (0, 1), (0, 0)),
    ),
    _spec(
        "Tensor.expand",
        _expand_arguments(),
        np.broadcast_to,
        errors=bad(ValueError, "only dimensions of size 1", zeros(2), (3,)),
    ),
    _spec("broadcast_to", _expand_arguments(), np.broadcast_to, methods="broadcast_to expand"),
    _spec(
        "Tensor.expand_as",
        _expand_arguments().map(lambda c: (c[0], tg.zeros(c[1]))),
        lambda x, y: np.broadcast_to(x, y.shape),
    ),
    _spec(
        "broadcast_tensors",
        _expand_arguments().map(lambda c: (c[0], tg.ones(c[1], dtype=tg.float64))),
        np.broadcast_arrays,
    ),
    *(_spec(f"atleast_{n}d", _alone(), getattr(np, f"atleast_{n}d")) for n in (1, 2, 3)),
    _spec(
        "Tensor.unfold",
        with_tensor(_window_arguments, 1),
        lambda x, axis, size, step: np.lib.stride_tricks.sliding_window_view(x, size, axis)[
            (*[slice(None)] * axis, slice(None, None, step))
        ],
        errors=bad(ValueError, "no windows of 4", zeros(3), 0, 4, 1),
    ),
]

PARTS = [
    _spec(
        "narrow",
        with_tensor(
            lambda draw, x: (lambda axis: (axis, draw(st.integers(0, x.shape[axis] - 1)), 1))(positive(draw, x)), 1
        ),
        lambda x, axis, start, n: np.take(x, range(start, start + n), axis),
        methods="narrow",
        errors=bad(IndexError, "not inside dimension 0", zeros(3), 0, 2, 2),
    ),
    _spec(
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
    _spec(
        "split",
        with_tensor(lambda draw, x: (draw(st.integers(1, 3)), positive(draw, x)), 1),
        _parts,
        methods="split",
        errors=bad(ValueError, "do not divide", zeros(3), [1, 1]),
    ),
    _spec(
        "split_with_sizes",
        with_tensor(_sections, 1),
        lambda x, sizes, axis: np.split(x, sizes[:1], axis),
        methods="split_with_sizes",
    ),
    _spec(
        "chunk",
        with_tensor(lambda draw, x: (draw(st.integers(1, 4)), positive(draw, x)), 1),
        lambda x, n, axis: _parts(x, -(-x.shape[axis] // n), axis),
        methods="chunk",
        errors=bad(ValueError, "at least one chunk", zeros(3), 0),
    ),
    _spec(
        "tensor_split",
        with_tensor(
            lambda draw, x: (draw(st.integers(1, 4) | st.lists(st.integers(0, 3), max_size=2)), positive(draw, x)), 1
        ),
        np.array_split,
        methods="tensor_split",
        errors=bad(ValueError, "at least one part", zeros(3), 0),
    ),
    *(
        _spec(
            name,
            with_tensor(lambda draw, x: (draw(st.lists(st.integers(0, 3), max_size=2)),), least),
            getattr(np, name),
            methods=name,
            errors=bad(ValueError, "equal parts", zeros(3, 3, 3), 2),
        )
        for name, least in (("hsplit", 1), ("vsplit", 2), ("dsplit", 3))
    ),
    _spec(
        "unbind",
        with_tensor(lambda draw, x: (positive(draw, x),), 1),
        lambda x, axis: tuple(np.moveaxis(x, axis, 0)),
        methods="unbind",
        errors=bad(ValueError, "without dimensions", zeros()),
    ),
]

JOINING = [
    _spec(
        "cat",
        _cat_arguments(),
        np.concatenate,
        errors=bad(ValueError, "only dim 0 may differ", lambda: [tg.zeros(2, 1), tg.zeros(2, 2)]),
    ),
    _spec(
        "stack",
        _stack_arguments(),
        np.stack,
        errors=bad(ValueError, "all must be equal", lambda: [tg.zeros(2), tg.zeros(3)]),
    ),
    *(
        _spec(name, _several().map(lambda v: (v,)), getattr(np, name))
        for name in ("hstack", "vstack", "dstack", "column_stack")
    ),
    _spec("block_diag", _several(0, 2).map(tuple), _block_diagonal),
]

REARRANGING = [
    OpSpec(
        "Tensor.contiguous",
        lambda x: x.transpose(0, -1).contiguous(),
        with_tensor(lambda draw, x: (), 2, 3, 2),
        lambda x: x.swapaxes(0, -1),
        torch=lambda torch, x: x.transpose(0, -1).contiguous(),
    ),
    _spec("flip", with_tensor(lambda draw, x: (some_dims(draw, x),)), np.flip, methods="flip"),
    *(
        _spec(
            name, _alone(least), getattr(np, name), methods=name, errors=bad(ValueError, "expected at least", zeros())
        )
        for name, least in (("fliplr", 2), ("flipud", 1))
    ),
    _spec(
        "rot90",
        with_tensor(lambda draw, x: (draw(st.integers(-5, 5)), order(draw, x)[:2]), 2),
        np.rot90,
        methods="rot90",
        errors=bad(ValueError, "twice", zeros(2, 2), 1, (0, 0)),
    ),
    _spec(
        "roll",
        with_tensor(lambda draw, x: (draw(st.integers(-4, 4)), draw(st.none() | st.just(positive(draw, x)))), 1),
        np.roll,
        methods="roll",
        errors=bad(ValueError, "same length", zeros(2, 2), (1, 1), (0,)),
    ),
    _spec("Tensor.repeat", with_tensor(_times), np.tile, errors=bad(ValueError, "count for each", zeros(2, 2), (1,))),
    _spec("tile", with_tensor(_times), np.tile, methods="tile"),
    _spec(
        "repeat_interleave",
        with_tensor(_repeats),
        np.repeat,
        methods="repeat_interleave",
        errors=bad(ValueError, "must not be negative", zeros(2), -1),
    ),
    _spec(
        "meshgrid",
        _vectors(),
        lambda *v: np.meshgrid(*v, indexing="ij"),
        lambda torch, *v: torch.meshgrid(*v, indexing="ij"),
    ),
    _spec(
        "cartesian_prod",
        _vectors(),
        lambda *v: np.array(list(itertools.product(*v))).reshape(-1, len(v)) if len(v) > 1 else v[0],
        errors=bad(ValueError, "expected vectors", zeros(2, 2)),
    ),
    _spec(
        "combinations",
        tensors((3,)).flatmap(lambda x: st.tuples(st.just(x), st.integers(1, 3))),
        lambda x, r: np.array(list(itertools.combinations(x, r))).reshape(-1, r),
        errors=bad(ValueError, "expected a vector", zeros(2, 2)),
    ),
    _spec("pixel_shuffle", _pixels(), _shuffled, errors=bad(ValueError, "upscale factor of 2", zeros(3, 1, 1), 2)),
    _spec(
        "pixel_unshuffle",
        _pixels(True),
        _unshuffled,
        errors=bad(ValueError, "downscale factor of 2", zeros(1, 3, 2), 2),
    ),
    _spec(
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
    _spec("F.unfold", _picture(), _columns, errors=bad(ValueError, "no window", zeros(1, 2, 2), 3)),
    _spec("F.fold", _columns_of(), _folded, errors=bad(ValueError, "has 4 such windows", zeros(1, 4, 3), 3, 2)),
]

SPECS = VIEWS + PARTS + JOINING + REARRANGING + PADDING
