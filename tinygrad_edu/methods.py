"""Which operations are methods of Tensor: one line each, so that ``x.exp()`` is ``exp(x)``."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.elementwise_methods import ElementwiseMethods, in_place
from tinygrad_edu.ops import (
    activation,
    convert,
    indexing,
    linalg,
    parts,
    rearrange,
    reduce,
    scatter,
    searching,
    shape,
    windows,
)


def _lazy(name: str) -> Any:
    """A method from ``inplace``, which is imported at the first call because it needs the Tensor."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        from tinygrad_edu import inplace

        return getattr(inplace, name)(self, *args, **kwargs)

    method.__name__ = name
    return method


class Methods(ElementwiseMethods):
    """The operations that are called as methods of a tensor."""

    __slots__ = ()

    # Operators
    __matmul__, __rmatmul__ = linalg.matmul, linalg.rmatmul
    __getitem__ = indexing.getitem
    __hash__ = object.__hash__

    softmax, log_softmax = activation.softmax, activation.log_softmax

    # Reductions
    sum, mean, prod, var, std = reduce.sum, reduce.mean, reduce.prod, reduce.var, reduce.std
    max, min, amax, amin, argmax, argmin = (
        reduce.max,
        reduce.min,
        reduce.amax,
        reduce.amin,
        reduce.argmax,
        reduce.argmin,
    )
    any, all, cumsum, cumprod = reduce.any, reduce.all, reduce.cumsum, reduce.cumprod
    logsumexp, norm = reduce.logsumexp, reduce.norm
    equal, isclose, allclose = reduce.equal, reduce.isclose, reduce.allclose

    # Products
    matmul, mm, bmm, mv, dot, outer = linalg.matmul, linalg.mm, linalg.bmm, linalg.mv, linalg.dot, linalg.outer

    # Shape
    reshape, view, view_as, reshape_as = shape.reshape, shape.view, shape.view_as, shape.reshape_as
    flatten, ravel, unflatten = shape.flatten, shape.ravel, shape.unflatten
    permute, transpose, t, adjoint = shape.permute, shape.transpose, shape.t, shape.adjoint
    swapaxes = swapdims = shape.transpose
    movedim = moveaxis = shape.movedim
    expand, expand_as, broadcast_to = shape.expand, shape.expand_as, shape.broadcast_to
    squeeze, unsqueeze = shape.squeeze, shape.unsqueeze
    narrow, select, split, split_with_sizes = parts.narrow, parts.select, parts.split, parts.split_with_sizes
    chunk, tensor_split, unbind = parts.chunk, parts.tensor_split, parts.unbind
    hsplit, vsplit, dsplit = parts.hsplit, parts.vsplit, parts.dsplit
    unfold = windows.unfold_view
    contiguous, flip, fliplr, flipud = rearrange.contiguous, rearrange.flip, rearrange.fliplr, rearrange.flipud
    rot90, roll, repeat, tile = rearrange.rot90, rearrange.roll, rearrange.repeat, rearrange.tile
    repeat_interleave = rearrange.repeat_interleave
    tril, triu = shape.tril, shape.triu

    @property
    def T(self) -> Any:
        """All dimensions in reverse order."""
        return shape.permute(self, tuple(reversed(range(len(self._data.shape)))))  # type: ignore[arg-type, attr-defined]

    @property
    def mT(self) -> Any:
        """The last two dimensions swapped."""
        return shape.adjoint(self)  # type: ignore[arg-type]

    @property
    def H(self) -> Any:
        """The transpose of a matrix (numbers are real, so nothing is conjugated)."""
        return shape.t(self)  # type: ignore[arg-type]

    mH = mT

    # Indexing
    gather, index_select, masked_fill = scatter.gather, scatter.index_select, scatter.masked_fill
    nonzero = searching.nonzero
    argsort, sort, topk = indexing.argsort, indexing.sort, indexing.topk

    # Types and devices
    type, type_as, cpu, cuda = convert.to_type, convert.type_as, convert.cpu, convert.cuda
    float, double, half = convert.to_float32, convert.to_float64, convert.to_float16
    int, long, bool = convert.to_int32, convert.to_int64, convert.to_bool

    # In place
    masked_fill_ = in_place(scatter.masked_fill)
    copy_, fill_, zero_ = _lazy("copy_"), _lazy("fill_"), _lazy("zero_")
    uniform_, normal_ = _lazy("uniform_"), _lazy("normal_")
