"""Attention over several blocks of rows, masks that hide everything, dropout, memory, and PyTorch beside it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import backends
from tinygrad_edu.backends import _attention
from tinygrad_edu.nn import functional as F
from tinygrad_edu.ops.attention import Attention


def drawn(rng, *shape, dtype=np.float64):
    return rng.normal(size=shape).astype(dtype)


MASKS = ["none", "causal", "keys", "rows", "boolean", "additive", "additive by head", "blind"]


def mask_of(kind, rng, batch, heads, rows, keys):
    if kind in ("none", "causal"):
        return None
    if kind == "keys":
        return np.arange(keys) < rng.integers(1, keys + 1, (batch, 1, 1, 1))
    if kind == "rows":
        return drawn(rng, rows, 1)
    if kind == "boolean":
        return rng.random((batch, heads, rows, keys)) < 0.5
    if kind == "blind":
        mask = rng.random((batch, 1, rows, keys)) < 0.5
        mask[:, :, :: max(1, rows // 3)] = False
        return mask
    return drawn(rng, *((heads, rows, keys) if kind == "additive by head" else (rows, keys)))


@st.composite
def problems(draw):
    """Sizes around the blocks' borders, a mask, and a seed for the numbers."""
    batch, groups, shared = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rows, keys = draw(st.sampled_from([1, 5, 64, 65, 130, 300])), draw(st.sampled_from([1, 7, 64, 100, 129, 320]))
    wide, out = draw(st.sampled_from([1, 4, 16])), draw(st.sampled_from([1, 4, 9]))
    p = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
    return (
        (batch, shared * groups, shared, rows, keys, wide, out),
        draw(st.sampled_from(MASKS)),
        p,
        draw(st.integers(0, 99)),
    )


def arguments(sizes, kind, p, seed):
    batch, heads, shared, rows, keys, wide, out = sizes
    rng = np.random.default_rng(seed)
    shapes = [(batch, heads, rows, wide), (batch, shared, keys, wide), (batch, shared, keys, out)]
    arrays = [drawn(rng, *s) for s in shapes]
    # Heads that were taken out of a wider row, as layers do, lie apart in memory.
    tensors = [tg.tensor(np.ascontiguousarray(a.swapaxes(1, 2))).transpose(1, 2) for a in arrays]
    mask = mask_of(kind, rng, batch, heads, rows, keys)
    if mask is not None:
        tensors.append(tg.tensor(mask.reshape((1,) * (4 - mask.ndim) + mask.shape)))
    leaves = [t.detach().requires_grad_() if t.is_floating_point() else t for t in tensors]
    return leaves, (kind == "causal", 0.4, (p, 17) if p else None), drawn(rng, batch, heads, rows, out)


def gradients(out, leaves, g):
    wanted = [x for x in leaves if x.requires_grad]
    return [out, *tg.autograd.grad(out, wanted, tg.tensor(g))]


@settings(deadline=None)
@given(problems())
def test_blocks_and_the_plain_formula_agree(problem):
    leaves, settings_, g = arguments(*problem)
    args = leaves if len(leaves) == 4 else [*leaves, None]
    found = gradients(Attention.apply(*args, *settings_), leaves, g)
    plain = gradients(Attention.reference(*args, *settings_), leaves, g)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(problems())
def test_the_portable_blocks_give_the_same(problem):
    leaves, (causal, scale, dropout), g = arguments(*problem)
    args = leaves if len(leaves) == 4 else [*leaves, None]
    ns = backends.get("cpu")
    raws = (*(None if a is None else a.detach().numpy() for a in args), causal, scale, dropout)
    needed = [a is not None and a.requires_grad for a in args]
    out, sums = _attention.attention(ns, *raws)
    found = [out, *_attention.attention_backward(ns, g, raws, out, sums, needed)]
    expected = gradients(Attention.apply(*args, causal, scale, dropout), leaves, g)
    for a, b in zip([f for f in found if f is not None], expected, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_long_sequences_agree_with_pytorch(dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [drawn(rng, 2, 3, n, 8, dtype=dtype) for n in (200, 200, 200)]
    g = drawn(rng, 2, 3, 200, 8, dtype=dtype)
    found = [tg.tensor(a, requires_grad=True) for a in arrays]
    want = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = F.scaled_dot_product_attention(*found, is_causal=True)
    expected = torch.nn.functional.scaled_dot_product_attention(*want, is_causal=True)
    out.backward(tg.tensor(g))
    expected.backward(torch.tensor(g))
    slack = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=slack, atol=slack)
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=slack, atol=slack)


@pytest.mark.parametrize("size", [3, 100])
def test_a_row_that_sees_nothing_gives_zeros_and_no_nan(size):
    q, k, v = (tg.randn(1, 2, size, 4, requires_grad=True) for _ in range(3))
    mask = tg.ones(size, size, dtype=tg.bool)
    mask[1] = False
    for hidden in (mask, tg.where(mask, 0.0, -float("inf"))):
        out = F.scaled_dot_product_attention(q, k, v, hidden)
        assert (out[:, :, 1] == 0).all() and out.isfinite().all() and (out[:, :, 0] != 0).all()
        for x in tg.autograd.grad(out.sum(), [q, k, v]):
            assert x.isfinite().all()


def test_numbers_that_a_plain_exponential_cannot_stand():
    q, k = tg.full((1, 1, 2, 1), 60.0), tg.tensor([[[[60.0], [59.0], [-60.0]]]])
    v = tg.tensor([[[[1.0], [2.0], [3.0]]]])
    assert F.scaled_dot_product_attention(q, k, v, scale=1.0).flatten().tolist() == [1.0, 1.0]
    low = tg.full((3,), -1e9)  # hides nothing where it is everywhere
    assert F.scaled_dot_product_attention(q * 0, k, v, low, scale=1.0).flatten().tolist() == [2.0, 2.0]


def test_half_precision_is_computed_in_single_precision():
    rng = np.random.default_rng(0)
    arrays = [drawn(rng, 1, 2, 70, 8, dtype=np.float16) for _ in range(3)]
    halves = [tg.tensor(a, requires_grad=True) for a in arrays]
    wide = [tg.tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
    out, expected = (F.scaled_dot_product_attention(*x) for x in (halves, wide))
    assert out.dtype is tg.float16
    np.testing.assert_array_equal(out.detach().numpy(), expected.detach().numpy().astype(np.float16))
    out.sum().backward()
    assert all(x.grad.dtype is tg.float16 for x in halves)


def test_dropout_repeats_by_the_seed_and_keeps_the_expected_value():
    q, k = tg.zeros(2, 4, 130, 2), tg.zeros(2, 4, 100, 2)
    v = tg.ones(2, 4, 100, 1)

    def call(seed):
        tg.manual_seed(seed)
        return F.scaled_dot_product_attention(q, k, v, dropout_p=0.25)

    assert call(1).equal(call(1)) and not call(1).equal(call(2))
    out = call(3)
    assert abs(out.mean().item() - 1) < 4 * np.sqrt(0.25 / 0.75 / (100 * out.numel()))
    assert abs(out.std().item() - np.sqrt(0.25 / 0.75 / 100)) < 0.01
    heads = out.flatten(0, 1).flatten(1)  # no two heads share their noise
    assert len({tuple(row) for row in heads.tolist()}) == len(heads)


def test_second_derivatives_go_through_the_plain_formula():
    from tinygrad_edu.testing import check_gradients

    rng = np.random.default_rng(1)
    q, k, v = (tg.tensor(drawn(rng, 1, 2, 3, 2), requires_grad=True) for _ in range(3))
    mask = tg.tensor(drawn(rng, 2, 1, 3), requires_grad=True)
    check_gradients(lambda *x: F.scaled_dot_product_attention(*x), q, k, v, mask, order=2)


MEASURE = """
import sys
library, lengths = sys.argv[1], [int(n) for n in sys.argv[2:]]
import numpy as np
lib = __import__(library)
F = __import__(library + ".nn.functional", fromlist=["functional"])
lib.set_num_threads(2)

def peak(length):
    rng = np.random.default_rng(0)
    q, k, v = (lib.tensor(rng.normal(size=(1, 2, length, 32)).astype("float32"), requires_grad=True) for _ in range(3))
    F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

print(*[peak(n) for n in lengths])
"""


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the resident set as Linux counts it")


def peaks(library, *lengths):
    """The largest resident set of a process, in MB, after forward and backward at growing lengths."""
    command = [sys.executable, "-c", MEASURE, library, *map(str, lengths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return [float(x) for x in done.stdout.split()]


@on_linux
def test_memory_grows_with_the_length_and_not_with_its_square():
    small, middle, large = peaks("tinygrad_edu", 256, 2048, 4096)
    assert large - middle < 0.25 * 2 * 4096**2 * 4 / 2**20, "a quarter of one table of weights"
    assert large - small < 48


@pytest.mark.slow
@on_linux
def test_memory_is_never_above_that_of_pytorch():
    pytest.importorskip("torch")
    lengths = 256, 1024, 4096, 8192
    ours, theirs = peaks("tinygrad_edu", *lengths), peaks("torch", *lengths)
    assert all(a < b for a, b in zip(ours, theirs, strict=True)), (ours, theirs)
    growth = ours[-1] - ours[0], theirs[-1] - theirs[0]
    assert growth[0] <= growth[1] + 8, growth
