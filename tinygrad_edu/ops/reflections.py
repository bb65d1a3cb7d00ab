"""Products of reflections, in which QR decompositions keep an orthogonal matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import check_tensors
from tinygrad_edu.ops._matrix import check_matrix
from tinygrad_edu.ops._types import xp
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.shape import expand, unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def _identity(like: Tensor, rows: int, columns: int) -> Tensor:
    """Ones on the diagonal, in the type and on the device of another matrix."""
    return function.Tensor._wrap(xp(like._data).eye(rows, columns, dtype=like._data.dtype))


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of reflections I - τᵢ vᵢ vᵢᵀ, as a QR decomposition keeps them.

    Parameters
    ----------
    input : Tensor, (…, M, N)
        The part of column i below the diagonal is that of vᵢ, whose i-th element is 1, with zeros above.
    tau : Tensor, (…, K)
        At most N of them.

    Returns
    -------
    Tensor, (…, M, N)

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.linalg.householder_product(tg.tensor([[0.0], [1.0]]), tg.tensor([1.0]))
    tensor([[ 0.],
            [-1.]])
    """
    name = "householder_product"
    check_tensors(name, input=input, tau=tau)
    check_matrix(name, input)
    shape, count = tuple(input.shape), tuple(tau.shape)[-1:]
    if (
        len(shape) < 2
        or shape[-2] < shape[-1]
        or tuple(tau.shape)[:-1] != shape[:-2]
        or not count
        or count[0] > shape[-1]
    ):
        raise ValueError(
            f"{name}: expected a matrix (…, M, N) with M ≥ N and at most N factors (…, K), got {shape} and {tuple(tau.shape)}"
        )
    *lead, m, n = shape
    out: Any = expand(_identity(input, m, n), shape)
    for i in reversed(range(count[0])):
        head = [input.new_zeros((*lead, i, 1)), input.new_ones((*lead, 1, 1))]
        v = cat([*head, narrow(narrow(input, -1, i, 1), -2, i + 1, m - i - 1)], -2)
        out = out - unsqueeze(narrow(tau, -1, i, 1), -1) * matmul(v, matmul(v.mT, out))
    return out
