"""Checkpoints: the gradients of every order are those without, less is kept, and what cannot be computed again raises."""

from __future__ import annotations

import contextlib
import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.autograd import grad
from tinygrad_edu.testing import check_gradients
from tinygrad_edu.utils.checkpoint import checkpoint, checkpoint_sequential

seeds = st.integers(0, 2**32 - 1)


def network(seed: int, dropout: float = 0.3) -> nn.Sequential:
    tg.manual_seed(seed)
    layers = [
        nn.Linear(4, 6),
        nn.Tanh(),
        nn.Dropout(dropout),
        nn.LayerNorm(6),
        nn.Linear(6, 6),
        nn.GELU(),
        nn.Linear(6, 3),
    ]
    return nn.Sequential(*layers).to(tg.float64)


def derivatives(run: Any, model: nn.Module, x: np.ndarray, seed: int) -> list[np.ndarray]:
    """The result, its gradients, those with a graph, and a functional of them differentiated again."""
    rng = np.random.default_rng(seed)
    leaves = [tg.tensor(x, requires_grad=True), *model.parameters()]
    tg.manual_seed(seed)
    out = run(leaves[0])
    after = tg.rand(1).item()
    cotangent = tg.tensor(rng.normal(size=tuple(out.shape)))
    plain = grad(out, leaves, cotangent, retain_graph=True)
    first = grad(out, leaves, cotangent, create_graph=True)
    some = [(g * tg.tensor(rng.normal(size=tuple(g.shape)))).sum() for g in first]
    second = grad(sum(some), leaves, allow_unused=True, create_graph=True)
    third = grad(sum((g * g).sum() for g in second if g is not None), leaves[0])
    assert tg.rand(1).item() != after
    found = [out, *plain, *first, *(tg.zeros(1) if g is None else g for g in second), *third]
    return [np.asarray(after), *(g.detach().numpy() for g in found)]


@given(seeds, st.integers(1, 7), st.booleans())
def test_derivatives_of_every_order_are_those_without_a_checkpoint(seed: int, segments: int, reentrant: bool) -> None:
    model = network(seed)
    x = np.random.default_rng(seed).normal(size=(5, 4))
    expected = derivatives(model, model, x, seed)
    for run in (
        lambda x: checkpoint(model, x, use_reentrant=reentrant),
        lambda x: checkpoint_sequential(model, segments, x, use_reentrant=reentrant),
        lambda x: checkpoint(lambda x: model[3:](checkpoint(model[:3], x)), x),  # one inside of another
    ):
        for a, b in zip(derivatives(run, model, x, seed), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_several_results_keywords_and_tensors_that_are_not_given() -> None:
    x, grads = np.random.default_rng(0).normal(size=(3, 4)), []
    for call in (checkpoint, lambda function, *args, **kwargs: function(*args, **kwargs)):
        v, w = tg.tensor(x, requires_grad=True), tg.tensor(x.T.copy(), requires_grad=True)
        a, (b, c) = call(lambda p, *, q, w=w: (p @ w, (p.exp() * q, p[0])), v, q=2.0)
        (a.sum() + (b * a.sum()).sum() + c[1]).backward()
        grads.append([v.grad.numpy(), w.grad.numpy()])
    np.testing.assert_allclose(grads[0][0], grads[1][0])
    np.testing.assert_allclose(grads[0][1], grads[1][1])


def test_gradients_are_the_numerical_ones() -> None:
    w = tg.tensor(np.random.default_rng(0).normal(size=(3, 3)))
    check_gradients(lambda x, w: checkpoint(lambda x: tg.tanh(x @ w) * x, x), w + 1, w, order=3)


def test_each_gradient_is_accumulated_once() -> None:
    layer = nn.Linear(3, 3)
    x = tg.ones(2, 3)
    for _ in range(2):
        checkpoint(layer, x).sum().backward()
    np.testing.assert_allclose(layer.bias.grad.numpy(), 4.0)  # 2 rows, twice
    checkpoint(layer, x).sum().backward(inputs=[layer.weight])
    np.testing.assert_allclose(layer.bias.grad.numpy(), 4.0)
    np.testing.assert_allclose(layer.weight.grad.numpy(), 6.0)


@pytest.mark.parametrize("preserve", [True, False])
def test_dropout_drops_the_same_elements_again(preserve: bool) -> None:
    tg.manual_seed(0)
    x = tg.ones(1000, requires_grad=True)
    y = checkpoint(lambda x: F.dropout(x, 0.5), x, preserve_rng_state=preserve)
    tg.rand(3)
    y.sum().backward()
    assert x.grad.equal(y.detach()) == preserve


def peak(run: Any) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        run().backward()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_less_memory_is_needed() -> None:
    """16 layers, whose values in between take 32 arrays without checkpoints, and with 4 parts about 4 + 2 · 4."""
    model = nn.Sequential(*(layer for _ in range(16) for layer in (nn.Linear(64, 64), nn.Tanh())))
    x = tg.randn(4096, 64)
    one = 4096 * 64 * 4
    without = peak(lambda: model(x).sum())
    with_parts = peak(lambda: checkpoint_sequential(model, 4, x).sum())
    assert without > 16 * one and with_parts < 0.6 * without, (without / one, with_parts / one)


def test_what_is_kept_goes_with_the_graph() -> None:
    x = tg.ones(3, requires_grad=True)
    y = checkpoint(lambda x: x.exp(), x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="checkpoint kept were released"):
        y.backward()
    collecting = gc.isenabled()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            big = tg.ones(100_000, requires_grad=True)
            checkpoint(lambda x: x.exp() * x, big).sum().backward()
            del big
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()
        if collecting:
            gc.enable()


def test_nothing_is_recorded_without_gradients() -> None:
    layer, calls = nn.Linear(2, 2), []

    def run(x: tg.Tensor) -> tg.Tensor:
        calls.append(tg.is_grad_enabled())
        return layer(x)

    with tg.no_grad():
        assert not checkpoint(run, tg.ones(1, 2)).requires_grad
    y = checkpoint(lambda x: x * 2, tg.ones(2))
    assert calls == [False] and not y.requires_grad


def test_results_keep_their_structure_and_are_no_views() -> None:
    x = tg.ones(2, 3, requires_grad=True)

    def run(x: tg.Tensor) -> Any:
        y = x * 2
        return {"x": x, "row": y[0], "rows": [y, y], "count": 3, "index": x.argmax(), "top": y.max(1)}

    out = checkpoint(run, x)
    assert out["count"] == 3 and out["index"].item() == 0 and not out["index"].requires_grad
    assert out["top"].values.tolist() == [2.0, 2.0] and out["top"].indices.tolist() == [0, 0]
    assert out["x"] is not x and out["rows"][0] is not out["rows"][1]
    out["x"].add_(1)
    out["row"].mul_(3)
    assert x.tolist() == [[1.0] * 3] * 2 and out["rows"][0].tolist() == [[2.0] * 3] * 2
    (out["x"].sum() + out["row"].sum() + out["rows"][1].sum()).backward()
    assert x.grad.tolist() == [[9.0] * 3, [3.0] * 3]


def test_what_was_overwritten_is_noticed() -> None:
    x, w = tg.ones(3, requires_grad=True), nn.Parameter(tg.ones(3))
    h = x * 2
    y = checkpoint(lambda h: h * w, h).sum()
    with tg.no_grad():
        w.mul_(2)  # as an optimizer does
    with pytest.raises(RuntimeError, match=r"checkpoint kept .* overwritten in place"):
        y.backward()
    y = checkpoint(lambda a: a * w, h).sum()
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"checkpoint kept .* overwritten in place"):
        y.backward()
    outside = x * 3
    y = checkpoint(lambda a: a * outside, x).sum()
    outside.add_(1)
    with pytest.raises(RuntimeError, match=r"checkpoint kept .* overwritten in place"):
        y.backward()
    h = x * 2
    y = checkpoint(lambda a: a.mul_(2) * w, h).sum()  # it writes on its own argument
    with pytest.raises(RuntimeError, match=r"checkpoint kept .* overwritten in place"):
        y.backward()
    y = checkpoint(lambda a: a * w, x).sum()
    w.data = tg.zeros(3)
    with pytest.raises(RuntimeError, match="has got other data"):
        y.backward()


def test_a_function_that_does_something_else_the_second_time_is_noticed() -> None:
    x, w = tg.ones(3, requires_grad=True), tg.ones(3, requires_grad=True)
    calls: list[int] = []

    def other_shape(x: tg.Tensor) -> tg.Tensor:
        calls.append(1)
        return x * 2 if len(calls) == 1 else (x * 2)[:2]

    y = checkpoint(other_shape, x).sum()
    with pytest.raises(RuntimeError, match=r"other shapes or types: .*\(2,\).* after .*\(3,\)"):
        y.backward()
    calls.clear()

    def other_tensors(x: tg.Tensor) -> tg.Tensor:
        calls.append(1)
        return x * w if len(calls) == 1 else x * 2

    y = checkpoint(other_tensors, x).sum()
    with pytest.raises(RuntimeError, match=r"depends on other tensors \(1 after 2\)"):
        y.backward()
    calls.clear()
    y = checkpoint(other_tensors, x, determinism_check="none").sum()
    y.backward()
    assert x.grad.tolist() == [2.0] * 3 and w.grad is None


def test_contexts_surround_each_computation() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def note(name: str) -> Any:
        seen.append(name)
        yield

    x = tg.ones(1, requires_grad=True)
    checkpoint(lambda x: x.exp(), x, context_fn=lambda: (note("first"), note("again"))).backward()
    assert seen == ["first", "again"]


def test_random_numbers_outside_go_on_as_if_nothing_had_been_drawn_inside() -> None:
    tg.manual_seed(0)
    expected = [tg.rand(1).item(), tg.rand(1).item()]
    tg.manual_seed(0)
    with tg.random.fork_rng():
        tg.rand(5)
    assert tg.rand(1).item() == expected[0]
    with pytest.raises(KeyError), tg.random.fork_rng():
        tg.rand(5)
        raise KeyError
    assert tg.rand(1).item() == expected[1]
    with tg.random.fork_rng(enabled=False):
        tg.rand(1)
    assert tg.rand(1).item() not in expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: checkpoint(3, tg.ones(1)), TypeError, "checkpoint: expected a function, got int"),
        (lambda: checkpoint(tg.exp, tg.ones(1), determinism_check="some"), ValueError, "determinism_check .* 'some'"),
        (lambda: checkpoint_sequential([tg.exp], 2, tg.ones(1)), ValueError, "1 functions .* 2 segments"),
        (lambda: checkpoint_sequential([tg.exp], 0, tg.ones(1)), ValueError, "0 segments"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
