"""Layers, activations and losses as functions: ``import tinygrad_edu.nn.functional as F``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.ops.activation import dropout, log_softmax, softmax
from tinygrad_edu.ops.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from tinygrad_edu.ops.counting import one_hot
from tinygrad_edu.ops.cross_entropy import cross_entropy, nll_loss
from tinygrad_edu.ops.elementwise import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    rrelu,
    selu,
    sigmoid,
    silu,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)
from tinygrad_edu.ops.embedding import embedding
from tinygrad_edu.ops.linalg import linear
from tinygrad_edu.ops.losses import binary_cross_entropy_with_logits, l1_loss, mse_loss
from tinygrad_edu.ops.norms import norm
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.rearrange import channel_shuffle, pixel_shuffle, pixel_unshuffle
from tinygrad_edu.ops.windows import fold, unfold

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

__all__ = [
    "binary_cross_entropy_with_logits",
    "celu",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "fold",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "unfold",
]


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """softmax(-x) along `dim`: the smallest number gets the largest share."""
    return softmax(-input, dim, dtype)


def normalize(input: Tensor, p: Any = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along `dim`: x / max(‖x‖ₚ, eps).

    Parameters
    ----------
    p : float
        The exponent of the norm.
    dim : int or tuple of int
        What the norm is taken over.
    eps : float
        The smallest divisor, so that zeros stay zeros.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> normalize(tg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return input / norm(input, p, dim, True).clamp(min=eps)
