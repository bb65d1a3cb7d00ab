"""The same call made here and in PyTorch: results, types, shapes, errors and gradients must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg

torch = pytest.importorskip("torch")

EXPECTED = (ValueError, TypeError, IndexError, RuntimeError)


def several(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def host(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


def _called(f: Callable[..., Any], args: Sequence[Any]) -> tuple[list[Any], Exception | None]:
    try:
        return several(f(*args)), None
    except EXPECTED as error:
        return [], error


def _not_offered(error: Exception) -> bool:
    """Whether PyTorch merely lacks the operation for this type or layout, where it could mean something."""
    return any(
        text in str(error) for text in ("not implemented for", "not supported for", "view size is not compatible")
    )


def compare(
    call: Callable[..., Any], *arrays: np.ndarray, seed: int = 0, rtol: float | None = None, gradients: bool = True
) -> None:
    """Check that ``call(library, *tensors)`` does the same for both libraries.

    Gradients are compared for float64, with a random signed cotangent for each result.
    """
    device = tg.get_default_device()
    if not all(hasattr(device.backend, a.dtype.name) for a in arrays):
        return  # the library behind this device has no such type
    differentiate = gradients and any(a.dtype == np.float64 for a in arrays)
    ours = [tg.from_numpy(a.copy(order="K")).to(device) for a in arrays]
    theirs = [torch.from_numpy(a.copy(order="K")) for a in arrays]
    if differentiate:
        for x in (*ours, *theirs):
            if x.is_floating_point():
                x.requires_grad_()
    expected, refusal = _called(lambda *xs: call(torch, *xs), theirs)
    if refusal is not None and _not_offered(refusal):
        return
    with np.errstate(all="ignore"):
        found, error = _called(lambda *xs: call(tg, *xs), ours)
    if refusal is not None:
        assert error is not None, f"PyTorch refuses ({refusal}), here the result is {found}"
        return
    assert error is None, f"{type(error).__name__}: {error}; PyTorch gives {expected}"
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        _same(host(f), host(e), rtol)
    if differentiate:
        _same_gradients(ours, theirs, found, expected, seed, rtol)


def _same(found: np.ndarray, expected: np.ndarray, rtol: float | None) -> None:
    assert found.dtype == expected.dtype, f"{found.dtype}, in PyTorch {expected.dtype}"
    assert found.shape == expected.shape, f"{found.shape}, in PyTorch {expected.shape}"
    slack = rtol or {"float16": 4e-3, "float32": 1e-5, "float64": 1e-10}.get(str(expected.dtype), 0)
    np.testing.assert_allclose(found, expected, rtol=slack, atol=slack)


def _same_gradients(ours: Any, theirs: Any, found: Any, expected: Any, seed: int, rtol: float | None) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(f, e) for f, e in zip(found, expected, strict=True) if hasattr(e, "requires_grad") and e.requires_grad]
    cotangents = [np.asarray(rng.choice([-1.0, 1.0], e.shape) * rng.uniform(0.5, 2.0, e.shape)) for _, e in pairs]
    if not pairs:
        return
    torch.autograd.backward([e for _, e in pairs], [torch.from_numpy(c) for c in cotangents])
    with np.errstate(all="ignore"):
        tg.autograd.backward(
            [f for f, _ in pairs], [tg.from_numpy(c).to(f.device) for (f, _), c in zip(pairs, cotangents, strict=True)]
        )
    for x, y in zip(ours, theirs, strict=True):
        if y.requires_grad and y.grad is not None:
            assert x.grad is not None, "PyTorch has a gradient, here there is none"
            np.testing.assert_allclose(host(x.grad), host(y.grad), rtol=rtol or 1e-9, atol=rtol or 1e-9)
