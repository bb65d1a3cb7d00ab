"""``check_gradients``: is this derivative right?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.testing.levels import Level
from tinygrad_edu.testing.probing import (
    Array,
    constant,
    float_places,
    host,
    leaf,
    names_of,
    on_floats,
    signed,
    title,
    vjp,
)
from tinygrad_edu.testing.report import GradientError

_ROUNDINGS = 2000  # so many times the last digit may a gradient of lower precision be off


def check_gradients(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    kink: bool = False,
    seed: int = 0,
    rtol: float = 1e-7,
    names: Sequence[str] | None = None,
) -> None:
    """Compare the derivatives of ``f`` with numerical ones, with random signed cotangents.

    The check runs in float64, on a shadow of the inputs, so that a wrong formula is told from rounding; inputs of lower precision are
    then run as they are and compared with the shadow. A small case is checked element by element, the Jacobian row by row and column
    by column; a large one along random directions, and a disagreement is then traced to one element.

    For order 2 the gradient that ``create_graph=True`` records must be the plain one, and its derivatives, by the inputs *and* by the
    cotangent, must be those of the plain gradient; and so on.

    Parameters
    ----------
    f : callable
        Takes the inputs and returns a Tensor, or a tuple of them.
    *inputs
        Tensors of floating point are differentiated; everything else is passed on as it is.
    order : int
        Up to which order derivatives are checked.
    kink : bool
        Whether the inputs may lie on a kink. There the analytic derivative must lie between the left and the right one, and no second
        derivative is looked at.
    seed : int
        Of cotangents and directions.
    rtol : float
        What is tolerated relative to the size of the gradient, on top of the estimated error of the numerical derivative.
    names : sequence of str, optional
        Names of the inputs for the report.

    Raises
    ------
    GradientError
        With a report: which input and element, analytic and numerical value, left and right derivative, and where the formula stands.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_gradients(lambda x, y: (x * y).sin(), tg.randn(3), tg.randn(2, 3))
    """
    if order < 1:
        raise ValueError(f"check_gradients: order must be at least 1, got {order}")
    places = float_places(inputs)
    if not places:
        raise ValueError("check_gradients: there is no floating-point tensor among the inputs")
    labels = list(names) if names is not None else names_of(f, len(inputs))
    call = on_floats(f, inputs)
    values = [inputs[i].detach().double().cpu().numpy() for i in places]
    devices = [inputs[i].device for i in places]
    outs = call(*[leaf(v, d) for v, d in zip(values, devices, strict=True)])
    if not any(o.requires_grad for o in outs):
        raise GradientError(
            f"{title(f)}: no result depends on an input through the graph; was it computed under no_grad?"
        )
    rng = np.random.default_rng(seed)
    cotangents = [signed(rng, o.shape) for o in outs]
    first = Level(title(f), call, values, devices, cotangents, [labels[i] for i in places], order, kink, rng, rtol)
    first.check()
    if any(inputs[i].dtype is not tg.float64 for i in places):
        _compare_precision(f, inputs, cotangents, first)


def check_precision(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """In float32 the gradient has the type of its input, and agrees with the one in float64 to rounding."""
    rng = np.random.default_rng(seed)
    single = [x.float() if i in float_places(inputs) else x for i, x in enumerate(inputs)]
    values = [host(single[i].double()) for i in float_places(inputs)]
    devices = [inputs[i].device for i in float_places(inputs)]
    labels = [names_of(f, len(inputs))[i] for i in float_places(inputs)]
    call = on_floats(f, inputs)
    outs = call(*[constant(v, d) for v, d in zip(values, devices, strict=True)])
    cotangents = [signed(rng, o.shape) for o in outs]
    shadow = Level(title(f), call, values, devices, cotangents, labels, 1, False, rng, 0.0)
    _compare_precision(f, single, cotangents, shadow)


def _compare_precision(f: Callable[..., Any], inputs: Sequence[Any], cotangents: list[Array], shadow: Level) -> None:
    """The gradient of inputs of lower precision has their type and agrees with the shadow's to rounding."""
    given = [inputs[i].detach().clone().requires_grad_() for i in float_places(inputs)]
    call = on_floats(f, inputs)
    kinds = [o.dtype for o in call(*given)]
    weights = [constant(c, shadow.devices[0]).to(k) for c, k in zip(cotangents, kinds, strict=True)]
    exact = shadow.gradient([host(w.double()) for w in weights], False)
    for label, x, g, want in zip(shadow.labels, given, vjp(call, given, weights), exact, strict=True):
        if g is None:
            continue
        if g.dtype is not x.dtype:
            raise GradientError(f"{shadow.name}: the gradient by {label} is {g.dtype}, but {label} is {x.dtype}")
        eps = {tg.float64: 2.0**-52, tg.float32: 2.0**-23}.get(g.dtype, 2.0**-10)
        size = float(np.max(np.abs(want), initial=0.0))
        off = float(np.max(np.abs(host(g.double()) - want), initial=0.0))
        if not off <= _ROUNDINGS * eps * max(size, 1.0):
            raise GradientError(
                f"{shadow.name}: in {g.dtype} the gradient by {label} is off by {off:.3g} (largest value {size:.3g}), though its "
                "formula is right in float64: it loses precision"
            )
