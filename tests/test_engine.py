"""The walk over the graph: order, cost, accumulation, hooks, and what is refused."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import TwoResults, leaf, same

import tinygrad_edu as tg
from tinygrad_edu.autograd import grad

# Size ------------------------------------------------------------------------------------------------------------------


def chain(n: int, step: Callable[[tg.Tensor], tg.Tensor]) -> tuple[tg.Tensor, tg.Tensor]:
    x = leaf(0.5)
    y = x
    for _ in range(n):
        y = step(y)
    return x, y


def sums(n: int) -> tuple[tg.Tensor, tg.Tensor]:
    x = leaf(0.5)
    y = x
    for _ in range(n):
        y = y + x
    return x, y


def joined(n: int) -> tuple[tg.Tensor, tg.Tensor]:
    x = leaf(0.5)
    return x, tg.stack([x * 1.0 for _ in range(n)]).sum()


CHAINS: dict[str, tuple[Callable[[int], tuple[tg.Tensor, tg.Tensor]], int]] = {
    "chain": (lambda n: chain(n, lambda y: y + 1.0), 1_000_000),
    "chain that keeps values": (lambda n: chain(n, tg.sin), 300_000),
    "chain of views": (lambda n: chain(n, lambda y: y.reshape(())), 100_000),
    "chain of functions of users": (lambda n: chain(n, lambda y: TwoResults.apply(y)[0]), 20_000),
    "fan-in by sums": (sums, 100_000),
    "fan-in by one operation": (joined, 100_000),
}


def seconds(build: Callable[[int], tuple[tg.Tensor, tg.Tensor]], n: int) -> float:
    """Processor time to build a graph, to walk over it, and to free it."""
    gc.collect()
    start = time.process_time()
    x, y = build(n)
    y.backward()
    del y
    took = time.process_time() - start
    assert x.grad is not None and np.isfinite(x.grad.item())
    return took


@pytest.mark.parametrize("name", CHAINS)
def test_ten_times_the_nodes_take_some_ten_times_the_time(name: str) -> None:
    """Quadratic time would take a hundred times as long."""
    build, _ = CHAINS[name]
    small = min(seconds(build, 1_000) for _ in range(3))
    assert seconds(build, 10_000) < 40 * small + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_a_graph_of_great_size_is_walked_in_linear_time_and_freed(name: str) -> None:
    build, n = CHAINS[name]
    assert seconds(build, n) < 40 * seconds(build, n // 10) + 0.5


@pytest.mark.parametrize("name", CHAINS)
def test_a_long_graph_that_nobody_walked_is_freed(name: str, no_collector: None) -> None:
    """Freeing node after node must not nest calls: the C stack would overflow."""
    build, n = CHAINS[name]
    build(min(n, 100_000))


def test_a_deep_graph_under_create_graph() -> None:
    x, y = chain(20_000, lambda y: y * 1.0 + 0.0)
    (g,) = grad(y * y, x, create_graph=True)
    (h,) = grad(g, x)
    same(h, 2.0)


def test_the_gradient_of_a_wide_sum_is_exact() -> None:
    x, y = sums(10_000)
    y.backward()
    same(x.grad, 10_001.0)


def test_shared_nodes_are_visited_once() -> None:
    """A ladder of 60 doublings has 2⁶⁰ paths."""
    visits = []

    class Watched(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 1

        def backward(self, g: Any) -> Any:
            visits.append(1)
            return g

    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = Watched.apply(y)
        y = y + y
    y.backward()
    assert len(visits) == 60
    same(x.grad, 2.0**60)
