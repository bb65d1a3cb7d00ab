"""Signs and absolute values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import bool_, from_raw
from tinygrad_edu.function import Op, run, run1, run2
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import kind_of, nothing, same_type, to_float, xp
from tinygrad_edu.ops.elementwise._base import Binary, as_type_of, refuse_numbers
from tinygrad_edu.ops.elementwise.rounding import Piecewise

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Sign(Piecewise):
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        ns = xp(x)
        return ns.sign(x) if from_raw(x.dtype) is not bool_ else ns.copy(x)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, and NaN for NaN; the derivative is taken as 0 everywhere."""
    return run1(Sign, input)


class Abs(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        if from_raw(x.dtype) is bool_:
            raise TypeError("a boolean has no sign; convert it first")
        self.saved = (x,)
        return xp(x).abs(x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * sign(x)


def abs(input: Tensor) -> Tensor:
    """The absolute value; the derivative at 0 is taken as 0."""
    if not isinstance(input, function.Tensor):
        refuse_numbers("abs", input)
    return run1(Abs, input)


class SignBit(Op):
    __slots__ = ()
    kind = CONSTANT
    keeps = ()

    def forward(self, x: Any) -> Any:
        ns = xp(x)
        return ns.signbit(x) if ns.isdtype(x.dtype, "real floating") else x < 0


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is negative, also that of -0."""
    return run1(SignBit, input)


class CopySign(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, y
        return xp(x).copysign(x, y)

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        kept = sign(x)
        return self.fit(g * (kept * copysign(kept, y)), nothing(g) if self.needs(1) else None)


def copysign(input: Tensor, other: Operand) -> Tensor:
    """|input| with the sign of other; the derivative at 0 is taken as 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.copysign(tg.tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """
    x, y = same_type(input, other)
    return run(CopySign(), (to_float(x), to_float(y) if isinstance(y, function.Tensor) else y))


class Heaviside(Binary):
    __slots__ = ()

    def forward(self, x: Any, y: Any) -> Any:
        self.note_shapes(x, y)
        self.saved = x, None
        ns = xp(x)
        return ns.where(x == 0, y, ns.astype(x > 0, x.dtype))

    def backward(self, g: Any) -> Any:
        x, _ = self.saved
        return self.fit(nothing(g), g * as_type_of(x == 0, g))


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """The step function: 0 below 0, 1 above, and values at 0.

    Raises
    ------
    TypeError
        When the two are not of one type.
    """
    refuse_numbers("heaviside", input)
    refuse_numbers("heaviside", values)
    if kind_of(input) is not kind_of(values):
        raise TypeError(f"heaviside: input and values must be of one type, got {input.dtype} and {values.dtype}")
    return run2(Heaviside, input, values)
