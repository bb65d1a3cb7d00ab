"""Adafactor: Adam's second moments in the memory of a row and a column."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_edu import backends
from tinygrad_edu.optim._checks import check_at_least, number
from tinygrad_edu.optim._rules import Array, Backend, RuleOptimizer, gradient
from tinygrad_edu.optim.optimizer import Params
from tinygrad_edu.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(RuleOptimizer):
    """Adaptive steps that remember of a matrix of squared gradients the means of rows and columns alone.

    With g the gradient at step t and w = t^beta2_decay: r ← (1 - w) r + w · mean of g² over columns; c likewise over rows;
    v = r c / max(mean of r, ε₁); of vectors and numbers v ← (1 - w) v + w g². Then u = g / max(√v, ε₁), ρ = min(lr, 1 / √t) and
    p ← (1 - lr · weight_decay) p - ρ · max(ε₂, RMS(p)) · u / max(1, RMS(u) / d).
    Source: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, ICML 2018. As in PyTorch, and not
    in the paper, lr is the largest ρ and the factor of the weight decay, and ε₁ stands at the end.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to optimize: see :class:`Optimizer`.
    lr : float, default 1e-2
    beta2_decay : float, default -0.8
        At most 0.
    eps : tuple of (float or None, float), default (None, 1e-3)
        ε₁, by default the distance from 1 to the next number of the parameter's type, and ε₂.
    d : float, default 1.0
        At least 1: larger steps are clipped.
    weight_decay : float, default 0
    foreach : bool, optional
        How to compute it in PyTorch; kept in the groups and without effect.
    maximize : bool, default False
        Whether to go up instead of down.

    Raises
    ------
    ValueError
        When a setting is out of range.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.ones(2, 3, requires_grad=True)
    >>> optimizer = optim.Adafactor([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([[0.9000, 0.9000, 0.9000],
            [0.9000, 0.9000, 0.9000]])
    >>> [tuple(t.shape) for t in optimizer.state[w].values()]
    [(), (2, 1), (1, 3)]
    """

    elementwise: ClassVar[bool] = False
    alike: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        check_at_least("Adafactor", group, lr=0, d=1, weight_decay=0)
        if not number("Adafactor", "beta2_decay", group["beta2_decay"]) <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be at most 0, got {group['beta2_decay']}")
        for eps in group["eps"][group["eps"][0] is None :]:
            if not number("Adafactor", "eps", eps) >= 0:
                raise ValueError(f"Adafactor: eps must be at least 0, got {group['eps']}")

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        return {"row_var": 0.0, "col_var": 0.0} if p.ndim > 1 else {"variance": 0.0}

    def _first_array(self, name: str, fill: float, p: Array) -> Array:
        shape = list(p.shape)
        if name == "row_var":
            shape[-1] = 1
        elif name == "col_var":
            shape[-2] = 1
        return backends.of(p).zeros(tuple(shape), dtype=p.dtype)

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        counters["step"] += 1
        t, lr = float(counters["step"]), float(group["lr"])
        return {
            "weight": t ** float(group["beta2_decay"]),
            "size": min(lr, 1 / math.sqrt(t)),
            "eps": group["eps"],
            "d": float(group["d"]),
            "shrink": lr * float(group["weight_decay"]),
            "maximize": group["maximize"],
        }

    @staticmethod
    def rule(
        xp: Backend,
        p: Array,
        g: Array,
        *state: Array,
        weight: float,
        size: float,
        eps: tuple[float | None, float],
        d: float,
        shrink: float,
        maximize: bool,
    ) -> tuple[Array, ...]:
        """The new p, and r and c or v."""
        if 0 in p.shape:
            return p, *state
        least = float(xp.finfo(p.dtype).eps) if eps[0] is None else eps[0]
        g = gradient(xp, p, g, maximize, 0.0)
        size_of_p = xp.clip(_rms(xp, p), eps[1], None)
        if len(state) == 2:
            means = [xp.astype(xp.sum_squares(g, axis=a, keepdims=True) / g.shape[a], g.dtype) for a in (-1, -2)]
            r, c = state = tuple(xp.mix(old, 1 - weight, mean, weight) for old, mean in zip(state, means, strict=True))
            v = r * c / xp.clip(xp.mean(r, axis=-2, keepdims=True), least, None)
        else:
            (v,) = state = (xp.mix(state[0], 1 - weight, g * g, weight),)
        u = g / xp.sqrt(xp.clip(v, least * least, None))
        u = u * (size_of_p / xp.clip(_rms(xp, u) / d, 1.0, None))
        return xp.mix(p, 1 - shrink, u, -size), *state


def _rms(xp: Backend, x: Array) -> Array:
    """The root of the mean of the squares, in the type of x."""
    return xp.astype(xp.sqrt(xp.sum_squares(x) / math.prod(x.shape)), x.dtype)
