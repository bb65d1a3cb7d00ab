"""Limiting gradients before an optimizer uses them.

A gradient of an embedding stays sparse here: its norm is that of the rows that were looked up, and these alone are scaled.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.creation import zeros
from tinygrad_edu.errors import refuse_mixed
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.ops.norms import norm
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their joint norm is at most `max_norm`.

    With v the vector of all gradients of all parameters, v ← v · min(1, max_norm / (‖v‖ + 10⁻⁶)).
    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float, default 2.0
        The exponent of the norm, which may be infinite.
    error_if_nonfinite : bool, default False
        Whether to raise when the norm is infinite or NaN, instead of scaling by it.
    foreach : bool, optional
        How to compute it in PyTorch; accepted and without effect.

    Returns
    -------
    Tensor, ()
        The norm before scaling; of half-precision gradients in single precision, where it does not overflow.

    Raises
    ------
    RuntimeError
        When `error_if_nonfinite` and the norm is not finite; the gradients are as before.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> w = nn.Parameter(tg.zeros(2))
    >>> w.grad = tg.tensor([3.0, 4.0])
    >>> nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    held = _holders(parameters)
    # Rows that were not looked up are zero: nothing in a sum of squares, but not so in every norm.
    arrays = [_compact(p) if norm_type == 2 else p.grad._data for p in held]  # type: ignore[union-attr]
    total = _total_norm(arrays, norm_type, error_if_nonfinite)
    _scale(held, max_norm, total)
    return total


def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all `tensors` as one vector; see :func:`clip_grad_norm_`."""
    parts = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    return _total_norm([t._data for t in parts], norm_type, error_if_nonfinite)


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients, in place, by min(1, max_norm / (total_norm + 10⁻⁶)): the second half of :func:`clip_grad_norm_`."""
    _scale(_holders(parameters), max_norm, total_norm)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit each element of each gradient, in place, to [-clip_value, clip_value].

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> w = nn.Parameter(tg.zeros(2))
    >>> w.grad = tg.tensor([-3.0, 0.5])
    >>> nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([-1.0000,  0.5000])
    """
    limit = float(clip_value)
    for p in _holders(parameters):
        raw = _compact(p)
        xp = backends.of(raw)
        _replace(p, xp.write(raw, xp.clip(raw, -limit, limit)))


def _holders(parameters: Tensors) -> list[Tensor]:
    """The parameters that have a gradient."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    elif isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn("the generator of parameters is empty, so nothing is clipped", stacklevel=3)
    return [p for p in parameters if p._grad is not None]


def _compact(p: Tensor) -> Any:
    """The array with all that is not zero in a gradient: the gradient itself, or the rows of a sparse one."""
    if type(p._grad) is SparseGrad:
        found = p._grad.rows()
        if found is not None:
            return found[1]
    grad = p.grad
    assert grad is not None
    return grad._data


def _replace(p: Tensor, raw: Any) -> None:
    """Take `raw`, the new values of what :func:`_compact` gave."""
    if type(p._grad) is SparseGrad:
        p._grad.parts = [(p._grad.parts[0][0], raw)]
    else:
        p._grad._data = raw
        writes.record(raw)


def _total_norm(arrays: list[Any], norm_type: float, error_if_nonfinite: bool) -> Tensor:
    order = float(norm_type)
    if not arrays:
        return zeros(())
    if order == 2:
        xp = backends.of(arrays[0])
        refuse_mixed("clip_grad_norm_", arrays)
        out = Tensor._wrap(xp.sqrt(xp.total_squares(arrays)))
    else:
        with no_grad():
            parts = [Tensor._wrap(a) for a in arrays]
            norms = [norm(t if t.dtype.bits >= 32 else t.float(), order) for t in parts]
            out = norm(stack(norms), order)
    if error_if_nonfinite and not math.isfinite(out.item()):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of order {order} of the gradients is {out.item()}, so they cannot be scaled by it; "
            "pass error_if_nonfinite=False to scale them all the same"
        )
    return out


def _scale(held: list[Tensor], max_norm: float, total: Tensor) -> None:
    if not held:
        return
    raw = total._data
    xp = backends.of(raw)
    factor = xp.minimum(float(max_norm) / (raw + 1e-6), 1.0)
    arrays = [_compact(p) for p in held]
    for p, array, scaled in zip(held, arrays, xp.scale_all_into(arrays, factor), strict=True):
        if scaled is not array or type(p._grad) is not SparseGrad:
            _replace(p, scaled)


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """:func:`clip_grad_norm_` under its old name."""
    warnings.warn("clip_grad_norm: an old name of clip_grad_norm_", stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
