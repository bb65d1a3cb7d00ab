"""Layers, activations and losses as functions: ``import tinygrad_edu.nn.functional as F``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops.activation import dropout, log_softmax, softmax
from tinygrad_edu.ops.cross_entropy import cross_entropy, nll_loss
from tinygrad_edu.ops.elementwise import sigmoid, tanh
from tinygrad_edu.ops.embedding import embedding
from tinygrad_edu.ops.linalg import linear
from tinygrad_edu.ops.losses import binary_cross_entropy_with_logits, l1_loss, logsigmoid, mse_loss
from tinygrad_edu.ops.padding import pad
from tinygrad_edu.ops.rearrange import channel_shuffle, pixel_shuffle, pixel_unshuffle
from tinygrad_edu.ops.reduce import norm
from tinygrad_edu.ops.searching import one_hot
from tinygrad_edu.ops.windows import fold, unfold

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

__all__ = [
    "binary_cross_entropy_with_logits",
    "channel_shuffle",
    "cross_entropy",
    "dropout",
    "embedding",
    "fold",
    "l1_loss",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
    "unfold",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x); with `inplace` the input is overwritten. The derivative at 0 is taken as 0."""
    return input.relu_() if inplace else ew.relu(input)


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
