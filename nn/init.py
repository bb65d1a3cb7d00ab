"""Filling parameters with their first values, in place and outside of any graph."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

from tinygrad_edu import linalg
from tinygrad_edu.absent import explain_missing
from tinygrad_edu.creation import arange, empty
from tinygrad_edu.creation import eye as identity
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops.elementwise import exp, square, where
from tinygrad_edu.random import rand, randn
from tinygrad_edu.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_edu.random import Generator

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "spectral_radius_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

P = ParamSpec("P")

_GAINS: dict[str, float] = {
    **dict.fromkeys(("linear", "sigmoid"), 1.0),
    **dict.fromkeys((f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to make up for what a nonlinearity takes from the variance of its input.

    Parameters
    ----------
    nonlinearity : str
        1 for ``"linear"``, ``"sigmoid"`` and convolutions, 5/3 for ``"tanh"``, √2 for ``"relu"``, 3/4 for ``"selu"`` and
        √(2 / (1 + slope²)) for ``"leaky_relu"``.
    param : float, optional
        The negative slope of ``"leaky_relu"``, 0.01 where it is left out.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, (int, float, type(None))):
            raise ValueError(f"calculate_gain: the negative slope of leaky_relu must be a number, got {param!r}")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"calculate_gain: no gain is known for {nonlinearity!r}; known are {known}")
    return _GAINS[nonlinearity]


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers from [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity: ones on the diagonal, zeros elsewhere.

    Raises
    ------
    ValueError
        When the tensor is no matrix.
    """
    if tensor.dim() != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tuple(tensor.shape)}")
    return tensor.copy_(identity(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make the weight of a convolution the identity: each output channel passes on the input channel of its number.

    Parameters
    ----------
    tensor : Tensor, (out channels, in channels / groups, kernel size in 1 to 3 dimensions)
        One in the middle of the kernel, zeros elsewhere; output channels without a partner are zero.
    groups : int, default 1
        Of the convolution; each has its own identity.

    Raises
    ------
    ValueError
        When the tensor has other dimensions, or its output channels do not fall into so many groups.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> nn.init.dirac_(tg.empty(2, 1, 3), groups=2).tolist()
    [[[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]]
    """
    if not 3 <= tensor.dim() <= 5:
        raise ValueError(f"dirac_: expected 3, 4 or 5 dimensions, got shape {tuple(tensor.shape)}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} output channels do not fall into {groups} groups")
    each = tensor.shape[0] // groups
    middle = [n // 2 for n in tensor.shape[2:]]
    tensor.zero_()
    for start in range(0, tensor.shape[0], max(each, 1)):
        for channel in range(min(each, tensor.shape[1])):
            tensor[(start + channel, channel, *middle)] = 1
    return tensor


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from N(0, std²) with a share of zeros, the same number in each column.

    Source: Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Parameters
    ----------
    sparsity : float
        The share of zeros, in [0, 1]; their number is rounded up.
    std : float

    Raises
    ------
    ValueError
        When the tensor is no matrix or `sparsity` no share.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> (nn.init.sparse_(tg.empty(10, 2), sparsity=0.75) == 0).sum(0)
    tensor([8, 8])
    """
    if tensor.dim() != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tuple(tensor.shape)}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity must be between 0 and 1, got {sparsity}")
    rows, columns = tensor.shape
    tensor.normal_(0, std, generator=generator)
    order = rand(rows, columns, device=tensor.device, generator=generator).argsort(0)
    return tensor.masked_fill_(order < math.ceil(sparsity * rows), 0)


@no_grad()
def spectral_radius_(
    tensor: Tensor, radius: float = 0.9, density: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill a square matrix with normal numbers, and scale it so that its largest eigenvalue has a given absolute value.

    States that go through such a recurrent matrix grow or fade by this factor a step. Source: Jaeger, The "echo state"
    approach to analysing and training recurrent neural networks (2001).

    Parameters
    ----------
    radius : float, default 0.9
        The spectral radius.
    density : float, default 1.0
        The share of elements that are not zero, in (0, 1].

    Raises
    ------
    ValueError
        When the tensor is no square matrix, `radius` negative, or `density` no share.
    RuntimeError
        When too few elements are left for an eigenvalue other than zero.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> w = nn.init.spectral_radius_(tg.empty(50, 50, dtype=tg.float64), 0.8)
    >>> tg.linalg.matrix_norm(tg.linalg.matrix_power(w, 2000)).item() < 0.81**2000
    True
    """
    if tensor.dim() != 2 or tensor.shape[0] != tensor.shape[1]:
        raise ValueError(f"spectral_radius_: expected a square matrix, got shape {tuple(tensor.shape)}")
    if radius < 0:
        raise ValueError(f"spectral_radius_: radius must not be negative, got {radius}")
    if not 0 < density <= 1:
        raise ValueError(f"spectral_radius_: density must be above 0 and at most 1, got {density}")
    tensor.normal_(generator=generator)
    if density < 1:
        tensor.masked_fill_(rand(tensor.shape, device=tensor.device, generator=generator) >= density, 0)
    found = _spectral_radius(tensor)
    if not found:
        raise RuntimeError(
            f"spectral_radius_: all eigenvalues of the matrix of shape {tuple(tensor.shape)} and density {density} are zero"
        )
    return tensor.mul_(radius / found)


def _spectral_radius(matrix: Tensor) -> float:
    """The largest absolute value of an eigenvalue, by Gelfand's formula lim ‖Aᵏ‖^(1/k) at k = 2⁴⁰, squaring again and again."""
    power, log = matrix.double(), 0.0
    for i in range(41):
        size = linalg.vector_norm(power).item()
        if size == 0:
            return 0.0
        log += math.log(size) / 2**i
        power = power / size
        power = power @ power
    return math.exp(log)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers, drawn again until they lie in [a, b].

    Parameters
    ----------
    mean, std : float
        Of the normal distribution before it is cut.
    a, b : float
        Limits, as values and not in standard deviations.

    Raises
    ------
    ValueError
        When the interval is empty or `std` is not positive.
    """
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_: expected a < b and std > 0, got a = {a}, b = {b}, std = {std}")
    low, high = (a - mean) / std, (b - mean) / std
    draws = _truncated_normal(tensor.numel(), low, high, tensor, generator)
    return tensor.copy_((draws * std + mean).clamp(a, b).reshape(tensor.shape))


def _truncated_normal(n: int, low: float, high: float, like: Tensor, generator: Generator | None) -> Tensor:
    """Standard normal numbers between two limits (n,), by rejection of uniform proposals."""
    mode = min(max(0.0, low), high)
    # Where the density is below e⁻³² of its peak in the interval nothing would ever be drawn: leave it out, so that a
    # useful share of proposals is accepted however far the limits are from each other or from 0.
    reach = math.sqrt(mode * mode + 64)
    low, high = max(low, -reach), min(high, reach)
    dtype = like.dtype if like.dtype.bits >= 32 else "float32"
    out = empty(n, dtype=dtype, device=like.device)
    pending = arange(n, device=like.device)
    while pending.numel():
        x = rand(pending.numel(), dtype=dtype, device=like.device, generator=generator) * (high - low) + low
        u = rand(pending.numel(), dtype=dtype, device=like.device, generator=generator)
        accepted = u < exp((mode * mode - square(x)) * 0.5)
        out[pending[accepted]] = x[accepted]
        pending = pending[~accepted]
    return out


def _calculate_fan_in_and_fan_out(tensor: Tensor, name: str = "init") -> tuple[int, int]:
    """How many inputs feed an output of the layer that has this weight, and how many outputs an input feeds."""
    if tensor.dim() < 2:
        raise ValueError(f"{name}: fan-in and fan-out need at least 2 dimensions, got shape {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from U(-a, a) with a = gain · √(6 / (fan_in + fan_out)).

    Keeps the variance of activations and of gradients from layer to layer where the nonlinearity is linear around 0.
    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> w = nn.init.xavier_uniform_(tg.empty(3, 3))
    >>> bool((w.abs() <= 1).all())
    True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor, "xavier_uniform_")
    bound = gain * math.sqrt(6 / max(fan_in + fan_out, 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from N(0, s²) with s = gain · √(2 / (fan_in + fan_out)); see :func:`xavier_uniform_`."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor, "xavier_normal_")
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(fan_in + fan_out, 1)), generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    if tensor.numel() == 0:
        warnings.warn(f"{name}: a tensor without elements has nothing to fill", stacklevel=3)
        return 0.0
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor, name)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from U(-b, b) with b = gain · √(3 / fan).

    Keeps the variance of activations (``"fan_in"``) or of gradients (``"fan_out"``) through rectifiers.
    Source: He et al., Delving deep into rectifiers, ICCV 2015.

    Parameters
    ----------
    a : float
        The negative slope of the rectifier after this layer, for ``"leaky_relu"``.
    mode : "fan_in" or "fan_out"
    nonlinearity : str
        Decides the gain: see :func:`calculate_gain`.
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from N(0, s²) with s = gain / √fan; see :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a random orthogonal matrix times `gain`; dimensions after the first count as one.

    A matrix with more rows than columns has orthonormal columns, any other has orthonormal rows.
    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, ICLR 2014.

    Raises
    ------
    ValueError
        When the tensor has fewer than 2 dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> q = nn.init.orthogonal_(tg.empty(4, 4))
    >>> (q @ q.T).allclose(tg.eye(4), atol=1e-5)
    True
    """
    if tensor.dim() < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    draws = randn(
        max(rows, columns),
        min(rows, columns),
        dtype=tensor.dtype if tensor.dtype.bits >= 32 else "float32",
        device=tensor.device,
        generator=generator,
    )
    q, r = linalg.qr(draws)
    q = q * where(r.diagonal() < 0, -1.0, 1.0)  # without this, some rotations would be likelier than others
    return tensor.copy_(((q.T if rows < columns else q) * gain).reshape(tensor.shape))


def _deprecated(fill: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """An older name of a function, which warns."""
    name = fill.__name__.removesuffix("_")

    @functools.wraps(fill)
    def deprecated(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        warnings.warn(f"nn.init.{name} is deprecated; use nn.init.{name}_", FutureWarning, stacklevel=2)
        return fill(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = name
    deprecated.__doc__ = f"Deprecated: the older name of :func:`{name}_`."
    return deprecated


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
sparse = _deprecated(sparse_)
orthogonal = _deprecated(orthogonal_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)

explain_missing(globals(), "nn.init")
