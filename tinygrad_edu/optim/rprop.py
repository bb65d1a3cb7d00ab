"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(RuleOptimizer):
    """Steps of a size of each element's own, which grows while the gradient keeps its sign: resilient backpropagation.

    With g the gradient and h the one before: the size s of an element is multiplied by η₊ where g · h > 0 and by η₋ where g · h < 0,
    and kept within `step_sizes`; where g · h < 0, g ← 0; then p ← p - s · sign(g). It is made for whole data sets, not batches.
    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, ICNN 1993.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-2
        The first step size.
    etas : tuple of two floats, default (0.5, 1.2)
        η₋, in (0, 1), and η₊, above 1.
    step_sizes : tuple of two floats, default (1e-6, 50)
        The smallest and the largest.
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
    >>> optimizer = optim.Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.9000, 1.9000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Rprop", group, lr=0)
        if not 0 < group["etas"][0] < 1 < group["etas"][1]:
            raise ValueError(f"Rprop: etas must be a number in (0, 1) and one above 1, got {group['etas']}")

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"prev": 0.0, "step_size": float(group["lr"])}

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        shrink, grow = map(float, group["etas"])
        smallest, largest = map(float, group["step_sizes"])
        return {"shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest, "maximize": group["maximize"]}

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        before: Array,
        size: Array,
        *,
        shrink: float,
        grow: float,
        smallest: float,
        largest: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, the gradient, and the sizes of the steps."""
        g = gradient(xp, p, g, maximize, 0.0)
        turn = g * before
        scale = xp.where(turn > 0, xp.full_like(g, grow), xp.where(turn < 0, xp.full_like(g, shrink), xp.ones_like(g)))
        size = xp.clip(size * scale, smallest, largest)
        g = xp.where(turn < 0, xp.zeros_like(g), g)
        return xp.mix(p, 1.0, xp.sign(g) * size, -1.0), g, size
