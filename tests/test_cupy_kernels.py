"""The kernels of the CuPy backend beside the NumPy backend's operations: run on the CPU thread by thread, or with
``--backend=cuda`` on the card."""

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
from scipy import stats

import tinygrad_edu as tg
from tinygrad_edu import backends, generator, nn
from tinygrad_edu.backends import _cupy_conv

F = nn.functional
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}
TYPES = st.sampled_from(list(TOLERANCE))


@pytest.fixture(scope="module")
def cuda(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The backend on the stand-in, under its own name, or that of the card where the tests are to run on one."""
    if request.config.getoption("--backend").startswith("cuda"):
        yield backends.get("cuda")
        return
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


NORMS: dict[str, tuple[Callable[..., Any], tuple[int, ...], bool]] = {
    "layer": (lambda x, w, b: F.layer_norm(x, tuple(w.shape), w, b), (7, 40), True),
    "layer over two": (lambda x, w, b: F.layer_norm(x, tuple(w.shape), w, b), (3, 2, 5), True),
    "layer, long": (lambda x, w, b: F.layer_norm(x, tuple(w.shape), w, b), (2, 2000), True),
    "rms": (lambda x, w, b: F.rms_norm(x, tuple(w.shape), w) + b, (80, 33), True),
    "group": (lambda x, w, b: F.group_norm(x, 2, w, b), (3, 4, 2, 3), False),
    "batch": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (5, 3, 4), False),
    "batch, long": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (3000, 2), False),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_normalisation(cuda: Any, name: str, kind: str) -> None:
    function, shape, last = NORMS[name]
    rng = np.random.default_rng(4)
    inner = shape[1:] if last else shape[1:2]
    x, w, b = rng.normal(size=shape) * 3 + 5, rng.normal(size=inner), rng.normal(size=inner)
    agree(kind, function, x, w, b, scale=20)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "signals": ((3, 2, 9), (4, 2, 3), {"stride": 2, "padding": 1}),
    "pictures": ((2, 3, 5, 6), (2, 3, 3, 2), {"padding": (1, 2), "dilation": (1, 2)}),
    "groups": ((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2, "stride": (2, 1)}),
    "by channel": ((1, 3, 4, 4), (3, 1, 2, 2), {"groups": 3, "padding": "same"}),
    "volumes": ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), {"stride": (1, 2, 1)}),
    "single weights": ((2, 3, 4, 4), (5, 3, 1, 1), {}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_convolution(cuda: Any, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, weight, settings = CONVOLUTIONS[name]
    rng = np.random.default_rng(5)
    x, w, b = rng.normal(size=shape), rng.normal(size=weight), rng.normal(size=weight[:1])
    function = getattr(F, f"conv{len(shape) - 2}d")
    agree(kind, lambda x, w, b: function(x, w, b, **settings), x, w, b, scale=20)
    monkeypatch.setattr(_cupy_conv, "MOST", 1)  # every sample is a block of its own
    agree(kind, lambda x, w, b: function(x, w, b, **settings), x, w, b, scale=20)
    agree(kind, lambda x, w: function(x.detach(), w, **settings) + 0 * x.sum(), x, w, scale=20)


def test_transposed_convolution(cuda: Any) -> None:
    rng = np.random.default_rng(6)
    x, w, b = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=2)
    settings: dict[str, Any] = {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}
    agree("float64", lambda x, w, b: F.conv_transpose2d(x, w, b, **settings), x, w, b, scale=20)


def test_philox_gives_the_numbers_of_its_authors(cuda: Any) -> None:
    (first,) = cuda.to_host(cuda.random_uniform(cuda.generator(0), (1,), np.dtype("float64")))
    assert first == (0x6627E8D5E169C58D >> 11) / 2**53  # the known answer for a counter and a key of zeros
    (first,) = cuda.to_host(cuda.random_uniform(cuda.generator(2**64 - 1), (1,), np.dtype("float64")))
    assert 0 <= first < 1


@pytest.mark.parametrize("kind", TOLERANCE)
def test_random_numbers_have_their_distributions(cuda: Any, kind: str) -> None:
    tg.manual_seed(3)
    u = tg.rand(50_001, dtype=kind, device="cuda").numpy().astype("float64")
    assert 0 <= u.min() and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3 or kind == "float16"  # which has few numbers
    z = tg.randn(50_001, dtype=kind, device="cuda").numpy().astype("float64")
    assert stats.kstest(z, "norm").pvalue > 1e-3 or kind == "float16"
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02 and abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.02


def test_drawn_integers_permutations_and_counts(cuda: Any) -> None:
    tg.manual_seed(4)
    x = tg.randint(-3, 4, (7000,), device="cuda").numpy()
    assert stats.chisquare(np.bincount(x + 3, minlength=7)).pvalue > 1e-3
    assert sorted(tg.randperm(100, device="cuda").tolist()) == list(range(100))
    assert tg.randperm(100, device="cuda").tolist() != tg.randperm(100, device="cuda").tolist()
    for rate in (0.5, 4.0, 30.0):
        drawn = tg.poisson(tg.full((20_000,), rate, device="cuda")).numpy()
        assert abs(drawn.mean() - rate) < 5 * np.sqrt(rate / 20_000) and abs(drawn.var() / rate - 1) < 0.1
    found = tg.multinomial(tg.tensor([0.0, 3.0, 1.0], device="cuda"), 4000, replacement=True).numpy()
    assert abs((found == 1).mean() - 0.75) < 0.04 and not (found == 0).any()
    assert sorted(tg.multinomial(tg.tensor([1.0, 0.0, 2.0], device="cuda"), 2).tolist()) == [0, 2]
    chosen = tg.bernoulli(tg.full((4000,), 0.3, device="cuda"))
    assert abs(chosen.mean().item() - 0.3) < 0.04


def test_a_state_of_the_generator_gives_the_same_numbers_again(cuda: Any) -> None:
    card = tg.Generator("cuda").manual_seed(5)
    card_state = card.get_state()
    first = tg.randn(7, generator=card, device="cuda").tolist()
    assert tg.randn(7, generator=card, device="cuda").tolist() != first
    card.set_state(card_state)
    assert tg.randn(7, generator=card, device="cuda").tolist() == first
    with pytest.raises(ValueError, match="no generator state"):
        card.set_state(tg.Generator("cpu").get_state())


@pytest.mark.parametrize("kind", TOLERANCE)
def test_dropout(cuda: Any, kind: str) -> None:
    tg.manual_seed(6)
    x = tg.ones(4001, dtype=kind, device="cuda", requires_grad=True)
    y = F.dropout(x, 0.25)
    y.sum().backward()
    assert abs((y == 0).double().mean().item() - 0.25) < 0.04
    assert x.grad.equal(y) and sorted(set(y.double().tolist())) == pytest.approx([0, 4 / 3], rel=1e-3)
    assert F.dropout(x, 1.0).sum().item() == 0
    (g,) = tg.autograd.grad((F.dropout(x, 0.5) ** 2).sum(), x, create_graph=True)
    (gg,) = tg.autograd.grad(g.sum(), x)
    assert set(gg.double().tolist()) == {0.0, 8.0}  # twice the square of the factor


def test_drawing_does_not_wait(cuda: Any) -> None:
    p = tg.full((9,), 0.5, device="cuda")
    with cupy_stub.no_waiting(cuda):
        tg.bernoulli(p), tg.multinomial(p, 2), tg.multinomial(p, 2, replacement=True), tg.poisson(p), tg.normal(p, p)
        F.dropout(p)


@pytest.mark.parametrize("kind", ["none", "causal", "boolean", "additive", "dropout"])
def test_attention_is_that_of_the_cpu_and_does_not_wait(cuda: Any, kind: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, heads, 70, 4)) for heads in (4, 2, 2)]
    masks = {"boolean": rng.random((2, 1, 70, 70)) < 0.5, "additive": rng.normal(size=(4, 1, 70))}
    mask, p = masks.get(kind), 0.5 if kind == "dropout" else 0.0

    def step(device: str) -> Any:
        leaves = [tg.tensor(a, device=device, requires_grad=True) for a in arrays]
        hidden = None if mask is None else tg.tensor(mask, device=device)
        leaves += [hidden.requires_grad_()] if kind == "additive" else []

        def run() -> list[Any]:
            out = F.scaled_dot_product_attention(*leaves[:3], hidden, p, kind == "causal", enable_gqa=True)
            return [out, *tg.autograd.grad(out.square().sum(), leaves)]

        return run

    run = step("cuda")
    run()  # kernels are compiled
    with cupy_stub.no_waiting(cuda):
        found = run()
    for a, b in zip(found, step("cpu")(), strict=True):
        assert kind == "dropout" or np.allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-9)
        assert a.isfinite().all()


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.norm = nn.Embedding(9, 4), nn.LSTM(4, 5), nn.LayerNorm(5)
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(5, 9)

    def forward(self, words: Any) -> Any:
        return self.head(self.drop(self.norm(self.lstm(self.embedding(words))[0]))).reshape(-1, 9)


def test_a_step_of_a_language_model_never_waits(cuda: Any) -> None:
    tg.manual_seed(0)
    model = Reader().to("cuda")
    optimizer = tg.optim.AdamW(model.parameters(), lr=0.02)
    words = tg.tensor([[0, 1, 2], [3, 8, 5], [6, 7, 8]], device="cuda")
    classes = tg.tensor([1, 2, 3, 4, -100, 6, 7, 8, 0], device="cuda")

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(words), classes)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    first = step().item()  # kernels are compiled, and memory is taken from the system
    with cupy_stub.no_waiting(cuda):
        for _ in range(3):
            loss = step()
    assert np.isfinite(loss.item()) and loss.item() < first


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda x: tg.bernoulli(x - 2), "bernoulli: every element"),
        (lambda x: tg.poisson(x - 2), "poisson: every rate"),
        (lambda x: tg.normal(x, x - 2), "normal: the standard deviation"),
        (lambda x: tg.multinomial(x * 0, 1, replacement=True), "multinomial: weights"),
    ],
)
def test_wrong_probabilities_are_reported_when_one_next_waits(cuda: Any, draw: Any, message: str) -> None:
    x = tg.ones(3, device="cuda")
    draw(x)
    with pytest.raises(ValueError, match=message):
        x.tolist()
    assert x.tolist() == [1.0] * 3  # once is enough
    with tg.autograd.detect_anomaly(), pytest.raises(ValueError, match=message):
        draw(x)


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
