"""Test your gradients: the kit that tests every operation of this library, for your own.

>>> import tinygrad_edu as tg
>>> from tinygrad_edu.testing import check_gradients
>>> check_gradients(lambda x: x.tanh() * 2, tg.randn(3))

With Hypothesis (the extra ``test``) a :class:`OpSpec` turns into a battery of tests, and :func:`mutation_score` tells how good they
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu.testing.gradients import check_gradients, check_precision
from tinygrad_edu.testing.hygiene import (
    check_determinism,
    check_graph_is_freed,
    check_layout,
    check_no_aliases,
    check_nothing_is_mutated,
    check_types,
)
from tinygrad_edu.testing.properties import (
    check_adjoint,
    check_alone,
    check_linear_in_cotangent,
    check_symmetric_hessian,
)
from tinygrad_edu.testing.report import GradientError

if TYPE_CHECKING:
    from tinygrad_edu.testing import strategies
    from tinygrad_edu.testing.alarms import Alarm, false_alarms
    from tinygrad_edu.testing.mutation import Score, mutation_score, survey
    from tinygrad_edu.testing.profiles import register_profiles
    from tinygrad_edu.testing.runner import battery, run_check
    from tinygrad_edu.testing.spec import Bad, OpSpec

__all__ = [
    "Alarm",
    "Bad",
    "GradientError",
    "OpSpec",
    "Score",
    "battery",
    "check_adjoint",
    "check_alone",
    "check_determinism",
    "check_gradients",
    "check_graph_is_freed",
    "check_layout",
    "check_linear_in_cotangent",
    "check_no_aliases",
    "check_nothing_is_mutated",
    "check_precision",
    "check_symmetric_hessian",
    "check_types",
    "false_alarms",
    "mutation_score",
    "register_profiles",
    "run_check",
    "strategies",
    "survey",
]

_WITH_HYPOTHESIS = {
    "Alarm": "alarms",
    "Bad": "spec",
    "OpSpec": "spec",
    "battery": "runner",
    "false_alarms": "alarms",
    "run_check": "runner",
    "Score": "mutation",
    "mutation_score": "mutation",
    "survey": "mutation",
    "register_profiles": "profiles",
    "strategies": "strategies",
}


def __getattr__(name: str) -> Any:
    """What needs Hypothesis is imported when it is first asked for."""
    import importlib

    module = _WITH_HYPOTHESIS.get(name)
    if module is None:
        raise AttributeError(f"tinygrad_edu.testing has no {name!r}")
    try:
        found = importlib.import_module(f"tinygrad_edu.testing.{module}")
    except ImportError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(
            f"tinygrad_edu.testing.{name} needs Hypothesis, which is not installed: pip install 'tinygrad_edu[test]'"
        ) from None
    return found if name == "strategies" else getattr(found, name)
