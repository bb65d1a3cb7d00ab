"""Distributions beside PyTorch's: probabilities, moments, entropies and divergences with two derivatives; samples by frequency."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import distributions as D
from tinygrad_edu.testing import check_gradients

seeds = st.integers(0, 2**32 - 1)
RNG = np.random.Generator
# Kinds of distributions: how to draw parameters of a batch, and values.
KINDS: dict[str, tuple[Callable[[RNG, tuple[int, ...]], dict[str, np.ndarray]], Callable[..., np.ndarray]]] = {
    "Normal": (
        lambda rng, shape: {"loc": rng.normal(size=shape), "scale": rng.uniform(0.3, 2, shape)},
        lambda rng, shape, p: rng.normal(size=shape),
    ),
    "Uniform": (
        lambda rng, shape: {"low": rng.uniform(-3, -1, shape), "high": rng.uniform(1, 3, shape)},
        lambda rng, shape, p: rng.uniform(-0.9, 0.9, shape),
    ),
    "Bernoulli": (
        lambda rng, shape: (
            {"probs": rng.uniform(0.05, 0.95, shape)} if rng.integers(2) else {"logits": rng.normal(size=shape)}
        ),
        lambda rng, shape, p: rng.integers(0, 2, shape) * 1.0,
    ),
    "Categorical": (
        lambda rng, shape: (
            {"probs": rng.uniform(0.05, 0.95, (*shape, 4))}
            if rng.integers(2)
            else {"logits": rng.normal(size=(*shape, 4))}
        ),
        lambda rng, shape, p: rng.integers(0, 4, shape),
    ),
}
MISSING = {"Bernoulli": {"cdf", "icdf"}, "Categorical": {"cdf", "icdf"}}
STATISTICS = ["mean", "variance", "stddev", "mode"]


def drawn(name: str, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    batch = tuple(rng.integers(1, 4, rng.integers(0, 3)).tolist())
    parameters = {k: np.asarray(v) for k, v in KINDS[name][0](rng, batch).items()}
    value = np.asarray(KINDS[name][1](rng, (*rng.integers(1, 3, rng.integers(0, 2)).tolist(), *batch), parameters))
    return parameters, value


@pytest.mark.parametrize("name", KINDS)
@given(seed=seeds)
def test_they_are_those_of_pytorch(name: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    parameters, value = drawn(name, seed)

    def call(library: Any) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            d = getattr(library.distributions, name)(**dict(zip(parameters, given, strict=True)))
            v = library.tensor(value)
            found = [d.log_prob(v), d.entropy(), d.perplexity(), *(getattr(d, s) for s in STATISTICS)]
            if name not in MISSING:
                found += [d.cdf(v), d.icdf(library.tensor(np.random.default_rng(seed).uniform(0.1, 0.9, value.shape)))]
            else:
                found += [d.enumerate_support(), d.enumerate_support(expand=False)]
            wide = d.expand((2, *d.batch_shape))
            return [*found, wide.log_prob(v[None]), wide.entropy()]

        return run

    agree(call(tg), call(torch), list(parameters.values()), seed=seed)
    ours, theirs = (
        getattr(library.distributions, name)(**{k: library.tensor(v) for k, v in parameters.items()})
        for library in (tg, torch)
    )
    assert repr(ours) == repr(theirs).replace("torch.", "").replace(", dtype=float64", ", dtype=tg.float64")
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape) and tuple(ours.event_shape) == ()
    assert tuple(ours.sample((2, 3)).shape) == tuple(theirs.sample((2, 3)).shape)
    assert ours.has_rsample == theirs.has_rsample and str(ours.sample().dtype) == f"tg.{str(theirs.sample().dtype)[6:]}"


@pytest.mark.parametrize(
    ("p", "q"),
    [(n, n) for n in KINDS] + [("Uniform", "Normal"), ("Normal", "Uniform")],
)
@given(seed=seeds)
def test_divergences_are_those_of_pytorch(p: str, q: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    batch = tuple(rng.integers(1, 4, rng.integers(0, 3)).tolist())
    first, second = ({k: np.asarray(v) for k, v in KINDS[n][0](rng, batch).items()} for n in (p, q))
    if p == q == "Uniform":
        second = {"low": second["low"] - 2.5, "high": second["high"] + rng.choice([-1.0, 2.5])}

    def call(library: Any) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            a = getattr(library.distributions, p)(**dict(zip(first, given, strict=False)))
            b = getattr(library.distributions, q)(**dict(zip(second, given[len(first) :], strict=True)))
            return library.distributions.kl_divergence(a, b)

        return run

    agree(call(tg), call(torch), [*first.values(), *second.values()], seed=seed)


@pytest.mark.parametrize("name", ["Normal", "Bernoulli"])
@given(seed=seeds)
def test_several_draws_as_one_are_those_of_pytorch(name: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    batch = tuple(rng.integers(1, 4, rng.integers(0, 4)).tolist())
    together = int(rng.integers(0, len(batch) + 1))
    first, second = ({k: np.asarray(v) for k, v in KINDS[name][0](rng, batch).items()} for _ in range(2))
    value = np.asarray(KINDS[name][1](rng, (2, *batch), first))

    def make(library: Any, parameters: dict[str, Any]) -> Any:
        return library.distributions.Independent(getattr(library.distributions, name)(**parameters), together)

    def call(library: Any) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            p = make(library, dict(zip(first, given, strict=False)))
            q = make(library, dict(zip(second, given[len(first) :], strict=True)))
            wide = p.expand((2, *p.batch_shape))
            v = library.tensor(value)
            divergence = library.distributions.kl_divergence(p, q)
            return [p.log_prob(v), p.entropy(), divergence, p.mean, p.mode, p.variance, p.stddev, wide.log_prob(v)]

        return run

    agree(call(tg), call(torch), [*first.values(), *second.values()], seed=seed, order=1)
    ours, theirs = (make(lib, {k: lib.tensor(v) for k, v in first.items()}) for lib in (tg, torch))
    assert repr(ours) == repr(theirs).replace("torch.", "").replace(", dtype=float64", ", dtype=tg.float64")
    for shape in ("batch_shape", "event_shape"):
        assert tuple(getattr(ours, shape)) == tuple(getattr(theirs, shape))
    assert tuple(ours.sample((2,)).shape) == (2, *batch) and ours.has_rsample == theirs.has_rsample


def test_what_never_happens() -> None:
    torch = pytest.importorskip("torch")
    certain, unsure = np.array([0.0, 1.0, 0.0, 0.5, 0.0]), np.array([0.5, 0.5, 0.0, 0.0, 1.0])
    rows = np.array([[0.0, 1.0], [0.5, 0.5], [0.0, 1.0]]), np.array([[0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    for kind, (p, q) in (("Bernoulli", (certain, unsure)), ("Categorical", rows)):
        for first, second in ((p, q), (q, p)):
            values = []
            for library in (tg, torch):
                make = getattr(library.distributions, kind)
                a, b = make(library.tensor(first)), make(library.tensor(second))
                values.append([library.distributions.kl_divergence(a, b).numpy(), a.entropy().numpy()])
            np.testing.assert_allclose(values[0], values[1], atol=1e-12)
    logits = tg.tensor([-math.inf, 0.0, 0.0], requires_grad=True)  # as masked actions have
    D.Categorical(logits=logits).entropy().backward()
    assert np.isfinite(logits.grad.numpy()).all()


def distance(values: Any, probability: Any) -> float:
    """The statistic of Kolmogorov and Smirnov, times √n: above 2.2 once in 10,000 draws of the right distribution."""
    values = np.sort(values.numpy().reshape(-1).astype("float64"))
    steps, expected = np.arange(values.size + 1) / values.size, probability(tg.tensor(values)).numpy()
    return float(math.sqrt(values.size) * max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def test_samples_follow_the_distribution() -> None:
    tg.manual_seed(0)
    for d in (D.Normal(2.0, 0.5), D.Uniform(-1.0, 3.0)):
        assert distance(d.sample((4000,)), d.cdf) < 2.2
    p = tg.tensor([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])
    counts = tg.nn.functional.one_hot(D.Categorical(p).sample((4000,)), 3).sum(0).numpy()
    ones = D.Bernoulli(p).sample((4000,)).sum(0).numpy()
    for found in (counts, ones):
        spread = np.sqrt(4000 * p.numpy() * (1 - p.numpy()))
        assert (np.abs(found - 4000 * p.numpy()) <= 4.5 * spread).all()


@pytest.mark.parametrize("kind", [D.Normal, D.Uniform])
def test_samples_are_functions_of_the_parameters(kind: Any) -> None:
    def draw(a: tg.Tensor, width: tg.Tensor) -> tg.Tensor:
        tg.manual_seed(0)
        return kind(a, a + width if kind is D.Uniform else width).rsample((3,))

    a, width = tg.tensor([-1.0, 2.0], dtype=tg.float64), tg.tensor([1.0, 3.0], dtype=tg.float64)
    check_gradients(draw, a, width, order=2)
    sample = kind(a.requires_grad_(), 9.0).sample((3,))
    assert not sample.requires_grad and sample.shape == (3, 2)


def test_reinforce_and_reparametrised_gradients_have_the_same_mean() -> None:
    """d E[x²] / dμ = 2 μ for a normal x, by both estimators."""
    tg.manual_seed(0)
    mu = tg.tensor(1.5, requires_grad=True)
    d = D.Normal(mu, 1.0)
    x = d.sample((20_000,))
    (score,) = tg.autograd.grad((d.log_prob(x) * x.square()).mean(), mu)
    (path,) = tg.autograd.grad(d.rsample((20_000,)).square().mean(), mu)
    assert score.item() == pytest.approx(3.0, abs=0.3) and path.item() == pytest.approx(3.0, abs=0.1)


def test_what_is_derived_without_gradients_has_them_later() -> None:
    logits = tg.zeros(3, requires_grad=True)
    d = D.Categorical(logits=logits)
    with tg.no_grad():
        d.sample((2,))  # computes probabilities
    d.probs[0].backward()
    np.testing.assert_allclose(logits.grad.numpy(), [2 / 9, -1 / 9, -1 / 9], rtol=1e-6)


def test_numbers_take_the_type_of_tensors_beside_them() -> None:
    assert D.Normal(tg.zeros(2, dtype="float64"), 1).scale.dtype is tg.float64
    assert D.Normal(0, 1).sample().dtype is tg.float32 and D.Normal(0, 1).batch_shape == ()
    assert D.Bernoulli(0.5).log_prob(tg.tensor(1)).item() == pytest.approx(math.log(0.5))


def test_users_add_divergences_and_subclasses_inherit_them() -> None:
    class Shifted(D.Normal):
        pass

    p, q = Shifted(0.0, 1.0), D.Normal(1.0, 1.0)
    assert D.kl_divergence(p, q).item() == 0.5

    @D.register_kl(Shifted, D.Normal)
    def _(p: Any, q: Any) -> Any:
        return tg.tensor(7.0)

    assert D.kl_divergence(p, q).item() == 7.0 and D.kl_divergence(q, p).item() == 0.5
    with pytest.raises(NotImplementedError, match="none of Bernoulli from Normal"):
        D.kl_divergence(D.Bernoulli(0.5), q)
    with pytest.raises(TypeError, match="register_kl"):
        D.register_kl(int, D.Normal)


def test_checks_can_be_left_out() -> None:
    assert D.Normal(0.0, -1.0, validate_args=False).mean.item() == 0.0
    assert D.Uniform(0.0, 1.0, validate_args=False).log_prob(tg.tensor([2.0, 0.5])).tolist() == [-math.inf, 0.0]
    D.Distribution.set_default_validate_args(False)
    try:
        D.Bernoulli(2.0)
    finally:
        D.Distribution.set_default_validate_args(True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: D.Normal(0.0, 0.0), ValueError, "Normal: scale must be positive"),
        (lambda: D.Normal(math.nan, 1.0), ValueError, "Normal: loc must be a number"),
        (lambda: D.Normal("0", 1.0), ValueError, "expected tensors and numbers .* str"),
        (lambda: D.Normal(tg.zeros(2), tg.ones(3)), ValueError, "broadcast"),
        (lambda: D.Normal(0.0, 1.0).log_prob(1.0), ValueError, "Normal: expected a Tensor as value, got float"),
        (lambda: D.Normal(tg.zeros(2), 1.0).log_prob(tg.zeros(3)), ValueError, r"Normal: .* \(3,\) .* batch \(2,\)"),
        (lambda: D.Uniform(1.0, 1.0), ValueError, "Uniform: low must be below high"),
        (lambda: D.Uniform(0.0, 1.0).log_prob(tg.tensor(2.0)), ValueError, "Uniform: a value must be between low"),
        (lambda: D.Bernoulli(), ValueError, "Bernoulli: give probs or logits, one of them"),
        (lambda: D.Bernoulli(0.5, 0.5), ValueError, "Bernoulli: give probs or logits, not both"),
        (lambda: D.Bernoulli(1.5), ValueError, "Bernoulli: probs must be between 0 and 1"),
        (lambda: D.Bernoulli(0.5).log_prob(tg.tensor(0.5)), ValueError, "Bernoulli: a value must be 0 or 1"),
        (lambda: D.Bernoulli(0.5).rsample(), NotImplementedError, "Bernoulli has no rsample"),
        (lambda: D.Bernoulli(0.5).cdf(tg.tensor(0.0)), NotImplementedError, "Bernoulli has no cdf"),
        (lambda: D.Categorical(), ValueError, "Categorical: give probs or logits"),
        (lambda: D.Categorical(tg.tensor(0.5)), ValueError, "Categorical: probs must be a Tensor with a dimension"),
        (lambda: D.Categorical(tg.tensor([1.0, -1.0])), ValueError, "Categorical: probs must be weights"),
        (lambda: D.Categorical(tg.zeros(2)), ValueError, "Categorical: probs must be weights"),
        (lambda: D.Categorical(tg.ones(2)).log_prob(tg.tensor(2)), ValueError, "whole number from 0 to 1"),
        (lambda: D.Independent(D.Normal(0.0, 1.0), 1), ValueError, r"Independent: the batch \(\) has 0 dimensions, 1"),
        (
            lambda: D.kl_divergence(*(D.Independent(D.Normal(tg.zeros(2), 1.0), n) for n in (0, 1))),
            NotImplementedError,
            "0 and 1 dimensions",
        ),
        (lambda: D.Distribution().mean, NotImplementedError, "Distribution has no mean"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
