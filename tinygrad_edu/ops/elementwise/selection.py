"""Choosing between values: where, maximum, clamp and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import bool_, int64
from tinygrad_edu.errors import describe
from tinygrad_edu.function import RESULT, Op, run, run1
from tinygrad_edu.ops._types import fit, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, any_tensor, as_type_of
from tinygrad_edu.ops.elementwise.rounding import sign

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Where(Op):
    __slots__ = ("shapes",)

    def forward(self, condition: Any, x: Any, y: Any) -> Any:
        self.shapes = getattr(x, "shape", ()), getattr(y, "shape", ())
        self.saved = (condition,)
        return xp(condition).where(condition, x, y)

    def backward(self, g: Any) -> Any:
        (condition,) = self.saved
        zero = g * 0
        sx, sy = self.shapes
        return (
            None,
            fit(where(condition, g, zero), sx) if self.needs(1) else None,
            fit(where(condition, zero, g), sy) if self.needs(2) else None,
        )


def where(condition: Any, input: Operand, other: Operand) -> Tensor:
    """input where condition holds, other elsewhere; all three broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([-1.0, 2.0])
    >>> tg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    raw = getattr(condition, "_data", condition)
    if str(getattr(raw, "dtype", "")).rsplit(".", 1)[-1] != "bool":
        raise TypeError(f"where: the condition must be a boolean tensor, got {describe(condition)}")
    if isinstance(condition, function.Tensor) and not any_tensor(input, other):
        kinds = {type(input), type(other)}
        dtype = bool_ if kinds == {bool} else int64 if kinds <= {int, bool} else modes.dtype
        input = condition.new_tensor(input, dtype=dtype)
    x, y = same_type(input, other)
    return run(Where(), (condition, x, y))


class Maximum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).maximum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        # Ties share the gradient half and half.
        to_x = (x > y) + 0.5 * (x == y)
        return self.fit(g * as_type_of(to_x, g), g * as_type_of(1 - to_x, g))


class Minimum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).minimum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        to_x = (x < y) + 0.5 * (x == y)
        return self.fit(g * as_type_of(to_x, g), g * as_type_of(1 - to_x, g))


def maximum(input: Operand, other: Operand) -> Tensor:
    """The larger of two, element by element; at ties each side gets half the gradient."""
    return run(Maximum(), same_type(input, other))


def minimum(input: Operand, other: Operand) -> Tensor:
    """The smaller of two, element by element; at ties each side gets half the gradient."""
    return run(Minimum(), same_type(input, other))


class Relu(Op):
    __slots__ = ()
    keeps = (RESULT,)

    def forward(self, x: Any) -> Any:
        out = xp(x).maximum(x, 0)
        self.saved = (out,)
        return out

    def backward(self, g: Any) -> Any:
        (out,) = self.saved
        return g * as_type_of(out > 0, g)


def relu(input: Tensor) -> Tensor:
    """max(0, x); the derivative at 0 is taken as 0."""
    return run1(Relu, input)


class Abs(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return xp(x).abs(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * sign(x)


def abs(input: Tensor) -> Tensor:
    """The absolute value; the derivative at 0 is taken as 0."""
    return run1(Abs, input)


class Clamp(Op):
    __slots__ = ("bounds",)

    def forward(self, x: Any, low: float | None, high: float | None) -> Any:
        self.saved = (x,)
        self.bounds = low, high
        ns = xp(x)
        if low is not None:
            x = ns.maximum(x, low)
        return x if high is None else ns.minimum(x, high)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        low, high = self.bounds
        inside = 1 if low is None else as_type_of(x >= low, g)
        return g * (inside if high is None else inside * as_type_of(x <= high, g))


def clamp(input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Limit values to [min, max]; the gradient passes inside and at the limits.

    Raises
    ------
    ValueError
        When neither limit is given.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    if any_tensor(min, max):
        if min is not None:
            input = maximum(input, min)
        return input if max is None else minimum(input, max)
    if isinstance(min, float) or isinstance(max, float):
        input = to_float(input)
    return run(Clamp(), (input, min, max))
