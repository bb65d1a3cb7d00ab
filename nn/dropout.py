"""Noise while training."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.creation import tensor
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.utils.rnn import PackedSequence
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.tensor import Tensor

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "VariationalDropout",
]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{self._get_name()}: p must be a probability between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeros each element with probability p and scales the rest by 1 / (1 - p), while training; else the identity.

    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).

    Parameters
    ----------
    p : float, default 0.5
        The probability that an element becomes zero.
    inplace : bool, default False
        Whether to overwrite the input.

    Raises
    ------
    ValueError
        When `p` is not a probability.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> drop = nn.Dropout(0.5)
    >>> sorted(set(drop(tg.ones(1000)).tolist()))
    [0.0, 2.0]
    >>> drop.eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeros whole channels of sequences; see `Dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) or (C, L) to the same shape."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeros whole channels of pictures with probability p and scales the rest by 1 / (1 - p), while training.

    Source: Tompson et al., Efficient object localization using convolutional networks, CVPR (2015).

    Parameters
    ----------
    p : float, default 0.5
        The probability that a channel becomes zero.
    inplace : bool, default False
        Whether to overwrite the input.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out = nn.Dropout2d()(tg.ones(20, 30, 2, 2)).flatten(2)
    >>> bool((out == out[..., :1]).all())
    True
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeros whole channels of volumes; see `Dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) or (C, D, H, W) to the same shape."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Sets elements to the limit of a SELU with probability p, then scales and shifts so that mean 0 and variance 1 stay.

    Source: Klambauer et al., Self-normalizing neural networks, NeurIPS (2017).

    Parameters
    ----------
    p : float, default 0.5
        The probability that an element is dropped.
    inplace : bool, default False
        Has no effect; PyTorch has it as well.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> _ = tg.manual_seed(0)
    >>> out = nn.AlphaDropout(0.3)(tg.randn(100_000))
    >>> abs(out.mean().item()) < 0.02, abs(out.std().item() - 1) < 0.02
    (True, True)
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) to the same shape."""
        return F.feature_alpha_dropout(input, self.p, self.training)


class VariationalDropout(_Dropout):
    """Dropout of sequences with one mask for all steps, while training.

    What is dropped of a sequence is dropped at each of its steps, so that the noise does not change from step to step,
    which a recurrent layer would have to remember and to average. Between recurrent layers, and before and behind them.

    Source: Gal and Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, NeurIPS (2016).

    Parameters
    ----------
    p : float, default 0.5
        The probability that a feature of a sequence becomes zero; the others are scaled by 1 / (1 - p).
    batch_first : bool, default False
        Whether the sequences come as (N, T, …) instead of (T, N, …).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> out = nn.VariationalDropout(0.5)(tg.ones(5, 2, 100))
    >>> sorted(set(out.flatten().tolist())), bool((out == out[0]).all())
    ([0.0, 2.0], True)
    """

    def __init__(self, p: float = 0.5, batch_first: bool = False) -> None:
        super().__init__(p)
        self.batch_first = batch_first

    def forward(self, input: Tensor | PackedSequence) -> Any:
        """(T, N, …), with `batch_first` (N, T, …), (T, D) without a batch, or a PackedSequence, to the same."""
        idle = not self.training or self.p == 0
        if isinstance(input, PackedSequence):
            return input if idle else self._packed(input)
        if not isinstance(input, Tensor) or input.dim() < 2:
            raise TypeError(
                f"VariationalDropout: expected a tensor (T, N, …), (T, D) or a PackedSequence, got {describe(input)}"
            )
        if idle:
            return input
        shape = list(input.shape)
        shape[1 if self.batch_first and input.dim() > 2 else 0] = 1
        return input * F.dropout(input.new_ones(shape), self.p)

    def _packed(self, input: PackedSequence) -> PackedSequence:
        """The same for packed sequences: each row of the data gets the mask of its sequence."""
        sizes = [int(n) for n in input.batch_sizes.tolist()]
        mask = F.dropout(input.data.new_ones(sizes[0], *input.data.shape[1:]), self.p)
        rows = tensor([row for size in sizes for row in range(size)], device=mask.device)
        return input._with(input.data * index_select(mask, 0, rows))

    def extra_repr(self) -> str:
        return f"p={self.p}" + (", batch_first=True" if self.batch_first else "")
