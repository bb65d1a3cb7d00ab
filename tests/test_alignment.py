"""Attention by alignment: PyTorch's compositions, masks, derivatives of both orders, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn.alignment import length_mask, masked_softmax
from tinygrad_edu.testing import check_gradients

KINDS = ["dot", "scaled", "general", "additive", "concat"]


def make(kind: str, q: int, k: int, a: int = 3, **options: Any) -> Any:
    """An attention of a kind; those by products without a matrix take queries of the size of the keys."""
    return {
        "dot": lambda: nn.DotAttention(k),
        "scaled": lambda: nn.DotAttention(k, scaled=True),
        "general": lambda: nn.GeneralAttention(q, k, **options),
        "additive": lambda: nn.AdditiveAttention(q, k, a, **options),
        "concat": lambda: nn.ConcatAttention(q, k, a, **options),
    }[kind]()


def theirs(kind: str, weights: list[Any], q: Any, keys: Any, values: Any, mask: Any) -> Any:
    """The same in PyTorch, as the papers write it."""
    torch = pytest.importorskip("torch")
    if kind in ("dot", "scaled"):
        scores = torch.einsum("ntq,nsq->nts", q, keys) / (keys.shape[2] ** 0.5 if kind == "scaled" else 1)
    elif kind == "general":
        scores = torch.einsum("ntq,qk,nsk->nts", q, weights[0], keys)
    elif kind == "additive":
        wq, wk, v = weights
        scores = torch.einsum("ntsa,ba->nts", torch.tanh((q @ wq.T)[:, :, None] + (keys @ wk.T)[:, None]), v)
    else:
        t, s = q.shape[1], keys.shape[1]
        both = torch.cat([q[:, :, None].expand(-1, -1, s, -1), keys[:, None].expand(-1, t, -1, -1)], -1)
        scores = torch.einsum("ntsa,ba->nts", torch.tanh(both @ weights[0].T), weights[1])
    weights = torch.nan_to_num(torch.softmax(scores.masked_fill(~mask, -torch.inf), -1))
    return weights @ values, weights


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["float64", "float32"]),
    st.tuples(*[st.integers(1, 3)] * 6),
    st.data(),
    st.integers(0, 2**32 - 1),
)
def test_attention_agrees_with_pytorch(kind: str, dtype: str, sizes: tuple[int, ...], data: Any, seed: int) -> None:
    """Contexts, weights, and gradients of both orders by inputs and parameters, under masks and lengths."""
    torch = pytest.importorskip("torch")
    n, t, s, q, k, v = sizes
    q = k if kind in ("dot", "scaled") else q
    rng = np.random.default_rng(seed)
    layer = make(kind, q, k, **({} if kind in ("dot", "scaled") else {"dtype": dtype}))
    weights = [torch.tensor(p.detach().numpy(), requires_grad=True) for p in layer.parameters()]
    mask, options = np.ones((n, t, s), bool), {}
    if data.draw(st.booleans(), label="mask"):
        mask = rng.random((n, 1, s) if data.draw(st.booleans(), label="one for all") else (n, t, s)) < 0.7
        options["mask"] = tg.tensor(mask[:, 0] if mask.shape[1] == 1 else mask)
    if data.draw(st.booleans(), label="lengths"):
        lengths = rng.integers(1, s + 1, n)
        options["lengths"] = lengths.tolist()
        mask = mask & (np.arange(s) < lengths[:, None, None])
    seen = torch.tensor(mask & mask.any(-1, keepdims=True))
    # PyTorch's gradient of a row without any key is NaN, so such rows are tested below.
    filled = torch.tensor(np.where(mask.any(-1, keepdims=True), mask, True))
    live = seen.any(-1, keepdim=True)
    arrays = [rng.normal(size=size).astype(dtype) for size in ((n, t, q), (n, s, k), (n, s, v))]

    def peer(*inputs: Any) -> Any:
        return [torch.where(live, out, 0.0) for out in theirs(kind, weights, *inputs, filled)]

    agree(
        lambda *inputs: layer(*inputs, **options),
        peer,
        arrays,
        (list(layer.parameters()), weights),
        seed=seed,
        tolerance=1e-9 if dtype == "float64" else 1e-4,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_right_and_masked_rows_give_zeros(kind: str) -> None:
    layer = make(kind, 2, 2)
    query, keys = tg.randn(2, 2, dtype="float64"), tg.randn(2, 3, 2, dtype="float64")
    layer.double()
    check_gradients(lambda q, k: layer(q, k, lengths=[0, 2]), query, keys)
    query.requires_grad_()
    context, weights = layer(query, keys, lengths=[0, 2])
    assert context[0].tolist() == [0, 0] and weights[0].tolist() == [0, 0, 0]
    assert weights[1].sum().item() == pytest.approx(1) and weights[1, 2].item() == 0
    (context.sum() + (weights**2).sum()).backward()
    assert query.grad[0].tolist() == [0, 0] and bool(query.grad.isfinite().all())


@pytest.mark.parametrize("kind", KINDS)
def test_one_query_at_a_time_and_keys_projected_before(kind: str) -> None:
    layer = make(kind, 4, 4)
    query, keys = tg.randn(2, 3, 4), tg.randn(2, 5, 4)
    context, weights = layer(query, keys, lengths=[5, 2])
    projected = layer.project(keys)
    for i in range(3):
        c, w = layer(query[:, i], keys, lengths=tg.tensor([5, 2]), projected=projected)
        np.testing.assert_allclose(c.detach().numpy(), context[:, i].detach().numpy(), atol=1e-6)
        np.testing.assert_allclose(w.detach().numpy(), weights[:, i].detach().numpy(), atol=1e-6)


def test_concat_is_additive_with_one_matrix() -> None:
    one, two = nn.ConcatAttention(2, 3, 4), nn.AdditiveAttention(2, 3, 4)
    joint = one.joint.weight.detach()
    two.load_state_dict({
        "query.weight": joint[:, :2], "key.weight": joint[:, 2:], "energy.weight": one.energy.weight.detach()
    })  # fmt: skip
    query, keys = tg.randn(2, 2, 2), tg.randn(2, 5, 3)
    np.testing.assert_allclose(one(query, keys)[0].detach().numpy(), two(query, keys)[0].detach().numpy(), atol=1e-6)


def test_large_scores_and_half_precision_stay_finite() -> None:
    scores = tg.tensor([[1e30, -1e30, 3e38], [1.0, 2.0, 3.0]])
    mask = tg.tensor([[True, True, False], [False, False, False]])
    assert masked_softmax(scores, mask).tolist() == [[1, 0, 0], [0, 0, 0]]
    half = masked_softmax(tg.tensor([[6e4, 0.0]]).half(), tg.tensor([[False, True]]))
    assert half.dtype is tg.float16 and half.tolist() == [[0, 1]]


def test_modules_are_told_apart_in_print() -> None:
    assert repr(nn.DotAttention(4, scaled=True)) == "DotAttention(4, scaled=True)"
    assert repr(nn.GeneralAttention(4, 5)) == "GeneralAttention(4, 5)"
    assert "AdditiveAttention(\n  4, 5, 6\n" in repr(nn.AdditiveAttention(4, 5, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: a(tg.zeros(2, 3), tg.zeros(2, 5, 4)), ValueError, r"expected query of shape \(N, …, 4\)"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 3)), ValueError, r"expected keys of shape"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(3, 5, 4)), ValueError, r"got \(2, 1, 4\), \(3, 5, 4\)"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 0, 4)), ValueError, r"with S > 0"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4), tg.zeros(2, 4, 4)), ValueError, r"\(2, 4, 4\)"),
        (lambda a: a([1.0], tg.zeros(2, 5, 4)), TypeError, r"expected a Tensor as query"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4, dtype="float64")), TypeError, r"the keys tg.float64"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4), mask=tg.ones(2, 5)), TypeError, r"a mask of booleans"),
        (
            lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4), mask=tg.ones(2, 4) > 0),
            ValueError,
            r"shape \(2, 5\) or \(2, 1, 5\), got \(2, 4\)",
        ),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4), lengths=[6, 1]), ValueError, r"5 places of the padding, got 6"),
        (lambda a: a(tg.zeros(2, 4), tg.zeros(2, 5, 4), lengths=[1]), ValueError, r"each of the 2 sequences, got 1"),
        (lambda a: nn.GeneralAttention(0, 3), ValueError, r"query_size must be a positive integer, got 0"),
        (lambda a: length_mask([1.5], 3), TypeError, r"lengths must be a list or a tensor of integers"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(nn.DotAttention(4))
