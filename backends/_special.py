"""Special functions on the array standard alone: erf, erfc, erfinv, ln Γ and its derivatives.

Each takes the namespace of the arrays first. They are rational approximations with the full precision of float64 (a few
units in the last place), evaluated on every branch and put together by ``where``, so that they run on any backend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Array = Any

# erf and erfc: W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969), in powers
# from the highest, for |x| ≤ 0.46875 in x², for |x| ≤ 4 in |x|, and above in 1/x².
_ERF_P = (
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_ERF_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_ERFC_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_ERFC_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_TAIL_P = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_TAIL_Q = (
    1.0,
    2.56852019228982242,
    1.87295284992346725,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)

# The normal quantile: M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988), in powers from the highest: near the
# middle, in the tails, and in the far tails.
_MIDDLE_P = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080,
)
_MIDDLE_Q = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_OUTER_P = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258,
    3.64784832476320460504,
    5.76949722146069140550,
    4.63033784615654529590,
    1.42343711074968357734,
)
_OUTER_Q = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940,
    2.05319162663775882187,
    1.0,
)
_FAR_P = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    1.24266094738807843860e-3,
    2.65321895265761230930e-2,
    2.96560571828504891230e-1,
    1.78482653991729133580,
    5.46378491116411436990,
    6.65790464350110377720,
)
_FAR_Q = (
    2.04426310338993978564e-15,
    1.42151175831644588870e-7,
    1.84631831751005468180e-5,
    7.86869131145613259100e-4,
    1.48753612908506148525e-2,
    1.36929880922735805310e-1,
    5.99832206555887937690e-1,
    1.0,
)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """The value at ``x`` of the polynomial with these coefficients, that of the highest power first (Horner's rule)."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def _ratio(x: Array, above: Sequence[float], below: Sequence[float]) -> Array:
    return polynomial(x, above) / polynomial(x, below)


def _exp_of_square(ns: Any, a: Array) -> Array:
    """exp(-a²) for a ≥ 0 to full precision: the square of a rounded to sixteenths is exact, the rest is small."""
    rough = ns.trunc(a * 16) / 16
    return ns.exp(-rough * rough) * ns.exp((rough - a) * (rough + a))


def _erf_near(ns: Any, x: Array) -> Array:
    """erf for |x| ≤ 0.46875."""
    return x * _ratio(x * x, _ERF_P, _ERF_Q)


def _erfc_far(ns: Any, a: Array) -> Array:
    """erfc for a ≥ 0.46875."""
    a = ns.minimum(a, 30.0)  # beyond 27 it is 0
    middle = ns.minimum(a, 4.0)
    outer = ns.maximum(a, 4.0)
    square = 1 / (outer * outer)
    tail = (1 / math.sqrt(math.pi) - square * _ratio(square, _TAIL_P, _TAIL_Q)) / outer
    return _exp_of_square(ns, a) * ns.where(a <= 4, _ratio(middle, _ERFC_P, _ERFC_Q), tail)


def erf(ns: Any, x: Array) -> Array:
    """The error function."""
    a = ns.abs(x)
    near = a <= 0.46875
    far = 1 - _erfc_far(ns, ns.where(near, 1.0, a))
    return ns.where(near, _erf_near(ns, ns.where(near, x, 0.0)), ns.where(x < 0, -far, far))


def erfc(ns: Any, x: Array) -> Array:
    """1 - erf(x), to full relative precision."""
    a = ns.abs(x)
    near = a <= 0.46875
    far = _erfc_far(ns, ns.where(near, 1.0, a))
    return ns.where(near, 1 - _erf_near(ns, ns.where(near, x, 0.0)), ns.where(x < 0, 2 - far, far))


def erfinv(ns: Any, x: Array) -> Array:
    """The inverse of erf on [-1, 1]; NaN outside."""
    a = ns.abs(x)
    middle = a <= 0.85
    q = ns.where(middle, x, 0.0) / 2
    inner = q * _ratio(0.180625 - q * q, _MIDDLE_P, _MIDDLE_Q)
    inside = a < 1
    r = ns.sqrt(-ns.log((1 - ns.where(inside & ~middle, a, 0.9)) / 2))
    outer = ns.where(
        r <= 5, _ratio(ns.minimum(r, 5.0) - 1.6, _OUTER_P, _OUTER_Q), _ratio(ns.maximum(r, 5.0) - 5, _FAR_P, _FAR_Q)
    )
    outer = ns.where(inside, outer, ns.where(a == 1, math.inf, a * math.nan))
    return ns.where(middle, inner, ns.where(x < 0, -outer, outer)) * math.sqrt(0.5)
