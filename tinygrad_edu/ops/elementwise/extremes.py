"""Limits: the larger, the smaller, and what lies between two bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import running
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.ops._types import fit, kind_of, nothing, number, result_type, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, any_tensor, as_type_of, refuse_numbers
from tinygrad_edu.ops.elementwise.selection import where

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Maximum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).maximum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        shared = as_type_of(x == y, g) * 0.5
        return self.fit(g * (as_type_of(x > y, g) + shared), g * (as_type_of(x < y, g) + shared))


class Minimum(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x if hasattr(x, "dtype") else y).minimum(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        shared = as_type_of(x == y, g) * 0.5
        return self.fit(g * (as_type_of(x < y, g) + shared), g * (as_type_of(x > y, g) + shared))


def maximum(input: Operand, other: Operand) -> Tensor:
    """The larger of two, element by element; at ties each side gets half the gradient."""
    return run(Maximum(), same_type(input, other))


def minimum(input: Operand, other: Operand) -> Tensor:
    """The smaller of two, element by element; at ties each side gets half the gradient."""
    return run(Minimum(), same_type(input, other))


class Fmax(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).fmax(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        mine = (x >= y) | (y != y)
        return self.fit(where(mine, g, 0.0), where(mine, 0.0, g))


class Fmin(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).fmin(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        mine = (x <= y) | (y != y)
        return self.fit(where(mine, g, 0.0), where(mine, 0.0, g))


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of two, and the number where the other is NaN; at ties the gradient goes to input."""
    return run(Fmax(), same_type(input, other))


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of two, and the number where the other is NaN; at ties the gradient goes to input."""
    return run(Fmin(), same_type(input, other))


class Clamp(Op):
    __slots__ = ("bounds",)
    keeps = (0,)

    def forward(self, x: Any, low: float | None, high: float | None) -> Any:
        self.saved = (x,)
        self.bounds = low, high
        ns = xp(x)
        if low is not None and high is not None and low <= high:
            return ns.clip(x, low, high)
        if low is not None:
            x = ns.maximum(x, low)
        return x if high is None else ns.minimum(x, high)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        low, high = self.bounds
        if low is not None and high is not None and low >= high:
            return nothing(g)  # the result is high, whatever x is
        inside = True if low is None else x >= low
        return g * as_type_of(inside if high is None else inside & (x <= high), g)


class ClampBetween(Op):
    """Limits that are tensors."""

    __slots__ = ("shapes",)
    keeps = (0, 1, 2)

    def forward(self, x: Any, low: Any, high: Any) -> Any:
        self.shapes = tuple(getattr(a, "shape", ()) for a in (x, low, high))
        self.saved = x, low, high
        ns = xp(x)
        if low is not None:
            x = ns.maximum(x, low)
        return x if high is None else ns.minimum(x, high)

    def backward(self, g: Any) -> Any:
        x, low, high = self.saved
        sx, sl, sh = self.shapes
        # Where the limits meet or cross, the result is high, whatever the others are.
        crossed = low is not None and high is not None and (low >= high)
        above = crossed if high is None else (x > high) | crossed
        below = False if low is None else (x < low) & (True ^ above)
        return (
            fit(where(below | above, 0.0, g), sx),
            None if low is None else fit(where(below, g, 0.0), sl),
            None if high is None else fit(where(above, g, 0.0), sh),
        )


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit values to [min, max], numbers or tensors; where min > max the result is max.

    The gradient passes inside and at the limits; outside it goes to the limit that applies, if that is a tensor.

    Raises
    ------
    ValueError
        When neither limit is given.
    TypeError
        When one limit is a tensor and the other a number.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.clamp(tg.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    if any_tensor(min, max):
        tensors = [t for t in (input, min, max) if t is not None]
        if not all(isinstance(t, function.Tensor) for t in tensors):
            raise TypeError(f"{running()}min and max must both be tensors, or both be numbers")
        dtype = result_type(*tensors)
        return run(ClampBetween(), tuple(t if t is None else t.to(dtype) for t in (input, min, max)))
    for what, limit in (("min", min), ("max", max)):
        if limit is not None:
            number(what, limit)
    if isinstance(min, float) or isinstance(max, float):
        input = to_float(input)
    return run1(Clamp, input, min, max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """At least min: :func:`clamp` with one limit."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """At most max: :func:`clamp` with one limit."""
    return clamp(input, max=max)


def nan_to_num(input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Replace NaN and the infinities by numbers; by default 0 and the largest numbers of the type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nan_to_num(tg.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    refuse_numbers("nan_to_num", input)
    if kind_of(input).category != 2:
        return input.clone()
    largest = float(xp(input._data).finfo(input._data.dtype).max)
    above = largest if posinf is None else posinf
    below = -largest if neginf is None else neginf
    inf = float("inf")
    finite = where(input == inf, above, where(input == -inf, below, input))
    return where(input != input, nan, finite)
