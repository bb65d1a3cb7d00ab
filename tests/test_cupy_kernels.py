"""The kernels of the CuPy backend, run on the CPU thread by thread, beside the NumPy backend's operations."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import cuda_on_cpu
import cupy_stub
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import backends, generator, nn

F = nn.functional
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}
TYPES = st.sampled_from(list(TOLERANCE))


@pytest.fixture(scope="module")
def cuda() -> Iterator[Any]:
    """The backend on the stand-in, under its own name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, module in cupy_stub.modules().items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
        patch.setattr(backends, "several_loaded", True)
        patch.setattr(generator._defaults, "by_device", {})
        yield backends.get("cuda")
        backends._of_several.pop(cupy_stub.ndarray, None)


def agree(kind: str, function: Callable[..., Any], *arrays: Any, scale: float = 1.0) -> None:
    """Results and gradients of a function are the same on the card and on the CPU, where half precision is computed exactly."""
    found = []
    for device in ("cpu", "cuda"):
        # The CPU gets what the card gets, in double precision: so the card's error alone is seen.
        wide = "float64" if device == "cpu" else kind
        given = [tg.tensor(np.asarray(a, kind).astype(wide), device=device, requires_grad=True) for a in arrays]
        out = function(*given)
        weights = tg.tensor(
            np.random.default_rng(0).normal(size=tuple(out.shape)).astype(kind).astype(wide), device=device
        )
        (out * weights).sum().backward()
        found.append([t.detach().numpy().astype("float64") for t in (out, *(a.grad for a in given))])
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=TOLERANCE[kind] * 4, atol=TOLERANCE[kind] * scale * 4)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "silu": F.silu,
    "mish": F.mish,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, "tanh"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("kind", TOLERANCE)
def test_activations(cuda: Any, name: str, kind: str) -> None:
    x = np.concatenate([np.linspace(-12, 12, 97), [0.0, 1e-4, -1e-4, 88.0, -88.0]])
    agree(kind, ACTIVATIONS[name], x)
    agree(kind, lambda x: ACTIVATIONS[name](x.T), x.reshape(6, 17))


@given(kind=TYPES, shape=st.tuples(*[st.integers(1, 7)] * 3), axis=st.integers(-3, 2), log=st.booleans())
def test_softmax(cuda: Any, kind: str, shape: tuple[int, ...], axis: int, log: bool) -> None:
    x = np.random.default_rng(1).normal(size=shape) * 5
    agree(kind, lambda x: (F.log_softmax if log else F.softmax)(x, axis), x, scale=10)


@pytest.mark.parametrize("width", [1, 31, 32, 33, 512, 513, 5000])
def test_rows_of_all_lengths(cuda: Any, width: int) -> None:
    x = np.random.default_rng(2).normal(size=(5, width)) * 3
    agree("float32", lambda x: F.softmax(x, 1), x)
    agree("float32", lambda x: F.log_softmax(x, 1), x, scale=10)
    target = np.random.default_rng(3).integers(0, width, 5)
    agree("float32", lambda x: F.cross_entropy(x, tg.tensor(target, device=x.device)), x)


def test_softmax_where_nothing_is_finite(cuda: Any) -> None:
    x = np.array([[-np.inf, 0, 1], [-np.inf, -np.inf, -np.inf], [np.nan, 0, 0], [np.inf, 0, 0]])
    for f in (F.softmax, F.log_softmax):
        with np.errstate(all="ignore"):
            want = f(tg.tensor(x), 1).numpy()
        np.testing.assert_array_equal(f(tg.tensor(x, device="cuda"), 1).numpy(), want)


@given(
    kind=TYPES,
    rows=st.integers(0, 9),
    width=st.integers(1, 40),
    reduction=st.sampled_from(["mean", "sum"]),
    ignored=st.sampled_from([-100, 0, 3]),
)
def test_cross_entropy(cuda: Any, kind: str, rows: int, width: int, reduction: str, ignored: int) -> None:
    rng = np.random.default_rng(rows)
    target = np.where(rng.random(rows) < 0.3, ignored, rng.integers(0, width, rows))
    target = np.where(target >= width, ignored, target)
    settings: dict[str, Any] = {"reduction": reduction, "ignore_index": ignored}
    x = rng.normal(size=(rows, width)) * 4
    agree(kind, lambda x: F.cross_entropy(x, tg.tensor(target, device=x.device), **settings), x, scale=10)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 90)), min_size=1, max_size=5),
    kind=TYPES,
    adam=st.booleans(),
    settings=st.data(),
)
def test_optimizers_of_many_parameters(cuda: Any, sizes: list[Any], kind: str, adam: bool, settings: Any) -> None:
    drawn: dict[str, Any] = {
        "weight_decay": settings.draw(st.sampled_from([0.0, 0.1])),
        "maximize": settings.draw(st.booleans()),
    }
    if adam:
        drawn["amsgrad"] = settings.draw(st.booleans())
        drawn["decoupled_weight_decay"] = settings.draw(st.booleans())
    else:
        drawn["momentum"] = settings.draw(st.sampled_from([0.0, 0.9]))
        drawn["nesterov"] = drawn["momentum"] > 0 and settings.draw(st.booleans())
    found = []
    for device in ("cpu", "cuda"):
        rng = np.random.default_rng(0)
        params = [tg.tensor(rng.normal(size=s).astype(kind), device=device, requires_grad=True) for s in sizes]
        params.append(tg.tensor(rng.normal(size=(3, 5)).astype(kind), device=device).t().requires_grad_())
        optimizer = (tg.optim.Adam if adam else tg.optim.SGD)(params, lr=0.05, **drawn)
        for _ in range(3):
            for p in params:
                p.grad = tg.tensor(rng.normal(size=tuple(p.shape)).astype(kind), device=device)
            nn.utils.clip_grad_norm_(params, 2.0)
            optimizer.step()
        found.append([p.detach().numpy().astype("float64") for p in params])
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=TOLERANCE[kind] * 10, atol=TOLERANCE[kind] * 10)


def test_a_kernel_with_a_barrier_that_some_threads_skip_is_found() -> None:
    source = 'typedef float T;\nextern "C" __global__ void bad(T* x) { if (threadIdx.x) __syncthreads(); x[0] = 1; }'
    x = cupy_stub.ndarray(np.zeros(1, np.float32))
    with pytest.raises(AssertionError, match="barrier"):
        cuda_on_cpu.RawKernel(source, "bad")((1,), (4,), (x,))


def test_arguments_of_kernels_must_have_their_types() -> None:
    source = 'extern "C" __global__ void f(float* x, long long n) { x[0] = n; }'
    x = cupy_stub.ndarray(np.zeros(1, np.float32))
    kernel = cuda_on_cpu.RawKernel(source, "f")
    kernel((1,), (1,), (x, np.int64(3)))
    assert x.host[0] == 3
    for wrong in ((x, np.int32(3)), (x, 3), (cupy_stub.ndarray(np.zeros(1)), np.int64(3))):
        with pytest.raises(AssertionError):
            kernel((1,), (1,), wrong)
