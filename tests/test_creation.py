"""Making tensors: PyTorch's types and values from the same call, and one clear error where it can't be done."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg

DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]


def assert_same(make: Any) -> None:
    """Types, shapes, values and requires_grad of what a call makes with each library."""
    torch = pytest.importorskip("torch")
    ours, theirs = make(tg), make(torch)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert (ours.requires_grad, ours.is_leaf) == (theirs.requires_grad, theirs.is_leaf)
    np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())


# From data -------------------------------------------------------------------------------------------------------------

numbers = st.booleans() | st.integers(-100, 100) | st.floats(-100, 100)
scalars = (
    numbers
    | st.integers(-100, 100).map(np.int32)
    | st.floats(-100, 100, width=32).map(np.float32)
    | st.floats(-100, 100).map(np.float64)
)


@given(st.lists(scalars, max_size=4), st.sampled_from([1, 2, 3]))
def test_the_type_of_a_list_is_that_of_pytorch(row: list[Any], depth: int) -> None:
    data: Any = row
    for i in range(1, depth):
        data = [data, data] if i % 2 else (data,)
    assert_same(lambda lib: lib.tensor(data))
    for value in row:
        assert_same(lambda lib, value=value: lib.tensor(value))


@given(numbers, st.sampled_from(["float16", "float32", "float64", "int64", "bool"]), st.booleans())
def test_tensors_among_the_elements_give_their_type(value: Any, dtype: str, nested: bool) -> None:
    def make(lib: Any) -> Any:
        inner = lib.tensor(2, dtype=getattr(lib, dtype))
        return lib.tensor([[value], [inner]] if nested else [value, inner])

    assert_same(make)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=3), st.sampled_from(DTYPES))
def test_data_converts_to_a_type(values: list[float], dtype: str) -> None:
    assert_same(lambda lib: lib.tensor([abs(v) for v in values], dtype=getattr(lib, dtype)))
    assert_same(lambda lib: lib.tensor(np.array(values), dtype=getattr(lib, dtype) if dtype != "uint8" else lib.int64))


@pytest.mark.parametrize("dtype", [*DTYPES, "uint16", "uint32", "uint64"])
def test_arrays_keep_their_type(dtype: str) -> None:
    for array in (np.ones((2, 3), dtype), np.ones((), dtype), np.ones((2, 0), dtype), np.ones((4, 2), dtype)[::2].T):
        assert_same(lambda lib, array=array: lib.tensor(array))
        assert_same(lambda lib, array=array: lib.as_tensor(array))
        assert_same(lambda lib, array=array: lib.from_numpy(array))


def test_pythons_own_types_are_types() -> None:
    for kind in (float, int, bool):
        assert_same(lambda lib, kind=kind: lib.tensor([1, 0], dtype=kind))
        assert_same(lambda lib, kind=kind: lib.ones(2, dtype=kind))


def test_tensor_copies_and_from_numpy_shares() -> None:
    array = np.zeros(2)
    copy, shared, same = tg.tensor(array), tg.from_numpy(array), tg.as_tensor(array)
    array[0] = 1.0
    assert (copy.tolist(), shared.tolist(), same.tolist()) == ([0.0, 0.0], [1.0, 0.0], [1.0, 0.0])
    t = tg.zeros(2)
    assert tg.as_tensor(t) is t and tg.as_tensor(t, dtype=tg.float64).dtype is tg.float64


def test_integers_at_the_limits_of_their_types() -> None:
    for dtype, value in (("int64", 2**63 - 1), ("int64", -(2**63)), ("uint8", 255), ("uint8", -1), ("int8", -128)):
        assert_same(lambda lib, dtype=dtype, value=value: lib.tensor([value], dtype=getattr(lib, dtype)))
    for dtype, value in (("uint8", 256), ("int8", 128), ("int8", -129), ("int32", 2**31), ("int64", math.nan)):
        with pytest.raises(ValueError, match=rf"{value} does not fit into tg.{dtype}"):
            tg.tensor([value], dtype=dtype)
    for value in (2**63, [2**63, -1], 10**30):
        with pytest.raises(ValueError, match=r"int64|too large"):
            tg.tensor(value)


# From nothing ----------------------------------------------------------------------------------------------------------

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(shapes, st.sampled_from(["zeros", "ones"]), st.none() | st.sampled_from(DTYPES), st.booleans())
def test_zeros_and_ones(shape: tuple[int, ...], name: str, dtype: str | None, needs_gradient: bool) -> None:
    def options(lib: Any) -> dict[str, Any]:
        found: dict[str, Any] = {} if dtype is None else {"dtype": getattr(lib, dtype)}
        return {**found, "requires_grad": True} if needs_gradient and str(dtype).startswith("float") else found

    assert_same(lambda lib: getattr(lib, name)(shape, **options(lib)))
    assert_same(lambda lib: getattr(lib, name)(size=list(shape), **options(lib)))
    if shape:
        assert_same(lambda lib: getattr(lib, name)(*shape, **options(lib)))
    assert_same(lambda lib: getattr(lib, f"{name}_like")(lib.zeros(shape, dtype=lib.int16), **options(lib)))
    assert_same(lambda lib: getattr(lib.zeros(1, dtype=lib.float64), f"new_{name}")(shape, **options(lib)))


@given(shapes, numbers | numbers.map(np.float32), st.none() | st.sampled_from(DTYPES))
def test_constants(shape: tuple[int, ...], value: Any, dtype: str | None) -> None:
    if dtype in ("uint8", "bool"):
        value = abs(value)

    def options(lib: Any) -> dict[str, Any]:
        return {} if dtype is None else {"dtype": getattr(lib, dtype)}

    assert_same(lambda lib: lib.full(shape, value, **options(lib)))
    assert_same(lambda lib: lib.full_like(lib.zeros(shape, dtype=lib.float64), value, **options(lib)))
    assert_same(lambda lib: lib.zeros(1, dtype=lib.float64).new_full(shape, value, **options(lib)))


@given(st.sampled_from(DTYPES), shapes)
def test_empty_has_the_right_shape_and_type(dtype: str, shape: tuple[int, ...]) -> None:
    like = tg.zeros(shape, dtype=dtype)
    for made in (tg.empty(shape, dtype=dtype), tg.empty_like(like), like.new_empty(shape)):
        assert (made.shape, made.dtype) == (like.shape, like.dtype)
    assert tg.empty_like(tg.zeros(2), requires_grad=True).requires_grad


bounds = st.integers(-20, 20) | st.floats(-20, 20).map(lambda v: round(v, 2))


@given(bounds, bounds, st.integers(1, 7) | st.sampled_from([0.1, 0.25, 3.3]), st.none() | st.sampled_from(DTYPES[:-1]))
def test_arange(start: Any, end: Any, step: Any, dtype: str | None) -> None:
    if dtype == "uint8":
        start, end = abs(start), abs(end)
    if (end < start) or (dtype and not dtype.startswith("float") and int(end) < int(start)):
        step = -step
    if dtype and not dtype.startswith("float") and not int(step):
        step = -1 if step < 0 else 1

    def make(lib: Any) -> Any:
        return lib.arange(start, end, step, **({} if dtype is None else {"dtype": getattr(lib, dtype)}))

    torch = pytest.importorskip("torch")
    ours, theirs = make(tg), make(torch)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.") and tuple(ours.shape) == tuple(theirs.shape)
    tolerance = 1e-3 if dtype == "float16" else 2e-7  # PyTorch's own last bit depends on the length
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=20 * tolerance)


def test_arange_from_one_number_keywords_and_tensors() -> None:
    for make in (
        lambda lib: lib.arange(4),
        lambda lib: lib.arange(4.0),
        lambda lib: lib.arange(end=4),
        lambda lib: lib.arange(start=1, end=6, step=2),
        lambda lib: lib.arange(lib.tensor(3)),
        lambda lib: lib.arange(np.int64(3), requires_grad=False),
        lambda lib: lib.arange(3.0, requires_grad=True),
        lambda lib: lib.arange(3, 3),
    ):
        assert_same(make)


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(0, 30), st.sampled_from(["float32", "float64"]))
def test_linspace_and_logspace(start: float, end: float, steps: int, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for name, args in (("linspace", ()), ("logspace", (2.0,))):
        ours = getattr(tg, name)(start, end, steps, *args, dtype=dtype)
        theirs = getattr(torch, name)(start, end, steps, *args, dtype=getattr(torch, dtype))
        assert tuple(ours.shape) == tuple(theirs.shape) and ours.dtype.name == dtype
        tolerance = 1e-13 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance)


def test_eye() -> None:
    for make in (
        lambda lib: lib.eye(3),
        lambda lib: lib.eye(2, 3),
        lambda lib: lib.eye(0),
        lambda lib: lib.eye(2, dtype=lib.int64),
        lambda lib: lib.eye(2, 1, dtype=lib.bool),
        lambda lib: lib.eye(2, requires_grad=True),
    ):
        assert_same(make)


def test_the_default_type_is_that_of_python_floats() -> None:
    tg.set_default_dtype(tg.float64)
    try:
        made = [
            tg.tensor([1.5, 2]),
            tg.zeros(1),
            tg.full((1,), 1.0),
            tg.arange(1.0),
            tg.linspace(0, 1, 2),
            tg.eye(1),
            tg.rand(1),
        ]
        assert {t.dtype for t in made} == {tg.float64}
        assert tg.tensor([1, 2]).dtype is tg.int64 and tg.tensor(np.float32(1)).dtype is tg.float32
    finally:
        tg.set_default_dtype(tg.float32)


# Devices ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda device: tg.tensor([1.0], device=device),
        lambda device: tg.as_tensor([1.0], device=device),
        lambda device: tg.zeros(2, device=device),
        lambda device: tg.ones_like(tg.zeros(2), device=device),
        lambda device: tg.full((2,), 1.0, device=device),
        lambda device: tg.arange(3, device=device),
        lambda device: tg.linspace(0, 1, 3, device=device),
        lambda device: tg.eye(3, device=device),
        lambda device: tg.rand(3, device=device),
        lambda device: tg.randn_like(tg.zeros(3), device=device),
        lambda device: tg.randint(3, (2,), device=device),
        lambda device: tg.randperm(3, device=device),
        lambda device: tg.zeros(1).new_zeros(2, device=device),
        lambda device: tg.zeros(1).to(device),
    ],
)
def test_devices_are_taken_or_refused_in_one_clear_line(make: Any) -> None:
    assert make("cpu").device == make(tg.device("cpu")).device == "cpu"
    with pytest.raises(RuntimeError, match=r"there is no device 'toaster'; devices .* cpu") as failure:
        make("toaster")
    assert "\n" not in str(failure.value)
    with pytest.raises(RuntimeError, match="device 'cpu:7': there are 1 devices"):
        make("cpu:7")


# Errors ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.tensor([[1], [1, 2]]), ValueError, "different lengths"),
        (lambda: tg.tensor([1, [1, 2]]), ValueError, "different lengths"),
        (lambda: tg.tensor("a"), TypeError, "numbers or booleans, got 'a'"),
        (lambda: tg.tensor([1.0, None]), TypeError, "got None"),
        (lambda: tg.tensor([1.0, "x"]), TypeError, "got 'x'"),
        (lambda: tg.tensor(1j), TypeError, "numbers or booleans"),
        (lambda: tg.tensor({1}), TypeError, "numbers or booleans"),
        (lambda: tg.tensor(np.array(["a"])), TypeError, "not supported"),
        (lambda: tg.tensor([tg.zeros(2), tg.zeros(2)]), ValueError, r"shape \(2,\) .* stack\(\) or cat\(\)"),
        (lambda: tg.tensor([1], requires_grad=True), RuntimeError, "float"),
        (lambda: tg.tensor([1.0], dtype="float31"), TypeError, "'float31' is not a data type"),
        (lambda: tg.from_numpy([1.0]), TypeError, "from_numpy: expected a NumPy array"),
        (lambda: tg.zeros(), TypeError, "zeros: expected a shape"),
        (lambda: tg.zeros(2, size=(2,)), TypeError, "zeros: expected a shape"),
        (lambda: tg.zeros(2.0), TypeError, "integers"),
        (lambda: tg.ones(2, -1), ValueError, r"ones: sizes must not be negative, got \(2, -1\)"),
        (lambda: tg.full((2,), "a"), TypeError, "full: expected a number, got 'a'"),
        (lambda: tg.full((2,), 300, dtype=tg.uint8), ValueError, "300 does not fit into tg.uint8"),
        (lambda: tg.arange(5, 0), ValueError, "step 1 there is no way from 5 to 0"),
        (lambda: tg.arange(0, 5, 0), ValueError, "step 0"),
        (lambda: tg.arange(math.nan), ValueError, "nan"),
        (lambda: tg.arange(math.inf), ValueError, "inf"),
        (lambda: tg.arange("3"), TypeError, "arange: expected a number, got '3'"),
        (lambda: tg.arange(), TypeError, "arange: expected a number to stop before"),
        (lambda: tg.linspace(0, 1, -1), ValueError, "linspace: .* got -1"),
        (lambda: tg.eye(-1), ValueError, "eye: sizes must not be negative"),
    ],
)
def test_bad_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
