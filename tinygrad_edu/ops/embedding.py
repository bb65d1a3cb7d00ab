"""Rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops._types import bounds, nothing, shape_of, xp
from tinygrad_edu.ops.elementwise import where
from tinygrad_edu.ops.indexing import placed
from tinygrad_edu.ops.norms import norm
from tinygrad_edu.sparse import SparseGrad

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Embedding(Op):
    """Rows of a table; the gradient follows the rows that were looked up."""

    __slots__ = ("by_frequency", "dtype", "padding", "shape")

    def forward(self, weight: Any, rows: Any, padding: int | None, by_frequency: bool) -> Any:
        self.shape, self.dtype, self.padding, self.by_frequency = weight.shape, weight.dtype, padding, by_frequency
        self.saved = (rows,)
        return xp(weight).take_rows(weight, rows)

    def backward(self, g: Any) -> Any:
        (rows,) = self.saved
        ns = xp(rows)
        if self.padding is not None:
            g = where(ns.expand_dims(rows != self.padding, axis=-1), g, nothing(g))
        if self.by_frequency:
            ordered = ns.sort(
                ns.reshape(rows, (-1,))
            )  # a place for each row of the table would cost what the table costs
            ends = (ns.searchsorted(ordered, ns.reshape(rows, (-1,)), side=side) for side in ("right", "left"))
            counts = ns.reshape(ns.astype(next(ends) - next(ends), self.dtype), (*rows.shape, 1))
            g = g / counts
        if isinstance(g, function.Tensor):
            return placed(g, rows, self.shape)
        return SparseGrad(self.shape, self.dtype, [(rows, g)])


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Look up rows of ``weight`` (V, D) by the integers in ``input`` (any shape): result (*input, D).

    Parameters
    ----------
    padding_idx : int, optional
        A row that gets no gradient.
    max_norm : float, optional
        Rows that are looked up and have a larger norm are first scaled down to it, in place.
    norm_type : float, default 2.0
        The exponent of this norm.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a row by how often it is looked up here.
    sparse : bool, default False
        Accepted and without effect: gradients of tables are always kept by rows, until somebody reads ``weight.grad``.

    Raises
    ------
    IndexError
        When an index is outside of 0 … V-1.
    TypeError
        When ``input`` is not of an integer type.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> table = tg.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> tg.nn.functional.embedding(tg.tensor([1, 1]), table)
    tensor([[2., 3.],
            [2., 3.]])
    """
    if not isinstance(input, function.Tensor) or input.dtype.category != 1:
        raise TypeError(f"embedding: indices must be an integer tensor, got {describe(input)}")
    if len(shape_of(weight)) != 2:
        raise ValueError(f"embedding: the weight must have shape (V, D), got {tuple(weight.shape)}")
    v = weight.shape[0]
    if padding_idx is not None:
        if not -v <= padding_idx < v:
            raise ValueError(f"embedding: padding_idx {padding_idx} is outside of a table of {v} rows")
        padding_idx %= v
    rows = input._data
    low, high = bounds(rows)
    if low < 0 or high >= v:
        raise IndexError(f"embedding: index {low if low < 0 else high} is out of range for a table of {v} rows")
    if max_norm is not None:
        _limit_rows(weight, input, float(max_norm), norm_type)
    return run(Embedding(), (weight, input, padding_idx, scale_grad_by_freq))


@no_grad()
def _limit_rows(weight: Tensor, rows: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale rows that are longer than ``max_norm`` down to it."""
    rows = rows.reshape(-1)
    vectors = weight.detach()[rows]
    length = norm(vectors, norm_type, 1, True)
    weight[rows] = where(length > max_norm, vectors * (max_norm / (length + 1e-7)), vectors)
