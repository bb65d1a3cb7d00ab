"""Exact properties of derivatives: no finite differences, so only rounding is tolerated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing.probing import (
    Call,
    constant,
    float_places,
    host,
    leaf,
    on_floats,
    signed,
    title,
    vjp,
)
from tinygrad_edu.testing.report import GradientError

_TOLERANCE = 1e-9


def _prepare(f: Callable[..., Any], inputs: Sequence[Any], seed: int) -> tuple[Call, list[Tensor], np.random.Generator]:
    """The function of the floating-point inputs alone, these as leaves in float64, and random numbers."""
    leaves = [leaf(host(inputs[i].double()), inputs[i].device) for i in float_places(inputs)]
    return on_floats(f, inputs), leaves, np.random.default_rng(seed)


def _random(rng: np.random.Generator, like: Sequence[Tensor]) -> list[Tensor]:
    return [constant(signed(rng, t.shape), t.device) for t in like]


def _products(call: Call, leaves: Sequence[Tensor], cotangents: Sequence[Tensor], graph: bool = False) -> list[Tensor]:
    """Jᵀ · cotangents, with zeros where nothing arrives."""
    found = vjp(call, leaves, cotangents, graph)
    return [g if g is not None else x.detach() * 0 for g, x in zip(found, leaves, strict=True)]


def _dot(parts: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    shares = [(p * w).sum() for p, w in zip(parts, weights, strict=True)]
    return sum(shares[1:], shares[0])


def _size(*groups: Sequence[Tensor]) -> float:
    return max([1.0, *(float(np.max(np.abs(host(t)), initial=0.0)) for g in groups for t in g)])


def check_linear_in_cotangent(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """Jᵀ(a u + b v) = a Jᵀu + b Jᵀv."""
    call, leaves, rng = _prepare(f, inputs, seed)
    outs = call(*leaves)
    u, v = _random(rng, outs), _random(rng, outs)
    a, b = rng.uniform(0.5, 2), -rng.uniform(0.5, 2)
    mixed = _products(call, leaves, [a * p + b * q for p, q in zip(u, v, strict=True)])
    of_u, of_v = _products(call, leaves, u), _products(call, leaves, v)
    for i, (m, p, q) in enumerate(zip(mixed, of_u, of_v, strict=True)):
        if not np.max(np.abs(host(m - (a * p + b * q))), initial=0.0) <= _TOLERANCE * _size(of_u, of_v):
            raise GradientError(f"{title(f)}: the gradient by input {i} is not linear in the cotangent")


def check_adjoint(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """⟨J d, w⟩ = ⟨d, Jᵀ w⟩, with J d from differentiating w ↦ ⟨Jᵀ w, d⟩."""
    call, leaves, rng = _prepare(f, inputs, seed)
    cotangents = [w.requires_grad_() for w in _random(rng, call(*leaves))]
    back = _products(call, leaves, cotangents, graph=True)
    pairing = _dot(back, _random(rng, leaves))
    if not pairing.requires_grad:
        return
    forward = tg.autograd.grad(pairing, cotangents, materialize_grads=True)
    left, right = float(_dot(forward, [c.detach() for c in cotangents]).item()), float(pairing.item())
    if not abs(left - right) <= _TOLERANCE * (abs(right) + _size(back)):
        raise GradientError(
            f"{title(f)}: ⟨J d, w⟩ = {left:.9g} but ⟨d, Jᵀ w⟩ = {right:.9g}: the derivative by the cotangent is wrong"
        )


def check_symmetric_hessian(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """aᵀ H b = bᵀ H a for the Hessian H of ⟨w, f⟩, across all inputs together."""
    call, leaves, rng = _prepare(f, inputs, seed)
    cotangents = _random(rng, call(*leaves))
    a, b = _random(rng, leaves), _random(rng, leaves)
    slopes = _products(call, leaves, cotangents, graph=True)

    def product(direction: list[Tensor]) -> list[Tensor]:
        total = _dot(slopes, direction)
        if not total.requires_grad:
            return [x.detach() * 0 for x in leaves]
        return list(tg.autograd.grad(total, leaves, retain_graph=True, materialize_grads=True))

    of_a, of_b = product(a), product(b)
    left, right = float(_dot(of_a, b).item()), float(_dot(of_b, a).item())
    if not abs(left - right) <= _TOLERANCE * _size(of_a, of_b) * sum(max(x.numel(), 1) for x in leaves):
        raise GradientError(f"{title(f)}: the second derivative is not symmetric: {left:.9g} against {right:.9g}")


def check_alone(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """The gradient by one input is the same whether or not the others ask for one; None counts as zeros."""
    call, leaves, rng = _prepare(f, inputs, seed)
    cotangents = _random(rng, call(*leaves))
    for k, want in enumerate(_products(call, leaves, cotangents)):
        alone = [x if i == k else x.detach() for i, x in enumerate(leaves)]
        (got,) = _products(lambda x, k=k, alone=alone: call(*alone[:k], x, *alone[k + 1 :]), [leaves[k]], cotangents)
        if not np.max(np.abs(host(got - want)), initial=0.0) <= _TOLERANCE * _size([want]):
            raise GradientError(
                f"{title(f)}: the gradient by input {k} is another one when no other input asks for one"
            )
