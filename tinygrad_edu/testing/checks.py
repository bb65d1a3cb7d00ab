"""The checks of the battery: each takes an operation's spec, one drawn case and a seed, and raises when it fails."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor, backends
from tinygrad_edu.testing import hygiene, properties
from tinygrad_edu.testing.gradients import check_gradients, check_precision
from tinygrad_edu.testing.probing import host
from tinygrad_edu.testing.report import GradientError
from tinygrad_edu.testing.spec import OpSpec, arguments_of, flattened, several

Check = Callable[[OpSpec, Any, int], None]


def _host(value: Any) -> Any:
    """NumPy arrays in place of tensors, also inside lists."""
    if isinstance(value, Tensor):
        return host(value)
    if isinstance(value, (tuple, list)) and any(isinstance(v, Tensor) for v in value):
        return type(value)(_host(v) for v in value)
    return value


def _same_values(name: str, got: list[Any], want: list[Any], rtol: float, who: str) -> None:
    if len(got) != len(want):
        raise GradientError(f"{name}: {len(got)} results, {who} has {len(want)}")
    for g, w in zip(got, want, strict=True):
        x, y = np.asarray(_host(g)), np.asarray(w)
        if x.shape != y.shape:
            raise GradientError(f"{name}: a result of shape {x.shape}, {who} has {y.shape}")
        if not np.allclose(x, y, rtol=rtol, atol=rtol * 10, equal_nan=True):
            raise GradientError(f"{name}: the result is\n{x!r}\nbut {who} gives\n{y!r}")


def _reference(spec: OpSpec, args: Any) -> list[Any]:
    """The reference's results on NumPy arrays; what NumPy warns of is a case to be compared like any other."""
    assert spec.reference is not None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return several(spec.reference(*[_host(a) for a in args]))


def check_value(spec: OpSpec, case: Any, seed: int) -> None:
    """The result is the reference's."""
    if spec.reference is not None:
        args = arguments_of(case)
        _same_values(spec.name, several(spec.function(*args)), _reference(spec, args), spec.rtol, "the reference")


def check_methods(spec: OpSpec, case: Any, seed: int) -> None:
    """Methods, and those that write in place, agree with the function, and so do their gradients."""
    call, flat = flattened(spec, case)
    values = [_host(v) for v in several(call(*flat))]
    for name in f"{spec.methods} {spec.inplace}".split():

        def method(*values: Any, name: str = name) -> Any:
            first, *rest = call.nested(*values)  # type: ignore[attr-defined]
            return getattr(first.clone() if name in spec.inplace.split() else first, name)(*rest)

        method.__name__ = f"{spec.name} as the method {name}"
        if name in spec.inplace.split() and np.shape(values[0]) != tuple(flat[0].shape):
            _check_misfit(method, flat)
            continue
        _same_values(method.__name__, several(method(*flat)), values, 0.0, "the function")
        if spec.differentiable:
            run = hygiene.run_backward
            hygiene.same(method, "from the function's", run(method, flat, seed), run(call, flat, seed))


def _check_misfit(method: Callable[..., Any], flat: list[Any]) -> None:
    """A result of another shape cannot be written into the first argument."""
    try:
        method(*flat)
    except ValueError:
        return
    raise GradientError(f"{method.__name__}: a result of another shape was written")


def check_empty(spec: OpSpec, case: Any, seed: int) -> None:
    """With no elements along the first dimension there is a result of the reference's shape, or an error that says why not."""
    call, flat = flattened(spec, case)
    empty = [x[:0] if isinstance(x, Tensor) and x.dim() else x for x in flat]
    refusals = (ValueError, IndexError, RuntimeError, TypeError)
    try:
        got = several(call(*empty))
    except refusals:
        return
    if spec.reference is not None:
        try:
            want = _reference(spec, call.nested(*empty))  # type: ignore[attr-defined]
        except refusals + (ArithmeticError,):
            return
        _same_values(spec.name, got, want, spec.rtol, "the reference")
    if spec.differentiable and got:
        hygiene.check_types(call, *empty, seed=seed)


@functools.cache
def _other_devices() -> list[str]:
    """The backends to compare with; JAX compiles every operation for every shape, which is left to the conformance command."""
    return [name for name, state in backends.available().items() if name not in ("cpu", "jax") and state == "ready"]


def check_backends(spec: OpSpec, case: Any, seed: int) -> None:
    """The same result, and the same gradients, on every other backend that is here; a quarter of the cases will do.

    Formulas of users may ask more of raw arrays than the array standard has; that is between them and their device.
    """
    owner = getattr(spec.function, "__self__", spec.function)  # of ``Swish.apply`` the class
    if seed % 4 or not str(owner.__module__).startswith("tinygrad_edu."):
        return
    call, flat = flattened(spec, case)
    for device in _other_devices():
        moved = [a.to(device) if isinstance(a, Tensor) else a for a in flat]
        try:
            got = several(call(*moved))
        except TypeError as error:
            if f"is not supported on {device}" in str(error):  # a type that its library lacks
                continue
            raise
        _same_values(spec.name, got, [_host(v) for v in several(call(*flat))], 1e-6, "the cpu")
        if spec.differentiable:
            run = hygiene.run_backward
            hygiene.same(call, f"on {device}", run(call, flat, seed), run(call, moved, seed), 1e-6)


def check_derivatives(spec: OpSpec, case: Any, seed: int) -> None:
    """Derivatives up to the spec's order are the numerical ones."""
    call, flat = flattened(spec, case)
    check_gradients(call, *flat, order=spec.order, seed=seed)


def check_kinks(spec: OpSpec, case: Any, seed: int) -> None:
    """On kinks and ties the gradient lies between the one-sided derivatives, recorded or not."""
    call, flat = flattened(spec, case)
    check_gradients(call, *flat, order=min(spec.order, 2), kink=True, seed=seed)
    if spec.convention is not None:
        _, cotangents, grads = hygiene.run_backward(call, flat, seed)
        want = several(spec.convention(*map(host, cotangents), *[_host(a) for a in arguments_of(case)]))
        got = [np.zeros(np.shape(w)) if g is None else g for g, w in zip(grads, want, strict=True)]
        _same_values(f"{spec.name}: the gradient on a kink", got, want, 1e-9, "the convention")


def check_convention(spec: OpSpec, case: Any, seed: int) -> None:
    """Where results are rounded, so that slopes cannot be measured, the gradient is the one that is meant, in the inputs' types."""
    assert spec.convention is not None
    call, flat = flattened(spec, case)
    for dtype in (tg.float64, tg.float32, tg.float16):
        given = [x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in flat]
        _, cotangents, grads = hygiene.run_backward(call, given, seed)
        want = several(spec.convention(*map(host, cotangents), *map(_host, given)))
        _same_values(
            f"{spec.name}: the gradient of {dtype}", grads, [np.asarray(w, dtype.name) for w in want], 0.0, "meant"
        )
        if any(g.dtype is not dtype for g in grads):
            raise GradientError(f"{spec.name}: the gradient of {dtype} is {grads[0].dtype}")


def _on_flat(check: Callable[..., None]) -> Check:
    """A check of functions of tensors as a check of specs."""

    def run(spec: OpSpec, case: Any, seed: int) -> None:
        call, flat = flattened(spec, case)
        check(call, *flat, seed=seed)

    return run


def check_errors(spec: OpSpec) -> None:
    """Bad arguments are refused with the right error."""
    for bad in spec.errors:
        args = bad.args()
        try:
            spec.function(*args)
        except bad.error as error:
            if not re.search(bad.text, str(error)):
                raise AssertionError(f"{spec.name}: the message {str(error)!r} does not match {bad.text!r}") from error
        else:
            raise AssertionError(
                f"{spec.name}: bad arguments were accepted; expected {bad.error.__name__} with {bad.text!r}"
            )


# Checks that share a draw, and so one test, by the name of the group.
GROUPS: dict[str, dict[str, Check]] = {
    "value": {
        "value": check_value,
        "methods": check_methods,
        "no elements": check_empty,
        "backends": check_backends,
    },
    "derivatives": {
        "derivatives": check_derivatives,
        "linear in the cotangent": _on_flat(properties.check_linear_in_cotangent),
        "one input alone": _on_flat(properties.check_alone),
        "adjoint identity": _on_flat(properties.check_adjoint),
        "symmetric Hessian": _on_flat(properties.check_symmetric_hessian),
    },
    "hygiene": {
        "nothing mutated": _on_flat(hygiene.check_nothing_is_mutated),
        "no aliases": _on_flat(hygiene.check_no_aliases),
        "precision": _on_flat(check_precision),
        "types": _on_flat(hygiene.check_types),
        "layout": _on_flat(hygiene.check_layout),
        "determinism": _on_flat(hygiene.check_determinism),
        "graph freed": _on_flat(hygiene.check_graph_is_freed),
    },
    "kinks": {"kinks": check_kinks},
    "convention": {"convention": check_convention},
}
CHECKS: dict[str, Check] = {name: check for group in GROUPS.values() for name, check in group.items()}


def checks_of(spec: OpSpec) -> dict[str, list[str]]:
    """The checks that apply to an operation, by group."""
    groups = ["value"]
    if spec.differentiable:
        groups += ["derivatives", "hygiene"]
        if spec.kinks is not None:
            groups.append("kinks")
    elif spec.convention is not None:
        groups.append("convention")
    found = {g: [c for c in GROUPS[g] if _applies(spec, c)] for g in groups}
    if spec.errors:
        found["errors"] = ["errors"]
    return found


def _applies(spec: OpSpec, check: str) -> bool:
    if check in ("adjoint identity", "symmetric Hessian"):
        return spec.order >= 2
    return check != "methods" or bool(spec.methods or spec.inplace)
