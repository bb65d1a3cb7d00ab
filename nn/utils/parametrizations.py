"""Weights in polar coordinates, with a bounded singular value, orthogonal, or with elements dropped while training."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.creation import eye
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.linalg import householder_product, matrix_exp, qr, solve, vector_norm
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.utils.parametrize import register_parametrization
from tinygrad_edu.ops.elementwise import sign, where
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_drop", "weight_norm"]


def _weight_of(function: str, module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{function}: {module._get_name()} has no parameter or buffer {name!r}")
    return weight


# Weight norm -----------------------------------------------------------------------------------------------------------


def norm_except(v: Tensor, dim: int) -> Tensor:
    """The norm over all dimensions but one (-1: over all), keeping them with size 1."""
    dims = tuple(d for d in range(v.dim()) if dim == -1 or d != dim % max(v.dim(), 1))
    return vector_norm(v, 2, dims, True) if dims else v.abs()


class _WeightNorm(Module):
    """g · v / ‖v‖."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / norm_except(v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        norm = norm_except(weight, self.dim)
        return norm.reshape(()) if self.dim == -1 else norm, weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length g and the direction v of a weight apart: w = g · v / ‖v‖.

    Source: Salimans and Kingma, Weight normalization, NeurIPS (2016).

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        The parameter.
    dim : int or None, default 0
        The dimension along which there is a length each; None has one length for all.

    Returns
    -------
    Module
        The module itself, with ``parametrizations.weight.original0`` (g) and ``original1`` (v).

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> layer = weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    Size([40, 1])
    """
    _weight_of("weight_norm", module, name)
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def older_keys(_: Module, state: Any, prefix: str, *rest: Any) -> None:
        for i, letter in enumerate("gv"):
            if f"{prefix}{name}_{letter}" in state:
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(f"{prefix}{name}_{letter}")

    module.register_load_state_dict_pre_hook(older_keys)
    return module


# Spectral norm ---------------------------------------------------------------------------------------------------------


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight as a matrix whose rows belong to one dimension."""
    return weight.movedim(dim, 0).flatten(1)


def power_iteration(matrix: Tensor, u: Tensor, v: Tensor, steps: int, eps: float, v_first: bool = False) -> None:
    """Move ``u`` and ``v`` towards the first singular vectors of a matrix, in place."""
    with no_grad():
        for _ in range(steps):
            if v_first:
                v.copy_(F.normalize(matrix.mT @ u, dim=0, eps=eps))
            u.copy_(F.normalize(matrix @ v, dim=0, eps=eps))
            if not v_first:
                v.copy_(F.normalize(matrix.mT @ u, dim=0, eps=eps))


class _SpectralNorm(Module):
    """W / σ(W), with the largest singular value σ by power iteration."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.dim()
        if not -ndim <= dim < ndim:
            raise IndexError(f"spectral_norm: dim {dim} is out of range for a weight of {ndim} dimensions")
        if n_power_iterations < 1:
            raise ValueError(f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}")
        self.dim = dim % ndim
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        if ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            for name, n in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                self.register_buffer(name, F.normalize(matrix.new_empty(n).normal_(), dim=0, eps=eps))
            power_iteration(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iteration(matrix.detach(), self._u, self._v, self.n_power_iterations, self.eps)
        # Copies, since a second call moves u and v on while the graph of the first is still needed.
        u, v = self._u.clone(), self._v.clone()
        return weight / (u @ (matrix @ v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, so that the layer stretches nothing.

    The value is estimated by power iteration, of which every use in training mode does some steps, with the vectors u and v taken
    as constants by the derivative. Source: Miyato et al., Spectral normalization for generative adversarial networks, ICLR (2018).

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        The parameter.
    n_power_iterations : int, default 1
        How many steps.
    eps : float, default 1e-12
        The smallest norm to divide by.
    dim : int, optional
        The dimension of outputs: 1 in a transposed convolution, else 0.

    Returns
    -------
    Module
        The module itself.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = spectral_norm(nn.Linear(20, 40)).eval()
    >>> round(tg.linalg.matrix_norm(layer.weight, 2).item(), 1)
    1.0
    """
    weight = _weight_of("spectral_norm", module, name)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


# Orthogonal matrices ---------------------------------------------------------------------------------------------------

_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """An orthogonal matrix: the exponential or the Cayley map of a skew-symmetric one, or a product of reflections."""

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        self.trivial = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        q = self._reflected(x) if self.orthogonal_map == "householder" else self._turned(x)
        if self.trivial:
            q = self.base @ q
        return q.mT if wide else q

    def _turned(self, x: Tensor) -> Tensor:
        """From a skew-symmetric matrix, of which x is the lower triangle."""
        *lead, n, k = x.shape
        x = x.tril()
        if n != k:
            x = cat([x, x.new_zeros((*lead, n, n - k))], -1)
        skew = x - x.mT
        if self.orthogonal_map == "matrix_exp":
            return matrix_exp(skew)[..., :k]
        one = eye(n, dtype=x.dtype, device=x.device)
        return solve(one - skew / 2, one + skew / 2)[..., :k]

    def _reflected(self, x: Tensor) -> Tensor:
        """From reflections, whose vectors are the columns of x below the diagonal; the diagonal has signs."""
        below = x.tril(-1)
        factors = 2.0 / (1.0 + (below * below).sum(-2))
        signs = x.detach().diagonal(0, -2, -1).trunc()
        return householder_product(below, factors) * signs.unsqueeze(-2)

    def right_inverse(self, q: Tensor) -> Tensor:
        if tuple(q.shape) != self.shape:
            raise ValueError(f"orthogonal: expected a tensor of shape {self.shape}, got {tuple(q.shape)}")
        wide = q.shape[-2] < q.shape[-1]
        tall = q.mT if wide else q
        if not self.trivial:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    f"orthogonal: with {self.orthogonal_map!r} the weight can be assigned to with use_trivialization=True alone"
                )
            found = _reflectors(tall)
            return found.mT if wide else found
        self.base = _completed(tall.detach())
        # For this start all three maps give the identity, so that the weight is the base.
        start = q.new_zeros(q.shape)
        start.diagonal(0, -2, -1).fill_(-1)
        return start


def _completed(q: Tensor) -> Tensor:
    """A square orthogonal matrix whose first columns are those of q, which are made orthogonal where they are not."""
    *lead, n, k = q.shape
    if n == k and _is_orthogonal(q):
        return q.clone()
    more = q.new_empty((*lead, n, n - k)).normal_()
    basis, rest = qr(cat([q, more], -1))
    return basis * sign(rest.diagonal(0, -2, -1)).unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    n = q.shape[-1]
    eps = 10 * n * (2.2e-16 if q.dtype.bits == 64 else 1.2e-7)
    distance = q.mT @ q - eye(n, dtype=q.dtype, device=q.device)
    return bool((distance.abs() <= eps).all())


def _reflectors(q: Tensor) -> Tensor:
    """The vectors of the reflections that make q triangular, below a diagonal of signs."""
    rest = q.detach().clone()
    *lead, n, k = q.shape
    columns = []
    for i in range(k):
        x = rest[..., i:, i]
        head, size = x[..., :1], vector_norm(x, 2, -1, True)
        done = vector_norm(x[..., 1:], 2, -1, True) == 0 if n - i > 1 else head == head
        end = where(done, head, -where(head < 0, -1.0, 1.0).to(q.dtype) * size)
        tail = where(done, x[..., 1:] * 0, x[..., 1:] / where(done, head * 0 + 1, head - end))
        # Without a reflection the vector is 0 but for its first element, which the product takes for one: hence the sign.
        diagonal = where(done, -sign(end), sign(end))
        columns.append(cat([x.new_zeros((*lead, i)), diagonal, tail], -1))
        v = cat([head * 0 + 1, tail], -1).unsqueeze(-1)
        factor = where(done, head * 0, 2 / (1 + (tail * tail).sum(-1, keepdim=True))).unsqueeze(-1)
        part = rest[..., i:, :]
        rest = cat([rest[..., :i, :], part - factor * (v @ (v.mT @ part))], -2)
    return cat([c.unsqueeze(-1) for c in columns], -1)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight orthogonal: QᵀQ = 1, or QQᵀ = 1 where it is wider than tall.

    Source: Lezcano-Casado, Trivializations for gradient-based optimization on manifolds, NeurIPS (2019).

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        A parameter of two dimensions or more; the last two are those of the matrices.
    orthogonal_map : "matrix_exp", "cayley" or "householder", optional
        How a matrix becomes orthogonal: the exponential or the Cayley map of a skew-symmetric one, or a product of reflections. By
        default the exponential for square matrices, else reflections.
    use_trivialization : bool, default True
        Whether the map starts from the present weight, which can then be assigned to with every map.

    Returns
    -------
    Module
        The module itself.

    Raises
    ------
    ValueError
        When there is no such weight, it has fewer than two dimensions, or the map is unknown.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = orthogonal(nn.Linear(20, 40))
    >>> tg.allclose(layer.weight.mT @ layer.weight, tg.eye(20), atol=1e-5)
    True
    """
    weight = _weight_of("orthogonal", module, name)
    if weight.dim() < 2:
        raise ValueError(f"orthogonal: expected a weight of two dimensions or more, got shape {tuple(weight.shape)}")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal: orthogonal_map must be one of {', '.join(_MAPS)}, got {orthogonal_map!r}")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


# Weight drop -----------------------------------------------------------------------------------------------------------


class _WeightDrop(Module):
    """Dropout of a weight's elements."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, weight: Tensor) -> Tensor:
        return F.dropout(weight, self.p, self.training)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value

    def extra_repr(self) -> str:
        return f"p={self.p}"


def weight_drop(module: Module, name: str = "weight", p: float = 0.5) -> Module:
    """Drop elements of a weight with probability p while training, and scale the others by 1 / (1 - p).

    A layer reads its weight once a call, so a recurrent layer has the same connections at all of its steps: on
    ``"weight_hh_l0"`` of an LSTM this is the regularisation of recurrence that AWD-LSTM uses.
    Sources: Wan et al., Regularization of neural networks using DropConnect, ICML (2013); Merity, Keskar and Socher,
    Regularizing and optimizing LSTM language models, ICLR (2018).

    Parameters
    ----------
    module : Module
    name : str, default "weight"
        The parameter.
    p : float, default 0.5

    Returns
    -------
    Module
        The module itself, with ``parametrizations.weight.original``, which is trained.

    Raises
    ------
    ValueError
        When there is no such parameter, or `p` is not a probability.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> lstm = weight_drop(nn.LSTM(10, 100), "weight_hh_l0", p=0.5)
    >>> 0.4 < (lstm.weight_hh_l0 == 0).float().mean().item() < 0.6
    True
    >>> (lstm.eval().weight_hh_l0 == 0).any().item()
    False
    """
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"weight_drop: p must be a probability between 0 and 1, got {p!r}")
    _weight_of("weight_drop", module, name)
    register_parametrization(module, name, _WeightDrop(p))
    return module
