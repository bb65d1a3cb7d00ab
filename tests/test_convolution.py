"""Convolutional layers: PyTorch's results, derivatives, starting values, names and texts, at the same state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch says that it makes a copy

KINDS = [f"{kind}{n}d" for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)]


def dimensions(kind: str) -> int:
    return int(kind[-2])


@st.composite
def configurations(draw: Any) -> tuple[str, dict[str, Any], tuple[int, ...]]:
    """A class, its arguments, and the lengths of an input."""
    kind = draw(st.sampled_from(KINDS))
    n = dimensions(kind)

    def each(low: int, high: int) -> Any:
        one = st.integers(low, high)
        return draw(one | st.tuples(*[one] * n))

    groups = draw(st.sampled_from([1, 1, 2, 3]))
    options = {
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel_size": each(1, 3),
        "stride": each(1, 3),
        "padding": each(0, 2),
        "dilation": each(1, 2),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    lengths = tuple(draw(st.integers(5 if n < 3 else 3, 7 if n < 3 else 5)) for _ in range(n))
    if kind.startswith("ConvT"):
        lengths = tuple(draw(st.integers(3, 4)) for _ in range(n))
        steps = options["stride"] if isinstance(options["stride"], tuple) else (options["stride"],) * n
        options["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in steps)
        options["padding"] = each(0, 1)
    else:
        options["padding_mode"] = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
        if draw(st.integers(0, 3)) == 0:
            options |= {"stride": 1, "padding": draw(st.sampled_from(["same", "valid"]))}
        if n == 3 and options["padding_mode"] != "zeros":
            options["kernel_size"] = each(1, 2)
    return kind, options, lengths


def pair(kind: str, dtype: str, options: dict[str, Any], seed: int = 0) -> tuple[Any, Any]:
    """Our layer and PyTorch's, with the same random state."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, kind)(**options, dtype=dtype)
    theirs = getattr(torch.nn, kind)(**options, dtype=getattr(torch, dtype))
    same_state(ours, theirs, seed)
    return ours, theirs


@given(configurations(), st.booleans(), st.sampled_from(["float64", "float32"]), st.integers(0, 2**32 - 1))
def test_layers_agree_with_pytorch(configuration: Any, batched: bool, dtype: str, seed: int) -> None:
    """Results, gradients by everything, and derivatives of the gradients; what PyTorch refuses is refused."""
    kind, options, lengths = configuration
    ours, theirs = pair(kind, dtype, options, seed)
    shape = (*([2] if batched else []), options["in_channels"], *lengths)
    x = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    try:
        theirs(pytest.importorskip("torch").tensor(x))
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match=f"^{kind}: "):
            ours(tg.tensor(x))
        return
    parameters = (list(ours.parameters()), list(theirs.parameters()))
    agree(ours, theirs, [x], parameters, seed=seed, tolerance=1e-9 if dtype == "float64" else 2e-5)


@given(st.integers(1, 3), st.data(), st.integers(0, 99))
def test_a_transposed_convolution_reaches_the_size_that_is_asked_for(n: int, data: Any, seed: int) -> None:
    kind = f"ConvTranspose{n}d"
    options = {
        "in_channels": 2,
        "out_channels": 3,
        "kernel_size": 3,
        "stride": data.draw(st.integers(2, 3)),
        "padding": 1,
    }
    ours, theirs = pair(kind, "float64", options, seed)
    conv = getattr(nn, f"Conv{n}d")(3, 2, 3, stride=options["stride"], padding=1, dtype="float64")
    size = [data.draw(st.integers(4, 6)) for _ in range(n)]
    x = conv(tg.zeros(1, 3, *size, dtype="float64")).shape
    values = np.random.default_rng(seed).normal(size=tuple(x))
    agree(lambda v: ours(v, output_size=size), lambda v: theirs(v, output_size=size), [values], seed=seed)
    assert ours(tg.tensor(values), output_size=(1, 3, *size)).shape[2:] == tuple(size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False, "dilation": 2},
        {"groups": 2, "padding": 1, "stride": 2, "output_padding": 1},
        {"padding": "same", "padding_mode": "circular"},
    ],
)
def test_state_dict_and_text_are_those_of_pytorch(kind: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    if "Transpose" in kind and options.get("padding") == "same":
        return
    if "Transpose" not in kind:
        options = {key: value for key, value in options.items() if key != "output_padding"}
    ours, theirs = getattr(nn, kind)(4, 6, 3, **options), getattr(torch.nn, kind)(4, 6, 3, **options)
    assert repr(ours) == repr(theirs)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    for name in ("in_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "transposed"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("kind", KINDS)
def test_weights_start_uniform_within_the_bound_of_pytorch(kind: str) -> None:
    layer = getattr(nn, kind)(40, 400 if dimensions(kind) == 1 else 60, 3, groups=2)
    per_output = math.prod(layer.weight.shape[1:])
    bound = 1 / math.sqrt(per_output)
    for p in layer.parameters():
        values = p.detach().numpy().astype("float64")
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.85 * bound
    np.testing.assert_allclose(layer.weight.detach().numpy().var(), bound**2 / 3, rtol=0.1)


def test_a_batch_of_nothing_has_a_result_and_gradients_of_zero() -> None:
    for kind in KINDS:
        n = dimensions(kind)
        layer = getattr(nn, kind)(2, 3, 3, padding=1)
        x = tg.zeros(0, 2, *(4,) * n, requires_grad=True)
        y = layer(x)
        assert y.shape == (0, 3, *(4,) * n)
        y.sum().backward()
        assert x.grad.shape == x.shape
        assert not layer.weight.grad.numpy().any()


def test_half_precision_stays_half_and_sums_in_single() -> None:
    x, w = tg.full((1, 64, 8, 8), 0.1, dtype=tg.float16), tg.full((4, 64, 3, 3), 8.0, dtype=tg.float16)
    y = F.conv2d(x, w)
    assert y.dtype is tg.float16
    np.testing.assert_allclose(y.numpy(), float(x[0, 0, 0, 0]) * 8 * 64 * 9, rtol=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 1), (3, 2), (4, 2), (5, 1)])
def test_single_precision_is_that_of_double_up_to_rounding(k: int, stride: int, threads: int) -> None:
    """At sizes at which every way of the backend is taken, and shared by threads; a second time the same."""
    single, double = (nn.Conv2d(24, 20, k, stride=stride, padding=1, dtype=d) for d in ("float32", "float64"))
    double.load_state_dict({name: value.double() for name, value in single.state_dict().items()})
    x = tg.randn(6, 24, 30, 26)
    cotangent = tg.randn(single(x).shape)
    before = tg.get_num_threads()
    tg.set_num_threads(threads)
    try:
        found = []
        for layer, dtype in ((single, tg.float32), (single, tg.float32), (double, tg.float64)):
            leaf = x.to(dtype).clone().requires_grad_()
            y = layer(leaf)
            found.append([y.detach(), *tg.autograd.grad(y, [leaf, *layer.parameters()], cotangent.to(dtype))])
    finally:
        tg.set_num_threads(before)
    for first, again, exact in zip(*found, strict=True):
        assert first.equal(again)
        scale = float(exact.abs().max())
        np.testing.assert_allclose(first.numpy(), exact.numpy(), rtol=0, atol=1e-5 * scale)


def test_a_frozen_layer_keeps_nothing_for_its_weight() -> None:
    x = tg.ones(1, 2, 5, 5, requires_grad=True)
    layer = nn.Conv2d(2, 3, 3).requires_grad_(False)
    y = layer(x)
    assert all(v is None or v.shape != x._data.shape for v in y._node.saved)
    y.sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 0), ValueError, "Conv2d: kernel_size must be"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), ValueError, r"kernel_size must .* or 2 of them, got \(3, 3, 3\)"),
        (lambda: nn.Conv1d(3, 4, 3.0), TypeError, "Conv1d: kernel_size must be an integer"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups=2, got 3"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups=2, got 3"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, "groups must be at least 1"),
        (lambda: nn.Conv2d(4.0, 4, 3), TypeError, "in_channels must be an integer"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of"),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), ValueError, "needs stride 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding="half"), ValueError, "'same', 'valid' or integers"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), TypeError, "ConvTranspose2d: padding"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, "can only be 'zeros'"),
        (
            lambda: nn.Conv2d(3, 4, 3)(tg.zeros(1, 2, 8, 8)),
            ValueError,
            r"Conv2d: .*\(N, 3, H, W\) .* got \(1, 2, 8, 8\)",
        ),
        (lambda: nn.Conv1d(3, 4, 3)(tg.zeros(1, 3, 8, 8)), ValueError, r"Conv1d: .*\(N, 3, L\)"),
        (lambda: nn.Conv2d(3, 4, 3)([1.0]), TypeError, "Conv2d: expected a Tensor"),
        (
            lambda: nn.Conv2d(3, 4, 3)(tg.zeros(1, 3, 8, 8, dtype="float64")),
            TypeError,
            "Conv2d: the input is .*float64",
        ),
        (
            lambda: nn.Conv2d(3, 4, 5, padding=1)(tg.zeros(1, 3, 2, 8)),
            ValueError,
            r"Conv2d: expected .* at least \(5, 5\)",
        ),
        (
            lambda: nn.Conv2d(3, 4, 3, padding=2, padding_mode="reflect")(tg.zeros(1, 3, 2, 8)),
            ValueError,
            "Conv2d: padding .*'reflect' does not fit",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, stride=2)(tg.zeros(1, 3, 4, 4), output_size=12),
            ValueError,
            r"between \(9, 9\) and \(10, 10\)",
        ),
        (lambda: nn.ConvTranspose2d(3, 4, 1, padding=1)(tg.zeros(1, 3, 2, 2)), ValueError, r"sizes \(0, 0\)"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
