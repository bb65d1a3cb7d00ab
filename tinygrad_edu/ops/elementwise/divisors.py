"""Common divisors and multiples of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.dtypes import from_raw
from tinygrad_edu.errors import describe
from tinygrad_edu.ops.elementwise.comparison import compare

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def _integers(name: str, x: Any, y: Any) -> Any:
    for v in (x, y):
        if not isinstance(v, function.Tensor) or from_raw(v._data.dtype).category != 1:
            raise TypeError(f"{name}: expected integers as tensors, got {describe(v)}")
    return compare(name, x, y)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, never negative; that of 0 and n is the size of n.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.gcd(tg.tensor([12, 0, -4]), tg.tensor([18, 5, 6]))
    tensor([6, 5, 2])
    """
    return _integers("gcd", input, other)


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, never negative; 0 where one of them is 0.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.lcm(tg.tensor([4, 0]), tg.tensor([6, 5]))
    tensor([12,  0])
    """
    return _integers("lcm", input, other)
