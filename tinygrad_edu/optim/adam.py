"""Adam and AdamW."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.creation import zeros
from tinygrad_edu.optim.optimizer import Closure, Optimizer, Params, check_at_least, writable
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = ["Adam", "AdamW"]

Array = Any


class Adam(Optimizer):
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
    foreach, fused : bool, optional
        How to compute it in PyTorch; accepted and without effect.

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

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least(self._name(), group, lr=0, eps=0, weight_decay=0)
        if len(group["betas"]) != 2 or not all(0 <= float(beta) < 1 for beta in group["betas"]):
            raise ValueError(f"{self._name()}: betas must be two numbers in [0, 1), got {group['betas']}")

    def step(self, closure: Closure | None = None) -> Any:
        """Update all parameters once; see :meth:`Optimizer.step`."""
        loss = self._loss(closure)
        for group in self.param_groups:
            names = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"][: 3 if group["amsgrad"] else 2]
            settings: dict[str, Any] = {name: float(group[name]) for name in ("lr", "eps", "weight_decay")}
            settings |= {"betas": tuple(map(float, group["betas"])), "maximize": group["maximize"]}
            settings["decoupled"] = group["decoupled_weight_decay"]
            work: dict[Any, tuple[list[Tensor], list[float], list[list[Array]]]] = {}
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                state = self.state[p]
                if len(state) <= len(names):
                    self._begin(p, state, names)
                raw = writable(p)
                xp = backends.of(raw)
                if xp not in work:
                    work[xp] = ([], [], [])
                params, steps, arrays = work[xp]
                count = state["step"]
                count._data = count._data + 1
                params.append(p)
                steps.append(float(count._data))
                arrays.append([raw, grad._data, *(state[name]._data for name in names)])
            for xp, (params, steps, arrays) in work.items():
                xp.kernels.get("adam", adam)(arrays, steps, **settings)
                if not xp.mutable:
                    self._take(params, arrays, names)
                for p in params:
                    writes.record(p._data)
        return loss

    @staticmethod
    def _begin(p: Tensor, state: dict[str, Any], names: list[str]) -> None:
        """Give a parameter the state that it lacks."""
        if "step" not in state:
            state["step"] = zeros((), dtype="float32", device="cpu")
        for name in names:
            if name not in state:
                state[name] = Tensor._wrap(backends.of(p._data).zeros_like(p._data))

    def _take(self, params: list[Tensor], arrays: list[list[Array]], names: list[str]) -> None:
        """Take the new arrays, where arrays are not written in place."""
        for p, (raw, _, *averages) in zip(params, arrays, strict=True):
            p._data = raw
            for name, average in zip(names, averages, strict=True):
                self.state[p][name]._data = average


class AdamW(Adam):
    """Adam with weight decay on the parameters instead of the gradient: p ← p - lr · weight_decay · p at each step.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, foreach, fused
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
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Any) -> None:
        """See :meth:`Optimizer.load_state_dict`; weight decay stays decoupled, whatever older states say."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def adam(
    arrays: list[list[Array]],
    steps: list[float],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """One step on raw arrays of any backend.

    Parameters
    ----------
    arrays : list of [parameter, gradient, m, v] or [parameter, gradient, m, v, largest v]
        Overwritten, or replaced in the lists where arrays cannot be written; gradients stay.
    steps : list of float
        Each parameter's t, from 1.
    """
    beta1, beta2 = betas
    for held, t in zip(arrays, steps, strict=True):
        p, g, m, v, *largest = held
        xp = backends.of(p)
        if maximize:
            g = -g
        if weight_decay and decoupled:
            p = xp.write(p, p * (1 - lr * weight_decay))
        elif weight_decay:
            g = g + p * weight_decay
        held[2] = m = xp.write(m, m * beta1 + g * (1 - beta1))
        held[3] = v = xp.write(v, v * beta2 + g * g * (1 - beta2))
        if largest:
            held[4] = v = xp.write(largest[0], xp.maximum(largest[0], v))
        size = xp.sqrt(v) / math.sqrt(1 - beta2**t) + eps
        held[0] = xp.write(p, p - m / size * (lr / (1 - beta1**t)))
