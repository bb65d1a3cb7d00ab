"""Fused operations in NumPy, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends import (
    _numpy_conv,
    _numpy_losses,
    _numpy_norms,
    _numpy_pooling,
    _numpy_rnn,
    _numpy_special,
    _numpy_threads,
)

KERNELS: dict[str, Callable[..., Any]] = {
    "conv": _numpy_conv.conv,
    "conv_input_gradient": _numpy_conv.conv_input_gradient,
    "conv_weight_gradient": _numpy_conv.conv_weight_gradient,
    "conv_gradients": _numpy_conv.conv_gradients,
    "cross_entropy": _numpy_losses.cross_entropy,
    "cross_entropy_backward": _numpy_losses.cross_entropy_backward,
    "ctc_beginnings": _numpy_losses.ctc_beginnings,
    "linear_backward": _numpy_threads.linear_backward,
    "rnn_tanh": _numpy_rnn.rnn_tanh,
    "rnn_tanh_backward": _numpy_rnn.rnn_tanh_backward,
    "rnn_relu": _numpy_rnn.rnn_relu,
    "rnn_relu_backward": _numpy_rnn.rnn_relu_backward,
    "lstm": _numpy_rnn.lstm,
    "lstm_backward": _numpy_rnn.lstm_backward,
    "gru": _numpy_rnn.gru,
    "gru_backward": _numpy_rnn.gru_backward,
    **_numpy_norms.KERNELS,
    **_numpy_pooling.KERNELS,
    **_numpy_special.KERNELS,
}
