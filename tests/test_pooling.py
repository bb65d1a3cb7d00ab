"""Pooling layers and kernels: PyTorch's results and texts, large inputs, ties, and numbers that are not finite."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

seeds = st.integers(0, 2**32 - 1)


def both(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    return ours, theirs


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("MaxPool", (2,), {}),
    ("MaxPool", (3, 2, 1), {"dilation": 2, "ceil_mode": True, "return_indices": True}),
    ("AvgPool", (2,), {}),
    ("AvgPool", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
    ("LPPool", (2, 2), {}),
    ("LPPool", (3.0, 2, 1), {"ceil_mode": True}),
    ("AdaptiveAvgPool", (3,), {}),
    ("AdaptiveMaxPool", (3,), {"return_indices": True}),
]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("name", "args", "kwargs"), LAYERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layers_are_those_of_pytorch(name: str, args: Any, kwargs: Any, dims: int, dtype: str) -> None:
    ours, theirs = both(f"{name}{dims}d", *args, **kwargs)
    rng = np.random.default_rng(dims)
    x = np.abs(rng.normal(size=(2, 3, *[7, 6, 5][:dims]))).astype(dtype) + 0.1
    agree(ours, theirs, [x], order=1 if dims == 3 else 2, tolerance=1e-9 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_layers_that_undo_a_pooling_are_those_of_pytorch(dims: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 3, *[6, 5, 4][:dims]))
    pools = both(f"MaxPool{dims}d", 2, return_indices=True)
    backs = both(f"MaxUnpool{dims}d", 2)
    agree(
        lambda t: backs[0](*pools[0](t), output_size=t.shape),
        lambda t: backs[1](*pools[1](t), output_size=t.shape),
        [x],
    )
    assert torch is not None


def test_divisors_may_be_given_and_sizes_may_stay() -> None:
    for options in ({"divisor_override": 3}, {"divisor_override": 5, "padding": 1, "ceil_mode": True}):
        agree(*both("AvgPool2d", 3, 2, **options), [np.random.default_rng(0).normal(size=(1, 2, 6, 7))])
    for name in ("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"):
        agree(*both(name, (None, 2)), [np.random.default_rng(0).normal(size=(2, 6, 7))])


@pytest.mark.parametrize("kernel", [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((2, 3), (1, 2), (0, 1))])
def test_large_inputs_are_shared_out_in_blocks(kernel: Any) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(16, 8, 50, 60)).round(1)  # rounded: with ties
    size, stride, padding = kernel
    agree(
        lambda t: F.max_pool2d(t, size, stride, padding, return_indices=True),
        lambda t: torch.nn.functional.max_pool2d(t, size, stride, padding, return_indices=True),
        [x],
        order=1,
    )
    agree(
        lambda t: F.avg_pool2d(t, size, stride, padding),
        lambda t: torch.nn.functional.avg_pool2d(t, size, stride, padding),
        [x],
        order=1,
    )


@given(st.lists(st.sampled_from([-np.inf, np.inf, np.nan, 0.0, 1.0]), min_size=4, max_size=9), st.integers(0, 1))
def test_what_is_not_finite_is_chosen_as_in_pytorch(values: list[float], padding: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([values])
    agree(
        lambda t: F.max_pool1d(t, 3, 2, padding, return_indices=True),
        lambda t: torch.nn.functional.max_pool1d(t, 3, 2, padding, return_indices=True),
        [x],
        order=1,
    )


def test_an_infinite_gradient_stays_where_it_belongs() -> None:
    x = tg.arange(8.0).reshape(1, 8).requires_grad_()
    F.max_pool1d(x, 2).backward(tg.tensor([[np.inf, 1.0, 2.0, 3.0]]))
    assert x.grad.tolist() == [[0.0, np.inf, 0.0, 1.0, 0.0, 2.0, 0.0, 3.0]]


@pytest.mark.parametrize("name", ["uint8", "int32", "int64"])
def test_integers_have_a_largest_one(name: str) -> None:
    x = tg.tensor([[3, 1, 2, 9]], dtype=getattr(tg, name))
    assert F.max_pool1d(x, 2).tolist() == [[3, 9]] and F.max_pool1d(x, 2).dtype is x.dtype
    with pytest.raises(TypeError, match="booleans"):
        F.max_pool1d(x > 2, 2)


def test_bad_arguments_name_the_layer_and_the_sizes() -> None:
    cases = [
        (lambda: F.max_pool2d(tg.zeros(3, 4), 2), ValueError, r"max_pool2d: .*\(N, C, H, W\).*got \(3, 4\)"),
        (lambda: F.max_pool2d(tg.zeros(1, 1, 4), (5, 5)), ValueError, r"no window of \(5, 5\).*fits into \(1, 4\)"),
        (lambda: F.avg_pool1d(tg.zeros(1, 4), 2, padding=2), ValueError, "avg_pool1d: padding must be at most half"),
        (lambda: F.avg_pool2d(tg.zeros(1, 4, 4), 2, divisor_override=0), ValueError, "divisor_override"),
        (lambda: F.max_pool1d(tg.zeros(1, 4), 0), ValueError, "kernel_size"),
        (lambda: F.adaptive_avg_pool2d(tg.zeros(1, 4, 4), (2, 2, 2)), ValueError, "output_size"),
        (lambda: F.avg_pool2d(tg.zeros(1, 4, 4, dtype=tg.int64), 2), TypeError, "floating-point"),
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()


def test_windows_side_by_side_and_their_adjoint_add_up() -> None:
    for shape, size in itertools.product([(1, 6, 6), (2, 3, 6, 9)], [2, 3]):
        x = tg.randn(*shape, dtype=tg.float64)
        total = F.avg_pool2d(x, size, divisor_override=1).sum()
        assert abs(float(total - x[..., : 6 // size * size, : x.shape[-1] // size * size].sum())) < 1e-9


@pytest.mark.parametrize("dims", [2, 3])
def test_windows_drawn_at_random_shrink_by_any_factor(dims: int) -> None:
    name = f"FractionalMaxPool{dims}d"
    samples = np.random.default_rng(0).uniform(size=(2, 3, dims))
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(2, output_ratio=0.6, return_indices=True, _random_samples=tg.tensor(samples))
    theirs = getattr(torch.nn, name)(2, output_ratio=0.6, return_indices=True, _random_samples=torch.tensor(samples))
    assert repr(ours) == repr(theirs)
    agree(ours, theirs, [np.random.default_rng(1).normal(size=(2, 3, *[7, 6, 5][:dims]))], order=1)
    assert getattr(nn, name)(2, 3)(tg.zeros(3, *[7] * dims)).shape == (3, *[3] * dims)
    for bad, text in [({}, "either output_size or output_ratio"), ({"output_ratio": 1.5}, "between 0 and 1")]:
        with pytest.raises(ValueError, match=f"{name}: .*{text}"):
            getattr(nn, name)(2, **bad)
