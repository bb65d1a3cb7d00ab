"""Data types: one object each, the same for all backends, and PyTorch's rule for mixing them."""

from __future__ import annotations

from typing import Any

library = "tg"  # the name under which types are shown


class DType:
    """A data type such as ``tg.float32``; equal only to itself."""

    __slots__ = ("bits", "category", "name")

    def __init__(self, name: str, category: int, bits: int) -> None:
        self.name = name
        self.category = category  # 0 boolean, 1 integer, 2 floating point, 3 complex
        self.bits = bits

    def __repr__(self) -> str:
        return f"{library}.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return self.bits // 8

    @property
    def is_floating_point(self) -> bool:
        """Whether the type can carry a gradient."""
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        """Whether elements are complex numbers."""
        return self.category == 3

    @property
    def is_signed(self) -> bool:
        """Whether negative numbers can be represented."""
        return self.category > 1 or self.name.startswith("int")


bool_ = DType("bool", 0, 8)
uint8 = DType("uint8", 1, 8)
uint16 = DType("uint16", 1, 16)
uint32 = DType("uint32", 1, 32)
uint64 = DType("uint64", 1, 64)
int8 = DType("int8", 1, 8)
int16 = DType("int16", 1, 16)
int32 = DType("int32", 1, 32)
int64 = DType("int64", 1, 64)
float16 = DType("float16", 2, 16)
float32 = DType("float32", 2, 32)
float64 = DType("float64", 2, 64)
bfloat16 = DType("bfloat16", 2, 16)

_ALL = (bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, float32, float64, bfloat16)
_BY_NAME = {d.name: d for d in _ALL}
_ALIASES = {"half": float16, "float": float32, "double": float64, "int": int32, "long": int64, "short": int16}
_BY_RAW: dict[Any, DType] = {}


def from_raw(raw: Any) -> DType:
    """The :class:`DType` of a backend's own dtype object."""
    try:
        return _BY_RAW[raw]
    except KeyError:
        name = str(raw).rsplit(".", 1)[-1]
        if name not in _BY_NAME:
            supported = ", ".join(_BY_NAME)
            raise TypeError(f"arrays of type {raw} are not supported; supported types are {supported}") from None
        return _BY_RAW.setdefault(raw, _BY_NAME[name])


def to_dtype(dtype: Any) -> DType:
    """Accept ``tg.float32``, ``"float32"``, ``numpy.float32``, … and return the :class:`DType`.

    Python's own ``float`` has 64 bits, and so have ``int`` and what ``dtype=float`` asks for, as in PyTorch.

    Examples
    --------
    >>> to_dtype("double"), to_dtype(int), to_dtype(bool)
    (tg.float64, tg.int64, tg.bool)
    """
    if isinstance(dtype, DType):
        return dtype
    if dtype is float:
        return float64
    if dtype is int:
        return int64
    if dtype is bool:
        return bool_
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", None) or str(dtype)
    name = name.rsplit(".", 1)[-1].removesuffix("_")
    found = _BY_NAME.get(name) or _ALIASES.get(name)
    if found is None:
        raise TypeError(f"{dtype!r} is not a data type; expected one of {', '.join(_BY_NAME)}")
    return found


_UNSIGNED_WITH_SIGNED = {8: int16, 16: int32, 32: int64}


def promote_types(a: DType, b: DType) -> DType:
    """The smallest type that both convert to, floating point winning over integers and integers over booleans.

    Unlike NumPy's rule, ``int64`` with ``float32`` gives ``float32``: the wider category decides alone.

    Examples
    --------
    >>> promote_types(int64, float32), promote_types(uint8, int8), promote_types(float16, float64)
    (tg.float32, tg.int16, tg.float64)
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == 1 and a.is_signed != b.is_signed:
        unsigned, signed = (b, a) if a.is_signed else (a, b)
        if signed.bits > unsigned.bits:
            return signed
        if unsigned.bits == 64:
            raise TypeError(f"{a} and {b} have no common integer type; convert one of them first")
        return _UNSIGNED_WITH_SIGNED[unsigned.bits]
    if a.bits == b.bits:  # float16 with bfloat16
        return float32
    return a if a.bits > b.bits else b
