"""Drawn settings of every optimizer, and the same parameters and gradients for this library and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim

rates = st.floats(1e-4, 0.3)
shares = st.floats(0.0, 0.95)
decays = st.just(0.0) | shares
flags = st.booleans()
# β₂ stays away from 0: there a step is divided by the latest gradient alone, which may be almost nothing, and rounding grows
# without bound from step to step.
betas = st.tuples(shares, st.floats(0.9, 0.999))
eps = st.sampled_from([1e-8, 1e-6, 1e-2])


def _settings(**strategies: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"lr": rates, **strategies})


@st.composite
def _sgd(draw: Any) -> dict[str, Any]:
    momentum = draw(decays)
    nesterov = draw(flags) if momentum > 0 else False
    return {
        "lr": draw(rates),
        "momentum": momentum,
        "dampening": 0.0 if nesterov else draw(decays),
        "weight_decay": draw(decays),
        "nesterov": nesterov,
        "maximize": draw(flags),
    }


_adam = _settings(betas=betas, eps=eps, weight_decay=decays, amsgrad=flags, maximize=flags)
_decoupled = {"weight_decay": decays, "decoupled_weight_decay": flags, "maximize": flags}

SETTINGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "SGD": _sgd(),
    "Adam": _adam,
    "AdamW": _adam,
    "Adagrad": _settings(
        lr_decay=decays, weight_decay=decays, initial_accumulator_value=decays, eps=eps, maximize=flags
    ),
    "Adadelta": _settings(rho=st.floats(0.5, 1.0), eps=eps, weight_decay=decays, maximize=flags),
    "RMSprop": _settings(
        alpha=st.floats(0.5, 0.99), eps=eps, weight_decay=decays, momentum=decays, centered=flags, maximize=flags
    ),
    "Adamax": _settings(betas=betas, eps=eps, weight_decay=decays, maximize=flags),
    "NAdam": _settings(betas=betas, eps=eps, momentum_decay=st.floats(0.0, 0.1), **_decoupled),
    "RAdam": _settings(betas=st.tuples(shares, st.floats(0.3, 0.999)), eps=eps, **_decoupled),
    "ASGD": _settings(
        lambd=decays,
        alpha=st.floats(0.1, 1.0),
        t0=st.sampled_from([0.0, 3.0, 1e6]),
        weight_decay=decays,
        maximize=flags,
    ),
    "Rprop": _settings(
        etas=st.tuples(st.floats(0.1, 0.9), st.floats(1.1, 2.0)),
        step_sizes=st.tuples(st.floats(1e-6, 1e-3), st.floats(0.1, 50)),
        maximize=flags,
    ),
    "Adafactor": _settings(
        beta2_decay=st.floats(-1.0, 0.0),
        eps=st.tuples(st.none() | st.sampled_from([1e-6, 0.1]), st.sampled_from([1e-3, 0.5])),
        d=st.floats(1.0, 3.0),
        weight_decay=decays,
        maximize=flags,
    ),
    "Muon": _settings(
        weight_decay=decays,
        momentum=shares,
        nesterov=flags,
        ns_steps=st.integers(1, 6),
        adjust_lr_fn=st.sampled_from([None, "original", "match_rms_adamw"]),
    ),
    "Lion": _settings(betas=betas, weight_decay=decays, maximize=flags),
}
OURS_ALONE = ("Lion",)
SHARED = [name for name in SETTINGS if name not in OURS_ALONE]
ELEMENTWISE = [name for name in SETTINGS if name not in ("Adafactor", "Muon")]


def shapes_of(name: str) -> list[tuple[int, ...]]:
    """Scalars, small arrays, and one that goes through BLAS, as far as the optimizer takes them."""
    if name == "Muon":
        return [(3, 3), (4, 5), (7, 2)]
    if name == "Adafactor":
        return [(), (3,), (4, 5), (2, 3, 4)]
    return [(), (3,), (4, 5), (70, 60), (0, 4)]


def values_of(shapes: list[tuple[int, ...]], seed: int) -> list[Any]:
    """Normal random numbers in each of the shapes."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)) for shape in shapes]


def parameters(shapes: list[tuple[int, ...]], dtype: str, seed: int) -> tuple[list[Any], list[Any]]:
    """The same parameters for both libraries: PyTorch's, ours."""
    torch = pytest.importorskip("torch")
    values = [v.astype(dtype) for v in values_of(shapes, seed)]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    return theirs, [nn.Parameter(tg.tensor(v)) for v in values]


def give_gradients(theirs: list[Any], ours: list[Any], rng: np.random.Generator) -> None:
    """The same gradients for both, with a parameter left out now and then."""
    torch = pytest.importorskip("torch")
    for t, o in zip(theirs, ours, strict=True):
        g = np.asarray(rng.normal(size=tuple(o.shape))).astype(o.dtype.name)
        absent = rng.random() < 0.1
        t.grad = None if absent else torch.tensor(g)
        o.grad = None if absent else tg.tensor(g)


def both(name: str, theirs: list[Any], ours: list[Any], options: dict[str, Any]) -> tuple[Any, Any]:
    """The optimizer in PyTorch and here."""
    torch = pytest.importorskip("torch")
    return getattr(torch.optim, name)(theirs, **options), getattr(optim, name)(ours, **options)


def assert_same(theirs: list[Any], ours: list[Any], tolerance: float) -> None:
    for t, o in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=tolerance, atol=tolerance)


def to_ours(value: Any) -> Any:
    """A PyTorch state with its tensors converted."""
    if hasattr(value, "numpy"):
        return tg.tensor(value.numpy())
    if isinstance(value, dict):
        return {key: to_ours(v) for key, v in value.items()}
    return [to_ours(v) for v in value] if isinstance(value, list) else value


def to_theirs(value: Any) -> Any:
    """A state of ours with its tensors converted."""
    torch = pytest.importorskip("torch")
    if isinstance(value, tg.Tensor):
        return torch.tensor(value.detach().numpy())
    if isinstance(value, dict):
        return {key: to_theirs(v) for key, v in value.items()}
    return [to_theirs(v) for v in value] if isinstance(value, list) else value
