"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.optim.optimizer import Closure, Optimizer, Params, check_at_least, writable
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = ["SGD"]

Array = Any


class SGD(Optimizer):
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
    foreach, fused : bool, optional
        How to compute it in PyTorch; accepted and without effect.

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

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        check_at_least("SGD", group, lr=0, momentum=0, weight_decay=0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs a momentum above 0 and no dampening, got momentum={group['momentum']} "
                f"and dampening={group['dampening']}"
            )

    def step(self, closure: Closure | None = None) -> Any:
        """Update all parameters once; see :meth:`Optimizer.step`."""
        loss = self._loss(closure)
        for group in self.param_groups:
            settings = {name: float(group[name]) for name in ("lr", "momentum", "dampening", "weight_decay")}
            settings |= {"nesterov": group["nesterov"], "maximize": group["maximize"]}
            plain = not settings["momentum"] and not settings["weight_decay"]
            work: dict[Any, tuple[list[Tensor], list[Array], list[Array], list[Array | None]]] = {}
            for p in group["params"]:
                if p._grad is None:
                    continue
                if plain and type(p._grad) is SparseGrad and _step_rows(p, p._grad, settings):
                    continue
                raw = writable(p)
                xp = backends.of(raw)
                lists = work.get(xp)
                if lists is None:
                    lists = work[xp] = ([], [], [], [])
                buffer = self.state[p].get("momentum_buffer") if settings["momentum"] else None
                lists[0].append(p)
                lists[1].append(raw)
                lists[2].append(p.grad._data)
                lists[3].append(None if buffer is None else buffer._data)
            for xp, (params, raws, grads, buffers) in work.items():
                xp.kernels.get("sgd", sgd)(raws, grads, buffers, **settings)
                for p, raw, buffer in zip(params, raws, buffers, strict=True):
                    p._data = raw
                    writes.record(raw)
                    if buffer is not None:
                        self._remember(p, buffer)
        return loss

    def _remember(self, p: Tensor, buffer: Array) -> None:
        state = self.state[p]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = Tensor._wrap(buffer)
        else:
            state["momentum_buffer"]._data = buffer


def _step_rows(p: Tensor, grad: SparseGrad, settings: dict[str, Any]) -> bool:
    """Update the rows that a sparse gradient touches; False when it is no gradient of rows."""
    found = grad.rows()
    if found is None:
        return False
    rows, values = found
    raw = p._data
    xp = backends.of(raw)
    change = values * (settings["lr"] if settings["maximize"] else -settings["lr"])
    p._data = xp.setitem(raw, rows, xp.add_into(change, xp.take_rows(raw, rows)))
    writes.record(p._data)
    return True


def sgd(
    params: list[Array],
    grads: list[Array],
    buffers: list[Array | None],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step on raw arrays of any backend; the lists get the new arrays, and missing momentum buffers are made."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        xp = backends.of(p)
        if maximize:
            g = -g
        if weight_decay:
            g = g + p * weight_decay
        if momentum:
            held = buffers[i]
            b = buffers[i] = xp.copy(g) if held is None else xp.write(held, held * momentum + g * (1 - dampening))
            g = g + b * momentum if nesterov else b
        params[i] = xp.write(p, p - g * lr)
