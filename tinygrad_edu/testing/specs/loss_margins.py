"""Losses with margins, distances and similarities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.spec import Bad, OpSpec
from tinygrad_edu.testing.specs._losses import (
    DIFFERENT,
    FLOATS,
    REDUCTIONS,
    SHAPES,
    met,
    pairs,
    reduced,
    rows_apart,
    signs,
)


@st.composite
def _ranked(draw: Any, on_kinks: bool = False) -> tuple[Any, ...]:
    x, y, reduction = draw(met() if on_kinks else pairs(0.25))
    return x, y, draw(signs(x.shape)), 0.0, reduction


@st.composite
def _hinged(draw: Any, on_kinks: bool = False) -> tuple[Any, ...]:
    shape = draw(SHAPES)
    x = draw(some.tensors(shape))
    x = tg.where((x - 1).abs() < 0.25, 1.0 if on_kinks else 0.5, x)
    return x, draw(signs(shape)), 1.0, draw(REDUCTIONS)


@st.composite
def _scores(draw: Any) -> tuple[Any, ...]:
    """Scores, right classes, p, margin, weights and a reduction."""
    shape = draw(some.shapes(1, 2))
    x = rows_apart(draw, shape, 1.0)
    target = draw(some.integers(shape[:-1], 0, shape[-1]))
    weight = draw(st.none() | some.tensors(shape[-1:], 0.5, 2.0))
    return x, target, draw(st.sampled_from([1, 2])), 1.0, weight, draw(REDUCTIONS)


def _multi_margin(x: Any, target: Any, p: int, margin: float, weight: Any, reduction: str) -> Any:
    """Class by class."""
    losses = np.zeros(x.shape[:-1])
    for k in np.ndindex(*x.shape[:-1]):
        y = target[k]
        gaps = [max(0.0, margin - x[(*k, y)] + x[(*k, i)]) ** p for i in range(x.shape[-1]) if i != y]
        losses[k] = (1.0 if weight is None else weight[y]) * sum(gaps) / x.shape[-1]
    return reduced(losses, reduction)


@st.composite
def _labelled(draw: Any) -> tuple[Any, ...]:
    shape = draw(some.shapes(1, 2))
    return rows_apart(draw, shape, 1.0), draw(some.integers(shape, -1, shape[-1])), draw(REDUCTIONS)


def _multilabel_margin(x: Any, target: Any, reduction: str) -> Any:
    """Label by label."""
    losses = np.zeros(x.shape[:-1])
    for k in np.ndindex(*x.shape[:-1]):
        labels = list(target[k])
        right = labels[: labels.index(-1)] if -1 in labels else labels
        wrong = [i for i in range(x.shape[-1]) if i not in right]
        losses[k] = sum(max(0.0, 1 - (x[(*k, j)] - x[(*k, i)])) for j in right for i in wrong) / x.shape[-1]
    return reduced(losses, reduction)


@st.composite
def _of_classes(draw: Any) -> tuple[Any, ...]:
    shape = draw(some.shapes(1, 3))
    weight = draw(st.none() | some.tensors(shape[-1:], 0.5, 2.0))
    return draw(some.tensors(shape)), draw(some.integers(shape, 0, 2)), weight, draw(REDUCTIONS)


def _soft_margins(x: Any, y: Any, weight: Any, reduction: str) -> Any:
    terms = y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)
    return reduced((terms if weight is None else terms * weight).mean(-1), reduction)


@st.composite
def _vectors(draw: Any, count: int) -> tuple[Any, ...]:
    """Vectors (N, D) or (D), none of them short or near to another."""
    shape = (*draw(some.shapes(0, 1)), draw(st.integers(1, 3)))
    found = tuple(draw(some.tensors(shape)) for _ in range(count))
    differences = [a - b for i, a in enumerate(found) for b in found[:i]]
    assume(all(bool((v.norm(dim=-1) > 0.25).all()) for v in (*found, *differences)))
    return found


def _cosine(a: Any, b: Any) -> Any:
    lengths = (np.maximum(np.linalg.norm(v, axis=-1), 1e-8) for v in (a, b))
    return (a * b).sum(-1) / math.prod(lengths)


@st.composite
def _embedded(draw: Any) -> tuple[Any, ...]:
    a, b = draw(_vectors(2))
    margin = draw(st.sampled_from([-0.5, 0.0, 0.5]))
    assume(bool(((F.cosine_similarity(a, b, -1) - margin).abs() > 0.05).all()))
    return a, b, draw(signs(a.shape[:-1])), margin, draw(REDUCTIONS)


def _embedding(a: Any, b: Any, target: Any, margin: float, reduction: str) -> Any:
    return reduced(np.where(target == 1, 1 - _cosine(a, b), np.maximum(0, _cosine(a, b) - margin)), reduction)


def _distance(a: Any, b: Any, p: float = 2.0) -> Any:
    return np.linalg.norm(a - b + 1e-6, p, axis=-1)


@st.composite
def _triples(draw: Any) -> tuple[Any, ...]:
    """Three vectors and a margin at which no triplet starts to count, and whether to swap."""
    a, b, c = draw(_vectors(3))
    p, swap = draw(st.sampled_from([2.0, 3.0])), draw(st.booleans())

    def smooth(margin: float) -> bool:
        if p != 2 and min(float((u - v).abs().min()) for u, v in ((a, b), (a, c), (b, c))) < 0.05:
            return False  # the third derivative of |x|³ jumps at 0
        far, other = F.pairwise_distance(a, c, p), F.pairwise_distance(b, c, p)
        gap = F.pairwise_distance(a, b, p) + margin - (tg.minimum(far, other) if swap else far)
        return bool((gap.abs() > 0.1).all() and ((far - other).abs() > 0.1).all())

    margin = draw(st.sampled_from([0.5, 1.0, 2.0, 5.0, 9.0]))
    assume(smooth(margin))
    return a, b, c, margin, p, swap, draw(REDUCTIONS)


def _triplet(a: Any, b: Any, c: Any, margin: float, p: float, swap: bool, reduction: str) -> Any:
    far = np.minimum(_distance(a, c, p), _distance(b, c, p)) if swap else _distance(a, c, p)
    return reduced(np.maximum(0, margin + _distance(a, b, p) - far), reduction)


ORDER = 3

SPECS = [
    OpSpec(
        "F.margin_ranking_loss",
        F.margin_ranking_loss,
        _ranked(),
        reference=lambda x, y, t, m, r: reduced(np.maximum(0, -t * (x - y) + m), r),
        kinks=_ranked(on_kinks=True),
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(3), tg.ones(2)), ValueError, r"\(3,\)"),),
        notes="the derivative at 0 is that of the side that counts",
    ),
    OpSpec(
        "F.hinge_embedding_loss",
        F.hinge_embedding_loss,
        _hinged(),
        reference=lambda x, t, m, r: reduced(np.where(t == 1, x, np.maximum(0, m - x)), r),
        kinks=_hinged(on_kinks=True),
        errors=(DIFFERENT,),
    ),
    OpSpec(
        "F.soft_margin_loss",
        F.soft_margin_loss,
        pairs(),
        reference=lambda x, y, r: reduced(np.logaddexp(0, -x * y), r),
        errors=(DIFFERENT,),
        order=3,
    ),
    OpSpec(
        "F.multi_margin_loss",
        F.multi_margin_loss,
        _scores(),
        reference=_multi_margin,
        errors=(Bad(lambda: (tg.zeros(1, 2), tg.tensor([2])), IndexError, "2 is out of range"),),
    ),
    OpSpec(
        "F.multilabel_margin_loss",
        F.multilabel_margin_loss,
        _labelled(),
        reference=_multilabel_margin,
        errors=(Bad(lambda: (tg.zeros(2), tg.tensor([2, 0])), IndexError, "2 is out of range"),),
    ),
    OpSpec(
        "F.multilabel_soft_margin_loss",
        F.multilabel_soft_margin_loss,
        _of_classes(),
        reference=_soft_margins,
        errors=(DIFFERENT,),
    ),
    OpSpec(
        "F.cosine_similarity",
        lambda a, b: F.cosine_similarity(a, b, -1),
        _vectors(2),
        reference=_cosine,
        errors=(DIFFERENT,),
        torch=lambda torch, a, b: torch.nn.functional.cosine_similarity(a, b, -1),
        dtypes=FLOATS,
        domain="vectors that are longer than eps",
    ),
    OpSpec(
        "F.pairwise_distance",
        F.pairwise_distance,
        _vectors(2),
        reference=_distance,
        errors=(DIFFERENT,),
        torch="nn.functional.pairwise_distance",
        dtypes=FLOATS,
    ),
    OpSpec(
        "F.cosine_embedding_loss",
        F.cosine_embedding_loss,
        _embedded(),
        reference=_embedding,
        rtol=1e-9,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(2), tg.zeros(2)), ValueError, r"\(2,\)"),),
    ),
    OpSpec(
        "F.triplet_margin_loss",
        lambda a, b, c, m=1.0, p=2.0, s=False, r="mean": F.triplet_margin_loss(a, b, c, m, p, 1e-6, s, r),
        _triples(),
        reference=_triplet,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(2), tg.zeros(3)), ValueError, r"\(3,\)"),),
    ),
    OpSpec(
        "F.triplet_margin_with_distance_loss",
        lambda a, b, c, m=1.0, p=2.0, s=False, r="mean": F.triplet_margin_with_distance_loss(
            a, b, c, distance_function=lambda x, y: F.pairwise_distance(x, y, p), margin=m, swap=s, reduction=r
        ),
        _triples(),
        reference=_triplet,
        errors=(Bad(lambda: (tg.zeros(2), tg.zeros(2), tg.zeros(2), 0.0), ValueError, "margin"),),
    ),
]
