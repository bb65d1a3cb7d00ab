"""Differentiation: `backward`, `grad`, functions of one's own, and derivatives of whole functions."""

from __future__ import annotations

from tinygrad_edu.absent import explain_missing
from tinygrad_edu.anomaly import detect_anomaly, set_detect_anomaly
from tinygrad_edu.autograd import functional
from tinygrad_edu.autograd.gradcheck import gradcheck, gradgradcheck
from tinygrad_edu.autograd.walk import backward, grad
from tinygrad_edu.function import Function
from tinygrad_edu.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from tinygrad_edu.legacy import Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
explain_missing(globals(), "autograd")
