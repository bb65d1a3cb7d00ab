"""PyTorch's names for `tinygrad_edu.testing.check_gradients`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["gradcheck", "gradgradcheck"]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float = 1e-7,
    *,
    raise_exception: bool = True,
) -> bool:
    """Whether the first derivatives of ``func`` are right; :func:`tinygrad_edu.testing.check_gradients` finds out.

    Parameters
    ----------
    func : callable
        Takes the inputs and returns a Tensor, or a tuple of them.
    inputs : Tensor or sequence
    eps, atol : float, optional
        Accepted and without effect: the check chooses its steps, and knows the error that it makes.
    rtol : float
        By how much a derivative may differ from the numerical one.
    raise_exception : bool
        Raise the error that describes what differs, rather than to return False.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([0.5, 2.0], dtype=tg.float64, requires_grad=True)
    >>> tg.autograd.gradcheck(tg.log, (x,))
    True
    """
    return _check(func, inputs, 1, rtol, raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float = 1e-7,
    *,
    raise_exception: bool = True,
) -> bool:
    """Whether first and second derivatives of ``func`` are right; see :func:`gradcheck`. Cotangents are drawn."""
    return _check(func, inputs, 2, rtol, raise_exception)


def _check(func: Callable[..., Any], inputs: Any, order: int, rtol: float, raise_exception: bool) -> bool:
    from tinygrad_edu.testing import GradientError, check_gradients

    try:
        check_gradients(func, *(inputs if isinstance(inputs, Sequence) else [inputs]), order=order, rtol=rtol)
    except GradientError:
        if raise_exception:
            raise
        return False
    return True
