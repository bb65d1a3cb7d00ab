"""Lion."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_edu.optim._checks import check_at_least, check_betas
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Lion"]


class Lion(RuleOptimizer):
    """Steps of one size, in the direction of a running mean's sign: evolved sign momentum.

    With g the gradient: p ← (1 - lr · weight_decay) p - lr · sign(β₁ m + (1 - β₁) g); m ← β₂ m + (1 - β₂) g. Rates are three to ten
    times smaller than Adam's, and weight decays as much larger.
    Source: Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-4
    betas : tuple of two floats, default (0.9, 0.99)
        β₁ and β₂, in [0, 1).
    weight_decay : float, default 0
        Taken from p directly, as in :class:`AdamW`.
    maximize : bool, default False
        Whether to go up instead of down.
    foreach : bool, optional
        Accepted as by the others, and without effect.

    Raises
    ------
    ValueError
        When a setting is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = optim.Lion([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    counters: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Lion", group, lr=0, weight_decay=0)
        check_betas("Lion", group["betas"])

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        beta1, beta2 = map(float, group["betas"])
        lr = float(group["lr"])
        shrink = lr * float(group["weight_decay"])
        return {"lr": lr, "beta1": beta1, "beta2": beta2, "shrink": shrink, "maximize": group["maximize"]}

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        m: Array,
        *,
        lr: float,
        beta1: float,
        beta2: float,
        shrink: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p and m."""
        g = gradient(xp, p, g, maximize, 0.0)
        p = xp.mix(p, 1 - shrink, xp.sign(m * beta1 + g * (1 - beta1)), -lr)
        return p, xp.mix(m, beta2, g, 1 - beta2)
