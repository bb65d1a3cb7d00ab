"""The kit itself: every planted wrong derivative is reported, right ones never are, and a report says what one needs to know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.testing import (
    Bad,
    GradientError,
    OpSpec,
    check_alone,
    check_gradients,
    check_layout,
    false_alarms,
    mutation_score,
    run_check,
)
from tinygrad_edu.testing import strategies as some
from tinygrad_edu.testing.checks import checks_of
from tinygrad_edu.testing.mutants import mutants, rewritten
from tinygrad_edu.testing.numeric import slope
from tinygrad_edu.testing.specs import ALL_SPECS

# Operations as a user writes them -------------------------------------------------------------------------------------


def function(name, forward, backward, settings=0):
    """A Function whose forward keeps its arguments and its result; backward gets (g, *arguments, result, *settings)."""

    class Made(tg.Function):
        def forward(self, *args):
            values, self.settings = args[: len(args) - settings], args[len(args) - settings :]
            out = forward(*args)
            self.save_for_backward(*values, out)
            return out

        def backward(self, g):
            grads = backward(g, *self.saved_tensors, *self.settings)
            grads = grads if isinstance(grads, tuple) else (grads,)
            return *grads, *[None] * settings

    Made.__name__ = name
    return Made.apply


def exp(x):
    return x.exp() if isinstance(x, tg.Tensor) else np.exp(x)


def total(x, dim):
    return x.sum(dim, keepdim=True) if isinstance(x, tg.Tensor) else np.sum(x, axis=dim, keepdims=True)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def fit(g, like):
    """The sum over what was broadcast, for at most one more dimension."""
    for k, n in enumerate(like.shape):
        if n == 1 and g.shape[k - len(like.shape)] != 1:
            g = total(g, k - len(like.shape))
    return g.sum(0) if len(g.shape) > len(like.shape) else g


def step(x):
    """1 above 0, else 0, as a constant."""
    return tg.tensor((x.detach().numpy() > 0) * 1.0) if isinstance(x, tg.Tensor) else (x > 0) * 1.0


def recorded(g):
    return isinstance(g, tg.Tensor)


def constant(x):
    return x.detach() if isinstance(x, tg.Tensor) else x


def swap(x):
    return x.mT if isinstance(x, tg.Tensor) else np.swapaxes(x, -1, -2)


def along(x, order):
    return x[tg.tensor(order)] if isinstance(x, tg.Tensor) else x[np.array(order)]


def written(g):
    if not recorded(g):
        g *= 3
    return g


def lose(x):
    """x, by a detour that leaves few digits in float32."""
    return (x + 65536.0) - 65536.0


class Fickle:
    calls = 0

    def __call__(self, g):
        Fickle.calls += 1
        return g * (1 + 0.01 * (Fickle.calls % 2))


X = some.tensors(min_dims=1)
SQUARE = some.tensors((3, 3))
PAIR = st.tuples(some.tensors((2, 3)), some.tensors((1, 3)))
LIKE = st.tuples(some.tensors((2, 3)), some.tensors((2, 3)))
POSITIVE = some.tensors(low=0.5, min_dims=1)
AWAY = some.tensors_away_from([0.0], min_dims=1)
ZERO = st.just(tg.zeros(2, dtype=tg.float64))
TIES = st.just((tg.tensor([1.0, 2.0], dtype=tg.float64), tg.tensor([1.0, 2.0], dtype=tg.float64)))

# name: (forward, the wrong backward, inputs[, inputs on kinks])
WRONG = {
    "softmax times seven": (softmax, lambda g, x, y: 7 * y * (g - total(g * y, -1)), X),
    "softmax without its sum": (softmax, lambda g, x, y: y * g, X),
    "softmax summed over everything": (softmax, lambda g, x, y: y * (g - (g * y).sum()), SQUARE),
    "softmax by its input": (softmax, lambda g, x, y: y * (g - total(g * x, -1)), X),
    "log twice": (np.log, lambda g, x, y: 2 * g / x, POSITIVE),
    "a factor close to 1": (np.exp, lambda g, x, y: 1.0001 * g * y, X),
    "sign": (np.cos, lambda g, x, y: g * (x.sin() if recorded(g) else np.sin(x)), X),
    "tanh by its input": (np.tanh, lambda g, x, y: g * (1 - x * x), X),
    "zero": (np.exp, lambda g, x, y: g * 0, X),
    "none": (lambda x, y: x * y, lambda g, x, y, out: (g * y, None), LIKE),
    "swapped": (lambda x, y: x * y, lambda g, x, y, out: (g * x, g * y), LIKE),
    "term dropped": (lambda x: x * x + x, lambda g, x, y: g * 2 * x, X),
    "broadcast not undone": (lambda x, y: x + y, lambda g, x, y, out: (g, g), PAIR),
    "broadcast undone by the first row": (lambda x, y: x * y, lambda g, x, y, out: (g * y, (g * x)[:1]), PAIR),
    "broadcast undone by the mean": (lambda x, y: x + y, lambda g, x, y, out: (g, total(g, 0) / 2), PAIR),
    "a gradient for an unused argument": (lambda x, y: x * 2, lambda g, x, y, out: (g * 2, g), LIKE),
    "matrix not transposed": (lambda x: x @ x, lambda g, x, y: g @ x + x @ g, SQUARE),
    "transpose not undone": (lambda x: swap(x).copy(), lambda g, x, y: g, SQUARE),
    "permutation undone by itself": (
        lambda x: x[np.array([1, 2, 0])],
        lambda g, x, y: along(g, [1, 2, 0]),
        some.tensors((3,)),
    ),
    "cumulative sum not reversed": (
        lambda x: np.cumsum(x, 0),
        lambda g, x, y: g.cumsum(0),
        some.tensors((3,)),
    ),
    "sum taken for mean": (lambda x: x.mean(-1, keepdims=True), lambda g, x, y: g + 0 * x, SQUARE),
    "repeated rows counted once": (
        lambda x: x[np.array([0, 0, 1])],
        lambda g, x, y: g[1:],
        some.tensors((2,)),
    ),
    "cotangent taken as ones": (np.exp, lambda g, x, y: y, X),
    "cotangent's size": (np.exp, lambda g, x, y: abs(g) * y, X),
    "cotangent squared": (np.exp, lambda g, x, y: g * g * y, X),
    "cotangent written on": (lambda x: x * 3, lambda g, x, y: written(g), X),
    "one element": (
        np.exp,
        lambda g, x, y: (
            g * y * tg.tensor([1, 1, 1.01], dtype=tg.float64) if recorded(g) else g * y * np.array([1, 1, 1.01])
        ),
        some.tensors((3,)),
    ),
    "steeper than both sides": (
        np.abs,
        lambda g, x, y: g * (2 * step(x) - 1 + 3 * (1 - step(x) - step(-x))),
        AWAY,
        ZERO,
    ),
    "ties get everything twice": (
        np.maximum,
        lambda g, x, y, out: (g * (1 - step(y - x)), g * (1 - step(x - y))),
        st.just((tg.tensor([1.0, 5.0], dtype=tg.float64), tg.tensor([2.0, 3.0], dtype=tg.float64))),
        TIES,
    ),
    "second derivative forgotten": (lambda x: x * x * x, lambda g, x, y: 3 * g * constant(x * x), X),
    "factor in the recorded gradient": (
        lambda x: x * x,
        lambda g, x, y: g * x * (4 if recorded(g) else 2),
        X,
    ),
    "sign in the recorded gradient": (np.exp, lambda g, x, y: -g * y if recorded(g) else g * y, X),
    "cotangent as a constant": (lambda x: x * x, lambda g, x, y: 2 * constant(g) * x, X),
    "an infinite value": (np.exp, lambda g, x, y: g * y / 0.0 if not recorded(g) else g * y, X),
    "digits lost": (lambda x: lose(x) * 1.0, lambda g, x, y: lose(g), X),
    "another one at each call": (lambda x: x * 1, lambda g, x, y: Fickle()(g), X),
    "input written on": (lambda x: np.multiply(x, 2, out=x) + 0, lambda g, x, y: g * 2, X),
    "memory order": (lambda x: x.ravel("K").reshape(x.shape), lambda g, x, y: g, SQUARE),
}


def spec_of(name, forward, backward, inputs, kinks=None):
    return OpSpec(name, function(name, forward, backward), inputs, kinks=kinks)


def noticed(spec, examples=6):
    """The checks that fail."""
    found = []
    for names in checks_of(spec).values():
        for name in names:
            try:
                run_check(spec, name, max_examples=examples, search=False)
            except Exception:  # a wrong function may also break: that is a notice too
                found.append(name)
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", WRONG)
def test_every_wrong_derivative_is_reported(name):
    assert noticed(spec_of(name, *WRONG[name]))


def kept(x, y):
    """The larger one's share of the gradient, one half at a tie."""
    return 0.5 * (1 + step(x - y) - step(y - x))


RIGHT = {
    "softmax": (softmax, lambda g, x, y: y * (g - total(g * y, -1)), X),
    "product with broadcasting": (lambda x, y: x * y, lambda g, x, y, out: (fit(g * y, x), fit(g * x, y)), PAIR),
    "matrix product": (lambda x: x @ x, lambda g, x, y: g @ swap(x) + swap(x) @ g, SQUARE),
    "logarithm": (np.log, lambda g, x, y: g / x, POSITIVE),
    "absolute value": (np.abs, lambda g, x, y: g * (step(x) - step(-x)), AWAY, ZERO),
    "maximum": (
        np.maximum,
        lambda g, x, y, out: (g * kept(x, y), g * kept(y, x)),
        some.separated((2, 3)).map(lambda t: (t[0], t[1])),
        TIES,
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_no_right_derivative_is_reported_for_any_of_a_hundred_seeds(name):
    spec = spec_of(name, *RIGHT[name])
    assert noticed(spec) == []

    @settings(max_examples=100, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(spec.inputs, st.integers(0, 2**31))
    def test(case, seed):
        check_gradients(spec.function, *(case if isinstance(case, tuple) else (case,)), seed=seed)

    test()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_third_order(name):
    (spec,) = [s for s in ALL_SPECS if s.name == name]
    for seed in range(20):
        check_gradients(
            lambda x: spec.function(x, 0),
            tg.randn(3, 2, generator=tg.Generator(tg.get_default_device()).manual_seed(seed)),
            order=3,
        )


def test_third_order_sees_what_the_second_does_not():
    def backward(self, g):
        (x,) = self.saved_tensors
        return Slope.apply(x) * g

    def slope_backward(self, g):
        (x,) = self.saved_tensors
        return 6 * constant(x) * g  # right, but a constant for the next order

    def keep(out):
        def forward(self, x):
            self.save_for_backward(x)
            return out(x)

        return forward

    Slope = type("Slope", (tg.Function,), {"forward": keep(lambda x: 3 * x * x), "backward": slope_backward})
    Cube = type("Cube", (tg.Function,), {"forward": keep(lambda x: x * x * x), "backward": backward})
    x = tg.tensor([0.5, -2.0], dtype=tg.float64)
    check_gradients(Cube.apply, x, order=2)
    with pytest.raises(GradientError, match="third derivative"):
        check_gradients(Cube.apply, x, order=3)


# Reports --------------------------------------------------------------------------------------------------------------


class Cube(tg.Function):
    def forward(self, x, scale):
        self.save_for_backward(x, scale)
        return scale * x * x * x

    def backward(self, g):
        x, scale = self.saved_tensors
        return 2 * scale * x * x * g, (x * x * x * g).sum()


def report_of(f, *inputs, **options):
    with pytest.raises(GradientError) as caught:
        check_gradients(f, *inputs, **options)
    return str(caught.value)


def test_a_report_names_everything():
    x = tg.tensor([[0.0, 2.0]], dtype=tg.float64)
    text = report_of(Cube.apply, x, tg.tensor(1.0, dtype=tg.float64))
    line = Cube.backward.__code__.co_firstlineno
    for part in (
        "Cube: the first derivative by x[0, 1] is wrong",
        "x[0, 1] = 2",
        "analytic",
        "numerical",
        "from left",
        "from right",
        "a factor 2/3",
        "shapes: x (1, 2), scale ()",
        f"Cube.backward  tests/test_testing_kit.py:{line}",
    ):
        assert part in text, text


def test_a_disagreement_in_a_large_input_is_traced_to_one_element():
    weight = np.ones((40, 30))
    weight[17, 23] = 1.5
    wrong = function("wrong", np.sin, lambda g, x, y: g * np.cos(x) * weight)
    assert "by input 0[17, 23] is wrong" in report_of(wrong, tg.randn(40, 30, dtype=tg.float64), order=1)


def test_a_kink_is_never_passed_over_in_silence():
    x = tg.tensor([1.0, 0.0, -1.0], dtype=tg.float64)
    text = report_of(tg.relu, x)
    assert "input[1]" in text and "pass kink=True" in text
    check_gradients(tg.relu, x, kink=True)


def test_a_jump_is_told_from_a_slope():
    jump = function("jump", np.floor, lambda g, x, y: g * 0)
    assert "does the function jump" in report_of(jump, tg.tensor([1.0], dtype=tg.float64), order=1)


def test_the_recorded_gradient_is_shown_beside_the_plain_one():
    wrong = function("wrong", np.exp, lambda g, x, y: g * y * (3 if recorded(g) else 1))
    text = report_of(wrong, tg.ones(2, dtype=tg.float64))
    assert "with create_graph=True" in text and "recorded / plain = 3" in text


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(ValueError, match="no floating-point tensor"):
        check_gradients(lambda n: n, 3)
    with pytest.raises(ValueError, match="order must be at least 1"):
        check_gradients(tg.exp, tg.ones(2), order=0)
    with pytest.raises(TypeError, match="must return a floating-point Tensor"):
        check_gradients(lambda x: x > 0, tg.ones(2))
    with pytest.raises(GradientError, match="through the graph"):
        check_gradients(lambda x: x.detach() * 2, tg.ones(2))


def test_an_unused_argument_has_no_gradient_or_zeros():
    for backward in (lambda g, x, y, out: (g * 2, None), lambda g, x, y, out: (g * 2, g * 0)):
        check_gradients(function("first", lambda x, y: x * 2, backward), tg.ones(2), tg.ones(2))


def test_a_gradient_that_depends_on_who_asks_is_reported():
    class Asks(tg.Function):
        def forward(self, x, y):
            self.save_for_backward(x, y)
            return x * y

        def backward(self, g):
            x, y = self.saved_tensors
            return (g * y if all(self.needs_input_grad) else g), g * x

    case = tg.tensor([2.0, 3.0]), tg.tensor([4.0, 5.0])
    check_gradients(Asks.apply, *case)
    with pytest.raises(GradientError, match="no other input asks"):
        check_alone(Asks.apply, *case)


@given(some.tensors())
def test_checks_leave_their_inputs_alone(x):
    before = x.numpy().copy()
    check_layout(lambda y: y * 2, x)
    check_gradients(lambda y: y * 2, x)
    assert not x.requires_grad and x.grad is None
    np.testing.assert_array_equal(x.numpy(), before)


# Numbers --------------------------------------------------------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_a_slope_knows_its_error(at, rate):
    s = slope(lambda h: np.array([np.sin(rate * (at + h)), np.exp(at + h)]))
    want = np.array([rate * np.cos(rate * at), np.exp(at)])
    assert np.all(np.abs(s.value - want) <= 4 * s.error + 1e-12 * np.abs(want))
    assert np.all(s.error <= 1e-6 * max(1, rate**2))
    assert not s.kinked.any()


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_the_sides_of_a_kink(left, right):
    s = slope(lambda h: max(h, 0) * right + min(h, 0) * left)
    assert abs(s.left - left) < 1e-6 and abs(s.right - right) < 1e-6
    assert bool(s.kinked) == (abs(left - right) > 1e-6 * max(abs(left), abs(right)) + 1e-9) or abs(left - right) < 1e-5


# Strategies -----------------------------------------------------------------------------------------------------------


def shrunk(strategy, condition):
    return find(strategy, condition, settings=settings(max_examples=200, database=None))


def wrong_for(*inputs):
    wrong = function("wrong", lambda x: x * x, lambda g, x, y: g * x)
    try:
        check_gradients(wrong, *inputs)
    except GradientError:
        return True
    return False


def test_a_failure_shrinks_to_one_element():
    x = shrunk(some.tensors(), wrong_for)
    assert x.numel() == 1 and x.dim() == 0 and abs(x.item()) <= 1 / 32
    assert shrunk(some.separated(), lambda x: True).numel() == 1
    a, b = shrunk(some.broadcastable(), lambda case: wrong_for(case[0] * case[1] + 1))
    assert a.numel() == b.numel() == 1


@example((0, None, tg.tensor([0, 0])))
@given(some.indices((2, 3, 2)))
def test_indices_fit_and_select_what_numpy_selects(index):
    array = np.arange(12.0).reshape(2, 3, 2)

    parts = [x.numpy() if isinstance(x, tg.Tensor) else x for x in (index if isinstance(index, tuple) else (index,))]
    # Numbers first, as in PyTorch: NumPy takes a number beside an array for an array too, which can move the result's axes.
    numbers = tuple(x if isinstance(x, int) or x is ... else slice(None) for x in parts if x is not None)
    rest = tuple(x for x in parts if not isinstance(x, int))
    np.testing.assert_array_equal(tg.tensor(array)[index].numpy(), array[numbers][rest])


@given(some.einsum_operands())
def test_einsum_operands_fit(case):
    equation, *operands = case
    np.einsum(equation, *[x.numpy() for x in operands])


@given(some.matmul_operands())
def test_matmul_operands_fit(case):
    assert tg.matmul(*case).numpy().shape == np.matmul(*[x.numpy() for x in case]).shape


@given(some.convolution_arguments(2), some.pooling_arguments(2))
def test_windows_fit_into_their_inputs(convolution, pooling):
    x, weight, bias, _, padding, dilation, groups = convolution
    assert x.shape[1] == weight.shape[1] * groups and weight.shape[0] % groups == 0
    assert bias is None or bias.shape == weight.shape[:1]
    for n, k, p, d in zip(x.shape[2:], weight.shape[2:], padding, dilation, strict=True):
        assert n + 2 * p >= d * (k - 1) + 1
    x, kernel, _, padding = pooling
    assert len(np.unique(x.numpy())) == x.numel()
    assert all(n >= k and 2 * p <= k for n, k, p in zip(x.shape[2:], kernel, padding, strict=True))


@given(some.ragged())
def test_lengths_fit_into_their_batch(case):
    x, lengths = case
    assert len(lengths) == x.shape[0] and max(lengths) == x.shape[1] and min(lengths) >= 1


def test_separated_values_differ():
    @given(some.separated(gap=0.5))
    def test(x):
        values = np.sort(x.numpy().reshape(-1))
        assert x.numel() < 2 or np.diff(values).min() >= 0.5 - 1e-12

    test()


# Specs and mutants ----------------------------------------------------------------------------------------------------


def test_bad_arguments_must_be_refused_with_the_right_words():
    def picky(x):
        if x.dim() != 1:
            raise ValueError("picky: one dimension is needed")
        return x * 2

    good = Bad(lambda: (tg.ones(1, 1),), ValueError, "one dimension")
    run_check(OpSpec("picky", picky, some.tensors(min_dims=1, max_dims=1), errors=[good]), "errors")
    for bad in (
        Bad(lambda: (tg.ones(1),), ValueError, ""),
        Bad(lambda: (tg.ones(1, 1),), ValueError, "two dimensions"),
    ):
        with pytest.raises(AssertionError):
            run_check(OpSpec("picky", picky, some.tensors(), errors=[bad]), "errors")


def test_a_wrong_value_method_or_empty_result_is_reported():
    spec = OpSpec("exp", tg.exp, X, reference=lambda x: np.exp(x) * 1.001)
    with pytest.raises(GradientError, match="the reference gives"):
        run_check(spec, "value", max_examples=3, search=False)
    with pytest.raises(GradientError, match="exp as the method tanh"):
        run_check(OpSpec("exp", tg.exp, X, methods="tanh"), "methods", max_examples=3, search=False)
    spec = OpSpec("count", lambda x: x.sum() * 0 + 1, X, reference=lambda x: np.float64(min(x.size, 1)))
    with pytest.raises(GradientError, match="count"):
        run_check(spec, "no elements", max_examples=9, search=False)


def test_the_score_tells_a_good_spec_from_a_poor_one():
    good = mutation_score(OpSpec("product", lambda x, y: x * y, some.broadcastable()))
    assert good.score == 1 and good.planted >= 40 and not good.survived
    assert any("broadcast not undone" in name for name in good.killed)
    # One case of one element cannot tell a transposed gradient; what it cannot see is equivalent, not survived.
    poor = mutation_score(OpSpec("product", lambda x, y: x * y, st.just((tg.ones(1), tg.ones(1)))))
    assert poor.planted < good.planted and len(poor.equivalent) > len(good.equivalent)


def test_a_survivor_is_named():
    spec = OpSpec("cube", lambda x: x**3, X, order=1)
    score = mutation_score(spec)
    assert score.score == 1
    blind = OpSpec("blind", lambda x: x**3, X, differentiable=False)
    assert mutation_score(blind).planted == 0


def test_a_users_function_is_mutated_in_both_forms():
    class Static(tg.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x - x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g - g

    for cls in (Static, Cube):
        inputs = X if cls is Static else st.tuples(X, st.just(tg.ones((), dtype=tg.float64)))
        before = cls.__dict__["backward"]
        score = mutation_score(OpSpec(cls.__name__, cls.apply, inputs), examples=4)
        assert score.planted > 30 and cls.__dict__["backward"] is before
    assert mutation_score(OpSpec("Static", Static.apply, X)).survived == []


def test_mistakes_in_the_source():
    factor = 3.0

    class Closure(tg.Function):
        def forward(self, x):
            return x * x * factor

        def backward(self, g):
            return -(g + factor) if factor > 3 else g - factor

    wrong = {name: backward(None, 1.0) for name, backward in rewritten(Closure, 99).items()}
    assert Closure.backward(None, 1.0) == -2.0
    assert wrong["`g - factor` as `g + factor`"] == 4.0
    assert wrong["`g - factor` as `g`"] == 1.0
    assert wrong["`factor > 3` as `factor >= 3`"] == -4.0
    assert len(rewritten(Closure, 2)) == 2
    assert set(wrong) < set(mutants(Closure, 99))


@pytest.mark.parametrize("seed", [665, 1116, 1191, 1275, 1373])
def test_a_kink_of_one_element_shows_both_of_its_sides(seed):
    """Steps that all went the same way would take |x| at 0 for a smooth function with another derivative."""
    check_gradients(lambda x: x.abs(), tg.zeros(1, dtype=tg.float64), order=1, kink=True, seed=seed)


def test_the_middle_one_of_tied_numbers_may_be_any_of_them():
    x = tg.zeros(3, dtype=tg.float64)
    check_gradients(lambda x: tg.sort(x)[0], x, kink=True)
    wrong = function("wrong", np.sort, lambda g, x, y: g * np.array([1.0, 1.5, 1.0]))
    assert "by input 0[1] is wrong" in report_of(wrong, x, kink=True, order=1)


def test_false_alarms_are_counted_and_say_what_repeats_them():
    right = OpSpec("sin", tg.sin, X, reference=np.sin, kinks=X)
    assert false_alarms(right, seeds=range(3)) == []
    wolf = OpSpec("sin", tg.sin, some.tensors((2,)), reference=lambda x: np.sin(x) + (x[0] > 1) * 1e-6)
    found = false_alarms(wolf, seeds=range(20))
    assert 0 < len(found) < 20 and {a.check for a in found} == {"value"}
    assert all(f"'value' fails with seed {a.seed}" in str(a) for a in found)
    again = false_alarms(wolf, seeds=[found[0].seed])
    assert [str(a) for a in again] == [str(found[0])]
    assert len({str(a.case) for a in found}) > 1, "the seeds draw different arguments"
