"""Operations that work element by element, one module a subject; all of them can be imported from here."""

from __future__ import annotations

from tinygrad_edu.ops.elementwise._base import as_type_of
from tinygrad_edu.ops.elementwise.arithmetic import add, div, mul, neg, rdiv, reciprocal, rsub, sub
from tinygrad_edu.ops.elementwise.cast import Cast, CastToInteger, clone
from tinygrad_edu.ops.elementwise.comparison import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from tinygrad_edu.ops.elementwise.exponential import exp, expm1, log, log1p, sigmoid
from tinygrad_edu.ops.elementwise.power import pow, rpow, rsqrt, sqrt, square
from tinygrad_edu.ops.elementwise.rounding import (
    ceil,
    floor,
    floor_divide,
    remainder,
    rfloor_divide,
    round,
    rremainder,
    sign,
    trunc,
)
from tinygrad_edu.ops.elementwise.selection import abs, clamp, maximum, minimum, relu, where
from tinygrad_edu.ops.elementwise.trigonometric import cos, sin, tanh
