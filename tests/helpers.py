"""What several test files use: leaves of double precision, comparison, and two user functions with two results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import backends


def on_the_cpu_only(reason: str) -> Any:
    """A mark for a test of what NumPy alone has, left out where ``--backend`` makes another device the default one."""
    return pytest.mark.skipif(tg.get_default_device() != "cpu", reason=reason)


on_memory_that_is_written = pytest.mark.skipif(
    not tg.get_default_device().backend.mutable,
    reason="arrays here are immutable: a write makes a new one, so that others keep the old values",
)
views_share = tg.zeros(2).reshape(1, 2)._view is not None
on_memory_that_views_share = pytest.mark.skipif(
    not views_share, reason="views are copies here: a write on one does not reach the tensor that it is of"
)
on_memory_that_numpy_shares = on_the_cpu_only("writes through the NumPy array of a tensor, which is a copy elsewhere")
on_memory_that_can_be_locked = on_the_cpu_only("arrays elsewhere cannot be write-protected")


def converted(x: Any, dtype: str) -> Any:
    """A raw array of the default device in another type."""
    ns = backends.of(x)
    return ns.astype(x, ns.dtype(dtype))


def leaf(*values: Any) -> tg.Tensor:
    """A float64 leaf that requires a gradient: of no dimension from one number, else of the values given."""
    data = values[0] if len(values) == 1 else list(values)
    return tg.tensor(data, dtype=tg.float64, requires_grad=True)


def same(found: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-12) -> None:
    """Assert that a tensor (or array) has the shape and the values of another."""
    assert found is not None, "there is no gradient"
    a, b = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v) for v in (found, expected))
    assert a.shape == b.shape, f"shape {a.shape}, expected {b.shape}"
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


class TwoResults(tg.Function):
    """x² and x³, in the form of an instance with raw arrays."""

    def forward(self, x: Any) -> Any:
        self.save_for_backward(x)
        return x * x, x * x * x

    def backward(self, g2: Any, g3: Any) -> Any:
        (x,) = self.saved_tensors
        return 2 * x * g2 + 3 * x * x * g3


class TwoResultsStatic(tg.Function):
    """x² and x³, in PyTorch's form with static methods and tensors."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x, x * x * x

    @staticmethod
    def backward(ctx: Any, g2: Any, g3: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g2 + 3 * x * x * g3
