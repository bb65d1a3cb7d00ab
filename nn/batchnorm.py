"""Normalisation by channel, with running statistics: batch norm and instance norm."""

from __future__ import annotations

import warnings
from collections.abc import MutableMapping
from typing import Any, ClassVar

from tinygrad_edu.creation import empty, ones, tensor, zeros
from tinygrad_edu.dtypes import int64
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


def _count_may_be_missing(module: Module, state: MutableMapping[str, Any], prefix: str, *_: Any) -> None:
    """Old checkpoints do not say how many batches were seen: keep the module's own number then."""
    if isinstance(module, _ChannelNorm) and module.num_batches_tracked is not None:
        state.setdefault(f"{prefix}num_batches_tracked", module.num_batches_tracked)


def no_batches(device: Any) -> Tensor:
    """The count of batches before the first."""
    return tensor(0, dtype=int64, device=device)


class _ChannelNorm(Module):
    """What batch norm and instance norm share: a weight and a bias for each channel, and running statistics."""

    dims: ClassVar[tuple[int, ...]]  # how many dimensions an input may have
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, Parameter(empty(num_features, device=device, dtype=dtype)) if there else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", no_batches(device) if tracked else None)
        self.register_load_state_dict_pre_hook(_count_may_be_missing)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            for value, held in enumerate((self.running_mean, self.running_var)):
                assert held is not None
                held.fill_(value)
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the running statistics, and set all weights to 1 and all biases to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        """Raise unless the input has as many dimensions as this layer works on."""
        if len(input.shape) not in self.dims:
            expected = " or ".join(f"{n}D" for n in self.dims)
            raise ValueError(
                f"{self._get_name()}: expected {expected} input, got {len(input.shape)}D input of shape {tuple(input.shape)}"
            )

    def extra_repr(self) -> str:
        flags = f"affine={self.affine}, bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, {flags}"


class _BatchNorm(_ChannelNorm):
    def forward(self, input: Tensor) -> Tensor:
        """The same shape; while training the running statistics follow the batch."""
        self._check_input_dim(input)
        if input.shape[1] != self.num_features and (self.affine or self.track_running_stats):
            raise ValueError(
                f"{self._get_name()}: expected {self.num_features} channels, got {input.shape[1]} in shape {tuple(input.shape)}"
            )
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            with no_grad():
                self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the plain mean over all batches
                factor = 1.0 / float(self.num_batches_tracked)
        own = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            own,
            factor,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch: y = (x - mean) / √(variance + eps) · weight + bias.

    While training, mean and variance are the batch's, and the running ones follow them,
    running ← (1 - momentum) running + momentum · new, with the unbiased variance. In evaluation the running ones are taken,
    unless none are tracked. Source: Ioffe and Szegedy, Batch normalization, ICML (2015).

    Parameters
    ----------
    num_features : int
        The number of channels C.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        The share of the newest batch in the running statistics; None takes the mean over all batches.
    affine : bool, default True
        Whether there are a weight and a bias, which start at 1 and 0.
    track_running_stats : bool, default True
        Whether there are running statistics.
    device, dtype : optional
        Of parameters and statistics.
    bias : bool, default True
        Whether an affine layer has a bias.

    Attributes
    ----------
    weight, bias : Parameter, (C,), or None
    running_mean, running_var : Tensor, (C,), or None
    num_batches_tracked : Tensor, (), or None

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> norm = nn.BatchNorm1d(2)
    >>> norm(tg.tensor([[1.0, 10.0], [3.0, 30.0]])).round(decimals=3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> norm.running_mean
    tensor([0.2000, 2.0000])
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel of pictures (N, C, H, W) over the batch and all places; see `BatchNorm1d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.BatchNorm2d(3)(tg.rand(4, 3, 5, 5)).shape
    Size([4, 3, 5, 5])
    """

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel of volumes (N, C, D, H, W) over the batch and all places; see `BatchNorm1d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.BatchNorm3d(3)(tg.rand(4, 3, 2, 2, 2)).shape
    Size([4, 3, 2, 2, 2])
    """

    dims = (5,)


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """The same shape; the dimension of the batch may be missing."""
        self._check_input_dim(input)
        alone = len(input.shape) == self.dims[0]
        channels = input.shape[0 if alone else 1]
        if channels != self.num_features:
            text = f"expected {self.num_features} channels, got {channels} in shape {tuple(input.shape)}"
            if self.affine:
                raise ValueError(f"{self._get_name()}: {text}")
            warnings.warn(f"{self._get_name()}: {text}; without parameters it does not matter", stacklevel=3)
        out = F.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out.squeeze(0) if alone else out


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample: y = (x - mean) / √(variance + eps) · weight + bias.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization (2016).

    Parameters
    ----------
    num_features : int
        The number of channels C.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float, default 0.1
        The share of the newest batch in the running statistics.
    affine : bool, default False
        Whether there are a weight and a bias, which start at 1 and 0.
    track_running_stats : bool, default False
        Whether there are running statistics, which are then used in evaluation.
    device, dtype : optional
        Of parameters and statistics.
    bias : bool, default True
        Whether an affine layer has a bias.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.InstanceNorm1d(2)(tg.tensor([[1.0, 3.0], [10.0, 30.0]])).round(decimals=3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each picture (N, C, H, W) or (C, H, W); see `InstanceNorm1d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.InstanceNorm2d(3)(tg.rand(4, 3, 5, 5)).shape
    Size([4, 3, 5, 5])
    """

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each volume (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm1d`.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.InstanceNorm3d(3)(tg.rand(4, 3, 2, 2, 2)).shape
    Size([4, 3, 2, 2, 2])
    """

    dims = (4, 5)
