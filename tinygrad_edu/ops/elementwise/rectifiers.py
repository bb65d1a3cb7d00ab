"""Activations made of straight lines, and two that join a line and a parabola."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.dtypes import bool_
from tinygrad_edu.function import RESULT, Op, run1, run2
from tinygrad_edu.ops._casting import lowers
from tinygrad_edu.ops._types import kind_of, same_type, xp
from tinygrad_edu.ops.elementwise._base import (
    Binary,
    as_type_of,
    fill_in,
    floating,
    in_blocks,
    own_kernel,
    refuse_numbers,
)
from tinygrad_edu.ops.elementwise.extremes import clamp, maximum
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.elementwise.signs import abs

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Relu(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).relu(x)
        if out.dtype != x.dtype:
            raise TypeError("booleans have no sign; convert them first")
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        kernel = own_kernel("relu_backward", g, out)
        return g * as_type_of(out > 0, g) if kernel is None else kernel(g, out)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x); the derivative at 0 is taken as 0."""
    return run1(Relu, input) if not inplace else fill_in(input, run1(Relu, input), inplace)


class HardTanh(Op):
    __slots__ = ("bounds",)
    keeps = (0,)

    def forward(self, x: Any, low: float, high: float) -> Any:
        self.saved = (x,)
        self.bounds = low, high
        return xp(x).clip(x, low, high)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        low, high = self.bounds
        return in_blocks(lambda g, x: g * as_type_of((x > low) & (x < high), g), g, x)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x limited to [min_val, max_val]; the derivative at the limits is taken as 0, unlike that of :func:`clamp`.

    Raises
    ------
    ValueError
        When min_val is larger than max_val.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val ({min_val}) must not be larger than max_val ({max_val})")
    refuse_numbers("hardtanh", input)
    if kind_of(input) is bool_:
        raise TypeError("hardtanh: booleans have no size; convert them first")
    if not input.is_floating_point():
        min_val, max_val = int(min_val), int(max_val)
    return fill_in(input, run1(HardTanh, input, min_val, max_val), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6); the derivative at 0 and 6 is taken as 0.

    Source: Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010).
    """
    return hardtanh(input, 0, 6, inplace)


class LeakyRelu(Op):
    __slots__ = ("slope",)
    keeps = (0,)

    def forward(self, x: Any, slope: float) -> Any:
        self.saved = (x,)
        self.slope = slope
        ns = xp(x)
        # Where a branch is taken at random, a choice costs several times as much as a maximum.
        if 0 < slope <= 1:
            return ns.in_blocks(lambda x: ns.maximum(x, x * slope), x)
        return ns.where(x > 0, x, x * slope)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        slope = self.slope
        if 0 < slope <= 1:
            return in_blocks(lambda g, x: g * maximum(as_type_of(x > 0, g), slope), g, x)
        return where(x > 0, g, g * slope)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, negative_slope · x elsewhere; the derivative at 0 is negative_slope."""
    return fill_in(input, run1(LeakyRelu, floating("leaky_relu", input), negative_slope), inplace)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """A leaky ReLU whose slope is drawn anew for each element from [lower, upper], or is their mean when not training.

    Source: Xu et al., Empirical evaluation of rectified activations (2015).
    """
    if lower > upper:
        raise ValueError(f"rrelu: lower ({lower}) must not be larger than upper ({upper})")
    x = floating("rrelu", input)
    if not training:
        return leaky_relu(x, (lower + upper) / 2, inplace)
    slopes = x.new_empty(x.shape).uniform_(lower, upper)
    return fill_in(input, where(x > 0, x, x * slopes), inplace)


class PRelu(Binary):
    __slots__ = ()

    def forward(self, x: Any, w: Any) -> Any:
        self.note_shapes(x, w)
        self.saved = x, w
        return xp(x).where(x > 0, x, x * w)

    def backward(self, g: Any) -> Any:
        x, w = self.saved
        return self.fit(where(x > 0, g, g * w), g * where(x > 0, 0.0, x))


@lowers
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, weight · x elsewhere, with one weight, or one for each channel (dimension 1).

    Source: He et al., Delving deep into rectifiers, ICCV (2015).

    Raises
    ------
    ValueError
        When there are several weights, and not as many as channels.
    """
    x, w = same_type(floating("prelu", input), floating("prelu", weight))
    count, shape = w.numel(), tuple(x.shape)
    if len(w.shape) > 1:
        raise ValueError(f"prelu: the weight must have at most one dimension, got shape {tuple(w.shape)}")
    if count == 1:
        return run2(PRelu, x, w.reshape(()))
    channels = shape[1] if len(shape) > 1 else 1
    if count != channels:
        raise ValueError(f"prelu: {count} weights do not fit an input of shape {shape} with {channels} channels")
    return run2(PRelu, x, w.reshape((count,) + (1,) * (len(shape) - 2)))


class Threshold(Op):
    __slots__ = ("limit",)
    keeps = (0,)

    def forward(self, x: Any, limit: float, value: float) -> Any:
        self.saved = (x,)
        self.limit = limit
        return xp(x).where(x <= limit, value, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * as_type_of(x > self.limit, g)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, value elsewhere; the derivative at the threshold is taken as 0."""
    return fill_in(input, run1(Threshold, floating("threshold", input), threshold, value), inplace)


class HardSigmoid(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        ns = xp(x)
        return ns.in_blocks(lambda x: ns.clip(x + 3, 0, 6) / 6, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return in_blocks(lambda g, x: g * (as_type_of((x > -3) & (x < 3), g) / 6), g, x)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6, a sigmoid of three lines; the derivative at -3 and 3 is taken as 0."""
    return fill_in(input, run1(HardSigmoid, floating("hardsigmoid", input)), inplace)


class HardSwish(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        ns = xp(x)
        return ns.in_blocks(lambda x: x * ns.clip(x + 3, 0, 6) / 6, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved

        def slope(g: Any, x: Any) -> Any:
            curved = as_type_of((x > -3) & (x < 3), g)
            return g * ((clamp(x, -3, 3) / 3 + 0.5) * curved + as_type_of(x >= 3, g))

        return in_blocks(slope, g, x)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · relu6(x + 3) / 6; the derivative at -3 is taken as 0 and at 3 as 1.

    Source: Howard et al., Searching for MobileNetV3, ICCV (2019).
    """
    return fill_in(input, run1(HardSwish, floating("hardswish", input)), inplace)


class HardShrink(Op):
    __slots__ = ("limit",)
    keeps = (0,)

    def forward(self, x: Any, limit: float) -> Any:
        self.saved = (x,)
        self.limit = limit
        ns = xp(x)
        # The sum turns -0 into 0.
        return ns.in_blocks(lambda x: x * as_type_of(ns.abs(x) > limit, x) + 0.0, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return in_blocks(lambda g, x: g * as_type_of(abs(x) > self.limit, g), g, x)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x outside [-lambd, lambd], 0 inside; the derivative at the limits is taken as 0."""
    return run1(HardShrink, floating("hardshrink", input), lambd)


class SoftShrink(HardShrink):
    __slots__ = ()

    def forward(self, x: Any, limit: float) -> Any:
        self.saved = (x,)
        self.limit = limit
        ns = xp(x)
        return ns.in_blocks(lambda x: x - ns.clip(x, -limit, limit), x)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 inside [-lambd, lambd]; the derivative at the limits is taken as 0.

    Raises
    ------
    ValueError
        When lambd is negative.
    """
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must not be negative, got {lambd}")
    return run1(SoftShrink, floating("softshrink", input), lambd)
