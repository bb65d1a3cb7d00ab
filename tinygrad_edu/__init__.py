"""tinygrad_edu: a deep-learning library that one person can read.

>>> import tinygrad_edu as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

from tinygrad_edu import backends
from tinygrad_edu._state import (
    enable_grad,
    get_default_dtype,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_default_dtype,
    set_grad_enabled,
)
from tinygrad_edu.backends import BackendError
from tinygrad_edu.device import device, get_default_device, set_default_device
from tinygrad_edu.dtypes import (
    DType,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    uint8,
    uint16,
    uint32,
    uint64,
)
from tinygrad_edu.dtypes import bool_ as bool
from tinygrad_edu.dtypes import float16 as half
from tinygrad_edu.dtypes import float32 as float
from tinygrad_edu.dtypes import float64 as double
from tinygrad_edu.dtypes import int16 as short
from tinygrad_edu.dtypes import int32 as int
from tinygrad_edu.dtypes import int64 as long
from tinygrad_edu.function import Function
from tinygrad_edu.tensor import Size, Tensor

# isort: split
from tinygrad_edu import autograd
from tinygrad_edu.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from tinygrad_edu.ops.activation import dropout, log_softmax, softmax
from tinygrad_edu.ops.elementwise import (
    abs,
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    ceil,
    clamp,
    clone,
    cos,
    div,
    eq,
    exp,
    expm1,
    floor,
    floor_divide,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    reciprocal,
    relu,
    remainder,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    trunc,
    where,
)
from tinygrad_edu.ops.indexing import argsort, gather, index_select, masked_fill, nonzero, sort, topk
from tinygrad_edu.ops.linalg import addmm, bmm, dot, matmul, mm, mv, outer
from tinygrad_edu.ops.reduce import (
    all,
    allclose,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumprod,
    cumsum,
    equal,
    isclose,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from tinygrad_edu.ops.shape import (
    broadcast_to,
    cat,
    chunk,
    concat,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    reshape,
    select,
    split,
    squeeze,
    stack,
    t,
    transpose,
    tril,
    triu,
    unbind,
    unflatten,
    unsqueeze,
)
from tinygrad_edu.random import (
    Generator,
    bernoulli,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)

__version__ = "0.1.0"
