"""Optimizer rules on any array library: parameter by parameter, or, where a call costs more than its work, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Array = Any
Rule = Callable[..., tuple[Array, ...]]

# Up to how many elements an array is small, so that copying it beside others costs less than the calls that this saves: on a card
# a call costs what a megabyte of traffic does.
SMALL = 1 << 11
SMALL_ON_A_CARD = 1 << 18


def apply(xp: Any, rule: Rule, held: list[list[Array]], elementwise: bool) -> None:
    """See ``Backend.apply_rule``."""
    limit = SMALL_ON_A_CARD if xp.lazy else SMALL
    small = [arrays for arrays in held if math.prod(arrays[0].shape) < limit] if elementwise and xp.mutable else []
    if len(small) > 1:
        _side_by_side(xp, rule, small)
    else:
        small = []
    done = set(map(id, small))
    for arrays in held:
        if id(arrays) not in done:
            _keep(xp, arrays, rule(*arrays))


def _side_by_side(xp: Any, rule: Rule, held: list[list[Array]]) -> None:
    """Run an elementwise rule on parameters joined to one array."""
    results = rule(*[xp.concat([xp.reshape(a, (-1,)) for a in column]) for column in zip(*held, strict=True)])
    lo = 0
    for arrays in held:
        hi = lo + math.prod(arrays[0].shape)
        _keep(xp, arrays, tuple(xp.reshape(result[lo:hi], tuple(arrays[0].shape)) for result in results))
        lo = hi


def _keep(xp: Any, arrays: list[Array], results: tuple[Array, ...]) -> None:
    """Put what a rule returned in place of the old values, unless it is there already."""
    for i, result in zip([0, *range(2, len(arrays))], results, strict=True):
        if result is not arrays[i]:
            arrays[i] = xp.write(arrays[i], result) if xp.mutable else result
