"""Pooling: the largest element, the mean or a power mean of each window, the way back, and adaptive windows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_FLOATS = "float64 float32"
_TIES = "of equal elements the first gets the gradient"


@st.composite
def _windows(draw: Any, dims: int, dilate: bool = False, tied: bool = False) -> tuple[Any, ...]:
    """Input with or without batch, size, stride, padding, (dilation,) and ceil_mode of windows of which one fits."""
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    spread = tuple(draw(st.integers(1, 2)) if dilate else 1 for _ in range(dims))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    sizes = [d * (k - 1) + 1 + draw(st.integers(0, 2)) for k, d in zip(kernel, spread, strict=True)]
    shape = (*draw(some.shapes(1, 2, 1, 2)), *sizes)
    x = draw(some.tensors(shape, -2.0, 2.0) if tied else some.separated(shape))
    return x, kernel, stride, padding, *([spread] if dilate else []), draw(st.booleans())


def _each(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Any:
    """For each window its number and the indices of its elements that are inside, and the number of windows."""
    dims = len(kernel)
    counts = []
    for n, k, s, p, d in zip(x.shape[-dims:], kernel, stride, padding, dilation, strict=True):
        room = (n + 2 * p - d * (k - 1) - 1) / s
        count = int(np.ceil(room) if ceil else np.floor(room)) + 1
        counts.append(count - 1 if ceil and (count - 1) * s >= n + p else count)
    places = []
    for at in itertools.product(*map(range, counts)):
        lines = [
            [q for q in range(i * s - p, i * s - p + d * k, d) if 0 <= q < n]
            for i, n, k, s, p, d in zip(at, x.shape[-dims:], kernel, stride, padding, dilation, strict=True)
        ]
        places.append((at, np.ix_(*lines)))
    return places, counts


def _pooled(take: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Any:
    dims = len(kernel)
    places, counts = _each(x, kernel, stride, padding, dilation, ceil)
    out: Any = np.zeros((*x.shape[:-dims], *counts))
    for at, inside in places:
        part: Any = x[(..., *inside)]
        out[(..., *at)] = take(part.reshape(*x.shape[:-dims], -1), at)
    return out


def _max(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Any:
    return _pooled(lambda part, at: part.max(-1), x, kernel, stride, padding, dilation, ceil)


def _mean_inside(x: Any, kernel: Any, stride: Any, padding: Any, ceil: bool) -> Any:
    return _pooled(lambda part, at: part.mean(-1), x, kernel, stride, padding, (1,) * len(kernel), ceil)


def _power_mean(x: Any, kernel: Any, stride: Any, padding: Any, ceil: bool) -> Any:
    ones = (1,) * len(kernel)
    share = np.prod(kernel)
    found = _pooled(lambda part, at: (part**2).mean(-1), x, kernel, stride, (0,) * len(kernel), ones, ceil)
    return np.sqrt(found * share)


def _parts(take: Any, x: Any, sizes: Any) -> Any:
    dims = len(sizes)
    out: Any = np.zeros((*x.shape[:-dims], *sizes))
    for at in itertools.product(*map(range, sizes)):
        inside = tuple(
            slice(int(np.floor(i * n / k)), int(np.ceil((i + 1) * n / k)))
            for i, n, k in zip(at, x.shape[-dims:], sizes, strict=True)
        )
        out[(..., *at)] = take(x[(..., *inside)].reshape(*x.shape[:-dims], -1), -1)
    return out


@st.composite
def _adaptive(draw: Any, dims: int) -> tuple[Any, ...]:
    x = draw(some.separated((*draw(some.shapes(1, 2, 1, 2)), *(draw(st.integers(1, 5)) for _ in range(dims)))))
    return x, tuple(draw(st.integers(1, 4)) for _ in range(dims))


@st.composite
def _pooled_before(draw: Any, dims: int) -> tuple[Any, ...]:
    """Values, the places that windows side by side have them from, and the windows' size."""
    kernel = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    x = draw(some.separated((draw(st.integers(1, 2)), *(k * draw(st.integers(1, 2)) for k in kernel))))
    values, places = getattr(F, f"max_pool{dims}d")(x, kernel, return_indices=True)
    return values, places, kernel


_THIN = Bad(lambda: (tg.zeros(1, 1, 1), 2, None, 0, 1, False), ValueError, r"no window of \(2.*fits into \(1")
_FLAT = Bad(lambda: (tg.zeros(3), 1, None, 0, 1, False), ValueError, r"\(N, C.*got \(3,\)")
_PADDED = Bad(lambda: (tg.zeros(1, 4, 4), 2, None, 2, 1, False), ValueError, "at most half of the window")


def _family(dims: int) -> list[OpSpec]:
    ones = (1,) * dims
    return [
        OpSpec(
            f"F.max_pool{dims}d",
            getattr(F, f"max_pool{dims}d"),
            _windows(dims, dilate=True),
            reference=_max,
            kinks=_windows(dims, dilate=True, tied=True) if dims == 1 else None,
            errors=(_FLAT, _PADDED, _THIN) if dims < 3 else (_FLAT,),
            torch=f"nn.functional.max_pool{dims}d",
            dtypes=_FLOATS,
            notes=_TIES,
        ),
        OpSpec(
            f"F.max_pool{dims}d_with_indices",
            getattr(F, f"max_pool{dims}d_with_indices"),
            _windows(dims, dilate=True),
            torch=f"nn.functional.max_pool{dims}d_with_indices",
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.avg_pool{dims}d",
            lambda x, k, s, p, c: getattr(F, f"avg_pool{dims}d")(x, k, s, p, c, False),
            _windows(dims),
            reference=_mean_inside,
            errors=(Bad(lambda: (tg.zeros(3), 1, None, 0, False), ValueError, r"got \(3,\)"),),
            torch=lambda torch, x, k, s, p, c: getattr(torch.nn.functional, f"avg_pool{dims}d")(x, k, s, p, c, False),
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.avg_pool{dims}d (with padding)",
            getattr(F, f"avg_pool{dims}d"),
            _windows(dims),
            torch=f"nn.functional.avg_pool{dims}d",
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.lp_pool{dims}d",
            lambda x, k, s, p, c: getattr(F, f"lp_pool{dims}d")(x, 2.0, k, s, c),
            _windows(dims).map(lambda case: (case[0].abs() + 0.5, *case[1:])),
            reference=_power_mean,
            torch=lambda torch, x, k, s, p, c: getattr(torch.nn.functional, f"lp_pool{dims}d")(
                x, 2.0, k if dims > 1 else k[0], s if dims > 1 else s[0], c
            ),
            dtypes=_FLOATS,
            domain="windows that are not zero",
        ),
        OpSpec(
            f"F.max_unpool{dims}d",
            getattr(F, f"max_unpool{dims}d"),
            _pooled_before(dims),
            errors=(
                Bad(
                    lambda: (tg.zeros(1, *ones), tg.full((1, *ones), 9, dtype=tg.int64), 2),
                    IndexError,
                    "9 is out of range",
                ),
                Bad(lambda: (tg.zeros(1, *ones), tg.zeros(2, *ones, dtype=tg.int64), 2), ValueError, "indices"),
            ),
            torch=f"nn.functional.max_unpool{dims}d",
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.adaptive_max_pool{dims}d",
            getattr(F, f"adaptive_max_pool{dims}d"),
            _adaptive(dims),
            reference=lambda x, sizes: _parts(np.max, x, sizes),
            errors=(Bad(lambda: (tg.zeros(1, 1, 4, 4, 4), (0,) * dims), ValueError, "adaptive_max_pool"),),
            torch=f"nn.functional.adaptive_max_pool{dims}d",
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.adaptive_max_pool{dims}d_with_indices",
            getattr(F, f"adaptive_max_pool{dims}d_with_indices"),
            _adaptive(dims),
            torch=f"nn.functional.adaptive_max_pool{dims}d_with_indices",
            dtypes=_FLOATS,
        ),
        OpSpec(
            f"F.adaptive_avg_pool{dims}d",
            getattr(F, f"adaptive_avg_pool{dims}d"),
            _adaptive(dims),
            reference=lambda x, sizes: _parts(np.mean, x, sizes),
            errors=(Bad(lambda: (tg.zeros(1, 1, 4, 4, 4), (0,) * dims), ValueError, "adaptive_avg_pool"),),
            torch=f"nn.functional.adaptive_avg_pool{dims}d",
            dtypes=_FLOATS,
        ),
    ]


@st.composite
def _random_windows(draw: Any, dims: int) -> tuple[Any, ...]:
    """Input, window, size of the output, and the numbers that choose the windows."""
    kernel, parts = ([draw(st.integers(1, 3)) for _ in range(dims)] for _ in range(2))
    lead = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    # In volumes PyTorch wants one element more than the windows need.
    sizes = [k + p - 1 + draw(st.integers(dims - 2, 2)) for k, p in zip(kernel, parts, strict=True)]
    samples = draw(some.tensors((*lead, dims), 0.0, 0.96875))
    return draw(some.separated((*lead, *sizes))), tuple(kernel), tuple(parts), samples.numpy()


def _fractional(dims: int, indices: bool) -> OpSpec:
    name = f"fractional_max_pool{dims}d" + ("_with_indices" if indices else "")

    def call(library: Any, x: Any, kernel: Any, parts: Any, samples: Any) -> Any:
        where = {"device": x.device} if isinstance(x, tg.Tensor) else {}
        chosen = library.tensor(samples, dtype=x.dtype, **where)
        rooms = F if library is tg else library.nn.functional
        return getattr(rooms, name)(x, kernel, parts, _random_samples=chosen)

    return OpSpec(
        f"F.{name}",
        lambda *args: call(tg, *args),
        _random_windows(dims),
        torch=call,
        dtypes="float64",
        errors=(Bad(lambda: (tg.zeros(1, *[2] * dims), 2, 2, np.zeros((1, 1, dims))), ValueError, "do not fit into"),),
    )


ORDER = 3

SPECS = [spec for dims in (1, 2, 3) for spec in _family(dims)]
SPECS += [_fractional(dims, indices) for dims in (2, 3) for indices in (False, True)]
