"""Adam for sparse gradients."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_edu.optim._checks import check_betas, number
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor

__all__ = ["SparseAdam"]


class SparseAdam(RuleOptimizer):
    """Adam on the rows that a sparse gradient touches: the others, their averages included, stay as they are.

    For each row that was looked up, with g its gradient at step t: m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²;
    p ← p - lr · √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + eps). A step costs what those rows cost, however long the table is.
    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015.

    Reading ``p.grad`` makes the whole table of it, and then there are no rows to be seen: do not read it before the step.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-3
    betas : tuple of two floats, default (0.9, 0.999)
        β₁ and β₂, in [0, 1).
    eps : float, default 1e-8
        Above 0.
    maximize : bool, default False
        Whether to go up instead of down.

    Raises
    ------
    ValueError
        When a setting is out of range.
    RuntimeError
        At the step, when a gradient is not one of rows; then nothing has changed.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn, optim
    >>> embed = nn.Embedding.from_pretrained(tg.ones(3, 2), freeze=False)
    >>> optimizer = optim.SparseAdam(embed.parameters(), lr=0.1)
    >>> embed(tg.tensor([1])).sum().backward()
    >>> optimizer.step()
    >>> embed.weight.detach()
    tensor([[1.0000, 1.0000],
            [0.9000, 0.9000],
            [1.0000, 1.0000]])
    """

    counts_in_tensors: ClassVar[bool] = False
    waits_for_rows: ClassVar[bool] = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        for setting in ("lr", "eps"):
            if not number("SparseAdam", setting, group[setting]) > 0:
                raise ValueError(f"SparseAdam: {setting} must be above 0, got {group[setting]}")
        check_betas("SparseAdam", group["betas"])

    def _first(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0}

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _by_rows(self, group: dict[str, Any]) -> bool:
        return True

    def _check_gradients(self, params: list[Tensor]) -> None:
        for p in params:
            if type(p._grad) is not SparseGrad or p._grad.rows(wait=True) is None:
                raise RuntimeError(
                    f"SparseAdam: the gradient of a parameter of shape {tuple(p.shape)} is dense, as it is from operations other "
                    "than looking up rows, or after p.grad was read; use Adam for dense gradients"
                )
        super()._check_gradients(params)

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        beta1, beta2 = map(float, group["betas"])
        t = counters["step"]
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": float(group["eps"]),
            "size": float(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t),
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
        size: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new rows of p, m and v."""
        g = -g if maximize else g
        m = xp.mix(m, beta1, g, 1 - beta1)
        v = xp.mix(v, beta2, g * g, 1 - beta2)
        return xp.mix(p, 1.0, m / (xp.sqrt(v) + eps), -size), m, v
