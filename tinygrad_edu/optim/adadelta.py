"""Adadelta."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Adadelta"]


class Adadelta(RuleOptimizer):
    """Steps in the units of the parameter: the running size of past steps over that of the gradients.

    With g the gradient: v ← rho · v + (1 - rho) · g²; d = √(u + eps) / √(v + eps) · g; u ← rho · u + (1 - rho) · d²; p ← p - lr · d.
    Source: Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701, 2012.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1.0
    rho : float, default 0.9
        In [0, 1].
    eps : float, default 1e-6
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
    >>> optimizer = optim.Adadelta([w], lr=10.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9684, 1.9684])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Adadelta", group, lr=0, rho=0, eps=0, weight_decay=0)
        if group["rho"] > 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {group['rho']}")

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        constants = {name: float(group[name]) for name in ("lr", "rho", "eps", "weight_decay")}
        return constants | {"maximize": group["maximize"]}

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        v: Array,
        u: Array,
        *,
        lr: float,
        rho: float,
        eps: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, v and u."""
        g = gradient(xp, p, g, maximize, weight_decay)
        v = xp.mix(v, rho, g * g, 1 - rho)
        d = xp.sqrt(u + eps) / xp.sqrt(v + eps) * g
        u = xp.mix(u, rho, d * d, 1 - rho)
        return xp.mix(p, 1.0, d, -lr), v, u
