"""Grad mode and its relatives: as blocks, decorators, on generators, and one set a thread."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from helpers import leaf, same

import tinygrad_edu as tg
from tinygrad_edu.autograd import grad


def recorded(x: tg.Tensor) -> bool:
    return (x * 2).requires_grad


def test_grad_mode_as_a_block() -> None:
    x = leaf(1.0)
    with tg.no_grad():
        assert not recorded(x) and not tg.is_grad_enabled()
        with tg.enable_grad():
            assert recorded(x)
            with tg.set_grad_enabled(False):
                assert not recorded(x)
            assert recorded(x)
        assert not recorded(x)
    assert recorded(x)
    with tg.inference_mode():
        assert not recorded(x) and tg.is_inference_mode_enabled()
    with tg.inference_mode(False):
        assert recorded(x) and not tg.is_inference_mode_enabled()
    assert recorded(x) and not tg.is_inference_mode_enabled()


def test_grad_mode_is_restored_after_an_exception() -> None:
    for mode in (tg.no_grad, tg.inference_mode, lambda: tg.set_grad_enabled(False), tg.autograd.detect_anomaly):
        with pytest.raises(ZeroDivisionError), mode():
            _ = 1 / 0
        assert tg.is_grad_enabled() and not tg.is_inference_mode_enabled()


def test_set_grad_enabled_as_a_call() -> None:
    x = leaf(1.0)
    try:
        tg.set_grad_enabled(False)
        assert not recorded(x)
    finally:
        tg.set_grad_enabled(True)
    assert recorded(x)


def test_grad_mode_as_a_decorator() -> None:
    x = leaf(1.0)
    assert not tg.no_grad()(recorded)(x)
    assert not tg.no_grad(recorded)(x)
    assert not tg.inference_mode()(recorded)(x)
    assert not tg.set_grad_enabled(False)(recorded)(x)
    assert recorded(x)
    with tg.no_grad():
        assert tg.enable_grad()(recorded)(x)
        assert not recorded(x)
    assert tg.no_grad()(recorded).__name__ == "recorded"


def test_grad_mode_on_a_generator() -> None:
    """The mode holds inside the generator and not between its steps; values, exceptions and close() pass through."""
    x = leaf(1.0)
    log: list[Any] = []

    @tg.no_grad()
    def generate() -> Any:
        try:
            got = yield recorded(x)
            log.append((got, recorded(x)))
            try:
                yield "second"
            except KeyError:
                log.append(("caught", recorded(x)))
            yield "third"
        finally:
            log.append(("closed", recorded(x)))

    g = generate()
    assert next(g) is False and recorded(x)
    assert g.send("sent") == "second" and recorded(x)
    assert g.throw(KeyError("thrown")) == "third" and recorded(x)
    g.close()
    assert log == [("sent", False), ("caught", False), ("closed", False)] and recorded(x)

    @tg.no_grad()
    def short() -> Any:
        yield 1
        return "result"

    def outer() -> Any:
        return (yield from short())

    it = outer()
    assert next(it) == 1
    with pytest.raises(StopIteration, match="result"):
        next(it)


@pytest.mark.cpu
def test_modes_belong_to_a_thread() -> None:
    seen: dict[str, Any] = {}
    tg.manual_seed(0)
    expected = tg.rand(3)
    tg.manual_seed(0)

    def other() -> None:
        seen["grad"] = tg.is_grad_enabled()
        seen["dtype"] = tg.get_default_dtype()
        seen["device"] = str(tg.get_default_device())
        with np.errstate(invalid="ignore"):
            seen["NaN passes"] = math.isnan(tg.tensor(-1.0).log().item())  # it raises where anomaly mode is on
        tg.set_default_dtype(tg.float16)
        tg.set_grad_enabled(False)
        tg.manual_seed(7)
        tg.rand(5)

    tg.set_default_dtype(tg.float64)
    try:
        with tg.no_grad(), tg.autograd.detect_anomaly():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            assert not tg.is_grad_enabled()
        assert seen == {"grad": True, "dtype": tg.float32, "device": "cpu", "NaN passes": True}
        assert tg.get_default_dtype() is tg.float64
    finally:
        tg.set_default_dtype(tg.float32)
    assert tg.is_grad_enabled()
    assert tg.rand(3).equal(expected)


def test_threads_walk_graphs_that_share_leaves_and_nodes() -> None:
    x = leaf(0.5)
    shared = x.exp()
    found: list[float] = []

    def work() -> None:
        for _ in range(50):
            (g,) = grad(shared * shared, x, retain_graph=True)
            (h,) = grad(shared.sin(), x, create_graph=True)
            found.append(g.item())
            found.append(h.item())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    e = math.exp(0.5)
    assert len(found) == 400
    same(sorted(set(np.round(found, 9))), np.round(sorted([2 * e * e, math.cos(e) * e]), 9))
