"""Smooth activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from tinygrad_edu.function import Fused, Op
from tinygrad_edu.ops._casting import to_single
from tinygrad_edu.ops._types import axis_of, shape_of, to_float, xp
from tinygrad_edu.ops.elementwise._base import as_type_of, fill_in, floating, in_blocks, own_kernel, run_single
from tinygrad_edu.ops.elementwise.exponential import exp, sigmoid
from tinygrad_edu.ops.elementwise.extremes import minimum
from tinygrad_edu.ops.elementwise.hyperbolic import tanh
from tinygrad_edu.ops.elementwise.selection import where
from tinygrad_edu.ops.elementwise.signs import abs
from tinygrad_edu.ops.elementwise.special import erf

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

# For which mean 0 and variance 1 are a fixed point; see the paper that `selu` names.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946

GELU_CUBE = 0.044715
ROOT_2_OVER_PI = math.sqrt(2 / math.pi)


class Elu(Op):
    __slots__ = ("factors",)
    keeps = (0,)

    def forward(self, x: Any, alpha: float, scale: float, rate: float) -> Any:
        self.saved = (x,)
        self.factors = alpha, scale, rate
        ns = xp(x)

        def formula(x: Any) -> Any:
            return ns.maximum(x, 0) * scale + ns.expm1(ns.minimum(x, 0) * rate) * (alpha * scale)

        return ns.in_blocks(formula, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        alpha, scale, rate = self.factors
        below = alpha * scale * rate

        def slope(g: Any, x: Any) -> Any:
            return g * (exp(minimum(x, 0.0) * rate) * below + as_type_of(x > 0, g) * (scale - below))

        return in_blocks(slope, g, x)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, alpha (eˣ - 1) elsewhere; the derivative at 0 is alpha.

    Source: Clevert et al., Fast and accurate deep network learning by exponential linear units, ICLR (2016).
    """
    return fill_in(input, run_single(Elu, floating("elu", input), alpha, 1.0, 1.0), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The ELU scaled so that mean 0 and variance 1 are kept from layer to layer.

    Source: Klambauer et al., Self-normalizing neural networks, NeurIPS (2017).
    """
    return fill_in(input, run_single(Elu, floating("selu", input), SELU_ALPHA, SELU_SCALE, 1.0), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, alpha (e^(x / alpha) - 1) elsewhere; its derivative has no jump.

    Source: Barron, Continuously differentiable exponential linear units (2017).
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return fill_in(input, run_single(Elu, floating("celu", input), alpha, 1.0, 1.0 / alpha), inplace)


class Softplus(Op):
    __slots__ = ("settings",)
    keeps = (0,)

    def forward(self, x: Any, beta: float, threshold: float) -> Any:
        self.saved = (x,)
        self.settings = beta, threshold
        ns = xp(x)

        def formula(x: Any) -> Any:
            z = x * beta
            return ns.where(z > threshold, x, ns.log1p(ns.exp(ns.minimum(z, threshold))) / beta)

        return ns.in_blocks(formula, x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        beta, threshold = self.settings

        def slope(g: Any, x: Any) -> Any:
            z = x * beta
            return where(z > threshold, g, g * sigmoid(z))

        return in_blocks(slope, g, x)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """ln(1 + e^(beta x)) / beta, a smooth ReLU; x itself where beta · x is above the threshold."""
    return run_single(Softplus, to_single(floating("softplus", input)), beta, threshold)


class Softsign(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return x / (1 + xp(x).abs(x))

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        below = 1 + abs(x)
        return g / (below * below)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return run_single(Softsign, to_float(input))


class LogSigmoid(Op):
    __slots__ = ()
    keeps = (0,)

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        ns = xp(x)
        return ns.in_blocks(lambda x: ns.minimum(x, 0) - ns.log1p(ns.exp(-ns.abs(x))), x)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * sigmoid(-x)


def logsigmoid(input: Tensor) -> Tensor:
    """ln(1 / (1 + e⁻ˣ)), without overflow; d ln σ(x) = σ(-x) dx."""
    return run_single(LogSigmoid, floating("logsigmoid", input))


class Silu(Fused):
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        kernel = own_kernel("silu", x)
        if kernel is not None:
            self.saved = (x,)
            return kernel(x)
        ns = xp(x)
        s = ns.sigmoid(x)
        self.saved = x, s
        return x * s

    def backward(self, g: Any) -> Any:
        kernel = own_kernel("silu_backward", g)
        if kernel is not None:
            return kernel(g, *self.saved)
        return in_blocks(lambda g, x, s: g * (s * (1 + x * (1 - s))), g, *self.saved)

    @staticmethod
    def reference(x: Any) -> Any:
        return x * sigmoid(x)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · sigmoid(x), also called swish.

    Source: Elfwing et al., Sigmoid-weighted linear units, Neural Networks 107 (2018).
    """
    return fill_in(input, run_single(Silu, floating("silu", input)), inplace)


class Mish(Fused):
    __slots__ = ()

    def forward(self, x: Any) -> Any:
        kernel = own_kernel("mish", x)
        if kernel is not None:
            self.saved = (x,)
            return kernel(x)
        # With n = eˣ, tanh(ln(1 + n)) = n (n + 2) / (n (n + 2) + 2); above 20 it is 1 to the last digit.
        ns = xp(x)

        def formula(x: Any) -> Any:
            n = ns.exp(ns.minimum(x, 20))
            t = n * (n + 2)
            t = t / (t + 2)
            return x * t, t

        out, t = ns.in_blocks(formula, x)
        self.saved = x, t
        return out

    def backward(self, g: Any) -> Any:
        kernel = own_kernel("mish_backward", g)
        if kernel is not None:
            return kernel(g, *self.saved)
        return in_blocks(lambda g, x, t: g * (t + x * ((1 - t * t) * sigmoid(x))), g, *self.saved)

    @staticmethod
    def reference(x: Any) -> Any:
        return x * tanh(softplus(x))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x)).

    Source: Misra, Mish: a self regularized non-monotonic activation function, BMVC (2020).
    """
    return fill_in(input, run_single(Mish, floating("mish", input)), inplace)


class _Bent(Fused):
    """A formula whose derivative is computed along with it, since they share what is expensive; backward is one product."""

    __slots__ = ()
    kernel: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.kernel

    def forward(self, x: Any) -> Any:
        kernel = own_kernel(self.kernel, x)
        if kernel is not None:
            self.saved = (x,)
            return kernel(x)
        ns = xp(x)
        wanted = self.needs(0)
        kernel = ns.kernels.get(f"{self.kernel}_with_slope")
        if kernel is not None and x.dtype == ns.float32 and x.shape:
            out, slope = kernel(x, wanted)
        elif wanted:
            out, slope = ns.in_blocks(lambda x: self.both(ns, x), x)
        else:
            out, slope = ns.in_blocks(lambda x: self.both(ns, x)[0], x), None
        self.saved = x, slope
        return out

    def backward(self, g: Any) -> Any:
        kernel = own_kernel(f"{self.kernel}_backward", g)
        return xp(g).multiply(g, self.saved[1]) if kernel is None else kernel(g, *self.saved)

    @staticmethod
    def both(ns: Any, x: Any) -> tuple[Any, Any]:
        """Values and derivatives of raw arrays."""
        raise TypeError("a subclass says what it computes")


class Gelu(_Bent):
    __slots__ = ()
    kernel = "gelu"

    @staticmethod
    def both(ns: Any, x: Any) -> tuple[Any, Any]:
        share = 0.5 * (1 + ns.erf(x * math.sqrt(0.5)))
        density = ns.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        return x * share, share + x * density

    @staticmethod
    def reference(x: Any) -> Any:
        return x * (0.5 * (1 + erf(x * math.sqrt(0.5))))


class GeluTanh(_Bent):
    __slots__ = ()
    kernel = "gelu_tanh"

    @staticmethod
    def both(ns: Any, x: Any) -> tuple[Any, Any]:
        t = ns.tanh(ROOT_2_OVER_PI * (x + GELU_CUBE * (x * x * x)))
        inner = ROOT_2_OVER_PI * (1 + 3 * GELU_CUBE * (x * x))
        return 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * ((1 - t * t) * inner)

    @staticmethod
    def reference(x: Any) -> Any:
        return 0.5 * x * (1 + tanh(ROOT_2_OVER_PI * (x + GELU_CUBE * (x * x * x))))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), with the normal distribution function Φ.

    Parameters
    ----------
    approximate : "none" or "tanh"
        "tanh" replaces Φ(x) by (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    Raises
    ------
    ValueError
        For another name.

    Source: Hendrycks and Gimpel, Gaussian error linear units (2016).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.nn.functional.gelu(tg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return run_single(Gelu if approximate == "none" else GeluTanh, floating("gelu", input))


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b) of the two halves a and b of the input along ``dim``.

    Source: Dauphin et al., Language modeling with gated convolutional networks, ICML (2017).

    Raises
    ------
    ValueError
        When the size of the dimension is odd, or there is none.
    """
    x = floating("glu", input)
    if not shape_of(x):
        raise ValueError("glu: a tensor without dimensions has no halves")
    axis = axis_of(dim, len(x.shape))
    size = x.shape[axis]
    if size % 2:
        raise ValueError(f"glu: dimension {dim} must have an even size, got {size} in shape {tuple(x.shape)}")
    return x.narrow(axis, 0, size // 2) * sigmoid(x.narrow(axis, size // 2, size // 2))
