"""Does the kit ever cry wolf? Run the battery of right operations under many random seeds and count the failures.

``python -m tinygrad_edu.testing.alarms [NAME ...]`` prints them for the library's own operations.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tinygrad_edu.testing.checks import CHECKS, GROUPS, checks_of
from tinygrad_edu.testing.spec import OpSpec


@dataclass(frozen=True)
class Alarm:
    """A check that failed.

    Attributes
    ----------
    name, check : str
        The operation, and the check of its battery.
    seed : int
        Of the run that it failed in.
    error : Exception
        What it said.
    case : object
        The arguments.
    """

    name: str
    check: str
    seed: int
    error: Exception
    case: Any

    def __str__(self) -> str:
        what = f"{type(self.error).__name__}: {self.error}".strip().replace("\n", "\n        ")
        return (
            f"{self.name}: {self.check!r} fails with seed {self.seed}\n        {what}\n        arguments: {self.case!r}"
        )


def false_alarms(spec: OpSpec, *, seeds: Sequence[int] = range(100), examples: int = 1) -> list[Alarm]:
    """Run the battery of an operation once with each seed; what fails although the operation is right is a false alarm.

    A seed decides both the arguments and the cotangents and directions of the checks. No failure ends the count and none is shrunk.

    Parameters
    ----------
    spec : OpSpec
        The operation.
    seeds : sequence of int
        One run of the battery each.
    examples : int
        How many cases each group of checks draws in a run.

    Returns
    -------
    list of Alarm

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.testing import OpSpec, strategies
    >>> false_alarms(OpSpec("sin", tg.sin, strategies.tensors()), seeds=range(3))
    []
    """
    found: list[Alarm] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for seed in seeds:
            for group, checks in checks_of(spec).items():
                if group in GROUPS:  # bad arguments are the same ones each time
                    found += _run(spec, group, checks, seed, examples)
    return found


def _run(spec: OpSpec, group: str, checks: Sequence[str], seed: int, examples: int) -> Iterator[Alarm]:
    """The failures of a group of checks in one run."""
    for case in _drawn(spec.kinks if group == "kinks" else spec.inputs, seed, examples):
        for check in checks:
            try:
                CHECKS[check](spec, case, seed)
            except Exception as error:  # whatever is raised would have ended a test
                yield Alarm(spec.name, check, seed, error, case)


def _drawn(strategy: Any, seed: int, count: int) -> list[Any]:
    """Random cases; one more is drawn, since Hypothesis begins with the simplest one whatever the seed."""
    cases: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=count + 1,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases[-count:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Count the false alarms of the batteries of the library's operations; returns how many operations have some."""
    from tinygrad_edu.testing.specs import ALL_SPECS

    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.testing.alarms", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="operations; all of them when none is named")
    parser.add_argument("--seeds", type=int, default=100, help="runs of each battery, a seed each")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--examples", type=int, default=1, help="cases that a group of checks draws in a run")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - {s.name for s in ALL_SPECS})
    if unknown:
        parser.error(f"no spec is named {', '.join(unknown)}")
    specs = [s for s in ALL_SPECS if not options.names or s.name in options.names]
    seeds, noisy, total = range(options.first, options.first + options.seeds), 0, 0
    for spec in specs:
        alarms = false_alarms(spec, seeds=seeds, examples=options.examples)
        noisy, total = noisy + bool(alarms), total + len(alarms)
        print(
            f"{spec.name}: {len(alarms) or 'no'} false alarm{'s' * (len(alarms) != 1)} in {len(seeds)} runs", flush=True
        )
        for alarm in alarms[:3]:
            print(f"    {alarm}", flush=True)
    print(f"all: {total} false alarms in {len(seeds)} runs of the batteries of {len(specs)} specs")
    return noisy


if __name__ == "__main__":
    sys.exit(main() > 0)
