"""Exact properties of derivatives: no finite differences, so only rounding is tolerated."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing.gradients import GradientError, _dot, _outputs, _signed, _title

_TOLERANCE = 1e-9


def _prepare(f: Callable[..., Any], inputs: Sequence[Any]) -> tuple[Callable[..., tuple[Tensor, ...]], list[Tensor]]:
    """A function of the floating-point inputs alone, in float64, and their values."""
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point()]

    def call(*xs: Tensor) -> tuple[Tensor, ...]:
        full = list(inputs)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        return _outputs(f(*full))

    return call, [inputs[i].detach().double().clone() for i in places]


def _leaves(values: Sequence[Tensor]) -> list[Tensor]:
    return [v.detach().clone().requires_grad_() for v in values]


def _vjp(
    call: Callable[..., tuple[Tensor, ...]], values: Sequence[Tensor], cotangents: Sequence[Tensor], graph: bool = False
) -> list[Tensor]:
    outs = call(*values)
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    return list(
        tg.autograd.grad(
            [o for o, _ in pairs], list(values), [c for _, c in pairs], create_graph=graph, materialize_grads=True
        )
    )


def _near(got: Any, want: Any, size: float) -> bool:
    return bool(np.all(np.abs(np.asarray(got) - np.asarray(want)) <= _TOLERANCE * max(size, 1.0)))


def _size(*groups: Sequence[Tensor]) -> float:
    return max((float(np.max(np.abs(t.detach().numpy()), initial=0.0)) for g in groups for t in g), default=0.0)


def check_linear_in_cotangent(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """Jᵀ(a u + b v) = a Jᵀu + b Jᵀv."""
    call, values = _prepare(f, inputs)
    rng = random.Random(seed)
    leaves = _leaves(values)
    outs = call(*leaves)
    u, v = [_signed(rng, o) for o in outs], [_signed(rng, o) for o in outs]
    a, b = rng.uniform(0.5, 2), -rng.uniform(0.5, 2)
    mixed = _vjp(call, leaves, [a * p + b * q for p, q in zip(u, v, strict=True)])
    of_u, of_v = _vjp(call, leaves, u), _vjp(call, leaves, v)
    for i, (m, p, q) in enumerate(zip(mixed, of_u, of_v, strict=True)):
        if not _near(m.numpy(), (a * p + b * q).numpy(), _size(of_u, of_v)):
            raise GradientError(f"{_title(f)}: the gradient by input {i} is not linear in the cotangent")


def check_adjoint(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """⟨J d, w⟩ = ⟨d, Jᵀ w⟩, with J d from differentiating w ↦ ⟨Jᵀ w, d⟩."""
    call, values = _prepare(f, inputs)
    rng = random.Random(seed)
    leaves = _leaves(values)
    cotangents = [_signed(rng, o).requires_grad_() for o in call(*leaves)]
    directions = [_signed(rng, x) for x in leaves]
    back = _vjp(call, leaves, cotangents, graph=True)
    pairing = _dot(back, directions)
    if not pairing.requires_grad:
        return
    forward = tg.autograd.grad(pairing, cotangents, materialize_grads=True)
    left = float(_dot(forward, [c.detach() for c in cotangents]).item())
    right = float(pairing.item())
    if not _near(left, right, abs(right) + _size(back)):
        raise GradientError(
            f"{_title(f)}: ⟨J d, w⟩ = {left:.9g} but ⟨d, Jᵀ w⟩ = {right:.9g}: the derivative by the cotangent is wrong"
        )


def check_symmetric_hessian(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """aᵀ H b = bᵀ H a for the Hessian H of ⟨w, f⟩, across all inputs together."""
    call, values = _prepare(f, inputs)
    rng = random.Random(seed)
    leaves = _leaves(values)
    cotangents = [_signed(rng, o) for o in call(*leaves)]
    a, b = [_signed(rng, x) for x in leaves], [_signed(rng, x) for x in leaves]

    def product(direction: list[Tensor]) -> list[Tensor]:
        slope = _dot(_vjp(call, leaves, cotangents, graph=True), direction)
        if not slope.requires_grad:
            return [x * 0 for x in values]
        return list(tg.autograd.grad(slope, leaves, materialize_grads=True))

    of_a, of_b = product(a), product(b)
    left, right = float(_dot(of_a, b).item()), float(_dot(of_b, a).item())
    if not _near(left, right, _size(of_a, of_b) * len(leaves)):
        raise GradientError(f"{_title(f)}: the second derivative is not symmetric: {left:.9g} against {right:.9g}")
