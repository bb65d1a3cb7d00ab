"""A search along a line for a step that fulfils the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from tinygrad_edu.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the line: how far along it, the function's value and gradient, and its slope along the line."""

    t: float
    f: float
    g: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    reach: float,
    *,
    tolerance_change: float,
    max_evaluations: int,
    decrease: float = 1e-4,
    curvature: float = 0.9,
) -> tuple[Point, int]:
    """A step with f(t) ≤ f(0) + c₁ t f'(0) and |f'(t)| ≤ c₂ |f'(0)|, or the best within the limits.

    Steps grow until such a step, or an interval that holds one, is found; then the interval shrinks around it. New steps are
    minima of the cubic through values and slopes of two points.
    Source: Nocedal and Wright, Numerical optimization, 2nd edition, 2006, algorithms 3.5 and 3.6.

    Parameters
    ----------
    evaluate : callable
        The point at a distance.
    start : Point
        At distance 0; its slope is negative.
    t : float
        The first step to try.
    reach : float
        The largest element of the direction, to say when an interval is too small to matter.
    tolerance_change : float
        How small that is.
    max_evaluations : int
        Of the function, beyond the first.

    Returns
    -------
    Point, int
        The step and the number of evaluations.
    """

    def low_enough(p: Point) -> bool:
        return p.f <= start.f + decrease * p.t * start.slope

    def flat_enough(p: Point) -> bool:
        return abs(p.slope) <= -curvature * start.slope

    point, before, tried = evaluate(t), start, 0
    while tried < max_evaluations:
        if not low_enough(point) or (tried > 1 and point.f >= before.f):
            break
        if flat_enough(point):
            return point, tried + 1
        if point.slope >= 0:
            break
        t = minimum_of_cubic(before, point, (point.t + 0.01 * (point.t - before.t), point.t * 10))
        before, point = point, evaluate(t)
        tried += 1
    if tried == max_evaluations:
        before = replace(start, t=0.0)

    low, high = (point, before) if point.f < before.f else (before, point)  # a point where f is no number is high
    stuck = False
    while tried < max_evaluations and abs(high.t - low.t) * reach >= tolerance_change:
        left, right = sorted((low.t, high.t))
        t = minimum_of_cubic(low, high, (left, right))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or t >= right or t <= left:  # a second time close to the same end: go away from it
            t = right - margin if right - t < t - left else left + margin
            stuck = False
        else:
            stuck = True
        point = evaluate(t)
        tried += 1
        if not low_enough(point) or point.f >= low.f:
            low, high = (point, low) if point.f < low.f else (low, point)
            continue
        if flat_enough(point):
            return point, tried + 1
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, tried + 1


def minimum_of_cubic(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through the values and slopes of two points has its minimum, within bounds; else their middle."""
    if a.t > b.t:
        a, b = b, a
    left, right = bounds
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (left + right) / 2
    d2 = math.sqrt(square)
    bottom = b.slope - a.slope + 2 * d2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bottom) if bottom else math.nan
    return (left + right) / 2 if math.isnan(t) else min(max(t, left), right)
