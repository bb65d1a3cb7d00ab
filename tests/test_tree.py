"""Networks over trees: beside the recursion as it is written in the papers, in PyTorch, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import same
from hypothesis import given
from hypothesis import strategies as st
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn


@st.composite
def trees(draw: Any, binary: bool = False, largest: int = 7) -> list[list[int]]:
    """The children of each node, numbered in any order, of one tree or of several."""
    children: list[list[int]] = []
    tops: list[int] = []
    for _ in range(draw(st.integers(1, largest))):
        take = draw(st.integers(0, len(tops)))
        if binary:
            take = 2 if take >= 2 else 0
        below = [tops.pop(draw(st.integers(0, len(tops) - 1))) for _ in range(take)]
        tops.append(len(children))
        children.append(below)
    names = draw(st.permutations(range(len(children))))
    renamed: list[list[int]] = [[] for _ in children]
    for node, below in enumerate(children):
        renamed[names[node]] = [names[child] for child in below]
    return renamed


def child_sum(p: dict[str, Any], x: Any, children: list[list[int]], node: int, torch: Any) -> tuple[Any, Any]:
    """A node of the child-sum Tree-LSTM, by recursion."""
    below = [child_sum(p, x, children, child, torch) for child in children[node]]
    wi, wf, wg, wo = p["weight_ih"].chunk(4)
    ui, uf, ug, uo = p["weight_hh"].chunk(4)
    bi, bf, bg, bo = p["bias"].chunk(4)
    total = sum((h for h, _ in below), torch.zeros_like(bi))
    i, o = (wi @ x[node] + ui @ total + bi).sigmoid(), (wo @ x[node] + uo @ total + bo).sigmoid()
    c = i * (wg @ x[node] + ug @ total + bg).tanh()
    for h, c_k in below:
        c = c + (wf @ x[node] + uf @ h + bf).sigmoid() * c_k
    return o * c.tanh(), c


def socher(p: dict[str, Any], x: Any, children: list[list[int]], node: int, torch: Any) -> Any:
    if not children[node]:
        return x[node]
    a, b = (socher(p, x, children, child, torch) for child in children[node])
    return (p["weight"] @ torch.cat([a, b]) + p["bias"]).tanh()


@given(trees(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 999))
def test_tree_lstm_agrees_with_the_recursion(children: list[list[int]], inputs: int, hidden: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    net = nn.TreeLSTM(inputs, hidden, dtype=tg.float64)
    p = {key: torch.tensor(v.detach().numpy(), requires_grad=True) for key, v in net.named_parameters()}

    def theirs(x: Any) -> Any:
        states = [child_sum(p, x, children, node, torch) for node in range(len(children))]
        return tuple(torch.stack(parts) for parts in zip(*states, strict=True))

    x = np.random.default_rng(seed).normal(size=(len(children), inputs))
    agree(lambda x: net(x, children), theirs, [x], (list(net.parameters()), list(p.values())), seed=seed)


@given(trees(binary=True), st.integers(1, 3), st.integers(0, 999))
def test_tree_rnn_agrees_with_the_recursion(children: list[list[int]], hidden: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    net = nn.TreeRNN(hidden, dtype=tg.float64)
    p = {key: torch.tensor(v.detach().numpy(), requires_grad=True) for key, v in net.named_parameters()}

    def theirs(x: Any) -> Any:
        return torch.stack([socher(p, x, children, node, torch) for node in range(len(children))])

    x = np.random.default_rng(seed).normal(size=(len(children), hidden))
    agree(lambda x: net(x, children), theirs, [x], (list(net.parameters()), list(p.values())), seed=seed)


def test_on_a_chain_the_tree_lstm_is_the_lstm() -> None:
    lstm, tree = nn.LSTM(3, 4, dtype=tg.float64), nn.TreeLSTM(3, 4, dtype=tg.float64)
    state = lstm.state_dict()
    tree.load_state_dict(
        {
            "weight_ih": state["weight_ih_l0"],
            "weight_hh": state["weight_hh_l0"],
            "bias": state["bias_ih_l0"] + state["bias_hh_l0"],
        }
    )
    x = tg.randn(9, 3, dtype=tg.float64)
    out, (_, c) = lstm(x)
    h, cells = tree(x, [[], *([i] for i in range(8))])
    same(h, out)
    same(cells[-1], c[0])


def test_the_order_of_children_is_seen_by_the_one_and_not_by_the_other() -> None:
    x = tg.randn(3, 4, dtype=tg.float64)
    lstm, rnn = nn.TreeLSTM(4, 4, dtype=tg.float64), nn.TreeRNN(4, dtype=tg.float64)
    same(lstm(x, [[], [], [0, 1]])[0], lstm(x, [[], [], [1, 0]])[0])
    assert not rnn(x, [[], [], [0, 1]]).allclose(rnn(x, [[], [], [1, 0]]))


@given(st.lists(trees(largest=5), min_size=1, max_size=3))
def test_trees_side_by_side_are_as_if_alone(several: list[list[list[int]]]) -> None:
    net = nn.TreeLSTM(2, 3, dtype=tg.float64)
    inputs = [tg.randn(len(tree), 2, dtype=tg.float64) for tree in several]
    children, roots = nn.forest(several)
    together = net(tg.cat(inputs), children)[0]
    same(together, tg.cat([net(x, tree)[0] for x, tree in zip(inputs, several, strict=True)]))
    assert sorted({child for below in children for child in below} | set(roots)) == list(range(len(children)))


def test_gradients_reach_every_node() -> None:
    children = [[], [], [0], [1, 2, 4], []]
    net = nn.TreeLSTM(2, 3, dtype=tg.float64)
    tg.testing.check_gradients(lambda x: net(x, children), tg.randn(5, 2, dtype=tg.float64))


def test_a_tree_as_deep_as_recursion_would_not_go() -> None:
    n = 1200
    net = nn.TreeLSTM(1, 1)
    x = tg.ones(n, 1, requires_grad=True)
    net(x, [[], *([i] for i in range(n - 1))])[0][-1].sum().backward()
    assert x.grad.isfinite().all()


X = tg.zeros(3, 2)
BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "rows": (lambda: nn.TreeLSTM(2, 3)(X, [[], [0]]), ValueError, "each of 2 nodes, got 3"),
    "range": (
        lambda: nn.TreeLSTM(2, 3)(X, [[], [], [3]]),
        ValueError,
        "node 2 has the child 3, but the nodes are 0 … 2",
    ),
    "negative": (lambda: nn.TreeLSTM(2, 3)(X, [[], [], [-1]]), ValueError, "child -1"),
    "number": (lambda: nn.TreeLSTM(2, 3)(X, [[], [], [0.0]]), ValueError, "child 0.0"),
    "two parents": (lambda: nn.TreeLSTM(2, 3)(X, [[], [0], [0]]), ValueError, "node 0 is a child of both 1 and 2"),
    "circle": (lambda: nn.TreeLSTM(2, 3)(X, [[], [2], [1]]), ValueError, "node 1 is below itself"),
    "none": (lambda: nn.TreeLSTM(2, 3)(tg.zeros(0, 2), []), ValueError, "no nodes"),
    "size": (lambda: nn.TreeLSTM(3, 3)(X, [[], [], []]), ValueError, r"\(nodes, 3\), got \(3, 2\)"),
    "input": (lambda: nn.TreeLSTM(2, 3)(None, []), TypeError, "expected a Tensor"),
    "climb": (lambda: nn.climb(lambda *a: a, [1.0], [[]]), TypeError, "a row for each node"),
    "three": (lambda: nn.TreeRNN(2)(tg.zeros(4, 2), [[], [], [], [0, 1, 2]]), ValueError, "node 3 has 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
