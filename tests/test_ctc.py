"""The CTC loss: all readings counted one by one, PyTorch's values and derivatives, every form of targets and lengths."""

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
from tinygrad_edu.testing import check_gradients

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, lengths: tuple[int, int] = (1, 7)) -> tuple[Any, ...]:
    """Logits (T, N, C), labels (N, S), the lengths of both and the blank; some sequences are too short for their labels."""
    rng = np.random.default_rng(seed)
    batch, classes = rng.integers(1, 4), rng.integers(2, 5)
    length = int(rng.integers(*lengths))
    steps, counts = rng.integers(0, length + 1, batch), rng.integers(0, 4, batch)
    blank = int(rng.integers(classes))
    others = [c for c in range(classes) if c != blank]
    labels = rng.choice(others, (batch, int(counts.max()) + int(rng.integers(2))))
    logits = rng.normal(size=(length, batch, classes)) * rng.choice([1.0, 30.0])
    return logits, labels, steps, counts, blank


def by_counting(p: np.ndarray, labels: list[int], blank: int) -> float:
    """The probability of labels (S,) by all sequences of classes that p (T, C) allows: repetitions collapse, then blanks go."""
    total = 0.0
    for classes in itertools.product(range(p.shape[1]), repeat=len(p)):
        if [c for c, _ in itertools.groupby(classes) if c != blank] == labels:
            total += np.prod([p[t, c] for t, c in enumerate(classes)])
    return float(total)


@given(seeds)
def test_the_probability_is_the_sum_over_all_readings(seed: int) -> None:
    logits, labels, steps, counts, blank = drawn(seed, (1, 5))
    logp = F.log_softmax(tg.tensor(logits / np.abs(logits).max()), -1)
    losses = F.ctc_loss(logp, tg.tensor(labels), steps.tolist(), counts.tolist(), blank, "none")
    for n, (step, count) in enumerate(zip(steps, counts, strict=True)):
        p = np.exp(logp.numpy()[:step, n])
        assert np.exp(-losses[n].item()) == pytest.approx(by_counting(p, labels[n, :count].tolist(), blank), rel=1e-9)


@given(seeds, st.sampled_from(["mean", "sum", "none"]), st.booleans(), st.booleans())
def test_it_is_that_of_pytorch(seed: int, reduction: str, zero_infinity: bool, joined: bool) -> None:
    torch = pytest.importorskip("torch")
    logits, labels, steps, counts, blank = drawn(seed)
    if joined:
        labels = np.concatenate([row[:n] for row, n in zip(labels, counts, strict=True)])
    options = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
    modules = [library.nn.CTCLoss(**options) for library in (tg, torch)]
    assert repr(modules[0]) == repr(modules[1])

    def call(library: Any, module: Any) -> Any:
        lengths = library.tensor(steps), library.tensor(counts)
        return lambda x: module(library.log_softmax(x, -1), library.tensor(labels), *lengths)

    agree(call(tg, modules[0]), call(torch, modules[1]), [logits], order=1)
    agree(call(tg, modules[0]), call(torch, modules[1]), [logits.astype("float32")], order=1, tolerance=2e-5)


@given(seeds)
def test_derivatives_by_the_logarithms_themselves(seed: int) -> None:
    """Which PyTorch has only after a softmax: nothing here asks that probabilities add up to 1."""
    logits, labels, steps, counts, blank = drawn(seed, (1, 5))

    def loss(x: tg.Tensor) -> tg.Tensor:
        return F.ctc_loss(x, tg.tensor(labels), tg.tensor(steps), tg.tensor(counts), blank, "none", True)

    check_gradients(loss, tg.tensor(logits / np.abs(logits).max()), order=2, seed=seed)


@given(seeds)
def test_the_reference_is_the_fused_loss(seed: int) -> None:
    logits, labels, steps, counts, blank = drawn(seed)
    x = tg.tensor(logits, requires_grad=True)
    losses = F.ctc_loss(
        F.log_softmax(x, -1), tg.tensor(labels), tg.tensor(steps), tg.tensor(counts), blank, "none", True
    )
    cotangent = tg.tensor(np.random.default_rng(seed).normal(size=len(steps)))
    (fused,) = tg.autograd.grad(losses, x, cotangent, retain_graph=True)
    (plain,) = tg.autograd.grad(losses, x, cotangent, create_graph=True)
    np.testing.assert_allclose(fused.numpy(), plain.detach().numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_one_sequence_alone(reduction: str) -> None:
    torch = pytest.importorskip("torch")
    logits, labels = np.random.default_rng(0).normal(size=(6, 3)), np.array([1, 2, 2])

    def call(library: Any) -> Any:
        loss, target = library.nn.CTCLoss(reduction=reduction), library.tensor(labels)
        of_tensors = lambda x: loss(x, target, library.tensor(6), library.tensor(3))  # noqa: E731
        return lambda x: (loss(x, target, (6,), (3,)), of_tensors(x), loss(x, target[None], (6,), (3,)))

    agree(lambda x: call(tg)(tg.log_softmax(x, -1)), lambda x: call(torch)(x.log_softmax(-1)), [logits], order=1)


def test_impossible_labels_cost_infinity_or_nothing() -> None:
    logits = tg.zeros(2, 2, 3, requires_grad=True)
    labels, steps, counts = tg.tensor([[1, 1], [1, 2]]), [2, 2], [2, 2]  # equal labels need a blank between them
    assert F.ctc_loss(logits, labels, steps, counts, reduction="none")[0].item() == np.inf
    losses = F.ctc_loss(logits, labels, steps, counts, reduction="none", zero_infinity=True)
    losses.sum().backward()
    assert losses[0].item() == 0.0 and losses[1].item() == 0.0  # a single reading, of probability e⁰
    np.testing.assert_array_equal(logits.grad.numpy()[:, 0], np.zeros((2, 3)))
    np.testing.assert_array_equal(logits.grad.numpy()[:, 1], [[0, -1, 0], [0, 0, -1]])


def test_what_is_behind_the_end_of_a_sequence_has_no_effect() -> None:
    x = np.random.default_rng(0).normal(size=(5, 1, 3))
    x[3:] = np.nan
    logp, labels = tg.tensor(x, requires_grad=True), tg.tensor([[1, 7]])
    loss = F.ctc_loss(logp, labels, [3], [1])
    loss.backward()
    assert loss.item() == pytest.approx(F.ctc_loss(tg.tensor(x[:3]), tg.tensor([[1]]), [3], [1]).item())
    assert np.isfinite(logp.grad.numpy()).all() and not logp.grad.numpy()[3:].any()


def test_long_sequences_do_not_underflow() -> None:
    logp = F.log_softmax(tg.tensor(np.random.default_rng(0).normal(size=(2000, 1, 50)).astype("float32")), -1)
    x = logp.detach().requires_grad_()
    loss = F.ctc_loss(x, tg.tensor([[*range(1, 40)]]), [2000], [39], reduction="sum")
    loss.backward()
    assert 5000 < loss.item() < 10000
    np.testing.assert_allclose(x.grad.sum(-1).numpy(), -1.0, rtol=1e-2)  # each step reads one class


X = tg.zeros(3, 2, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3, 4], [1, 1]), ValueError, r"between 0 and .* 3, got \[3, 4\]"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3], [1, 1]), ValueError, r"input_lengths must be 2 integers"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3, 3], [1, 2]), ValueError, r"\(2, 2\) or more.*got \(2, 1\)"),
        (lambda: F.ctc_loss(X, tg.tensor([1, 2]), [3, 3], [1, 2]), ValueError, r"\(3,\).*got \(2,\)"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3, 3], [1, -1]), ValueError, r"target_lengths .* \[1, -1\]"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3.0, 3.0], [1, 1]), ValueError, "2 integers"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [4]]), [3, 3], [1, 1]), IndexError, "target 4 .* 4 classes"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [0]]), [3, 3], [1, 1]), ValueError, "a label is 0, .*blank"),
        (lambda: F.ctc_loss(X, tg.tensor([[1.0], [2.0]]), [3, 3], [1, 1]), TypeError, "integers, got .*float32"),
        (lambda: F.ctc_loss(X, tg.tensor([[1], [2]]), [3, 3], [1, 1], blank=4), ValueError, "blank 4 is out of range"),
        (lambda: F.ctc_loss(X[0, 0], tg.tensor([1]), [3], [1]), ValueError, r"\(T, N, C\) .* got \(4,\)"),
        (lambda: F.ctc_loss(X.to("int64"), tg.tensor([[1], [2]]), [3, 3], [1, 1]), TypeError, "floating-point"),
        (lambda: nn.CTCLoss(reduction="max"), ValueError, "CTCLoss: reduction"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
