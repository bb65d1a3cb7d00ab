"""Interpolation: change the size of sequences, pictures and volumes.

One dimension after the other: each new element is a weighted sum of a few old ones, and a table says of which.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from tinygrad_edu.ops.elementwise._base import floating

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

_CUBIC = -0.75  # the free parameter of the cubic convolution


class Table(NamedTuple):
    """For each new element which old ones it is made of, in ``terms`` rows, and with what weights; ``size`` old ones."""

    places: list[list[int]]
    weights: list[list[float]]
    size: int

    def transposed(self) -> Table:
        """The table of the adjoint: for each old element the new ones that it is part of, filled up with weights of 0."""
        users: list[list[tuple[int, float]]] = [[] for _ in range(self.size)]
        for places, weights in zip(self.places, self.weights, strict=True):
            for new, (old, weight) in enumerate(zip(places, weights, strict=True)):
                users[old].append((new, weight))
        terms = max(map(len, users), default=0)
        filled = [u + [(0, 0.0)] * (terms - len(u)) for u in users]
        rows = [[u[t] for u in filled] for t in range(max(terms, 1))] if terms else [[(0, 0.0)] * self.size]
        return Table([[p for p, _ in row] for row in rows], [[w for _, w in row] for row in rows], len(self.places[0]))


class Blend(Op):
    """Weighted sums of elements along a dimension, as a table says."""

    __slots__ = ("axis", "table")
    keeps = ()

    def forward(self, x: Any, axis: int, table: Table) -> Any:
        self.axis, self.table = axis, table
        ns = xp(x)
        behind = (1,) * (len(x.shape) - 1 - axis)
        out: Any = None
        for places, weights in zip(table.places, table.weights, strict=True):
            part = ns.take(x, ns.asarray(places, dtype=ns.int64), axis=axis)
            if any(w != 1 for w in weights):
                factor = ns.reshape(ns.asarray(weights, dtype=x.dtype), (-1, *behind))
                part = part * factor
                if 0 in weights:  # 0 times infinity is not a number
                    part = ns.where(factor == 0, ns.zeros((), dtype=x.dtype), part)
            out = part if out is None else out + part
        return out

    def backward(self, g: Any) -> Any:
        return run(Blend(), (g, self.axis, self.table.transposed())), None, None


def _single(x: float) -> float:
    """A number rounded to single precision, in which PyTorch finds the nearest element."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def _nearest(n: int, new: int, scale: float | None, shift: float) -> Table:
    """The element that each place falls on."""
    step = _single(1 / scale if scale else n / new)
    places = [min(int(_single((i + shift) * step)), n - 1) for i in range(new)]
    return Table([places], [[1.0] * new], n)


def _sources(n: int, new: int, scale: float | None, align: bool) -> list[float]:
    """Where each new element lies between the old ones."""
    if align:
        step = (n - 1) / (new - 1) if new > 1 else 0.0
        return [i * step for i in range(new)]
    step = 1 / scale if scale else n / new
    return [(i + 0.5) * step - 0.5 for i in range(new)]


def _linear(n: int, new: int, scale: float | None, align: bool) -> Table:
    if n == new:
        return _nearest(n, new, None, 0)
    sources = [max(s, 0.0) for s in _sources(n, new, scale, align)]
    low = [min(int(s), n - 1) for s in sources]
    share = [min(s - i, 1.0) for s, i in zip(sources, low, strict=True)]
    return Table([low, [min(i + 1, n - 1) for i in low]], [[1 - w for w in share], share], n)


def _cubic(n: int, new: int, scale: float | None, align: bool) -> Table:
    sources = _sources(n, new, scale, align)
    low = [math.floor(s) for s in sources]
    weights = [cubic_weights(s - i) for s, i in zip(sources, low, strict=True)]
    places = [[min(max(i + k, 0), n - 1) for i in low] for k in (-1, 0, 1, 2)]
    return Table(places, [[w[k] for w in weights] for k in range(4)], n)


def cubic_weights(t: Any) -> list[Any]:
    """The weights of four neighbours, for a place a share t behind the second. Source: Keys, Cubic convolution (1981)."""
    a = _CUBIC
    near = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (t, 1 - t)]
    far = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (t + 1, 2 - t)]
    return [far[0], near[0], near[1], far[1]]


_MODES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Change the size of sequences (N, C, L), pictures (N, C, H, W) or volumes (N, C, D, H, W).

    Parameters
    ----------
    size : int or sequence of int, optional
        The new size.
    scale_factor : float or sequence of float, optional
        Or how many times as large it is; what is behind the point is cut off.
    mode : str
        "nearest" and "nearest-exact" take one element, "area" the mean of a part; "linear", "bilinear" and "trilinear" blend two
        elements of each dimension, "bicubic" four.
    align_corners : bool, optional
        Of the blending modes: whether the first and last elements stay where they are, or the edges of the picture.
    recompute_scale_factor : bool, optional
        Whether to compute with the factor that follows from the sizes instead of the given one.
    antialias : bool
        Not supported.

    Raises
    ------
    ValueError
        When sizes, dimensions and mode do not fit together.
    NotImplementedError
        When antialias is asked for.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> interpolate(tg.tensor([[[1.0, 3.0]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> interpolate(tg.tensor([[[1.0, 3.0]]]), 3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    check_tensors("interpolate", input=input)
    shape = tuple(input.shape)
    dims = len(shape) - 2
    if not 1 <= dims <= 3 or 0 in shape[1:]:
        raise ValueError(f"interpolate: expected an input (N, C, …) with one to three further dimensions, got {shape}")
    _check_mode(mode, dims, align_corners)
    if antialias:
        raise NotImplementedError(
            "interpolate: antialias=True is not supported; blur before you make a picture smaller"
        )
    sizes, scales = _sizes(shape[2:], size, scale_factor, bool(recompute_scale_factor) or mode == "area")
    if mode == "area":
        return _AREA[dims](input, sizes)
    if mode not in ("nearest", "nearest-exact"):
        floating("interpolate", input)
    half = input.is_floating_point() and input.dtype.bits == 16
    x = input.float() if half else input
    for axis, (n, new, scale) in enumerate(zip(shape[2:], sizes, scales, strict=True), start=2):
        if mode == "nearest":
            # As in PyTorch, where pictures alone keep or double their size whatever the factor says.
            table = _nearest(n, new, None if dims == 2 and new in (n, 2 * n) else scale, 0)
        elif mode == "nearest-exact":
            table = _nearest(n, new, scale, 0.5)
        else:
            table = (_cubic if mode == "bicubic" else _linear)(n, new, scale, bool(align_corners))
        x = run(Blend(), (x, axis, table))
    return x.to(input.dtype)


def _check_mode(mode: str, dims: int, align_corners: bool | None) -> None:
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError(f"interpolate: align_corners has no meaning in mode {mode!r}")
    elif mode not in _MODES:
        modes = ", ".join(["nearest", "nearest-exact", "area", *_MODES])
        raise ValueError(f"interpolate: mode must be one of {modes}, got {mode!r}")
    elif _MODES[mode] != dims:
        raise ValueError(f"interpolate: mode {mode!r} needs an input of {_MODES[mode] + 2} dimensions, got {dims + 2}")


def _sizes(
    lengths: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The new sizes, and the factors to compute with (None: what follows from the sizes)."""
    n = len(lengths)
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: either size or scale_factor must be given, and not both")
    given = scale_factor if size is None else size
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * n
    if len(values) != n:
        raise ValueError(f"interpolate: {given!r} does not fit the {n} dimensions of size {lengths}")
    if size is not None:
        if recompute and scale_factor is None and any(not isinstance(v, int) for v in values):
            raise TypeError(f"interpolate: size must be made of integers, got {size!r}")
        sizes = tuple(int(v) for v in values)
        scales: tuple[float | None, ...] = (None,) * n
    else:
        sizes = tuple(int(m * v) for m, v in zip(lengths, values, strict=True))
        scales = (None,) * n if recompute else tuple(float(v) for v in values)
    if min(sizes) < 1:
        raise ValueError(f"interpolate: the new size must be positive, got {sizes} from {lengths}")
    return sizes, scales


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """An older name of :func:`interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """:func:`interpolate` with mode "nearest"."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """:func:`interpolate` with mode "bilinear" and aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
