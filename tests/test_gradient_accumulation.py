"""Several small batches in place of a large one: gradients add up, and so does everything that follows from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn, optim


def network(seed: int) -> nn.Sequential:
    tg.manual_seed(seed)
    layers = [nn.Linear(5, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3)]
    return nn.Sequential(nn.Embedding(7, 5), *layers).to(tg.float64)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(["mean", "sum"]),
    st.sampled_from([None, 0.1]),
    st.integers(0, 1000),
)
def test_small_batches_train_as_one_large(sizes: list[int], reduction: str, limit: float | None, seed: int) -> None:
    """Three steps with momentum and clipping; the table of the embedding gets sparse gradients."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    x, y = tg.tensor(rng.integers(0, 7, n)), tg.tensor(rng.integers(0, 3, n))
    criterion = nn.CrossEntropyLoss(reduction=reduction)
    trained = []
    for parts in ([n], sizes):
        model = network(seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            for rows, labels in zip(x.split(parts), y.split(parts), strict=True):
                share = len(rows) / n if reduction == "mean" else 1.0
                (criterion(model(rows), labels) * share).backward()
            if limit is not None:
                nn.utils.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
        trained.append(model.state_dict())
    for key, value in trained[0].items():
        np.testing.assert_allclose(trained[1][key].numpy(), value.numpy(), rtol=1e-9, atol=1e-11, err_msg=key)
