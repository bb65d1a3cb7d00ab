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
    F.elu
    F.embedding
    F.fold
    F.gelu
    F.glu
    F.hardsigmoid
    F.hardswish
    F.hardtanh
    F.l1_loss
    F.leaky_relu
    F.linear
    F.logsigmoid
    F.mish
    F.mse_loss
    F.nll_loss
    F.normalize
    F.one_hot
    F.pad
    F.relu6
    F.silu
    F.softmin
    F.softplus
    F.softshrink
    F.softsign
    F.tanhshrink
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
    Tensor.where
    abs
    acos
    acosh
    add
    addbmm
    addcdiv
    addcmul
    addmm
    addmv
    addr
    adjoint
    all
    allclose
    amax
    amin
    aminmax
    any
    argmax
    argmin
    argsort
    asin
    asinh
    atan
    atan2
    atanh
    atleast_1d
    atleast_2d
    atleast_3d
    baddbmm
    bitwise_and
    bitwise_left_shift
    bitwise_not
    bitwise_or
    bitwise_right_shift
    bitwise_xor
    block_diag
    bmm
    broadcast_tensors
    broadcast_to
    cartesian_prod
    cat
    ceil
    celu
    chain_matmul
    channel_shuffle
    cholesky
    cholesky_solve
    chunk
    clamp
    clamp_max
    clamp_min
    clone
    column_stack
    combinations
    copysign
    cos
    cosh
    count_nonzero
    cross
    cummax
    cummin
    cumprod
    cumsum
    cumulative_trapezoid
    deg2rad
    det
    diag
    diag_embed
    diagonal
    diff
    dist
    div
    dot
    dropout
    dsplit
    dstack
    einsum
    eq
    equal
    erf
    erfc
    erfinv
    exp
    exp2
    expm1
    flatten
    flip
    fliplr
    flipud
    float_power
    floor
    floor_divide
    fmax
    fmin
    fmod
    frac
    gather
    ge
    gt
    hardshrink
    heaviside
    hsplit
    hstack
    hypot
    index_select
    inner
    inverse
    isclose
    isfinite
    isinf
    isnan
    isneginf
    isposinf
    isreal
    kron
    kthvalue
    ldexp
    le
    lerp
    log
    log10
    log1p
    log2
    logaddexp
    logaddexp2
    logcumsumexp
    logdet
    logical_and
    logical_not
    logical_or
    logical_xor
    logit
    logsumexp
    lt
    masked_fill
    matmul
    matrix_power
    max
    maximum
    mean
    median
    meshgrid
    min
    minimum
    mm
    mode
    movedim
    msort
    mul
    mv
    nan_to_num
    nanmean
    nanmedian
    nanquantile
    nansum
    narrow
    ne
    neg
    nonzero
    norm
    outer
    permute
    pinverse
    pixel_shuffle
    pixel_unshuffle
    positive
    pow
    prelu
    prod
    qr
    quantile
    rad2deg
    ravel
    reciprocal
    relu
    remainder
    repeat_interleave
    reshape
    roll
    rot90
    round
    rrelu
    rsqrt
    rsub
    select
    selu
    sigmoid
    sign
    signbit
    sin
    sinc
    sinh
    slogdet
    sort
    split
    split_with_sizes
    sqrt
    square
    squeeze
    stack
    std
    std_mean
    sub
    sum
    t
    tan
    tanh
    tensor_split
    tensordot
    threshold
    tile
    topk
    trace
    transpose
    trapezoid
    tril
    triu
    trunc
    unbind
    unflatten
    unsqueeze
    vander
    var
    var_mean
    vsplit
    vstack
    where
    xlogy
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
