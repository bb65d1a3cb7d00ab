"""Noise while training."""

from __future__ import annotations

from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.module import Module
from tinygrad_edu.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


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
