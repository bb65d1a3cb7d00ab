"""What a newcomer's mistakes get: one message at the line that is wrong, naming the operation and the sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import functional

X = tg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
W = tg.ones(4, 5)
I = tg.tensor([0, 1, 2])  # noqa: E741
G = tg.ones(2, 3, requires_grad=True)
F = functional
HALF_SHAPES = r"shapes \(2, 3\) and \(4, 5\) do not broadcast"

# The wrong line, the kind of error, and what the message says.
MISTAKES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    # Sizes
    (lambda: X @ W, ValueError, r"^matmul: shapes \(2, 3\) and \(4, 5\) do not fit: the inner sizes are 3 and 4"),
    (lambda: X @ 3, ValueError, r"^matmul: both operands need at least one dimension, got float32\[2, 3\] and 3"),
    (lambda: X.mm(tg.ones(3)), ValueError, r"^mm: expected tensors with 2 and 2 dimensions, got .*\(2, 3\) and \(3,\)"),
    (lambda: X + W, ValueError, rf"^add: {HALF_SHAPES}"),
    (lambda: X * W, ValueError, rf"^mul: {HALF_SHAPES}"),
    (lambda: X > W, ValueError, rf"^gt: {HALF_SHAPES}"),
    (lambda: X.add_(W), ValueError, rf"^add: {HALF_SHAPES}"),
    (lambda: tg.where(X > 0, X, W), ValueError, r"^where: shapes .*\(4, 5\) do not broadcast"),
    (lambda: X.reshape(4, 4), ValueError, r"^reshape: 6 elements of \(2, 3\) do not fit into shape \(4, 4\)"),
    (lambda: X.reshape(-1, -1), ValueError, r"^reshape: at most one size of \(-1, -1\) may be -1"),
    (lambda: X.expand(4, 3), ValueError, r"^expand: shape \(2, 3\) cannot be expanded to \(4, 3\)"),
    (lambda: X.permute(0, 0), ValueError, r"^permute: \(0, 0\) is no reordering of 2 dimensions"),
    (lambda: tg.cat([X, W]), ValueError, r"^cat: tensor 1 has shape \(4, 5\), another \(2, 3\); only dim 0 may differ"),
    (lambda: tg.stack([X, W]), ValueError, r"^stack: tensor 1 has shape \(4, 5\), the first \(2, 3\)"),
    (lambda: tg.cat([]), ValueError, r"^cat: expected at least one tensor"),
    (lambda: X.split([1, 5]), ValueError, r"^split: the sizes \[1, 5\] do not divide dimension 0, which has size 2"),
    (
        lambda: F.linear(X, W),
        ValueError,
        r"^linear: the input has shape \(2, 3\), but the weight of shape \(4, 5\) expects",
    ),
    (lambda: nn.Linear(4, 2)(X), ValueError, r"^linear: the input has shape \(2, 3\).* expects a last dimension of 4"),
    (
        lambda: F.linear(X, tg.ones(4, 3), tg.ones(5)),
        ValueError,
        r"^linear: the bias has shape \(5,\), expected \(4,\)",
    ),
    (lambda: F.mse_loss(X, W), ValueError, r"^mse_loss: the input has shape \(2, 3\) and the target \(4, 5\)"),
    (
        lambda: F.cross_entropy(X, I),
        ValueError,
        r"^cross_entropy: for an input of shape \(2, 3\) the target must .*\(2,\)",
    ),
    (lambda: nn.LSTM(3, 4)(tg.ones(5, 2, 7)), ValueError, r"^LSTM: expected a last dimension of input_size = 3, got"),
    (
        lambda: nn.GRU(3, 4)(tg.ones(5, 2, 3), tg.ones(1, 9, 4)),
        ValueError,
        r"^GRU: expected the initial state h_0 of shape",
    ),
    (lambda: X.copy_(W), ValueError, r"shape \(4, 5\) cannot be expanded to \(2, 3\)"),
    # Dimensions and indices
    (lambda: X.sum(5), IndexError, r"^sum: dim 5 is out of range for 2 dimensions \(expected -2 to 1\)"),
    (lambda: X.softmax(4), IndexError, r"^softmax: dim 4 is out of range"),
    (lambda: X.unsqueeze(9), IndexError, r"^unsqueeze: dim 9 is out of range for 3 dimensions"),
    (lambda: X.max(7), IndexError, r"^max: dim 7 is out of range"),
    (lambda: tg.cat([X, X], 2), IndexError, r"^cat: dim 2 is out of range for 2 dimensions"),
    (lambda: X.sum("rows"), TypeError, r"^sum: dim must be an integer, got 'rows'"),
    (lambda: X.mean((0, 0)), ValueError, r"^mean: dim \(0, 0\) names a dimension twice"),
    (lambda: X[5], IndexError, r"^getitem: .*5.*size 2"),
    (lambda: X[0, 0, 0], IndexError, r"^getitem: (too many|3) indices"),
    (lambda: X[1.5], IndexError, r"an index is made of integers.*got 1\.5"),
    (lambda: X[tg.tensor([0, 7])], IndexError, r"^getitem: .*7.*size 2"),
    (lambda: X[tg.tensor([0.0])], IndexError, r"tensors used as indices must be integers or booleans, got tg\.float32"),
    (lambda: X[tg.tensor([True, False, True])], IndexError, r"^getitem: .*(boolean index|mask)"),
    (lambda: X[::-1], ValueError, r"slices with step -1 are not supported; use flip"),
    (lambda: X.__setitem__(9, 0.0), IndexError, r"^setitem: index 9 is out of (bounds|range).*\(2, 3\)"),
    (lambda: X.__setitem__(0, W), ValueError, r"^setitem: a value of shape \(4, 5\) does not fit into \(3,\)"),
    (lambda: X.gather(1, tg.tensor([[5]])), IndexError, r"^gather: index 5 is out of range.*size 3"),
    (lambda: F.embedding(tg.tensor([4]), W), IndexError, r"^embedding: index 4 is out of range for a table of 4 rows"),
    (
        lambda: F.cross_entropy(X, tg.tensor([0, 3])),
        IndexError,
        r"^cross_entropy: target 3 is out of range for 3 classes",
    ),
    (lambda: F.cross_entropy(X, tg.tensor([0, -1])), IndexError, r"^cross_entropy: target -1 is out of range"),
    (lambda: F.one_hot(tg.tensor([3]), 2), IndexError, r"^one_hot: class 3 is out of range for 2 classes"),
    # Types
    (lambda: X - "a", TypeError, r"^sub: expected a Tensor, a number or an array as operand, got str \('a'\)"),
    (lambda: X + None, TypeError, r"^add: expected a Tensor, a number or an array as operand, got NoneType"),
    (lambda: X + 1j, TypeError, r"^add: complex numbers are not supported"),
    (lambda: tg.exp(3.0), TypeError, r"^exp: expected a Tensor, got the number 3\.0; wrap it: tg\.tensor\(3\.0\)"),
    (lambda: tg.cat(X), TypeError, r"^cat: expected a sequence of tensors, got float32\[2, 3\]"),
    (lambda: tg.cat([X, 3]), TypeError, r"^cat: expected a Tensor as tensor 1, got 3"),
    (lambda: tg.equal(X, 3), TypeError, r"^equal: expected a Tensor as other, got 3"),
    (lambda: tg.where(X, X, X), TypeError, r"^where: the condition must be a boolean tensor, got float32\[2, 3\]"),
    (lambda: I.mean(), TypeError, r"^mean: expected a floating-point tensor, got tg\.int64"),
    (lambda: ~X, TypeError, r"^bitwise_not: expected integers or booleans, got float32\[2, 3\]"),
    (lambda: X & X, TypeError, r"^bitwise_and: expected integers or booleans"),
    (lambda: nn.Linear(3, 2)(I), TypeError, r"^linear: the input is tg\.int64 and the weight tg\.float32; convert one"),
    (lambda: nn.Linear(3, 2)(X.double()), TypeError, r"^linear: the input is tg\.float64 and the weight tg\.float32"),
    (lambda: nn.Linear(3, 2)([1.0, 2.0, 3.0]), TypeError, r"^linear: expected tensors, got \(1\.0, 2\.0, 3\.0\)"),
    (lambda: nn.Linear(3, 2)(np.ones((2, 3))), TypeError, r"^linear: expected tensors, got float64\[2, 3\]"),
    (lambda: nn.Embedding(9, 3)(X), TypeError, r"^embedding: indices must be an integer tensor, got float32\[2, 3\]"),
    (lambda: F.cross_entropy(X, [0, 1]), TypeError, r"^cross_entropy: expected a Tensor as target, got \(0, 1\)"),
    (lambda: F.cross_entropy(X, tg.tensor([0.0, 1.0])), ValueError, r"class numbers must be integers"),
    (lambda: F.mse_loss(X, 3.0), TypeError, r"^mse_loss: expected a Tensor as target, got 3\.0"),
    (
        lambda: I.__iadd__(1.5),
        TypeError,
        r"^in-place: a result of tg\.float32 cannot be written into a tensor of tg\.int64",
    ),
    (lambda: I**-1, ValueError, r"^pow: integers cannot be raised to the negative power -1"),
    (lambda: I // 0, ValueError, r"^floor_divide: an integer cannot be divided by zero"),
    # Settings
    (
        lambda: F.cross_entropy(X, I[:2], reduction="avg"),
        ValueError,
        r"reduction must be 'mean', 'sum' or 'none', got 'avg'",
    ),
    (lambda: F.dropout(X, 1.5), ValueError, r"^dropout: p must be a probability between 0 and 1, got 1\.5"),
    (lambda: X.chunk(0), ValueError, r"^chunk: expected at least one chunk, got 0"),
    (lambda: X.clamp(), ValueError, r"^clamp: give min, max or both"),
    (lambda: tg.zeros(0).max(), ValueError, r"there is no extreme of nothing \(shape \(0,\)"),
    # Making tensors
    (lambda: tg.tensor([[1, 2], [3]]), ValueError, r"^tensor: the nested sequences have different lengths"),
    (lambda: tg.tensor([1, "a"]), TypeError, r"^tensor: elements must be numbers or booleans, got 'a'"),
    (lambda: tg.tensor(None), TypeError, r"^tensor: elements must be numbers or booleans, got None"),
    (
        lambda: tg.tensor([1.0], dtype="float13"),
        TypeError,
        r"'float13' is not a data type; expected one of bool, uint8",
    ),
    (lambda: tg.zeros(2.5), TypeError, r"^zeros: a shape is made of integers, got \(2\.5,\)"),
    (lambda: tg.zeros(-1), ValueError, r"^zeros: sizes must not be negative, got \(-1,\)"),
    (lambda: tg.randn(2, -1), ValueError, r"^randn: sizes must not be negative, got \(2, -1\)"),
    (lambda: tg.eye(-1), ValueError, r"^eye: sizes must not be negative"),
    (lambda: tg.linspace(0, 1, -2), ValueError, r"^linspace: the number of steps must not be negative, got -2"),
    (lambda: tg.full((2,), "a"), TypeError, r"^full: expected a number, got 'a'"),
    (lambda: tg.arange(0, 5, -1), ValueError, r"^arange: with step -1 there is no way from 0 to 5"),
    (lambda: tg.randint(5, 2, (3,)), ValueError, r"^randint: the range 5 to 2 is empty"),
    (lambda: tg.from_numpy([1, 2]), TypeError, r"^from_numpy: expected a NumPy array"),
    (lambda: tg.from_numpy(np.array([1 + 2j])), TypeError, r"arrays of type complex128 are not supported"),
    # Devices
    (
        lambda: tg.tensor([1.0], device="gpu"),
        tg.BackendError,
        r"there is no device 'gpu'; devices that can be named here: cpu",
    ),
    (lambda: X.to("tpu"), tg.BackendError, r"there is no device 'tpu'"),
    (lambda: tg.zeros(2, device="cpu:3"), tg.BackendError, r"device 'cpu:3'"),
    (
        lambda: tg.zeros(2, device="cuda:x"),
        ValueError,
        r"device 'cuda:x': expected a name like 'cpu', 'cuda' or 'cuda:1'",
    ),
    (lambda: tg.set_default_device("nowhere"), tg.BackendError, r"there is no device 'nowhere'"),
    # Gradients
    (
        lambda: X.sum().backward(),
        RuntimeError,
        r"^backward: this tensor does not require a gradient.*requires_grad=True",
    ),
    (lambda: G.backward(), RuntimeError, r"^backward: a gradient can be left out only.*shape \(2, 3\); reduce it"),
    (lambda: G.sum().backward(tg.ones(3)), RuntimeError, r"^backward: the gradient has shape \(3,\), the tensor \(\)"),
    (lambda: tg.autograd.backward(3.0), TypeError, r"^backward: expected a Tensor or a sequence of tensors, got 3\.0"),
    (lambda: tg.autograd.backward([3.0]), TypeError, r"^backward: expected a Tensor, got float"),
    (
        lambda: tg.autograd.grad(G.sum(), X),
        RuntimeError,
        r"^grad: input 0 \(shape \(2, 3\)\) does not require a gradient",
    ),
    (
        lambda: tg.tensor([1], requires_grad=True),
        RuntimeError,
        r"only floating-point tensors can have a gradient.*int64",
    ),
    (lambda: (G * 2).requires_grad_(False), RuntimeError, r"only a leaf's flag can be changed; use detach\(\)"),
    (lambda: G.numpy(), RuntimeError, r"requires a gradient; use tensor\.detach\(\)\.numpy\(\)"),
    (lambda: G.__iadd__(1), RuntimeError, r"^in-place: a leaf that requires a gradient.*no_grad"),
    # Tensors as numbers
    (lambda: X.item(), RuntimeError, r"^item: only a tensor with one element is a number, this one has shape \(2, 3\)"),
    (lambda: float(X), RuntimeError, r"only a tensor with one element is a number"),
    (
        lambda: bool(X),
        RuntimeError,
        r"a tensor of shape \(2, 3\) is neither true nor false; use \.any\(\) or \.all\(\)",
    ),
    (lambda: len(tg.tensor(1.0)), TypeError, r"len\(\) of a tensor without dimensions"),
    (lambda: list(tg.tensor(1.0)), TypeError, r"without dimensions cannot be iterated over"),
    (lambda: [1, 2][tg.tensor(1.0)], TypeError, r"only integer tensors with one element can be an index"),  # type: ignore[call-overload]
]


@pytest.mark.parametrize(("line", "kind", "message"), MISTAKES, ids=[m for _, _, m in MISTAKES])
def test_a_mistake_gets_a_message(line: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        line()
    assert type(caught.value) in (kind, *kind.__subclasses__()), "an error of another kind in disguise"
    assert "\n" not in str(caught.value), "one line says it"
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize(("line", "kind", "message"), MISTAKES, ids=[m for _, _, m in MISTAKES])
def test_a_mistake_is_found_where_it_is_made(line: Callable[[], Any], kind: type[Exception], message: str) -> None:
    """No other error hangs behind the message, and the way down from the wrong line is short."""
    with pytest.raises(kind) as caught:
        line()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(caught.traceback) < 16


def test_a_missing_gpu_says_what_to_install() -> None:
    if tg.backends.available()["cuda"] == "ready":
        pytest.skip("there is a GPU")
    with pytest.raises(tg.BackendError, match="cuda"):
        X.cuda()


def test_mistakes_leave_everything_as_it_was() -> None:
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    before = x.clone()
    for wrong in (
        lambda: x.add_(tg.ones(3)),
        lambda: x.__setitem__(5, 0.0),
        lambda: x.__setitem__(0, tg.ones(3)),
        lambda: x.copy_(tg.ones(5)),
        lambda: x.masked_fill_(tg.tensor([True, False, True]), 0.0),
        lambda: x.mul_("a"),
    ):
        with pytest.raises((ValueError, IndexError, TypeError)):
            wrong()
    assert x.equal(before)


def test_messages_name_an_operation_at_its_public_name() -> None:
    """The name in front of the colon can be looked up: it is a function of the library or a method of Tensor."""
    other = {"in-place", "setitem", "getitem", "backward", "grad", "linear", "embedding", "cross_entropy", "mse_loss"}
    other |= {"one_hot", "dropout", "LSTM", "GRU", "greater", "item"}
    for _, _, message in MISTAKES:
        named = re.match(r"\^([\w-]+):", message)
        if named:
            assert named[1] in other or hasattr(tg, named[1]) or hasattr(tg.Tensor, named[1]), named[1]


def test_equality_with_none_and_text_is_pythons() -> None:
    assert (X == None) is False and (X != None) is True  # noqa: E711
    assert (X == "text") is False and (X != "text") is True
    with pytest.raises(TypeError, match="expected a Tensor, a number or an array as operand"):
        X < "text"  # noqa: B015


def test_the_rooms_of_the_package_come_with_it() -> None:
    assert tg.nn.Linear(2, 3).weight.shape == (3, 2)
    assert tg.optim.SGD is not None and tg.utils.data.DataLoader is not None


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        tg.load(tmp_path / "nothing")
