"""What all checks of functions share: which inputs are differentiated, random cotangents, tensors from arrays and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Function, Tensor

Array = Any
Call = Callable[..., tuple[Tensor, ...]]


def title(f: Callable[..., Any]) -> str:
    """What a report calls the function: a name, or the class whose ``apply`` it is."""
    owner = getattr(f, "__self__", None)
    if isinstance(owner, type):
        return owner.__name__
    return getattr(f, "__name__", type(f).__name__)


def float_places(inputs: Sequence[Any]) -> list[int]:
    """Which inputs are differentiated."""
    return [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point()]


def on_floats(f: Callable[..., Any], inputs: Sequence[Any]) -> Call:
    """The function of the floating-point inputs alone, with a tuple of the floating-point results."""
    places = float_places(inputs)

    def call(*xs: Tensor) -> tuple[Tensor, ...]:
        full = list(inputs)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        return float_outputs(f(*full))

    return call


def float_outputs(result: Any) -> tuple[Tensor, ...]:
    """The results that can carry a gradient."""
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    found = tuple(p for p in parts if isinstance(p, Tensor) and p.is_floating_point())
    if not found:
        raise TypeError(
            f"check_gradients: the function must return a floating-point Tensor, got {type(result).__name__}"
        )
    return found


def signed(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    """Numbers of size 0.5 to 1.5 with random signs: none is 0, none is 1 by design, no two are alike."""
    return rng.uniform(0.5, 1.5, tuple(shape)) * rng.choice((-1.0, 1.0), tuple(shape))


def host(t: Tensor) -> Array:
    """The values as a NumPy array."""
    return t.detach().cpu().numpy()


def constant(array: Array, device: Any) -> Tensor:
    """A tensor of an array, which it may share memory with."""
    t = tg.from_numpy(np.asarray(array))
    return t if device.type == "cpu" else t.to(device)


def leaf(array: Array, device: Any) -> Tensor:
    """A tensor of its own memory that asks for a gradient."""
    return constant(np.array(array), device).requires_grad_()


def vjp(call: Call, leaves: Sequence[Tensor], cotangents: Sequence[Tensor], graph: bool = False) -> list[Tensor | None]:
    """Jᵀ · cotangents for each leaf; None where no result depends on it."""
    outs = call(*leaves)
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    return list(
        tg.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], create_graph=graph, allow_unused=True)
    )


def names_of(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the arguments, a Function's as its forward has them."""
    owner = getattr(f, "__self__", f)
    forward = getattr(owner, "forward", None) if isinstance(owner, (type, Function)) else None
    try:
        found = list(inspect.signature(f if forward is None else forward).parameters.values())
    except (TypeError, ValueError):
        found = []
    names = [p.name for p in found if p.kind <= p.POSITIONAL_OR_KEYWORD and p.name not in ("self", "ctx")]
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]
