"""Several cotangents for the same outputs, side by side along a first dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe


def row_by_row(
    grad: Callable[..., Any], outputs: Any, inputs: Any, cotangents: list[Any], retain: bool, settings: tuple[Any, ...]
) -> tuple[Any, ...]:
    """What ``grad`` gives for each slice of the cotangents, stacked; None stays None.

    Raises
    ------
    ValueError
        When a cotangent is left out, or they have not the same number of slices, at least one.
    """
    from tinygrad_edu.ops.joining import stack

    if any(not isinstance(v, function.Tensor) or not v.shape for v in cotangents):
        raise ValueError(
            f"grad: is_grads_batched takes a cotangent with a first dimension for each output, got {describe(tuple(cotangents))}"
        )
    counts = sorted({len(v) for v in cotangents})
    if len(counts) != 1 or not counts[0]:
        raise ValueError(f"grad: batched cotangents must have the same number of slices, at least one, got {counts}")
    (n,) = counts
    rows = [grad(outputs, inputs, [v[i] for v in cotangents], retain or i < n - 1, *settings) for i in range(n)]
    return tuple(None if column[0] is None else stack(column) for column in zip(*rows, strict=True))
