"""What a failed gradient check says: which element, which values, where the formula stands."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import Tensor
from tinygrad_edu.node import OUTPUT, Node

if TYPE_CHECKING:
    from tinygrad_edu.testing.levels import Judgement

_MOST_FORMULAS = 6


class GradientError(AssertionError):
    """A derivative is wrong; the message is a report."""


class Place(NamedTuple):
    """Which element of which input, and of which result where one was picked; None along a random direction."""

    input: int | None
    element: tuple[int, ...] | None
    result: str | None


def where(label: str, index: Sequence[int]) -> str:
    """An element in writing: ``x[0, 2]``, or ``x`` of a single number."""
    return f"{label}[{', '.join(map(str, index))}]" if len(index) else label


def disagreement(
    name: str,
    what: str,
    labels: Sequence[str],
    values: Sequence[Any],
    cotangents: Sequence[Any],
    place: Place,
    judgement: Judgement,
    sources: str,
) -> str:
    """The report of an analytic derivative that is not the numerical one."""
    got, value = judgement.got, judgement.value
    if place.input is None or place.element is None:
        lines = [f"{name}: the {what} is wrong along a random direction"]
    else:
        at = where(labels[place.input], place.element)
        of = f" of {place.result}" if place.result else ""
        lines = [f"{name}: the {what}{of} by {at} is wrong", f"  at {at} = {values[place.input][place.element]:.6g}"]
    lines.append(f"  analytic   {got: .9g}")
    lines.append(f"  numerical  {value: .9g}  (± {judgement.error:.1g})")
    left, right = judgement.sides
    lines.append(f"  from left  {left: .9g}, from right {right: .9g}")
    if judgement.kinked:
        lines.append(
            "  the function has a kink here, and the analytic value is not between its sides"
            if judgement.kink
            else "  the function has a kink here: pass kink=True if any slope between left and right is meant to be right"
        )
    elif not judgement.error <= 1e-3 * max(judgement.scale, abs(value), 1e-2):
        lines.append(
            "  no step size gives a reliable numerical derivative: does the function jump, or draw random numbers?"
        )
    elif value and math.isfinite(got / value):
        lines.append(f"  analytic / numerical = {got / value:.6g}{_hint(got / value)}")
    shapes = ", ".join(f"{label} {tuple(v.shape)}" for label, v in zip(labels, values, strict=True))
    lines.append(f"  shapes: {shapes}; random cotangents {', '.join(str(tuple(c.shape)) for c in cotangents)}")
    return "\n".join(lines) + "\n" + sources


def recorded(name: str, what: str, label: str, index: tuple[int, ...], plain: float, graph: float, sources: str) -> str:
    """The report of a gradient that is another one under create_graph."""
    ratio = f"\n  recorded / plain = {graph / plain:.6g}{_hint(graph / plain)}" if plain else ""
    return (
        f"{name}: with create_graph=True the {what} by {where(label, index)} is another one\n  plain     {plain: .9g}\n"
        f"  recorded  {graph: .9g}{ratio}\n{sources}"
    )


def _hint(ratio: float) -> str:
    """What a ratio of two derivatives suggests."""
    if abs(ratio + 1) < 1e-4:
        return "  (the sign)"
    if abs(ratio) < 1e-9:
        return "  (the gradient is missing)"
    simple = Fraction(ratio).limit_denominator(12)
    if simple and abs(simple) <= 12 and simple != 1 and abs(ratio - simple) < 1e-4 * abs(simple):
        return f"  (a factor {simple})"
    return ""


def formulas(call: Callable[..., tuple[Tensor, ...]], leaves: list[Tensor]) -> str:
    """Where the backward formulas stand that led from the result to the inputs."""
    seen: dict[str, None] = {}
    stack: list[Node | None] = [o._node for o in call(*leaves)]
    visited: set[int] = set()
    while stack and len(seen) < _MOST_FORMULAS:
        node = stack.pop()
        if node is None or node.seq in visited:
            continue
        visited.add(node.seq)
        stack.extend(node.edges)
        if node.kind != OUTPUT and hasattr(node, "backward"):
            seen[source_line(type(node))] = None
    return "\n".join(["  formulas on the way:", *(f"    {s}" for s in seen)]) if seen else ""


def source_line(cls: type) -> str:
    """Where the backward of a node stands: ``Exp.backward  ops/elementwise.py:120``."""
    backward = inspect.unwrap(cls.backward)  # type: ignore[attr-defined]
    code = getattr(backward, "__code__", None)
    if code is None:
        return f"{cls.__name__}.backward"
    shown = "/".join(code.co_filename.split(os.sep)[-2:])
    return f"{cls.__name__}.backward  {shown}:{code.co_firstlineno}"
