"""Operations on the bits of integers; on booleans they are logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import bool_, from_raw
from tinygrad_edu.errors import describe
from tinygrad_edu.function import run
from tinygrad_edu.ops.elementwise.comparison import Test, compare

if TYPE_CHECKING:
    from tinygrad_edu.ops.elementwise._base import Operand
    from tinygrad_edu.tensor import Tensor


def _refuse_floats(name: str, *operands: Any) -> None:
    """Only integers and booleans have bits to speak of."""
    for v in operands:
        if isinstance(v, float) or (isinstance(v, function.Tensor) and from_raw(v._data.dtype).category > 1):
            raise TypeError(f"{name}: expected integers or booleans, got {describe(v)}")


def _bits(name: str, x: Any, y: Any) -> Any:
    _refuse_floats(name, x, y)
    return compare(name, x, y)


def bitwise_not(input: Tensor) -> Tensor:
    """Invert bits; for booleans, logical not."""
    _refuse_floats("bitwise_not", input)
    return run(Test(), (input, "bitwise_invert"))


def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """Bits set in both; for booleans, logical and."""
    return _bits("bitwise_and", input, other)


def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """Bits set in either; for booleans, logical or."""
    return _bits("bitwise_or", input, other)


def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """Bits set in exactly one; for booleans, logical exclusive or."""
    return _bits("bitwise_xor", input, other)


def _shift(name: str, x: Any, y: Any) -> Any:
    if all(isinstance(v, bool) or (isinstance(v, function.Tensor) and v.dtype is bool_) for v in (x, y)):
        raise TypeError(f"{name}: booleans have a single bit; convert them first")
    return _bits(name, x, y)


def bitwise_left_shift(input: Operand, other: Operand) -> Tensor:
    """Bits moved to higher places: input · 2 to the power of other.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tensor([1, 3]) << 2
    tensor([ 4, 12])
    """
    return _shift("bitwise_left_shift", input, other)


def bitwise_right_shift(input: Operand, other: Operand) -> Tensor:
    """Bits moved to lower places: input divided by 2 to the power of other, rounded downwards."""
    return _shift("bitwise_right_shift", input, other)


def rleft_shift(input: Operand, other: Operand) -> Tensor:
    """The shift the other way round: other << input."""
    return bitwise_left_shift(other, input)


def rright_shift(input: Operand, other: Operand) -> Tensor:
    """The shift the other way round: other >> input."""
    return bitwise_right_shift(other, input)
