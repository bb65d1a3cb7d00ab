"""Softmax and its logarithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state
from tinygrad_edu.function import RESULT, Op, run1
from tinygrad_edu.ops import elementwise as ew
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops._types import axis_of, shape_of, to_float, xp
from tinygrad_edu.ops.elementwise._base import own_kernel
from tinygrad_edu.ops.reduce import sum as sum_

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Softmax(Op):
    __slots__ = ("axis",)
    keeps = (RESULT,)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        if not x.shape:
            out = ns.ones_like(x)
        else:
            out = ns.softmax(x, axis) if x.shape[axis] else ns.copy(x)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        if not out.shape:
            return g * 0
        kernel = own_kernel("softmax_backward", g, out)
        if kernel is not None:
            return kernel(g, out, self.axis)
        return out * (g - sum_(g * out, self.axis, True))


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """eˣⁱ / Σⱼ eˣʲ along ``dim``: positive numbers that add up to 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.softmax(tg.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    if _state.casting_threads:
        (input,) = single(input)
    x = to_float(input if dtype is None else input.to(dtype))
    return run1(Softmax, x, axis_of(dim, len(shape_of(x))))


class LogSoftmax(Op):
    __slots__ = ("axis",)
    keeps = (RESULT,)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        if not x.shape:
            out = x * 0
        elif not x.shape[axis]:
            out = ns.copy(x)
        else:
            out = ns.log_softmax(x, axis)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        if not out.shape:
            return g * 0
        kernel = own_kernel("log_softmax_backward", g, out)
        if kernel is not None:
            return kernel(g, out, self.axis)
        return g - ew.exp(out) * sum_(g, self.axis, True)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """ln softmax(x) along ``dim``, computed without overflow: x - logsumexp(x)."""
    if _state.casting_threads:
        (input,) = single(input)
    x = to_float(input if dtype is None else input.to(dtype))
    return run1(LogSoftmax, x, axis_of(dim, len(shape_of(x))))
