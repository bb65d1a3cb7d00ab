"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(RuleOptimizer):
    """Gradient descent with falling steps that keeps the average of the parameters.

    With g the gradient at step t: p ← (1 - lambd · η) p - η g; a ← a + μ (p - a), where η = lr / (1 + lambd · lr · t)^alpha and
    μ = 1 / max(1, t - t0) of the step before (at first η = lr and μ = 1). The average a is ``optimizer.state[p]["ax"]``.
    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30, 1992.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-2
    lambd : float, default 1e-4
        How much p decays.
    alpha : float, default 0.75
        The power with which steps fall.
    t0 : float, default 1e6
        The step at which averaging begins.
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
    >>> optimizer = optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8000, 1.6000])
    """

    counters: ClassVar[tuple[str, ...]] = ("step", "eta", "mu")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("ASGD", group, lr=0, weight_decay=0)

    def _first(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "eta": float(group["lr"]), "mu": 1.0}

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"ax": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        eta, mu = float(counters["eta"]), float(counters["mu"])
        counters["step"] += 1
        t, lr = float(counters["step"]), float(group["lr"])
        counters["eta"] = lr / (1 + group["lambd"] * lr * t) ** group["alpha"]
        counters["mu"] = 1 / max(1, t - group["t0"])
        return {
            "eta": eta,
            "mu": mu,
            "shrink": float(group["lambd"]) * eta,
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        ax: Array,
        *,
        eta: float,
        mu: float,
        shrink: float,
        weight_decay: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p and its average."""
        g = gradient(xp, p, g, maximize, weight_decay)
        p = xp.mix(p, 1 - shrink, g, -eta)
        return p, p if mu == 1 else xp.mix(ax, 1 - mu, p, mu)
