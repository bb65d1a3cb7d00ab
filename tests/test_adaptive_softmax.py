"""The adaptive softmax beside PyTorch's, and its own arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
from tinygrad_edu import nn

seeds = st.integers(0, 2**32 - 1)


def layers(rng: np.random.Generator) -> tuple[Any, Any]:
    """The same layer of drawn size here and in PyTorch."""
    torch = pytest.importorskip("torch")
    classes = int(rng.integers(3, 20))
    cutoffs = sorted(rng.choice(np.arange(1, classes), rng.integers(1, 3), replace=False).tolist())
    options = {"div_value": float(rng.choice([1.5, 2.0])), "head_bias": bool(rng.integers(2))}
    ours, theirs = (
        library.nn.AdaptiveLogSoftmaxWithLoss(6, classes, cutoffs, dtype=library.float64, **options)
        for library in (tg, torch)
    )
    same_state(ours, theirs, int(rng.integers(1000)))
    return ours, theirs


@given(seeds)
def test_it_is_that_of_pytorch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = layers(rng)
    assert repr(ours) == repr(theirs)
    x, target = rng.normal(size=(5, 6)), rng.integers(0, ours.n_classes, 5)
    parameters = list(ours.parameters()), list(theirs.parameters())
    if seed % 3 == 0:  # a sample alone
        x, target = x[0], np.asarray(target[0])
    agree(lambda x, y: tuple(ours(x, y)), lambda x, y: tuple(theirs(x, y)), [x, target], parameters, seed=seed)
    if x.ndim == 2:
        agree(ours.log_prob, theirs.log_prob, [x], parameters, seed=seed, order=1)
        agree(ours.predict, theirs.predict, [x], order=1)


@given(seeds)
def test_its_probabilities_add_up_to_one_and_are_those_of_its_outputs(seed: int) -> None:
    ours, _ = layers(np.random.default_rng(seed))
    x = tg.tensor(np.random.default_rng(seed).normal(size=(ours.n_classes, 6)))
    logp = ours.log_prob(x)
    np.testing.assert_allclose(logp.exp().sum(1).tolist(), 1.0)
    output, loss = ours(x, tg.arange(ours.n_classes))
    np.testing.assert_allclose(output.tolist(), logp.diagonal().tolist())
    assert loss.item() == pytest.approx(-output.mean().item())


@pytest.mark.parametrize("cutoffs", [[], [0], [2, 1], [1, 1], [10], [1.5], [11]])
def test_cutoffs_must_rise(cutoffs: list[int]) -> None:
    with pytest.raises(ValueError, match="rising integers from 1 to n_classes - 1 = 9, got"):
        nn.AdaptiveLogSoftmaxWithLoss(4, 10, cutoffs)


@pytest.mark.parametrize(
    ("shape", "target", "error", "message"),
    [
        ((2, 4), [1], ValueError, r"\(N, 4\) .* got \(2, 4\) and \(1,\)"),
        ((2, 3), [1, 2], ValueError, r"got \(2, 3\) and \(2,\)"),
        ((1, 2, 4), [[1, 2]], ValueError, r"and \(1, 2\)"),
        ((2, 4), [1, 10], IndexError, "between 0 and 9, got 1 to 10"),
        ((2, 4), [-1, 1], IndexError, "got -1 to 1"),
        ((2, 4), [1.0, 1.0], TypeError, "integers, got .*float32"),
    ],
)
def test_bad_input_is_named(shape: tuple[int, ...], target: Any, error: type[Exception], message: str) -> None:
    layer = nn.AdaptiveLogSoftmaxWithLoss(4, 10, [3, 7], div_value=1.0)
    with pytest.raises(error, match=f"AdaptiveLogSoftmaxWithLoss: .*{message}"):
        layer(tg.zeros(shape), tg.tensor(target))
