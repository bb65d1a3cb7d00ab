"""An operation of your own, and its tests: run `pytest examples/test_your_own_function.py`.

The pinball loss, by which quantiles are learned: q·d for d = target - input ≥ 0, and (q - 1)·d below. It has a kink at 0.
Everything there is to know about it stands in one OpSpec; docs/testing.md explains what is made of it. Break a line of
`backward`, and see what the tests say.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import Bad, OpSpec, battery, check_gradients, mutation_score
from tinygrad_edu.testing import strategies as some

QUANTILE = 0.8


class Pinball(tg.Function):
    """The loss of each element, and how it changes with the input and the target."""

    def __init__(self, q: float) -> None:
        if not 0 < q < 1:
            raise ValueError(f"Pinball: the quantile must lie between 0 and 1, got {q}")
        self.q = q

    def forward(self, input, target):
        self.save_for_backward(input, target)
        difference = target - input
        return (difference >= 0) * difference - (1 - self.q) * difference

    def backward(self, g):  # gets arrays, or tensors where the derivative is itself differentiated
        input, target = self.saved_tensors
        by_target = (target >= input) * g - (1 - self.q) * g
        return -by_target, by_target


def pinball(input: tg.Tensor, target: tg.Tensor, q: float = QUANTILE) -> tg.Tensor:
    return Pinball(q)(input, target)


# Five lines are a test:
def test_pinball():
    check_gradients(pinball, tg.tensor([0.0, 3.0]), tg.tensor([1.0, 2.0]))


# And this is a complete one:
def apart(case):
    """Input and target that do not meet: no kink."""
    x, y = case
    return x, tg.where(x == y, y + 1, y)


PAIRS = some.shapes().flatmap(lambda shape: st.tuples(some.tensors(shape), some.tensors(shape)))

SPEC = OpSpec(
    "pinball",
    pinball,
    inputs=PAIRS.map(apart),
    kinks=some.tensors().map(lambda x: (x, x.clone())),
    convention=lambda g, x, y: (-QUANTILE * g, QUANTILE * g),  # where both are equal, the target counts as above
    reference=lambda x, y: np.maximum(QUANTILE * (y - x), (QUANTILE - 1) * (y - x)),
    errors=[Bad(lambda: (tg.ones(1), tg.ones(1), 1.5), ValueError, "between 0 and 1")],
)

test_battery = battery(SPEC)


def test_the_tests_are_good():
    score = mutation_score(SPEC)
    assert score.planted > 40 and not score.survived, str(score)
