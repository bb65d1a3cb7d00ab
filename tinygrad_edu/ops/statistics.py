"""How variables vary together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import kind_of, shape_of, to_float
from tinygrad_edu.ops.diagonal import diagonal
from tinygrad_edu.ops.elementwise import clamp, sqrt, sub
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def cov(input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of variables, one a row, of which each column is an observation: (V, N) → (V, V); of a single one → ().

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
    return reshape(out, ()) if x.shape[0] == 1 else out


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
