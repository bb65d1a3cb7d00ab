"""NAdam."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.optim._checks import check_at_least, check_betas
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(RuleOptimizer):
    """Adam with Nesterov's momentum: a look ahead along the running mean of the gradient.

    With g the gradient at step t: μₜ = β₁ (1 - 0.96^(t · momentum_decay) / 2); m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²;
    m̂ = μₜ₊₁ m / (1 - μ₁ … μₜ₊₁) + (1 - μₜ) g / (1 - μ₁ … μₜ); p ← p - lr · m̂ / (√(v / (1 - β₂ᵗ)) + eps).
    Source: Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 2e-3
    betas : tuple of two floats, default (0.9, 0.999)
        β₁ and β₂, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient times p, or with `decoupled_weight_decay` taken from p directly.
    momentum_decay : float, default 4e-3
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
    >>> optimizer = optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8944, 1.8944])
    """

    counters: ClassVar[tuple[str, ...]] = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("NAdam", group, lr=0, eps=0, weight_decay=0, momentum_decay=0)
        check_betas("NAdam", group["betas"])

    def _first(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        t, lr, weight_decay = float(counters["step"]), float(group["lr"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        decay = float(group["momentum_decay"])
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (i * decay)) for i in (t, t + 1))
        counters["mu_product"] = counters["mu_product"] * mu
        product = float(counters["mu_product"])
        decoupled = group["decoupled_weight_decay"]
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": float(group["eps"]),
            "correction": 1 - beta2**t,
            "size": lr * (1 - mu) / (1 - product),
            "size_ahead": lr * mu_next / (1 - product * mu_next),
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
        correction: float,
        size: float,
        size_ahead: float,
        shrink: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, m and v."""
        g = gradient(xp, p, g, maximize, weight_decay)
        m = xp.mix(m, beta1, g, 1 - beta1)
        v = xp.mix(v, beta2, g * g, 1 - beta2)
        ahead = (g * size + m * size_ahead) / (xp.sqrt(v / correction) + eps)
        return xp.mix(p, 1 - shrink, ahead, -1.0), m, v
