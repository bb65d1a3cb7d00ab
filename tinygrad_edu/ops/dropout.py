"""Dropout: noise while training, on elements or on whole channels; and the noisy choice of Gumbel's softmax."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._types import axis_of, xp
from tinygrad_edu.ops.activation import softmax
from tinygrad_edu.ops.elementwise._base import fill_in, floating, own_kernel
from tinygrad_edu.ops.extremes import argmax
from tinygrad_edu.ops.scatter import scatter
from tinygrad_edu.ops.shape import unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

# What a SELU gives far below 0: scale · alpha. There alpha dropout puts what it drops.
_LOW = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


class Dropout(Op):
    __slots__ = ()
    saves_constants = True

    def forward(self, x: Any, mask: Any) -> Any:
        self.saved = (mask,)
        return x * mask

    def backward(self, g: Any) -> Any:
        (mask,) = self.saved
        return g * mask


class DropoutOnDevice(Op):
    """:class:`Dropout` by a kernel that draws the numbers itself, and of the mask keeps one byte an element."""

    __slots__ = ("factor",)

    @property
    def name(self) -> str:
        return "dropout"

    def forward(self, x: Any, p: float, generator: Any) -> Any:
        self.factor = 1 / (1 - p) if p < 1 else 0.0
        out, kept = xp(x).kernels["dropout"](x, p, generator)
        self.saved = (kept,)
        return out

    def backward(self, g: Any) -> Any:
        (kept,) = self.saved
        kernel = own_kernel("dropout_backward", g, kept)
        return ew.where(kept, g * self.factor, 0.0) if kernel is None else kernel(g, kept, self.factor)


def _check(name: str, input: Tensor, p: float) -> None:
    check_tensors(name, input=input)
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be a probability between 0 and 1, got {p}")


def _kept(input: Tensor, p: float, shape: tuple[int, ...]) -> Any:
    """A raw array of ones, and of zeros with probability ``p``."""
    from tinygrad_edu.random import raw_uniform

    raw = input._data
    return xp(raw).astype(raw_uniform(input, shape) >= p, raw.dtype)


def _scaled(name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    """Dropout with a mask of ``shape``, which broadcasts."""
    _check(name, input, p)
    if not training or p == 0:
        return input
    if shape == tuple(input.shape) and "dropout" in xp(input._data).kernels and input.is_floating_point():
        from tinygrad_edu.generator import default_generator

        generator = default_generator(input.device)._raw
        return fill_in(input, run(DropoutOnDevice(), (input, p, generator)), inplace)
    keep = _kept(input, p, shape)
    return fill_in(input, run(Dropout(), (input, keep * (1 / (1 - p)) if p < 1 else keep * 0)), inplace)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and scale the others by 1 / (1 - p), while training.

    The expected value is the input's. Source: Srivastava et al., Dropout, JMLR 15 (2014).

    Raises
    ------
    ValueError
        When ``p`` is not a probability.
    """
    return _scaled("dropout", input, p, training, inplace, tuple(input.shape))


def _by_channel(shape: tuple[int, ...], batched: bool) -> tuple[int, ...]:
    """The shape of a mask with one number for each channel."""
    lead = 2 if batched else 1
    return (*shape[:lead], *(1,) * (len(shape) - lead))


def _channels(name: str, dims: int, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    _check(name, input, p)
    shape = tuple(input.shape)
    # A picture of three dimensions is read as (N, C, L), as PyTorch does.
    least = 3 if dims == 2 else dims + 1
    if dims > 1 and len(shape) == 2:
        warnings.warn(f"{name}: an input of shape {shape} has no places, so single elements are dropped", stacklevel=3)
        return _scaled(name, input, p, training, inplace, shape)
    if len(shape) not in (least, dims + 2):
        letters = ", ".join("DHW"[3 - dims :] if dims > 1 else "L")
        raise ValueError(
            f"{name}: expected an input (N, C, {letters}) of {least} or {dims + 2} dimensions, got {shape}"
        )
    return _scaled(name, input, p, training, inplace, _by_channel(shape, dims == 2 or len(shape) == dims + 2))


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of sequences (N, C, L) or (C, L); see :func:`dropout2d`."""
    return _channels("dropout1d", 1, input, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of pictures (N, C, H, W) with probability ``p`` and scale the others by 1 / (1 - p), while training.

    Neighbouring pixels say the same, so that dropping single ones would change little. Source: Tompson et al., Efficient object
    localization using convolutional networks, CVPR (2015). An input of three dimensions is read as (N, C, L),
    of one with two, (N, C), single elements are dropped, with a warning.

    Raises
    ------
    ValueError
        When ``p`` is not a probability or the input has another number of dimensions.
    """
    return _channels("dropout2d", 2, input, p, training, inplace)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of volumes (N, C, D, H, W) or (C, D, H, W); see :func:`dropout2d`."""
    return _channels("dropout3d", 3, input, p, training, inplace)


def _alpha(name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    _check(name, input, p)
    if not training or p == 0:
        return input
    x = floating(name, input)
    keep = _kept(x, p, shape)
    if p == 1:
        return fill_in(input, run(Dropout(), (x, keep * 0)), inplace)
    # Scale and shift so that mean 0 and variance 1 stay what they are.
    scale = 1 / math.sqrt((_LOW * _LOW * p + 1) * (1 - p))
    shift = (keep - 1) * (_LOW * scale) + _LOW * scale * p
    return fill_in(input, run(Dropout(), (x, keep * scale)) + function.Tensor._wrap(shift), inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Set each element with probability ``p`` to the limit of a SELU, then scale and shift, while training.

    Mean 0 and variance 1 are kept, as a network of SELUs needs it. Source: Klambauer et al., Self-normalizing neural networks (2017).

    Raises
    ------
    ValueError
        When ``p`` is not a probability.
    """
    return _alpha("alpha_dropout", input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """:func:`alpha_dropout` of whole channels of (N, C, …).

    Raises
    ------
    ValueError
        When ``p`` is not a probability or there is no dimension of channels.
    """
    check_tensors("feature_alpha_dropout", input=input)
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ValueError(f"feature_alpha_dropout: expected an input (N, C, …), got shape {shape}")
    return _alpha("feature_alpha_dropout", input, p, training, inplace, _by_channel(shape, True))


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Draw from softmax(logits / tau) after adding Gumbel noise: nearly one class each, and differentiable.

    Source: Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax (2017).

    Parameters
    ----------
    logits : Tensor
        Unnormalised log-probabilities of any shape.
    tau : float
        The smaller, the closer to one class each.
    hard : bool
        Whether the result is one class each, with the gradient of the soft result.
    eps : float
        Not used; PyTorch has it as well.
    dim : int
        The dimension of classes.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> gumbel_softmax(tg.zeros(4, 3), hard=True).sum(1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    check_tensors("gumbel_softmax", logits=logits)
    x = floating("gumbel_softmax", logits)
    if tau <= 0:
        raise ValueError(f"gumbel_softmax: tau must be positive, got {tau}")
    axis = axis_of(dim, len(x.shape))
    noise = -ew.log(x.new_empty(x.shape).exponential_())
    soft = softmax((x + noise) / tau, axis)
    if not hard:
        return soft
    place = unsqueeze(argmax(soft.detach(), axis), axis)
    chosen = scatter(soft.new_zeros(soft.shape), axis, place, 1.0)
    return chosen - soft.detach() + soft
