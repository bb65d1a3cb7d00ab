"""Interpolation, sampling at places of a grid, and forms of two inputs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec

_FLOATS = "float64 float32"


@st.composite
def _sized(draw: Any, modes: Any, dims: Any = None) -> tuple[Any, ...]:
    """Input, new size or factor, mode, and whether corners are aligned."""
    mode = draw(st.sampled_from(modes))
    n = dims or {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode) or draw(st.integers(1, 3))
    x = draw(some.tensors((draw(st.integers(1, 2)), 1, *(draw(st.integers(1, 4)) for _ in range(n))), -2.0, 2.0))
    by_size = draw(st.booleans())
    size = tuple(draw(st.integers(1, 6)) for _ in range(n)) if by_size else None
    scale = None if by_size else tuple(draw(st.sampled_from([1.0, 1.5, 2.0, 2.75])) for _ in range(n))
    align = None if mode.startswith("n") or mode == "area" else draw(st.sampled_from([None, False, True]))
    return x, size, scale, mode, align, None if by_size else draw(st.booleans())


_BLENDS = ("linear", "bilinear", "trilinear", "bicubic")


def _line(n: int, new: int, mode: str, align: bool, scale: float | None) -> Any:
    """The matrix that takes n elements to new ones: weights by distance to each old element."""
    matrix = np.zeros((new, n))
    for i in range(new):
        if align:
            place = i * (n - 1) / (new - 1) if new > 1 else 0.0
        else:
            place = (i + 0.5) * (1 / scale if scale else n / new) - 0.5
        if mode != "bicubic":
            place = min(max(place, 0.0), n - 1)
            for k in range(n):
                matrix[i, k] = max(0.0, 1 - abs(place - k))
            continue
        for k in range(math.floor(place) - 1, math.floor(place) + 3):
            d, a = abs(place - k), -0.75
            near = (a + 2) * d**3 - (a + 3) * d**2 + 1
            matrix[i, min(max(k, 0), n - 1)] += near if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)
    return matrix


def _blended(x: Any, size: Any, scale: Any, mode: str, align: bool | None, recompute: bool | None) -> Any:
    for dim, n in enumerate(x.shape[2:]):
        new = size[dim] if size else int(n * scale[dim])
        factor = None if size or recompute or (n == new and mode != "bicubic") else scale[dim]
        matrix = _line(n, new, mode, bool(align), factor)
        x = np.moveaxis(np.tensordot(matrix, np.moveaxis(x, 2 + dim, 0), 1), 0, 2 + dim)
    return x


@st.composite
def _on_grid(draw: Any, mode: str = "bilinear") -> tuple[Any, ...]:
    """Picture or volume, places that are away from pixels and edges, padding, and whether corners are aligned."""
    dims = 2 if mode == "bicubic" else draw(st.integers(2, 3))
    n = draw(st.integers(1, 2))
    lengths = [draw(st.integers(2, 3)) for _ in range(dims)]
    padding, align = draw(st.sampled_from(["zeros", "border", "reflection"])), draw(st.booleans())
    places = [draw(st.integers(1, 2)) for _ in range(dims)]
    count = n * math.prod(places)
    columns = []
    for length in reversed(lengths):
        # A fifth of a pixel away from where the formula changes: whole and half pixels.
        pixels = st.integers(-4, 2 * length + 2).map(lambda k: k / 2 + 0.2)
        at = np.array(draw(st.lists(pixels, min_size=count, max_size=count)))
        columns.append(2 * at / (length - 1) - 1 if align else (2 * at + 1) / length - 1)
    grid = tg.tensor(np.stack(columns, -1).reshape(n, *places, dims))
    return draw(some.tensors((n, 1, *lengths), -2.0, 2.0)), grid, mode, padding, align


@st.composite
def _maps(draw: Any) -> tuple[Any, ...]:
    n, dims = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    size = (n, 1, *(draw(st.integers(2, 3)) for _ in range(dims)))
    return draw(some.tensors((n, dims, dims + 1), -2.0, 2.0)), size, draw(st.booleans())


def _mapped(theta: Any, size: Any, align: bool) -> Any:
    lines = [
        (2 * np.arange(n) / max(n - 1, 1) - (n > 1)) if align else (2 * np.arange(n) + 1) / n - 1 for n in size[2:]
    ]
    mesh = np.stack([*np.meshgrid(*lines, indexing="ij")][::-1] + [np.ones(size[2:])], -1)
    return np.einsum("...j,nij->n...i", mesh, theta)


@st.composite
def _bilinear(draw: Any) -> tuple[Any, ...]:
    lead = draw(some.shapes(0, 2, 1, 2))
    i, j, o = (draw(st.integers(1, 2)) for _ in range(3))
    inputs = draw(some.tensors((*lead, i), -2.0, 2.0)), draw(some.tensors((*lead, j), -2.0, 2.0))
    return *inputs, draw(some.tensors((o, i, j), -2.0, 2.0)), draw(st.none() | some.tensors((o,), -2.0, 2.0))


@st.composite
def _apart(draw: Any) -> tuple[Any, ...]:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return draw(some.separated((rows, columns))), draw(st.sampled_from([1.0, 2.0, 3.0]))


def _distances(x: Any, p: float) -> Any:
    pairs = itertools.combinations(range(len(x)), 2)
    return np.array([np.linalg.norm(x[i] - x[j], p) for i, j in pairs])


_THIN = Bad(lambda: (tg.zeros(2, 3), 2), ValueError, r"got \(2, 3\)")
_INTERPOLATION = (
    _THIN,
    Bad(lambda: (tg.zeros(1, 1, 3), 2, 2.0), ValueError, "not both"),
    Bad(lambda: (tg.zeros(1, 1, 3), None, 0.1), ValueError, "must be positive"),
    Bad(lambda: (tg.zeros(1, 1, 3), 2, None, "bilinear"), ValueError, "4 dimensions, got 3"),
    Bad(lambda: (tg.zeros(1, 1, 3), 2, None, "nearest", True), ValueError, "align_corners"),
    Bad(lambda: (tg.zeros(1, 1, 3), 2, None, "cubic"), ValueError, "mode must be one of"),
    Bad(lambda: (tg.zeros(1, 1, 3), (2, 2)), ValueError, r"\(2, 2\) does not fit"),
    Bad(lambda: (tg.zeros(1, 1, 3, 3), 2, None, "bilinear", None, None, True), NotImplementedError, "antialias"),
)


def _sampling(mode: str) -> OpSpec:
    return OpSpec(
        "F.grid_sample" if mode == "bilinear" else f"F.grid_sample ({mode})",
        F.grid_sample,
        _on_grid(mode),
        errors=(
            Bad(lambda: (tg.zeros(1, 1, 2, 2), tg.zeros(1, 2, 2, 3)), ValueError, r"\(1, 2, 2, 3\)"),
            Bad(lambda: (tg.zeros(1, 1, 2, 2), tg.zeros(1, 2, 2, 2), "cubic"), ValueError, "mode must be one of"),
            Bad(lambda: (tg.zeros(1, 1, 2, 2), tg.zeros(1, 2, 2, 2), mode, "wrap"), ValueError, "padding_mode"),
        ),
        torch="nn.functional.grid_sample",
        dtypes=_FLOATS,
        rtol=1e-10,
        domain="places between pixels",
    )


ORDER = 3
LOWER = {"F.grid_sample (bicubic)"}  # its third derivatives take longer to check than all the others

SPECS = [
    OpSpec(
        "F.interpolate",
        F.interpolate,
        _sized(_BLENDS),
        reference=_blended,
        errors=_INTERPOLATION,
        torch="nn.functional.interpolate",
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.interpolate (nearest)",
        F.interpolate,
        _sized(("nearest", "nearest-exact", "area")),
        torch="nn.functional.interpolate",
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.upsample",
        lambda x, size, scale, mode, align, _: F.upsample(x, size, scale, mode, align),
        _sized(_BLENDS),
        torch=lambda torch, x, size, scale, mode, align, _: torch.nn.functional.interpolate(
            x, size, scale, mode, align
        ),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.upsample_nearest",
        lambda x, size, scale, *_: F.upsample_nearest(x, size, scale),
        _sized(("nearest",), 2),
        torch=lambda torch, x, size, scale, *_: torch.nn.functional.interpolate(x, size, scale),
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.upsample_bilinear",
        lambda x, size, scale, *_: F.upsample_bilinear(x, size, scale),
        _sized(("bilinear",), 2),
        torch=lambda torch, x, size, scale, *_: torch.nn.functional.interpolate(
            x, size, scale, "bilinear", align_corners=True
        ),
        dtypes=_FLOATS,
    ),
    *map(_sampling, ("bilinear", "nearest", "bicubic")),
    OpSpec(
        "F.affine_grid",
        F.affine_grid,
        _maps(),
        reference=_mapped,
        errors=(Bad(lambda: (tg.zeros(1, 2, 2), (1, 1, 2, 2)), ValueError, r"\(1, 2, 2\)"),),
        torch="nn.functional.affine_grid",
        dtypes=_FLOATS,
    ),
    OpSpec(
        "F.bilinear",
        F.bilinear,
        _bilinear(),
        reference=lambda x, y, a, b: np.einsum("...i,oij,...j->...o", x, a, y) + (0 if b is None else b),
        errors=(Bad(lambda: (tg.zeros(2, 3), tg.zeros(2, 3), tg.zeros(1, 3, 2)), ValueError, r"\(1, 3, 2\)"),),
        torch="nn.functional.bilinear",
        dtypes="",
    ),
    OpSpec(
        "pdist",
        tg.pdist,
        _apart(),
        reference=_distances,
        errors=(
            Bad(lambda: (tg.zeros(3),), ValueError, r"got shape \(3,\)"),
            Bad(lambda: (tg.zeros(3, 1), -1.0), ValueError, "p must not be negative"),
        ),
        torch="nn.functional.pdist",
        dtypes=_FLOATS,
    ),
]
