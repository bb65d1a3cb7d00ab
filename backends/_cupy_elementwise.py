"""Activations for CuPy: one kernel forward and one backward, where a formula would launch one for each of its steps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinygrad_edu.backends._cupy_source import elementwise

Array = Any

# Name, what goes in, and the result of one element; those whose backward takes y are differentiated by their result.
RELU = "A a = x; y = (T)(a > 0 || a != a ? a : (A)0);"
SIGMOID = "A a = x; y = (T)(a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)));"
SILU = "A a = x; y = (T)(a >= 0 ? a / (1 + exp(-a)) : a * (exp(a) / (1 + exp(a))));"
GELU = "A a = x; y = (T)(a * (A)0.5 * erfc(-a * (A)0.70710678118654752440));"
GELU_TANH = """
    A a = x;
    y = (T)((A)0.5 * a * (1 + tanh((A)0.79788456080286535588 * (a + (A)0.044715 * a * a * a))));
"""
MISH = "A a = x, e = exp(a < 20 ? a : (A)20), m = e * (e + 2); y = (T)(a * (m / (m + 2)));"
FORWARD = {"relu": RELU, "sigmoid": SIGMOID, "silu": SILU, "gelu": GELU, "gelu_tanh": GELU_TANH, "mish": MISH}

BY_RESULT = {
    "relu": "out = (T)((A)y > 0 ? (A)g : (A)0);",
    "sigmoid": "A a = y; out = (T)((A)g * (a * (1 - a)));",
    "tanh": "A a = y; out = (T)((A)g * (1 - a * a));",
}
BY_ARGUMENT = {
    "silu": "A a = x, s = a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); out = (T)((A)g * (s * (1 + a * (1 - s))));",
    "gelu": """
        A a = x, share = (A)0.5 * erfc(-a * (A)0.70710678118654752440);
        out = (T)((A)g * (share + a * exp((A)-0.5 * a * a) * (A)0.39894228040143267794));
    """,
    "gelu_tanh": """
        A a = x, t = tanh((A)0.79788456080286535588 * (a + (A)0.044715 * a * a * a));
        A inner = (A)0.79788456080286535588 * (1 + 3 * (A)0.044715 * a * a);
        out = (T)((A)g * ((A)0.5 * (1 + t) + (A)0.5 * a * (1 - t * t) * inner));
    """,
    "mish": """
        A a = x, e = exp(a < 20 ? a : (A)20), m = e * (e + 2), t = m / (m + 2);
        A s = a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a));
        out = (T)((A)g * (t + a * (1 - t * t) * s));
    """,
}


def kernels_of(cupy: Any) -> dict[str, Callable[..., Any]]:
    """The activations by name, ``relu(x)`` and ``relu_backward(g, result)``, ``gelu(x)`` and ``gelu_backward(g, x)``."""
    made = functools.partial(elementwise, cupy)
    kernels = {name: made("T x", "T y", source, name) for name, source in FORWARD.items()}
    for given, table in (("y", BY_RESULT), ("x", BY_ARGUMENT)):
        for name, source in table.items():
            kernels[f"{name}_backward"] = made(f"T g, T {given}", "T out", source, f"{name}_backward")
    for name in ("erf", "erfc", "erfinv"):
        kernels[name] = made("T x", "T y", f"y = (T){name}((A)x);", name)
    kernels["lgamma"] = made("T x", "T y", "y = (T)(A)lgamma((double)(A)x);", "lgamma")
    kernels["dropout_backward"] = made(
        "T g, bool kept, float64 factor", "T out", "out = (T)(kept ? (A)g * (A)factor : (A)0);", "dropout_backward"
    )
    return kernels
