"""Tables trained row by row: beside PyTorch through steps of optimizers, and without anything of the table's size."""

from __future__ import annotations

import mmap
import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import on_the_cpu_only, same
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.5},
    "SparseAdam": {"lr": 0.1, "betas": (0.8, 0.95)},
    "Adagrad": {"lr": 0.3},
    "Adam": {"lr": 0.1},
}


@st.composite
def tables(draw: Any) -> tuple[str, dict[str, Any]]:
    """An optimizer and the options of a table that it can train in PyTorch as well."""
    name = draw(st.sampled_from(sorted(OPTIMIZERS)))
    sparse = {"SparseAdam": True, "Adam": False}.get(name)
    sparse = draw(st.booleans()) if sparse is None else sparse
    options = {
        "padding_idx": draw(st.none() | st.integers(-5, 4)),
        "max_norm": draw(st.none() | st.floats(0.2, 2)),
        "norm_type": draw(st.sampled_from([1.0, 2.0, 3.0])),
        # With sparse gradients PyTorch refuses it.
        "scale_grad_by_freq": draw(st.booleans()) and not sparse,
        "sparse": sparse,
    }
    return name, options


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # PyTorch's Adagrad, about its own tensors
@given(
    tables(), st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 999)
)
def test_training_a_table_is_that_of_pytorch(
    drawn: tuple[str, dict[str, Any]], batches: list[list[int]], seed: int
) -> None:
    """Values and state after several steps, from a table that was there already."""
    torch = pytest.importorskip("torch")
    name, options = drawn
    rng = np.random.default_rng(seed)
    table, factors = rng.normal(size=(5, 3)), [rng.normal(size=(len(b), 3)) for b in batches]
    results: list[Any] = []
    for lib in (tg, torch):
        embed = lib.nn.Embedding.from_pretrained(lib.tensor(table), freeze=False, **options)
        optimizer = getattr(lib.optim, name)(embed.parameters(), **OPTIMIZERS[name])
        for batch, factor in zip(batches, factors, strict=True):
            optimizer.zero_grad()
            out = embed(lib.tensor(batch))
            (out * lib.tensor(factor) + out**2).sum().backward()
            optimizer.step()
        state = {key: v for key, v in optimizer.state_dict()["state"].get(0, {}).items() if key != "step"}
        results.append((repr(embed), embed.weight.detach().numpy(), state))
    (text, ours, state), (their_text, theirs, their_state) = results
    assert text == their_text
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert list(state) == list(their_state)
    for key, value in their_state.items():
        np.testing.assert_allclose(state[key].numpy(), value.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@given(st.none() | st.integers(-4, 3), st.none() | st.floats(0.1, 2), st.booleans(), st.booleans(), st.booleans())
def test_a_table_that_was_there_is_shared(
    padding: int | None, limit: float | None, by_frequency: bool, sparse: bool, freeze: bool
) -> None:
    torch = pytest.importorskip("torch")
    options = {"padding_idx": padding, "max_norm": limit, "scale_grad_by_freq": by_frequency, "sparse": sparse}
    found = []
    for lib in (tg, torch):
        table = lib.ones(4, 2)
        embed = lib.nn.Embedding.from_pretrained(table, freeze=freeze, **options)
        table[3] = 0.05
        found.append(
            (
                repr(embed),
                embed.padding_idx,
                embed.weight.requires_grad,
                embed(lib.tensor([3])).detach().numpy().tolist(),
            )
        )
    assert found[0] == found[1]


def test_from_pretrained_refuses_what_is_no_table() -> None:
    for bad in (tg.zeros(3), tg.zeros(1, 2, 3)):
        with pytest.raises(ValueError, match=r"expected a table of shape \(V, D\)"):
            nn.Embedding.from_pretrained(bad)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(1, 3))
def test_the_weight_of_a_row_is_shared_among_its_places(index: list[int], size: int) -> None:
    """By frequency, in any shape of indices, and with the graph of the gradient."""
    table = tg.ones(4, size, dtype=tg.float64, requires_grad=True)
    rows = tg.tensor(index).reshape(1, -1, 1)
    out = nn.functional.embedding(rows, table, scale_grad_by_freq=True)
    g = tg.randn(out.shape, dtype=tg.float64)
    expected = np.zeros((4, size))
    for row, part in zip(index, g.reshape(-1, size).numpy(), strict=True):
        expected[row] += part / index.count(row)
    for graph in (True, False):
        same(tg.autograd.grad(out, table, g, create_graph=graph)[0], expected)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=40),
    st.sampled_from(["float16", "float32", "float64"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_row_gets_its_own_sum_and_nothing_of_the_others(
    index: list[int], dtype: str, counted_from_the_end: bool, seed: int
) -> None:
    """Through a step of SGD, where some gradients are infinite or no numbers, by look-up and by index."""
    rng = np.random.default_rng(seed)
    table, g = rng.normal(size=(9, 4)).astype(dtype), rng.normal(size=(len(index), 4)).astype(dtype)
    g[rng.random(g.shape) < 0.05] = rng.choice([np.inf, -np.inf, np.nan])
    p, cotangent = tg.tensor(table).requires_grad_(), tg.tensor(g)
    if counted_from_the_end:
        p[tg.tensor(index) - 9].backward(cotangent)
    else:
        nn.functional.embedding(tg.tensor(index), p).backward(cotangent)
    tg.optim.SGD([p], lr=0.5).step()
    expected = np.zeros((9, 4))
    np.add.at(expected, index, g.astype(np.float64))
    close = {"rtol": 1e-3, "atol": 1e-3} if dtype == "float16" else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(p.grad.numpy(), expected, **close)
    np.testing.assert_allclose(p.detach().numpy(), table - 0.5 * expected, **close)
    np.testing.assert_array_equal(cotangent.numpy(), g)


ROWS, SIZE = 1_000_000, 64
TABLE = ROWS * SIZE * 4  # bytes


def resident(array: np.ndarray) -> int:
    """Bytes of the map of an array that have ever been touched, as the kernel counts them."""
    start = array.__array_interface__["data"][0]
    text = Path("/proc/self/smaps").read_text()
    for match in re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) .*\n(?:.*\n)*?Rss: +(\d+) kB", text, re.M):
        if int(match[1], 16) <= start < int(match[2], 16):
            return int(match[3]) * 1024
    raise LookupError("the array is in no map of this process")


@on_the_cpu_only("counts the memory of NumPy arrays")
@pytest.mark.skipif(sys.platform != "linux", reason="reads what the kernel of Linux counts")
@pytest.mark.parametrize("optimizer", ["SGD", "Adagrad", "SparseAdam"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 7, "scale_grad_by_freq": True}, {"max_norm": 1.0}], ids=str)
def test_a_step_neither_makes_nor_touches_anything_of_the_size_of_the_table(
    optimizer: str, options: dict[str, Any]
) -> None:
    """The table is memory that the system fills with zeros page by page, when it is first touched."""
    memory = mmap.mmap(-1, TABLE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    table = np.frombuffer(memory, np.float32).reshape(ROWS, SIZE)
    embed = nn.Embedding.from_pretrained(tg.from_numpy(table), freeze=False, **options)
    assert embed.weight._data.__array_interface__["data"] == table.__array_interface__["data"]
    change = getattr(tg.optim, optimizer)(embed.parameters(), lr=0.1)
    batches = [tg.tensor(np.random.default_rng(i).integers(0, ROWS, (4, 2))) for i in range(3)]

    def step(rows: tg.Tensor) -> None:
        change.zero_grad()
        (embed(rows) - 1).square().sum().backward()
        nn.utils.clip_grad_norm_(embed.parameters(), 1.0)
        change.step()

    step(batches[0])  # which makes the optimizer's state
    tracemalloc.start()
    try:
        for rows in batches[1:]:
            step(rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000, f"{peak} bytes were allocated beside a table of {TABLE}"
    # At most 24 rows; the system may back each by a huge page.
    assert 0 < resident(table) <= 24 * (2 << 20) < TABLE / 4
    assert not embed(batches[1]).eq(0).all()
