"""Losses of classes and of sequences, and division by a norm."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._losses import FLOATS, REDUCTIONS, reduced


@st.composite
def _classes(draw: Any, log: bool = False, weighted: bool = False, smooth: bool = False) -> tuple[Any, ...]:
    """Logits (C), (N, C) or (N, C, d), class numbers with some to be ignored, weights, and the other settings."""
    classes, rest = draw(st.integers(1, 3)), draw(some.shapes(0, 2, 1, 2))
    shape = (*rest[:1], classes, *rest[1:])
    x = draw(some.tensors(shape, -2.0, 2.0))
    ignored = draw(st.sampled_from([-100, 0]))
    target = draw(some.integers(rest, 0, classes))
    if ignored and draw(st.booleans()):
        target = tg.where(draw(some.masks(rest)), target, tg.full_like(target, ignored))
    reduction = draw(REDUCTIONS if bool((target != ignored).any()) else st.sampled_from(["sum", "none"]))
    weight = draw(some.tensors((classes,), 0.5, 2.0)) if weighted else None
    return x, target, weight, ignored, reduction, *([draw(st.sampled_from([0.0, 0.25]))] if smooth else [])


def _log_softmax(x: Any, axis: int) -> Any:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _nll(logp: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float = 0.0) -> Any:
    """The sum over classes written out, one target after the other."""
    axis = 0 if logp.ndim == 1 else 1
    rows = np.moveaxis(logp, axis, -1).reshape(-1, logp.shape[axis])
    weight = np.ones(rows.shape[1]) if weight is None else weight
    losses, factors = np.zeros(len(rows)), np.zeros(len(rows))
    for k, (row, label) in enumerate(zip(rows, np.reshape(target, -1), strict=True)):
        if label != ignored:
            spread = smoothing / len(row) * np.sum(weight * row)
            losses[k] = -(1 - smoothing) * weight[label] * row[label] - spread
            factors[k] = weight[label]
    if reduction == "none":
        return losses.reshape(np.shape(target))
    return losses.sum() / (factors.sum() if reduction == "mean" else 1.0)


def _cross_entropy(x: Any, target: Any, weight: Any, ignored: int, reduction: str, smoothing: float) -> Any:
    return _nll(_log_softmax(x, 0 if x.ndim == 1 else 1), target, weight, ignored, reduction, smoothing)


def _soft_cross_entropy(x: Any, target: Any, reduction: str) -> Any:
    axis = 0 if x.ndim == 1 else 1
    losses = -(target * _log_softmax(x, axis)).sum(axis=axis)
    return losses.sum() / (x.size / x.shape[axis]) if reduction == "mean" else reduced(losses, reduction)


@st.composite
def _soft(draw: Any) -> tuple[Any, ...]:
    shape = draw(some.shapes(1, 3, 1, 2))
    return draw(some.tensors(shape, -2.0, 2.0)), draw(some.tensors(shape, 0.0, 1.0)), draw(REDUCTIONS)


@st.composite
def _labelled_sequences(draw: Any) -> tuple[Any, ...]:
    """Logarithms (T, N, C), labels (N, S), how many of both count, blank, reduction, and infinity as zero or not at all."""
    batch, classes, length = draw(st.integers(1, 2)), draw(st.integers(2, 3)), draw(st.integers(1, 4))
    blank = draw(st.integers(0, classes - 1))
    counts = draw(st.lists(st.integers(0, 2), min_size=batch, max_size=batch))
    labels = (draw(some.integers((batch, 2), 1, classes)) + blank) % classes
    steps = draw(st.lists(st.integers(0, length), min_size=batch, max_size=batch))
    x = draw(some.tensors((length, batch, classes), -2.0, 0.0))
    return x, labels, steps, counts, blank, draw(REDUCTIONS), True


def _readings(x: Any, labels: Any, steps: Any, counts: Any, blank: int, reduction: str, zero: bool) -> Any:
    """All sequences of classes, one by one: repetitions collapse, then blanks go."""
    losses = np.zeros(x.shape[1])
    for n, (length, count) in enumerate(zip(steps, counts, strict=True)):
        total = 0.0
        for classes in itertools.product(range(x.shape[2]), repeat=length):
            if [c for c, _ in itertools.groupby(classes) if c != blank] == list(labels[n, :count]):
                total += math.exp(sum(x[t, n, c] for t, c in enumerate(classes)))
        losses[n] = -math.log(total) if total else 0.0
    return reduced(losses / np.maximum(counts, 1) if reduction == "mean" else losses, reduction)


_CLASS = Bad(lambda: (tg.zeros(1, 2), tg.tensor([2])), IndexError, "2")
_COUNT = Bad(lambda: (tg.zeros(2, 3), tg.tensor([1])), ValueError, r"\(1,\)")


ORDER = 3

SPECS = [
    OpSpec(
        "F.nll_loss",
        F.nll_loss,
        _classes(weighted=True).filter(lambda c: c[3] < 0),
        reference=_nll,
        errors=(_CLASS, _COUNT),
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.cross_entropy",
        F.cross_entropy,
        _classes(smooth=True),
        reference=_cross_entropy,
        errors=(_CLASS, _COUNT),
        torch=lambda torch, x, y, w, i, r, s: torch.nn.functional.cross_entropy(
            x, y, w, ignore_index=i, reduction=r, label_smoothing=s
        ),
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.cross_entropy (weighted)",
        F.cross_entropy,
        _classes(weighted=True).map(lambda c: (*c, 0.25)),
        reference=_cross_entropy,
    ),
    OpSpec(
        "F.cross_entropy (probabilities)",
        lambda x, y, r="mean": F.cross_entropy(x, y, reduction=r),
        _soft(),
        reference=_soft_cross_entropy,
        order=3,
        torch=lambda torch, x, y, r: torch.nn.functional.cross_entropy(x, y, reduction=r),
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.ctc_loss",
        F.ctc_loss,
        _labelled_sequences(),
        reference=_readings,
        rtol=1e-10,
        errors=(
            Bad(lambda: (tg.zeros(2, 1, 3), tg.tensor([[1]]), [3], [1]), ValueError, "input_lengths"),
            Bad(lambda: (tg.zeros(2, 1, 3), tg.tensor([[3]]), [2], [1]), IndexError, "3"),
        ),
        domain="logarithms",
        notes="the derivative is that by the logarithms as they are; PyTorch's supposes a softmax before",
    ),
    OpSpec(
        "F.normalize",
        lambda x, dim: F.normalize(x, 2.0, dim),
        some.with_axis(some.tensors_away_from([0.0], min_dims=1)),
        reference=lambda x, dim: x / np.maximum(np.linalg.norm(x, axis=dim, keepdims=True), 1e-12),
        order=3,
        torch=lambda torch, x, dim: torch.nn.functional.normalize(x, 2.0, dim),
        dtypes=FLOATS,
        domain="rows that are not zero",
    ),
]
