"""Derivatives of functions: whole Jacobians and Hessians, and their products with vectors.

All take ``func`` and ``inputs``, a Tensor or a tuple of them; with a tuple the results are tuples, too. The inputs stay as they
are: derivatives are taken at copies. ``create_graph=True`` lets the result be differentiated by the inputs again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.autograd.walk import grad
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import enable_grad
from tinygrad_edu.ops.joining import stack
from tinygrad_edu.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]


def _given(name: str, what: str, values: Any) -> Tensors:
    """A tensor, or several, as a tuple."""
    several = tuple(values) if isinstance(values, (tuple, list)) else (values,)
    for value in several:
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: {what} must be a Tensor or a tuple of Tensors, got {describe(value)}")
    return several


def _points(name: str, inputs: Any, create_graph: bool) -> Tensors:
    """The inputs where derivatives are taken: in the graph under ``create_graph``, else copies outside of it."""
    given = _given(name, "inputs", inputs)
    return tuple(
        (x.view_as(x) if x.requires_grad else x.clone().requires_grad_())
        if create_graph
        else x.detach().clone().requires_grad_()
        for x in given
    )


def _like(form: Any, results: tuple[Any, ...]) -> Any:
    return results if isinstance(form, (tuple, list)) else results[0]


def _done(results: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    return results if create_graph else tuple(r.detach() for r in results)


def _gradients(outputs: Any, inputs: Tensors, cotangents: Any, create_graph: bool) -> Tensors:
    """Gradients, zeros where the outputs do not depend on an input."""
    live = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    if not live:
        return tuple(x.new_zeros(x.shape) for x in inputs)
    return grad(
        [o for o, _ in live],
        inputs,
        [c for _, c in live],
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=True,
    )


def _fits(name: str, given: Any, wanted: Tensors) -> Tensors:
    """The vector of a product, checked; ones where it is left out and there is one number."""
    if given is None:
        if any(w.numel() != 1 for w in wanted):
            raise RuntimeError(
                f"{name}: v may be left out for a single number only, here it needs {describe(tuple(wanted))}"
            )
        return tuple(w.new_ones(w.shape) for w in wanted)
    found = _given(name, "v", given)
    if [v.shape for v in found] != [w.shape for w in wanted]:
        raise RuntimeError(f"{name}: v must have the form {describe(tuple(wanted))}, got {describe(found)}")
    return found


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and vᵀJ: the gradient of its results with cotangents ``v``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.autograd.functional.vjp(lambda x: x**2, tg.tensor([1.0, 3.0]), tg.ones(2))
    (tensor([1., 9.]), tensor([2., 6.]))
    """
    with enable_grad():
        points = _points("vjp", inputs, create_graph)
        out = func(*points)
        outputs = _given("vjp", "the result of func", out)
        found = _gradients(outputs, points, _fits("vjp", v, outputs), create_graph)
    _refuse_constant("vjp", strict, outputs)
    return _like(out, _done(outputs, create_graph)), _like(inputs, _done(found, create_graph))


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function, and Jv: how it changes along ``v``; the derivative of :func:`vjp` by its cotangent.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.autograd.functional.jvp(lambda x: x.prod(), tg.tensor([2.0, 3.0]), tg.tensor([1.0, 0.0]))
    (tensor(6.), tensor(3.))
    """
    with enable_grad():
        points = _points("jvp", inputs, create_graph)
        vector = _fits("jvp", v, points)
        out = func(*points)
        outputs = _given("jvp", "the result of func", out)
        cotangents = tuple(o.new_zeros(o.shape).requires_grad_() for o in outputs)
        pulled = _gradients(outputs, points, cotangents, True)  # linear in the cotangents, so its derivative is J v
        found = _gradients(pulled, cotangents, vector, create_graph)
    _refuse_constant("jvp", strict, outputs)
    return _like(out, _done(outputs, create_graph)), _like(out, _done(found, create_graph))


def _refuse_constant(name: str, strict: bool, outputs: Tensors) -> None:
    if strict and not all(o.requires_grad for o in outputs):
        raise RuntimeError(f"{name}: a result does not depend on the inputs, which strict=True does not allow")


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of a function: J[i, j] = ∂func(x)[i] / ∂x[j], of the shape of the result followed by that of the input.

    With a tuple of inputs or of results it is a tuple of such, results first. One backward pass for each element of the
    results is made; ``vectorize`` and ``strategy`` are accepted and change nothing.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.autograd.functional.jacobian(lambda x: x.cumsum(0), tg.ones(2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    with enable_grad():
        points = _points("jacobian", inputs, create_graph)
        out = func(*points)
        outputs = _given("jacobian", "the result of func", out)
        _refuse_constant("jacobian", strict, outputs)
        table = tuple(_rows(o, points, create_graph) for o in outputs)
    parts = tuple(_like(inputs, _done(rows, create_graph)) for rows in table)
    return _like(out, parts)


def _rows(output: Tensor, points: Tensors, create_graph: bool) -> Tensors:
    """The derivatives of one result by each input."""
    one_hot = output.new_zeros(output.numel())
    rows = []
    for i in range(output.numel()):
        cotangent = one_hot.clone()
        cotangent[i] = 1
        rows.append(_gradients((output,), points, (cotangent.reshape(output.shape),), create_graph))
    columns = zip(*rows, strict=True) if rows else ([] for _ in points)
    return tuple(
        stack(list(column)).reshape(*output.shape, *x.shape) if rows else x.new_zeros(*output.shape, *x.shape)
        for column, x in zip(columns, points, strict=True)
    )


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function with one number as its result; with a tuple of inputs a tuple of tuples.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.autograd.functional.hessian(lambda x: x[0] ** 2 * x[1], tg.tensor([1.0, 2.0]))
    tensor([[4., 2.],
            [2., 0.]])
    """

    def gradient(*points: Tensor) -> Tensors:
        return _gradients((_number("hessian", func(*points)),), points, (None,), True)

    found = jacobian(gradient, _given("hessian", "inputs", inputs), create_graph)
    return found if isinstance(inputs, (tuple, list)) else found[0][0]


def _number(name: str, out: Any) -> Tensor:
    if not isinstance(out, Tensor) or out.numel() != 1:
        raise RuntimeError(f"{name}: func must return a single number, got {describe(out)}")
    return out.reshape(())


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function with one number as its result, and vᵀH; the same as :func:`hvp`, since H is symmetric."""
    with enable_grad():
        points = _points("vhp", inputs, create_graph)
        vector = _fits("vhp", v, points)
        out = _number("vhp", func(*points))
        _refuse_constant("vhp", strict, (out,))
        first = _gradients((out,), points, (None,), True)
        found = _gradients(first, points, vector, create_graph)
    return _done((out,), create_graph)[0], _like(inputs, _done(found, create_graph))


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The value of a function with one number as its result, and Hv: how its gradient changes along ``v``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.autograd.functional.hvp(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]), tg.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)
