"""Operations that work element by element, one module a subject; all of them can be imported from here."""

from __future__ import annotations

from tinygrad_edu.ops.elementwise._base import as_type_of
from tinygrad_edu.ops.elementwise.arithmetic import (
    add,
    addcdiv,
    addcmul,
    div,
    lerp,
    mul,
    neg,
    positive,
    rdiv,
    reciprocal,
    rsub,
    sub,
)
from tinygrad_edu.ops.elementwise.bessel import i0, i0e, i1, i1e
from tinygrad_edu.ops.elementwise.bitwise import (
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    rleft_shift,
    rright_shift,
)
from tinygrad_edu.ops.elementwise.cast import Cast, CastToInteger, clone
from tinygrad_edu.ops.elementwise.comparison import (
    eq,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from tinygrad_edu.ops.elementwise.divisors import gcd, lcm
from tinygrad_edu.ops.elementwise.exponential import (
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    logit,
    sigmoid,
    xlogy,
)
from tinygrad_edu.ops.elementwise.extremes import clamp, clamp_max, clamp_min, fmax, fmin, maximum, minimum, nan_to_num
from tinygrad_edu.ops.elementwise.floats import frexp, nextafter
from tinygrad_edu.ops.elementwise.hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
from tinygrad_edu.ops.elementwise.incomplete_gamma import igamma, igammac, mvlgamma
from tinygrad_edu.ops.elementwise.power import float_power, hypot, ldexp, pow, rpow, rsqrt, sqrt, square
from tinygrad_edu.ops.elementwise.rectifiers import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    rrelu,
    softshrink,
    threshold,
)
from tinygrad_edu.ops.elementwise.rounding import (
    ceil,
    floor,
    floor_divide,
    fmod,
    frac,
    remainder,
    rfloor_divide,
    round,
    rremainder,
    trunc,
)
from tinygrad_edu.ops.elementwise.selection import where, where_method
from tinygrad_edu.ops.elementwise.signs import abs, copysign, heaviside, sign, signbit
from tinygrad_edu.ops.elementwise.smooth import (
    celu,
    elu,
    gelu,
    glu,
    logsigmoid,
    mish,
    selu,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from tinygrad_edu.ops.elementwise.special import digamma, erf, erfc, erfinv, lgamma, polygamma, polygamma_method
from tinygrad_edu.ops.elementwise.trigonometric import acos, asin, atan, atan2, cos, deg2rad, rad2deg, sin, sinc, tan

# Further names that PyTorch and NumPy have for the same functions.
multiply, subtract, divide, true_divide, negative, absolute, fix, clip = mul, sub, div, div, neg, abs, trunc, clamp
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = asin, acos, atan, atan2, asinh, acosh, atanh
sgn = sign
