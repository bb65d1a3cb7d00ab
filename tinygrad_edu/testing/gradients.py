"""``check_gradients``: is this derivative right?"""

from __future__ import annotations

import inspect
import itertools
import math
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.node import OUTPUT, Node
from tinygrad_edu.testing.numeric import Slope, slope

# At most this many elements are differentiated one by one; larger inputs are checked along random directions.
FULL = 64


class GradientError(AssertionError):
    """A derivative is wrong; the message is a report."""


def check_gradients(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    kink: Callable[..., bool] | bool = False,
    seed: int = 0,
    rtol: float = 1e-7,
    names: Sequence[str] | None = None,
) -> None:
    """Compare the derivatives of ``f`` with numerical ones, with random signed cotangents.

    The check runs in float64, on a shadow of the inputs, so that a wrong formula is told from rounding; inputs of float32 are then
    run
    as they are and compared with the shadow. For order 2 the gradient, as a function of the inputs *and* of the cotangent, is itself
    checked
    in the same way; and so on.

    Parameters
    ----------
    f : callable
        Takes the inputs and returns a Tensor, or a tuple of them.
    *inputs
        Tensors of floating point are differentiated; everything else is passed on as it is.
    order : int
        Up to which order derivatives are checked.
    kink : bool
        Whether the inputs may lie on a kink. There the analytic derivative must lie between the left and the right one.
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
    rng = random.Random(seed)
    labels = list(names) if names is not None else _names(f, len(inputs))
    places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point()]
    if not places:
        raise ValueError("check_gradients: there is no floating-point tensor among the inputs")
    shadow = [_shadow(x) if i in places else x for i, x in enumerate(inputs)]
    values = [shadow[i] for i in places]

    def call(*xs: Tensor) -> tuple[Tensor, ...]:
        full = list(shadow)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        return _outputs(f(*full))

    outs = call(*[v.clone() for v in values])
    if not any(o.requires_grad for o in call(*[v.clone().requires_grad_() for v in values])):
        raise GradientError(
            f"{_title(f)}: no result depends on an input through the graph; was it computed under no_grad?"
        )
    cotangents = [_signed(rng, o) for o in outs]
    _check(
        call,
        values,
        cotangents,
        [labels[i] for i in places],
        order,
        kink,
        rng,
        rtol,
        _title(f),
        "first derivative",
    )
    _check_precision(f, inputs, places, cotangents, call, values, labels)


def _outputs(result: Any) -> tuple[Tensor, ...]:
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    found = tuple(p for p in parts if isinstance(p, Tensor) and p.is_floating_point())
    if not found:
        raise TypeError(
            f"check_gradients: the function must return a floating-point Tensor, got {type(result).__name__}"
        )
    return found


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        found = [p.name for p in inspect.signature(f).parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        found = []
    return [found[i] if i < len(found) else f"input {i}" for i in range(count)]


def _title(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _shadow(x: Tensor) -> Tensor:
    return x.detach().double().clone()


def _signed(rng: random.Random, like: Tensor) -> Tensor:
    """Random numbers of size 0.5 to 1.5 with random signs: none is 0, none is 1 by design."""
    n = like.numel()
    values = [rng.uniform(0.5, 1.5) * rng.choice((-1, 1)) for _ in range(n)]
    return tg.tensor(values, dtype=like.dtype, device=like.device).reshape(like.shape)


def _dot(parts: Sequence[Tensor | None], weights: Sequence[Tensor]) -> Tensor:
    total: Tensor | None = None
    for p, w in zip(parts, weights, strict=True):
        if p is not None:
            share = (p * w).sum()
            total = share if total is None else total + share
    assert total is not None
    return total


def _gradients(
    call: Callable[..., tuple[Tensor, ...]], values: list[Tensor], cotangents: list[Tensor], graph: bool
) -> list[Tensor | None]:
    outs = call(*values)
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * len(values)
    found = tg.autograd.grad(
        [o for o, _ in pairs], values, [c for _, c in pairs], create_graph=graph, allow_unused=True
    )
    return list(found)


def _check(
    call: Callable[..., tuple[Tensor, ...]],
    values: list[Tensor],
    cotangents: list[Tensor],
    labels: list[str],
    order: int,
    kink: Any,
    rng: random.Random,
    rtol: float,
    title: str,
    what: str,
) -> None:
    """One order: the gradient of ⟨cotangents, call(values)⟩, then the next order of that gradient as a function."""
    leaves = [v.detach().clone().requires_grad_() for v in values]
    grads = _gradients(call, leaves, [c.detach() for c in cotangents], False)
    for i, (label, grad) in enumerate(zip(labels, grads, strict=True)):
        analytic = np.zeros(values[i].shape) if grad is None else grad.detach().cpu().numpy()
        if analytic.shape != tuple(values[i].shape):
            raise GradientError(
                f"{title}: the {what} by {label} has shape {analytic.shape}, but {label} has shape {tuple(values[i].shape)}"
            )
        _compare(call, values, cotangents, i, analytic, label, kink, rng, rtol, title, what, leaves)
    if order == 1:
        return
    nth = {"first derivative": "second derivative", "second derivative": "third derivative"}.get(
        what, f"derivative of the {what}"
    )
    weights = [_signed(rng, v) for v in values]
    count = len(values)

    def derivative(*xs: Tensor) -> tuple[Tensor, ...]:
        """The gradient, as a function of the values and of the cotangents."""
        # Fresh nodes, so that the derivative stops at these and not at what they were computed from.
        ys = [x if x.requires_grad else x.detach().clone().requires_grad_() for x in xs]
        found = _gradients(call, ys[:count], list(ys[count:]), True)
        return tuple(g if g is not None else (y * 0) for g, y in zip(found, ys[:count], strict=True))

    again = [v.detach() for v in values] + [c.detach() for c in cotangents]
    names = [*labels, *(f"the cotangent{'' if len(cotangents) == 1 else f' {k}'}" for k in range(len(cotangents)))]
    _check(derivative, again, weights, names, order - 1, kink, rng, rtol, title, nth)


def _compare(
    call: Callable[..., tuple[Tensor, ...]],
    values: list[Tensor],
    cotangents: list[Tensor],
    i: int,
    analytic: Any,
    label: str,
    kink: Any,
    rng: random.Random,
    rtol: float,
    title: str,
    what: str,
    leaves: list[Tensor],
) -> None:
    """Compare the gradient by input ``i``: element by element where there are few, and along a random direction."""
    value = values[i]
    size = value.numel()
    if size == 0:
        return
    scale = float(np.max(np.abs(analytic))) if size else 0.0
    if not np.all(np.isfinite(analytic)):
        at = tuple(int(k) for k in np.argwhere(~np.isfinite(analytic))[0])
        raise GradientError(f"{title}: the {what} by {label}{list(at)} is {analytic[at]}")
    base = value.detach().cpu().numpy()

    def along(direction: Any) -> Slope:
        def phi(h: float) -> float:
            moved = list(values)
            moved[i] = tg.tensor(base + h * direction, dtype=value.dtype, device=value.device)
            outs = [o.detach().cpu().numpy() for o in call(*moved)]
            return float(sum(np.sum(o * c.detach().cpu().numpy()) for o, c in zip(outs, cotangents, strict=True)))

        return slope(phi, magnitude)

    outs = [o.detach().cpu().numpy() for o in call(*values)]
    magnitude = float(sum(np.sum(np.abs(o * c.detach().cpu().numpy())) for o, c in zip(outs, cotangents, strict=True)))
    directions: list[tuple[tuple[int, ...] | None, Any]]
    if size <= FULL:
        directions = [(index, _unit(value.shape, index)) for index in itertools.product(*map(range, value.shape))]
    else:
        directions = [
            (None, np.array([rng.choice((-1.0, 1.0)) for _ in range(size)]).reshape(value.shape)) for _ in range(4)
        ]
    for index, direction in directions:
        got = float(np.sum(analytic * direction))
        estimate = along(direction)
        tolerance = 4 * estimate.error + rtol * max(scale, abs(estimate.value), 1e-6)
        if estimate.kinked and kink:
            low, high = sorted((estimate.left, estimate.right))
            slack = 4 * estimate.one_sided_error + rtol * max(abs(low), abs(high))
            if low - slack <= got <= high + slack:
                continue
        elif abs(got - estimate.value) <= tolerance and not _doubtful(estimate, scale):
            continue
        raise GradientError(_report(title, what, label, index, got, estimate, value, cotangents, leaves, call))


def _doubtful(estimate: Slope, scale: float) -> bool:
    """Whether the numerical derivative is too uncertain to agree with anything: a kink, or a jump."""
    return not math.isfinite(estimate.value) or estimate.error > 1e-3 * max(scale, abs(estimate.value), 1e-2)


def _unit(shape: Sequence[int], index: tuple[int, ...]) -> Any:
    direction = np.zeros(shape)
    direction[index] = 1.0
    return direction


def _report(
    title: str,
    what: str,
    label: str,
    index: tuple[int, ...] | None,
    got: float,
    estimate: Slope,
    value: Tensor,
    cotangents: list[Tensor],
    leaves: list[Tensor],
    call: Callable[..., tuple[Tensor, ...]],
) -> str:
    place = "along a random direction" if index is None else (f"at {label}{list(index)}" if index else f"at {label}")
    lines = [f"{title}: the {what} by {label} is wrong {place}"]
    if index is not None:
        lines.append(f"  {label}{list(index) if index else ''} = {float(value.detach().cpu().numpy()[index]):.6g}")
    lines.append(f"  analytic   {got: .9g}")
    lines.append(f"  numerical  {estimate.value: .9g}  (± {estimate.error:.1g})")
    lines.append(f"  from left  {estimate.left: .9g}, from right {estimate.right: .9g}")
    if estimate.value and math.isfinite(got / estimate.value) and not estimate.kinked:
        lines.append(f"  analytic / numerical = {got / estimate.value:.6g}{_hint(got / estimate.value)}")
    if estimate.kinked:
        lines.append(
            "  the function has a kink here: pass kink=True if any slope between left and right is meant to be right"
        )
    lines.append(f"  shapes: {label} {tuple(value.shape)}, cotangents {[tuple(c.shape) for c in cotangents]}")
    sources = _sources(call, leaves)
    if sources:
        lines.append("  formulas on the way:")
        lines += [f"    {s}" for s in sources]
    return "\n".join(lines)


def _hint(ratio: float) -> str:
    if abs(ratio + 1) < 1e-4:
        return "  (the sign)"
    if abs(ratio) < 1e-9:
        return "  (the gradient is missing)"
    for factor in (2, 3, 4, 5, 7, 8, 10):
        for r, text in ((factor, f"a factor {factor}"), (1 / factor, f"a factor 1/{factor}")):
            if abs(ratio - r) < 1e-4 * r:
                return f"  ({text})"
    return ""


def _sources(call: Callable[..., tuple[Tensor, ...]], leaves: list[Tensor]) -> list[str]:
    """Where the backward formulas stand that led from the result to the inputs."""
    seen: dict[str, None] = {}
    stack: list[Node | None] = [o._node for o in call(*leaves)]
    visited: set[int] = set()
    while stack and len(seen) < 6:
        node = stack.pop()
        if node is None or node.seq in visited:
            continue
        visited.add(node.seq)
        stack.extend(node.edges)
        if node.kind == OUTPUT or not hasattr(node, "backward"):
            continue
        try:
            backward = type(node).backward
            line = inspect.getsourcelines(backward)[1]
            path = inspect.getsourcefile(backward) or "?"
        except (OSError, TypeError):
            continue
        shown = os.path.join(*path.split(os.sep)[-2:])
        seen[f"{type(node).__name__}.backward  {shown}:{line}"] = None
    return list(seen)


def _check_precision(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    places: list[int],
    cotangents: list[Tensor],
    call: Callable[..., tuple[Tensor, ...]],
    values: list[Tensor],
    labels: list[str],
) -> None:
    """Inputs of lower precision: their gradient must have their type and agree with the shadow's to rounding."""
    if all(inputs[i].dtype is tg.float64 for i in places):
        return
    exact = _gradients(call, [v.clone().requires_grad_() for v in values], cotangents, False)
    given = [x.detach().clone().requires_grad_() if k in places else x for k, x in enumerate(inputs)]
    outs = _outputs(f(*given))
    leaves = [given[i] for i in places]
    pairs = [(o, c.to(o.dtype)) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    got = tg.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], allow_unused=True)
    for i, g, e in zip(places, got, exact, strict=True):
        if g is None or e is None:
            continue
        if g.dtype is not inputs[i].dtype:
            raise GradientError(
                f"{_title(f)}: the gradient by {labels[i]} is {g.dtype}, but {labels[i]} is {inputs[i].dtype}"
            )
        eps = 2.0**-23 if g.dtype is tg.float32 else 2.0**-10
        want = e.detach().cpu().numpy()
        size = float(np.max(np.abs(want), initial=0.0))
        off = float(np.max(np.abs(g.detach().double().cpu().numpy() - want), initial=0.0))
        if off > 2000 * eps * max(size, 1.0):
            raise GradientError(
                f"{_title(f)}: in {g.dtype} the gradient by {labels[i]} is off by {off:.3g} (largest value {size:.3g}), though its "
                "formula is right in float64: it loses precision"
            )
