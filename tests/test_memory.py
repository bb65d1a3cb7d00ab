"""What a graph keeps alive, and what it notices when a kept value is overwritten."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import TwoResults, TwoResultsStatic, leaf, same

import tinygrad_edu as tg
from tinygrad_edu.autograd import grad


def nodes_alive() -> int:
    node = type(leaf(1.0).exp().grad_fn).__mro__[-2]  # what all nodes descend from
    return sum(issubclass(type(o), node) for o in gc.get_objects())  # isinstance would ask proxies for their class


def network(w: tg.Tensor, x: tg.Tensor) -> tg.Tensor:
    h = tg.tanh(x @ w)
    h = h * h + tg.softmax(h, -1)
    return tg.cat([h[0], h.t().reshape(-1)]).logsumexp(0) + h.max(1).values.sum() + h[tg.tensor([0, 0])].sum()


def plain(w: tg.Tensor, x: tg.Tensor) -> Any:
    network(w, x).backward()


def forward_only(w: tg.Tensor, x: tg.Tensor) -> Any:
    return network(w, x)


def second_order(w: tg.Tensor, x: tg.Tensor) -> Any:
    (g,) = grad(network(w, x), w, create_graph=True)
    (h,) = grad((g * g).sum(), w, create_graph=True)
    (k,) = grad(h.sum(), w, create_graph=True)
    return g, h, k


def gradient_with_graph(w: tg.Tensor, x: tg.Tensor) -> Any:
    network(w, x).backward(create_graph=True)
    assert w.grad is not None and w.grad.requires_grad
    w.grad = None


def hooks(w: tg.Tensor, x: tg.Tensor) -> Any:
    h = x @ w
    h.register_hook(lambda g: g * 2)
    h.retain_grad()
    handle = w.register_hook(lambda g: g * 3)
    h.sin().sum().backward()
    handle.remove()
    return h


def several_results(w: tg.Tensor, x: tg.Tensor) -> Any:
    a, _ = TwoResults.apply(x @ w)
    b, c = TwoResultsStatic.apply(a)
    (g,) = grad((b * c).sum(), w, create_graph=True)
    g.sum().backward()


def in_place(w: tg.Tensor, x: tg.Tensor) -> Any:
    h = x @ w
    row = h[0]
    row.mul_(2)
    h[:, 1] += 1.0
    column = h.t()[0]
    column.exp_()
    (h.sum() + row.sum()).backward()
    return h, row, column


def failed_backward(w: tg.Tensor, x: tg.Tensor) -> Any:
    h = (x @ w).exp()
    y = (h * h).sum()
    h.zero_()
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


def anomaly(w: tg.Tensor, x: tg.Tensor) -> Any:
    with tg.autograd.detect_anomaly():
        network(w, x).backward()


@pytest.mark.parametrize(
    "use",
    [
        plain,
        forward_only,
        second_order,
        gradient_with_graph,
        hooks,
        several_results,
        in_place,
        failed_backward,
        anomaly,
    ],
    ids=lambda f: f.__name__,
)
def test_graphs_are_freed_by_reference_counts_alone(use: Callable[..., Any], no_collector: None) -> None:
    w, x = tg.randn(3, 3, requires_grad=True), tg.randn(2, 3)
    use(w, x)  # whatever is made once and kept is made now
    w.grad = None
    before = nodes_alive()
    left = use(w, x)
    refs = [weakref.ref(t) for t in (left if isinstance(left, tuple) else (left,)) if isinstance(t, tg.Tensor)]
    arrays = [weakref.ref(t._data) for t in (r() for r in refs) if t is not None and isinstance(t._data, np.ndarray)]
    del left
    assert nodes_alive() == before
    assert all(r() is None for r in refs + arrays)


def test_what_no_backward_needs_is_freed_at_once(no_collector: None) -> None:
    x = tg.randn(10, requires_grad=True)
    y = x + 1
    middle = weakref.ref(y._data)
    z = y * 2 + 3
    del y
    assert middle() is None
    z.sum().backward()


def test_kept_values_are_released_by_backward_while_the_result_lives(no_collector: None) -> None:
    x = tg.randn(10, requires_grad=True)
    y = x.exp()
    kept = weakref.ref(y._data)
    loss = (y * y).sum()
    del y
    assert kept() is not None
    loss.backward()
    assert kept() is None


def test_a_leaf_dies_although_its_graph_lives(no_collector: None) -> None:
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    ref = weakref.ref(x)
    del x
    assert ref() is None
    y.backward()


# Overwritten values --------------------------------------------------------------------------------------------------


def overwrite_mul(x: tg.Tensor) -> None:
    x.mul_(2)


def overwrite_setitem(x: tg.Tensor) -> None:
    x[0] = 5.0


def overwrite_view(x: tg.Tensor) -> None:
    x[1:].add_(1)


def overwrite_view_of_view(x: tg.Tensor) -> None:
    x.view(1, 3).t()[2].zero_()


def overwrite_unbound(x: tg.Tensor) -> None:
    x.unbind(0)[1].fill_(3.0)


def overwrite_detached(x: tg.Tensor) -> None:
    x.detach().mul_(2)


def overwrite_data(x: tg.Tensor) -> None:
    x.data -= 0.1


def overwrite_no_grad(x: tg.Tensor) -> None:
    with tg.no_grad():
        x.add_(1, alpha=-0.1)


def overwrite_no_grad_setitem(x: tg.Tensor) -> None:
    with tg.no_grad():
        x[tg.tensor([0, 2])] = 1.0


def overwrite_copy(x: tg.Tensor) -> None:
    x.detach().copy_(tg.zeros(3))


OVERWRITES = [f for name, f in sorted(globals().items()) if name.startswith("overwrite_")]


@pytest.mark.parametrize("write", OVERWRITES, ids=lambda f: f.__name__[10:])
@pytest.mark.parametrize(
    ("operation", "name"), [(tg.exp, "exp"), (tg.square, "square"), (lambda y: y * y.detach(), "mul")]
)
def test_an_overwritten_value_raises_and_names_the_operation(
    write: Callable[[tg.Tensor], None], operation: Callable[[tg.Tensor], tg.Tensor], name: str
) -> None:
    w = leaf(1.0, 2.0, 3.0)
    y = w * 1.5
    out = operation(y)
    write(out if name == "exp" else y)
    with pytest.raises(RuntimeError, match=rf"\b{name}\b.*overwritten"):
        out.sum().backward()
    assert w.grad is None


@pytest.mark.parametrize("write", [overwrite_detached, overwrite_data, overwrite_no_grad, overwrite_no_grad_setitem])
def test_an_optimizer_step_before_backward_is_noticed(write: Callable[[tg.Tensor], None]) -> None:
    w = leaf(1.0, 2.0, 3.0)
    y = (w * w).sum()
    write(w)
    with pytest.raises(RuntimeError, match="overwritten"):
        y.backward()


@pytest.mark.parametrize("write", OVERWRITES, ids=lambda f: f.__name__[10:])
def test_a_write_before_the_forward_pass_is_no_alarm(write: Callable[[tg.Tensor], None]) -> None:
    w = leaf(1.0, 2.0, 3.0)
    y = w * 1.5
    write(y)
    now = y.detach().numpy().copy()
    (g,) = grad((y * y).sum(), y)
    same(g, 2 * now)


def test_a_write_to_other_memory_is_no_alarm() -> None:
    w, other = leaf(1.0, 2.0), tg.zeros(2, dtype=tg.float64)
    y = (w * other.clone()).sum()
    other.add_(1)
    y.backward()
    same(w.grad, [0.0, 0.0])


def test_a_write_after_an_operation_that_keeps_nothing_is_no_alarm() -> None:
    w = leaf(1.0, 2.0)
    h = w * 3
    y = (h + 1).sum()
    h.zero_()
    y.backward()
    same(w.grad, [3.0, 3.0])


@pytest.mark.parametrize("read", ["index", "gather", "setitem", "embedding"])
def test_an_overwritten_index_is_noticed(read: str) -> None:
    from tinygrad_edu.ops.embedding import embedding

    w = leaf(1.0, 2.0, 3.0)
    h = w * 2
    index = tg.tensor([0, 1])
    if read == "index":
        y = h[index]
    elif read == "gather":
        y = tg.gather(h, 0, index)
    elif read == "embedding":
        y = embedding(index, h.reshape(3, 1))
    else:
        h[index] = w[:2]
        y = h
    index += 1
    with pytest.raises(RuntimeError, match="overwritten"):
        y.sum().backward()


def test_many_steps_of_an_optimizer_leave_nothing_behind(no_collector: None) -> None:
    def steps(n: int) -> None:
        for _ in range(n):
            w = leaf(1.0, 2.0)
            (w * w).sum().backward()
            w.data -= 0.1 * w.grad

    steps(1)
    before = len(gc.get_objects())
    steps(50)
    assert len(gc.get_objects()) - before < 10
