"""The NumPy backend's ways of convolving against the reference in plain operations, whatever is cut into blocks and threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.backends import _numpy_conv as conv
from tinygrad_edu.backends import _numpy_im2col as im2col
from tinygrad_edu.backends import _numpy_scratch as scratch
from tinygrad_edu.backends import _numpy_threads as threads
from tinygrad_edu.backends import _numpy_winograd as winograd
from tinygrad_edu.ops._convolution import Convolution, InputGradient, WeightGradient


@pytest.fixture(autouse=True, params=[1, 2], ids=["one thread", "two threads"])
def small_blocks(request: Any, monkeypatch: Any) -> Iterator[None]:
    """Several blocks, stretches and shares also of small arrays."""
    before = threads.get_num_threads()
    tg.set_num_threads(request.param)
    for module, name, value in [
        (im2col, "BLOCK", 300),
        (winograd, "BLOCK", 1000),
        (winograd, "WIDE", 2),
        (winograd, "ROWS", 1),
        (im2col, "SHARES", 30),
        (threads, "PRODUCTS", 1),
    ]:
        monkeypatch.setattr(module, name, value)
    winograd._stretches.cache_clear()
    conv._by_winograd.cache_clear()
    yield
    winograd._stretches.cache_clear()
    conv._by_winograd.cache_clear()
    tg.set_num_threads(before)


def drawn(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape)


def check(x: Any, w: Any, b: Any, how: Any, dtype: str, slack: float) -> None:
    """Result and all gradients of the kernels, relative to the largest number."""
    y = Convolution.reference(x, w, b, *how)
    g = np.random.default_rng(1).normal(size=y.shape)
    gx = InputGradient.reference(g, w, None, x.shape[2:], *how)
    gw = WeightGradient.reference(x, g, w.shape[2:], *how)
    x_, w_, g_ = (a.astype(dtype) for a in (x, w, g))
    b_ = None if b is None else b.astype(dtype)
    wide = None if b is None else np.arange(x.shape[1]).astype(dtype)
    shift = 0 if wide is None else wide.reshape(-1, *(1,) * (x.ndim - 2))
    results = [
        (conv.conv(x_, w_, b_, *how), y),
        (conv.conv_input_gradient(g_, w_, wide, x.shape[2:], *how), gx + shift),
        (conv.conv_weight_gradient(x_, g_, w.shape[2:], *how), gw),
        *zip(conv.conv_gradients(x_, w_, g_, *how), (gx, gw), strict=True),
    ]
    for found, expected in results:
        assert (found.dtype, found.shape) == (np.dtype(dtype), expected.shape)
        assert found.base is None, "the memory of a gradient is its own, so that it can be given away"
        np.testing.assert_allclose(found, expected, rtol=0, atol=slack * max(1.0, abs(expected).max(initial=0)))


@given(st.data(), st.integers(1, 3), st.sampled_from(["float64", "float32"]), st.integers(0, 2**16))
def test_columns(data: Any, n: int, dtype: str, seed: int) -> None:
    """Any number of dimensions, groups, strides, dilations, and padding that cuts off."""

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(n))

    groups = data.draw(st.sampled_from([1, 2]))
    sizes, stride, dilation = each(1, 3), each(1, 3), each(1, 2)
    lengths = each(5, 9 if n < 3 else 6)
    padding = tuple(zip(each(-1, 2), each(-1, 2), strict=True))
    if data.draw(st.integers(0, 4)) == 0:
        sizes = stride = (1,) * n
        padding = ((0, 0),) * n
    if min(im2col.plan_of(lengths, sizes, stride, padding, dilation, groups).counts) < 1:
        return
    rng = np.random.default_rng(seed)
    inner, outer = groups * data.draw(st.integers(1, 2)), groups * data.draw(st.integers(1, 3))
    x = drawn(rng, data.draw(st.integers(1, 4)), inner, *lengths)
    w = drawn(rng, outer, inner // groups, *sizes)
    b = data.draw(st.sampled_from([None, drawn(rng, outer)]))
    check(x, w, b, (stride, padding, dilation, groups), dtype, 1e-12 if dtype == "float64" else 1e-5)


@given(st.data(), st.sampled_from([2, 3, 4, 5]), st.integers(0, 2**16))
def test_winograd(data: Any, k: int, seed: int) -> None:
    """Any size of the picture, whose last tiles stick out, and any padding."""
    lengths = tuple(data.draw(st.integers(k, 25)) for _ in range(2))
    padding = tuple((data.draw(st.integers(-1, k)), data.draw(st.integers(0, k))) for _ in range(2))
    rng = np.random.default_rng(seed)
    inner, outer = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    x, w = drawn(rng, data.draw(st.integers(1, 5)), inner, *lengths), drawn(rng, outer, inner, k, k)
    how = ((1, 1), padding, (1, 1), 1)
    if min(im2col.plan_of(lengths, (k, k), *how).counts) < 1:
        return
    b = data.draw(st.sampled_from([None, drawn(rng, outer)]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "_by_winograd", lambda *args: True)
        check(x, w, b, how, "float32", 3e-5)


def test_the_way_is_chosen_by_shape_and_precision() -> None:
    def ways(c: int, o: int, k: int, size: int, stride: int = 1, dtype: str = "float32") -> bool:
        pad = k // 2
        plan = im2col.plan_of((size, size), (k, k), (stride,) * 2, ((pad, pad),) * 2, (1, 1), 1)
        return conv._by_winograd(plan, 32, c, o, np.dtype(dtype))

    assert ways(64, 64, 3, 56) and ways(128, 128, 3, 28) and ways(16, 32, 5, 28)
    assert not ways(3, 32, 3, 32)  # too few channels
    assert not ways(64, 64, 3, 56, stride=2)
    assert not ways(64, 64, 3, 56, dtype="float64")
    assert not ways(64, 64, 1, 56)
    assert not ways(512, 512, 3, 2)  # too few pixels for so large a weight


@pytest.mark.parametrize("layout", ["transposed", "expanded", "reversed"])
def test_any_order_of_memory_is_taken(layout: str) -> None:
    rng = np.random.default_rng(0)
    x, w = drawn(rng, 2, 3, 8, 8), drawn(rng, 4, 3, 3, 3)
    how = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    if layout == "transposed":
        x, w = x.transpose(0, 1, 3, 2), w.transpose(0, 1, 3, 2)
    elif layout == "expanded":
        x = np.broadcast_to(x[:1], x.shape)
    else:
        x, w = x[:, :, ::-1], w[..., ::-1]
    check(x, w, None, how, "float64", 1e-12)
    np.testing.assert_allclose(conv.conv(x, w, None, *how), Convolution.reference(x, w, None, *how), atol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((70, 30), (30, 20)),
        ((20, 30), (30, 70)),
        ((3, 5, 6), (3, 6, 7)),
        ((2, 3, 4), (4, 5)),
        ((5,), (5, 3)),
        ((1, 8), (8, 1)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_products_after_a_convolution_are_shared(left: Any, right: Any, dtype: str) -> None:
    """While BLAS is at one thread, our threads share large products; recurrent layers bring its own threads back."""
    rng = np.random.default_rng(0)
    x, y = (np.asarray(5 * drawn(rng, *shape)).astype(dtype) for shape in (left, right))
    conv.conv(drawn(rng, 2, 3, 5, 5), drawn(rng, 4, 3, 3, 3), None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert threads._blas_threads == 1
    found = tg.backends.get("cpu").matmul(x, y)
    np.testing.assert_allclose(found, x @ y, rtol=1e-5)
    tg.nn.RNN(2, 3)(tg.zeros(4, 1, 2))
    assert threads._blas_threads == threads.get_num_threads()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_freed_memory_is_used_again() -> None:
    """Large arrays that come and go take no fresh pages from the system."""
    program = """
import resource, tinygrad_edu as tg
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    held = [tg.ones(1 << 20) for _ in range(8)]
for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=plain, check=True)
    if not scratch.keep_freed_memory():
        pytest.skip("another C library than glibc")
    assert int(done.stdout) < 200
