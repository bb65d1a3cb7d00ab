"""Derivatives of derivatives: against closed forms, and against PyTorch's to the third order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import leaf, same
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.autograd import grad
from tinygrad_edu.nn import functional

# Closed forms ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Jet:
    """A value and its first three derivatives by one variable, combined by the rules of calculus alone."""

    d: tuple[float, float, float, float]

    def through(self, f: tuple[float, float, float, float]) -> Jet:
        """The jet of f(u), by the chain rule of Faà di Bruno; ``f`` holds the derivatives of f at u."""
        _, u1, u2, u3 = self.d
        f0, f1, f2, f3 = f
        return Jet((f0, f1 * u1, f2 * u1**2 + f1 * u2, f3 * u1**3 + 3 * f2 * u1 * u2 + f1 * u3))

    def __add__(self, other: Jet) -> Jet:
        a, b = self.d, other.d
        return Jet((a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]))

    def __mul__(self, other: Jet) -> Jet:
        """The rule of Leibniz."""
        a, b = self.d, other.d
        return Jet(
            (
                a[0] * b[0],
                a[1] * b[0] + a[0] * b[1],
                a[2] * b[0] + 2 * a[1] * b[1] + a[0] * b[2],
                a[3] * b[0] + 3 * a[2] * b[1] + 3 * a[1] * b[2] + a[0] * b[3],
            )
        )


def _tanh(u: float) -> tuple[float, float, float, float]:
    t = math.tanh(u)
    s = 1 - t * t
    return t, s, -2 * t * s, s * (6 * t * t - 2)


def _sigmoid(u: float) -> tuple[float, float, float, float]:
    y = 1 / (1 + math.exp(-u))
    s = y * (1 - y)
    return y, s, s * (1 - 2 * y), s * (1 - 6 * y + 6 * y * y)


def _power(p: float) -> Callable[[float], tuple[float, float, float, float]]:
    return lambda u: (u**p, p * u ** (p - 1), p * (p - 1) * u ** (p - 2), p * (p - 1) * (p - 2) * u ** (p - 3))


Form = Callable[[float], tuple[float, float, float, float]]

# Each operation with the closed form of its derivatives, and whether it asks for positive numbers.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Form, bool]] = {
    "exp": (tg.exp, lambda u: (math.exp(u),) * 4, False),
    "expm1": (tg.expm1, lambda u: (math.expm1(u), *(math.exp(u),) * 3), False),
    "sin": (tg.sin, lambda u: (math.sin(u), math.cos(u), -math.sin(u), -math.cos(u)), False),
    "cos": (tg.cos, lambda u: (math.cos(u), -math.sin(u), -math.cos(u), math.sin(u)), False),
    "tanh": (tg.tanh, _tanh, False),
    "sigmoid": (tg.sigmoid, _sigmoid, False),
    "square": (tg.square, lambda u: (u * u, 2 * u, 2.0, 0.0), False),
    "cube": (lambda u: u**3, _power(3), False),
    "neg": (lambda u: -u, lambda u: (-u, -1.0, 0.0, 0.0), False),
    "scale": (lambda u: 0.7 * u + 1.3, lambda u: (0.7 * u + 1.3, 0.7, 0.0, 0.0), False),
    "2 to the": (lambda u: 2.0**u, lambda u: tuple(2.0**u * math.log(2) ** k for k in range(4)), False),  # type: ignore[dict-item, return-value]
    "log": (tg.log, lambda u: (math.log(u), 1 / u, -1 / u**2, 2 / u**3), True),
    "log1p": (tg.log1p, lambda u: (math.log1p(u), 1 / (1 + u), -1 / (1 + u) ** 2, 2 / (1 + u) ** 3), True),
    "sqrt": (tg.sqrt, _power(0.5), True),
    "rsqrt": (tg.rsqrt, _power(-0.5), True),
    "reciprocal": (tg.reciprocal, _power(-1), True),
    "divided": (lambda u: 3 / u, lambda u: tuple(3 * v for v in _power(-1)(u)), True),  # type: ignore[dict-item, return-value]
    "power 2.5": (lambda u: u**2.5, _power(2.5), True),
    "u to the u": (
        lambda u: u**u,
        lambda u: (
            u**u,
            u**u * (math.log(u) + 1),
            u**u * ((math.log(u) + 1) ** 2 + 1 / u),
            u**u * ((math.log(u) + 1) ** 3 + 3 * (math.log(u) + 1) / u - 1 / u**2),
        ),
        True,
    ),
    "abs": (tg.abs, lambda u: (u, 1.0, 0.0, 0.0), True),
    "relu": (tg.relu, lambda u: (u, 1.0, 0.0, 0.0), True),
}


@st.composite
def programs(draw: st.DrawFn) -> tuple[float, list[Any]]:
    """A point, and steps that each apply a function or combine two earlier values."""
    point = draw(st.floats(0.2, 1.8))
    count = 1
    steps: list[Any] = []
    for _ in range(draw(st.integers(1, 5))):
        earlier = st.integers(0, count - 1)
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(sorted(FUNCTIONS))), draw(earlier)))
        else:
            steps.append((draw(st.sampled_from(["+", "*"])), draw(earlier), draw(earlier)))
        count += 1
    return point, steps


def closed_form(point: float, steps: list[Any]) -> Jet:
    values = [Jet((point, 1.0, 0.0, 0.0))]
    for name, *of in steps:
        a, b = values[of[0]], values[of[-1]]
        if name in FUNCTIONS:
            _, form, positive = FUNCTIONS[name]
            assume(abs(a.d[0]) < 5 and (not positive or a.d[0] > 0.1))
            values.append(a.through(form(a.d[0])))
        else:
            values.append(a + b if name == "+" else a * b)
    return values[-1]


def evaluated(x: tg.Tensor, steps: list[Any]) -> tg.Tensor:
    values = [x]
    for name, *of in steps:
        a, b = values[of[0]], values[of[-1]]
        values.append(FUNCTIONS[name][0](a) if name in FUNCTIONS else a + b if name == "+" else a * b)
    return values[-1]


def derivative(y: tg.Tensor, x: tg.Tensor) -> tg.Tensor:
    (g,) = grad(y.sum(), x, create_graph=True, materialize_grads=True)
    return g if g.requires_grad else g + 0 * x  # a constant: keep it differentiable


@given(programs(), st.sampled_from([(), (1,), (2, 3)]))
def test_three_derivatives_of_a_composition(program: tuple[float, list[Any]], shape: tuple[int, ...]) -> None:
    point, steps = program
    jet = closed_form(point, steps)
    assume(all(math.isfinite(v) and abs(v) < 1e8 for v in jet.d))
    x = tg.full(shape, point, dtype=tg.float64, requires_grad=True)
    y = evaluated(x, steps)
    for order, expected in enumerate(jet.d):
        note(f"order {order}")
        same(y, np.full(shape, expected), rtol=1e-8, atol=1e-8)
        y = derivative(y, x) if order < 3 else y


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_three_derivatives_of_each_function(name: str, shape: tuple[int, ...]) -> None:
    operation, form, _ = FUNCTIONS[name]
    x = tg.full(shape, 0.6, dtype=tg.float64, requires_grad=True)
    y = operation(x)
    for order, expected in enumerate(form(0.6)):
        same(y, np.full(shape, expected), rtol=1e-11, atol=1e-11)
        y = derivative(y, x) if order < 3 else y


def test_ten_derivatives_of_a_power_and_of_a_wave() -> None:
    x = leaf(1.5)
    y, wave = x**10, x.sin()
    for n in range(1, 11):
        (y,) = grad(y, x, create_graph=True)
        (wave,) = grad(wave, x, create_graph=True)
        same(y, math.perm(10, n) * 1.5 ** (10 - n), rtol=1e-11)
        same(wave, math.sin(1.5 + n * math.pi / 2), rtol=1e-11)


def test_the_derivative_of_a_constant_derivative_is_zero() -> None:
    x = leaf(1.0, 2.0)
    (g,) = grad((3 * x).sum(), x, create_graph=True)
    assert not g.requires_grad
    (h,) = grad(derivative(x * x, x).sum(), x)
    same(h, [2.0, 2.0])


def test_a_mixed_derivative_does_not_depend_on_the_order() -> None:
    x, y = leaf(0.7), leaf(-1.3)
    f = tg.exp(x * y) * tg.sin(x + y * y)
    fx, fy = grad(f, [x, y], create_graph=True)
    (fxy,) = grad(fx, y, create_graph=True)
    (fyx,) = grad(fy, x, create_graph=True)
    same(fxy, fyx.item())
    (fxyx,) = grad(fxy, x, retain_graph=True)
    (fyxx,) = grad(fyx, x)
    same(fxyx, fyxx.item())


def test_the_hessian_of_a_quadratic_form() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 4))
    x = tg.tensor(rng.normal(size=4), requires_grad=True)
    (g,) = grad(x @ tg.tensor(a) @ x, x, create_graph=True)
    rows = [grad(g[i], x, retain_graph=True)[0].numpy() for i in range(4)]
    same(np.stack(rows), a + a.T)


def test_a_gradient_penalty_trains_through_the_gradient() -> None:
    """The derivative of ‖∇f‖² for f = w·sin(x) is 2 w cos²(x) for each weight."""
    x, w = leaf(0.3, 1.1), leaf(2.0, -0.5)
    (g,) = grad((w * x.sin()).sum(), x, create_graph=True)
    (g * g).sum().backward()
    same(w.grad, 2 * w.detach().numpy() * np.cos([0.3, 1.1]) ** 2)


def test_derivatives_through_a_step_of_gradient_descent() -> None:
    """For the loss x² and the step x - a·2x, the loss after it is x²(1 - 2a)², with derivative -4x²(1 - 2a) by a."""
    x, a = leaf(3.0), leaf(0.1)
    (g,) = grad(x * x, x, create_graph=True)
    after = x - a * g
    (after * after).backward()
    same(a.grad, -4 * 9 * 0.8)
    same(x.grad, 6 * 0.64)


def test_the_derivative_of_a_gradient_by_its_cotangent() -> None:
    """∂(vᵀJ)/∂v contracted with u is J u: a forward derivative from two backward ones."""
    x, v = leaf(0.5, 1.5), leaf(0.0, 0.0)
    (g,) = grad(x.exp() * x[0], x, v, create_graph=True)
    (jvp,) = grad(g, v, tg.tensor([1.0, 10.0], dtype=tg.float64))
    e = np.exp([0.5, 1.5])
    same(jvp, [e[0] * 0.5 + e[0], 10 * e[1] * 0.5 + e[1]])


# Beside PyTorch --------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def library(x: Any) -> Any:
    """The namespace that a tensor belongs to."""
    if isinstance(x, tg.Tensor):
        return tg
    return pytest.importorskip("torch")


def functions(x: Any) -> Any:
    return functional if isinstance(x, tg.Tensor) else library(x).nn.functional


def like(x: Any, values: Any) -> Any:
    return library(x).tensor(values)


LABELS = np.array([2, 0, 3, 0])

CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "softmax": (lambda x: library(x).softmax(x, -1), [numbers(2, 4)]),
    "softmax over rows": (lambda x: library(x).softmax(x, 0), [numbers(3, 2)]),
    "log_softmax": (lambda x: library(x).log_softmax(x, 1), [numbers(2, 4)]),
    "logsumexp": (lambda x: library(x).logsumexp(x, (0, 1)), [numbers(2, 3)]),
    "cross_entropy": (lambda x: functions(x).cross_entropy(x, like(x, LABELS)), [numbers(4, 5)]),
    "cross_entropy, ignored rows": (
        lambda x: functions(x).cross_entropy(x, like(x, LABELS), ignore_index=0),
        [numbers(4, 5)],
    ),
    "cross_entropy, sum": (lambda x: functions(x).cross_entropy(x, like(x, LABELS), reduction="sum"), [numbers(4, 5)]),
    "cross_entropy, weights, smoothing": (
        lambda x, w: functions(x).cross_entropy(x, like(x, LABELS), w.detach().exp(), label_smoothing=0.1),
        [numbers(4, 5), numbers(5)],
    ),
    "cross_entropy, none": (
        lambda x: functions(x).cross_entropy(x, like(x, LABELS), reduction="none"),
        [numbers(4, 5)],
    ),
    "cross_entropy, probabilities": (
        lambda x, y: functions(x).cross_entropy(x, library(x).softmax(y, 1)),
        [numbers(3, 4), numbers(3, 4)],
    ),
    "nll_loss": (lambda x: functions(x).nll_loss(library(x).log_softmax(x, 1), like(x, LABELS)), [numbers(4, 5)]),
    "mse_loss": (lambda x, y: functions(x).mse_loss(x, y), [numbers(3, 2), numbers(3, 2)]),
    "binary_cross_entropy_with_logits": (
        lambda x, y: functions(x).binary_cross_entropy_with_logits(x, y.sigmoid(), reduction="sum"),
        [numbers(3, 2), numbers(3, 2)],
    ),
    "linear": (lambda x, w, b: functions(x).linear(x, w, b), [numbers(2, 3, 4), numbers(5, 4), numbers(5)]),
    "embedding": (lambda w: functions(w).embedding(like(w, [[1, 0], [1, 3]]), w) ** 3, [numbers(4, 2)]),
    "matmul": (lambda a, b: (a @ b).sin(), [numbers(2, 3, 4), numbers(4, 2)]),
    "matmul of vectors": (lambda a, b: (a @ b) ** 3, [numbers(4), numbers(4)]),
    "matmul with broadcasting": (lambda a, b: (a @ b).exp(), [numbers(2, 1, 2, 3), numbers(3, 3, 2)]),
    "norm": (lambda x: library(x).norm(x), [numbers(3, 2)]),
    "norm over a dimension": (lambda x: library(x).norm(x, 2, 1), [numbers(3, 2)]),
    "norm of order 3": (lambda x: library(x).norm(x, 3), [numbers(4)]),
    "std": (lambda x: library(x).std(x, 0), [numbers(4, 2)]),
    "var": (lambda x: library(x).var(x, 1) ** 2, [numbers(2, 4)]),
    "prod": (lambda x: library(x).prod(x, 1), [numbers(2, 4)]),
    "prod with a zero": (lambda x: library(x).prod(x), [np.array([1.5, 0.0, -2.0])]),
    "prod with two zeros": (lambda x: library(x).prod(x), [np.array([1.5, 0.0, 0.0, -2.0])]),
    "cumprod": (lambda x: library(x).cumprod(x, 0), [numbers(4)]),
    "cumsum": (lambda x: library(x).cumsum(x, 1) ** 3, [numbers(2, 3)]),
    "max": (lambda x: library(x).max(x, 1)[0] ** 3, [numbers(2, 4)]),
    "amax": (lambda x: library(x).amax(x, 0) ** 3, [numbers(3, 2)]),
    "sort": (lambda x: library(x).sort(x, 1)[0] ** 3 * like(x, [1.0, 2.0, 3.0]), [numbers(2, 3)]),
    "topk": (lambda x: library(x).topk(x, 2)[0] ** 3, [numbers(5)]),
    "gather": (lambda x: library(x).gather(x, 1, like(x, [[0, 0, 2], [1, 2, 1]])) ** 3, [numbers(2, 3)]),
    "index": (lambda x: x[like(x, [0, 2, 0])] ** 3, [numbers(3, 2)]),
    "slices": (lambda x: x[1:, ::2].exp() * x[:1, :2], [numbers(3, 4)]),
    "cat": (lambda x, y: library(x).cat([x, y, x * y]) ** 3, [numbers(2), numbers(2)]),
    "stack and unbind": (lambda x: library(x).stack([v**3 for v in x.unbind(1)]), [numbers(2, 3)]),
    "where": (lambda x, y: library(x).where(x > y, x * y, y**3), [numbers(5), numbers(5)]),
    "clamp": (lambda x: library(x).clamp(x, -0.5, 0.7) ** 3, [numbers(6)]),
    "maximum": (lambda x, y: library(x).maximum(x, y) ** 3, [numbers(5), numbers(5)]),
    "division with broadcasting": (lambda x, y: x / (1 + y * y), [numbers(3, 1), numbers(4)]),
    "power": (lambda x, y: (x * x + 0.5) ** y, [numbers(3), numbers(3)]),
    "tril": (lambda x: library(x).tril(x) @ library(x).tril(x).t(), [numbers(3, 3)]),
    "setitem": (lambda x, y: assigned(x, y), [numbers(3, 2), numbers(2)]),
    "in place": (lambda x: (x * x).neg_().mul_(x).add_(1), [numbers(3)]),
    "in place on a view": (lambda x: part_written(x), [numbers(3, 2)]),
}


def assigned(x: Any, y: Any) -> Any:
    z = x**3
    z[1] = y**3 * z[0].clone()
    return z * z


def part_written(x: Any) -> Any:
    z = x**3
    z[:, 0].mul_(x[:, 1])
    return z * z


@pytest.mark.parametrize("name", CASES)
def test_three_derivatives_beside_pytorch(name: str) -> None:
    function, arrays = CASES[name]
    agree(function, function, arrays, order=3, tolerance=1e-8)


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("LSTM", 4), ("GRU", 3)])
def test_three_derivatives_of_a_recurrent_layer_beside_pytorch(kind: str, gates: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    ours, theirs = getattr(nn, kind)(2, 2, dtype=tg.float64), getattr(torch.nn, kind)(2, 2, dtype=torch.float64)
    weights = {k: rng.normal(size=tuple(v.shape)) * 0.5 for k, v in theirs.state_dict().items()}
    ours.load_state_dict({k: tg.tensor(v) for k, v in weights.items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    states = [rng.normal(size=(1, 2, 2)) for _ in range(2 if kind == "LSTM" else 1)]

    def run(module: Any) -> Callable[..., Any]:
        return lambda x, *state: module(x, state if len(state) > 1 else state[0])

    parameters = list(ours.parameters()), list(theirs.parameters())
    agree(run(ours), run(theirs), [rng.normal(size=(3, 2, 2)), *states], parameters, order=3, tolerance=1e-8)


@given(st.data())
@settings(max_examples=25)
def test_three_derivatives_of_a_drawn_network_beside_pytorch(data: st.DataObject) -> None:
    names = data.draw(
        st.lists(st.sampled_from(["tanh", "sigmoid", "softmax", "log_softmax", "square", "sin"]), max_size=3)
    )
    rows, width = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))

    def network(x: Any, w: Any) -> Any:
        for name in names:
            x = x @ w
            x = getattr(library(x), name)(x, -1) if "softmax" in name else getattr(library(x), name)(x)
        return functions(x).cross_entropy(x @ w, like(x, np.arange(rows) % width))

    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    agree(network, network, [rng.normal(size=(rows, width)), rng.normal(size=(width, width))], order=3, tolerance=1e-8)
