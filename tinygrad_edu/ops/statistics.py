"""How variables vary together, and how far apart points are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import describe
from tinygrad_edu.ops._reduction import require_float
from tinygrad_edu.ops._types import kind_of, shape_of, to_float
from tinygrad_edu.ops.diagonal import diagonal
from tinygrad_edu.ops.elementwise import clamp, sqrt, sub
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.norms import vector_norm
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def cov(input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of variables, one a row, of which each column is an observation: (V, N) → (V, V), or (N,) → ().

    C[i, j] = Σₖ wₖ (xᵢₖ - x̄ᵢ)(xⱼₖ - x̄ⱼ) / (Σₖ wₖ - correction)

    Parameters
    ----------
    correction : int
        1 for an unbiased estimate.
    fweights : Tensor of integers, optional
        How often each observation was made.
    aweights : Tensor, optional
        How much each observation counts.

    Raises
    ------
    ValueError
        When there are more than two dimensions, or weights don't fit, or are negative.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cov(tg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    shape = shape_of(input)
    if len(shape) > 2:
        raise ValueError(f"cov: expected at most two dimensions, got shape {shape}")
    x = reshape(to_float(input), (1, -1) if len(shape) < 2 else shape)
    n = x.shape[1]
    weights = None
    for name, w, category in (("fweights", fweights, 1), ("aweights", aweights, 2)):
        if w is None:
            continue
        if shape_of(w) != (n,) or kind_of(w).category != category:
            raise ValueError(f"cov: {name} must be {n} {('integers', 'fractions')[category - 1]}, got {describe(w)}")
        if bool((w.detach() < 0).any()):
            raise ValueError(f"cov: {name} must not be negative")
        weights = w if weights is None else weights * w
    if weights is None:
        total: Any = n
        divisor: Any = n - correction
        centred = sub(x, sum_(x, 1, True) / n if n else 0.0)
        scaled = centred
    else:
        total = sum_(weights)
        divisor = total - correction * (1 if aweights is None else sum_(weights * aweights) / total)
        centred = sub(x, sum_(x * weights, 1, True) / total)
        scaled = centred * weights
    if not isinstance(divisor, int):
        divisor = clamp(divisor, min=0)
    out = matmul(scaled, centred.mT) / (max(divisor, 0) if isinstance(divisor, int) else divisor)
    return out if len(shape) == 2 else reshape(out, ())


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables, one a row: covariances over both standard deviations, from -1 to 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.corrcoef(tg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if not c.shape:
        return c / c
    size = sqrt(diagonal(c))
    return clamp(c / unsqueeze(size, 1) / unsqueeze(size, 0), -1, 1)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The distance of every point of one set from every point of another: (…, P, M) and (…, R, M) → (…, P, R).

    d[i, j] = ‖x1[i] - x2[j]‖ₚ, computed from the differences, so that it is exact for points close together. ``compute_mode``, a hint
    at faster but less exact ways, is accepted and not needed.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.cdist(tg.tensor([[0.0, 0.0]]), tg.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    for what, x in (("x1", x1), ("x2", x2)):
        require_float("cdist", x)
        if len(shape_of(x)) < 2:
            raise ValueError(f"cdist: {what} must be a matrix of points or a batch of them, got shape {tuple(x.shape)}")
    if x1.shape[-1] != x2.shape[-1] or p < 0:
        raise ValueError(
            f"cdist: expected points of equally many numbers and p of at least 0, got {tuple(x1.shape)}, {tuple(x2.shape)} and p={p}"
        )
    return vector_norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distances of all pairs of points, (N, M) → (N (N - 1) / 2,): those of point 0 from all later ones, then of point 1, …

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.pdist(tg.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    from tinygrad_edu.creation import triu_indices

    require_float("pdist", input)
    if len(shape_of(input)) != 2 or p < 0:
        raise ValueError(f"pdist: expected a matrix of points and p of at least 0, got {tuple(input.shape)} and p={p}")
    n = input.shape[0]
    first, second = triu_indices(n, n, 1, device=input.device)
    return vector_norm(sub(getitem(input, first), getitem(input, second)), p, -1)
