"""Losses: PyTorch's values and derivatives, for every kind of target, weight and reduction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import backends, nn

REDUCTIONS = ["mean", "sum", "none"]
seeds = st.integers(0, 2**32 - 1)
reductions = st.sampled_from(REDUCTIONS)


@st.composite
def classifications(draw: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Logits (C,), (N, C) or (N, C, d1, …), the class number of each, and the number that is ignored."""
    rng = np.random.default_rng(draw(seeds))
    classes = draw(st.integers(1, 4))
    before = draw(st.sampled_from([(), (1,), (3,)]))
    after = draw(st.lists(st.integers(1, 3), max_size=2).map(tuple)) if before else ()
    logits = rng.normal(size=(*before, classes, *after)) * draw(st.sampled_from([1.0, 20.0]))
    labels = np.asarray(rng.integers(0, classes, size=(*before, *after)))
    ignored = draw(st.sampled_from([-100, 0, -1, 7]))
    if draw(st.booleans()):
        labels = np.where(rng.random(labels.shape) < 0.3, ignored, labels)
    return logits, labels, ignored


@given(classifications(), st.booleans(), reductions, st.sampled_from([0.0, 0.1, 1.0]), seeds)
def test_cross_entropy_of_classes(
    case: tuple[np.ndarray, np.ndarray, int], weighted: bool, reduction: str, smoothing: float, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    logits, labels, ignored = case
    classes = logits.shape[0 if logits.ndim == 1 else 1]
    options = {"ignore_index": ignored, "reduction": reduction, "label_smoothing": smoothing}
    losses, functions = [], []
    for library, functional in ((tg, F), (torch, torch.nn.functional)):
        weight = library.tensor(np.random.default_rng(seed).uniform(0.1, 2, size=classes)) if weighted else None
        losses.append(library.nn.CrossEntropyLoss(weight, **options))
        functions.append(lambda x, y, f=functional, w=weight: f.cross_entropy(x, y, w, **options))
    agree(*losses, [logits, labels], seed=seed)
    agree(*functions, [logits, labels], seed=seed, order=1)
    assert repr(losses[0]) == repr(losses[1])
    if not weighted:
        agree(*losses, [logits.astype("float32"), labels], seed=seed, order=1, tolerance=1e-5)


@given(classifications(), st.booleans(), reductions, st.sampled_from([0.0, 0.1]), seeds)
def test_cross_entropy_of_probabilities(
    case: tuple[np.ndarray, np.ndarray, int], weighted: bool, reduction: str, smoothing: float, seed: int
) -> None:
    """Which carry gradients themselves."""
    torch = pytest.importorskip("torch")
    logits = case[0]
    axis = 0 if logits.ndim == 1 else 1
    rng = np.random.default_rng(seed)
    targets = rng.random(size=logits.shape) + 0.1
    targets /= targets.sum(axis, keepdims=True)
    arrays = [logits, targets, *([rng.uniform(0.1, 2, size=logits.shape[axis])] if weighted else [])]
    options = {"reduction": reduction, "label_smoothing": smoothing}
    agree(
        lambda x, y, w=None: F.cross_entropy(x, y, None if w is None else w.detach(), **options),
        lambda x, y, w=None: torch.nn.functional.cross_entropy(x, y, None if w is None else w.detach(), **options),
        arrays,
        seed=seed,
    )


@given(classifications(), st.booleans(), reductions, seeds)
def test_negative_log_likelihood(
    case: tuple[np.ndarray, np.ndarray, int], weighted: bool, reduction: str, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    logits, labels, ignored = case
    weights = np.random.default_rng(seed).uniform(0.1, 2, size=logits.shape[0 if logits.ndim == 1 else 1])
    losses = [
        library.nn.NLLLoss(library.tensor(weights) if weighted else None, ignore_index=ignored, reduction=reduction)
        for library in (tg, torch)
    ]
    agree(*losses, [logits, labels], seed=seed)
    assert repr(losses[0]) == repr(losses[1])


def test_a_mean_over_no_targets_is_not_a_number() -> None:
    torch = pytest.importorskip("torch")
    x, y = np.zeros((2, 3)), np.full(2, -100)
    for reduction in REDUCTIONS:
        options = {"reduction": reduction}
        agree(nn.CrossEntropyLoss(**options), torch.nn.CrossEntropyLoss(**options), [x, y], order=1)
        agree(nn.CrossEntropyLoss(**options), torch.nn.CrossEntropyLoss(**options), [x[:0], y[:0]], order=1)
        agree(nn.NLLLoss(**options), torch.nn.NLLLoss(**options), [x, y], order=1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_stands_in_an_ignored_row_has_no_effect(reduction: str, smoothing: float) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([[-np.inf, 0.0], [3.0, -np.inf], [1.0, 2.0]])
    options = {"reduction": reduction, "label_smoothing": smoothing}
    ours, theirs = nn.CrossEntropyLoss(**options), torch.nn.CrossEntropyLoss(**options)
    agree(ours, theirs, [x, np.array([-100, -100, 1])], order=1)


def test_infinite_logits_rule_classes_out() -> None:
    torch = pytest.importorskip("torch")
    x = np.array([[0.0, -np.inf, 1.0], [2.0, 0.0, -np.inf]])
    agree(nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), [x, np.array([2, 0])], order=1)


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss"])
@given(shape=shapes, reduction=reductions, seed=seeds)
def test_errors_between_values(name: str, shape: tuple[int, ...], reduction: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.normal(size=shape))
    y = np.asarray(np.where(rng.random(shape) < 0.2, x, rng.normal(size=shape)))  # some are hit exactly
    ours, theirs = getattr(nn, name)(reduction=reduction), getattr(torch.nn, name)(reduction=reduction)
    agree(ours, theirs, [x, y], seed=seed)
    assert repr(ours) == repr(theirs)


@given(shape=shapes, reduction=reductions, weights=st.sampled_from(["", "w", "p", "wp"]), seed=seeds)
def test_binary_cross_entropy_with_logits(shape: tuple[int, ...], reduction: str, weights: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.normal(size=shape) * rng.choice([1.0, 50.0], size=shape))
    y = np.asarray(rng.choice([0.0, 1.0, rng.random()], size=shape))
    ours, theirs = (
        library.nn.BCEWithLogitsLoss(
            library.tensor(np.random.default_rng(seed).random(size=shape[-1:])) if "w" in weights else None,
            reduction=reduction,
            pos_weight=library.tensor(np.random.default_rng(seed + 1).random(size=shape[-1:]))
            if "p" in weights
            else None,
        )
        for library in (tg, torch)
    )
    agree(ours, theirs, [x, y], seed=seed)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@given(st.lists(st.floats(-800, 800), max_size=5))
def test_logsigmoid(values: list[float]) -> None:
    torch = pytest.importorskip("torch")
    agree(F.logsigmoid, torch.nn.functional.logsigmoid, [np.array(values)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 3])),
            IndexError,
            "target 3 is out of range for 3 classes",
        ),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, -1])), IndexError, "target -1"),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0])), ValueError, r"\(2,\) .* or \(2, 3\) .* got \(1,\)"),
        (lambda: F.cross_entropy(tg.zeros(2), tg.zeros(2), ignore_index=1), ValueError, "none can be ignored"),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.zeros(2)), ValueError, r"class numbers must be integers"),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([True, False])), TypeError, "integers, got .*bool"),
        (lambda: F.cross_entropy(tg.tensor(1.0), tg.tensor(0)), ValueError, "dimension of classes"),
        (
            lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1]), tg.ones(2)),
            ValueError,
            r"weight .*\(3,\).*\(2,\)",
        ),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.zeros(2, 3), tg.ones(2)), ValueError, r"weight .*\(3,\).*\(2,\)"),
        (lambda: F.nll_loss(tg.zeros(2, 3), tg.tensor([0, 1]), tg.ones(4)), ValueError, r"weight .*\(3,\).*\(4,\)"),
        (
            lambda: F.nll_loss(tg.zeros(2, 3), tg.tensor([0, 1]), tg.ones(3, dtype="float64")),
            TypeError,
            "float32 and the weight .*float64",
        ),
        (lambda: F.cross_entropy(tg.zeros(2, 3), tg.tensor([0, 1]), label_smoothing=2), ValueError, "label_smoothing"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=-0.1)(tg.zeros(2), tg.tensor(0)), ValueError, "label_smoothing"),
        (lambda: nn.CrossEntropyLoss(reduction="max"), ValueError, "'mean', 'sum' or 'none', got 'max'"),
        (lambda: F.nll_loss(tg.zeros(2, 3), tg.tensor([0, 3])), IndexError, "target 3"),
        (lambda: F.nll_loss(tg.zeros(2, 3), tg.tensor([[0]])), ValueError, r"\(2, 3\) .* \(1, 1\)"),
        (lambda: F.mse_loss(tg.zeros(2), tg.zeros(3)), ValueError, r"\(2,\) .* \(3,\)"),
        (lambda: F.l1_loss(tg.zeros(2), tg.zeros(1)), ValueError, r"\(2,\) .* \(1,\)"),
        (lambda: F.mse_loss(tg.zeros(2), tg.zeros(2), reduction="max"), ValueError, "got 'max'"),
        (lambda: F.binary_cross_entropy_with_logits(tg.zeros(2), tg.zeros(2, 1)), ValueError, r"\(2,\) .* \(2, 1\)"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_the_formula_for_any_backend_is_that_of_the_fast_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    kernels = backends.get("cpu").kernels
    for name in ("cross_entropy", "cross_entropy_backward"):
        monkeypatch.delitem(kernels, name)
    x = np.random.default_rng(0).normal(size=(5, 4))
    agree(nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), [x, np.array([0, -100, 3, 1, 1])])
    agree(nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), [x, np.array([0, 2, 3, 1, 1])])


@pytest.mark.parametrize(
    "name", ["cross_entropy", "nll_loss", "mse_loss", "l1_loss", "binary_cross_entropy_with_logits"]
)
def test_means_of_many_half_precision_numbers_are_finite(name: str) -> None:
    """Neither their sum nor their number is a float16 number."""
    rng = np.random.default_rng(0)
    logits = (3 * rng.normal(size=(66_000, 2))).astype("float16")
    labels = name in ("cross_entropy", "nll_loss")
    target = tg.tensor(rng.integers(0, 2, size=66_000) if labels else rng.random(size=logits.shape).astype("float16"))
    x, wide = tg.tensor(logits, requires_grad=True), tg.tensor(logits.astype("float64"), requires_grad=True)
    loss, expected = getattr(F, name)(x, target), getattr(F, name)(wide, target if labels else target.double())
    loss.backward(tg.tensor(1000.0, dtype=tg.float16))
    expected.backward(tg.tensor(1000.0, dtype=tg.float64))
    assert loss.dtype is x.grad.dtype is tg.float16
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=2e-3)
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), rtol=2e-2, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"reduction": "none"}, {"weight": True}])
def test_cross_entropy_in_half_precision(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    logits, weight = rng.normal(size=(20, 3)).astype("float16"), np.array([1, 2, 0.5], "float16")
    for target in (tg.tensor(rng.integers(0, 3, size=20)), tg.softmax(tg.tensor(logits), 1)):

        def loss(dtype: Any, target: Any = target) -> Any:
            given = {**options, "weight": tg.tensor(weight).to(dtype)} if "weight" in options else options
            y = target.to(dtype) if target.is_floating_point() else target
            return F.cross_entropy(tg.tensor(logits).to(dtype), y, **given)

        found = loss(tg.float16)
        assert found.dtype is tg.float16
        np.testing.assert_allclose(found.numpy(), loss(tg.float64).numpy(), rtol=2e-3)
