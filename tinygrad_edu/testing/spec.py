"""``OpSpec``: what an operation is, and the battery of tests that follows from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, backends
from tinygrad_edu.testing import hygiene, properties
from tinygrad_edu.testing.gradients import GradientError, check_gradients


@dataclass(frozen=True)
class Bad:
    """Arguments that an operation must refuse.

    Attributes
    ----------
    args : callable
        Makes the arguments (so that no tensor is made when the spec is read).
    error : type
        The kind of error.
    text : str
        A regular expression that its message must match.
    """

    args: Callable[[], Sequence[Any]]
    error: type[Exception]
    text: str


@dataclass(frozen=True)
class OpSpec:
    """An operation, told to the test battery.

    Attributes
    ----------
    name : str
        Its public name.
    function : callable
        Takes the arguments and returns a Tensor or a tuple of them.
    inputs : strategy
        Draws the arguments, a tuple (or one Tensor), away from kinks, inside the domain, in float64.
    reference : callable, optional
        The same on NumPy arrays, written independently.
    kinks : strategy, optional
        Draws arguments that lie on kinks or ties; there the gradient must lie between the one-sided derivatives.
    errors : sequence of Bad
        What must be refused.
    differentiable : bool
        False for operations without gradient, such as comparisons.
    order : int
        Up to which order derivatives are checked.
    domain : str
        In words, for the documentation.
    rtol : float
        Of the comparison of values with the reference.
    notes : str
        The convention at kinks and the like, for the documentation.
    methods : str
        Names of Tensor methods, with blanks between, that take the same arguments and must give the same result.
    inplace : str
        Names of Tensor methods that must write the same result into the first argument, and give the same gradients.
    torch : str or callable
        What the tests compare with where PyTorch is installed: the dotted name of a function below ``torch``
        (``"nn.functional.gelu"``, ``"Tensor.scatter_add"``), or a callable that takes the module and then the arguments.
    dtypes : str
        The types, with blanks between, that the comparison with PyTorch runs the tensors in.
    """

    name: str
    function: Callable[..., Any]
    inputs: Any
    reference: Callable[..., Any] | None = None
    kinks: Any = None
    errors: Sequence[Bad] = field(default=())
    differentiable: bool = True
    order: int = 2
    domain: str = "all real numbers"
    rtol: float = 1e-12
    notes: str = ""
    methods: str = ""
    inplace: str = ""
    torch: str | Callable[..., Any] = ""
    dtypes: str = "float64 float32 int64"


def _arguments(case: Any) -> tuple[Any, ...]:
    return tuple(case) if isinstance(case, (tuple, list)) else (case,)


def _host(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, (tuple, list)) and any(isinstance(v, Tensor) for v in value):
        return type(value)(_host(v) for v in value)
    return value


def _several(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _flattened(spec: OpSpec, case: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Arguments with tensors inside lists taken out, and the function of those."""
    args = _arguments(case)
    flat: list[Any] = []
    shape: list[int | None] = []
    for a in args:
        if isinstance(a, (list, tuple)) and a and all(isinstance(v, Tensor) for v in a):
            shape.append(len(a))
            flat.extend(a)
        else:
            shape.append(None)
            flat.append(a)

    def arguments(*values: Any) -> list[Any]:
        rest = iter(values)
        return [next(rest) if n is None else [next(rest) for _ in range(n)] for n in shape]

    def call(*values: Any) -> Any:
        return spec.function(*arguments(*values))

    call.__name__ = spec.name
    call.arguments = arguments  # type: ignore[attr-defined]
    return call, flat


def _check_value(spec: OpSpec, case: Any, seed: int) -> None:
    if spec.reference is None:
        return
    got = _several(spec.function(*_arguments(case)))
    want = _several(spec.reference(*[_host(a) for a in _arguments(case)]))
    if len(got) != len(want):
        raise GradientError(f"{spec.name}: {len(got)} results, the reference has {len(want)}")
    for g, w in zip(got, want, strict=True):
        x = _host(g)
        w = np.asarray(w)
        if np.shape(x) != w.shape:
            raise GradientError(f"{spec.name}: a result of shape {np.shape(x)}, the reference has {w.shape}")
        if not np.allclose(x, w, rtol=spec.rtol, atol=spec.rtol * 10, equal_nan=True):
            raise GradientError(f"{spec.name}: {x!r}, the reference gives {w!r}")


def _check_derivatives(spec: OpSpec, case: Any, seed: int) -> None:
    call, flat = _flattened(spec, case)
    check_gradients(call, *flat, order=spec.order, seed=seed)


def _on_flat(check: Callable[..., None]) -> Callable[[OpSpec, Any, int], None]:
    def run(spec: OpSpec, case: Any, seed: int) -> None:
        call, flat = _flattened(spec, case)
        check(call, *flat, seed=seed)

    return run


def _check_kinks(spec: OpSpec, case: Any, seed: int) -> None:
    call, flat = _flattened(spec, case)
    check_gradients(call, *flat, order=1, kink=True, seed=seed)


def _check_errors(spec: OpSpec) -> None:
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


def _check_backends(spec: OpSpec, case: Any, seed: int) -> None:
    """The same result on every other backend that is here."""
    want = [_host(v) for v in _several(spec.function(*_arguments(case)))]
    for name, state in backends.available().items():
        if name == "cpu" or state != "ready":
            continue
        moved = [a.to(name) if isinstance(a, Tensor) else a for a in _arguments(case)]
        got = [_host(v) for v in _several(spec.function(*moved))]
        for g, w in zip(got, want, strict=True):
            if not np.allclose(g, w, rtol=1e-6, atol=1e-6, equal_nan=True):
                raise GradientError(f"{spec.name}: on {name} the result differs from the cpu's")


def _check_methods(spec: OpSpec, case: Any, seed: int) -> None:
    """Methods, and those that write in place, agree with the function, and so do their gradients."""
    call, flat = _flattened(spec, case)
    values = [_host(v) for v in _several(call(*flat))]
    for name in f"{spec.methods} {spec.inplace}".split():

        def method(*values: Any, name: str = name) -> Any:
            first, *rest = call.arguments(*values)  # type: ignore[attr-defined]
            return getattr(first.clone() if name in spec.inplace.split() else first, name)(*rest)

        method.__name__ = f"{spec.name} as the method {name}"
        for got, want in zip(_several(method(*flat)), values, strict=True):
            if not np.array_equal(_host(got), want, equal_nan=np.asarray(want).dtype.kind == "f"):
                raise GradientError(f"{method.__name__}: the result differs from the function's")
        if spec.differentiable:
            run = hygiene.run_backward
            hygiene.same(method, "from the function's", run(method, flat, seed), run(call, flat, seed))


SMOOTH: dict[str, Callable[[OpSpec, Any, int], None]] = {
    "derivatives": _check_derivatives,
    "linear in the cotangent": _on_flat(properties.check_linear_in_cotangent),
    "adjoint identity": _on_flat(properties.check_adjoint),
    "symmetric Hessian": _on_flat(properties.check_symmetric_hessian),
    "nothing mutated": _on_flat(hygiene.check_nothing_is_mutated),
    "no aliases": _on_flat(hygiene.check_no_aliases),
    "types": _on_flat(hygiene.check_types),
    "layout": _on_flat(hygiene.check_layout),
    "determinism": _on_flat(hygiene.check_determinism),
    "graph freed": _on_flat(hygiene.check_graph_is_freed),
}
ALWAYS: dict[str, Callable[[OpSpec, Any, int], None]] = {
    "value": _check_value,
    "methods": _check_methods,
    "backends": _check_backends,
}


def checks_of(spec: OpSpec) -> list[str]:
    """The names of the checks that apply to an operation."""
    names = [n for n in ALWAYS if n != "methods" or spec.methods or spec.inplace]
    if spec.differentiable:
        names += list(SMOOTH)
    if spec.kinks is not None:
        names.append("kinks")
    if spec.errors:
        names.append("errors")
    return names


def run_check(spec: OpSpec, name: str, *, max_examples: int | None = None, search: bool = True) -> None:
    """Run one check of an operation's battery; raises when it fails.

    Parameters
    ----------
    max_examples : int, optional
        How many cases to draw; the active Hypothesis profile's number by default.
    search : bool
        False draws the same cases every time and does not shrink, for counting mutants.
    """
    if name == "errors":
        _check_errors(spec)
        return
    check = _check_kinks if name == "kinks" else {**ALWAYS, **SMOOTH}[name]
    strategy = spec.kinks if name == "kinks" else spec.inputs
    options: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
    if max_examples is not None:
        options["max_examples"] = max_examples
    if not search:
        options |= {"derandomize": True, "phases": [Phase.generate], "database": None}

    @settings(**options)
    @given(case=strategy, seed=st.integers(0, 2**16))
    def test(case: Any, seed: int) -> None:
        check(spec, case, seed)

    test()


def battery(*specs: OpSpec, examples: int | None = None) -> Callable[..., None]:
    """A pytest test of operations: one test for each operation and check.

    Assign it to a name that begins with ``test``::

        test_cube = battery(OpSpec("cube", Cube.apply, inputs=tensors()))
    """
    import pytest

    cases = [pytest.param(s, c, id=f"{s.name}-{c.replace(' ', '_')}") for s in specs for c in checks_of(s)]

    @pytest.mark.parametrize(("spec", "check"), cases)
    def test(spec: OpSpec, check: str) -> None:
        run_check(spec, check, max_examples=examples)

    return test


def uncovered(specs: Iterable[OpSpec], public: Iterable[str]) -> list[str]:
    """Public names without a spec."""
    known = {s.name for s in specs}
    return sorted(set(public) - known)
