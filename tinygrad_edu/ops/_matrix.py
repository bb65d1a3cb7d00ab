"""What operations on matrices share: checking arguments, and saying why there is no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import kind_of, xp


class LinAlgError(RuntimeError):
    """A matrix that an operation cannot work on: singular, not positive definite, without a unique decomposition."""


def check_matrix(name: str, x: Any, square: bool = False) -> None:
    """Refuse what is no (square) matrix of float32 or float64, or a batch of them."""
    if not isinstance(x, function.Tensor):
        if not hasattr(x, "dtype"):
            raise TypeError(f"{name}: expected a Tensor, got {describe(x)}")
        return
    if len(x.shape) < 2:
        raise ValueError(f"{name}: expected a matrix or a batch of matrices, got shape {tuple(x.shape)}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: expected square matrices, got shape {tuple(x.shape)}")
    kind = kind_of(x)
    if kind.category < 2 or kind.bits < 32:
        raise TypeError(f"{name}: expected float32 or float64, got {kind}; convert first, as in x.float()")


def attempt(name: str, reason: str, method: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a backend's method, and say which operation failed and why when it finds no result."""
    try:
        return method(x, *args, **kwargs)
    except xp(x).linalg_errors:
        batch = f", one of a batch of shape {tuple(x.shape[:-2])}" if len(x.shape) > 2 else ""
        raise LinAlgError(f"{name}: {reason} ({x.shape[-2]} by {x.shape[-1]}{batch})") from None
