"""L-BFGS: Newton's method with a curvature that is learned from the steps."""

from __future__ import annotations

import functools
from typing import Any

from tinygrad_edu.creation import zeros
from tinygrad_edu.grad_mode import enable_grad, no_grad
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.optim._checks import check_at_least
from tinygrad_edu.optim._line_search import Point, strong_wolfe
from tinygrad_edu.optim.optimizer import Closure, Optimizer, Params
from tinygrad_edu.tensor import Tensor

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Steps towards where the gradient would be zero if the curvature of the last steps held everywhere.

    A step of the optimizer takes up to `max_iter` steps p ← p + t d with d = -H g. The approximate inverse H of the second
    derivative is never made: d comes from the last `history_size` changes s of p and y of the gradient g by two loops of dot
    products. At the first step d = -g and t = min(1, 1 / Σ|g|) · lr; then t = lr, or what a search along d finds.
    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical programming 45, 1989.

    There is one group, whose parameters are on one device.

    Parameters
    ----------
    params : iterable of Tensor
        What to optimize.
    lr : float, default 1
    max_iter : int, default 20
        Iterations of a step.
    max_eval : int, optional
        Evaluations of the closure a step, by default 5/4 of `max_iter`.
    tolerance_grad : float, default 1e-7
        A step ends when no element of the gradient is larger.
    tolerance_change : float, default 1e-9
        A step ends when neither a parameter nor the loss changes by more.
    history_size : int, default 100
    line_search_fn : "strong_wolfe", optional
        How t is found; without, it is `lr`.

    Raises
    ------
    ValueError
        When a setting is out of range, or there are several groups.
    TypeError
        When ``step`` is called without a closure.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import optim
    >>> w = tg.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - tg.tensor([1.0, 2.0])) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    272.0
    >>> closure().item() < 1e-6
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the one group; a second is refused."""
        if self.param_groups:
            raise ValueError("LBFGS: there can be only one group of parameters, whose settings hold for all")
        super().add_param_group(param_group)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least("LBFGS", group, lr=0, max_iter=1, history_size=1)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be 'strong_wolfe' or None, got {group['line_search_fn']!r}")

    def step(self, closure: Closure | None = None) -> Any:
        """Take up to `max_iter` steps.

        Parameters
        ----------
        closure : callable
            Forgets the gradients, computes the loss and its gradients anew and returns the loss; called several times.

        Returns
        -------
        The loss before the first step.
        """
        if closure is None:
            raise TypeError(
                "LBFGS.step: a closure that computes the loss and its gradients is needed, since it is called often"
            )
        with no_grad():
            return self._step(enable_grad()(closure))

    def _step(self, closure: Closure) -> Any:
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, g = float(first_loss), self._flat_gradient()
        evaluations = 1
        state["func_evals"] += 1
        if _largest(g) <= group["tolerance_grad"]:
            return first_loss
        history = _History(state, group["history_size"])
        lr = float(group["lr"])
        d, t = state.get("d"), float(state.get("t", 0.0))
        for i in range(group["max_iter"]):
            state["n_iter"] += 1
            if d is None:
                d, t = -g, min(1.0, 1.0 / float(g.abs().sum())) * lr
            else:
                history.remember(g - state["prev_flat_grad"], d * t)
                d, t = history.direction(g), lr
            state["prev_flat_grad"], state["prev_loss"] = g.clone(), loss
            before = loss
            slope = float(g.dot(d))
            if slope > -group["tolerance_change"]:
                break
            count = 0
            if group["line_search_fn"] is not None:
                found, count = strong_wolfe(
                    functools.partial(self._evaluate, closure, [p.clone() for p in group["params"]], d),
                    Point(0.0, loss, g, slope),
                    t,
                    _largest(d),
                    tolerance_change=group["tolerance_change"],
                    max_evaluations=group["max_eval"] - evaluations,
                )
                loss, g, t = found.f, found.g, found.t
                self._move(t, d)
            else:
                self._move(t, d)
                if i + 1 < group["max_iter"]:  # after the last one nothing asks for the loss
                    loss, g, count = float(closure()), self._flat_gradient(), 1
            evaluations += count
            state["func_evals"] += count
            if (
                evaluations >= group["max_eval"]
                or _largest(g) <= group["tolerance_grad"]
                or _largest(d * t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        state.update(d=d, t=t, old_dirs=history.ys, old_stps=history.ss, ro=history.inverses, H_diag=history.scale)
        return first_loss

    def _flat_gradient(self) -> Tensor:
        """All gradients in one vector, zero where there is none."""
        params: list[Tensor] = self.param_groups[0]["params"]
        parts = [
            zeros(p.numel(), dtype=p.dtype, device=p.device) if p.grad is None else p.grad.detach().reshape(-1)
            for p in params
        ]
        return cat(parts).clone()

    def _move(self, t: float, d: Tensor) -> None:
        """p ← p + t d."""
        start = 0
        for p in self.param_groups[0]["params"]:
            p.add_(d[start : start + p.numel()].reshape(p.shape), alpha=t)
            start += p.numel()

    def _evaluate(self, closure: Closure, here: list[Tensor], d: Tensor, t: float) -> Point:
        """The loss and its gradient at t along d from here."""
        self._move(t, d)
        loss, g = float(closure()), self._flat_gradient()
        for p, value in zip(self.param_groups[0]["params"], here, strict=True):
            p.copy_(value)
        return Point(t, loss, g, float(g.dot(d)))


class _History:
    """The last changes s of the parameters and y of the gradient, and the curvature in them.

    Attributes
    ----------
    ys, ss : list of Tensor
        Oldest first.
    inverses : list of float
        1 / (y · s) of each.
    scale : float
        What the inverse of the second derivative begins with: (y · s) / (y · y) of the newest.
    """

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.size = size
        self.ys: list[Tensor] = list(state.get("old_dirs") or [])
        self.ss: list[Tensor] = list(state.get("old_stps") or [])
        self.inverses = [float(ro) for ro in state.get("ro") or []]
        self.scale = float(state.get("H_diag", 1.0))

    def remember(self, y: Tensor, s: Tensor) -> None:
        """Add a pair, unless the curvature along it is not positive."""
        curvature = float(y.dot(s))
        if curvature <= 1e-10:
            return
        if len(self.ys) == self.size:
            del self.ys[0], self.ss[0], self.inverses[0]
        self.ys.append(y)
        self.ss.append(s)
        self.inverses.append(1.0 / curvature)
        self.scale = curvature / float(y.dot(y))

    def direction(self, g: Tensor) -> Tensor:
        """-H g."""
        q = -g
        pairs = list(zip(self.ys, self.ss, self.inverses, strict=True))
        shares = []
        for y, s, inverse in reversed(pairs):
            share = float(s.dot(q)) * inverse
            q = q - y * share
            shares.append(share)
        d = q * self.scale
        for (y, s, inverse), share in zip(pairs, reversed(shares), strict=True):
            d = d + s * (share - float(y.dot(d)) * inverse)
        return d


def _largest(x: Tensor) -> float:
    """The size of the largest element."""
    return float(x.abs().max())
