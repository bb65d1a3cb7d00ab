"""Convolution over any number of dimensions, and its two adjoints.

The sum Σ y·ȳ of a convolution's result with a cotangent is linear in the input x, in the weight w and in ȳ. So there
are three
operations, each linear in two of them: the convolution (x, w → y), its adjoint by the input (ȳ, w → x̄), which is the
transposed convolution, and its adjoint by the weight (x, ȳ → w̄). The derivatives of each are the other two, to any order.

Each ``reference`` says what is computed, in plain operations on all windows of the padded input; it runs where the
backend has no kernel of that name. Shapes: x (N, C, *lengths), w (O, C/groups, *sizes), y (N, O, *counts), with
x[n, c, i·stride + k·dilation - padding] · w[o, c, k] summed over c and k in y[n, o, i].
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from tinygrad_edu import _state, function
from tinygrad_edu.errors import check_tensors, refuse_mixed
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._casting import lowered
from tinygrad_edu.ops._types import count, xp
from tinygrad_edu.ops.einsum import Contract
from tinygrad_edu.ops.padding import Pad
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import reshape
from tinygrad_edu.ops.windows import overlap_add, windows

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]  # before and after each dimension; negative numbers cut off
How = tuple[Sizes, Pairs, Sizes, int]  # stride, padding, dilation, groups


def _padded(x: Any, padding: Pairs, sign: int = 1) -> Any:
    """Zeros around the last dimensions, or (sign -1) the adjoint, which cuts as much off."""
    if not any(map(any, padding)):
        return x
    lead = ((0, 0),) * (len(x.shape) - len(padding))
    return run(Pad(), (x, (*lead, *((sign * a, sign * b) for a, b in padding)), 0))


def _columns(x: Any, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Any:
    """All windows as columns, (N, groups, C/groups·sizes, counts)."""
    w = windows(_padded(x, padding), sizes, stride, dilation)
    return reshape(w, (x.shape[0], groups, x.shape[1] // groups * count(sizes), count(w.shape[-len(sizes) :])))


def _counts(lengths: Sizes, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    """How many windows there are in each dimension."""
    return tuple(
        (n + a + b - d * (k - 1) - 1) // s + 1
        for n, k, s, (a, b), d in zip(lengths, sizes, stride, padding, dilation, strict=True)
    )


class Convolution(Op):
    """y = w ∗ x + b; its derivatives are the two adjoints."""

    __slots__ = ("how", "lengths", "sizes")
    keeps = (0, 1)

    @property
    def name(self) -> str:
        return f"conv{len(self.how[0])}d"

    def forward(self, x: Any, w: Any, b: Any, *how: Any) -> Any:
        self.how, self.lengths, self.sizes = how, tuple(x.shape[2:]), tuple(w.shape[2:])
        self.saved = x if self.needs(1) else None, w if self.needs(0) else None
        kernel = xp(x).kernels.get("conv")
        return kernel(x, w, b, *how) if kernel else self.reference(x, w, b, *how)

    @staticmethod
    def reference(x: Any, w: Any, b: Any, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Any:
        """Rows of the weight times columns of the input."""
        sizes = tuple(w.shape[2:])
        columns = _columns(x, sizes, stride, padding, dilation, groups)
        rows = reshape(w, (groups, w.shape[0] // groups, columns.shape[2]))
        counts = _counts(tuple(x.shape[2:]), sizes, stride, padding, dilation)
        y = reshape(rows @ columns, (x.shape[0], w.shape[0], *counts))
        return y if b is None else y + reshape(b, (-1, *(1 for _ in sizes)))

    def backward(self, g: Any) -> Any:
        x, w = self.saved
        gx = gw = None
        if self.needs(0) and self.needs(1):
            gx, gw = run(Gradients(), (x, w, g, *self.how))
        elif self.needs(0):
            gx = run(InputGradient(), (g, w, None, self.lengths, *self.how))
        elif self.needs(1):
            gw = run(WeightGradient(), (x, g, self.sizes, *self.how))
        return gx, gw, _by_bias(g) if self.needs(2) else None


class InputGradient(Op):
    """The adjoint of :class:`Convolution` by its input: g (N, O, *counts), w → (N, C, *lengths); plus b, the transposed
    convolution."""

    __slots__ = ("how", "sizes")
    keeps = (0, 1)

    @property
    def name(self) -> str:
        return f"conv_transpose{len(self.how[0])}d"

    def forward(self, g: Any, w: Any, b: Any, lengths: Sizes, *how: Any) -> Any:
        self.how, self.sizes = how, tuple(w.shape[2:])
        self.saved = g if self.needs(1) else None, w if self.needs(0) else None
        kernel = xp(g).kernels.get("conv_input_gradient")
        return kernel(g, w, b, lengths, *how) if kernel else self.reference(g, w, b, lengths, *how)

    @staticmethod
    def reference(
        g: Any, w: Any, b: Any, lengths: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
    ) -> Any:
        """Each element of g puts its copy of the weight where its window was."""
        n, sizes, counts = g.shape[0], tuple(w.shape[2:]), tuple(g.shape[2:])
        rows = reshape(w, (groups, w.shape[0] // groups, count(w.shape[1:])))
        columns = rows.mT @ reshape(g, (n, groups, w.shape[0] // groups, count(counts)))
        wide = tuple(m + a + b for m, (a, b) in zip(lengths, padding, strict=True))
        blocks = reshape(columns, (n, groups * w.shape[1], *sizes, *counts))
        x = _padded(overlap_add(blocks, wide, stride, dilation), padding, -1)
        return x if b is None else x + reshape(b, (-1, *(1 for _ in sizes)))

    def backward(self, gx: Any) -> Any:
        g, w = self.saved
        gg = run(Convolution(), (gx, w, None, *self.how)) if self.needs(0) else None
        gw = run(WeightGradient(), (gx, g, self.sizes, *self.how)) if self.needs(1) else None
        return gg, gw, _by_bias(gx) if self.needs(2) else None


class WeightGradient(Op):
    """The adjoint of :class:`Convolution` by its weight: x, g → (O, C/groups, *sizes)."""

    __slots__ = ("how", "lengths")
    keeps = (0, 1)

    @property
    def name(self) -> str:
        return f"conv{len(self.how[0])}d_weight"

    def forward(self, x: Any, g: Any, sizes: Sizes, *how: Any) -> Any:
        self.how, self.lengths = how, tuple(x.shape[2:])
        self.saved = x if self.needs(1) else None, g if self.needs(0) else None
        kernel = xp(x).kernels.get("conv_weight_gradient")
        return kernel(x, g, sizes, *how) if kernel else self.reference(x, g, sizes, *how)

    @staticmethod
    def reference(x: Any, g: Any, sizes: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Any:
        """Each weight gets the products of what it was multiplied with and what came of it, over all windows."""
        columns = _columns(x, sizes, stride, padding, dilation, groups)
        rows = reshape(g, (x.shape[0], groups, g.shape[1] // groups, columns.shape[3]))
        products = run(Contract(), (rows, columns, tuple("ngol"), tuple("ngcl"), tuple("goc")))
        return reshape(products, (g.shape[1], x.shape[1] // groups, *sizes))

    def backward(self, gw: Any) -> Any:
        x, g = self.saved
        gx = run(InputGradient(), (g, gw, None, self.lengths, *self.how)) if self.needs(0) else None
        return gx, run(Convolution(), (x, gw, None, *self.how)) if self.needs(1) else None


class Gradients(Op):
    """Both adjoints at once, since kernels can share work between them: x, w, g → (gx, gw)."""

    __slots__ = ("how",)
    keeps = (0, 1, 2)

    @property
    def name(self) -> str:
        return f"conv{len(self.how[0])}d_gradients"

    def forward(self, x: Any, w: Any, g: Any, *how: Any) -> Any:
        self.how = how
        self.saved = x, w, g
        kernel = xp(x).kernels.get("conv_gradients")
        if kernel:
            return kernel(x, w, g, *how)
        gx = InputGradient.reference(g, w, None, tuple(x.shape[2:]), *how)
        return gx, WeightGradient.reference(x, g, tuple(w.shape[2:]), *how)

    def backward(self, ggx: Any, ggw: Any) -> Any:
        x, w, g = self.saved
        lengths, sizes, how = tuple(x.shape[2:]), tuple(w.shape[2:]), self.how
        gx = gw = gg = None
        if ggw is not None and self.needs(0):
            gx = run(InputGradient(), (g, ggw, None, lengths, *how))
        if ggx is not None and self.needs(1):
            gw = run(WeightGradient(), (ggx, g, sizes, *how))
        if self.needs(2):
            parts = [run(Convolution(), (ggx, w, None, *how))] if ggx is not None else []
            parts += [run(Convolution(), (x, ggw, None, *how))] if ggw is not None else []
            gg = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return gx, gw, gg


def _by_bias(g: Any) -> Any:
    """The gradient of the bias: the sum over all but the channels."""
    return sum_(g, (0, *range(2, len(g.shape))))


# What is called ------------------------------------------------------------------------------------------------------


def sizes_of(name: str, what: str, value: Any, n: int, least: int) -> Sizes:
    """One integer for each dimension, given as one number or as ``n``."""
    if type(value) is int and value >= least:
        return (value,) * n
    try:
        found = tuple(operator.index(v) for v in (value if isinstance(value, (tuple, list)) else (value,)))
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer or {n} of them, got {value!r}") from None
    found = found * n if len(found) == 1 else found
    if len(found) != n or min(found) < least:
        raise ValueError(f"{name}: {what} must be an integer from {least} on or {n} of them, got {value!r}")
    return found


def same_padding(sizes: Sizes, dilation: Sizes) -> Pairs:
    """The zeros that keep the size: as many before as after, and one more after where the number is odd."""
    totals = [d * (k - 1) for k, d in zip(sizes, dilation, strict=True)]
    return tuple((t // 2, t - t // 2) for t in totals)


def _checked(
    name: str, n: int, input: Any, weight: Any, bias: Any, groups: Any, transposed: bool
) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it had one; raises where tensors don't fit each other."""
    check_tensors(name, input=input, weight=weight, **({} if bias is None else {"bias": bias}))
    refuse_mixed(name, [t._data for t in (input, weight, bias) if isinstance(t, function.Tensor)])
    shape, kernel = tuple(input.shape), tuple(weight.shape)
    letters = ", ".join("DHW"[3 - n :] if n > 1 else "L")
    first, second = ("in", "out") if transposed else ("out", "in")
    if len(kernel) != n + 2:
        raise ValueError(
            f"{name}: the weight must have {n + 2} dimensions ({first}_channels, {second}_channels/groups, "
            f"and {n} of the window), got shape {kernel}"
        )
    if len(shape) not in (n + 1, n + 2):
        raise ValueError(f"{name}: expected an input (N, C, {letters}) or (C, {letters}), got shape {shape}")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or kernel[0] % groups:
        raise ValueError(
            f"{name}: groups must be a positive integer that divides {kernel[0]} {first}put channels, got {groups!r}"
        )
    if min(kernel) < 1:
        raise ValueError(f"{name}: the weight must not be empty, got shape {kernel}")
    channels = kernel[0] if transposed else kernel[1] * groups
    if shape[-n - 1] != channels:
        raise ValueError(
            f"{name}: a weight of shape {kernel} with groups={groups} expects {channels} input channels, got an input "
            f"of shape {shape} with {shape[-n - 1]}"
        )
    made = kernel[1] * groups if transposed else kernel[0]
    if bias is not None and tuple(bias.shape) != (made,):
        raise ValueError(f"{name}: the bias must have shape ({made},), got {tuple(bias.shape)}")
    for what, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.dtype is not input.dtype:
            raise TypeError(f"{name}: the input is {input.dtype} and the {what} {t.dtype}; convert one with .to(dtype)")
    batched = len(shape) == n + 2
    return (input if batched else reshape(input, (1, *shape))), batched


def convolve(
    n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Tensor:
    """``conv{n}d``: check, and run the operation."""
    name = f"conv{n}d"
    if _state.casting_threads:
        input, weight, bias = lowered(input, weight, bias)
    x, batched = _checked(name, n, input, weight, bias, groups, False)
    sizes, lengths = tuple(weight.shape[2:]), tuple(x.shape[2:])
    step = sizes_of(name, "stride", stride, n, 1)
    spread = sizes_of(name, "dilation", dilation, n, 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding must be 'same', 'valid' or integers, got {padding!r}")
        if padding == "same" and step != (1,) * n:
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride!r}")
        pairs = same_padding(sizes, spread) if padding == "same" else ((0, 0),) * n
    else:
        pairs = tuple((p, p) for p in sizes_of(name, "padding", padding, n, 0))
    if min(_counts(lengths, sizes, step, pairs, spread)) < 1:
        raise ValueError(
            f"{name}: no window of {sizes} with dilation {spread} fits into an input of {lengths} with padding {padding!r}"
        )
    y: Tensor = run(Convolution(), (x, weight, bias, step, pairs, spread, groups))
    return y if batched else reshape(y, tuple(y.shape[1:]))


def transpose_convolve(
    n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, extra: Any, groups: Any, dilation: Any
) -> Tensor:
    """``conv_transpose{n}d``: check, and run the adjoint of a convolution."""
    name = f"conv_transpose{n}d"
    if _state.casting_threads:
        input, weight, bias = lowered(input, weight, bias)
    x, batched = _checked(name, n, input, weight, bias, groups, True)
    step = sizes_of(name, "stride", stride, n, 1)
    spread = sizes_of(name, "dilation", dilation, n, 1)
    margin = sizes_of(name, "padding", padding, n, 0)
    more = sizes_of(name, "output_padding", extra, n, 0)
    if any(e >= max(s, d) for e, s, d in zip(more, step, spread, strict=True)):
        raise ValueError(
            f"{name}: output_padding must be smaller than the stride or the dilation, got {more} with stride {step} "
            f"and dilation {spread}"
        )
    sizes, counts = tuple(weight.shape[2:]), tuple(x.shape[2:])
    # As the adjoint of a convolution whose last elements, as many as output_padding says, no window reaches.
    pairs = tuple((p, p - e) for p, e in zip(margin, more, strict=True))
    lengths = tuple(
        (m - 1) * s + d * (k - 1) + 1 - a - b
        for m, s, d, k, (a, b) in zip(counts, step, spread, sizes, pairs, strict=True)
    )
    if min(lengths) < 1 or min(counts) < 1:
        raise ValueError(
            f"{name}: an input of {counts} with padding {margin} leaves nothing: the result would have size {lengths}"
        )
    y: Tensor = run(InputGradient(), (x, weight, bias, lengths, step, pairs, spread, groups))
    return y if batched else reshape(y, tuple(y.shape[1:]))
