"""Running reductions along one dimension: sums, products, extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.dtypes import from_raw
from tinygrad_edu.function import RESULT, Op, run, run1
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._casting import widens
from tinygrad_edu.ops._reduction import ValuesAndIndices, in_single
from tinygrad_edu.ops._types import axis_of, kind_of, nothing, shape_of, to_float, xp
from tinygrad_edu.ops.elementwise import clone, exp, where
from tinygrad_edu.ops.gather import gather
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.rearrange import flip

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Cumsum(Op):
    __slots__ = ("axis",)
    keeps = ()

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        kind = from_raw(x.dtype)
        if kind.category == 0:  # which the standard does not add
            x = ns.astype(x, ns.int64)
        if not x.shape:
            return ns.astype(ns.copy(x), ns.int64) if kind.category < 2 else ns.copy(x)
        if kind.bits == 16 and kind.category == 2:  # accumulate in single precision
            return ns.astype(ns.cumulative_sum(x, axis=axis, dtype=ns.float32), x.dtype)
        return ns.cumulative_sum(x, axis=axis, dtype=ns.int64 if kind.category < 2 else x.dtype)

    def backward(self, g: Any) -> Any:
        if not g.shape:
            return g
        return flip(Cumsum.apply(flip(g, (self.axis,)), self.axis), (self.axis,))


@widens
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running sum along ``dim``: out[k] = Σ_{i≤k} x[i]; of integers as int64.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cumsum(tg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    return run1(Cumsum, input, axis_of(dim, len(shape_of(input))))


class Recurrence(Op):
    """s[k] = a[k] s[k-1] + b[k] along one dimension, from s[-1] = 0.

    Its adjoint runs the other way with the same factors, so derivatives of every order are recurrences too.
    """

    __slots__ = ("axis",)
    keeps = (0, RESULT)

    def forward(self, a: Any, b: Any, axis: int) -> Any:
        self.axis = axis
        out = xp(a).linear_recurrence(a, b, axis)
        self.saved = a, out
        return out

    def backward(self, g: Any) -> Any:
        a, s = self.saved
        gb = recurrence_from_behind(shifted(a, self.axis, back=True), g, self.axis)
        return gb * shifted(s, self.axis), gb


def recurrence_from_behind(a: Any, b: Any, axis: int) -> Any:
    """s[k] = a[k] s[k+1] + b[k], from nothing behind the end."""
    return flip(Recurrence.apply(flip(a, (axis,)), flip(b, (axis,)), axis), (axis,))


def shifted(x: Any, axis: int, fill: float = 0, back: bool = False) -> Any:
    """x[k-1], or x[k+1] with ``back``, and ``fill`` where there is no such element."""
    n = x.shape[axis]
    edge = nothing(narrow(x, axis, 0, 1)) + fill
    return cat([narrow(x, axis, 1, n - 1), edge] if back else [edge, narrow(x, axis, 0, n - 1)], axis)


class Cumprod(Op):
    """Each factor's gradient is what stands before it times a recurrence over what follows: no division, so zeros are right.

    Where no product is zero or too large, dividing by the factor gives the same with one running sum.
    """

    __slots__ = ("axis",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        ns = xp(x)
        kind = ns.int64 if from_raw(x.dtype).category < 2 else x.dtype
        out = ns.cumulative_prod(x, axis, kind) if x.shape else ns.astype(ns.copy(x), kind)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        if not x.shape or x.shape[self.axis] == 0:
            return g
        if can_divide_by_factors(out):
            return flip(Cumsum.apply(flip(g * out, (self.axis,)), self.axis), (self.axis,)) / x
        behind = recurrence_from_behind(shifted(x, self.axis, back=True), g, self.axis)
        return shifted(out, self.axis, fill=1) * behind


@widens
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running product along ``dim``: out[k] = Π_{i≤k} x[i]; of integers as int64.

    The gradient takes linear time and is right where factors are zero.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cumprod(tg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    if kind_of(input).category == 2 and kind_of(input).bits == 16:
        return in_single(cumprod, input, dim)
    return run1(Cumprod, input, axis_of(dim, len(input.shape)))


def can_divide_by_factors(products: Any) -> bool:
    """Whether all products are finite and none is zero, so that each factor can be divided out again."""
    raw = getattr(products, "_data", products)
    ns = xp(raw)
    return bool(ns.all(ns.isfinite(raw) & (raw != 0)))


def products_of_others(x: Any, axis: int) -> Any:
    """For each element along ``axis`` the product of all the others."""
    if x.shape[axis] == 0:
        return x
    before = shifted(Cumprod.apply(x, axis), axis, fill=1)
    behind = flip(shifted(Cumprod.apply(flip(x, (axis,)), axis), axis, fill=1), (axis,))
    return before * behind


class LogCumSumExp(Op):
    """The gradient sums g[k] e^(x[i] - y[k]) over k ≥ i, as a recurrence of factors between 0 and 1."""

    __slots__ = ("axis",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        out = xp(x).cumulative_logaddexp(x, axis)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        n = out.shape[self.axis]
        some = out != -float("inf")  # where nothing was summed yet the gradient is 0
        level = where(some, out, nothing(out))
        falls = narrow(level, self.axis, 0, n - 1) - narrow(level, self.axis, 1, n - 1)
        decay = exp(where(narrow(some, self.axis, 0, n - 1), falls, nothing(falls) - float("inf")))
        decay = cat([decay, nothing(narrow(level, self.axis, 0, 1))], self.axis)
        return exp(x - level) * recurrence_from_behind(decay, g, self.axis)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The running ln Σ eˣ along ``dim``: out[k] = ln Σ_{i≤k} exp(x[i]); nothing overflows.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.logcumsumexp(tg.tensor([1000.0, 1000.0]), dim=0)
    tensor([1000.0000, 1000.6932])
    """
    x = to_float(input)
    axis = axis_of(dim, len(shape_of(x)))
    if kind_of(x).bits == 16:
        return in_single(logcumsumexp, x, dim)
    return clone(x) if 0 in x.shape or not x.shape else run1(LogCumSumExp, x, axis)


class LastPlace(Op):
    """Where the extreme of what came so far stands; the last place where several tie."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axis: int, largest: bool) -> Any:
        ns = xp(x)
        top = ns.cumulative_max(x, axis) if largest else ns.cumulative_min(x, axis)
        place = ns.reshape(ns.arange(x.shape[axis]), tuple(-1 if i == axis else 1 for i in range(len(x.shape))))
        here = (x == top) | (x != x)
        return ns.cumulative_max(ns.where(here, place, ns.zeros_like(place)), axis)


def _running_extreme(x: Tensor, dim: int, largest: bool) -> ValuesAndIndices:
    axis = axis_of(dim, len(shape_of(x)))
    if not x.shape:
        return ValuesAndIndices(clone(x), x.new_zeros((), dtype=int))
    if kind_of(x).category == 0:
        found = _running_extreme(x.to("uint8"), dim, largest)
        return ValuesAndIndices(found.values.to(x.dtype), found.indices)
    places = run(LastPlace(), (x, axis, largest))
    return ValuesAndIndices(gather(x, axis, places), places)


def cummax(input: Tensor, dim: int) -> ValuesAndIndices:
    """The largest element so far along ``dim`` and where it stands: (values, indices).

    Where several tie, the last of them is named, and it alone gets the gradient.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cummax(tg.tensor([1.0, 3.0, 2.0]), dim=0).values
    tensor([1., 3., 3.])
    """
    return _running_extreme(input, dim, True)


def cummin(input: Tensor, dim: int) -> ValuesAndIndices:
    """The smallest element so far along ``dim`` and where it stands: (values, indices); ties as in :func:`cummax`."""
    return _running_extreme(input, dim, False)
