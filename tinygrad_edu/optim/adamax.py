"""Adamax."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.optim._checks import check_at_least, check_betas
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(RuleOptimizer):
    """Adam with the largest recent gradient in place of the root mean square.

    With g the gradient at step t: m ← β₁ m + (1 - β₁) g; u ← max(β₂ u, |g| + eps); p ← p - lr / (1 - β₁ᵗ) · m / u.
    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015, section 7.1.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 2e-3
    betas : tuple of two floats, default (0.9, 0.999)
        β₁ and β₂, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient times p.
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
    >>> optimizer = optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Adamax", group, lr=0, eps=0, weight_decay=0)
        check_betas("Adamax", group["betas"])

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        beta1, beta2 = map(float, group["betas"])
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": float(group["eps"]),
            "size": float(group["lr"]) / (1 - beta1 ** float(counters["step"])),
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        m: Array,
        u: Array,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        size: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, m and u."""
        g = gradient(xp, p, g, maximize, weight_decay)
        m = xp.mix(m, beta1, g, 1 - beta1)
        u = xp.maximum(u * beta2, xp.abs(g) + eps)
        return xp.mix(p, 1.0, m / u, -size), m, u
