"""The battery: all checks of an operation as parametrised pytest tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tinygrad_edu.testing.checks import CHECKS, check_errors, checks_of
from tinygrad_edu.testing.spec import OpSpec

# Each example of the battery runs a handful of checks, so it draws a part of the profile's number.
SHARE = 5


def examples() -> int:
    """How many cases a group of checks draws under the active Hypothesis profile."""
    return max(settings().max_examples // SHARE, 1)


def run_check(spec: OpSpec, *names: str, max_examples: int | None = None, search: bool = True) -> None:
    """Run checks of an operation's battery on the same drawn cases; raises when one fails.

    Parameters
    ----------
    spec : OpSpec
        The operation.
    *names : str
        Names of checks, as :func:`~tinygrad_edu.testing.checks.checks_of` lists them.
    max_examples : int, optional
        How many cases to draw; by default a fifth of the active Hypothesis profile's number.
    search : bool
        False draws the same cases every time and does not shrink.
    """
    if names == ("errors",):
        check_errors(spec)
        return
    count = examples() if max_examples is None else max_examples
    options: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": list(HealthCheck),
        "max_examples": count,
    }
    if not search:
        options |= {"derandomize": True, "phases": [Phase.generate], "database": None}

    @settings(**options)
    @given(case=spec.kinks if "kinks" in names else spec.inputs, seed=st.integers(0, 2**16))
    def test(case: Any, seed: int) -> None:
        for name in names:
            try:
                CHECKS[name](spec, case, seed)
            except Exception as error:
                error.add_note(f"{spec.name}, check {name!r}")
                raise

    test()


def battery(*specs: OpSpec, max_examples: int | None = None) -> Callable[..., None]:
    """A pytest test of operations: one test for each operation and group of checks.

    Assign it to a name that begins with ``test``::

        test_cube = battery(OpSpec("cube", Cube.apply, inputs=tensors()))
    """
    import pytest

    cases = [
        pytest.param(spec, checks, id=f"{spec.name}-{group}")
        for spec in specs
        for group, checks in checks_of(spec).items()
    ]

    @pytest.mark.parametrize(("spec", "checks"), cases)
    def test(spec: OpSpec, checks: Sequence[str]) -> None:
        run_check(spec, *checks, max_examples=max_examples)

    return test
