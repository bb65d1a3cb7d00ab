"""Comparisons, tests and logic: results that carry no gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import bool_
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._types import same_type, shape_of, xp
from tinygrad_edu.ops.elementwise._base import refuse_numbers

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


class Compare(Op):
    __slots__ = ("function",)
    kind = CONSTANT

    @property
    def name(self) -> str:
        return self.function

    def forward(self, x: Any, y: Any, name: str) -> Any:
        self.function = name
        return getattr(xp(x if hasattr(x, "dtype") else y), name)(x, y)


def compare(name: str, x: Any, y: Any) -> Any:
    """Run the backend's function ``name`` on two operands of one type, without gradient."""
    return run(Compare(), (*same_type(x, y), name))


def eq(input: Operand, other: Operand) -> Tensor:
    """Whether elements are equal."""
    return compare("equal", input, other)


def ne(input: Operand, other: Operand) -> Tensor:
    """Whether elements differ."""
    return compare("not_equal", input, other)


def lt(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are smaller."""
    return compare("less", input, other)


def le(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are smaller or equal."""
    return compare("less_equal", input, other)


def gt(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are larger."""
    return compare("greater", input, other)


def ge(input: Operand, other: Operand) -> Tensor:
    """Whether elements of input are larger or equal."""
    return compare("greater_equal", input, other)


class Test(Op):
    __slots__ = ("function",)
    kind = CONSTANT

    @property
    def name(self) -> str:
        return self.function

    def forward(self, x: Any, name: str) -> Any:
        self.function = name
        return getattr(xp(x), name)(x)


def isnan(input: Tensor) -> Tensor:
    """Whether elements are not a number."""
    return run(Test(), (input, "isnan"))


def isinf(input: Tensor) -> Tensor:
    """Whether elements are infinite."""
    return run(Test(), (input, "isinf"))


def isfinite(input: Tensor) -> Tensor:
    """Whether elements are neither infinite nor NaN."""
    return run(Test(), (input, "isfinite"))


def isposinf(input: Tensor) -> Tensor:
    """Whether elements are positive infinity."""
    return eq(input, math.inf)


def isneginf(input: Tensor) -> Tensor:
    """Whether elements are negative infinity."""
    return eq(input, -math.inf)


def isreal(input: Tensor) -> Tensor:
    """Whether elements have no imaginary part: here all of them."""
    refuse_numbers("isreal", input)
    shape_of(input)
    return input.new_ones(input.shape, dtype=bool_)


def _boolean(x: Any) -> Any:
    return ne(x, 0) if isinstance(x, function.Tensor) else x


def logical_not(input: Tensor) -> Tensor:
    """Whether elements are zero or False."""
    return eq(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both elements are non-zero."""
    return compare("logical_and", _boolean(input), _boolean(other))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether one of the elements is non-zero."""
    return compare("logical_or", _boolean(input), _boolean(other))


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether exactly one of the elements is non-zero."""
    return compare("logical_xor", _boolean(input), _boolean(other))
