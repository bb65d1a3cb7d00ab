"""Losses beside PyTorch on drawn configurations, also on kinks: values, gradients, second derivatives, states and texts."""

from __future__ import annotations

from collections.abc import Callable
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
RNG = np.random.Generator
Case = tuple[dict[str, Any], list[np.ndarray]]


def numbers(rng: RNG, shape: tuple[int, ...], grid: bool) -> np.ndarray:
    """Normal numbers, or multiples of a half, which often lie on kinks."""
    return np.asarray(rng.integers(-4, 5, shape) / 2 if grid else rng.normal(size=shape) * 1.5)


def any_shape(rng: RNG) -> tuple[int, ...]:
    return tuple(rng.integers(0, 4, rng.integers(0, 4)).tolist())


def signs(rng: RNG, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(rng.choice([-1.0, 1.0], shape))


def pairs(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    return {}, [numbers(rng, shape, grid), numbers(rng, shape, grid)]


def smooth_l1(rng: RNG, grid: bool) -> Case:
    return {"beta": float(rng.choice([0.0, 0.5, 1.0, 2.5]))}, pairs(rng, grid)[1]


def huber(rng: RNG, grid: bool) -> Case:
    return {"delta": float(rng.choice([0.5, 1.0, 2.5]))}, pairs(rng, grid)[1]


def poisson(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    options = {"log_input": bool(rng.integers(2)), "full": bool(rng.integers(2)), "eps": float(rng.choice([1e-8, 0.1]))}
    x = numbers(rng, shape, grid)
    return options, [x if options["log_input"] else np.abs(x) + 0.1, np.asarray(rng.integers(0, 5, shape) + 0.5)]


def gaussian(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng) + (3,)
    kinds = [shape, shape[:-1], (*shape[:-1], 1)]
    var = np.abs(numbers(rng, kinds[rng.integers(3)], False)) * rng.choice([1e-3, 1.0])
    options = {"full": bool(rng.integers(2)), "eps": float(rng.choice([1e-6, 0.01]))}
    return options, [numbers(rng, shape, grid), numbers(rng, shape, grid), np.asarray(var)]


def probabilities(rng: RNG, shape: tuple[int, ...], grid: bool) -> np.ndarray:
    return np.asarray(rng.integers(0, 5, shape) / 4 if grid else rng.uniform(0.01, 0.99, shape))


def bce(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    weight = rng.uniform(size=shape[rng.integers(0, len(shape) + 1) :]) if rng.integers(2) else None
    options = {} if weight is None else {"weight": np.asarray(weight)}
    return options, [probabilities(rng, shape, grid), probabilities(rng, shape, grid)]


def divergence(rng: RNG, grid: bool) -> Case:
    shape = (int(rng.integers(1, 4)), *any_shape(rng))
    y = np.asarray(rng.uniform(0.1, 1, shape[int(rng.integers(len(shape))) :]))
    log = bool(rng.integers(2))
    return {"log_target": log}, [numbers(rng, shape, grid), np.log(y) if log else y]


def hinge(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    target = np.asarray(signs(rng, shape) if rng.integers(2) else rng.choice([-1.0, 0.0, 1.0], shape))
    return {"margin": float(rng.choice([0.0, 0.5, 1.0]))}, [numbers(rng, shape, grid), target.astype("int64")]


def ranking(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    x, y = (numbers(rng, shape, grid) for _ in range(2))
    return {"margin": float(rng.choice([0.0, 0.5]))}, [x, y, signs(rng, shape)]


def soft_margin(rng: RNG, grid: bool) -> Case:
    shape = any_shape(rng)
    return {}, [numbers(rng, shape, grid) * 10, signs(rng, shape)]


def rows(rng: RNG) -> tuple[int, ...]:
    return tuple(rng.integers(1, 5, rng.integers(1, 3)).tolist())


def multi_margin(rng: RNG, grid: bool) -> Case:
    shape = rows(rng)
    options = {"p": int(rng.integers(1, 3)), "margin": float(rng.choice([0.5, 1.0]))}
    if rng.integers(2):
        options["weight"] = rng.uniform(0.1, 2, shape[-1])
    return options, [numbers(rng, shape, grid), np.asarray(rng.integers(0, shape[-1], shape[:-1]))]


def multilabel_margin(rng: RNG, grid: bool) -> Case:
    shape = rows(rng)
    return {}, [numbers(rng, shape, grid), np.asarray(rng.integers(-1, shape[-1], shape))]


def multilabel_soft(rng: RNG, grid: bool) -> Case:
    shape = (*any_shape(rng), 3)
    weight = {"weight": rng.uniform(0.1, 2, 3)} if rng.integers(2) else {}
    return weight, [numbers(rng, shape, grid), np.asarray(rng.integers(0, 2, shape) * 1.0)]


def vectors(rng: RNG, count: int) -> list[np.ndarray]:
    shape = (*rng.integers(1, 4, rng.integers(0, 2)).tolist(), 3)
    return [np.asarray(rng.normal(size=shape)) for _ in range(count)]


def cosine(rng: RNG, grid: bool) -> Case:
    x, y = vectors(rng, 2)
    return {"margin": float(rng.choice([-0.5, 0.0, 0.5]))}, [x, y, signs(rng, x.shape[:-1]).astype("int64")]


def triplets(rng: RNG, grid: bool) -> Case:
    options = {
        "p": float(rng.choice([1.0, 2.0, 3.0])),
        "swap": bool(rng.integers(2)),
        "margin": float(rng.choice([0.5, 2])),
    }
    return options, vectors(rng, 3)


def triplets_by_default(rng: RNG, grid: bool) -> Case:
    return {"swap": bool(rng.integers(2)), "margin": float(rng.choice([0.5, 2]))}, vectors(rng, 3)


LOSSES: dict[str, Callable[[RNG, bool], Case]] = {
    "MSELoss": pairs,
    "L1Loss": pairs,
    "SmoothL1Loss": smooth_l1,
    "HuberLoss": huber,
    "PoissonNLLLoss": poisson,
    "GaussianNLLLoss": gaussian,
    "BCELoss": bce,
    "KLDivLoss": divergence,
    "HingeEmbeddingLoss": hinge,
    "MarginRankingLoss": ranking,
    "SoftMarginLoss": soft_margin,
    "MultiMarginLoss": multi_margin,
    "MultiLabelMarginLoss": multilabel_margin,
    "MultiLabelSoftMarginLoss": multilabel_soft,
    "CosineEmbeddingLoss": cosine,
    "TripletMarginLoss": triplets,
    "TripletMarginWithDistanceLoss": triplets_by_default,
}
ONCE = {"MultiMarginLoss", "MultiLabelMarginLoss"}  # PyTorch differentiates them once


def both(name: str, options: dict[str, Any], reduction: str, dtype: str) -> tuple[Any, Any]:
    """The module of this library and PyTorch's; arrays among the options become tensors."""
    torch = pytest.importorskip("torch")
    made = []
    for library in (tg, torch):
        given = {k: library.tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        made.append(getattr(library.nn, name)(**given, reduction=reduction))
    return made[0], made[1]


def undifferentiated(name: str, grid: bool, ours: Any, theirs: Any) -> Any:
    """The same losses, of constant targets where PyTorch has no gradient for them, or one without the limit of -100."""
    if name != "SoftMarginLoss" and not (grid and name == "BCELoss"):
        return ours, theirs
    return lambda x, y: ours(x, y.detach()), lambda x, y: theirs(x, y.detach())


@pytest.mark.filterwarnings("ignore:reduction")  # PyTorch's doubts about the mean of a divergence
@pytest.mark.parametrize("name", LOSSES)
@given(seed=seeds, grid=st.booleans(), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_losses_are_those_of_pytorch(name: str, seed: int, grid: bool, reduction: str) -> None:
    options, arrays = LOSSES[name](np.random.default_rng(seed), grid)
    if name == "KLDivLoss" and seed % 4 == 0:
        reduction = "batchmean"
    ours, theirs = both(name, options, reduction, "float64")
    # PyTorch has the constants of a cross entropy in single precision.
    tolerance = 1e-8 if name == "BCELoss" else 1e-9
    agree(
        *undifferentiated(name, grid, ours, theirs),
        arrays,
        seed=seed,
        order=1 if grid or name in ONCE else 2,
        tolerance=tolerance,
    )
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    single = [a.astype("float32") if a.dtype.kind == "f" else a for a in arrays]
    pair = undifferentiated(name, grid, *both(name, options, reduction, "float32"))
    agree(*pair, single, seed=seed, order=1, tolerance=2e-5)


@given(seeds, st.sampled_from(["mse_loss", "l1_loss", "huber_loss"]), st.sampled_from(["mean", "sum", "none"]))
def test_errors_with_a_weight_for_each_element(seed: int, name: str, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(2, 3)) for _ in range(2)]
    weight = rng.uniform(0.1, 2, (2, 3))
    agree(
        lambda x, y: getattr(F, name)(x, y, reduction=reduction, weight=tg.tensor(weight)),
        lambda x, y: getattr(torch.nn.functional, name)(x, y, reduction=reduction, weight=torch.tensor(weight)),
        arrays,
        seed=seed,
    )


@given(seeds, st.sampled_from([1.0, 2.0, 0.5, np.inf]), st.booleans())
def test_distances_and_similarities(seed: int, p: float, keepdim: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    full = rng.integers(1, 4, rng.integers(1, 4)).tolist()
    shapes = [[1 if rng.random() < 0.2 else n for n in full][rng.integers(len(full)) :] for _ in range(2)]
    arrays = [np.asarray(rng.normal(size=s)) for s in shapes]
    agree(nn.PairwiseDistance(p, 1e-3, keepdim), torch.nn.PairwiseDistance(p, 1e-3, keepdim), arrays, seed=seed)
    dim = int(rng.integers(-max(map(len, shapes)), max(map(len, shapes))))
    agree(nn.CosineSimilarity(dim), torch.nn.CosineSimilarity(dim), arrays, seed=seed)


def test_similarity_to_nothing_is_zero_and_has_a_finite_gradient() -> None:
    torch = pytest.importorskip("torch")
    agree(F.cosine_similarity, torch.nn.functional.cosine_similarity, [np.zeros((1, 2)), np.ones((1, 2))], order=1)
    # Of what is shorter than eps the length is taken for a constant, which it is in the result.
    x = tg.tensor([[1e-9, 1e-9]], dtype="float64", requires_grad=True)
    F.cosine_similarity(x, tg.tensor([[1.0, 0.0]], dtype="float64")).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1e8, 0.0]])


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCEWithLogitsLoss"])
def test_what_is_not_finite(name: str, value: float) -> None:
    torch = pytest.importorskip("torch")
    if name == "L1Loss" and np.isnan(value):
        return  # whose slope is NaN here and 0 in PyTorch
    x, y = np.array([value, 1.0]), np.array([1.0, 0.0])
    agree(getattr(nn, name)(reduction="none"), getattr(torch.nn, name)(reduction="none"), [x, y], order=1)


def test_a_soft_margin_does_not_overflow() -> None:
    x = tg.tensor([-1000.0, 1000.0, -np.inf, np.inf], requires_grad=True)
    losses = F.soft_margin_loss(x, tg.ones(4), reduction="none")
    losses.sum().backward()
    assert losses.tolist() == [1000.0, 0.0, np.inf, 0.0]
    assert x.grad.tolist() == [-1.0, 0.0, -1.0, 0.0]


def test_a_probability_of_zero_costs_a_hundred() -> None:
    torch = pytest.importorskip("torch")
    x, y = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    assert nn.BCELoss(reduction="none")(tg.tensor(x), tg.tensor(y)).tolist() == [0.0, 0.0, 100.0, 100.0]
    agree(*undifferentiated("BCELoss", True, nn.BCELoss(), torch.nn.BCELoss()), [x, y], order=1, tolerance=1e-8)
    target = tg.tensor(y, requires_grad=True)
    nn.BCELoss(reduction="sum")(tg.tensor(x), target).backward()
    assert target.grad.tolist() == [100.0, -100.0, 100.0, -100.0]


def test_a_divergence_from_impossible_events_is_finite_and_its_slope_is_not() -> None:
    x, y = tg.zeros(2, requires_grad=True), tg.tensor([0.0, 1.0], requires_grad=True)
    F.kl_div(x, y, reduction="sum").backward()
    assert x.grad.tolist() == [0.0, -1.0]
    assert y.grad.tolist() == [-np.inf, 1.0]  # d (y ln y) at 0


def test_a_variance_below_eps_counts_as_eps_and_still_grows() -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([0.0, 1e-9])]
    agree(nn.GaussianNLLLoss(), torch.nn.GaussianNLLLoss(), arrays, order=1)
    agree(nn.GaussianNLLLoss(), torch.nn.GaussianNLLLoss(), [*arrays[:2], np.array([1.0, np.nan])], order=1)
    assert F.gaussian_nll_loss(tg.zeros(2), tg.ones(2), 2.0).item() == pytest.approx(0.5 * (np.log(2) + 0.5))


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_rounded_once(name: str) -> None:
    if name in ("MSELoss", "L1Loss"):
        return  # one step each
    options, arrays = LOSSES[name](np.random.default_rng(3), False)
    half = [tg.tensor(a).to("float16") if a.dtype.kind == "f" else tg.tensor(a) for a in arrays]
    found = both(name, options, "none", "float16")[0](*half)
    wide = both(name, options, "none", "float32")[0](*[h.float() if h.is_floating_point() else h for h in half])
    assert found.dtype is tg.float16
    np.testing.assert_allclose(found.numpy(), wide.numpy(), rtol=2e-3, atol=1e-3)


A, B = tg.zeros(2), tg.zeros(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.smooth_l1_loss(A, B), ValueError, r"smooth_l1_loss: .*\(2,\).*\(3,\)"),
        (lambda: F.smooth_l1_loss(A, A, beta=-1.0), ValueError, "smooth_l1_loss: beta .* -1.0"),
        (lambda: F.huber_loss(A, A, delta=0.0), ValueError, "huber_loss: delta must be positive, got 0.0"),
        (lambda: F.huber_loss(A, A, weight=B), ValueError, r"huber_loss: the weight .*\(2,\).*\(3,\)"),
        (lambda: F.mse_loss(A, A, reduction="all"), ValueError, "mse_loss: reduction .* got 'all'"),
        (lambda: F.mse_loss(A.to("int64"), A), TypeError, "mse_loss: expected a floating-point tensor, got .*int64"),
        (lambda: F.poisson_nll_loss(A, B), ValueError, r"poisson_nll_loss: .* input \(2,\), target \(3,\)"),
        (lambda: F.gaussian_nll_loss(A, A, B), ValueError, r"gaussian_nll_loss: .*\(2,\).*got \(3,\)"),
        (lambda: F.gaussian_nll_loss(A, A, tg.tensor([1.0, -2.0])), ValueError, "a variance is negative"),
        (lambda: F.gaussian_nll_loss(A, A, A, eps=0.0), ValueError, "gaussian_nll_loss: eps"),
        (lambda: F.binary_cross_entropy(A, B), ValueError, r"binary_cross_entropy: .*\(2,\).*\(3,\)"),
        (
            lambda: F.binary_cross_entropy(tg.tensor([0.5, 1.5]), A),
            ValueError,
            "binary_cross_entropy: .* between 0 and 1",
        ),
        (lambda: F.binary_cross_entropy(tg.tensor([np.nan, 0.5]), A), ValueError, "between 0 and 1"),
        (lambda: F.binary_cross_entropy(A, tg.tensor([0, 1])), TypeError, "binary_cross_entropy: .*int64"),
        (lambda: F.binary_cross_entropy(A, A, B), ValueError, r"weight of shape \(3,\) does not broadcast to \(2,\)"),
        (
            lambda: F.binary_cross_entropy_with_logits(A, A, pos_weight=tg.ones(1, 2)),
            ValueError,
            r"pos_weight of shape \(1, 2\) does not broadcast to \(2,\)",
        ),
        (lambda: F.kl_div(A, B), ValueError, r"kl_div: .* input \(2,\), target \(3,\)"),
        (lambda: F.kl_div(A, A, reduction="max"), ValueError, "'mean', 'sum', 'none' or 'batchmean', got 'max'"),
        (lambda: F.kl_div(A.sum(), A.sum(), reduction="batchmean"), ValueError, "kl_div: 'batchmean'"),
        (lambda: nn.KLDivLoss("max"), ValueError, "KLDivLoss: reduction"),
        (lambda: F.hinge_embedding_loss(A, B), ValueError, "hinge_embedding_loss"),
        (lambda: F.margin_ranking_loss(A, B, A), ValueError, r"input2 \(3,\)"),
        (lambda: F.margin_ranking_loss(A, A, A[0]), ValueError, r"margin_ranking_loss: .*\(2,\), \(2,\), \(\)"),
        (lambda: F.soft_margin_loss(A, B), ValueError, r"soft_margin_loss: .*\(3,\)"),
        (lambda: F.multi_margin_loss(A, tg.tensor(2)), IndexError, "multi_margin_loss: target 2 .* 2 classes"),
        (lambda: F.multi_margin_loss(A, tg.tensor(-1)), IndexError, "multi_margin_loss: target -1"),
        (lambda: F.multi_margin_loss(A, tg.tensor(0.0)), TypeError, "integers, got .*float32"),
        (lambda: F.multi_margin_loss(tg.zeros(2, 2), tg.tensor([1])), ValueError, r"shape \(2,\), got \(1,\)"),
        (lambda: F.multi_margin_loss(A, tg.tensor(0), p=3), ValueError, "p must be 1 or 2, got 3"),
        (lambda: F.multi_margin_loss(A, tg.tensor(0), weight=B), ValueError, r"weight needs shape \(2,\), got \(3,\)"),
        (lambda: F.multi_margin_loss(tg.zeros(1, 2, 3), tg.tensor(0)), ValueError, r"\(N, C\) .* \(1, 2, 3\)"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "MultiMarginLoss: p"),
        (lambda: nn.MultiMarginLoss(weight=tg.ones(2, 2)), ValueError, r"MultiMarginLoss: .*\(2, 2\)"),
        (lambda: F.multilabel_margin_loss(A, tg.tensor([2, -1])), IndexError, "multilabel_margin_loss: target 2"),
        (lambda: F.multilabel_margin_loss(A, tg.tensor([-2, 0])), IndexError, "target -2"),
        (lambda: F.multilabel_margin_loss(A, tg.tensor([0])), ValueError, r"\(2,\).*\(1,\)"),
        (lambda: F.multilabel_soft_margin_loss(A, B), ValueError, "multilabel_soft_margin_loss"),
        (lambda: F.multilabel_soft_margin_loss(A[0], A[0]), ValueError, "dimension of classes"),
        (lambda: F.cosine_similarity(A, B), ValueError, "cosine_similarity"),
        (lambda: F.cosine_similarity(A, A), IndexError, "dim 1"),
        (lambda: F.pairwise_distance(A, B), ValueError, "pairwise_distance"),
        (lambda: F.pairwise_distance(A[0], A[0]), ValueError, "pairwise_distance: expected vectors"),
        (lambda: F.cosine_embedding_loss(A, A, A), ValueError, r"cosine_embedding_loss: .*\(2,\), \(2,\) and \(2,\)"),
        (lambda: F.triplet_margin_loss(A, A, B), ValueError, r"negative \(3,\)"),
        (lambda: F.triplet_margin_loss(A, A, tg.zeros(1, 2)), ValueError, r"one number of dimensions"),
        (lambda: F.triplet_margin_loss(A, A, A, margin=0.0), ValueError, "margin must be positive, got 0.0"),
        (lambda: nn.TripletMarginLoss(margin=-1.0), ValueError, "TripletMarginLoss: margin"),
        (lambda: nn.TripletMarginWithDistanceLoss(margin=0), ValueError, "TripletMarginWithDistanceLoss: margin"),
        (lambda: F.mse_loss([1.0], A), TypeError, "mse_loss: expected a Tensor as input"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
