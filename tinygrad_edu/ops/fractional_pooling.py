"""Fractional max pooling: windows whose distances are drawn at random, for outputs of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._convolution import sizes_of
from tinygrad_edu.ops._pooling import check_dims
from tinygrad_edu.ops._types import count, xp
from tinygrad_edu.ops.extremes import max as max_
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def _starts(ns: Any, sample: Any, length: int, parts: int, size: int) -> Any:
    """Where the windows of a dimension begin, (N, C) to (N, C, parts): steps of two sizes, and the last at the end."""
    last = ns.full((*sample.shape, 1), length - size, dtype=ns.int64)
    if parts == 1:
        return last
    alpha = (length - size) / (parts - 1)
    sample = ns.expand_dims(sample, axis=-1)
    steps = ns.astype(ns.arange(parts - 1), sample.dtype)
    places = ns.floor((steps + sample) * alpha) - ns.floor(sample * alpha)
    return ns.concat([ns.astype(places, ns.int64), last], axis=-1)


def _fractional_max_pool(
    name: str,
    dims: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    check_tensors(name, input=input)
    check_dims(name, input, dims)
    shape = tuple(input.shape)
    lengths, lead = shape[-dims:], shape[:-dims]
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: either output_size or output_ratio must be given, and not both")
    sizes = sizes_of(name, "kernel_size", kernel_size, dims, 1)
    if output_size is None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * dims
        output_size = tuple(int(n * r) for n, r in zip(lengths, ratios, strict=True))
    parts = sizes_of(name, "output_size", output_size, dims, 1)
    if any(p + k - 1 > n for n, k, p in zip(lengths, sizes, parts, strict=True)):
        raise ValueError(f"{name}: {parts} windows of {sizes} do not fit into {lengths}")
    planes = (1, *lead)[-2:]
    if samples is None:
        samples = input.new_empty((*planes, dims)).uniform_()
    if tuple(samples.shape) != (*planes, dims):
        raise ValueError(f"{name}: the samples must have shape {(*planes, dims)}, got {tuple(samples.shape)}")
    raw = samples._data
    ns = xp(raw)
    order = [1, 0] if dims == 2 else [0, 1, 2]  # which sample belongs to which dimension, as in PyTorch
    place: Any = 0
    for dim, (n, k, p) in enumerate(zip(lengths, sizes, parts, strict=True)):
        lines = _starts(ns, raw[..., order[dim]], n, p, k)
        lines = ns.expand_dims(lines, axis=-1) + ns.arange(k)  # (N, C, parts, size)
        widths = [1] * (2 * dims)
        widths[dim], widths[dims + dim] = p, k
        place = place * n + ns.reshape(lines, (*planes, *widths))
    windows = function.Tensor._wrap(ns.reshape(ns.astype(place, ns.int64), (*lead, count(parts), count(sizes))))
    flat = reshape(input, (*lead, count(lengths)))
    values = reshape(gather(flat, -1, reshape(windows, (*lead, -1))), tuple(windows.shape))
    found: Any = max_(values, -1)
    out = reshape(found.values, (*lead, *parts))
    if not return_indices:
        return out
    return out, reshape(gather(windows, -1, unsqueeze(found.indices, -1)), (*lead, *parts))


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of windows whose distances are drawn at random, so that a picture shrinks by any factor.

    Source: Graham, Fractional max-pooling (2014).

    Parameters
    ----------
    input : Tensor, (N, C, H, W) or (C, H, W)
    kernel_size : int or pair of int
        The size of a window.
    output_size : int or pair of int, optional
        The size of the result.
    output_ratio : float or pair of float, optional
        Or its share of the input's size.
    return_indices : bool
        Whether to return also where the largest elements are, in the flattened (H·W).
    _random_samples : Tensor, (N, C, 2), optional
        Numbers in [0, 1) that choose the windows.

    Raises
    ------
    ValueError
        When sizes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> fractional_max_pool2d(tg.arange(16.0).reshape(1, 4, 4), 2, 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    args = (input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return _fractional_max_pool("fractional_max_pool2d", 2, *args)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest element of windows of a volume whose distances are drawn at random; see :func:`fractional_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> fractional_max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2, 1)
    tensor([[[[7.]]]])
    """
    args = (input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return _fractional_max_pool("fractional_max_pool3d", 3, *args)


def fractional_max_pool2d_with_indices(input: Tensor, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
    """:func:`fractional_max_pool2d` with ``return_indices=True``."""
    return fractional_max_pool2d(input, kernel_size, *args, **{**kwargs, "return_indices": True})


def fractional_max_pool3d_with_indices(input: Tensor, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
    """:func:`fractional_max_pool3d` with ``return_indices=True``."""
    return fractional_max_pool3d(input, kernel_size, *args, **{**kwargs, "return_indices": True})
