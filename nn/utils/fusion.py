"""Joining a layer with the batch norm behind it, for evaluation: fewer operations, the same result."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.tensor import Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

Layer = TypeVar("Layer", bound=Module)


def _check(name: str, layer: Module, norm: Any) -> None:
    if layer.training or norm.training:
        raise ValueError(f"{name}: both modules must be in evaluation mode: call eval() first")
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"{name}: the batch norm has no running statistics")


def fuse_conv_bn_eval(conv: Layer, bn: Module, transpose: bool = False) -> Layer:
    """One convolution that computes what a convolution and the batch norm behind it compute in evaluation mode.

    Parameters
    ----------
    conv : Module
        A convolution, in evaluation mode.
    bn : Module
        A batch norm with running statistics, in evaluation mode.
    transpose : bool, default False
        Whether the convolution is a transposed one.

    Returns
    -------
    Module
        A new convolution.

    Raises
    ------
    ValueError
        When a module is in training mode or there are no running statistics.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> conv, norm = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval()
    >>> x = tg.rand(1, 1, 4, 4)
    >>> tg.allclose(fuse_conv_bn_eval(conv, norm)(x), norm(conv(x)))
    True
    """
    _check("fuse_conv_bn_eval", conv, bn)
    c: Any = copy.deepcopy(conv)
    b: Any = bn
    c.weight, c.bias = fuse_conv_bn_weights(
        c.weight, c.bias, b.running_mean, b.running_var, b.eps, b.weight, b.bias, transpose
    )
    fused: Layer = c
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does the work of a batch norm as well.

    With a factor f = weight / √(variance + eps) for each channel they are W · f and (b - mean) · f + bias.
    """
    with no_grad():
        factor = (bn_rv + bn_eps).rsqrt()
        factor = factor if bn_w is None else factor * bn_w
        shift = bn_rm * 0 if bn_b is None else bn_b
        bias = (-bn_rm if conv_b is None else conv_b - bn_rm) * factor + shift
        out = 1 if transpose else 0
        shape = [1] * conv_w.dim()
        if transpose and factor.numel() != conv_w.shape[1]:  # groups: the weight has the channels of one group
            groups = factor.numel() // conv_w.shape[1]
            by_group = factor.reshape(groups, 1, -1, *shape[2:])
            weight = (conv_w.reshape(groups, -1, *conv_w.shape[1:]) * by_group).reshape(conv_w.shape)
        else:
            shape[out] = -1
            weight = conv_w * factor.reshape(shape)
    trained = conv_w.requires_grad
    return Parameter(weight.to(conv_w.dtype), trained), Parameter(bias.to(conv_w.dtype), trained)


def fuse_linear_bn_eval(linear: Linear, bn: Module) -> Linear:
    """One linear layer that computes what a linear layer and the batch norm behind it compute in evaluation mode.

    Raises
    ------
    ValueError
        When a module is in training mode, there are no running statistics, or sizes differ.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer, norm = nn.Linear(3, 2).eval(), nn.BatchNorm1d(2).eval()
    >>> x = tg.rand(5, 3)
    >>> tg.allclose(fuse_linear_bn_eval(layer, norm)(x), norm(layer(x)))
    True
    """
    _check("fuse_linear_bn_eval", linear, bn)
    b: Any = bn
    if linear.out_features != b.num_features and b.num_features != 1:
        raise ValueError(
            f"fuse_linear_bn_eval: the linear layer has {linear.out_features} outputs, the batch norm {b.num_features} channels"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, b.running_mean, b.running_var, b.eps, b.weight, b.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that does the work of a batch norm as well; see `fuse_conv_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
