"""Bags of rows: PyTorch's results, gradients, texts and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree, same_state

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn

modes = st.sampled_from(["sum", "mean", "max"])


@given(
    modes,
    st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=4),
    st.none() | st.integers(-5, 4),
    st.booleans(),
    st.none() | st.just(1.5),
    st.booleans(),
)
def test_bags_of_any_length_are_those_of_pytorch(
    mode: str, bags: list[list[int]], padding: int | None, last: bool, limit: float | None, weighted: bool
) -> None:
    torch = pytest.importorskip("torch")
    options = {"mode": mode, "include_last_offset": last, "padding_idx": padding, "max_norm": limit}
    ours = nn.EmbeddingBag(5, 3, **options, dtype="float64")
    theirs = torch.nn.EmbeddingBag(5, 3, **options, dtype=torch.float64)
    assert repr(ours) == repr(theirs)
    same_state(ours, theirs, len(bags))
    flat = np.array([i for bag in bags for i in bag], "int64")
    ends = np.cumsum([0, *map(len, bags)])
    offsets = np.asarray(ends if last else ends[:-1], "int64")
    arrays: list[np.ndarray] = [flat, offsets]
    if weighted and mode == "sum":
        arrays.append(np.random.default_rng(0).normal(size=len(flat)))
    agree(ours, theirs, arrays, (list(ours.parameters()), list(theirs.parameters())), order=1)


@given(modes, st.integers(1, 3), st.integers(1, 3), st.none() | st.integers(0, 4))
def test_bags_of_one_length_are_those_of_pytorch(mode: str, count: int, length: int, padding: int | None) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(count)
    options = {"mode": mode, "padding_idx": padding}
    ours = nn.EmbeddingBag(5, 2, **options, dtype="float64")
    theirs = torch.nn.EmbeddingBag(5, 2, **options, dtype=torch.float64)
    same_state(ours, theirs, length)
    arrays: list[Any] = [rng.integers(0, 5, size=(count, length))]
    parameters = (list(ours.parameters()), list(theirs.parameters()))
    agree(ours, theirs, arrays, parameters, order=1)


def test_gradients_divided_by_frequency_are_those_of_an_embedding() -> None:  # PyTorch divides by those of other rows
    table = tg.randn(5, 2, requires_grad=True)
    index, weights = tg.tensor([[1, 1, 2], [1, 3, 3]]), tg.randn(2, 2)
    bags = F.embedding_bag(index, table, mode="sum", scale_grad_by_freq=True)
    rows = F.embedding(index, table, scale_grad_by_freq=True).sum(1)
    (one,), (two,) = (tg.autograd.grad((out * weights).sum(), table) for out in (bags, rows))
    np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=1e-6)


def test_a_table_that_is_there_can_be_taken() -> None:
    table = tg.arange(6.0).reshape(3, 2)
    bags = nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert bags(tg.tensor([[1, 2]])).tolist() == [[6.0, 8.0]] and not bags.weight.requires_grad
    with pytest.raises(ValueError, match=r"expected a table \(V, D\)"):
        nn.EmbeddingBag.from_pretrained(tg.zeros(3))


def test_bad_bags_are_refused() -> None:
    table, some = tg.zeros(3, 2), tg.tensor([0, 1])
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: F.embedding_bag(some, table), ValueError, "needs offsets"),
        (lambda: F.embedding_bag(some, table, tg.tensor([1])), ValueError, "must begin with 0"),
        (lambda: F.embedding_bag(some, table, tg.tensor([0, 3])), ValueError, "not go beyond 2"),
        (lambda: F.embedding_bag(some.reshape(1, 2), table, some), ValueError, "needs no offsets"),
        (lambda: F.embedding_bag(some.float(), table, some), TypeError, "must be an integer tensor"),
        (lambda: F.embedding_bag(some + 2, table, tg.tensor([0])), IndexError, "3 is out of range"),
        (lambda: F.embedding_bag(some, table, tg.tensor([0]), mode="min"), ValueError, "mode must be"),
        (
            lambda: F.embedding_bag(some, table, tg.tensor([0]), per_sample_weights=tg.ones(2)),
            ValueError,
            "need mode 'sum'",
        ),
    ]
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()
