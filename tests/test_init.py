"""First values of parameters: their distributions, gains and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import init

# What fills a weight of shape (30, 20, 5) in PyTorch, as (bound or None, standard deviation): fan-in 100, fan-out 150.
SHAPE = (30, 20, 5)
UNIFORM = {
    "uniform_": ({"a": -2.0, "b": 2.0}, 2.0),
    "xavier_uniform_": ({"gain": 2.0}, 2 * math.sqrt(6 / 250)),
    "kaiming_uniform_": ({"nonlinearity": "relu"}, math.sqrt(2) * math.sqrt(3 / 100)),
}
NORMAL = {
    "normal_": ({"mean": 0.0, "std": 0.3}, 0.3),
    "xavier_normal_": ({"gain": 2.0}, 2 * math.sqrt(2 / 250)),
    "kaiming_normal_": ({"a": 1.0, "mode": "fan_out"}, 1 / math.sqrt(150)),
}


def drawn(name: str, options: dict[str, Any], dtype: str = "float32") -> np.ndarray:
    """The values of one call, which returns its argument and leaves no graph."""
    w = nn.Parameter(tg.full(SHAPE, math.nan, dtype=dtype))
    assert getattr(init, name)(w, **options) is w
    assert w.is_leaf and w.requires_grad
    return w.detach().numpy().astype("float64")


def distance(values: np.ndarray, probability: Any) -> float:
    """The statistic of Kolmogorov and Smirnov, times √n: above 2.2 once in 10,000 draws of the right distribution."""
    values = np.sort(values.reshape(-1))
    expected = np.vectorize(probability)(values)
    n = values.size
    steps = np.arange(n + 1) / n
    return float(math.sqrt(n) * max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_distributions(name: str, dtype: str) -> None:
    tg.manual_seed(0)
    options, bound = UNIFORM[name]
    assert distance(drawn(name, options, dtype), lambda v: (v / bound + 1) / 2) < 2.2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NORMAL)
def test_normal_distributions(name: str, dtype: str) -> None:
    tg.manual_seed(0)
    options, std = NORMAL[name]
    assert distance(drawn(name, options, dtype), lambda v: (1 + math.erf(v / std / math.sqrt(2))) / 2) < 2.2


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.9, 7.0), (0.0, 1.0, 5.0, 6.0), (0.0, 1e-3, -2.0, 2.0)],
)
def test_truncated_normal_distribution(mean: float, std: float, a: float, b: float) -> None:
    tg.manual_seed(0)
    values = drawn("trunc_normal_", {"mean": mean, "std": std, "a": a, "b": b}, "float64")
    assert a <= values.min() and values.max() <= b

    def above(v: float) -> float:
        return math.erfc((v - mean) / std / math.sqrt(2)) / 2

    assert distance(values, lambda v: (above(a) - above(v)) / (above(a) - above(b))) < 2.2


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.sampled_from([1.0, 0.5]))
def test_orthogonal_matrices(shape: list[int], gain: float) -> None:
    w = init.orthogonal_(tg.empty(*shape, dtype="float64"), gain).numpy().reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_matrices_are_spread_evenly() -> None:
    """The first column of a random rotation of the plane has an angle without preference."""
    tg.manual_seed(0)
    angles = [math.atan2(*init.orthogonal_(tg.empty(2, 2))[:, 0].tolist()) for _ in range(500)]
    assert distance(np.array(angles), lambda v: v / (2 * math.pi) + 0.5) < 2.2


def test_constants() -> None:
    w = nn.Parameter(tg.empty(2, 3))
    assert init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert init.constant_(w, 0.5).tolist() == [[0.5] * 3] * 2
    assert init.eye_(w).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert w.requires_grad and w.is_leaf


def test_every_public_name_of_pytorch_is_here() -> None:
    torch = pytest.importorskip("torch")
    names = {
        name
        for name, value in vars(torch.nn.init).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == torch.nn.init.__name__
    }
    assert names <= set(init.__all__) and all(callable(getattr(init, name)) for name in names)


@given(
    st.sampled_from([1, 2, 3]),
    st.integers(1, 2),
    st.integers(1, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_convolutions_that_change_nothing(groups: int, out: int, channels: int, kernel: list[int]) -> None:
    torch = pytest.importorskip("torch")
    shape = (groups * out, channels, *kernel)
    w = nn.Parameter(tg.full(shape, math.nan, dtype="float64"))
    assert init.dirac_(w, groups) is w and w.is_leaf
    np.testing.assert_array_equal(w.detach().numpy(), torch.nn.init.dirac_(torch.empty(shape), groups).numpy())


def test_sparse_matrices() -> None:
    tg.manual_seed(0)
    w = init.sparse_(nn.Parameter(tg.full((40, 500), math.nan)), 0.33, std=2.0).detach().numpy()
    zeros = w == 0
    np.testing.assert_array_equal(zeros.sum(0), 14)  # 13.2 rounded up
    assert distance(w[~zeros], lambda v: (1 + math.erf(v / 2 / math.sqrt(2))) / 2) < 2.2
    # Each row is as likely as any other: the number of zeros in one has this mean and standard deviation.
    share = 14 / 40
    assert abs(zeros.sum(1) - 500 * share).max() < 4.5 * math.sqrt(500 * share * (1 - share))
    first = init.sparse_(tg.empty(5, 5), 0.5, generator=tg.Generator(tg.get_default_device()).manual_seed(1))
    assert first.equal(
        init.sparse_(tg.empty(5, 5), 0.5, generator=tg.Generator(tg.get_default_device()).manual_seed(1))
    )


@pytest.mark.parametrize("name", [n for n in init.__all__ if not n.endswith("_") and n != "calculate_gain"])
def test_older_names_warn_and_do_the_same(name: str) -> None:
    shape, args = ((3, 3, 3), ()) if name == "dirac" else ((3, 3), {"constant": (0.5,), "sparse": (0.5,)}.get(name, ()))
    tg.manual_seed(0)
    expected = getattr(init, f"{name}_")(tg.empty(*shape), *args)
    tg.manual_seed(0)
    with pytest.warns(FutureWarning, match=f"nn.init.{name} is deprecated; use nn.init.{name}_"):
        found = getattr(init, name)(tg.empty(*shape), *args)
    assert found.equal(expected) and getattr(init, name).__name__ == name


def test_nothing_to_fill() -> None:
    with pytest.warns(UserWarning, match="kaiming_uniform_: a tensor without elements"):
        assert init.kaiming_uniform_(tg.empty(0, 3)).shape == (0, 3)
    assert init.orthogonal_(tg.empty(3, 0)).shape == (3, 0)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ["orthogonal_", "trunc_normal_", "normal_", "uniform_", "xavier_normal_"])
def test_types_stay(name: str, dtype: str) -> None:
    w = getattr(init, name)(tg.empty(4, 3, dtype=dtype))
    assert w.dtype is getattr(tg, dtype) and np.isfinite(w.float().numpy()).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [(n, o[0]) for n, o in (UNIFORM | NORMAL).items()] + [("trunc_normal_", {}), ("orthogonal_", {})],
)
def test_a_generator_or_a_seed_repeats_the_values(name: str, options: dict[str, Any]) -> None:
    def with_generator(seed: int) -> np.ndarray:
        return drawn(name, {**options, "generator": tg.Generator(tg.get_default_device()).manual_seed(seed)})

    np.testing.assert_array_equal(with_generator(1), with_generator(1))
    assert not np.array_equal(with_generator(1), with_generator(2))
    tg.manual_seed(5)
    first = drawn(name, options)
    tg.manual_seed(5)
    np.testing.assert_array_equal(drawn(name, options), first)


@pytest.mark.parametrize(
    "name", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu", "conv2d", "conv_transpose3d"]
)
def test_gains_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.xavier_uniform_(tg.empty(3)), r"xavier_uniform_.* \(3,\)"),
        (lambda: init.kaiming_normal_(tg.empty(3)), r"kaiming_normal_.* \(3,\)"),
        (lambda: init.kaiming_uniform_(tg.empty(3, 2), mode="fan"), "'fan_in' or 'fan_out', got 'fan'"),
        (lambda: init.kaiming_uniform_(tg.empty(3, 2), nonlinearity="step"), "no gain is known for 'step'"),
        (lambda: init.calculate_gain("leaky_relu", "0.1"), "must be a number"),
        (lambda: init.orthogonal_(tg.empty(3)), r"orthogonal_.* \(3,\)"),
        (lambda: init.eye_(tg.empty(3)), r"eye_.* \(3,\)"),
        (lambda: init.dirac_(tg.empty(3, 3)), r"dirac_.* \(3, 3\)"),
        (lambda: init.dirac_(tg.empty(3, 3, 3), 2), "dirac_: 3 output channels .* 2 groups"),
        (lambda: init.sparse_(tg.empty(3), 0.5), r"sparse_.* \(3,\)"),
        (lambda: init.sparse_(tg.empty(3, 3), 1.5), "sparse_: sparsity .* 1.5"),
        (lambda: init.trunc_normal_(tg.empty(3), a=2.0, b=1.0), "a < b"),
        (lambda: init.uniform_(tg.empty(3), 2.0, 1.0), "uniform_: .* 2.0 to 1.0"),
        (lambda: init.normal_(tg.empty(3), 0.0, -1.0), "normal_: .* got -1.0"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
