"""Elementwise operations beside PyTorch: special values, every mixture of types, refusals, gradients at kinks and ties.

The drawn batteries of `test_specs.py` prove the derivatives inside the domains; here stand the edges.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest
from helpers import leaf, on_the_cpu_only
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn
from tinygrad_edu.elementwise_methods import ElementwiseMethods
from tinygrad_edu.ops import elementwise as ew

inf, nan = math.inf, math.nan
FLOATS = np.array(
    [0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 0.3, 6, -6, 1e-3, 25, -25, inf, -inf, nan]
)  # kinks of most operations among them
DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 1.5e-3}


def values(dtype: str) -> np.ndarray:
    """Return special values of a type."""
    if dtype.startswith("float"):
        return FLOATS.astype(dtype)
    if dtype == "bool":
        return np.array([True, False])
    return np.array([0, 1, 2, 3, 5, 100] if dtype == "uint8" else [0, 1, -1, 2, -2, 3, -7, 100], dtype)


def attempt(f: Any, args: list[Any]) -> Any:
    """Return the result, or None when the arguments are refused."""
    try:
        return f(*args)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return None


def compare(ours: Any, theirs: Any, arrays: list[Any], *, skip: Any = None, gradients: bool = True) -> None:
    """Assert that both refuse, or that types, values and gradients agree; `skip(*arrays)` marks points left out."""
    torch = pytest.importorskip("torch")

    def tracked(x: Any) -> bool:
        return gradients and isinstance(x, np.ndarray) and x.dtype.kind == "f"

    mine = [tg.tensor(x, requires_grad=tracked(x)) if isinstance(x, np.ndarray) else x for x in arrays]
    other = [torch.tensor(x, requires_grad=tracked(x)) if isinstance(x, np.ndarray) else x for x in arrays]
    got, want = attempt(ours, mine), attempt(theirs, other)
    if want is None:
        return  # what PyTorch has no kernel for, we may have
    assert got is not None, "refused, though PyTorch computes it"
    assert str(got.dtype).split(".")[1] == str(want.dtype).split(".")[1]
    expected = want.detach().numpy()
    left_out = np.zeros(expected.shape, bool) if skip is None else np.broadcast_to(skip(*arrays), expected.shape)
    tolerance = TOLERANCE.get(expected.dtype.name, 0)
    same(got.detach().numpy(), expected, tolerance, tolerance * 1e-2, left_out)
    if not want.requires_grad:
        return
    cotangent = np.random.default_rng(0).normal(size=expected.shape).astype(expected.dtype)
    try:
        want.backward(torch.tensor(cotangent))
    except RuntimeError:
        return  # PyTorch has no derivative
    got.backward(tg.tensor(cotangent))
    # Where an argument is NaN or infinite, so is the derivative, or it is anything.
    for x in arrays:
        if isinstance(x, np.ndarray) and x.dtype.kind == "f" and not np.isfinite(x).all():
            left_out = left_out | ~np.isfinite(x)
    for a, b in zip(mine, other, strict=True):
        if getattr(b, "grad", None) is not None:
            assert a.grad.dtype is a.dtype
            loose = 1e-2 if expected.dtype == np.float16 else 1e-10 if expected.dtype == np.float64 else 5e-5
            same(
                a.grad.numpy(),
                b.grad.numpy(force=True),
                loose,
                loose,
                left_out if b.grad.shape == left_out.shape else False,
            )


def same(got: np.ndarray, want: np.ndarray, rtol: float, atol: float, left_out: Any) -> None:
    assert got.shape == want.shape
    fine = np.isclose(got.astype(float), want.astype(float), rtol=rtol, atol=atol, equal_nan=True) | left_out
    assert fine.all(), f"at {np.argwhere(~fine)[:5].tolist()}: {got[~fine][:5]}, PyTorch gives {want[~fine][:5]}"


UNARY = """
    neg reciprocal square sqrt rsqrt exp exp2 expm1 log log2 log10 log1p logit sigmoid sin cos tan asin acos atan sinc deg2rad
    rad2deg sinh cosh tanh asinh acosh atanh erf erfc erfinv abs sign signbit floor ceil round trunc frac nan_to_num relu isnan
    isinf isfinite isposinf isneginf isreal logical_not bitwise_not selu celu hardshrink rrelu clone
""".split()

# Where we differ on purpose: the points, and why.
DIFFERENT = {
    "sign": np.isnan,  # NaN stays NaN; PyTorch says 0
    "logit": lambda x: x == 0,  # the sign of the infinite derivative at -0
    "sinc": lambda x: (np.abs(x) < 0.01) & (x != 0) & (x.dtype != np.float64),  # PyTorch's derivative cancels near 0
}


@pytest.mark.parametrize("name", UNARY)
def test_one_operand_at_special_values(name: str) -> None:
    torch = pytest.importorskip("torch")
    for dtype in DTYPES:
        compare(getattr(tg, name), getattr(torch, name), [values(dtype)], skip=DIFFERENT.get(name))


BINARY = """
    add sub mul div pow float_power hypot logaddexp logaddexp2 xlogy atan2 copysign heaviside floor_divide remainder fmod maximum
    minimum fmax fmin eq ne lt le gt ge logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_left_shift
    bitwise_right_shift rsub
""".split()


def both_zero(x: Any, y: Any) -> Any:
    return (x == 0) & (y == 0)


DIFFERENT_2 = {
    "hypot": both_zero,  # 0 is a subgradient; PyTorch says NaN
    "xlogy": both_zero,  # constant in y at x = 0; PyTorch says NaN
    # PyTorch's derivative rounds x / y up to a whole number.
    "fmod": lambda x, y: np.isin(np.abs(y), np.array([1e-3, 0.3], y.dtype)) | (y == 0) | (x.dtype == np.float16),
    "div": lambda x, y: (np.asarray(x).dtype == np.float16) & (np.abs(y) < 0.01),  # y² underflows
    "pow": lambda x, y: (x == 0) & (np.signbit(x)),  # the sign of the infinite derivative at -0
    "float_power": lambda x, y: (x == 0) & (np.signbit(x)),
}


@pytest.mark.parametrize("name", BINARY)
def test_two_operands_of_every_mixture_of_types(name: str) -> None:
    torch = pytest.importorskip("torch")
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = (v.copy() for v in np.meshgrid(values(a), values(b), indexing="ij"))
        whole = x.dtype.kind != "f" and y.dtype.kind != "f"
        if name in ("floor_divide", "remainder", "fmod") and whole:
            y[y == 0] = 1
        if (name == "pow" and whole) or name.endswith("shift"):
            y = y if y.dtype.kind in "fb" else (np.abs(y) % 5).astype(b)
        compare(
            getattr(tg, name),
            getattr(torch, name),
            [x, y],
            skip=DIFFERENT_2.get(name),
            gradients=a == b and a != "bool",
        )


OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.floordiv, operator.mod),
    *(
        operator.eq,
        operator.lt,
        operator.ge,
        operator.and_,
        operator.or_,
        operator.xor,
        operator.lshift,
        operator.rshift,
    ),
]


@pytest.mark.parametrize("op", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("number", [2, -1, 0.5, True, 3.0], ids=str)
def test_python_numbers_on_either_side(op: Any, number: Any) -> None:
    for dtype in DTYPES:
        x = values(dtype)
        if dtype == "uint8" and number == -1:
            continue  # PyTorch wraps around; here the number does not fit the type
        if op in (operator.floordiv, operator.mod, operator.pow) and x.dtype.kind in "iu":
            x = np.abs(x)[1:4]
        if op is operator.pow and number is True and dtype == "bool":
            continue  # two booleans are refused here
        if op in (operator.lshift, operator.rshift):
            if number is True or number < 0:
                continue
            x = x if x.dtype.kind in "fb" else np.abs(x) % 5
        root = op is operator.pow and number in (0.5, -1)
        compare(lambda t: op(t, number), lambda t: op(t, number), [x], skip=(lambda v: v <= 0) if root else None)
        if not (op is operator.pow and number is True):  # which fails inside PyTorch
            compare(lambda t: op(number, t), lambda t: op(number, t), [x], skip=lambda v: np.abs(v) == 0)


@pytest.mark.parametrize("name", [*UNARY, *BINARY, "positive", "addcdiv", "clamp", "prelu", "digamma"])
def test_numbers_alone_are_refused(name: str) -> None:
    count = {"addcdiv": 3}.get(name, 2 if name in BINARY or name == "prelu" else 1)
    settings = [0.0, 1.0] if name == "clamp" else []
    with pytest.raises(TypeError, match=r"expected (a Tensor|the numbers|integers)"):
        getattr(tg, name)(*[1.5, 2.5, 3.5][:count], *settings)


@on_the_cpu_only("other libraries wrap such numbers round")
def test_a_number_that_does_not_fit_the_type_is_refused_by_name() -> None:
    with pytest.raises(OverflowError, match=r"^add: .* -1 .* uint8"):
        tg.tensor([1], dtype=tg.uint8) + -1


ACTIVATIONS = [
    *(("relu6",), ("leaky_relu",), ("leaky_relu", 0.2), ("elu",), ("elu", 0.5), ("selu",), ("celu", 2.0)),
    *(("threshold", 0.5, 7.0), ("hardtanh",), ("hardtanh", -2.0, 0.5), ("hardsigmoid",), ("hardswish",)),
    *(("softplus",), ("softplus", 2.0, 3.0), ("softsign",), ("silu",), ("mish",), ("gelu",), ("logsigmoid",)),
    *(("tanhshrink",), ("softshrink",), ("softshrink", 1.0), ("hardshrink", 1.0), ("rrelu",)),
]
ENDLESS = {"silu", "mish", "gelu", "softsign"}  # 0 · ∞ on the way
ROUGH = {"hardsigmoid", "gelu"}  # PyTorch's sixth has single precision; its erf cancels to the left


@pytest.mark.parametrize("case", ACTIVATIONS, ids=str)
def test_activations_at_special_values(case: Any) -> None:
    torch = pytest.importorskip("torch")
    name, *settings = case
    for dtype in DTYPES[:-1]:
        if name == "threshold" and not dtype.startswith("float"):
            continue  # refused here
        if name == "hardtanh" and dtype == "uint8":
            continue  # a negative limit does not fit the type
        if name in ROUGH and dtype != "float16":
            x = values(dtype)
            if dtype.startswith("float"):
                got = getattr(F, name)(tg.tensor(x)).numpy()
                want = getattr(torch.nn.functional, name)(torch.tensor(x)).numpy()
                keep = np.isfinite(x)
                np.testing.assert_allclose(got[keep], want[keep], rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)
            continue
        skip = (lambda x: np.isinf(x)) if name in ENDLESS else None
        compare(
            lambda x: getattr(F, name)(x, *settings),
            lambda x: getattr(torch.nn.functional, name)(x, *settings),
            [values(dtype)],
            skip=skip,
        )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: tg.clamp(x, -1, 1), lambda t, x: t.clamp(x, -1, 1)),
        (lambda x: tg.clamp(x, 0.5), lambda t, x: t.clamp(x, 0.5)),
        (lambda x: tg.clamp(x, max=2), lambda t, x: t.clamp(x, max=2)),
        (lambda x: tg.clamp(x, 2, -2), lambda t, x: t.clamp(x, 2, -2)),
        (lambda x: tg.round(x, decimals=1), lambda t, x: t.round(x, decimals=1)),
        (lambda x: tg.round(x, decimals=-1), lambda t, x: t.round(x, decimals=-1)),
        (lambda x: tg.nan_to_num(x, 1, 2, 3), lambda t, x: t.nan_to_num(x, 1, 2, 3)),
        (lambda x: tg.logit(x, 0.1), lambda t, x: t.logit(x, 0.1)),
        (lambda x: tg.addcmul(x, x, x, value=2), lambda t, x: t.addcmul(x, x, x, value=2)),
        (lambda x: tg.addcdiv(x, x, x, value=2), lambda t, x: t.addcdiv(x, x, x, value=2)),
        (lambda x: tg.lerp(x, x + 1, 0.75), lambda t, x: t.lerp(x, x + 1, 0.75)),
    ],
)
def test_settings(ours: Any, theirs: Any) -> None:
    torch = pytest.importorskip("torch")
    for dtype in [d for d in DTYPES if d not in ("uint8", "bool")]:
        tiny = (lambda x: np.abs(x) < 0.01) if dtype == "float16" else None  # 1 / x² is beyond half precision
        compare(ours, lambda x: theirs(torch, x), [values(dtype)], skip=tiny)


@pytest.mark.parametrize("mode", ["trunc", "floor"])
def test_rounded_quotients_of_every_mixture_of_types(mode: str) -> None:
    torch = pytest.importorskip("torch")
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = (v.copy() for v in np.meshgrid(values(a), values(b), indexing="ij"))
        if x.dtype.kind != "f" and y.dtype.kind != "f":
            y[y == 0] = 1
        compare(
            lambda p, q: tg.div(p, q, rounding_mode=mode),
            lambda p, q: torch.div(p, q, rounding_mode=mode),
            [x, y],
            gradients=a == b,
        )


def test_rounded_quotients_of_large_integers_are_exact() -> None:
    x, y = tg.tensor([2**62 + 1, -(2**62) - 1, 7, -7, 7, -7]), tg.tensor([3, 3, 2, 2, -2, -2])
    third = (2**62 + 1) // 3
    assert tg.div(x, y, rounding_mode="trunc").tolist() == [third, -third, 3, -3, -3, 3]


@given(x=st.integers(-(2**40), 2**40), y=st.integers(-(2**20), 2**20).filter(bool))
def test_remainders_fit_their_quotients(x: int, y: int) -> None:
    a, b = tg.tensor(x), tg.tensor(y)
    assert (tg.floor_divide(a, b) * b + tg.remainder(a, b)).item() == x
    assert (tg.div(a, b, rounding_mode="trunc") * b + tg.fmod(a, b)).item() == x


@pytest.mark.parametrize(("f", "quotient"), [(tg.remainder, tg.floor_divide), (tg.fmod, None)])
def test_the_derivative_of_a_remainder_is_the_whole_quotient(f: Any, quotient: Any) -> None:
    # 0.001 is a little more than a thousandth, so 1 holds it 999 times, though 1 / 0.001 rounds to 1000.
    x, y = leaf(1.0), leaf(0.001)
    f(x, y).backward()
    assert y.grad.item() == -999


def test_powers_at_the_edge_of_their_domain() -> None:
    x, y = leaf(0.0, 0.0, 0.0, 2.0), leaf(0.0, 2.0, 0.5, 0.0)
    out = x**y
    gx, gy = tg.autograd.grad(out.sum(), [x, y], create_graph=True)
    assert gx.tolist() == [0.0, 0.0, inf, 0.0]
    assert gy.tolist() == [0.0, 0.0, 0.0, math.log(2)]
    # d²(xʸ)/dx dy = xʸ⁻¹ (1 + y ln x), which is 1/x at y = 0.
    (mixed,) = tg.autograd.grad(gx[3], y)
    assert mixed[1].item() == 0.0 and mixed[3].item() == 0.5


def test_the_step_function_has_a_gradient_by_its_values_alone() -> None:
    x, values = leaf(-1.0, 0.0, 2.0), leaf(5.0, 6.0, 7.0)
    tg.heaviside(x, values).sum().backward()
    assert [x.grad.tolist(), values.grad.tolist()] == [[0.0] * 3, [0.0, 1.0, 0.0]]


def test_sinc_has_the_derivatives_of_its_power_series_at_zero() -> None:
    x = leaf(0.0, 1e-4)
    (first,) = tg.autograd.grad(tg.sinc(x).sum(), x, create_graph=True)
    (second,) = tg.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = tg.autograd.grad(second.sum(), x)
    np.testing.assert_allclose(first.detach().numpy(), [0.0, -(math.pi**2) / 3 * 1e-4], rtol=1e-7)
    np.testing.assert_allclose(second.detach().numpy(), [-(math.pi**2) / 3] * 2, rtol=1e-6)
    np.testing.assert_allclose(third.numpy(), [0.0, math.pi**4 / 5 * 1e-4], rtol=1e-6)


def test_where_limits_meet_the_result_depends_on_the_upper_one_alone() -> None:
    x, low, high = leaf(1.0, 2.0, 3.0), leaf(2.0, 2.0, 2.0), leaf(2.0, 2.0, 1.0)
    tg.clamp(x, low, high).sum().backward()
    assert [x.grad.tolist(), low.grad.tolist(), high.grad.tolist()] == [[0.0] * 3, [0.0] * 3, [1.0] * 3]
    y = leaf(1.0, 2.0)
    tg.clamp(y, 2.0, 2.0).sum().backward()
    assert y.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "clamp_min", "clamp_max"])
def test_ties_share_the_gradient_as_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    grid = np.arange(-1.0, 2.0)
    x, y = (v.copy() for v in np.meshgrid(grid, grid, indexing="ij"))
    compare(getattr(tg, name), getattr(torch, name), [x, y])


@pytest.mark.parametrize(("n", "weights"), [(3, 1), (3, 3), (2, 3), (1, 1)])
def test_prelu_broadcasts_its_weights_over_channels(n: int, weights: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(n).normal(size=(2, 3, 4, 2)[:n])
    x.flat[0] = 0
    compare(tg.prelu, torch.prelu, [x, np.linspace(-0.5, 0.5, weights) if weights > 1 else np.array([0.25])])


# Shapes and layouts ---------------------------------------------------------------------------------------------------


def layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the same numbers without dimensions, without elements, transposed and strided."""
    return {"0-d": np.asarray(x[0, 0]), "empty": x[:0], "transposed": x.T, "strided": x[::2, 1::2]}


@pytest.mark.parametrize("name", UNARY)
def test_layouts_of_one_operand(name: str) -> None:
    torch = pytest.importorskip("torch")
    kind = bool if name == "bitwise_not" else float
    x = np.random.default_rng(1).uniform(0.1, 0.9, (4, 6)).astype(kind)
    for part in layouts(x).values():
        compare(getattr(tg, name), getattr(torch, name), [part])


@pytest.mark.parametrize("name", [n for n in BINARY if not n.startswith(("bitwise", "rsub"))])
@pytest.mark.parametrize("shapes", [((), (3,)), ((2, 1), (3,)), ((0, 3), (1, 3)), ((2, 3), (1,)), ((), ())], ids=str)
def test_broadcasting_of_two_operands(name: str, shapes: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    compare(getattr(tg, name), getattr(torch, name), [np.asarray(rng.uniform(0.5, 2, s)) for s in shapes])


@pytest.mark.parametrize("name", sorted({name for name, *_ in ACTIVATIONS}))
def test_large_arrays_are_computed_like_small_ones(name: str) -> None:
    # Large ones are cut into blocks, which threads share; a broadcast cotangent and a strided input are not.
    f = getattr(F, name)
    settings = (0.5, -1.0) if name == "threshold" else ()
    data = 3 * np.random.default_rng(4).normal(size=(200, 1000)).astype(np.float32)
    g = np.cos(data)

    def run(x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        leaf = tg.tensor(x, requires_grad=True)
        out = f(leaf, *settings)
        out.backward(tg.tensor(cotangent))
        return out.detach().numpy(), leaf.grad.numpy()

    for got, want in zip(run(data, g), run(data[:20], g[:20]), strict=True):
        np.testing.assert_allclose(got[:20], want, rtol=1e-5, atol=1e-6)
    x = tg.tensor(data, requires_grad=True)
    f(x, *settings).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), run(data, np.ones_like(data))[1], rtol=1e-5, atol=1e-6)


# Precision ------------------------------------------------------------------------------------------------------------

GRID = np.concatenate([np.linspace(-6, 6, 4001), np.logspace(-300, 1.4, 400), -np.logspace(-300, 1.4, 400)])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_functions_have_full_relative_precision(name: str, dtype: str) -> None:
    x = GRID.astype(dtype)
    want = np.array([getattr(math, name)(v) for v in x.astype(np.float64)])
    rtol, smallest = 16 * np.finfo(dtype).eps, np.finfo(dtype).tiny
    np.testing.assert_allclose(getattr(tg, name)(tg.tensor(x)).numpy(), want, rtol=rtol, atol=smallest)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_inverse_of_erf_has_full_relative_precision(dtype: str) -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.tanh(GRID), 1 - np.logspace(-15, -1, 99), [1, -1]]).astype(dtype)
    want = special.erfinv(x.astype(np.float64))
    np.testing.assert_allclose(
        tg.erfinv(tg.tensor(x)).numpy(), want, rtol=16 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny
    )


@pytest.mark.parametrize(
    "name", ["silu", "mish", "gelu", "elu", "selu", "softplus", "softsign", "logsigmoid", "sigmoid"]
)
def test_half_precision_rounds_once(name: str) -> None:
    x = np.linspace(-8, 8, 999).astype(np.float16)
    f = getattr(F, name, None) or getattr(tg, name)
    exact = f(tg.tensor(x.astype(np.float64))).numpy()
    got = f(tg.tensor(x)).numpy()
    assert got.dtype == np.float16
    # In single precision 1 + erf(x) cancels far to the left.
    np.testing.assert_allclose(got, exact, rtol=2.0**-10, atol=1e-6 if name == "gelu" else 2.0**-24)


@pytest.mark.parametrize("n", range(5))
def test_gamma_functions_to_twelve_digits(n: int) -> None:
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-6.45, 30, 730), np.logspace(-8, 8, 99)])
    x = x[np.abs(x - np.round(x)) > 1e-3] if n else x
    # SciPy's polygamma is for positive numbers only.
    x = x if n < 2 else x[x > 0]
    want = special.gammaln(x) if n == 0 else special.digamma(x) if n == 1 else special.polygamma(n - 1, x)
    got = (
        tg.lgamma(tg.tensor(x)) if n == 0 else tg.digamma(tg.tensor(x)) if n == 1 else tg.polygamma(n - 1, tg.tensor(x))
    )
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-12)


def test_polygamma_mirrors_negative_numbers() -> None:
    # ψ⁽ⁿ⁾(x) = ψ⁽ⁿ⁾(x + 1) - (-1)ⁿ n! / xⁿ⁺¹, from the recurrence of Γ.
    x = np.linspace(-5.3, -0.3, 6)
    for n in range(5):
        here, next_one = (tg.polygamma(n, tg.tensor(v)).numpy() for v in (x, x + 1))
        np.testing.assert_allclose(here, next_one - (-1) ** n * math.factorial(n) / x ** (n + 1), rtol=1e-11)


def test_gamma_functions_at_the_ends() -> None:
    assert tg.lgamma(tg.tensor([0.0, -1.0, inf, 1.0, 2.0])).tolist() == pytest.approx([inf, inf, inf, 0, 0], abs=1e-6)
    assert tg.digamma(tg.tensor([0.0, -0.0, inf])).tolist() == [-inf, inf, inf]
    assert tg.digamma(tg.tensor(-1.0)).isnan().item()


def test_lerp_is_exact_at_both_ends() -> None:
    x, y = tg.tensor([0.1, 1e8]), tg.tensor([0.7, 1.0])
    for one, zero in ((1, 0), (tg.tensor(1.0), tg.tensor(0.0))):
        assert tg.lerp(x, y, one).tolist() == y.tolist() and tg.lerp(x, y, zero).tolist() == x.tolist()


# Names ----------------------------------------------------------------------------------------------------------------


def test_pytorchs_in_place_variants_are_there() -> None:
    torch = pytest.importorskip("torch")
    names = [n for n in vars(ElementwiseMethods) if not n.startswith("_")]
    here = {n for n in names if n.endswith("_")}
    there = {f"{n}_" for n in names if hasattr(torch.Tensor, f"{n}_")}
    assert here == there


def test_every_function_that_is_a_method_in_pytorch_is_one_here() -> None:
    torch = pytest.importorskip("torch")
    functions = {n for n in vars(ew) if n in tg.__all__ and callable(getattr(ew, n))}
    assert len(functions) > 100
    assert sorted(n for n in functions if hasattr(torch.Tensor, n) and not hasattr(tg.Tensor, n)) == []


@pytest.mark.parametrize(
    ("name", "others"),
    {
        "abs": "absolute",
        "neg": "negative",
        "trunc": "fix",
        "clamp": "clip",
        "mul": "multiply",
        "sub": "subtract",
        "div": "divide true_divide",
        "gt": "greater",
        "ge": "greater_equal",
        "lt": "less",
        "le": "less_equal",
        "ne": "not_equal",
        "sign": "sgn",
        "asin": "arcsin",
        "acos": "arccos",
        "atan": "arctan",
        "atan2": "arctan2",
        "asinh": "arcsinh",
        "acosh": "arccosh",
        "atanh": "arctanh",
    }.items(),
)
def test_aliases(name: str, others: str) -> None:
    for other in others.split():
        assert getattr(tg, other) is getattr(tg, name) and getattr(tg.Tensor, other) is getattr(tg.Tensor, name)


@pytest.mark.parametrize(
    ("name", "op"),
    {
        "add": "iadd",
        "sub": "isub",
        "mul": "imul",
        "pow": "ipow",
        "floor_divide": "ifloordiv",
        "remainder": "imod",
        "bitwise_and": "iand",
        "bitwise_or": "ior",
        "bitwise_xor": "ixor",
        "bitwise_left_shift": "ilshift",
        "bitwise_right_shift": "irshift",
    }.items(),
)
def test_in_place_operators_write_into_the_tensor(name: str, op: str) -> None:
    x = tg.tensor([3, 4])
    y = x.view(-1)
    x = getattr(operator, op)(x, 2)
    assert y.tolist() == x.tolist() == getattr(tg, name)(tg.tensor([3, 4]), 2).tolist()


# Modules --------------------------------------------------------------------------------------------------------------

MODULES: list[tuple[Any, ...]] = [
    *(
        ("ReLU",),
        ("ReLU", True),
        ("ReLU6",),
        ("LeakyReLU", 0.2, True),
        ("RReLU",),
        ("RReLU", 0.1, 0.3, True),
        ("PReLU", 3, 0.1),
    ),
    *(
        ("Threshold", 1, 2),
        ("Threshold", 1.0, 2.0, True),
        ("Hardtanh",),
        ("Hardtanh", -2, 2, True),
        ("Hardsigmoid", True),
    ),
    *(("Hardswish",), ("Hardshrink",), ("Softshrink", 0.1), ("ELU", 2.0, True), ("CELU",), ("SELU", True), ("SiLU",)),
    *(("Mish", True), ("GELU",), ("GELU", "tanh"), ("Softplus",), ("Softplus", 2, 3), ("Softsign",), ("LogSigmoid",)),
    *(("Tanhshrink",), ("GLU",), ("GLU", 1), ("Softmin", 1), ("Softmax2d",), ("Softmax", 1), ("LogSoftmax", 1)),
    *(("Sigmoid",), ("Tanh",)),
]


@pytest.mark.parametrize("case", MODULES, ids=str)
def test_modules_print_and_compute_as_pytorchs(case: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    name, *settings = case
    ours, theirs = getattr(nn, name)(*settings).eval(), getattr(torch.nn, name)(*settings).eval()
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 4)).astype(np.float32)
    if name == "GLU" and settings:
        x = x[:, :2]
    given = tg.tensor(x)
    got, want = ours(given), theirs(torch.tensor(x))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-6)
    if settings and settings[-1] is True:
        assert got is given


def test_rrelu_draws_slopes_from_its_range_while_training() -> None:
    tg.manual_seed(0)
    layer = nn.RReLU(0.25, 0.5)
    x = tg.full((1000,), -2.0, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    slopes = x.grad.numpy()
    np.testing.assert_allclose(out.detach().numpy(), -2 * slopes)
    assert 0.25 <= slopes.min() < 0.26 and 0.49 < slopes.max() <= 0.5
    assert layer.eval()(x).tolist() == [-0.75] * 1000
    with pytest.raises(ValueError, match="rrelu: lower"):
        F.rrelu(x, 0.5, 0.25)


def test_hardtanh_refuses_crossed_limits() -> None:
    with pytest.raises(ValueError, match="Hardtanh: min_val"):
        nn.Hardtanh(1.0, 1.0)
