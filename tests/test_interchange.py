"""Memory shared with other array libraries, by DLPack and the array interfaces: shared where said, refused where it must be."""

from __future__ import annotations

import array
import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_edu as tg

pytestmark = pytest.mark.skipif(str(tg.get_default_device()) != "cpu", reason="about memory that NumPy can share")

TYPES = ("float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")


@st.composite
def views(draw: st.DrawFn) -> Any:
    """Arrays of every type and layout: parts, steps, turned and backwards."""
    dtype = draw(st.sampled_from(TYPES))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    whole = np.arange(max(int(np.prod(shape)), 1), dtype=np.int64)[: int(np.prod(shape))].reshape(shape).astype(dtype)
    part = whole[draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))] if shape else whole
    return np.asarray(part).T


@given(views())
def test_numpy_sees_the_values_and_the_memory_of_a_tensor(x: Any) -> None:
    t = tg.from_numpy(x)
    assert np.array_equal(np.asarray(t), x) and np.array_equal(np.from_dlpack(t), x)
    if x.size:
        assert np.shares_memory(np.asarray(t), x)
        assert np.shares_memory(np.from_dlpack(t), x) == all(stride >= 0 for stride in x.strides)
        assert np.shares_memory(np.asarray(tg.from_dlpack(x)), x)
    assert np.asarray(t).strides == x.strides or not x.size


@given(views())
def test_torch_sees_the_values_and_the_memory_of_a_tensor(x: Any) -> None:
    torch = pytest.importorskip("torch")
    seen = torch.from_dlpack(tg.from_numpy(x))
    assert np.array_equal(seen.numpy(), x)
    back = tg.from_dlpack(seen)
    assert back.device == "cpu" and np.array_equal(back.numpy(), x)
    if x.size:
        assert np.shares_memory(back.numpy(), seen.numpy())


def test_writes_are_seen_on_both_sides() -> None:
    torch = pytest.importorskip("torch")
    for t in (tg.zeros(2, 3), tg.tensor(0.0)):
        theirs, ours = torch.from_dlpack(t), np.asarray(t)
        t.fill_(1)
        assert theirs.eq(1).all() and (ours == 1).all()
        theirs.fill_(2)
        assert t.eq(2).all() and (ours == 2).all()
    for make in (tg.from_dlpack, tg.asarray, tg.as_tensor):
        theirs = torch.zeros(3)
        t = make(theirs)
        t += 1
        assert theirs.tolist() == [1, 1, 1]
        theirs[0] = 5
        assert t.tolist() == [5, 1, 1]


def test_memory_lives_as_long_as_somebody_sees_it() -> None:
    torch = pytest.importorskip("torch")
    t = tg.full((1000,), 3.0)
    seen = [np.asarray(t), np.from_dlpack(t), torch.from_dlpack(t).numpy()]
    t.data = tg.zeros(1000)  # the tensor moves on to other memory
    del t
    gc.collect()
    tg.full((1000,), 9.0)
    assert all((s == 3).all() for s in seen)


def test_a_tensor_that_requires_a_gradient_is_not_given_away() -> None:
    t = tg.ones(2, requires_grad=True)
    for give in (t.__dlpack__, lambda: np.from_dlpack(t), lambda: tg.from_dlpack(t), lambda: tg.from_dlpack(t * 2)):
        with pytest.raises(BufferError, match=r"requires a gradient; use tensor\.detach\(\)"):
            give()
    with pytest.raises(RuntimeError, match=r"requires a gradient; use tensor\.detach\(\)\.numpy\(\)"):
        np.asarray(t)
    assert not hasattr(t, "__array_interface__") and hasattr(t.detach(), "__array_interface__")
    assert t.__dlpack_device__() == (1, 0)
    np.asarray(t.detach())[0] = 4
    assert t.tolist() == [4, 1]


def test_theirs_that_requires_a_gradient_is_not_taken() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    t = torch.ones(2, requires_grad=True)
    for _ in range(2):
        for take in (tg.from_dlpack, tg.asarray, tg.tensor):
            with pytest.raises(BufferError, match="detach"):
                take(t)
        tg.zeros(1, device="torch")  # from now on PyTorch's arrays are known as those of a device


def test_read_only_memory_stays_read_only() -> None:
    locked = np.zeros(3)
    locked.flags.writeable = False
    for t in (tg.from_numpy(locked), tg.asarray(locked), tg.from_dlpack(locked), tg.asarray(b"abc")):
        for write in (lambda t=t: t.fill_(1), lambda t=t: t.__setitem__(0, 1), lambda t=t: t.add_(1)):
            with pytest.raises(RuntimeError, match="cannot be written to"):
                write()
        assert not np.asarray(t).flags.writeable and not np.from_dlpack(t).flags.writeable
        t.clone().fill_(1)
    assert (locked == 0).all()
    w = tg.from_numpy(locked).requires_grad_()
    (w * w).sum().backward()
    with pytest.raises((RuntimeError, ValueError), match=r"read-only|cannot be written"):
        tg.optim.SGD([w], lr=1.0).step()
    assert (locked == 0).all()


def test_numpys_copy_argument_is_kept() -> None:
    t = tg.ones(2)
    assert np.shares_memory(np.array(t, copy=False), t.numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    assert not np.shares_memory(t.__array__(copy=True), t.numpy())
    assert t.__array__("float64").dtype == np.float64
    with pytest.raises(ValueError, match="copy=False"):
        t.__array__("float64", copy=False)
    with pytest.raises(BufferError, match="copy=False"):
        tg.from_numpy(np.ones(2)[::-1]).__dlpack__(copy=False)


def test_from_dlpack_copies_as_it_is_told() -> None:
    source = np.ones(2)
    assert not np.shares_memory(tg.from_dlpack(source, copy=True).numpy(), source)
    assert np.shares_memory(tg.from_dlpack(source, copy=False).numpy(), source)
    t = tg.ones(2)
    t_again = tg.from_dlpack(t)
    t_again[0] = 3
    assert t.tolist() == [3, 1]
    y = (x := tg.ones(2, requires_grad=True)) * t
    t_again.fill_(5)  # the engine knows that this is t's memory
    with pytest.raises(RuntimeError, match="overwritten in place"):
        y.sum().backward()
    assert x.grad is None


def test_what_from_dlpack_does_not_take() -> None:
    for bad in ([1.0], 3, np.ones(2).__dlpack__()):
        with pytest.raises(TypeError, match="from_dlpack: expected an array with __dlpack__"):
            tg.from_dlpack(bad)
    with pytest.raises(TypeError, match="complex128 are not supported"):
        tg.from_dlpack(np.ones(2, complex))

    class Elsewhere:
        def __dlpack__(self, **settings: Any) -> Any:
            raise AssertionError("not asked for where no backend is")

        def __dlpack_device__(self) -> tuple[int, int]:
            return 8, 0

    with pytest.raises(TypeError, match="kind 8, which no backend here can use"):
        tg.from_dlpack(Elsewhere())


def test_buffers_and_interfaces_are_arrays() -> None:
    class Interface:
        held = np.arange(3.0)
        __array_interface__ = held.__array_interface__

    class Converts:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.arange(3.0)

    numbers = array.array("d", [0, 1, 2])
    for source in (Interface(), Converts(), numbers, memoryview(numbers), np.arange(3.0)):
        for make in (tg.tensor, tg.asarray, tg.as_tensor):
            assert make(source).tolist() == [0, 1, 2] and make(source).dtype is tg.float64
    tg.asarray(numbers)[0] = 7
    tg.as_tensor(memoryview(numbers))[1] = 8
    tg.tensor(numbers)[2] = 9  # a copy
    assert list(numbers) == [7, 8, 2]
    assert tg.tensor(bytearray(b"ab")).tolist() == [97, 98]
    with pytest.raises(TypeError, match="elements must be numbers"):
        tg.asarray("abc")
    with pytest.raises(TypeError, match="elements must be numbers"):
        tg.asarray(object())


def test_asarray_leaves_alone_what_needs_no_change() -> None:
    t = tg.ones(2, requires_grad=True)
    assert tg.asarray(t) is t and tg.as_tensor(t) is t and tg.asarray(t, requires_grad=True) is t
    plain = tg.asarray(t, requires_grad=False)
    assert not plain.requires_grad and t.requires_grad
    plain[0] = 2
    assert t.tolist() == [2, 1]
    leaf = tg.asarray(np.ones(2), requires_grad=True)
    assert leaf.requires_grad and leaf.is_leaf
    assert tg.asarray(t, dtype=tg.float64).grad_fn is not None
    assert tg.asarray(t, copy=True) is not t
    for bad in ([1.0], 2, (1, 2)):
        with pytest.raises(ValueError, match="copy=False"):
            tg.asarray(bad, copy=False)
    with pytest.raises(ValueError, match=r"copy=False, but float32\[2\] on cpu must be copied for tg\.float64"):
        tg.asarray(t, dtype=tg.float64, copy=False)
    assert tg.asarray([1, 2]).dtype is tg.int64


def test_other_devices_share_what_they_can() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    theirs = torch.zeros(2)
    for t in (tg.from_dlpack(theirs, device="torch"), tg.asarray(theirs, device="torch")):
        assert t.device == "torch"
        t += 1
    assert theirs.tolist() == [2, 2]
    source = np.zeros(2, np.float32)
    shared = tg.from_dlpack(source, device="torch")
    shared += 1
    assert source.tolist() == [1, 1] and not hasattr(shared, "__array_interface__")
    assert tg.from_dlpack(source[::-1], device="torch").tolist() == [1, 1]
    with tg.device("torch"):
        assert tg.from_dlpack(source).device == "torch" and tg.as_tensor(source).device == "torch"
    np.from_dlpack(shared)[0] = 7
    assert source.tolist() == [7, 1]
    assert np.asarray(shared).tolist() == [7, 1]
    with pytest.raises(ValueError, match="copy=False"):
        shared.__array__(copy=False)


def test_immutable_arrays_are_never_somebodys_mutable_memory() -> None:
    pytest.importorskip("array_api_strict")
    source = np.zeros(2, np.float32)
    t = tg.from_dlpack(source, device="strict")
    source += 1
    assert t.tolist() == [0, 0] and t.device.type == "strict"
    with pytest.raises(ValueError, match="copy=False"):
        tg.from_dlpack(source, device="strict", copy=False)
    assert np.from_dlpack(t).tolist() == [0, 0]


def test_a_buffer_is_shared() -> None:
    memory = bytearray(range(24))
    x = tg.frombuffer(memory, dtype=tg.int16, count=3, offset=4)
    assert x.tolist() == [5 * 256 + 4, 7 * 256 + 6, 9 * 256 + 8] and x.device.type == "cpu"
    x[1] = -1
    assert memory[6:8] == b"\xff\xff"
    assert tg.frombuffer(array.array("d", [1.0, 2.0]), dtype=tg.float64, requires_grad=True).requires_grad
    with pytest.raises((RuntimeError, ValueError)):
        tg.frombuffer(bytes(8), dtype=tg.float32)[0] = 1


@pytest.mark.parametrize("kind", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_a_buffer_is_read_as_pytorch_reads_it(kind: str) -> None:
    torch = pytest.importorskip("torch")
    memory = bytearray([1, 0, 1, 1] * 8) if kind == "bool" else bytearray(range(32))
    want = torch.frombuffer(memory, dtype=getattr(torch, kind), offset=8)
    assert tg.frombuffer(memory, dtype=getattr(tg, kind), offset=8).tolist() == want.tolist()


@pytest.mark.parametrize(
    ("call", "error", "part"),
    [
        (lambda: tg.frombuffer("text", dtype=tg.uint8), TypeError, "frombuffer: expected a buffer"),
        (lambda: tg.frombuffer(b"", dtype=tg.uint8), ValueError, "0 bytes"),
        (lambda: tg.frombuffer(bytes(7), dtype=tg.int32), ValueError, "7 bytes, read from 0 on, are not a number of"),
        (lambda: tg.frombuffer(bytes(8), dtype=tg.int32, count=3), ValueError, "are not 3 elements"),
        (lambda: tg.frombuffer(bytes(8), dtype=tg.int32, offset=8), ValueError, "read from 8 on"),
        (lambda: tg.frombuffer(bytes(8), dtype=tg.bfloat16), TypeError, "bfloat16 is not supported on the cpu"),
    ],
)
def test_what_no_buffer_holds_is_refused(call: Any, error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        call()
