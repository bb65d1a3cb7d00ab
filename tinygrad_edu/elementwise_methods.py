"""Which elementwise operations are methods of Tensor, and which of them have a variant that works in place."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.ops import elementwise as ew


def in_place(operation: Any) -> Any:
    """The method that gives its tensor the result of ``operation``."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._rebind(operation(self, *args, **kwargs))

    method.__name__ = f"{operation.__name__}_"
    method.__doc__ = f"In-place :func:`{operation.__name__}`."
    return method


def _among_others(operation: Any) -> Any:
    """A comparison that leaves None and text to Python, to which they are not equal: ``x == None`` is False."""

    def method(self: Any, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else operation(self, other)

    method.__name__ = f"__{operation.__name__}__"
    method.__doc__ = operation.__doc__
    return method


class ElementwiseMethods:
    """Methods and operators that work element by element."""

    __slots__ = ()

    # Operators
    __add__ = __radd__ = ew.add
    __sub__, __rsub__ = ew.sub, ew.rsub
    __mul__ = __rmul__ = ew.mul
    __truediv__, __rtruediv__ = ew.div, ew.rdiv
    __pow__, __rpow__ = ew.pow, ew.rpow
    __floordiv__, __mod__ = ew.floor_divide, ew.remainder
    __rfloordiv__, __rmod__ = ew.rfloor_divide, ew.rremainder
    __neg__, __pos__, __abs__, __invert__ = ew.neg, ew.positive, ew.abs, ew.bitwise_not
    __eq__, __ne__ = _among_others(ew.eq), _among_others(ew.ne)
    __lt__, __le__, __gt__, __ge__ = ew.lt, ew.le, ew.gt, ew.ge
    __and__ = __rand__ = ew.bitwise_and
    __or__ = __ror__ = ew.bitwise_or
    __xor__ = __rxor__ = ew.bitwise_xor
    __lshift__, __rlshift__ = ew.bitwise_left_shift, ew.rleft_shift
    __rshift__, __rrshift__ = ew.bitwise_right_shift, ew.rright_shift
    __hash__ = object.__hash__

    __iadd__, __isub__, __imul__ = (in_place(f) for f in (ew.add, ew.sub, ew.mul))
    __itruediv__, __ifloordiv__, __imod__ = (in_place(f) for f in (ew.div, ew.floor_divide, ew.remainder))
    __ipow__ = in_place(ew.pow)
    __iand__, __ior__, __ixor__ = (in_place(f) for f in (ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor))
    __ilshift__, __irshift__ = (in_place(f) for f in (ew.bitwise_left_shift, ew.bitwise_right_shift))

    # Arithmetic
    add, sub, mul, div, neg, reciprocal = ew.add, ew.sub, ew.mul, ew.div, ew.neg, ew.reciprocal
    positive, multiply, subtract, divide = ew.positive, ew.multiply, ew.subtract, ew.divide
    true_divide, negative, addcmul, addcdiv = ew.true_divide, ew.negative, ew.addcmul, ew.addcdiv
    lerp = ew.lerp
    add_, sub_, mul_, div_, neg_ = (in_place(f) for f in (ew.add, ew.sub, ew.mul, ew.div, ew.neg))
    reciprocal_, multiply_, subtract_ = (in_place(f) for f in (ew.reciprocal, ew.multiply, ew.subtract))
    divide_, true_divide_, negative_ = (in_place(f) for f in (ew.divide, ew.true_divide, ew.negative))
    addcmul_, addcdiv_, lerp_ = (in_place(f) for f in (ew.addcmul, ew.addcdiv, ew.lerp))

    # Powers, exponentials and logarithms
    pow, float_power, square, sqrt, rsqrt = ew.pow, ew.float_power, ew.square, ew.sqrt, ew.rsqrt
    ldexp, hypot, exp, exp2, expm1, log, log2 = ew.ldexp, ew.hypot, ew.exp, ew.exp2, ew.expm1, ew.log, ew.log2
    log10, log1p, logaddexp, logaddexp2, xlogy = ew.log10, ew.log1p, ew.logaddexp, ew.logaddexp2, ew.xlogy
    logit, sigmoid = ew.logit, ew.sigmoid
    pow_, float_power_, square_, sqrt_ = (in_place(f) for f in (ew.pow, ew.float_power, ew.square, ew.sqrt))
    rsqrt_, ldexp_, hypot_, exp_ = (in_place(f) for f in (ew.rsqrt, ew.ldexp, ew.hypot, ew.exp))
    exp2_, expm1_, log_, log2_, log10_ = (in_place(f) for f in (ew.exp2, ew.expm1, ew.log, ew.log2, ew.log10))
    log1p_, xlogy_, logit_, sigmoid_ = (in_place(f) for f in (ew.log1p, ew.xlogy, ew.logit, ew.sigmoid))

    # Angles
    sin, cos, tan, asin, acos, atan, atan2 = ew.sin, ew.cos, ew.tan, ew.asin, ew.acos, ew.atan, ew.atan2
    sinc, deg2rad, rad2deg, sinh, cosh, tanh = ew.sinc, ew.deg2rad, ew.rad2deg, ew.sinh, ew.cosh, ew.tanh
    asinh, acosh, atanh, arcsin, arccos = ew.asinh, ew.acosh, ew.atanh, ew.arcsin, ew.arccos
    arctan, arctan2, arcsinh, arccosh, arctanh = ew.arctan, ew.arctan2, ew.arcsinh, ew.arccosh, ew.arctanh
    sin_, cos_, tan_, asin_, acos_ = (in_place(f) for f in (ew.sin, ew.cos, ew.tan, ew.asin, ew.acos))
    atan_, atan2_, sinc_, deg2rad_ = (in_place(f) for f in (ew.atan, ew.atan2, ew.sinc, ew.deg2rad))
    rad2deg_, sinh_, cosh_, tanh_ = (in_place(f) for f in (ew.rad2deg, ew.sinh, ew.cosh, ew.tanh))
    asinh_, acosh_, atanh_, arcsin_ = (in_place(f) for f in (ew.asinh, ew.acosh, ew.atanh, ew.arcsin))
    arccos_, arctan_, arctan2_ = (in_place(f) for f in (ew.arccos, ew.arctan, ew.arctan2))
    arcsinh_, arccosh_, arctanh_ = (in_place(f) for f in (ew.arcsinh, ew.arccosh, ew.arctanh))

    # Special functions
    erf, erfc, erfinv, lgamma, digamma = ew.erf, ew.erfc, ew.erfinv, ew.lgamma, ew.digamma
    polygamma = ew.polygamma_method
    erf_, erfc_, erfinv_ = (in_place(f) for f in (ew.erf, ew.erfc, ew.erfinv))
    lgamma_, digamma_, polygamma_ = (in_place(f) for f in (ew.lgamma, ew.digamma, ew.polygamma_method))

    i0, igamma, igammac, mvlgamma = ew.i0, ew.igamma, ew.igammac, ew.mvlgamma
    i0_, igamma_, igammac_, mvlgamma_ = (in_place(f) for f in (ew.i0, ew.igamma, ew.igammac, ew.mvlgamma))
    frexp, nextafter, nextafter_ = ew.frexp, ew.nextafter, in_place(ew.nextafter)

    # Signs, rounding and limits
    abs, absolute, sign, sgn, copysign = ew.abs, ew.absolute, ew.sign, ew.sgn, ew.copysign
    signbit, heaviside, floor, ceil, round = ew.signbit, ew.heaviside, ew.floor, ew.ceil, ew.round
    trunc, fix, frac, floor_divide, remainder = ew.trunc, ew.fix, ew.frac, ew.floor_divide, ew.remainder
    fmod, maximum, minimum, fmax, fmin, clamp = ew.fmod, ew.maximum, ew.minimum, ew.fmax, ew.fmin, ew.clamp
    clip, clamp_min, clamp_max, nan_to_num = ew.clip, ew.clamp_min, ew.clamp_max, ew.nan_to_num
    clone, where = ew.clone, ew.where_method
    abs_, absolute_, sign_, sgn_ = (in_place(f) for f in (ew.abs, ew.absolute, ew.sign, ew.sgn))
    copysign_, heaviside_, floor_ = (in_place(f) for f in (ew.copysign, ew.heaviside, ew.floor))
    ceil_, round_, trunc_, fix_, frac_ = (in_place(f) for f in (ew.ceil, ew.round, ew.trunc, ew.fix, ew.frac))
    floor_divide_, remainder_, fmod_ = (in_place(f) for f in (ew.floor_divide, ew.remainder, ew.fmod))
    clamp_, clip_, clamp_min_ = (in_place(f) for f in (ew.clamp, ew.clip, ew.clamp_min))
    clamp_max_, nan_to_num_ = (in_place(f) for f in (ew.clamp_max, ew.nan_to_num))

    # Divisors
    gcd, lcm, gcd_, lcm_ = ew.gcd, ew.lcm, in_place(ew.gcd), in_place(ew.lcm)

    # Activations
    relu, prelu, hardshrink = ew.relu, ew.prelu, ew.hardshrink
    relu_ = in_place(ew.relu)

    # Comparisons and logic
    eq, ne, lt, le, gt, ge, not_equal, less = ew.eq, ew.ne, ew.lt, ew.le, ew.gt, ew.ge, ew.not_equal, ew.less
    less_equal, greater, greater_equal, isnan = ew.less_equal, ew.greater, ew.greater_equal, ew.isnan
    isinf, isfinite, isposinf, isneginf, isreal = ew.isinf, ew.isfinite, ew.isposinf, ew.isneginf, ew.isreal
    logical_not, logical_and, logical_or = ew.logical_not, ew.logical_and, ew.logical_or
    logical_xor, bitwise_not, bitwise_and = ew.logical_xor, ew.bitwise_not, ew.bitwise_and
    bitwise_or, bitwise_xor, bitwise_left_shift = ew.bitwise_or, ew.bitwise_xor, ew.bitwise_left_shift
    bitwise_right_shift = ew.bitwise_right_shift
    eq_, ne_, lt_, le_, gt_, ge_ = (in_place(f) for f in (ew.eq, ew.ne, ew.lt, ew.le, ew.gt, ew.ge))
    not_equal_, less_, less_equal_ = (in_place(f) for f in (ew.not_equal, ew.less, ew.less_equal))
    greater_, greater_equal_ = (in_place(f) for f in (ew.greater, ew.greater_equal))
    logical_not_, logical_and_ = (in_place(f) for f in (ew.logical_not, ew.logical_and))
    logical_or_, logical_xor_ = (in_place(f) for f in (ew.logical_or, ew.logical_xor))
    bitwise_not_, bitwise_and_ = (in_place(f) for f in (ew.bitwise_not, ew.bitwise_and))
    bitwise_or_, bitwise_xor_ = (in_place(f) for f in (ew.bitwise_or, ew.bitwise_xor))
    bitwise_left_shift_ = in_place(ew.bitwise_left_shift)
    bitwise_right_shift_ = in_place(ew.bitwise_right_shift)
