"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["SGD"]


class SGD(RuleOptimizer):
    """Gradient descent, with momentum where it is asked for.

    g ← ∇f(p) + weight_decay · p; b ← momentum · b + (1 - dampening) · g (b ← g at the first step); p ← p - lr · b.
    With `nesterov` the step is p ← p - lr · (g + momentum · b).
    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.

    A sparse gradient, as an embedding has, updates the rows that were looked up and no others, where neither momentum nor
    weight decay asks for the rest.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-3
    momentum : float, default 0
    dampening : float, default 0
    weight_decay : float, default 0
    nesterov : bool, default False
    maximize : bool, default False
        Whether to go up instead of down.
    foreach, differentiable, fused : optional
        How to compute it in PyTorch; kept in the groups and without effect, but for ``differentiable=True``, which is refused.

    Raises
    ------
    ValueError
        When a setting is negative, or `nesterov` is combined with dampening or without momentum.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8000, 1.6000])
    """

    kernel = "sgd"
    counters: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("SGD", group, lr=0, momentum=0, weight_decay=0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs a momentum above 0 and no dampening, got momentum={group['momentum']} "
                f"and dampening={group['dampening']}"
            )

    def _by_rows(self, group: dict[str, Any]) -> bool:
        return not group["momentum"] and not group["weight_decay"]

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        constants: dict[str, Any] = {
            name: float(group[name]) for name in ("lr", "momentum", "dampening", "weight_decay")
        }
        return constants | {"nesterov": group["nesterov"], "maximize": group["maximize"], "first": new}

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        *buffers: Array,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
        first: bool,
    ) -> tuple[Array, ...]:
        """The new p, and with momentum the new b, from the old ones and the gradient g."""
        g = gradient(xp, p, g, maximize, weight_decay)
        if not buffers:
            return (xp.mix(p, 1.0, g, -lr),)
        b = xp.mix(buffers[0], 0.0, g, 1.0) if first else xp.mix(buffers[0], momentum, g, 1 - dampening)
        return xp.mix(p, 1.0, g + b * momentum if nesterov else b, -lr), b
