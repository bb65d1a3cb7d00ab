"""Adam and AdamW."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.optim._checks import check_at_least, check_betas
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Adam", "AdamW"]


class Adam(RuleOptimizer):
    """Steps in units of the gradient's running size: adaptive moment estimation.

    With g the gradient at step t: m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; m̂ = m / (1 - β₁ᵗ); v̂ = v / (1 - β₂ᵗ);
    p ← p - lr · m̂ / (√v̂ + eps). With `amsgrad` the largest v so far takes the place of v.
    Sources: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Reddi, Kale and Kumar, On the convergence
    of Adam and beyond, ICLR 2018.

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
    amsgrad : bool, default False
    maximize : bool, default False
        Whether to go up instead of down.
    decoupled_weight_decay : bool, default False
        Whether to decay as :class:`AdamW` does.
    foreach, capturable, differentiable, fused : optional
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
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    kernel = "adam"

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least(self._name(), group, lr=0, eps=0, weight_decay=0)
        check_betas(self._name(), group["betas"])

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        names = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return names | {"max_exp_avg_sq": 0.0} if group["amsgrad"] else names

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        t, lr, weight_decay = float(counters["step"]), float(group["lr"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        # √(v / c) + eps = (√v + eps √c) / √c saves a pass.
        root = math.sqrt(1 - beta2**t)
        decoupled = group["decoupled_weight_decay"]
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": float(group["eps"]) * root,
            "size": lr * root / (1 - beta1**t),
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
        *largest: Array,
        beta1: float,
        beta2: float,
        eps: float,
        size: float,
        shrink: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, m and v, and with `amsgrad` the largest v."""
        g = gradient(xp, p, g, maximize, weight_decay)
        m = xp.mix(m, beta1, g, 1 - beta1)
        v = xp.mix(v, beta2, g * g, 1 - beta2)
        top = xp.maximum(largest[0], v) if largest else v
        p = xp.mix(p, 1 - shrink, m / (xp.sqrt(top) + eps), -size)
        return (p, m, v, top) if largest else (p, m, v)


class AdamW(Adam):
    """Adam with weight decay on the parameters instead of the gradient: p ← p - lr · weight_decay · p at each step.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused
        As in :class:`Adam`.
    weight_decay : float, default 1e-2

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.1, weight_decay=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8000, 1.7000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # whatever older states say
            group["decoupled_weight_decay"] = True
