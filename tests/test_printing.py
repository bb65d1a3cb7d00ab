"""The text of tensors: PyTorch's, but for the name of the library and of the nodes of a graph."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tinygrad_edu as tg
from tinygrad_edu import nn

shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
TYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]


def named_alike(text: str) -> str:
    """Without the library in the name of a type, and without a line break that the length of this name may move."""
    if "dtype=" not in text:
        return text
    return re.sub(r",\n +(dtype|requires_grad)=", r", \1=", re.sub(r"=(torch|tg)\.", "=", text))


def assert_same_text(array: Any, **options: Any) -> None:
    """As a tensor of each library, alone and with requires_grad."""
    torch = pytest.importorskip("torch")
    array = np.asarray(array)
    for needs_gradient in (False, True)[: 2 if array.dtype.kind == "f" else 1]:
        ours = tg.tensor(array, requires_grad=needs_gradient)
        theirs = torch.tensor(array, requires_grad=needs_gradient)
        assert repr(ours) == str(ours)
        assert named_alike(str(ours)) == named_alike(str(theirs))
        assert named_alike(f"{ours}") == named_alike(f"{theirs}")


@st.composite
def tensors(draw: Any) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(shapes)
    if dtype.kind != "f":
        return np.asarray(draw(arrays.arrays(dtype, shape)))
    # Numbers that meet in tensors: whole, of similar and of different sizes, special ones.
    ordinary = st.sampled_from([0.0, -0.0, 1.0, -2.0, 100.0, 3.5, -0.001, 1e-5, 12345.678, 2e9])
    wide = st.floats(width=dtype.itemsize * 8)
    small = st.floats(-10, 10, width=dtype.itemsize * 8)
    elements = draw(
        st.sampled_from([ordinary, small, wide, ordinary | st.sampled_from([math.nan, math.inf, -math.inf])])
    )
    with np.errstate(over="ignore"):
        return np.asarray(draw(arrays.arrays("float64", shape, elements=elements))).astype(dtype)


@given(tensors())
def test_drawn_tensors(array: np.ndarray) -> None:
    assert_same_text(array)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "shape", [(1001,), (2000,), (40, 50), (3, 500), (500, 3), (7, 7, 30), (2, 3, 4, 60), (1200, 1), (6, 200)]
)
def test_large_tensors_are_summarised(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    assert_same_text((rng.normal(size=shape) * 100).astype(dtype))
    assert_same_text(np.zeros(shape, dtype))


@pytest.mark.parametrize("n", [*range(5, 40, 3), 100, 1000])
def test_lines_break_where_they_break_in_pytorch(n: int) -> None:
    rng = np.random.default_rng(n)
    assert_same_text(rng.normal(size=n))
    assert_same_text(rng.normal(size=(2, n)).astype("float32"))
    assert_same_text(rng.integers(0, 10, size=n).astype("int32"))
    assert_same_text(rng.integers(-1000, 1000, size=(1, 2, n)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
@pytest.mark.parametrize("dtype", TYPES)
def test_empty_tensors(shape: tuple[int, ...], dtype: str) -> None:
    assert_same_text(np.zeros(shape, dtype))


def test_single_numbers_take_a_format() -> None:
    torch = pytest.importorskip("torch")
    for value, spec in ((3.14159, ".2f"), (3.0, "8.3f"), (2.5, ""), (7, "03d"), (True, "")):
        assert format(tg.tensor(value), spec) == format(torch.tensor(value), spec)
    assert f"{tg.tensor(2.5, requires_grad=True):.1f}" == "2.5"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(tg.tensor([1.0, 2.0]), ".2f")


NODES: dict[str, Any] = {
    "x + 1": lambda t, x: x + 1,
    "1 - x": lambda t, x: 1 - x,
    "x - x": lambda t, x: x - x,
    "2 * x": lambda t, x: 2 * x,
    "x / x": lambda t, x: x / x,
    "x ** 2": lambda t, x: x**2,
    "-x": lambda t, x: -x,
    "sum": lambda t, x: x.sum(),
    "mean": lambda t, x: x.mean(),
    "exp": lambda t, x: x.exp(),
    "tanh": lambda t, x: x.tanh(),
    "relu": lambda t, x: x.relu(),
    "view": lambda t, x: x.view(-1, 1),
    "index": lambda t, x: x[t.tensor([0, 1])],
    "softmax": lambda t, x: x.softmax(0),
    "cat": lambda t, x: t.cat([x, x]),
    "clamp": lambda t, x: x.clamp(0, 1),
    "log1p": lambda t, x: (x * x).log1p(),
    "double": lambda t, x: x.double(),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor(0)),
    "layer_norm": lambda t, x: t.nn.LayerNorm(2, elementwise_affine=False)(x),
    "norm": lambda t, x: x.norm(),
}


@pytest.mark.parametrize("name", NODES)
def test_results_show_the_node_that_made_them(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (NODES[name](t, t.tensor([1.0, 2.0], requires_grad=True)) for t in (tg, torch))
    assert repr(ours).replace("tg.", "") == repr(theirs).replace("torch.", "")
    at = r" object at 0x\w+"
    assert re.sub(at, "", repr(ours.grad_fn)) == re.sub(at, "", repr(theirs.grad_fn))


def test_functions_of_users_and_leaves_have_names_of_nodes() -> None:
    class Twice(tg.Function):
        def forward(self, a: Any) -> Any:
            return 2 * a

        def backward(self, g: Any) -> Any:
            return 2 * g

    y = Twice.apply(tg.tensor([1.0, 2.0], requires_grad=True))
    assert repr(y) == "tensor([2., 4.], grad_fn=<TwiceBackward>)"
    assert "<AccumulateGrad object at" in repr(y.grad_fn.next_functions)


def test_parameters_and_buffers() -> None:
    torch = pytest.importorskip("torch")
    for value in ([1.0, 2.0], 3.0, [[1.5]]):
        assert repr(nn.Parameter(tg.tensor(value))) == repr(torch.nn.Parameter(torch.tensor(value)))
        assert repr(nn.Parameter(tg.tensor(value), requires_grad=False)) == repr(
            torch.nn.Parameter(torch.tensor(value), requires_grad=False)
        )
        assert repr(nn.Buffer(tg.tensor(value))) == repr(torch.nn.Buffer(torch.tensor(value)))


def test_views_and_transposes_show_their_own_order() -> None:
    torch = pytest.importorskip("torch")
    for make in (lambda t: t.T, lambda t: t[1:], lambda t: t[:, ::2], lambda t: t.expand(2, 3, 4)):
        ours, theirs = (make(library.arange(12.0).reshape(3, 4)) for library in (tg, torch))
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_default_type_goes_without_saying(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tg.set_default_dtype(getattr(tg, dtype))
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        assert_same_text(np.ones(2, "float32"))
        assert_same_text(np.ones(2, "float64"))
        assert_same_text(np.ones((0,), "float64"))
    finally:
        tg.set_default_dtype(tg.float32)
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"precision": 0},
        {"precision": 8, "linewidth": 40},
        {"threshold": 5},
        {"threshold": 5, "edgeitems": 1},
        {"sci_mode": True},
        {"sci_mode": False},
        {"profile": "short"},
        {"profile": "full"},
        {"profile": "full", "linewidth": 120},
    ],
)
def test_print_options_are_those_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    before = tg.get_printoptions()
    with tg.printoptions(**options), torch._tensor_str.printoptions(**options):
        for array in (
            rng.normal(size=(4, 9)),
            rng.normal(size=30) * 1e6,
            rng.integers(0, 9, size=(3, 400)),
            np.ones(3),
        ):
            assert_same_text(array)
    assert tg.get_printoptions() == before
    with pytest.raises(ValueError, match="profile must be"):
        tg.set_printoptions(profile="long")


def test_shapes_and_types() -> None:
    torch = pytest.importorskip("torch")
    assert repr(tg.zeros(2, 3).shape) == repr(torch.zeros(2, 3).shape).removeprefix("torch.")
    assert str(tg.float32) == "tg.float32" and str(tg.zeros(1).device) == "cpu"
