"""Counting the multiply-adds of what is computed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu._state import modes
from tinygrad_edu.grad_mode import Mode

__all__ = ["RULES", "count_multiply_adds"]

Rule = Callable[[Sequence[Any], Sequence[Any]], int]


def _size(x: Any) -> int:
    return math.prod(x.shape)


def _each_output(by: int) -> Rule:
    """Each element of the result is a sum over the rest of the weight's dimensions, argument number ``by``."""
    return lambda args, outs: _size(outs[0]) * math.prod(args[by].shape[1:])


def _each_input(by: int) -> Rule:
    """Each element of argument 0 is spread over the rest of the weight's dimensions, argument number ``by``."""
    return lambda args, outs: _size(args[0]) * math.prod(args[by].shape[1:])


def _matmul(args: Sequence[Any], outs: Sequence[Any]) -> int:
    return _size(outs[0]) * args[0].shape[-1]


def _contract(args: Sequence[Any], outs: Sequence[Any]) -> int:
    x, y, x_labels, y_labels = args[:4]
    return math.prod(dict(zip((*x_labels, *y_labels), (*x.shape, *y.shape), strict=True)).values())


def _recurrent(states: int) -> Rule:
    """Each step of each sequence multiplies both weights, which follow the input and the ``states``."""
    return lambda args, outs: math.prod(args[0].shape[:2]) * (_size(args[1 + states]) + _size(args[2 + states]))


# How many multiply-adds an operation takes, from its arguments and results, by its name; others take none.
RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "linear": _each_output(1),
    "contract": _contract,
    **{f"conv{n}d": _each_output(1) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _each_input(1) for n in (1, 2, 3)},
    "rnn_tanh": _recurrent(1),
    "rnn_relu": _recurrent(1),
    "gru": _recurrent(1),
    "lstm": _recurrent(2),
}


class count_multiply_adds(Mode):
    """Count the multiply-adds of matrix products, convolutions and recurrent layers in a ``with`` block.

    A product of (n, k) and (k, m) takes n · k · m of them; elementwise work and sums are not counted. One multiply-add is two
    floating-point operations. Only what is called forwards counts, no backward pass.

    Attributes
    ----------
    total : int
        The multiply-adds so far.
    by_operation : Counter
        The same by the operation's name.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> with tg.count_multiply_adds() as count:
    ...     _ = tg.ones(2, 3) @ tg.ones(3, 4)
    >>> count.total
    24
    """

    def __init__(self) -> None:
        self.by_operation: Counter[str] = Counter()
        self._outer = modes.observe
        self.settings = {"observe": self._observe}

    def __enter__(self) -> count_multiply_adds:  # type: ignore[override]
        self._outer = modes.observe
        super().__enter__()
        return self

    @property
    def total(self) -> int:
        return sum(self.by_operation.values())

    def _observe(self, node: Any, outs: Sequence[Any], args: Sequence[Any]) -> None:
        rule = RULES.get(node.name)
        if rule is not None:
            self.by_operation[node.name] += rule(args, outs)
        if self._outer is not None:
            self._outer(node, outs, args)
