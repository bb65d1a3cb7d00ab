"""Functions that PyTorch has besides the method or the constant of the same name, and windows of signals."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.creation import arange, full, ones, tensor
from tinygrad_edu.dtypes import to_dtype
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.ops.elementwise import i0e
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.tensor import Tensor

__all__ = [
    "angle",
    "bartlett_window",
    "blackman_window",
    "conj",
    "conj_physical",
    "detach",
    "fill",
    "get_device",
    "hamming_window",
    "hann_window",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_conj",
    "is_inference",
    "is_neg",
    "is_signed",
    "kaiser_window",
    "range",
    "real",
    "resolve_conj",
    "resolve_neg",
    "scalar_tensor",
    "set_anomaly_enabled",
    "typename",
    "unravel_index",
    "unsafe_chunk",
    "unsafe_split",
    "unsafe_split_with_sizes",
]


def real(input: Tensor) -> Tensor:
    """The tensor itself: numbers are real."""
    check_tensors("real", input=input)
    return input


def conj(input: Tensor) -> Tensor:
    """The tensor itself: numbers are real."""
    check_tensors("conj", input=input)
    return input


conj_physical = resolve_conj = resolve_neg = conj


def angle(input: Tensor) -> Tensor:
    """0 for numbers that are not negative, π for negative ones.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.angle(tg.tensor([2.0, -3.0]))
    tensor([0.0000, 3.1416])
    """
    check_tensors("angle", input=input)
    return input.angle()


def is_conj(input: Tensor) -> bool:
    """Whether the elements are to be conjugated when they are read: never."""
    check_tensors("is_conj", input=input)
    return False


is_neg = is_inference = is_conj


def is_signed(input: Tensor) -> bool:
    """Whether elements can be negative."""
    check_tensors("is_signed", input=input)
    return input.is_signed()


def get_device(input: Tensor) -> int:
    """The number of the card; -1 for a tensor in main memory."""
    check_tensors("get_device", input=input)
    return input.get_device()


def detach(input: Tensor) -> Tensor:
    """The same memory, outside of the graph."""
    check_tensors("detach", input=input)
    return input.detach()


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like another with one value everywhere."""
    check_tensors("fill", input=input)
    return input.clone().fill_(value)


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor without dimensions, of the default type unless said otherwise."""
    if not isinstance(s, (bool, int, float)):
        raise TypeError(f"scalar_tensor: expected a number, got {describe(s)}")
    return tensor(s, dtype=dtype or modes.dtype, device=device, requires_grad=requires_grad)


def range(
    start: float = 0, end: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Numbers from ``start`` up to ``end``, which is one of them: an old form of :func:`arange`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.range(1, 3)
    tensor([1., 2., 3.])
    """
    if end is None:
        raise TypeError("range: expected a start and an end; arange(end) begins at 0")
    count = math.floor((end - start) / step) + 1
    kind = modes.dtype if dtype is None else to_dtype(dtype)
    return (start + arange(count, dtype=kind if kind.is_floating_point else None, device=device) * step).to(kind)


def typename(obj: Any) -> str:
    """The name of a tensor's type, as ``x.type()`` gives it, or of an object's class with its module."""
    if isinstance(obj, function.Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in a flattened tensor as positions along each dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unravel_index(tg.tensor([5]), (2, 4))
    (tensor([1]), tensor([1]))
    """
    check_tensors("unravel_index", indices=indices)
    if indices.is_floating_point():
        raise ValueError(f"unravel_index: expected integers, got {describe(indices)}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    total = math.prod(sizes)
    if indices.numel() and not bool(((indices < total) & (indices >= -total)).all()):
        raise ValueError(f"unravel_index: an index does not fit into the shape {sizes}")
    places = []
    for size in reversed(sizes):
        places.append(indices % size)
        indices = indices // size
    return tuple(reversed(places))


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The same as :func:`chunk`."""
    check_tensors("unsafe_chunk", input=input)
    return tuple(input.chunk(chunks, dim))


def unsafe_split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The same as :func:`split`."""
    check_tensors("unsafe_split", input=input)
    return tuple(input.split(split_size, dim))


def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The same as :func:`split_with_sizes`."""
    check_tensors("unsafe_split_with_sizes", input=input)
    return tuple(input.split_with_sizes(split_sizes, dim))


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on in this thread."""
    return modes.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode looks for NaN."""
    return modes.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Turn anomaly mode on or off in this thread; see `autograd.set_detect_anomaly`."""
    from tinygrad_edu.anomaly import set_detect_anomaly

    set_detect_anomaly(mode, check_nan)


# Windows -----------------------------------------------------------------------------------------------------------------


def _cosines(name: str, length: int, periodic: bool, weights: tuple[float, ...], **settings: Any) -> Tensor:
    """Σₖ weights[k] cos(2πk n / N), of which a window of N or, if it is not periodic, of N - 1 steps is made."""
    if length < 0:
        raise ValueError(f"{name}: the length must not be negative, got {length}")
    if length <= 1:
        return ones(length, **settings)
    turns = arange(
        length, dtype=modes.dtype if settings.get("dtype") is None else settings["dtype"], device=settings.get("device")
    )
    turns = turns * (2 * math.pi / (length if periodic else length - 1))
    waves = [full((length,), weights[0], **settings), *(w * (k * turns).cos() for k, w in enumerate(weights[1:], 1))]
    return stack(waves).sum(0)


def hann_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    """(1 - cos 2πn/N) / 2 for n = 0 … N - 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosines("hann_window", window_length, periodic, (0.5, -0.5), dtype=dtype, device=device)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """alpha - beta cos 2πn/N for n = 0 … N - 1."""
    return _cosines("hamming_window", window_length, periodic, (alpha, -beta), dtype=dtype, device=device)


def blackman_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    """0.42 - 0.5 cos 2πn/N + 0.08 cos 4πn/N for n = 0 … N - 1."""
    return _cosines("blackman_window", window_length, periodic, (0.42, -0.5, 0.08), dtype=dtype, device=device)


def bartlett_window(window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None) -> Tensor:
    """A triangle: 1 - |2n/N - 1| for n = 0 … N - 1."""
    if window_length <= 1:
        return ones(window_length, dtype=dtype, device=device)
    n = arange(window_length, dtype=modes.dtype if dtype is None else dtype, device=device)
    return 1 - (n * (2 / (window_length if periodic else window_length - 1)) - 1).abs()


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """I₀(beta √(1 - (2n/N - 1)²)) / I₀(beta) for n = 0 … N - 1, with the modified Bessel function I₀.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.kaiser_window(3, periodic=False, beta=1.0)
    tensor([0.7898, 1.0000, 0.7898])
    """
    if window_length < 0:
        raise ValueError(f"kaiser_window: the length must not be negative, got {window_length}")
    if window_length <= 1:
        return ones(window_length, dtype=dtype, device=device)
    steps = arange(window_length, dtype=modes.dtype if dtype is None else dtype, device=device)
    place = steps * (2 / (window_length if periodic else window_length - 1)) - 1
    highest = abs(float(beta))  # I₀ is even
    height = highest * (1 - place * place).clamp(0).sqrt()
    # I₀(x) = exp(x) i0e(x) could overflow; the quotient does not.
    return i0e(height) * (height - highest).exp() / i0e(tensor(highest, dtype=steps.dtype, device=device))
