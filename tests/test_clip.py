"""Clipping gradients, and parameters as one vector: PyTorch's results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import utils
from tinygrad_edu.sparse import SparseGrad

shape_lists = st.lists(st.sampled_from([(), (3,), (2, 4), (0, 2), (60, 50), (300, 500)]), max_size=3)
orders = st.sampled_from([1.0, 2.0, 2, math.inf, 0.5, 3.0])
seeds = st.integers(0, 2**32 - 1)


def both(
    shapes: list[tuple[int, ...]], seed: int, dtype: str = "float64", scale: float = 1.0
) -> tuple[list[Any], list[Any]]:
    """Ours and PyTorch's parameters with the same gradients, of which the second one of three or more is missing."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    ours, theirs = [], []
    for i, shape in enumerate(shapes):
        value, g = (np.asarray(rng.normal(size=shape) * scale, dtype) for _ in range(2))
        ours.append(nn.Parameter(tg.tensor(value)))
        theirs.append(torch.nn.Parameter(torch.tensor(value)))
        if len(shapes) < 3 or i != 1:
            ours[-1].grad, theirs[-1].grad = tg.tensor(g), torch.tensor(g)
    return ours, theirs


def assert_same_gradients(ours: list[Any], theirs: list[Any], tolerance: float = 1e-12) -> None:
    for p, q in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (q.grad is None)
        if q.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tolerance, atol=tolerance)


@given(shape_lists, orders, st.floats(0.01, 1000), st.sampled_from(["float64", "float32"]), seeds)
def test_norms_and_clipped_gradients_are_those_of_pytorch(
    shapes: list[tuple[int, ...]], order: float, limit: float, dtype: str, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    ours, theirs = both(shapes, seed, dtype)
    assume(order < math.inf or not any(0 in s for s in shapes))  # the largest of no numbers: PyTorch refuses it too
    held = [p.grad for p in ours]
    total = utils.clip_grad_norm_(ours, limit, norm_type=order)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit, norm_type=order)
    assert isinstance(total, tg.Tensor) and tuple(total.shape) == () and not total.requires_grad
    np.testing.assert_allclose(total.item(), expected.item(), rtol=tolerance)
    if any(p.grad is not None for p in theirs):
        assert total.dtype.name == str(expected.dtype).removeprefix("torch.")
    assert_same_gradients(ours, theirs, tolerance)
    assert all(p.grad is g for p, g in zip(ours, held, strict=True))  # in place


@given(shape_lists, orders, seeds)
def test_the_two_halves_of_clipping(shapes: list[tuple[int, ...]], order: float, seed: int) -> None:
    assume(not any(0 in s for s in shapes))
    ours, twins = both(shapes, seed)[0], both(shapes, seed)[0]
    total = utils.get_total_norm([p.grad for p in ours if p.grad is not None], order)
    utils.clip_grads_with_norm_(ours, 0.1, total)
    assert utils.clip_grad_norm_(twins, 0.1, order).item() == total.item()
    for p, q in zip(ours, twins, strict=True):
        assert p.grad is q.grad is None or p.grad.equal(q.grad)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("order", [2.0, 1.0, math.inf])
def test_a_norm_that_is_not_finite_scales_or_raises(bad: float, order: float) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = both([(3,), (2, 4)], 0)
    with tg.no_grad():
        ours[0].grad[1] = bad
        theirs[0].grad[1] = bad
    before = [p.grad.tolist() for p in ours]
    with pytest.raises(RuntimeError, match="error_if_nonfinite"):
        utils.clip_grad_norm_(ours, 1.0, order, error_if_nonfinite=True)
    np.testing.assert_equal([p.grad.tolist() for p in ours], before)  # nothing was scaled
    np.testing.assert_equal(
        utils.clip_grad_norm_(ours, 1.0, order).item(), torch.nn.utils.clip_grad_norm_(theirs, 1.0, order).item()
    )
    assert_same_gradients(ours, theirs)


def test_one_tensor_a_generator_or_nothing_can_be_clipped() -> None:
    w = nn.Parameter(tg.zeros(2))
    w.grad = tg.tensor([3.0, 4.0])
    assert utils.clip_grad_norm_(w, 1.0).item() == 5.0
    assert utils.clip_grad_norm_((p for p in [w]), 10.0).item() == pytest.approx(1.0)
    with pytest.warns(UserWarning, match="empty"):
        assert utils.clip_grad_norm_((p for p in []), 1.0).item() == 0.0
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    assert utils.clip_grad_norm_([nn.Parameter(tg.zeros(2))], 1.0).item() == 0.0
    utils.clip_grad_value_(w, 0.1)
    np.testing.assert_allclose(w.grad.numpy(), [0.1, 0.1])


@pytest.mark.parametrize("order", [2.0, 1.0, math.inf])
def test_norms_of_half_precision_do_not_overflow(order: float) -> None:
    """The sum here is beyond the largest float16 number, 65504, where PyTorch would scale everything to nothing."""
    ours, _ = both([(400,), (50,)], 0, "float16", scale=300.0)
    before = np.concatenate([p.grad.numpy().astype("float64") for p in ours])
    expected = np.linalg.norm(before, order)
    total = utils.clip_grad_norm_(ours, 1000.0, order)
    assert total.dtype is tg.float32 and total.item() == pytest.approx(expected, rel=1e-3)
    after = np.concatenate([p.grad.numpy() for p in ours])
    np.testing.assert_allclose(after, before * min(1.0, 1000 / expected), rtol=2e-3, atol=1e-6)
    assert after.dtype == "float16"


@given(shape_lists, st.floats(0, 2), seeds)
def test_clipped_values_are_those_of_pytorch(shapes: list[tuple[int, ...]], limit: float, seed: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = both(shapes, seed)
    held = [p.grad for p in ours]
    utils.clip_grad_value_(ours, limit)
    if shapes:  # PyTorch refuses an empty list
        torch.nn.utils.clip_grad_value_(theirs, limit)
    assert_same_gradients(ours, theirs)
    assert all(p.grad is g for p, g in zip(ours, held, strict=True))


@pytest.mark.cpu
@given(orders, st.booleans(), seeds)
def test_gradients_of_embeddings_are_clipped_as_dense_ones_are(order: float, by_value: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, factor = tg.tensor(rng.integers(0, 9, size=(2, 5))), tg.tensor(rng.normal(size=(2, 5, 3)))
    tables, totals = [nn.Parameter(tg.tensor(rng.normal(size=(9, 3)))) for _ in range(2)], []
    for i, table in enumerate(tables):
        (nn.functional.embedding(rows, table) * factor).sum().backward()
        if i:
            assert table.grad is not None  # reading it makes it dense
        elif order == 2 or by_value:
            assert type(table._grad) is SparseGrad
        if by_value:
            utils.clip_grad_value_(table, 0.3)
        else:
            totals.append(utils.clip_grad_norm_(table, 0.5, order).item())
        if not i and (order == 2 or by_value):
            assert type(table._grad) is SparseGrad  # still
    if totals:
        assert totals[0] == pytest.approx(totals[1], rel=1e-12)
    np.testing.assert_allclose(tables[0].grad.numpy(), tables[1].grad.numpy(), rtol=1e-12, atol=1e-14)


def test_one_gradient_held_by_two_parameters_keeps_its_owners_apart() -> None:
    """Clipping writes on gradients, never on what they were computed from."""
    cotangent = tg.tensor([30.0, 40.0])
    w = nn.Parameter(tg.zeros(2))
    (w * 1).backward(cotangent)
    utils.clip_grad_norm_([w], 1.0)
    assert cotangent.tolist() == [30.0, 40.0]


@given(st.lists(st.sampled_from([(), (3,), (2, 4), (0, 2)]), min_size=1, max_size=3), seeds)
def test_parameters_to_a_vector_and_back(shapes: list[tuple[int, ...]], seed: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = both(shapes, seed)
    vector, expected = utils.parameters_to_vector(ours), torch.nn.utils.parameters_to_vector(theirs)
    np.testing.assert_array_equal(vector.detach().numpy(), expected.detach().numpy())
    cotangent = np.random.default_rng(seed).normal(size=tuple(vector.shape))
    for ps, v, library in ((ours, vector, tg), (theirs, expected, torch)):
        for p in ps:
            p.grad = None
        v.backward(library.tensor(cotangent))
    assert_same_gradients(ours, theirs)
    utils.vector_to_parameters(vector.detach() * 2, ours)
    torch.nn.utils.vector_to_parameters(expected.detach() * 2, theirs)
    for p, q in zip(ours, theirs, strict=True):
        assert isinstance(p, nn.Parameter) and p.is_leaf and p.requires_grad
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_a_vector_must_fit() -> None:
    ps = [nn.Parameter(tg.zeros(2)), nn.Parameter(tg.zeros(3))]
    for n in (4, 6):
        with pytest.raises(ValueError, match=rf"5 elements, the vector shape \({n},\)"):
            utils.vector_to_parameters(tg.ones(n), ps)
    assert ps[0].tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="expected a Tensor, got list"):
        utils.vector_to_parameters([1.0] * 5, ps)


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, math.inf])
def test_nothing_waits_for_the_norm(order: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a card, to ask for a value is to wait until everything before it has been computed."""
    ours, _ = both([(3,), (2, 4)], 0)

    def waits(*_: Any) -> Any:
        raise AssertionError("a value was asked for")

    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(tg.Tensor, name, waits)
    total = utils.clip_grad_norm_(ours, 1.0, order)
    utils.clip_grads_with_norm_(ours, 0.5, utils.get_total_norm([p.grad for p in ours], order))
    utils.clip_grad_value_(ours, 0.1)
    monkeypatch.undo()
    assert total.item() > 0
