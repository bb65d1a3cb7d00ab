"""Normalisation: bring groups of elements to mean 0 and variance 1, then scale and shift them.

Batch, layer, group and instance norm are one formula, y = (x - mean) / √(variance + eps) · weight + bias, and differ in the
elements that share a mean: :class:`Normalization` knows them as ``axes``. The kernels of a backend have a name each, since a
different layout in memory wants a different loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_edu import _state, function
from tinygrad_edu.dtypes import float32, from_raw
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Fused, run
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops._types import count, fit, same_type, xp
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.reduce import mean
from tinygrad_edu.ops.shape import reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Axes = tuple[int, ...]


class Normalization(Fused):
    """(x - mean) / √(variance + eps) · weight + bias, with mean and variance over ``axes``; weight and bias broadcast."""

    __slots__ = ()
    kernel: ClassVar[str] = ""
    centred: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.kernel

    def forward(self, x: Any, weight: Any, bias: Any, axes: Axes, eps: float) -> Any:
        ns = xp(x)
        kernel = ns.kernels.get(self.kernel)
        if kernel is not None:
            out, middle, spread = kernel(x, weight, bias, axes, eps)
        else:
            middle = ns.mean(x, axis=axes, keepdims=True) if self.centred else None
            out = x - middle if self.centred else x
            spread = ns.mean(out * out, axis=axes, keepdims=True)
            out = out / ns.sqrt(spread + eps)
            out = out if weight is None else out * weight
            out = out if bias is None else out + bias
        self.saved = x, weight, bias, axes, eps, middle, spread
        return out

    def backward(self, g: Any) -> Any:
        x, weight, bias, axes, eps, middle, spread = self.saved
        ns = xp(x)
        kernel = ns.kernels.get(f"{self.kernel}_backward")
        if kernel is not None:
            needed = [e is not None for e in self.edges[:3]]
            return *kernel(g, x, weight, bias, axes, eps, middle, spread, needed), None, None
        rate = 1 / ns.sqrt(spread + eps)
        normal = (x - middle if self.centred else x) * rate
        gy = g if weight is None else g * weight
        gx = gy - normal * ns.mean(gy * normal, axis=axes, keepdims=True)
        if self.centred:
            gx = gx - ns.mean(gy, axis=axes, keepdims=True)
        gw = None if weight is None else fit(g * normal, weight.shape)
        return gx * rate, gw, None if bias is None else fit(g * 1, bias.shape), None, None

    @property
    def statistics(self) -> tuple[Any, Any]:
        """Mean and variance of the last call, with ``axes`` of size 1."""
        assert self.saved is not None
        return self.saved[-2], self.saved[-1]

    @classmethod
    def reference(cls, x: Any, weight: Any, bias: Any, axes: Axes, eps: float) -> Any:
        out = x - mean(x, axes, True) if cls.centred else x
        out = out * ew.rsqrt(mean(out * out, axes, True) + eps)
        out = out if weight is None else out * weight
        return out if bias is None else out + bias


class LayerNorm(Normalization):
    """Over the last dimensions."""

    __slots__ = ()
    kernel = "layer_norm"


class RMSNorm(Normalization):
    """Over the last dimensions, about 0 in place of the mean."""

    __slots__ = ()
    kernel = "rms_norm"
    centred = False


class BatchNorm(Normalization):
    """Over all dimensions but the second, the channels."""

    __slots__ = ()
    kernel = "batch_norm"


class GroupNorm(Normalization):
    """Over all dimensions from the third on, of (N, groups, channels of a group, …)."""

    __slots__ = ()
    kernel = "group_norm"


def _normalized(
    op: Normalization, x: Tensor, weight: Tensor | None, bias: Tensor | None, axes: Axes, eps: float
) -> Tensor:
    """Run the operation; half precision is computed in single precision and rounded once."""
    dtype = from_raw(x._data.dtype)
    given = [v for v in (weight, bias) if v is not None]
    if dtype.bits == 16:
        x, weight, bias = x.to(float32), *(v if v is None else v.to(float32) for v in (weight, bias))
    elif any(v.dtype is not dtype for v in given):
        types = " and ".join(str(v.dtype) for v in given)
        raise TypeError(f"{op.name}: the input is {dtype} and weight and bias {types}; convert one with .to(dtype)")
    out = run(op, (x, weight, bias, axes, eps))
    return out.to(dtype)


def _fitting(name: str, shape: tuple[int, ...], **parameters: Tensor | None) -> None:
    """Raise unless every parameter that is there is a tensor of ``shape``."""
    for what, value in parameters.items():
        if value is None:
            continue
        check_tensors(name, **{what: value})
        if tuple(value.shape) != shape:
            raise ValueError(f"{name}: the {what} must have shape {shape}, got {tuple(value.shape)}")


def _rows(name: str, input: Tensor, normalized_shape: int | Sequence[int], *parameters: Tensor | None) -> Axes:
    """The last dimensions, which must have ``normalized_shape``."""
    floating(name, input)
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = tuple(input.shape)
    if not sizes or shape[-len(sizes) :] != sizes:
        raise ValueError(f"{name}: the input must end in dimensions of sizes {sizes}, got shape {shape}")
    _fitting(name, sizes, **dict(zip(("weight", "bias"), parameters, strict=False)))
    return tuple(range(len(shape) - len(sizes), len(shape)))


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias, with mean and variance of each sample's last dimensions.

    Source: Ba, Kiros and Hinton, Layer normalization (2016).

    Parameters
    ----------
    input : Tensor, (…, *normalized_shape)
    normalized_shape : sequence of int
        Sizes of the dimensions that share a mean.
    weight, bias : Tensor, (*normalized_shape), optional
    eps : float
        Added to the variance, so that nothing is divided by 0.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> layer_norm(tg.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    if _state.casting_threads:
        input, weight, bias = single(input, weight, bias)
    axes = _rows("layer_norm", input, normalized_shape, weight, bias)
    return _normalized(LayerNorm(), input, weight, bias, axes, eps)


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / √(mean of x² + eps) · weight, with the mean over each sample's last dimensions.

    Source: Zhang and Sennrich, Root mean square layer normalization (2019).

    Parameters
    ----------
    input : Tensor, (…, *normalized_shape)
    normalized_shape : sequence of int
        Sizes of the dimensions that share a mean.
    weight : Tensor, (*normalized_shape), optional
    eps : float, optional
        By default the distance from 1 to the next number of the type that it is computed in.

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> rms_norm(tg.tensor([3.0, 4.0]), (2,))
    tensor([0.8485, 1.1314])
    """
    if _state.casting_threads:
        input, weight = single(input, weight)
    axes = _rows("rms_norm", input, normalized_shape, weight)
    if eps is None:
        ns = xp(input._data)
        eps = float(ns.finfo(ns.float32 if input.dtype.bits == 16 else input._data.dtype).eps)
    x, weight = (input, None) if weight is None else same_type(input, weight)
    return _normalized(RMSNorm(), x, weight, None, axes, eps).to(input.dtype)


def _channels(name: str, input: Tensor, least: int, **parameters: Tensor | None) -> int:
    """The number of channels of (N, C, …); every parameter must have one element for each."""
    floating(name, input)
    shape = tuple(input.shape)
    if len(shape) < least:
        expected = "(N, C, …)" if least == 2 else "(N, C, L, …)"
        raise ValueError(f"{name}: the input must have shape {expected}, got {shape}")
    _fitting(name, (shape[1],), **parameters)
    return shape[1]


def _across(value: Tensor | None, spare: int, lead: tuple[int, ...] = (-1,)) -> Tensor | None:
    """A parameter of the channels, ready to broadcast against ``spare`` dimensions behind them."""
    return value if value is None or (not spare and len(lead) == 1) else reshape(value, (*lead, *(1,) * spare))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias, with one mean and variance for each channel of the whole batch.

    While training they are the batch's, and the running ones follow them: r ← (1 - momentum) r + momentum · new, with the
    unbiased variance. Otherwise the running ones are taken. Source: Ioffe and Szegedy, Batch normalization (2015).

    Parameters
    ----------
    input : Tensor, (N, C) or (N, C, …)
    running_mean, running_var : Tensor, (C,), or None
        Written in place while training; they may be None then.
    weight, bias : Tensor, (C,), optional
    training : bool
        Whether to normalise by the statistics of this batch.
    momentum : float
        The weight of this batch in the running statistics.
    eps : float
        Added to the variance, so that nothing is divided by 0.

    Raises
    ------
    ValueError
        When the shapes do not fit, running statistics are needed and missing, or a channel has one value while training.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> average, variance = tg.zeros(2), tg.ones(2)
    >>> batch_norm(x, average, variance, training=True)
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]])
    >>> average
    tensor([0.2000, 2.0000])
    """
    name = "batch_norm"
    if _state.casting_threads:
        input, weight, bias = single(input, weight, bias)
    _channels(name, input, 2, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    shape = tuple(input.shape)
    spare = len(shape) - 2
    if not training:
        return _by_running_statistics(name, input, running_mean, running_var, weight, bias, eps)
    if shape[0] * count(shape[2:]) == 1:
        raise ValueError(f"{name}: expected more than 1 value per channel when training, got an input of shape {shape}")
    node = BatchNorm()
    out = _normalized(node, input, _across(weight, spare), _across(bias, spare), (0, *range(2, len(shape))), eps)
    _follow(node, input.numel() // max(shape[1], 1), running_mean, running_var, momentum)
    return out


def _by_running_statistics(
    name: str,
    input: Tensor,
    average: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalise by given statistics: for each channel a factor and a summand, since nothing depends on the batch."""
    if average is None or variance is None:
        raise ValueError(
            f"{name}: running_mean and running_var are needed when the batch's own statistics are not used"
        )
    factor = ew.rsqrt(variance + eps)
    factor = factor if weight is None else factor * weight
    summand = -average * factor if bias is None else bias - average * factor
    spare = len(input.shape) - 2
    factor, summand = _across(factor, spare), _across(summand, spare)  # type: ignore[assignment]
    if input.dtype.bits == 16:
        return (input.to(float32) * factor + summand).to(input.dtype)
    return input * factor + summand


def _follow(node: Normalization, n: int, average: Tensor | None, variance: Tensor | None, momentum: float) -> None:
    """Let running statistics follow those of the last call, of ``n`` elements each; of several samples, their mean."""
    with no_grad():
        for running, new in zip((average, variance), node.statistics, strict=True):
            if running is None or not new.size:
                continue
            ns = xp(new)
            new = ns.mean(ns.reshape(new, (-1, running.numel())), axis=0)
            if running is variance and n > 1:
                new = new * (n / (n - 1))
            running.copy_(running * (1 - momentum) + function.Tensor._wrap(new).to(running.dtype) * momentum)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias, with a mean and variance for each channel of each sample.

    Running statistics, where there are any, follow the mean over the batch as in :func:`batch_norm`.
    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization (2016).

    Parameters
    ----------
    input : Tensor, (N, C, L, …)
    running_mean, running_var : Tensor, (C,), optional
    weight, bias : Tensor, (C,), optional
    use_input_stats : bool
        False takes the running statistics.
    momentum, eps : float
        As in :func:`batch_norm`.

    Raises
    ------
    ValueError
        When the shapes do not fit, or a channel has one value.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> instance_norm(tg.tensor([[[1.0, 3.0], [10.0, 30.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    name = "instance_norm"
    if _state.casting_threads:
        input, weight, bias = single(input, weight, bias)
    channels = _channels(name, input, 2, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    shape = tuple(input.shape)
    if not use_input_stats:
        return _by_running_statistics(name, input, running_mean, running_var, weight, bias, eps)
    n = count(shape[2:])
    if n == 1:
        raise ValueError(f"{name}: expected more than 1 value per channel of a sample, got an input of shape {shape}")
    node = GroupNorm()
    out = _in_groups(node, input, channels, weight, bias, eps)
    _follow(node, n, running_mean, running_var, momentum)
    return out


def _in_groups(
    node: GroupNorm, input: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Normalise groups of channels of (N, C, …)."""
    shape = tuple(input.shape)
    width = shape[1] // groups if groups else 0
    x = reshape(input, (shape[0], groups, width, *shape[2:]))
    lead, spare = (groups, width), len(shape) - 2
    axes = tuple(range(2, len(shape) + 1))
    return reshape(_normalized(node, x, _across(weight, spare, lead), _across(bias, spare, lead), axes, eps), shape)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias, with a mean and variance for each group of channels of a sample.

    Source: Wu and He, Group normalization (2018).

    Parameters
    ----------
    input : Tensor, (N, C, …)
    num_groups : int
        How many groups the channels are divided into.
    weight, bias : Tensor, (C,), optional
    eps : float
        Added to the variance, so that nothing is divided by 0.

    Raises
    ------
    ValueError
        When the channels cannot be divided, the shapes do not fit, or a group has one value.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> group_norm(tg.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    name = "group_norm"
    if _state.casting_threads:
        input, weight, bias = single(input, weight, bias)
    channels = _channels(name, input, 2)
    shape = tuple(input.shape)
    if num_groups < 1 or channels % num_groups:
        raise ValueError(f"{name}: {channels} channels cannot be divided into {num_groups} groups of one size")
    _fitting(name, (channels,), weight=weight, bias=bias)
    if shape[0] * channels // num_groups * count(shape[2:]) == 1:
        raise ValueError(f"{name}: expected more than 1 value per group, got an input of shape {shape}")
    return _in_groups(GroupNorm(), input, num_groups, weight, bias, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha / size · Σ x²)^beta, with the sum over ``size`` neighbouring channels.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks (2012).

    Parameters
    ----------
    input : Tensor, (N, C, L, …)
    size : int
        How many channels, with the own one in the middle; there are fewer at the ends.
    alpha, beta, k : float

    Raises
    ------
    ValueError
        When the input has fewer than three dimensions or ``size`` is not positive.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> local_response_norm(tg.ones(1, 3, 1), 3, alpha=3.0, beta=1.0).flatten()
    tensor([0.3333, 0.2500, 0.3333])
    """
    name = "local_response_norm"
    channels = _channels(name, input, 3)
    if size < 1:
        raise ValueError(f"{name}: size must be positive, got {size}")
    around = [0, 0] * (len(input.shape) - 2) + [size // 2, (size - 1) // 2]
    squares = pad(ew.square(input), around)
    total = narrow(squares, 1, 0, channels)
    for start in range(1, size):
        total = total + narrow(squares, 1, start, channels)
    return input / (total * (alpha / size) + k) ** beta
