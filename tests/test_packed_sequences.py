"""Padding and packing sequences of different lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

lengths = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def sequences(sizes):
    return [tg.tensor(np.arange(10.0 * i, 10 * i + 2 * n).reshape(n, 2)) for i, n in enumerate(sizes)]


@given(lengths, st.booleans())
def test_packing_and_padding_undo_each_other(sizes, batch_first):
    parts = sequences(sizes)
    padded = pad_sequence(parts, batch_first, -1.0)
    again, found = pad_packed_sequence(pack_padded_sequence(padded, sizes, batch_first, False), batch_first, -1.0)
    assert tg.equal(again, padded) and found.tolist() == sizes
    for made in (unpad_sequence(padded, tg.tensor(sizes), batch_first), unpack_sequence(pack_sequence(parts, False))):
        assert all(tg.equal(a, b) for a, b in zip(made, parts, strict=True))


@given(lengths, st.booleans(), st.sampled_from(["right", "left"]), st.booleans())
def test_agreement_with_pytorch(sizes, batch_first, side, in_order):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    sizes = sorted(sizes, reverse=True) if in_order else sizes
    parts = sequences(sizes)
    others = [torch.tensor(part.numpy()) for part in parts]
    np.testing.assert_array_equal(
        pad_sequence(parts, batch_first, 0.5, side).numpy(), theirs.pad_sequence(others, batch_first, 0.5, side).numpy()
    )
    ours, other = pack_sequence(parts, in_order), theirs.pack_sequence(others, in_order)
    for a, b in zip(ours, other, strict=True):
        assert (a is None) == (b is None)
        if a is not None and a is not ours.sorted_indices and a is not ours.unsorted_indices:
            assert a.dtype == getattr(tg, str(b.dtype).split(".")[-1])
    np.testing.assert_array_equal(ours.batch_sizes.numpy(), other.batch_sizes.numpy())
    total = max(sizes) + 1
    a, n = pad_packed_sequence(ours, batch_first, 0.5, total)
    b, m = theirs.pad_packed_sequence(other, batch_first, 0.5, total)
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert n.tolist() == m.tolist()


def test_gradients_reach_exactly_what_was_packed():
    x = tg.randn(3, 2, 2, dtype=tg.float64, requires_grad=True)

    def through(x):
        return pad_packed_sequence(pack_padded_sequence(x, [1, 3], enforce_sorted=False))[0]

    tg.testing.check_gradients(through, x)
    through(x).sum().backward()
    assert x.grad[:, 1].tolist() == [[1.0, 1.0]] * 3 and x.grad[:, 0].tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_a_packed_sequence_is_a_tuple_with_conversions():
    packed = pack_sequence(sequences([1, 2]), enforce_sorted=False)
    data, sizes, order, places = packed
    assert sizes.tolist() == [2, 1] and order.tolist() == [1, 0] and places.tolist() == [1, 0]
    assert packed.float().data.dtype is tg.float32 and packed.to(tg.float32).batch_sizes is sizes
    assert packed.to(data.device) is packed and packed.is_cuda == data.is_cuda
    assert invert_permutation(None) is None
    assert isinstance(packed.half(), PackedSequence) and data.dtype is tg.float64


BAD = {
    "unsorted": (lambda: pack_padded_sequence(tg.zeros(3, 2, 1), [1, 3]), ValueError, "longest first"),
    "beyond": (lambda: pack_padded_sequence(tg.zeros(3, 1, 1), [4]), ValueError, "goes beyond the 3 steps"),
    "empty": (lambda: pack_padded_sequence(tg.zeros(3, 2, 1), [3, 0]), ValueError, "at least one step"),
    "count": (lambda: pack_padded_sequence(tg.zeros(3, 2, 1), [3]), ValueError, "each of the 2 sequences"),
    "fraction": (lambda: pack_padded_sequence(tg.zeros(3, 1, 1), [2.5]), TypeError, "integers"),
    "matrix": (lambda: pack_padded_sequence(tg.zeros(3, 1, 1), tg.tensor([[2]])), TypeError, "integers, got"),
    "text": (lambda: pack_padded_sequence(tg.zeros(3, 1, 1), ["2"]), TypeError, "integers, got"),
    "no lengths": (lambda: pack_padded_sequence(tg.zeros(3, 1, 1), None), TypeError, "a list or a tensor"),
    "no sequences": (lambda: pack_padded_sequence(tg.zeros(3, 0, 1), []), ValueError, "no sequences"),
    "unpad": (lambda: unpad_sequence(tg.zeros(3, 1, 1), [4]), ValueError, "goes beyond the 3 steps"),
    "pack": (lambda: pack_sequence([tg.zeros(1), tg.zeros(2)]), ValueError, "longest first"),
    "an empty one": (lambda: pack_sequence([tg.zeros(1), tg.zeros(0)]), ValueError, "at least one step"),
    "type": (lambda: nn.LSTM(2, 3)(pack_sequence([tg.zeros(2, 2, dtype=tg.float64)])), TypeError, "float64"),
    "state without a batch": (
        lambda: nn.GRU(2, 4)(pack_sequence([tg.zeros(2, 2)]), tg.zeros(1, 4)),
        ValueError,
        r"\(1, 1, 4\), got \(1, 4\)",
    ),
    "nothing": (lambda: pad_sequence([]), ValueError, "no sequences"),
    "numbers": (lambda: pack_sequence([1, 2]), TypeError, "pack_sequence"),
    "trailing": (lambda: pad_sequence([tg.zeros(1, 2), tg.zeros(1, 3)]), ValueError, "trailing"),
    "total": (lambda: pad_packed_sequence(pack_sequence([tg.zeros(3)]), total_length=2), ValueError, "total_length"),
    "no pack": (lambda: pad_packed_sequence(tg.zeros(3)), TypeError, "PackedSequence"),
    "growing": (lambda: PackedSequence(tg.zeros(3, 1), tg.tensor([1, 2], device="cpu")), ValueError, "must fall"),
    "rows": (
        lambda: PackedSequence(tg.zeros(4, 1), tg.tensor([2, 1], device="cpu")),
        ValueError,
        "add up to the 4 rows",
    ),
    "size": (lambda: nn.LSTM(3, 4)(pack_sequence([tg.zeros(2, 2)])), ValueError, "input_size = 3"),
    "state": (lambda: nn.GRU(2, 4)(pack_sequence([tg.zeros(2, 2)]), tg.zeros(1, 2, 4)), ValueError, "initial state"),
    "projection": (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "proj_size"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
