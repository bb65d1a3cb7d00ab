"""Anomaly mode: which line made the first NaN, and which line writes on a value that a backward needs."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from helpers import leaf, on_memory_that_can_be_locked, on_memory_that_numpy_shares, same

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.autograd import detect_anomaly, grad, set_detect_anomaly


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """NumPy's own warnings are not what is tested here."""
    with np.errstate(all="ignore"):
        yield


def line_of(function: Callable[..., Any], mark: str) -> str:
    """A pattern for ``file:number, in function`` of the line that holds ``mark``."""
    lines, start = inspect.getsourcelines(function)
    number = next(start + i for i, line in enumerate(lines) if f"# {mark}" in line)
    return rf"{re.escape(__file__)}:{number}, in {function.__name__}"


# The first NaN ---------------------------------------------------------------------------------------------------------


def logarithm(x: tg.Tensor) -> tg.Tensor:
    h = x - 2.0
    h = h.log()  # culprit
    return (h * 3).sum()


def from_infinity(x: tg.Tensor) -> tg.Tensor:
    y = tg.exp(x * 1000)
    return y - y  # culprit


def inside_a_layer(x: tg.Tensor) -> tg.Tensor:
    layer = nn.Sequential(nn.Softmax(0))
    return layer(x * float("inf"))  # culprit


def second_result(x: tg.Tensor) -> tg.Tensor:
    class Halves(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 1, np.log(x - 2)

        def backward(self, g: Any, h: Any) -> Any:
            return g + h / (x - 2)

    return Halves.apply(x)[0]  # culprit


def in_place(x: tg.Tensor) -> tg.Tensor:
    h = x - 2.0
    h.sqrt_()  # culprit
    return h


CULPRITS: list[tuple[Callable[[tg.Tensor], tg.Tensor], str]] = [
    (logarithm, "log"),
    (from_infinity, "sub"),
    (inside_a_layer, "softmax"),
    (second_result, "Halves"),
    (in_place, "sqrt"),
]


@pytest.mark.parametrize(("function", "name"), CULPRITS)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_the_line_that_makes_the_first_nan_is_named(
    function: Callable[[tg.Tensor], tg.Tensor], name: str, requires_grad: bool
) -> None:
    x = tg.tensor([1.0, 3.0], dtype=tg.float64, requires_grad=requires_grad)
    function(x)
    with (
        detect_anomaly(),
        pytest.raises(
            RuntimeError, match=rf"^anomaly mode: {name} made the first NaN at {line_of(function, 'culprit')}"
        ),
    ):
        function(x)


def test_a_nan_that_came_in_is_not_blamed_on_an_operation() -> None:
    x = leaf(1.0, float("nan"))
    with detect_anomaly():
        (x * 2 + x.exp()).sum().backward(tg.tensor(float("nan")))


def test_nothing_is_looked_for_when_told_so() -> None:
    with detect_anomaly(check_nan=False):
        logarithm(leaf(1.0, 3.0)).backward()
        root(leaf(0.0)).backward()


# The first NaN in a backward pass --------------------------------------------------------------------------------------


def root(x: tg.Tensor) -> tg.Tensor:
    h = x * 0.0  # culprit
    return h.sqrt().sum()  # of slope infinity


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_forward_line_of_a_backward_that_makes_the_first_nan_is_named(create_graph: bool) -> None:
    x = leaf(0.0, 1.0)
    with detect_anomaly():
        y = root(x)
        with pytest.raises(
            RuntimeError,
            match=r"the backward of mul made the first NaN, in the gradient of argument 0; the forward pass called it at "
            + line_of(root, "culprit"),
        ):
            y.backward(create_graph=create_graph)
    assert x.grad is None


def test_a_forward_line_is_only_known_when_the_mode_was_on() -> None:
    y = root(leaf(0.0))
    with (
        detect_anomaly(),
        pytest.raises(RuntimeError, match=r"run the forward pass under autograd\.detect_anomaly\(\)"),
    ):
        y.backward()


class Bad(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * float("nan")  # culprit


class BadRaw(tg.Function):
    def forward(self, x: Any) -> Any:
        return x * 2

    def backward(self, g: Any) -> Any:
        return g * float("nan")


def call_bad(x: tg.Tensor) -> tg.Tensor:
    return BadRaw.apply(x)  # culprit


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_line_in_a_users_backward_on_tensors_is_named(create_graph: bool) -> None:
    x = leaf(1.0)
    with detect_anomaly():
        y = Bad.apply(x)
        with pytest.raises(RuntimeError, match=f"mul made the first NaN at {line_of(Bad.backward, 'culprit')}"):
            y.backward(create_graph=create_graph)


def test_the_call_of_a_users_backward_on_raw_arrays_is_named() -> None:
    with detect_anomaly():
        y = call_bad(leaf(1.0))
        with pytest.raises(
            RuntimeError, match=f"the backward of BadRaw made the first NaN.*{line_of(call_bad, 'culprit')}"
        ):
            y.backward()


def test_results_are_the_same_in_anomaly_mode() -> None:
    def loss(x: tg.Tensor) -> tg.Tensor:
        h = x.clone()
        h[0] = x[1] * 2
        h.mul_(x).exp_()
        h[1:].mul_(0.5)
        return tg.softmax(h, 0)[1] + nn.functional.cross_entropy(h.reshape(1, 3), tg.tensor([2]))

    x = leaf(0.1, 0.2, 0.3)
    expected = [g.numpy() for g in grad(loss(x), x)]
    with detect_anomaly():
        (g,) = grad(loss(x), x, create_graph=True)
        grad(g.sum(), x)
    same(g, expected[0])


# Overwritten values ----------------------------------------------------------------------------------------------------


def kept(x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
    h = x * 2
    return h, (h * h).sum()  # culprit


WRITES: dict[str, Callable[[tg.Tensor], Any]] = {
    "add_": lambda h: h.add_(1),
    "setitem": lambda h: h.__setitem__(0, 1.0),
    "setitem of a mask": lambda h: h.__setitem__(h > 0, 1.0),
    "a view": lambda h: h[1:].zero_(),
    "detached": lambda h: h.detach().mul_(2),
    "data": lambda h: h.data.fill_(3),
}


def under_no_grad(h: tg.Tensor) -> None:
    with tg.no_grad():
        h += 1


WRITES["under no_grad"] = under_no_grad


@on_memory_that_can_be_locked
@pytest.mark.parametrize("write", WRITES)
def test_a_write_on_a_value_that_a_backward_needs_raises_where_it_happens(write: str) -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h, y = kept(x)
        with pytest.raises(
            RuntimeError,
            match=rf"anomaly mode protects this value, because the backward of mul needs it .*{line_of(kept, 'culprit')}",
        ):
            WRITES[write](h)
        same(h, [2.0, 4.0])  # nothing was written
        y.backward()
    same(x.grad, [8.0, 16.0])
    WRITES[write](h)  # now it may be


@on_memory_that_numpy_shares
def test_the_buffer_of_numpy_is_write_protected() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h, y = kept(x)
        array = h.detach().numpy()
        with pytest.raises(ValueError, match="read-only"):
            array += 1
        y.backward()
    h.detach().numpy()[0] = 5.0
    same(h, [5.0, 4.0])


@on_memory_that_can_be_locked
def test_the_protection_goes_with_the_graph(no_collector: None) -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h, y = kept(x)
        other = h.exp() * h
        del y
        with pytest.raises(RuntimeError, match="protects"):
            h.add_(1)  # the other graph needs it still
        del other
        h.add_(1)
        w = (x * x).sum()
        del w
        x.data -= 1
        x.detach().numpy()[0] = 3.0


@on_memory_that_numpy_shares
@pytest.mark.parametrize("view_first", [True, False])
def test_the_protection_of_a_view_and_of_its_base_are_lifted_in_any_order(view_first: bool, no_collector: None) -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h = x * 2
        part = h[1:]
        of_view, of_base = (part * part).sum(), (h * h).sum()
        if view_first:
            of_view.backward()
            of_base.backward()
        else:
            of_base.backward()
            of_view.backward()
    same(x.grad, [8.0, 32.0])
    h.detach().numpy()[0] = 7.0
    part.detach().numpy()[0] = 9.0
    part.add_(1)
    same(h, [7.0, 10.0])


@on_memory_that_can_be_locked
def test_views_of_protected_memory_can_be_written_when_it_can() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h, y = kept(x)
        views = [h.detach(), h[1:], h.detach()[:1], h.data, h.reshape(2, 1)]
        wide = h.expand(3, 2)
        for v in views:
            with pytest.raises(RuntimeError, match="protects"), tg.no_grad():
                v.add_(1)
        y.backward()
    for v in views:
        with tg.no_grad():
            v.add_(1)
    same(h, [6.0, 8.0])
    with pytest.raises(RuntimeError, match="expanded view"):
        wide.detach().add_(1)


@on_memory_that_numpy_shares
def test_outside_of_the_mode_nothing_is_protected() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h, y = kept(x)
        d = h.detach()
    part = h[1:]
    d.add_(1)
    part.detach().numpy()[0] = 7.0
    same(h, [3.0, 7.0])
    with pytest.raises(RuntimeError, match=rf"mul kept .*overwritten.*{line_of(kept, 'culprit')}"):
        y.backward()
    set_detect_anomaly(True)
    try:
        h, y = kept(x)
    finally:
        set_detect_anomaly(False)
    h.detach().numpy()[0] = 7.0
    same(h, [7.0, 4.0])


def test_a_value_that_the_write_itself_keeps_is_no_obstacle() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        h = x * 3
        h.mul_(x)
        h.mul_(h)
        h.sum().backward()
    same(x.grad, 36 * np.array([1.0, 8.0]))


@on_memory_that_numpy_shares
def test_outside_of_the_mode_the_report_says_how_to_find_the_line() -> None:
    z = leaf(1.0, 2.0).exp()
    z.add_(1)
    with pytest.raises(RuntimeError, match=r"exp kept .* was overwritten.*run the forward pass under autograd"):
        z.sum().backward()


# The mode --------------------------------------------------------------------------------------------------------------


def alarmed() -> bool:
    try:
        tg.tensor(-1.0).log()
    except RuntimeError:
        return True
    return False


def test_the_mode_as_a_block_a_call_and_a_decorator() -> None:
    assert not alarmed()
    with detect_anomaly():
        assert alarmed()
        with set_detect_anomaly(False):
            assert not alarmed()
        assert alarmed()
    assert not alarmed()
    set_detect_anomaly(True)
    try:
        assert alarmed()
        with detect_anomaly():
            assert alarmed()
        assert alarmed()
    finally:
        set_detect_anomaly(False)
    assert not alarmed()
    assert detect_anomaly()(alarmed)()
    assert not alarmed()


def test_the_mode_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), detect_anomaly():
        _ = 1 / 0
    assert not alarmed()


def test_the_mode_belongs_to_a_thread() -> None:
    seen: list[bool] = []

    def other() -> None:
        with np.errstate(all="ignore"):
            seen.append(alarmed())

    with detect_anomaly():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert alarmed()
    assert seen == [False]
