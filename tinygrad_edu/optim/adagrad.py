"""Adagrad."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(RuleOptimizer):
    """Steps that get smaller where gradients have been large: adaptive gradient descent.

    With g the gradient at step t: s ← s + g²; p ← p - lr / (1 + (t - 1) · lr_decay) · g / (√s + eps).
    Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization, JMLR 12, 2011.

    A sparse gradient, as an embedding has, costs what the rows that were looked up cost, where there is no weight decay.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-2
    lr_decay : float, default 0
    weight_decay : float, default 0
        Added to the gradient times p.
    initial_accumulator_value : float, default 0
        What s begins with.
    eps : float, default 1e-10
    maximize : bool, default False
        Whether to go up instead of down.
    foreach, differentiable, fused : optional
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
    >>> optimizer = optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._begin(p, self.state[p], group, self._arrays(group, p))

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        least = dict.fromkeys(("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"), 0.0)
        check_at_least("Adagrad", group, **least)

    def _by_rows(self, group: dict[str, Any]) -> bool:
        return not group["weight_decay"]

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"sum": float(self.defaults["initial_accumulator_value"])}  # one for all groups, as in PyTorch

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        return {
            "lr": float(group["lr"]) / (1 + (float(counters["step"]) - 1) * float(group["lr_decay"])),
            "weight_decay": float(group["weight_decay"]),
            "eps": float(group["eps"]),
            "maximize": group["maximize"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        s: Array,
        *,
        lr: float,
        weight_decay: float,
        eps: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p and s."""
        g = gradient(xp, p, g, maximize, weight_decay)
        s = xp.mix(s, 1.0, g * g, 1.0)
        return xp.mix(p, 1.0, g / (xp.sqrt(s) + eps), -lr), s
