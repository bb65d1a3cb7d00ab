"""Functions that users write, in both forms."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from helpers import (
    TwoResults,
    TwoResultsStatic,
    converted,
    leaf,
    on_memory_that_can_be_locked,
    on_memory_that_is_written,
    on_the_cpu_only,
    same,
)

import tinygrad_edu as tg
from tinygrad_edu.autograd import grad


class Cube(tg.Function):
    """The form of an instance: raw arrays, and one formula for every order."""

    def forward(self, x: Any) -> Any:
        self.save_for_backward(x)
        return x * x * x

    def backward(self, g: Any) -> Any:
        (x,) = self.saved_tensors
        return 3 * x * x * g


class CubeStatic(tg.Function):
    """The form of PyTorch: static methods, a context, tensors."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class CubeSetup(tg.Function):
    """The newer form of PyTorch, whose forward knows nothing of the context."""

    @staticmethod
    def forward(x: Any, n: int) -> Any:
        return x**n

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, ctx.n = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        return ctx.n * y / x * g, None


class CubeAttribute(tg.Function):
    def forward(self, x: Any) -> Any:
        self.x = x
        return x * x * x

    def backward(self, g: Any) -> Any:
        return 3 * self.x * self.x * g


class CubeAttributeStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.kept = [x, 3]
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, n = ctx.kept
        return n * x**2 * g


class CubeOfSettings(tg.Function):
    def __init__(self, factor: Any) -> None:
        self.factor = factor

    def forward(self, x: Any) -> Any:
        self.save_for_backward(x)
        return self.factor * x * x * x

    def backward(self, g: Any) -> Any:
        (x,) = self.saved_tensors
        return self.factor * 3 * x * x * g


class ExpByResult(tg.Function):
    def forward(self, x: Any) -> Any:
        y = 2.0**x
        self.save_for_backward(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved_tensors
        return g * y * float(np.log(2.0))


class ExpByResultStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.y = 2.0**x
        return ctx.y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.y * float(np.log(2.0))


CUBES = [
    Cube.apply,
    CubeStatic.apply,
    lambda x: CubeSetup.apply(x, 3),
    CubeAttribute.apply,
    CubeAttributeStatic.apply,
    CubeOfSettings(1.0),
    Cube(),
]


@pytest.mark.parametrize("cube", CUBES, ids=lambda f: getattr(f, "__qualname__", type(f).__name__))
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_every_form_to_the_third_order(cube: Any, shape: tuple[int, ...]) -> None:
    x = tg.full(shape, 2.0, dtype=tg.float64, requires_grad=True)
    y = cube(x)
    same(y, np.full(shape, 8.0))
    for expected in (12.0, 12.0, 6.0):
        (y,) = grad(y.sum(), x, create_graph=True)
        same(y, np.full(shape, expected))


@pytest.mark.parametrize("function", [ExpByResult, ExpByResultStatic])
def test_a_function_that_keeps_its_result(function: Any) -> None:
    x = leaf(1.0, 2.0)
    y = function.apply(x)
    for n in range(1, 4):
        (y,) = grad(y.sum(), x, create_graph=True)
        same(y, np.log(2.0) ** n * np.array([2.0, 4.0]))


def test_a_plain_backward_hands_raw_arrays_and_create_graph_hands_tensors() -> None:
    kinds: list[type] = []

    class Kinds(tg.Function):
        def forward(self, x: Any) -> Any:
            kinds.append(type(x))
            return x * 1

        def backward(self, g: Any) -> Any:
            kinds.append(type(g))
            return g * 1

    y = Kinds.apply(leaf(1.0, 2.0)).sum()
    y.backward(retain_graph=True)
    y.backward(create_graph=True)
    assert kinds == [raw := type(leaf(1.0, 2.0)._data), raw, tg.Tensor]


def test_forward_records_no_graph_of_its_own() -> None:
    class Watch(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            assert not tg.is_grad_enabled() and not x.requires_grad
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(1.0)
    y = Watch.apply(x)
    assert y.requires_grad and y.grad_fn is not None and y.grad_fn.name == "Watch"
    y.backward()
    same(x.grad, 2.0)


# Instances with settings -----------------------------------------------------------------------------------------------


def test_an_instance_is_called_many_times() -> None:
    double, triple = CubeOfSettings(2.0), CubeOfSettings(3.0)
    x, w = leaf(1.0), leaf(2.0)
    y = double(x) + triple(w) + double(w)
    y.backward()
    same(x.grad, 6.0)
    same(w.grad, 3 * 5.0 * 4.0)


def test_an_array_among_the_settings_is_a_constant() -> None:
    x = leaf(1.0, 2.0)
    (g,) = grad(CubeOfSettings(leaf(1.0, 10.0)._data)(x).sum(), x, create_graph=True)
    same(g, [3.0, 120.0])
    same(grad(g.sum(), x)[0], [6.0, 120.0])


def test_apply_of_a_function_with_settings_says_how_to_call_it() -> None:
    with pytest.raises(TypeError, match=r"CubeOfSettings\(\.\.\.\)\(x\)"):
        CubeOfSettings.apply(leaf(1.0))


def test_on_raw_arrays_a_function_computes_and_records_nothing() -> None:
    out = Cube.apply(np.array([1.0, 2.0]))
    assert type(out) is np.ndarray
    np.testing.assert_array_equal(out, [1.0, 8.0])


# The context -----------------------------------------------------------------------------------------------------------


class Product(tg.Function):
    """x · y · n, with the arguments that need no gradient left out."""

    asked: tuple[bool, ...] = ()

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, n: int, label: str = "") -> Any:
        ctx.save_for_backward(x, y)
        ctx.n = n
        Product.asked = ctx.needs_input_grad
        return x * y * n

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        assert ctx.needs_input_grad == Product.asked
        gx = g * y * ctx.n if ctx.needs_input_grad[0] else None
        gy = g * x * ctx.n if ctx.needs_input_grad[1] else None
        return gx, gy, None, None


def test_needs_input_grad_and_arguments_that_are_no_tensors() -> None:
    x, y = leaf(2.0), tg.tensor(3.0, dtype=tg.float64)
    out = Product.apply(x, y, 5, "label")
    assert Product.asked == (True, False, False, False)
    out.backward()
    same(x.grad, 15.0)
    assert Product.apply(y, x, 5, "label").requires_grad and Product.asked == (False, True, False, False)
    with tg.no_grad():
        assert not Product.apply(x, x, 5, "label").requires_grad and Product.asked == (False,) * 4


def test_the_same_tensor_twice() -> None:
    x = leaf(2.0)
    (g,) = grad(Product.apply(x, x, 1, ""), x, create_graph=True)
    same(g, 4.0)
    same(grad(g, x)[0], 2.0)


def test_gradients_for_arguments_that_need_none_are_dropped() -> None:
    class Both(tg.Function):
        def forward(self, x: Any, y: Any, n: Any) -> Any:
            return x + y * n

        def backward(self, g: Any) -> Any:
            return g, g * np.nan, g

    x = leaf(1.0)
    Both.apply(x, tg.tensor(2.0, dtype=tg.float64), 3.0).backward()
    same(x.grad, 1.0)


def test_gradients_of_none() -> None:
    class Stop(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 1

        def backward(self, g: Any) -> Any:
            return None

    x = leaf(1.0)
    y = Stop.apply(x)
    y.backward()
    assert x.grad is None
    assert grad(Stop.apply(x), x, allow_unused=True) == (None,)


class SortLike(tg.Function):
    """Values and their order, of which the second, although of floating point, has no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        order = x.argsort()
        places = order.to(x.dtype)
        ctx.mark_non_differentiable(places)
        ctx.save_for_backward(order)
        return x[order], places

    @staticmethod
    def backward(ctx: Any, g: Any, unused: Any) -> Any:
        (order,) = ctx.saved_tensors
        out = tg.zeros_like(g)
        out[order] = g
        return out


def test_results_marked_as_not_differentiable() -> None:
    x = leaf(3.0, 1.0, 2.0)
    values, places = SortLike.apply(x)
    assert values.requires_grad and not places.requires_grad and places.is_leaf
    (values * tg.tensor([1.0, 10.0, 100.0])).sum().backward()
    same(x.grad, [100.0, 1.0, 10.0])


def test_results_of_integers_carry_no_gradient() -> None:
    class Rounded(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 2, converted(x, "int64")

        def backward(self, g: Any, unused: Any) -> Any:
            return g * 2

    x = leaf(1.5, 2.5)
    y, whole = Rounded.apply(x)
    assert not whole.requires_grad
    y.sum().backward()
    same(x.grad, [2.0, 2.0])


@pytest.mark.parametrize("materialize", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
@pytest.mark.parametrize("static", [True, False])
def test_the_cotangent_of_an_unused_result(materialize: bool, create_graph: bool, static: bool) -> None:
    seen: list[Any] = []

    class Instance(tg.Function):
        def forward(self, x: Any) -> Any:
            self.set_materialize_grads(materialize)
            return x * 2, x[:1] * 3

        def backward(self, g: Any, h: Any) -> Any:
            seen.append(h)
            return g * 2

    class Static(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, x[:1] * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            seen.append(h)
            return g * 2

    x = leaf(1.0, 2.0)
    y, _ = (Static if static else Instance).apply(x)
    y.sum().backward(create_graph=create_graph)
    same(x.grad, [2.0, 2.0])
    if materialize:
        same(seen[0], [0.0])
    else:
        assert seen == [None]


@pytest.mark.parametrize("function", [TwoResults, TwoResultsStatic])
def test_several_results_come_as_a_tuple(function: Any) -> None:
    x = leaf(2.0)
    out = function.apply(x)
    assert type(out) is tuple and len(out) == 2
    same(out[0], 4.0)
    same(out[1], 8.0)


def test_a_result_that_is_the_argument_is_a_tensor_of_its_own() -> None:
    class Reverse(tg.Function):
        """The identity, with the gradient reversed."""

        def forward(self, x: Any) -> Any:
            return x

        def backward(self, g: Any) -> Any:
            return -g

    x = leaf(1.0, 2.0)
    y = x * 3
    out = Reverse.apply(y)
    (out * out).sum().backward()
    same(x.grad, -18 * np.array([1.0, 2.0]))
    out = Reverse.apply(y)
    with tg.no_grad():
        out.zero_()
    same(y, [3.0, 6.0])


def test_a_kept_result_on_the_memory_of_the_argument() -> None:
    class Flat(tg.Function):
        def forward(self, x: Any) -> Any:
            y = tg.reshape(x, (-1,))
            self.save_for_backward(y)
            self.shape = x.shape
            return y

        def backward(self, g: Any) -> Any:
            (y,) = self.saved_tensors
            return tg.reshape(g * y, self.shape)  # of the function y²/2 + constant

    x = tg.tensor([[1.0, 2.0]], dtype=tg.float64, requires_grad=True)
    (g,) = grad(Flat.apply(x).sum(), x, create_graph=True)
    same(g, [[1.0, 2.0]])


# What is refused -------------------------------------------------------------------------------------------------------


def returning(value: Any, static: bool) -> Any:
    """A function of two arguments whose backward returns ``value`` of the cotangent."""

    class Wrong(tg.Function):
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

        def backward(self, g: Any) -> Any:
            return value(g)

    class WrongStatic(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return value(g)

    return WrongStatic if static else Wrong


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("create_graph", [True, False])
@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (lambda g: g, RuntimeError, r"backward returned 1 gradients for 2 arguments of forward"),
        (lambda g: (g, g, g), RuntimeError, r"backward returned 3 gradients for 2 arguments"),
        (
            lambda g: (g[:1], g),
            RuntimeError,
            r"backward returned a gradient of shape \(1,\) for argument 0, which has shape \(2,\)",
        ),
        (
            lambda g: (g, tg.sum(g)),
            RuntimeError,
            r"backward returned a gradient of shape \(\) for argument 1, which has shape \(2,\)",
        ),
        (lambda g: (g, 1.0), TypeError, r"backward returned float as the gradient of argument 1"),
        (lambda g: ("no", g), TypeError, r"backward returned str as the gradient of argument 0"),
    ],
)
def test_a_backward_that_returns_the_wrong_thing(
    value: Any, kind: type[Exception], message: str, create_graph: bool, static: bool
) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    name = "WrongStatic" if static else "Wrong"
    with pytest.raises(kind, match=rf"^{name}\.{message}"):
        returning(value, static).apply(x, y).sum().backward(create_graph=create_graph)
    assert x.grad is None and y.grad is None


@pytest.mark.parametrize("static", [True, False])
def test_surplus_gradients_of_none_are_accepted(static: bool) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    returning(lambda g: (g, g, None), static).apply(x, y).sum().backward()
    same(y.grad, [1.0, 1.0])


def test_a_gradient_of_another_type_of_number_is_converted() -> None:
    class Single(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            return converted(g, "float32") * 2

    x = leaf(1.0, 2.0)
    Single.apply(x).sum().backward()
    assert x.grad is not None and x.grad.dtype is tg.float64


@pytest.mark.parametrize("result", [None, 3.0, "text", (None,)])
def test_a_forward_that_returns_no_array(result: Any) -> None:
    class Wrong(tg.Function):
        def forward(self, x: Any) -> Any:
            return result

    with pytest.raises(TypeError, match=r"Wrong\.forward must return an array or a tuple of arrays, got"):
        Wrong.apply(leaf(1.0))


def test_the_two_forms_are_not_mixed() -> None:
    with pytest.raises(TypeError, match="Mixed: forward and backward must both be static methods, or neither"):

        class Mixed(tg.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x

            def backward(self, g: Any) -> Any:
                return g


def test_methods_that_are_missing() -> None:
    class Empty(tg.Function):
        pass

    class ForwardOnly(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 2

    class ForwardOnlyStatic(tg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with pytest.raises(TypeError, match="Empty does not define forward"):
        Empty.apply(leaf(1.0))
    for function in (ForwardOnly, ForwardOnlyStatic):
        y = function.apply(leaf(1.0))
        same(y, 2.0)
        with pytest.raises(TypeError, match=f"{function.__name__} does not define backward"):
            y.backward()


def test_an_exception_in_a_function_comes_through() -> None:
    class Fails(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 2

        def backward(self, g: Any) -> Any:
            raise KeyError("mine")

    x = leaf(1.0)
    with pytest.raises(KeyError, match="mine"):
        Fails.apply(x).backward()
    assert tg.is_grad_enabled() and x.grad is None


# Values between argument and result ------------------------------------------------------------------------------------


class KeepsIntermediate(tg.Function):
    """sin(x²), keeping x² as a value that is neither an argument nor a result."""

    def forward(self, x: Any) -> Any:
        square = x * x
        self.save_for_backward(x, square)
        return np.sin(square)

    def backward(self, g: Any) -> Any:
        x, square = self.saved_tensors
        return g * tg.cos(square) * 2 * x


class KeepsIntermediateStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        square = x * x
        ctx.save_for_backward(x, square)
        return tg.sin(square)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, square = ctx.saved_tensors
        return g * tg.cos(square) * 2 * x


class KeepsIntermediateAttribute(tg.Function):
    def forward(self, x: Any) -> Any:
        self.x, self.square = x, x * x
        return np.sin(self.square)

    def backward(self, g: Any) -> Any:
        return g * tg.cos(self.square) * 2 * self.x


class KeepsIntermediateAttributeStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.kept = (x, {"square": x * x})
        return tg.sin(x * x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, rest = ctx.kept
        return g * tg.cos(rest["square"]) * 2 * x


@pytest.mark.parametrize(
    "function",
    [KeepsIntermediate, KeepsIntermediateStatic, KeepsIntermediateAttribute, KeepsIntermediateAttributeStatic],
)
def test_a_kept_intermediate_value_is_no_constant_of_the_derivative(function: Any) -> None:
    """In a plain backward it is fine; as a graph its dependence on the argument would be missed, so it is refused."""
    x = leaf(0.5, 1.5)
    expected = np.cos([0.25, 2.25]) * [1.0, 3.0]
    function.apply(x).sum().backward()
    same(x.grad, expected)
    with pytest.raises(RuntimeError, match=rf"create_graph: {function.__name__} kept a value that is neither"):
        grad(function.apply(x).sum(), x, create_graph=True)


def test_an_intermediate_value_that_is_a_further_result() -> None:
    class WithIntermediate(tg.Function):
        def forward(self, x: Any) -> Any:
            square = x * x
            self.save_for_backward(x, square)
            return tg.sin(square), square

        def backward(self, g: Any, h: Any) -> Any:
            x, square = self.saved_tensors
            return (g * tg.cos(square) + h) * 2 * x

    x = leaf(0.5)
    y, _ = WithIntermediate.apply(x)
    (g,) = grad(y, x, create_graph=True)
    same(g, np.cos(0.25))
    same(grad(g, x)[0], 2 * np.cos(0.25) - 4 * 0.25 * np.sin(0.25))


@on_the_cpu_only("booleans do not multiply in the array standard")
def test_kept_integers_and_flags_are_constants() -> None:
    class Relu(tg.Function):
        def forward(self, x: Any) -> Any:
            self.mask = x > 0
            return x * self.mask

        def backward(self, g: Any) -> Any:
            return g * self.mask

    x = leaf(-1.0, 2.0)
    (g,) = grad((Relu.apply(x) ** 2).sum(), x, create_graph=True)
    same(g, [0.0, 4.0])
    same(grad(g.sum(), x)[0], [0.0, 2.0])


@on_memory_that_is_written
@pytest.mark.parametrize("function", [Cube, CubeStatic, CubeAttribute, CubeAttributeStatic])
@pytest.mark.parametrize("create_graph", [True, False])
def test_a_kept_value_that_was_overwritten_is_noticed(function: Any, create_graph: bool) -> None:
    x = leaf(1.0, 2.0)
    h = x * 2
    y = function.apply(h).sum()
    h.mul_(3)
    with pytest.raises(RuntimeError, match=rf"{function.__name__} kept \(float64\[2\]\) was overwritten"):
        y.backward(create_graph=create_graph)


def test_a_second_backward_says_how_to_keep_the_graph() -> None:
    x = leaf(1.0)
    y = CubeStatic.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match=re.escape("CubeStatic kept were released")):
        y.backward()


# Memory of others ------------------------------------------------------------------------------------------------------


class WritesOnArgument(tg.Function):
    def forward(self, x: Any) -> Any:
        x *= 2
        return x + 1

    def backward(self, g: Any) -> Any:
        return 2 * g


class WritesOnCotangent(tg.Function):
    def forward(self, x: Any) -> Any:
        return x * 2

    def backward(self, g: Any) -> Any:
        g *= 2
        return g


class WritesOnCotangentStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g.mul_(2)


class WritesOnKeptResult(tg.Function):
    def forward(self, x: Any) -> Any:
        y = tg.exp(x)
        self.save_for_backward(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved_tensors
        y *= g
        return y


class WritesOnKeptResultStatic(tg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = tg.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return y.mul_(g)


@on_memory_that_can_be_locked
@pytest.mark.parametrize(
    "function",
    [WritesOnArgument, WritesOnCotangent, WritesOnCotangentStatic, WritesOnKeptResult, WritesOnKeptResultStatic],
)
def test_a_function_cannot_write_on_the_memory_of_others(function: Any) -> None:
    """Arguments, cotangents and kept values belong to other tensors and nodes, which would be wrong unnoticed."""
    x = leaf(1.0, 2.0)
    h = x * 1.0
    v = tg.tensor([1.0, -1.0], dtype=tg.float64)
    with pytest.raises((ValueError, RuntimeError), match=r"read-only|protected"):
        (function.apply(h) + h).backward(v)
    same(h, [1.0, 2.0])
    same(v, [1.0, -1.0])
    assert x.grad is None
    h.mul_(2)  # the tensor itself may be written to
    same(h, [2.0, 4.0])


def test_gradients_of_a_function_are_the_users_to_write_on() -> None:
    class Same(tg.Function):
        def forward(self, x: Any) -> Any:
            return x * 1

        def backward(self, g: Any) -> Any:
            return g

    x = leaf(1.0, 2.0)
    v = tg.ones(2, dtype=tg.float64)
    Same.apply(x).backward(v)
    assert x.grad is not None
    x.grad.mul_(3)
    (g,) = grad(Same.apply(x), x, v)
    g += 1
    same(v, [1.0, 1.0])


class Checkpoint(tg.Function):
    """Keep only the argument, and compute what the derivative needs again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, function: Any, x: Any) -> Any:
        ctx.function = function
        ctx.save_for_backward(x)
        return function(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        if tg.is_grad_enabled():  # the derivative is to be differentiated: from x as it hangs in the graph
            return None, grad(ctx.function(x), x, g, create_graph=True)[0]
        x = x.detach().requires_grad_()
        with tg.enable_grad():
            y = ctx.function(x)
        y.backward(g)
        return None, x.grad


def test_a_backward_pass_inside_of_a_backward_pass() -> None:
    def heavy(x: tg.Tensor) -> tg.Tensor:
        return tg.sin(x * x).exp()

    x = leaf(0.5, 1.5)
    (expected,) = grad(heavy(x).sum(), x, create_graph=True)
    (second,) = grad(expected.sum(), x)
    h = Checkpoint.apply(heavy, x)
    (h * 1.0).sum().backward()
    same(x.grad, expected)
    (g,) = grad(Checkpoint.apply(heavy, x).sum(), x, create_graph=True)
    same(g, expected)
    same(grad(g.sum(), x)[0], second)
    assert tg.is_grad_enabled()


class SlottedIntermediate(tg.Function):
    __slots__ = ("square", "x")

    def forward(self, x: Any) -> Any:
        self.x, self.square = x, x * x
        return np.sin(self.square)

    def backward(self, g: Any) -> Any:
        return g * tg.cos(self.square) * 2 * self.x


def test_attributes_in_slots_are_seen_as_well() -> None:
    x = leaf(0.5)
    SlottedIntermediate.apply(x).backward()
    same(x.grad, np.cos(0.25))
    with pytest.raises(RuntimeError, match="create_graph: SlottedIntermediate kept a value that is neither"):
        grad(SlottedIntermediate.apply(x), x, create_graph=True)
