"""The walk over the graph: order, cost, accumulation, hooks, and what is refused."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import TwoResults, TwoResultsStatic, leaf, on_memory_that_is_written, same

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


# A graph is walked once ------------------------------------------------------------------------------------------------


def test_a_second_backward_says_how_to_keep_the_graph() -> None:
    x = leaf(1.0, 2.0)
    y = (x.exp() * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"exp kept were released.*retain_graph=True"):
        y.backward()
    same(x.grad, 2 * np.exp([1.0, 2.0]))


def test_a_graph_that_is_kept_is_walked_any_number_of_times() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp().sum()
    for _ in range(3):
        y.backward(retain_graph=True)
    y.backward()
    same(x.grad, 4 * np.exp([1.0, 2.0]))


def test_create_graph_keeps_the_graph_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x**3
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="released"):
        grad(y, x)


def test_nodes_that_keep_nothing_can_be_walked_again() -> None:
    x = leaf(2.0)
    y = x + 1
    y.backward()
    y.backward()
    same(x.grad, 2.0)


@on_memory_that_is_written
def test_a_failed_backward_changes_no_gradient() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0)
    h = x.exp()
    y = (h * h * w).sum()
    h.zero_()
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()
    assert x.grad is None and w.grad is None
    assert tg.is_grad_enabled()


# What backward takes and where gradients arrive ------------------------------------------------------------------------


def test_backward_takes_a_cotangent() -> None:
    x = leaf(1.0, 2.0, 3.0)
    (x * x).backward(tg.tensor([1.0, -1.0, 0.5], dtype=tg.float64))
    same(x.grad, [2.0, -4.0, 3.0])


def test_a_cotangent_may_be_of_another_type_of_number() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(tg.tensor([1.0, -1.0]))
    assert x.grad is not None and x.grad.dtype is tg.float64


def test_a_cotangent_may_be_left_out_for_one_element_only() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"left out only for a tensor with one element.*shape \(2,\)"):
        (x * x).backward()
    (x[:1] * x[:1]).backward()
    same(x.grad, [2.0, 0.0])


@pytest.mark.parametrize("shape", [(), (1,), (2, 1), (3,)])
def test_a_cotangent_has_the_shape_of_the_result(shape: tuple[int, ...]) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=rf"gradient has shape {re.escape(str(shape))}, the tensor \(2,\)"):
        (x * x).backward(tg.ones(shape))


def test_several_results_at_once() -> None:
    x = leaf(1.0, 2.0)
    tg.autograd.backward([(x * x).sum(), x * 3], [None, tg.tensor([1.0, 10.0])])
    same(x.grad, [5.0, 34.0])
    with pytest.raises(ValueError, match="2 tensors but 1 gradients"):
        tg.autograd.backward([x.sum(), x.sum()], [tg.tensor(1.0)])


def test_one_result_named_twice_counts_twice() -> None:
    x = leaf(3.0)
    y = x * x
    tg.autograd.backward([y, y])
    same(x.grad, 12.0)


def test_a_result_that_is_also_on_the_way_to_another() -> None:
    x = leaf(3.0)
    y = x * x
    tg.autograd.backward([y, y * y], retain_graph=True)
    same(x.grad, 6.0 + 4 * 27.0)


def test_backward_of_a_leaf() -> None:
    x = leaf(3.0)
    x.backward()
    x.backward(tg.tensor(2.0))
    same(x.grad, 3.0)


def test_backward_without_anything_to_differentiate() -> None:
    with pytest.raises(RuntimeError, match=r"does not require a gradient.*requires_grad=True"):
        tg.tensor(1.0).backward()
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        leaf(1.0).exp().detach().backward()
    with tg.no_grad():
        y = leaf(1.0).exp()
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        y.backward()


def test_backward_for_chosen_inputs() -> None:
    x, w = leaf(2.0), leaf(3.0)
    h = x * w
    y = h * h
    y.backward(inputs=[x, h], retain_graph=True)
    same(x.grad, 2 * 6.0 * 3.0)
    same(h.grad, 12.0)
    assert w.grad is None
    y.backward(inputs=w)
    same(w.grad, 2 * 6.0 * 2.0)
    with pytest.raises(ValueError, match="inputs is empty"):
        (x * x).backward(inputs=[])


def test_an_input_named_twice_gets_its_gradient_once() -> None:
    x = leaf(2.0)
    (x * x).backward(inputs=[x, x])
    same(x.grad, 4.0)


def test_an_input_that_is_not_reached_gets_nothing() -> None:
    x, other = leaf(2.0), leaf(1.0)
    (x * x).backward(inputs=[other])
    assert x.grad is None and other.grad is None


def test_a_backward_that_stops_early_leaves_the_rest_of_the_graph() -> None:
    """What lies below the inputs that were asked for is not walked, so its values are not released."""
    x = leaf(2.0)
    h = x.exp()
    y = h * h
    (g,) = grad(y, h)
    same(g, 2 * np.exp(2.0))
    h.backward()
    same(x.grad, np.exp(2.0))


def test_gradients_of_a_leaf_add_up() -> None:
    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    same(x.grad, [4.0, 6.0])
    assert x.grad is first  # in place, so that an optimizer's reference stays good
    x.grad = None
    x.sum().backward()
    same(x.grad, [1.0, 1.0])
    same(first, [4.0, 6.0])


def test_gradients_add_up_under_create_graph() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    assert x.grad is not None
    same(x.grad, 12.0 + 4.0)
    (g,) = grad(x.grad, x)
    same(g, 12.0 + 2.0)


def test_a_gradient_that_was_assigned_is_checked() -> None:
    x = leaf(1.0, 2.0)
    x.grad = tg.tensor([5.0, 5.0], dtype=tg.float64)
    x.sum().backward()
    same(x.grad, [6.0, 6.0])
    with pytest.raises(RuntimeError, match=r"expected float64\[2\].*got float64\[3\]"):
        x.grad = tg.zeros(3, dtype=tg.float64)
    with pytest.raises(RuntimeError, match="got float32"):
        x.grad = tg.zeros(2)
    with pytest.raises(TypeError, match="expected a Tensor or None, got float"):
        x.grad = 1.0  # type: ignore[assignment]


def test_only_leaves_get_a_gradient() -> None:
    x = leaf(2.0)
    h = x * 3
    h.exp().backward()
    assert h.grad is None and x.grad is not None


def test_float32_stays_float32() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = (x.exp() * 2.0 + x / 3).mean()
    y.backward()
    assert x.grad is not None and y.dtype is tg.float32 and x.grad.dtype is tg.float32


def test_each_argument_gets_a_gradient_of_its_type() -> None:
    x, w = tg.tensor([1.0, 2.0], requires_grad=True), leaf(3.0, 4.0)
    (x * w).sum().backward()
    assert x.grad is not None and w.grad is not None
    assert x.grad.dtype is tg.float32 and w.grad.dtype is tg.float64


# Cotangents and gradients are nobody else's ----------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[tg.Tensor, tg.Tensor], tg.Tensor]] = {
    "add": lambda x, w: x + w,
    "sub": lambda x, w: x - w,
    "mul": lambda x, w: x * w,
    "clone": lambda x, w: x.clone() + w * 0,
    "view": lambda x, w: x.reshape(4).reshape(2, 2) + w * 0,
    "transpose": lambda x, w: (x.t() + w).t(),
    "cat": lambda x, w: tg.cat([x, w])[1:3],
    "stack": lambda x, w: tg.stack([x, w])[:, 0],
    "sum": lambda x, w: (x + w).sum(0, keepdim=True) + tg.zeros(2, 2, dtype=tg.float64),
    "the same twice": lambda x, w: x + x + w,
    "expand": lambda x, w: x[0].expand(2, 2) + w,
    "setitem": lambda x, w: written(x, w),
    "unbind": lambda x, w: tg.stack(list(x.unbind(0)), 1) + w,
    "where": lambda x, w: tg.where(x > 0, x, w),
    "index": lambda x, w: x[tg.tensor([0, 0])] + w,
    "functions of users": lambda x, w: TwoResults.apply(x)[0] + TwoResultsStatic.apply(w)[1],
    "user's identity": lambda x, w: Through.apply(x) + ThroughStatic.apply(w),
}


class Through(tg.Function):
    def forward(self, x: Any) -> Any:
        return x * 1

    def backward(self, g: Any) -> Any:
        return g


class ThroughStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


def written(x: tg.Tensor, w: tg.Tensor) -> tg.Tensor:
    y = x.clone()
    y[0] = w[1]
    return y


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_gradient_shares_memory_with_a_cotangent_an_argument_or_another_gradient(
    name: str, create_graph: bool
) -> None:
    x = tg.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=tg.float64, requires_grad=True)
    w = tg.tensor([[0.5, 1.5], [2.5, -3.5]], dtype=tg.float64, requires_grad=True)
    out = OPERATIONS[name](x, w)
    v = tg.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=tg.float64)
    before = [t.detach().numpy().copy() for t in (x, w, v, out)]
    out.backward(v, create_graph=create_graph)
    arrays = [t.detach().numpy() for t in (x, w, v, out, x.grad, w.grad) if t is not None]
    for array, old in zip(arrays, before, strict=False):
        np.testing.assert_array_equal(array, old)
    for i, a in enumerate(arrays):
        for b in arrays[:i]:
            if not (a is arrays[3] or b is arrays[3]):  # a result may be a view of an argument
                assert not np.shares_memory(a, b)
    # and a second pass adds to the gradients without reaching anything else
    kept = [a.copy() for a in arrays]
    OPERATIONS[name](x, w).backward(v)
    for a, old in zip(arrays[:4], kept, strict=False):
        np.testing.assert_array_equal(a, old)
    same(x.grad, 2 * kept[4])


def test_one_cotangent_that_reaches_two_leaves_makes_two_gradients() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + w).backward(tg.tensor([5.0, 7.0], dtype=tg.float64))
    assert x.grad is not None and w.grad is not None
    x.grad.zero_()
    same(w.grad, [5.0, 7.0])
    a, b = grad((x + w).sum(), [x, w])
    a += 1
    same(b, [1.0, 1.0])
    (a,) = grad(x.sum(), [x])
    a += 1
    first, second = grad((x * 2).sum(), [x, x])
    first.zero_()
    same(second, [2.0, 2.0])


def test_the_gradient_of_a_leaf_on_its_own_is_no_alias_of_the_cotangent() -> None:
    x = leaf(1.0, 2.0)
    v = tg.tensor([3.0, 4.0], dtype=tg.float64)
    x.backward(v)
    assert x.grad is not None
    x.grad.zero_()
    same(v, [3.0, 4.0])


# grad ------------------------------------------------------------------------------------------------------------------


def test_grad_touches_no_grad() -> None:
    x = leaf(2.0)
    (g,) = grad(x**2, x)
    same(g, 4.0)
    assert x.grad is None and not g.requires_grad


def test_grad_with_respect_to_results() -> None:
    x = leaf(2.0)
    h = x**2
    y = h**2 + x
    gh, gx, gy = grad(y, [h, x, y])
    same(gh, 8.0)
    same(gx, 8.0 * 4.0 + 1.0)
    same(gy, 1.0)


def test_grad_of_inputs_that_are_not_used() -> None:
    x, other = leaf(2.0), leaf(1.0, 2.0)
    y = x**2
    with pytest.raises(RuntimeError, match=r"do not depend on input 1 \(shape \(2,\)\).*allow_unused=True"):
        grad(y, [x, other], retain_graph=True)
    a, b = grad(y, [x, other], allow_unused=True, retain_graph=True)
    same(a, 4.0)
    assert b is None
    _, b = grad(y, [x, other], materialize_grads=True, retain_graph=True)
    same(b, [0.0, 0.0])


def test_contradicting_arguments_use_up_nothing() -> None:
    x = leaf(2.0)
    y = x**2
    with pytest.raises(ValueError, match="contradicts"):
        grad(y, [x], materialize_grads=True, allow_unused=False)
    same(grad(y, x)[0], 4.0)


def test_grad_of_what_needs_no_gradient() -> None:
    x, c = leaf(2.0), tg.tensor(1.0)
    with pytest.raises(RuntimeError, match=r"input 0 .*does not require a gradient"):
        grad(x**2, c)
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        grad(c, x)
    with pytest.raises(TypeError, match="expected a Tensor as input 0, got float"):
        grad(x**2, [1.0])  # type: ignore[list-item]


def test_grad_of_several_outputs() -> None:
    x = leaf(1.0, 2.0)
    (g,) = grad([x * x, x.sum()], x, [tg.tensor([1.0, -1.0]), None])
    same(g, [3.0, -3.0])


def test_grad_visits_only_what_lies_between() -> None:
    visits: list[str] = []

    class Watched(tg.Function):
        def __init__(self, name: str) -> None:
            self.label = name

        def forward(self, x: Any) -> Any:
            return x * 1

        def backward(self, g: Any) -> Any:
            visits.append(self.label)
            return g

    x, w = leaf(1.0), leaf(2.0)
    y = Watched("x")(x) * Watched("w")(w)
    grad(y, x)
    assert visits == ["x"]


# Results that are not used ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [TwoResults, TwoResultsStatic])
def test_unused_results_of_a_function_count_as_zero(function: Any) -> None:
    x = leaf(2.0)
    square, cube = function.apply(x)
    same(grad(square, x, retain_graph=True)[0], 4.0)
    same(grad(cube, x, retain_graph=True)[0], 12.0)
    (g,) = grad(square * cube, x, create_graph=True)
    same(g, 5 * 16.0)
    (h,) = grad(g, x, create_graph=True)
    same(h, 20 * 8.0)
    same(grad(h, x)[0], 60 * 4.0)


def test_a_result_that_outlives_its_siblings() -> None:
    x = leaf(2.0)
    cube = TwoResults.apply(x)[1]
    cube.backward()
    same(x.grad, 12.0)


def test_values_without_indices() -> None:
    x = leaf(3.0, 1.0, 2.0)
    values, indices = x.max(0)
    values.backward()
    same(x.grad, [1.0, 0.0, 0.0])
    assert not indices.requires_grad


def test_unused_chunks() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    (x.chunk(2)[1] * 2).sum().backward()
    same(x.grad, [0.0, 0.0, 2.0, 2.0])


# Hooks -----------------------------------------------------------------------------------------------------------------


def test_a_hook_sees_the_gradient_of_a_result() -> None:
    x = leaf(2.0)
    h = x * 3
    seen: list[tg.Tensor] = []
    h.register_hook(lambda g: seen.append(g))
    (h * h).backward()
    same(seen[0], 12.0)
    same(x.grad, 36.0)


def test_a_hook_sees_the_whole_gradient_once() -> None:
    x = leaf(2.0)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3 + x).backward()
    assert seen == [6.0]


def test_a_hook_replaces_the_gradient() -> None:
    x = leaf(2.0)
    h = x * 3
    h.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: g + 1)
    h.backward()
    same(x.grad, 33.0)


def test_a_hook_on_a_leaf_changes_what_arrives_not_what_was_there() -> None:
    x = leaf(2.0)
    x.sum().backward()
    x.register_hook(lambda g: g * 5)
    x.sum().backward()
    same(x.grad, 6.0)


def test_a_removed_hook_is_silent() -> None:
    x = leaf(2.0)
    handle = x.register_hook(lambda g: g * 5)
    handle.remove()
    handle.remove()
    with x.register_hook(lambda g: g * 7):
        x.sum().backward()
    x.sum().backward()
    same(x.grad, 8.0)


def test_a_hook_that_removes_itself() -> None:
    x = leaf(2.0)
    handle = x.register_hook(lambda g: handle.remove())
    x.register_hook(lambda g: g * 2)
    x.backward()
    x.backward()
    same(x.grad, 4.0)


def test_hooks_work_with_grad_and_inside_the_graph_of_a_derivative() -> None:
    x = leaf(2.0)
    h = x * x
    h.register_hook(lambda g: g * x)
    (g,) = grad(h, x, create_graph=True)  # 2 x · x
    same(g, 8.0)
    same(grad(g, x)[0], 8.0)


def test_a_hook_that_returns_rubbish() -> None:
    x = leaf(1.0, 2.0)
    with x.register_hook(lambda g: 3.0), pytest.raises(TypeError, match="Tensor or None, got float"):  # type: ignore[arg-type, return-value]
        x.sum().backward()
    with x.register_hook(lambda g: g[:1]), pytest.raises(RuntimeError, match=r"shape \(1,\).*\(2,\)"):
        x.sum().backward()
    assert x.grad is None


def test_an_exception_of_a_hook_comes_through() -> None:
    x = leaf(1.0)

    def fail(g: tg.Tensor) -> None:
        raise KeyError("mine")

    x.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        x.exp().backward()
    assert tg.is_grad_enabled() and x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_hook_that_writes_on_the_gradient_harms_nobody_else(create_graph: bool) -> None:
    x, w = leaf(1.0), leaf(2.0)
    h = x + w

    def write(g: tg.Tensor) -> None:
        g.mul_(0)

    h.register_hook(write)
    v = tg.tensor(1.0, dtype=tg.float64)
    (h + x).backward(v, create_graph=create_graph)
    same(v, 1.0)
    same(w.grad, 1.0)
    same(x.grad, 2.0)


def test_retain_grad_keeps_the_gradient_of_a_result() -> None:
    x = leaf(2.0)
    h = x * 3
    h.retain_grad()
    h.retain_grad()
    h.register_hook(lambda g: g * 2)  # what is kept is what goes on
    (h * h).backward()
    same(h.grad, 24.0)
    same(x.grad, 72.0)
    x.retain_grad()  # of a leaf it is kept anyway
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        tg.tensor(1.0).retain_grad()


def test_a_write_leaves_hooks_with_the_old_value_and_takes_retain_grad_along() -> None:
    x = leaf(2.0, 1.0)
    h = x * 3
    before: list[Any] = []
    after: list[Any] = []
    h.register_hook(lambda g: before.append(g.tolist()))
    h.retain_grad()
    h.mul_(5)
    h.register_hook(lambda g: after.append(g.tolist()))
    (h * h).sum().backward()
    assert before == [[300.0, 150.0]] and after == [[60.0, 30.0]]
    same(h.grad, [60.0, 30.0])
    same(x.grad, [900.0, 450.0])


def test_hooks_on_each_result_of_a_function() -> None:
    x = leaf(2.0)
    square, cube = TwoResults.apply(x)
    square.register_hook(lambda g: g * 10)
    cube.retain_grad()
    (square + 3 * cube).backward()
    same(cube.grad, 3.0)
    same(x.grad, 10 * 4.0 + 3 * 12.0)


def test_a_hook_needs_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="register_hook: this tensor does not require a gradient"):
        tg.tensor(1.0).register_hook(lambda g: None)


# Leaving and entering the graph ----------------------------------------------------------------------------------------


def test_detach_is_the_same_memory_without_history() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert not d.requires_grad and d.is_leaf and d.grad_fn is None
    if d.device == "cpu":
        assert np.shares_memory(d.numpy(), y.detach().numpy())
    (y * d).sum().backward()  # d is a constant: d/dx 2x·c = 2c
    same(x.grad, [4.0, 8.0])


def test_detach_in_place() -> None:
    x = leaf(2.0)
    y = x * 2
    assert y.detach_() is y
    assert not y.requires_grad
    y.requires_grad_()
    (y * y).backward()
    same(y.grad, 8.0)
    assert x.grad is None


def test_requires_grad() -> None:
    x = tg.tensor([1.0, 2.0])
    assert not x.requires_grad and x.requires_grad_() is x and x.requires_grad and x.is_leaf
    y = x * 2
    assert y.requires_grad and not y.is_leaf and y.grad_fn is not None
    with pytest.raises(RuntimeError, match=r"only a leaf.*detach"):
        y.requires_grad_(False)
    x.requires_grad = False
    assert not (x * 2).requires_grad
    y.sum().backward()  # recorded while x needed a gradient
    assert x.grad is None


@pytest.mark.parametrize("dtype", [tg.int64, tg.bool, tg.uint8])
def test_integers_carry_no_gradient(dtype: Any) -> None:
    with pytest.raises(RuntimeError, match="only floating-point tensors can have a gradient"):
        tg.ones(2, dtype=dtype).requires_grad_()
    with pytest.raises(RuntimeError, match="only floating-point tensors can have a gradient"):
        tg.ones(2, dtype=dtype, requires_grad=True)
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad and not x.argmax().requires_grad and not x.to(dtype).requires_grad


def test_a_tensor_without_gradient_records_nothing() -> None:
    assert (tg.tensor(1.0) * 2).grad_fn is None


def test_the_graph_can_be_walked_by_hand() -> None:
    x = leaf(1.0)
    node = (x.exp() * 2).grad_fn
    assert node is not None
    (below, _), *_ = node.next_functions
    assert below is not None and below.name == "exp"
    (end, _), *_ = below.next_functions
    assert end is not None and end.name == "AccumulateGrad"


# Writing in place ------------------------------------------------------------------------------------------------------


def test_setitem_differentiates_through_base_and_value() -> None:
    base, value = leaf(1.0, 2.0, 3.0), leaf(5.0)
    x = base * base
    x[1] = value * 10
    (x * tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    same(base.grad, [2.0, 0.0, 18.0])
    same(value.grad, 20.0)


def test_setitem_under_create_graph() -> None:
    base, value = leaf(1.0, 2.0, 3.0), leaf(5.0)
    x = base**3
    x[1:] = value**2
    y = (x * x).sum()  # base₀⁶ + 2 value⁴
    gb, gv = grad(y, [base, value], create_graph=True)
    same(gb, [6.0, 0.0, 0.0])
    same(gv, 8 * 125.0)
    hb, hv = grad(gb.sum() + gv, [base, value])
    same(hb, [30.0, 0.0, 0.0])
    same(hv, 24 * 25.0)


@on_memory_that_is_written
def test_a_leaf_is_not_written_to_inside_a_graph() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"a leaf that requires a gradient.*no_grad"):
        x[0] = 3.0
    with pytest.raises(RuntimeError, match="a view of a leaf"):
        x[:1].add_(1)
    same(x, [1.0, 2.0])
    with tg.no_grad():
        x[0] = 3.0
    same(x, [3.0, 2.0])
    assert x.requires_grad and x.is_leaf
