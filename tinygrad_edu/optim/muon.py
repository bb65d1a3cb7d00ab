"""Muon: momentum, made orthogonal."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_edu.backends.base import name_of
from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Muon"]

ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(RuleOptimizer):
    """Momentum whose singular values are all made about one: for the weight matrices of hidden layers.

    With g the gradient, an (A, B) matrix: b ← momentum · b + (1 - momentum) · g; u = momentum · b + (1 - momentum) · g with
    `nesterov`, else u = b; p ← (1 - lr · weight_decay) p - lr · c · orthogonal(u). The steps x ← a x + (b y + c y²) x with
    y = x xᵀ bring every singular value of x, which begins as u over its norm, to about one. With ``adjust_lr_fn="original"``
    c = √max(1, A / B), with ``"match_rms_adamw"`` c = 0.2 √max(A, B), which makes steps as large as those of :class:`AdamW`.
    Sources: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024; Liu et al., Muon is scalable for LLM
    training, arXiv:2502.16982, 2025.

    Embeddings, output layers and vectors are for another optimizer. PyTorch makes u orthogonal in bfloat16; here it is done in
    the parameter's type (of half precision in single precision).

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        Matrices: see :class:`Optimizer`.
    lr : float, default 1e-3
    weight_decay : float, default 0.1
    momentum : float, default 0.95
    nesterov : bool, default True
    ns_coefficients : tuple of three floats, default (3.4445, -4.775, 2.0315)
        a, b and c.
    eps : float, default 1e-7
        The least norm to divide by.
    ns_steps : int, default 5
        How many steps towards an orthogonal matrix, under 100.
    adjust_lr_fn : "original" or "match_rms_adamw", optional

    Raises
    ------
    ValueError
        When a setting is out of range, or a parameter is no matrix.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([[3.0, 0.0], [0.0, 1.0]], requires_grad=True)
    >>> optimizer = optim.Muon([w], lr=0.1, ns_steps=20, ns_coefficients=(1.875, -1.25, 0.375), weight_decay=0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([[2.9000, 0.0000],
            [0.0000, 0.9000]])
    """

    counters: ClassVar[tuple[str, ...]] = ()
    elementwise: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Muon", group, lr=0, momentum=0, weight_decay=0)
        if group["adjust_lr_fn"] not in ADJUSTMENTS:
            raise ValueError(f"Muon: adjust_lr_fn must be one of {ADJUSTMENTS}, got {group['adjust_lr_fn']!r}")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(f"Muon: ns_coefficients must be three numbers, got {group['ns_coefficients']}")
        if group["ns_steps"] >= 100:
            raise ValueError(f"Muon: ns_steps must be under 100, got {group['ns_steps']}")
        for p in group.get("params", ()):
            if p.ndim != 2:
                raise ValueError(f"Muon: parameters must be matrices, got one of shape {tuple(p.shape)}")

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"momentum_buffer": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        constants: dict[str, Any] = {name: float(group[name]) for name in ("lr", "weight_decay", "momentum", "eps")}
        return constants | {
            "nesterov": group["nesterov"],
            "coefficients": tuple(map(float, group["ns_coefficients"])),
            "steps": group["ns_steps"],
            "adjust": group["adjust_lr_fn"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        b: Array,
        *,
        lr: float,
        weight_decay: float,
        momentum: float,
        eps: float,
        nesterov: bool,
        coefficients: tuple[float, float, float],
        steps: int,
        adjust: str | None,
    ) -> tuple[Array, ...]:
        """The new p and b."""
        b = xp.mix(b, momentum, g, 1 - momentum)
        update = g * (1 - momentum) + b * momentum if nesterov else b
        rows, columns = p.shape
        size = 0.2 * math.sqrt(max(rows, columns)) if adjust == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
        return xp.mix(p, 1 - lr * weight_decay, orthogonal(xp, update, coefficients, steps, eps), -lr * size), b


def orthogonal(xp: Backend, x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """About the nearest matrix to x with orthonormal rows or columns, by products alone (the Newton-Schulz iteration)."""
    a, b, c = coefficients
    dtype, tall = x.dtype, x.shape[0] > x.shape[1]
    if name_of(dtype) in ("float16", "bfloat16"):
        x = xp.astype(x, xp.float32)
    if tall:
        x = xp.matrix_transpose(x)
    x = x / xp.clip(xp.sqrt(xp.sum_squares(x)), eps, None)
    for _ in range(steps):
        y = xp.matmul(x, xp.matrix_transpose(x))
        x = x * a + xp.matmul(y * b + xp.matmul(y, y) * c, x)
    return xp.astype(xp.matrix_transpose(x) if tall else x, dtype)
