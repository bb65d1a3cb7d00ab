"""What can be asked about tensors and types: is it a tensor, of how many elements, and of which type would a result be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import DType, bool_, int64, to_dtype
from tinygrad_edu.errors import check_tensors, describe
from tinygrad_edu.ops._types import result_type as common_type

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def is_tensor(obj: Any) -> bool:
    """Whether this is a tensor."""
    return isinstance(obj, function.Tensor)


def numel(input: Tensor) -> int:
    """The number of elements."""
    check_tensors("numel", input=input)
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers, which alone can carry a gradient."""
    check_tensors("is_floating_point", input=input)
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers: never, for there are none."""
    check_tensors("is_complex", input=input)
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of a tensor is not 0."""
    check_tensors("is_nonzero", input=input)
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    check_tensors("is_same_size", input=input, other=other)
    return input.is_same_size(other)


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The type of the result of an operation on two tensors or numbers.

    A tensor without dimensions gives way to one with dimensions, and a Python number to any tensor, unless its category (integers
    above booleans, floating point above integers) is higher.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.result_type(tg.tensor([1, 2], dtype=tg.int32), 1.0), tg.result_type(tg.ones(2, dtype=tg.float16), tg.tensor(1.0))
    (tg.float32, tg.float16)
    """
    kinds = []
    for value in (tensor1, tensor2):
        if isinstance(value, function.Tensor):
            continue
        if not isinstance(value, (bool, int, float)):
            raise TypeError(f"result_type: expected a Tensor or a number, got {describe(value)}")
        kinds.append(bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else modes.dtype)
    tensors = [v for v in (tensor1, tensor2) if isinstance(v, function.Tensor)]
    found = common_type(*tensors) if tensors else kinds.pop()
    for kind in kinds:
        if kind.category > found.category:
            found = kind
    return found


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a conversion keeps the category of numbers, or raises it: fractions don't become integers, nor these booleans.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.can_cast(tg.float64, tg.float16), tg.can_cast(tg.float16, tg.int64)
    (True, False)
    """
    return to_dtype(from_).category <= to_dtype(to).category


_EXPONENT_BITS = {"float16": 5, "bfloat16": 8, "float32": 8, "float64": 11}


class finfo:
    """What a floating-point type can represent; the default type without an argument.

    Attributes
    ----------
    bits : int
        Of an element.
    max, min : float
        The largest and the smallest number.
    eps : float
        From 1 to the next larger number.
    tiny, smallest_normal : float
        The smallest positive number with all its digits.
    resolution : float
        The power of ten that decimal digits are good for.
    dtype : str
        The name of the type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.finfo(tg.float16).max
    65504.0
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: Any = None) -> None:
        kind = modes.dtype if type is None else to_dtype(type)
        if kind.name not in _EXPONENT_BITS:
            raise TypeError(f"finfo: expected a floating-point type, got {kind}; for integers use iinfo")
        exponent = _EXPONENT_BITS[kind.name]
        digits = kind.bits - 1 - exponent
        self.bits, self.dtype = kind.bits, kind.name
        self.eps = 2.0**-digits
        self.max = (2 - self.eps) * 2.0 ** (2 ** (exponent - 1) - 1)
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (2 - 2 ** (exponent - 1))
        self.resolution = 10.0 ** -int(digits * math.log10(2))

    def __repr__(self) -> str:
        return f"finfo(min={self.min:g}, max={self.max:g}, eps={self.eps:g}, tiny={self.tiny:g}, dtype={self.dtype})"


class iinfo:
    """The range of an integer type: ``bits``, ``min``, ``max`` and ``dtype``, its name.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.iinfo(tg.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: Any) -> None:
        kind = to_dtype(type)
        if kind.category != 1:
            raise TypeError(f"iinfo: expected an integer type, got {kind}; for floating point use finfo")
        self.bits, self.dtype = kind.bits, kind.name
        self.min = -(2 ** (kind.bits - 1)) if kind.is_signed else 0
        self.max = 2 ** (kind.bits - kind.is_signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
