"""Every public operation has a spec, and every spec's battery passes: values, derivatives, properties, hygiene, errors, PyTorch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check_types, check_values

from tinygrad_edu.testing import battery
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
    F.logsigmoid
    F.mse_loss
    F.nll_loss
    F.normalize
    F.one_hot
    F.pad
    F.relu
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
    Tensor.int
    Tensor.long
    Tensor.repeat
    Tensor.reshape_as
    Tensor.type
    Tensor.type_as
    Tensor.unfold
    Tensor.view
    Tensor.view_as
    abs
    add
    addmm
    adjoint
    all
    allclose
    amax
    amin
    any
    argmax
    argmin
    argsort
    atleast_1d
    atleast_2d
    atleast_3d
    bitwise_and
    bitwise_not
    bitwise_or
    bitwise_xor
    block_diag
    bmm
    broadcast_tensors
    broadcast_to
    cartesian_prod
    cat
    ceil
    channel_shuffle
    chunk
    clamp
    clone
    column_stack
    combinations
    cos
    cumprod
    cumsum
    div
    dot
    dropout
    dsplit
    dstack
    eq
    equal
    exp
    expm1
    flatten
    flip
    fliplr
    flipud
    floor
    floor_divide
    gather
    ge
    gt
    hsplit
    hstack
    index_select
    isclose
    isfinite
    isinf
    isnan
    le
    log
    log1p
    logical_and
    logical_not
    logical_or
    logical_xor
    logsumexp
    lt
    masked_fill
    matmul
    max
    maximum
    mean
    meshgrid
    min
    minimum
    mm
    movedim
    mul
    mv
    narrow
    ne
    neg
    nonzero
    norm
    outer
    permute
    pixel_shuffle
    pixel_unshuffle
    pow
    prod
    ravel
    reciprocal
    relu
    remainder
    repeat_interleave
    reshape
    roll
    rot90
    round
    rsqrt
    select
    sigmoid
    sign
    sin
    sort
    split
    split_with_sizes
    sqrt
    square
    squeeze
    stack
    std
    sub
    sum
    t
    tanh
    tensor_split
    tile
    topk
    transpose
    tril
    triu
    trunc
    unbind
    unflatten
    unsqueeze
    var
    vsplit
    vstack
    where
    """.split()
)

test_battery = battery(*ALL_SPECS)


def covered():
    """The public names of everything that a spec is about; an alias counts with its operation."""
    operations = public_operations()
    named = {operation_of(s) for s in ALL_SPECS}
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

    @given(case=spec.inputs, seed=st.integers(0, 2**16))
    def test(case, seed):
        check_values(torch, spec, case, seed)
        check_types(torch, spec, case)

    test()
