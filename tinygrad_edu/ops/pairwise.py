"""Forms of two inputs: the bilinear map, and the distances between all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._casting import promotes, widens
from tinygrad_edu.ops._types import count, shape_of
from tinygrad_edu.ops.einsum import einsum
from tinygrad_edu.ops.elementwise import sub
from tinygrad_edu.ops.elementwise._base import floating
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.norms import norm, vector_norm
from tinygrad_edu.ops.shape import reshape, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


@promotes
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """xᵀ A y + b, with a matrix A for each output.

    Parameters
    ----------
    input1 : Tensor, (…, I)
    input2 : Tensor, (…, J)
    weight : Tensor, (O, I, J)
    bias : Tensor, (O,), optional

    Returns
    -------
    Tensor, (…, O)

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> bilinear(tg.tensor([1.0, 2.0]), tg.tensor([3.0]), tg.ones(1, 2, 1))
    tensor([9.])
    """
    check_tensors("bilinear", input1=input1, input2=input2, weight=weight)
    left, right, middle = tuple(input1.shape), tuple(input2.shape), tuple(weight.shape)
    fits = len(middle) == 3 and left and right and left[:-1] == right[:-1]
    if not fits or (left[-1], right[-1]) != middle[1:] or (bias is not None and tuple(bias.shape) != middle[:1]):
        raise ValueError(
            f"bilinear: expected inputs (…, I) and (…, J), a weight (O, I, J) and a bias (O,), got {left}, {right}, {middle}"
            + (f" and {tuple(bias.shape)}" if bias is not None else "")
        )
    x, y = (reshape(v, (count(s[:-1]), s[-1])) for v, s in ((input1, left), (input2, right)))
    out = reshape(einsum("ni,oij,nj->no", x, weight, y), (*left[:-1], middle[0]))
    return out if bias is None else out + bias


@widens
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The distances ‖xᵢ - xⱼ‖ₚ between all pairs of rows i < j; where a distance is 0, so is its gradient.

    Parameters
    ----------
    input : Tensor, (N, M)
    p : float
        The exponent of the norm.

    Returns
    -------
    Tensor, (N (N - 1) / 2,)

    Raises
    ------
    ValueError
        When the input is no matrix or ``p`` is negative.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> pdist(tg.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    from tinygrad_edu.creation import triu_indices

    check_tensors("pdist", input=input)
    floating("pdist", input)
    if len(input.shape) != 2:
        raise ValueError(f"pdist: expected a matrix (N, M), got shape {tuple(input.shape)}")
    if p < 0:
        raise ValueError(f"pdist: p must not be negative, got {p}")
    n = input.shape[0]
    first, second = triu_indices(n, n, 1, device=input.device)
    return norm(getitem(input, first) - getitem(input, second), p, -1)


@widens
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
        if len(shape_of(floating("cdist", x))) < 2:
            raise ValueError(f"cdist: {what} must be a matrix of points or a batch of them, got shape {tuple(x.shape)}")
    if x1.shape[-1] != x2.shape[-1] or p < 0:
        raise ValueError(
            f"cdist: expected points of equally many numbers and p of at least 0, got {tuple(x1.shape)}, {tuple(x2.shape)} and p={p}"
        )
    return vector_norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)
