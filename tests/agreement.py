"""Run the same call here and in PyTorch, and compare everything that can be seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from hypothesis import currently_in_test_context
from hypothesis import event as record
from hypothesis import note as write
from hypothesis import strategies as st

import tinygrad_edu as tg

REFUSALS = (ValueError, TypeError, IndexError, RuntimeError)
LAYOUTS = ["plain", "plain", "transposed", "strided", "expanded"]


def event(text: str) -> None:
    if currently_in_test_context():
        record(text)


def note(text: str) -> None:
    if currently_in_test_context():
        write(text)


def shapes(min_dims: int = 0, max_dims: int = 4, min_size: int = 0, max_size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(st.integers(min_size, max_size), min_size=min_dims, max_size=max_dims).map(tuple)


def laid_out(lib: Any, values: np.ndarray, layout: str) -> Any:
    """A tensor of the library with these values (one row of them, if expanded) in another order of memory."""
    x = lib.tensor(np.ascontiguousarray(values))
    if layout == "transposed" and values.ndim > 1:
        return lib.tensor(np.ascontiguousarray(values.swapaxes(0, -1))).transpose(0, -1)
    if layout == "strided" and values.ndim:
        wide = np.repeat(values, 2, axis=-1)
        return lib.tensor(np.ascontiguousarray(wide))[..., ::2]
    if layout == "expanded" and values.ndim and values.shape[0]:
        return x[:1].expand(*values.shape)
    return x


def name_of(x: Any) -> str:
    return str(x.dtype).split(".")[-1]


def results(out: Any) -> list[Any]:
    return list(out) if isinstance(out, (tuple, list)) else [out]


def refusal(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:150]}"


def agree(
    call: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    layouts: Sequence[str] | None = None,
    seed: int = 0,
    exact: bool = True,
    share: bool = True,
    strict: bool = True,
) -> bool:
    """Compare ``call(lib, *tensors)``: values, shapes, types, gradients, shared memory, and whether it is refused.

    Returns whether the call was accepted. ``strict=False`` lets us accept what PyTorch refuses.
    """
    layouts = layouts or ["plain"] * len(arrays)
    made = {}
    for lib in (torch, tg):
        tensors = [laid_out(lib, a, how) for a, how in zip(arrays, layouts, strict=True)]
        made[lib] = [x.detach().requires_grad_() if x.is_floating_point() else x for x in tensors]
    try:
        theirs = call(torch, *made[torch])
    except REFUSALS as error:
        try:
            call(tg, *made[tg])
        except REFUSALS as mine:
            note(f"both refuse: {refusal(error)} | {refusal(mine)}")
            event("both refuse")
            return False
        fault = "undefined Tensor" in str(error) or "INTERNAL ASSERT" in str(error)
        if strict and not fault:
            raise AssertionError(f"accepted, but torch refuses it: {refusal(error)}") from error
        return False
    try:
        ours = call(tg, *made[tg])
    except IndexError:
        if all(a.size for a in arrays) and any(b.numel() for b in results(theirs)):
            raise
        event("PyTorch does not look at indices into nothing")
        return False
    assert isinstance(ours, tuple) == isinstance(theirs, (tuple, list)), (type(ours), type(theirs))
    ours, theirs = results(ours), results(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, exact)
    if share:
        for i, (x, y) in enumerate(zip(made[tg], made[torch], strict=True)):
            for a, b in zip(ours, theirs, strict=True):
                if b.numel() and a.device == "cpu":  # elsewhere NumPy gets copies
                    mine = np.shares_memory(a.detach().numpy(), x.detach().numpy())
                    his = b.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
                    assert mine == his, f"memory shared with argument {i}: here {mine}, torch {his}"
    rng = np.random.default_rng(seed)
    loss = {tg: 0.0, torch: 0.0}
    for a, b in zip(ours, theirs, strict=True):
        if b.is_floating_point():
            weight = np.asarray(rng.normal(size=tuple(b.shape)) + 3).astype(name_of(b))
            loss[tg] = loss[tg] + (a * tg.tensor(weight)).sum()
            loss[torch] = loss[torch] + (b * torch.tensor(weight)).sum()
    if isinstance(loss[torch], torch.Tensor) and loss[torch].requires_grad:
        assert loss[tg].requires_grad, "torch has a gradient here, we have none"
        loss[tg].backward()
        try:
            loss[torch].backward()
        except RuntimeError as error:
            note(f"torch refuses the backward pass: {refusal(error)}")
            event("torch refuses the backward pass")
            return True
        for i, (x, y) in enumerate(zip(made[tg], made[torch], strict=True)):
            if y.is_floating_point():
                want = np.zeros(tuple(y.shape)) if y.grad is None else y.grad.numpy()
                got = np.zeros(tuple(x.shape)) if x.grad is None else x.grad.numpy()
                assert got.shape == want.shape
                tolerance = 1e-9 if name_of(y) == "float64" else 1e-4
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=f"gradient {i}")
    event("agree")
    return True


def same(a: Any, b: Any, exact: bool = True) -> None:
    """Equal in shape, type and values."""
    assert tuple(a.shape) == tuple(b.shape), f"shape {tuple(a.shape)}, torch {tuple(b.shape)}"
    assert name_of(a) == name_of(b), f"{a.dtype}, torch {b.dtype}"
    if exact:
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    else:
        tolerance = 1e-9 if name_of(b) == "float64" else 1e-5
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def filled(shape: Sequence[int], dtype: str, seed: int) -> np.ndarray:
    """Distinct numbers of a type (booleans excepted)."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    if dtype == "bool":
        return rng.integers(0, 2, size=tuple(shape)).astype(bool)
    values = rng.permutation(n).reshape(tuple(shape)) - n // 2
    return np.asarray(values + (0.0 if "int" in dtype else 0.25)).astype(dtype)
