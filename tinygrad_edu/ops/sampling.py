"""Spatial transformers: grids of places, and the values of a picture there. Source: Jaderberg et al., NeurIPS (2015)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu.creation import ones
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import widens
from tinygrad_edu.ops._types import count
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.interpolation import cubic_weights
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.shape import expand, reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Where an affine map takes the places of a picture: the grid for :func:`grid_sample`.

    Parameters
    ----------
    theta : Tensor, (N, 2, 3) or (N, 3, 4)
        A map for each sample; coordinates (x, y) or (x, y, z) go from -1 to 1.
    size : sequence of int
        (N, C, H, W) or (N, C, D, H, W) of the result of ``grid_sample``.
    align_corners : bool, optional
        Whether -1 and 1 are the middles of the outer pixels, or (by default) their outer edges.

    Returns
    -------
    Tensor, (N, H, W, 2) or (N, D, H, W, 3)

    Raises
    ------
    ValueError
        When shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> affine_grid(tg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    check_tensors("affine_grid", theta=theta)
    floating("affine_grid", theta)
    lengths = tuple(size)[2:]
    dims = len(lengths)
    if dims not in (2, 3) or min(size) < 1 or tuple(theta.shape) != (size[0], dims, dims + 1):
        raise ValueError(
            f"affine_grid: theta must be (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for (N, C, D, H, W), "
            f"got {tuple(theta.shape)} and {tuple(size)}"
        )
    axes = []
    for axis, n in enumerate(lengths):
        if align_corners:
            places = [2 * i / (n - 1) - 1 if n > 1 else 0.0 for i in range(n)]
        else:
            places = [(2 * i + 1) / n - 1 for i in range(n)]
        line = reshape(theta.new_tensor(places), tuple(n if i == axis else 1 for i in range(dims)))
        axes.append(reshape(expand(line, lengths), (-1, 1)))
    homogeneous = cat([*reversed(axes), ones(axes[0].shape, dtype=theta.dtype, device=theta.device)], 1)
    return reshape(matmul(homogeneous, theta.mT), (size[0], *lengths, dims))


@widens
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of a picture at the places of a grid.

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (N, C, D, H, W)
    grid : Tensor, (N, H', W', 2) or (N, D', H', W', 3)
        Places (x, y) or (x, y, z); -1 and 1 are the edges of the picture.
    mode : "bilinear", "nearest" or "bicubic"
        "bilinear" blends the two neighbours of each dimension, "bicubic" (pictures alone) four; "nearest" takes one.
    padding_mode : "zeros", "border" or "reflection"
        What there is outside: zeros, the nearest element of the edge, or the mirror image.
    align_corners : bool, optional
        Whether -1 and 1 are the middles of the outer pixels, or (by default) their outer edges.

    Returns
    -------
    Tensor, (N, C, H', W') or (N, C, D', H', W')

    Raises
    ------
    ValueError
        When shapes or modes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> picture = tg.tensor([[[[1.0, 3.0]]]])
    >>> grid_sample(picture, tg.tensor([[[[0.0, 0.0], [0.5, 0.0]]]]), align_corners=True)
    tensor([[[[2.0000, 2.5000]]]])
    """
    _check_grid(input, grid, mode, padding_mode)
    shape = tuple(input.shape)
    lengths = shape[2:]
    coordinates = []
    for axis, n in enumerate(reversed(lengths)):  # x comes first in a grid, and last in a shape
        place = grid[..., axis]
        coordinates.append((place + 1) / 2 * (n - 1) if align_corners else ((place + 1) * n - 1) / 2)
    coordinates.reverse()

    def inside(place: Tensor, n: int) -> Tensor:
        """A place moved into the picture, where the padding asks for it."""
        if padding_mode == "reflection":
            place = _reflected(place, n, bool(align_corners))
        return place if padding_mode == "zeros" else ew.hardtanh(place, 0, n - 1)

    if mode == "bicubic":
        return _weighted(input, [_four(c) for c in coordinates], inside)
    placed = [inside(c, n) for c, n in zip(coordinates, lengths, strict=True)]
    if mode == "nearest":
        return _weighted(input, [[(ew.round(c.detach()), None)] for c in placed], lambda place, n: place)
    return _weighted(input, [_two(c) for c in placed], lambda place, n: place)


def _check_grid(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    name = "grid_sample"
    check_tensors(name, input=input, grid=grid)
    floating(name, input), floating(name, grid)
    if input.dtype is not grid.dtype:
        raise TypeError(f"{name}: the input is {input.dtype} and the grid {grid.dtype}; convert one with .to(dtype)")
    shape, places = tuple(input.shape), tuple(grid.shape)
    dims = len(shape) - 2
    if dims not in (2, 3) or 0 in shape[2:] or len(places) != dims + 2 or places[0] != shape[0] or places[-1] != dims:
        raise ValueError(
            f"{name}: expected an input (N, C, H, W) with a grid (N, H', W', 2), or (N, C, D, H, W) with (N, D', H', W', 3), "
            f"got {shape} and {places}"
        )
    modes = ("bilinear", "nearest", "bicubic") if dims == 2 else ("bilinear", "nearest")
    if mode not in modes:
        raise ValueError(
            f"{name}: mode must be one of {', '.join(modes)} for an input of {dims + 2} dimensions, got {mode!r}"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"{name}: padding_mode must be zeros, border or reflection, got {padding_mode!r}")


def _reflected(place: Tensor, n: int, align_corners: bool) -> Tensor:
    """Fold the line back and forth into the picture."""
    low, span = (0.0, float(n - 1)) if align_corners else (-0.5, float(n))
    if span == 0:
        return place * 0
    way = ew.abs(place - low)
    laps = ew.floor(way.detach() / span)
    rest = way - laps * span
    return ew.where(ew.remainder(laps, 2) == 0, rest, span - rest) + low


Terms = list[tuple[Any, Any]]


def _two(place: Tensor) -> Terms:
    """The neighbours of a place and their weights."""
    low = ew.floor(place.detach())
    share = place - low
    return [(low, 1 - share), (low + 1, share)]


def _four(place: Tensor) -> Terms:
    low = ew.floor(place.detach())
    weights = cubic_weights(place - low)
    return [(low + k, w) for k, w in zip((-1, 0, 1, 2), weights, strict=True)]


def _weighted(input: Tensor, terms: list[Terms], inside: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The sum over all combinations of neighbours; those outside of the picture count as 0."""
    shape = tuple(input.shape)
    lengths = shape[2:]
    flat = reshape(input, (*shape[:2], count(lengths)))
    total: Any = None
    for combination in itertools.product(*terms):
        index: Any = 0
        there: Any = None
        weight: Any = None
        for (place, share), n in zip(combination, lengths, strict=True):
            place = inside(place, n)
            valid = (place >= 0) & (place <= n - 1)
            there = valid if there is None else there & valid
            index = index * n + ew.where(valid, place, 0).long()
            weight = share if weight is None else weight * share
        out_shape = tuple(index.shape)
        rows = expand(reshape(index, (shape[0], 1, -1)), (shape[0], shape[1], count(out_shape[1:])))
        values = reshape(gather(flat, 2, rows), (*shape[:2], *out_shape[1:]))
        values = ew.where(unsqueeze(there, 1), values, 0)
        part = values if weight is None else values * unsqueeze(weight, 1)
        total = part if total is None else total + part
    return total
