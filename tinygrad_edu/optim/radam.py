"""RAdam."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.optim._checks import check_at_least, check_betas
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(RuleOptimizer):
    """Adam that goes by the running mean alone until there are gradients enough to know their size.

    With g the gradient at step t: m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; m̂ = m / (1 - β₁ᵗ); ρ∞ = 2 / (1 - β₂) - 1;
    ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ). Where ρ > 5: r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ)) and
    p ← p - lr · m̂ · r · √(1 - β₂ᵗ) / (√v + eps); else p ← p - lr · m̂.
    Source: Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-3
    betas : tuple of two floats, default (0.9, 0.999)
        β₁ and β₂, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient times p, or with `decoupled_weight_decay` taken from p directly.
    decoupled_weight_decay : bool, default False
        Whether to decay as :class:`AdamW` does.
    maximize : bool, default False
        Whether to go up instead of down.
    foreach, capturable, differentiable : optional
        How to compute it in PyTorch; kept in the groups and without effect, but for ``differentiable=True``, which is refused.

    Raises
    ------
    ValueError
        When a setting is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8000, 1.6000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("RAdam", group, lr=0, eps=0, weight_decay=0)
        check_betas("RAdam", group["betas"])

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        t, lr, weight_decay = float(counters["step"]), float(group["lr"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        correction = 1 - beta2**t
        size = lr / (1 - beta1**t)
        rho_last = 2 / (1 - beta2) - 1
        rho = rho_last - 2 * t * beta2**t / correction
        adaptive = rho > 5
        if adaptive:
            size *= math.sqrt((rho - 4) * (rho - 2) * rho_last / ((rho_last - 4) * (rho_last - 2) * rho) * correction)
        decoupled = group["decoupled_weight_decay"]
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": float(group["eps"]),
            "size": size,
            "adaptive": adaptive,
            "shrink": lr * weight_decay if decoupled else 0.0,
            "weight_decay": 0.0 if decoupled else weight_decay,
            "maximize": group["maximize"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        size: float,
        adaptive: bool,
        shrink: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, m and v."""
        g = gradient(xp, p, g, maximize, weight_decay)
        m = xp.mix(m, beta1, g, 1 - beta1)
        v = xp.mix(v, beta2, g * g, 1 - beta2)
        return xp.mix(p, 1 - shrink, m / (xp.sqrt(v) + eps) if adaptive else m, -size), m, v
