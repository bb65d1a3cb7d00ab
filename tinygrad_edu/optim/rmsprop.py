"""RMSprop."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(RuleOptimizer):
    """Steps over the gradient's running root mean square.

    With g the gradient: v ← alpha · v + (1 - alpha) · g²; s = √v + eps; p ← p - lr · g / s. With momentum b ← momentum · b + g / s
    and p ← p - lr · b. With `centered` the running mean m of the gradient is taken away: s = √(v - m²) + eps.
    Sources: Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012; centered: Graves, Generating sequences
    with recurrent neural networks, arXiv:1308.0850, 2013.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-2
    alpha : float, default 0.99
        The share of the past in running averages.
    eps : float, default 1e-8
    weight_decay : float, default 0
        Added to the gradient times p.
    momentum : float, default 0
    centered : bool, default False
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
    >>> optimizer = optim.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("RMSprop", group, lr=0, eps=0, momentum=0, weight_decay=0, alpha=0)

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        names = {"square_avg": 0.0}
        if group["momentum"] > 0:
            names["momentum_buffer"] = 0.0
        if group["centered"]:
            names["grad_avg"] = 0.0
        return names

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        constants: dict[str, Any] = {
            name: float(group[name]) for name in ("lr", "alpha", "eps", "weight_decay", "momentum")
        }
        return constants | {"centered": group["centered"], "maximize": group["maximize"]}

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        v: Array,
        *others: Array,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p and v, then b with momentum and m where it is centered."""
        g = gradient(xp, p, g, maximize, weight_decay)
        v = xp.mix(v, alpha, g * g, 1 - alpha)
        spread, kept = v, []
        if centered:
            m = xp.mix(others[-1], alpha, g, 1 - alpha)
            spread, kept = v - m * m, [m]
        d = g / (xp.sqrt(spread) + eps)
        if momentum > 0:
            d = xp.mix(others[0], momentum, d, 1.0)
            kept = [d, *kept]
        return xp.mix(p, 1.0, d, -lr), v, *kept
