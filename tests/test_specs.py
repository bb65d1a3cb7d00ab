"""Every public operation has a spec, and every spec's battery passes: values, derivatives, properties, hygiene, errors, PyTorch."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import check_types, check_values

from tinygrad_edu.testing import battery
from tinygrad_edu.testing.runner import examples
from tinygrad_edu.testing.specs import ALL_SPECS, operation_of, public_operations

# Operations whose spec is still to be written; it must not name what has one, and ends empty.
PENDING = set(
    """
    F.binary_cross_entropy_with_logits
    F.cross_entropy
    F.embedding
    F.fold
    F.l1_loss
    F.linear
    F.mse_loss
    F.nll_loss
    F.normalize
    F.one_hot
    F.pad
    F.unfold
    Tensor.__getitem__
    Tensor.bool
    Tensor.contiguous
    Tensor.cpu
    Tensor.cuda
    Tensor.double
    Tensor.expand
    Tensor.expand_as
    Tensor.float
    Tensor.half
    Tensor.index_add_
    Tensor.index_copy_
    Tensor.index_fill_
    Tensor.index_put_
    Tensor.int
    Tensor.long
    Tensor.masked_fill_
    Tensor.masked_scatter_
    Tensor.put_
    Tensor.repeat
    Tensor.reshape_as
    Tensor.scatter_
    Tensor.scatter_add_
    Tensor.scatter_reduce_
    Tensor.type
    Tensor.type_as
    Tensor.unfold
    Tensor.view
    Tensor.view_as
    addbmm
    addmm
    addmv
    addr
    adjoint
    argwhere
    atleast_1d
    atleast_2d
    atleast_3d
    baddbmm
    bincount
    block_diag
    bmm
    broadcast_tensors
    broadcast_to
    bucketize
    cartesian_prod
    cat
    chain_matmul
    channel_shuffle
    cholesky
    cholesky_solve
    chunk
    column_stack
    combinations
    cross
    det
    diag
    diag_embed
    diagonal
    dot
    dropout
    dsplit
    dstack
    einsum
    flatten
    flip
    fliplr
    flipud
    gather
    histc
    hsplit
    hstack
    index_add
    index_copy
    index_fill
    index_put
    index_select
    inner
    inverse
    isin
    kron
    logdet
    masked_fill
    masked_scatter
    masked_select
    matmul
    matrix_power
    meshgrid
    mm
    movedim
    mv
    narrow
    nonzero
    outer
    permute
    pinverse
    pixel_shuffle
    pixel_unshuffle
    put
    qr
    ravel
    repeat_interleave
    reshape
    roll
    rot90
    scatter
    scatter_add
    scatter_reduce
    searchsorted
    select
    slogdet
    split
    split_with_sizes
    squeeze
    stack
    t
    take
    take_along_dim
    tensor_split
    tensordot
    tile
    trace
    transpose
    tril
    triu
    unbind
    unflatten
    unique
    unique_consecutive
    unsqueeze
    vander
    vsplit
    vstack
    """.split()
)

test_battery = battery(*ALL_SPECS)


def covered():
    """The public names of everything that a spec is about; an alias counts with its operation."""
    operations = public_operations()
    named = {operation_of(s) for s in ALL_SPECS}
    named |= {f"Tensor.{method}" for s in ALL_SPECS for method in s.inplace.split()}
    functions = {id(s.function) for s in ALL_SPECS}
    return {name for name, f in operations.items() if name in named or id(f) in functions}


def test_every_public_operation_has_a_spec():
    assert sorted(set(public_operations()) - covered() - PENDING) == []


def test_pending_names_are_operations_without_a_spec():
    assert sorted(PENDING - (set(public_operations()) - covered())) == []


def test_names_of_specs_are_unique():
    names = [s.name for s in ALL_SPECS]
    assert sorted({n for n in names if names.count(n) > 1}) == []


@pytest.mark.parametrize("spec", [s for s in ALL_SPECS if s.torch], ids=lambda s: s.name)
def test_values_gradients_and_types_are_those_of_pytorch(spec):
    torch = pytest.importorskip("torch")

    @settings(max_examples=examples())
    @given(case=spec.inputs if spec.kinks is None else spec.inputs | spec.kinks, seed=st.integers(0, 2**16))
    def test(case, seed):
        check_values(torch, spec, case, seed)
        check_types(torch, spec, case)

    test()
