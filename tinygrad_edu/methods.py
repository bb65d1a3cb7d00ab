"""Which operations are methods of Tensor: one line each, so that ``x.exp()`` is ``exp(x)``."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import inplace
from tinygrad_edu import random_inplace as rn
from tinygrad_edu.elementwise_methods import ElementwiseMethods, in_place
from tinygrad_edu.ops import (
    activation,
    calculus,
    convert,
    counting,
    decompositions,
    diagonal,
    distinct,
    einsum,
    extremes,
    indexing,
    linalg,
    lu,
    masking,
    matrix,
    matrix_functions,
    norms,
    overwriting,
    parts,
    products,
    rearrange,
    reduce,
    scan,
    searching,
    shape,
    sorting,
    statistics,
    strided,
    windows,
)
from tinygrad_edu.ops import gather as ga
from tinygrad_edu.ops import scatter as sc
from tinygrad_edu.ops import scatter_reduce as sr


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
    nansum, nanmean, logsumexp, count_nonzero = reduce.nansum, reduce.nanmean, reduce.logsumexp, reduce.count_nonzero
    any, all, equal, isclose, allclose = reduce.any, reduce.all, reduce.equal, reduce.isclose, reduce.allclose
    max, min, amax, amin, aminmax = extremes.max, extremes.min, extremes.amax, extremes.amin, extremes.aminmax
    argmax, argmin = extremes.argmax, extremes.argmin
    norm, dist, renorm, renorm_ = norms.norm, norms.dist, norms.renorm, norms.renorm_
    cov, corrcoef, sum_to_size = statistics.cov, statistics.corrcoef, reduce.sum_to_size
    cumsum, cumprod, logcumsumexp = scan.cumsum, scan.cumprod, scan.logcumsumexp
    cummax, cummin, diff = scan.cummax, scan.cummin, calculus.diff

    # Order
    argsort, sort, msort, topk, kthvalue = sorting.argsort, sorting.sort, sorting.msort, sorting.topk, sorting.kthvalue
    median, nanmedian, mode = sorting.median, sorting.nanmedian, sorting.mode
    quantile, nanquantile = sorting.quantile, sorting.nanquantile

    # Linear algebra
    matmul, mm, bmm, mv, dot = linalg.matmul, linalg.mm, linalg.bmm, linalg.mv, linalg.dot
    vdot = linalg.dot
    outer, ger, inner, kron, cross = linalg.outer, linalg.outer, einsum.inner, products.kron, products.cross
    addmm, addmv, addr, addbmm = products.addmm, products.addmv, products.addr, products.addbmm
    baddbmm = products.baddbmm
    diagflat, diag_embed, trace = diagonal.diagflat, diagonal.diag_embed, diagonal.trace
    diagonal, diag = diagonal.diagonal, diagonal.diag
    inverse, pinverse, det, logdet, slogdet = matrix.inverse, matrix.pinv, matrix.det, matrix.logdet, matrix.slogdet
    matrix_power, cholesky_solve = matrix.matrix_power, matrix.cholesky_solve
    cholesky, qr, svd = decompositions.cholesky, decompositions.qr, decompositions.svd_with_v
    cholesky_inverse, matrix_exp = lu.cholesky_inverse, matrix_functions.matrix_exp

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
    unfold, as_strided = windows.unfold_view, strided.as_strided
    contiguous, flip, fliplr, flipud = rearrange.contiguous, rearrange.flip, rearrange.fliplr, rearrange.flipud
    rot90, roll, repeat, tile = rearrange.rot90, rearrange.roll, rearrange.repeat, rearrange.tile
    repeat_interleave = rearrange.repeat_interleave
    tril, triu = shape.tril, shape.triu
    tril_, triu_ = in_place(shape.tril), in_place(shape.triu)

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
    gather, index_select, take, take_along_dim = ga.gather, ga.index_select, ga.take, ga.take_along_dim
    scatter, scatter_add, scatter_reduce = sc.scatter, sc.scatter_add, sr.scatter_reduce
    index_reduce, index_reduce_ = sr.index_reduce, sr.index_reduce_
    index_add, index_copy, index_fill = sc.index_add, sc.index_copy, sc.index_fill
    index_put, put = sc.index_put, sc.put
    masked_fill, masked_select = masking.masked_fill, masking.masked_select
    masked_scatter = masking.masked_scatter
    nonzero, argwhere = searching.nonzero, searching.argwhere
    unique, unique_consecutive = distinct.unique, distinct.unique_consecutive
    bincount, histc, histogram = counting.bincount, counting.histc, counting.histogram
    select_scatter, slice_scatter = overwriting.select_scatter, overwriting.slice_scatter
    diagonal_scatter, fill_diagonal_ = overwriting.diagonal_scatter, overwriting.fill_diagonal_

    # Types and devices
    type, type_as, cpu, cuda = convert.to_type, convert.type_as, convert.cpu, convert.cuda
    pin_memory, is_pinned = convert.pin_memory, convert.is_pinned
    float, double, half = convert.to_float32, convert.to_float64, convert.to_float16
    int, long, bool = convert.to_int32, convert.to_int64, convert.to_bool
    char, byte, short = convert.to_int8, convert.to_uint8, convert.to_int16

    # In place
    squeeze_, unsqueeze_, t_ = inplace.squeeze_, inplace.unsqueeze_, inplace.t_
    transpose_ = swapaxes_ = swapdims_ = inplace.transpose_
    scatter_, scatter_add_, scatter_reduce_ = sc.scatter_, sc.scatter_add_, sr.scatter_reduce_
    index_add_, index_copy_, index_fill_ = sc.index_add_, sc.index_copy_, sc.index_fill_
    index_put_, put_ = sc.index_put_, sc.put_
    masked_fill_, masked_scatter_ = masking.masked_fill_, masking.masked_scatter_
    addmm_, addmv_, addr_ = in_place(products.addmm), in_place(products.addmv), in_place(products.addr)
    addbmm_, baddbmm_ = in_place(products.addbmm), in_place(products.baddbmm)
    cumsum_, cumprod_ = in_place(scan.cumsum), in_place(scan.cumprod)
    copy_, fill_, zero_ = inplace.copy_, inplace.fill_, inplace.zero_
    uniform_, normal_, log_normal_ = rn.uniform_, rn.normal_, rn.log_normal_
    bernoulli_, exponential_, geometric_ = rn.bernoulli_, rn.exponential_, rn.geometric_
    cauchy_, random_ = rn.cauchy_, rn.random_

    # Random
    bernoulli, multinomial = rn.bernoulli, rn.multinomial
