"""Gradients against central differences, along one random direction at a time, with random signed cotangents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg


def _cotangents(outs: Sequence[Any], rng: np.random.Generator) -> list[np.ndarray]:
    """Numbers of both signs and different sizes: a cotangent of ones hides wrong gradients, as of softmax."""
    return [rng.normal(size=tuple(o.shape)) + rng.choice([-1.0, 1.0], size=tuple(o.shape)) for o in outs]


def _outputs(function: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    out = function(*args)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    return [o for o in outs if isinstance(o, tg.Tensor) and o.is_floating_point()]


def _value(function: Callable[..., Any], arrays: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> float:
    with tg.no_grad():
        outs = _outputs(function, [tg.tensor(a) for a in arrays])
    return float(sum(np.sum(o.numpy() * c) for o, c in zip(outs, cotangents, strict=True)))


def _close(name: str, found: float, expected: float, tolerance: float) -> None:
    if not abs(found - expected) <= tolerance * max(1.0, abs(expected), abs(found)):
        raise AssertionError(
            f"{name}: the derivative along a random direction is {found!r}, differences give {expected!r}"
        )


def gradients(
    function: Callable[..., Any], arrays: Sequence[np.ndarray], cotangents: Sequence[np.ndarray], create_graph: bool
) -> tuple[list[Any], list[Any]]:
    """Leaves made from ``arrays`` and the gradient of each, zeros where a result does not depend on it."""
    leaves = [tg.tensor(a, requires_grad=True) for a in arrays]
    outs = _outputs(function, leaves)
    pairs = [(o, tg.tensor(c)) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if not pairs:
        return leaves, [x.new_zeros(x.shape) for x in leaves]
    found = tg.autograd.grad(
        [o for o, _ in pairs], leaves, [c for _, c in pairs], create_graph=create_graph, materialize_grads=True
    )
    return leaves, list(found)


def check(
    function: Callable[..., Any],
    *arrays: Any,
    seed: int = 0,
    order: int = 2,
    step: float = 1e-5,
    tolerance: float = 1e-6,
) -> None:
    """Compare derivatives of ``function`` at float64 ``arrays`` with central differences, up to ``order`` (1 or 2).

    The value is contracted with a random cotangent; the error of the differences is of order ``step`` squared.
    """
    rng = np.random.default_rng(seed)
    points = [np.asarray(a, dtype=np.float64) for a in arrays]
    with tg.no_grad():
        outs = _outputs(function, [tg.tensor(a) for a in points])
    cotangents = _cotangents(outs, rng)
    directions = [rng.normal(size=a.shape) for a in points]

    def moved(t: float) -> list[np.ndarray]:
        return [a + t * d for a, d in zip(points, directions, strict=True)]

    def along(grads: Sequence[Any]) -> float:
        return float(sum(np.sum(g.detach().numpy() * d) for g, d in zip(grads, directions, strict=True)))

    _, plain = gradients(function, points, cotangents, create_graph=False)
    for x, g in zip(points, plain, strict=True):
        assert tuple(g.shape) == x.shape, f"a gradient of shape {tuple(g.shape)} for an argument of shape {x.shape}"
    difference = (_value(function, moved(step), cotangents) - _value(function, moved(-step), cotangents)) / (2 * step)
    _close("first order", along(plain), difference, tolerance)
    if order < 2:
        return

    leaves, graphs = gradients(function, points, cotangents, create_graph=True)
    for a, b in zip(plain, graphs, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.numpy(), rtol=1e-9, atol=1e-11)
    weights = [rng.normal(size=a.shape) for a in points]
    pairs = [(g, tg.tensor(w)) for g, w in zip(graphs, weights, strict=True) if g.requires_grad]
    second = [np.zeros_like(a) for a in points]
    if pairs:
        found = tg.autograd.grad([g for g, _ in pairs], leaves, [w for _, w in pairs], materialize_grads=True)
        second = [g.numpy() for g in found]

    def slope(t: float) -> float:
        _, grads = gradients(function, moved(t), cotangents, create_graph=False)
        return float(sum(np.sum(g.numpy() * w) for g, w in zip(grads, weights, strict=True)))

    difference = (slope(step) - slope(-step)) / (2 * step)
    _close(
        "second order",
        float(sum(np.sum(g * d) for g, d in zip(second, directions, strict=True))),
        difference,
        10 * tolerance,
    )
