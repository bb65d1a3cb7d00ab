"""Losses of regression and of probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._losses import DIFFERENT, FLOATS, REDUCTIONS, SHAPES, met, pairs, reduced

_LIMITS = st.sampled_from([0.5, 1.0, 2.0])


@st.composite
def _limited(draw: Any, on_kinks: bool = False) -> tuple[Any, ...]:
    """Input and target whose difference keeps away from a limit, or meets it in places; and that limit."""
    x, y, reduction = draw(pairs(probabilities=False))
    limit = draw(_LIMITS)
    distance = (x - y).abs()
    y = tg.where((distance - limit).abs() < 0.25, x + limit + 0.25, y)
    return x, tg.where(draw(some.masks(x.shape)), x + limit, y) if on_kinks else y, reduction, limit


def _huber(x: Any, y: Any, delta: float) -> Any:
    d = np.abs(x - y)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


@st.composite
def _weighted(draw: Any) -> tuple[Any, ...]:
    x, y, reduction = draw(pairs(0.25))
    return x, y, reduction, draw(some.tensors(x.shape, 0.5, 2.0))


def _weighted_mean(losses: Any, reduction: str, weight: Any) -> Any:
    return (losses * weight).sum() / weight.sum() if reduction == "mean" else reduced(losses * weight, reduction)


@st.composite
def _counts(draw: Any) -> tuple[Any, ...]:
    shape = draw(SHAPES)
    log = draw(st.booleans())
    x = draw(some.tensors(shape, -2.0, 2.0) if log else some.tensors(shape, 0.25, 4.0))
    return x, draw(some.integers(shape, 0, 5)), log, draw(st.booleans()), 1e-8, draw(REDUCTIONS)


def _poisson(x: Any, y: Any, log: bool, full: bool, eps: float, reduction: str) -> Any:
    losses = np.exp(x) - y * x if log else x - y * np.log(x + eps)
    some_y = np.maximum(y, 2)
    if full:
        stirling = some_y * np.log(some_y) - some_y + np.log(2 * math.pi * some_y) / 2
        losses = losses + np.where(y > 1, stirling, 0.0)
    return reduced(losses, reduction)


@st.composite
def _normals(draw: Any) -> tuple[Any, ...]:
    shape = draw(some.shapes(1, 2))
    of_rows = draw(st.sampled_from([shape, shape[:-1], (*shape[:-1], 1)]))
    x, y, v = draw(some.tensors(shape)), draw(some.tensors(shape)), draw(some.tensors(of_rows, 0.25, 2.0))
    return x, y, v, draw(st.booleans()), 1e-6, draw(REDUCTIONS)


def _gaussian(x: Any, y: Any, v: Any, full: bool, eps: float, reduction: str) -> Any:
    v = v if v.shape == x.shape else v.reshape(*x.shape[:-1], 1)
    return reduced((np.log(v) + (y - x) ** 2 / v + (np.log(2 * np.pi) if full else 0)) / 2, reduction)


@st.composite
def _events(draw: Any) -> tuple[Any, ...]:
    shape = draw(SHAPES)
    x, y = draw(some.tensors(shape, 0.125, 0.875)), draw(some.tensors(shape, 0.0, 1.0))
    return x, y, draw(st.none() | some.tensors(shape[:1] and shape[-1:], 0.5, 2.0)), draw(REDUCTIONS)


def _cross(x: Any, y: Any, weight: Any, reduction: str) -> Any:
    return reduced(-(y * np.log(x) + (1 - y) * np.log(1 - x)) * (1.0 if weight is None else weight), reduction)


@st.composite
def _distributions(draw: Any) -> tuple[Any, ...]:
    shape = draw(some.shapes(1, 2))
    log = draw(st.booleans())
    y = draw(some.tensors(shape[draw(st.integers(0, 1)) :], -2.0, 0.0) if log else some.tensors(shape, 0.125, 1.0))
    return draw(some.tensors(shape, -2.0, 0.0)), y, draw(st.sampled_from(["batchmean", "mean", "none"])), log


def _divergence(x: Any, y: Any, reduction: str, log: bool) -> Any:
    p = np.exp(y) if log else y
    terms = p * np.log(p / np.exp(x))
    return terms.sum() / len(x) if reduction == "batchmean" else reduced(terms, reduction)


def _bce(x: Any, y: Any, reduction: str) -> Any:
    return reduced(y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x), reduction)


ORDER = 3

SPECS = [
    OpSpec(
        "F.mse_loss",
        lambda x, y, r="mean": F.mse_loss(x, y, reduction=r),
        pairs(),
        reference=lambda x, y, r: reduced((x - y) ** 2, r),
        errors=(DIFFERENT,),
        order=3,
        torch=lambda torch, x, y, r: torch.nn.functional.mse_loss(x, y, reduction=r),
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.l1_loss",
        lambda x, y, r="mean": F.l1_loss(x, y, reduction=r),
        pairs(0.25),
        reference=lambda x, y, r: reduced(np.abs(x - y), r),
        kinks=met(),
        errors=(DIFFERENT,),
        torch=lambda torch, x, y, r: torch.nn.functional.l1_loss(x, y, reduction=r),
        dtypes=FLOATS,
        notes="the derivative is 0 where both are equal",
    ),
    OpSpec(
        "F.binary_cross_entropy_with_logits",
        lambda x, y, r="mean": F.binary_cross_entropy_with_logits(x, y, reduction=r),
        pairs(probabilities=True),
        reference=_bce,
        errors=(DIFFERENT,),
        order=3,
        torch=lambda torch, x, y, r: torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction=r),
        dtypes="float32",
    ),
    OpSpec(
        "F.binary_cross_entropy_with_logits (weighted)",
        lambda x, y, r, w, p: F.binary_cross_entropy_with_logits(x, y, w, r, p),
        st.tuples(pairs(probabilities=True), st.sampled_from([0.5, 2.0]), st.sampled_from([0.25, 3.0])).map(
            lambda d: (*d[0], tg.full_like(d[0][0], d[1]), tg.full_like(d[0][0], d[2]))
        ),
        reference=lambda x, y, r, w, p: reduced(w * (p * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)), r),
        notes="weights have gradients too, which PyTorch leaves out",
    ),
    OpSpec(
        "F.mse_loss (weighted)",
        F.mse_loss,
        _weighted(),
        reference=lambda x, y, r, w: _weighted_mean((x - y) ** 2, r, w),
    ),
    OpSpec(
        "F.l1_loss (weighted)",
        F.l1_loss,
        _weighted(),
        reference=lambda x, y, r, w: _weighted_mean(np.abs(x - y), r, w),
    ),
    OpSpec(
        "F.smooth_l1_loss",
        F.smooth_l1_loss,
        _limited(),
        reference=lambda x, y, r, beta: reduced(_huber(x, y, beta) / beta, r),
        kinks=_limited(on_kinks=True),
        errors=(DIFFERENT, Bad(lambda: (tg.zeros(1), tg.zeros(1), "mean", -1.0), ValueError, "beta")),
        torch=lambda torch, x, y, r, beta: torch.nn.functional.smooth_l1_loss(x, y, reduction=r, beta=beta),
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.huber_loss",
        F.huber_loss,
        _limited(),
        reference=lambda x, y, r, delta: reduced(_huber(x, y, delta), r),
        kinks=_limited(on_kinks=True),
        errors=(DIFFERENT, Bad(lambda: (tg.zeros(1), tg.zeros(1), "mean", 0.0), ValueError, "delta")),
    ),
    OpSpec(
        "F.poisson_nll_loss",
        F.poisson_nll_loss,
        _counts(),
        reference=_poisson,
        errors=(DIFFERENT,),
        domain="logarithms of rates, or positive rates",
    ),
    OpSpec(
        "F.gaussian_nll_loss",
        F.gaussian_nll_loss,
        _normals(),
        reference=_gaussian,
        errors=(
            Bad(lambda: (tg.zeros(2), tg.zeros(2), tg.zeros(3)), ValueError, r"\(3,\)"),
            Bad(lambda: (tg.zeros(1), tg.zeros(1), -tg.ones(1)), ValueError, "negative"),
        ),
        domain="positive variances",
        notes="a variance below eps counts as eps, but gets its gradient, as in PyTorch",
    ),
    OpSpec(
        "F.binary_cross_entropy",
        F.binary_cross_entropy,
        _events(),
        reference=_cross,
        errors=(DIFFERENT, Bad(lambda: (tg.full((1,), 2.0), tg.zeros(1)), ValueError, "between 0 and 1")),
        domain="probabilities",
        notes="logarithms are at least -100",
    ),
    OpSpec(
        "F.kl_div",
        F.kl_div,
        _distributions(),
        reference=_divergence,
        rtol=1e-11,
        errors=(DIFFERENT,),
        torch=lambda torch, x, y, r, log: torch.nn.functional.kl_div(x, y, reduction=r, log_target=log),
        dtypes=FLOATS,
        domain="logarithms of probabilities",
    ),
]
