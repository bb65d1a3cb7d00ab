"""Extensions of the array standard that compute: sums, steps of optimizers, activations, special functions, running reductions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_edu.backends import _attention, _bessel, _gamma, _incomplete_gamma, _rules, _special
from tinygrad_edu.backends._face import HALF, Array, Face, host, in_single, name_of


class Arithmetic(Face):
    """What is computed element by element, and along dimensions."""

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Array:
        """The sum over axes; of booleans, which the standard does not add, how many are true."""
        if x.dtype == self.bool:
            x = self.astype(x, self.int64)
        return self.namespace.sum(x, axis=axis, keepdims=keepdims, dtype=dtype)

    def add_into(self, x: Array, y: Array) -> Array:
        """``x + y``, in place of ``x`` where arrays are mutable; ``x`` must be ours."""
        x += y
        return x

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        """x Wᵀ + b for matrices x (N, I) and W (O, I); without b where it is None."""
        out = self.matmul(x, weight.T)
        return out if bias is None else self.add_into(out, bias)

    def sum_squares(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """The sum of the squares of all elements, or over ``axis``; of half precision in single precision."""
        ns = self
        if name_of(x.dtype) in HALF:
            x = ns.astype(x, ns.float32)
        return ns.sum(x * x, axis=axis, keepdims=keepdims)

    def total_squares(self, arrays: Sequence[Array]) -> Array:
        """The sum of the squares of all elements of all arrays (at least one)."""
        return functools.reduce(lambda x, y: x + y, map(self.sum_squares, arrays))

    def scale_all_into(self, arrays: Sequence[Array], factor: Array) -> list[Array]:
        """:meth:`scale_into` for several arrays."""
        return [self.scale_into(a, factor) for a in arrays]

    def scale_into(self, x: Array, factor: Array) -> Array:
        """``x · factor`` for a factor without dimensions, in place of ``x`` where arrays are mutable; ``x`` must be ours."""
        x *= self.namespace.astype(factor, x.dtype)
        return x

    # Optimizer steps -------------------------------------------------------------------------------------------------

    def mix(self, y: Array, b: float, x: Array, a: float) -> Array:
        """b · y + a · x for numbers a and b, in place of ``y`` where arrays are mutable; ``y`` must be ours."""
        if not self.mutable:
            return y * b + x * a
        y *= b
        y += x * a
        return y

    def apply_rule(self, rule: Callable[..., tuple[Array, ...]], held: list[list[Array]], elementwise: bool) -> None:
        """Run an optimizer's rule for several parameters.

        Parameters
        ----------
        rule : callable
            ``rule(p, g, *state)`` returns the new p and state; by :meth:`mix` it may write on what it gets, but for the
            gradient g.
        held : list of [p, g, *state]
            The arrays of each parameter, overwritten, or replaced in the lists where arrays cannot be written. All have the
            same types.
        elementwise : bool
            Whether the rule treats every element alike, so that arrays may be cut, joined and reshaped.
        """
        _rules.apply(self, rule, held, elementwise)

    @in_single
    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + e⁻ˣ), written with e to the power of -|x| so that nothing overflows."""
        e = self.namespace.exp(-self.namespace.abs(x))
        return self.namespace.where(x >= 0, 1 / (1 + e), e / (1 + e))

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return self.namespace.maximum(x, self.namespace.zeros_like(x))

    @in_single
    def softmax(self, x: Array, axis: int) -> Array:
        """exp(x - max) / Σ exp(x - max) along an axis."""
        e = self.namespace.exp(x - self.namespace.max(x, axis=axis, keepdims=True))
        return e / self.namespace.sum(e, axis=axis, keepdims=True)

    def log_softmax(self, x: Array, axis: int) -> Array:
        """x - ln Σ exp(x) along an axis, without overflow."""
        ns = self.namespace
        centred = x - ns.max(x, axis=axis, keepdims=True)
        return centred - ns.log(ns.sum(ns.exp(centred), axis=axis, keepdims=True))

    # Attention, whose arguments are q, k, v, mask, causal, scale and dropout; _attention.py says what they are ----------

    def attention(self, *args: Any) -> tuple[Array, Array]:
        """The result, and what :meth:`attention_backward` needs of each row's sum."""
        return _attention.attention(self, *args)

    def attention_backward(
        self, g: Array, args: tuple[Any, ...], out: Array, sums: Array, needed: Sequence[bool]
    ) -> tuple[Any, ...]:
        """The gradients of queries, keys, values and mask, as far as they are needed."""
        return _attention.attention_backward(self, g, args, out, sums, needed)

    def attention_kept(self, dropout: tuple[float, int], shape: tuple[int, ...], rows: slice) -> Array:
        """Which weights of some rows of (B, H, L, S) :meth:`attention` keeps with a probability and a seed of dropout."""
        return self.from_host(host().attention_kept(dropout, shape, rows), self.index)

    def in_blocks(self, function: Callable[..., Any], *arrays: Array) -> Any:
        """``function(*arrays)``, an elementwise formula on arrays of one shape, in parts if that is faster."""
        return function(*arrays)

    def exp2(self, x: Array) -> Array:
        """Two to the power of x."""
        return 2.0**x

    @in_single
    def logaddexp2(self, x: Array, y: Array) -> Array:
        """log₂(2ˣ + 2ʸ)."""
        ns = self
        return ns.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)

    def fmod(self, x: Array, y: Any) -> Array:
        """The remainder with the sign of ``x``."""
        ns = self
        rest = ns.remainder(ns.abs(x), abs(y))
        return ns.where(x < 0, -rest, rest)

    def fmax(self, x: Array, y: Any) -> Array:
        """The larger, and the number where the other is NaN."""
        ns = self
        return ns.where(y != y, x, ns.where(x != x, y, ns.maximum(x, y)))

    def fmin(self, x: Array, y: Any) -> Array:
        """The smaller, and the number where the other is NaN."""
        ns = self
        return ns.where(y != y, x, ns.where(x != x, y, ns.minimum(x, y)))

    def erf(self, x: Array) -> Array:
        """The error function."""
        return _special.erf(self, x)

    def erfc(self, x: Array) -> Array:
        """1 - erf(x), exact where it is tiny."""
        return _special.erfc(self, x)

    def erfinv(self, x: Array) -> Array:
        """The inverse of the error function."""
        return _special.erfinv(self, x)

    def lgamma(self, x: Array) -> Array:
        """ln |Γ(x)|, in double precision on the way."""
        ns = self
        return ns.astype(_gamma.log_gamma(self.namespace, ns.astype(x, ns.float64)), x.dtype)

    def polygamma(self, n: int, x: Array) -> Array:
        """The (n + 1)-th derivative of ln Γ(x), in double precision on the way."""
        ns = self
        return ns.astype(_gamma.poly_gamma(self.namespace, n, ns.astype(x, ns.float64)), x.dtype)

    def scaled_bessel(self, n: int, x: Array) -> Array:
        """e^-|x| I_n(x), with the modified Bessel function of the first kind."""
        ns: Any = self
        return ns.astype(_bessel.scaled_bessel(self.namespace, n, ns.astype(x, ns.float64)), x.dtype)

    def incomplete_gamma(self, a: Array, x: Array) -> tuple[Array, Array]:
        """The regularised incomplete gamma functions, the lower and the upper one, of arrays of one shape."""
        ns: Any = self
        lower, upper = _incomplete_gamma.incomplete_gamma(
            self.namespace, ns.astype(a, ns.float64), ns.astype(x, ns.float64)
        )
        return ns.astype(lower, x.dtype), ns.astype(upper, x.dtype)

    def nextafter(self, x: Array, y: Array) -> Array:
        """The number next to ``x`` on the way to ``y``."""
        return self.namespace.nextafter(x, y)

    def frexp(self, x: Array) -> tuple[Array, Array]:
        """m and e (int32) with x = m 2ᵉ and ½ ≤ |m| < 1; 0 for e where x is 0, infinite or no number."""
        ns: Any = self
        usual = ns.isfinite(x) & (x != 0)
        tiny = usual & (ns.abs(x) < ns.finfo(x.dtype).smallest_normal)
        y = ns.where(tiny, x * 2.0**64, ns.where(usual, x, 1.0))
        e = ns.floor(ns.log2(ns.abs(y))) + 1  # a logarithm may round to the next whole number: then it is one off
        half = ns.floor(e / 2)
        m = y * 2.0 ** (-half) * 2.0 ** (half - e)
        above, below = ns.astype(ns.abs(m) >= 1, x.dtype), ns.astype(ns.abs(m) < 0.5, x.dtype)
        e = e + above - below - 64 * ns.astype(tiny, x.dtype)
        m = m * (1 - above / 2 + below)
        return ns.where(usual, m, x), ns.astype(ns.where(usual, e, 0.0), ns.int32)

    # Running reductions along one axis, by doubling the reach -----------------------------------------------------------

    def _running(self, combine: Callable[[Array, Array], Array], x: Array, axis: int) -> Array:
        ns = self
        x = ns.moveaxis(x, axis, 0)
        reach = 1
        while reach < x.shape[0]:
            x = ns.concat([x[:reach, ...], combine(x[:-reach, ...], x[reach:, ...])], axis=0)
            reach *= 2
        return ns.moveaxis(x, 0, axis)

    def cumulative_prod(self, x: Array, axis: int, dtype: Any) -> Array:
        """The running product, computed in ``dtype``."""
        return self._running(lambda p, q: p * q, self.namespace.astype(x, dtype), axis)

    def cumulative_max(self, x: Array, axis: int) -> Array:
        """The largest element so far; NaN from the first NaN on."""
        return self._running(self.namespace.maximum, x, axis)

    def cumulative_min(self, x: Array, axis: int) -> Array:
        """The smallest element so far; NaN from the first NaN on."""
        return self._running(self.namespace.minimum, x, axis)

    @in_single
    def cumulative_logaddexp(self, x: Array, axis: int) -> Array:
        """The running ln Σ eˣ."""
        return self._running(self.namespace.logaddexp, x, axis)

    def linear_recurrence(self, a: Array, b: Array, axis: int) -> Array:
        """s[k] = a[k] s[k-1] + b[k] along ``axis``, from s[-1] = 0."""
        ns = self
        s, p = ns.moveaxis(b, axis, 0), ns.moveaxis(a, axis, 0)
        p = ns.concat([ns.zeros_like(p[:1, ...]), p[1:, ...]], axis=0)
        reach = 1
        while reach < s.shape[0]:
            s = ns.concat([s[:reach, ...], p[reach:, ...] * s[:-reach, ...] + s[reach:, ...]], axis=0)
            p = ns.concat([p[:reach, ...], p[reach:, ...] * p[:-reach, ...]], axis=0)
            reach *= 2
        return ns.moveaxis(s, 0, axis)
