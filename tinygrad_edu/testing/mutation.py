"""How good are an operation's tests? Plant wrong derivatives and count how many are noticed.

``python -m tinygrad_edu.testing.mutation [NAME ...]`` prints the table for the library's own operations.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.function import Fused
from tinygrad_edu.node import LEAF, OUTPUT, Node
from tinygrad_edu.testing import mutants
from tinygrad_edu.testing.checks import CHECKS, checks_of
from tinygrad_edu.testing.hygiene import run_backward
from tinygrad_edu.testing.probing import float_outputs, float_places, host, signed
from tinygrad_edu.testing.spec import OpSpec, flattened, several

_PATIENCE = 6  # a mutant that survives meets so many times as many cases
_SAME = 1e-9  # what changes a derivative by less is no mutant but rounding


@dataclass
class Score:
    """What became of an operation's mutants.

    Attributes
    ----------
    name : str
        The operation.
    killed : dict
        Mutant to the check that noticed it.
    survived : list of str
        Mutants that changed a derivative and that no check noticed.
    equivalent : list of str
        Mutants that changed nothing in any drawn case; they do not count.
    conventions : list of str
        Mutants that only chose another slope between left and right on kinks, of an operation whose spec names no convention; these
        are right derivatives and do not count.
    """

    name: str
    killed: dict[str, str] = field(default_factory=dict)
    survived: list[str] = field(default_factory=list)
    equivalent: list[str] = field(default_factory=list)
    conventions: list[str] = field(default_factory=list)

    @property
    def planted(self) -> int:
        """How many mutants changed something."""
        return len(self.killed) + len(self.survived)

    @property
    def score(self) -> float:
        """The share of planted mutants that were noticed; 1 when there were none."""
        return len(self.killed) / self.planted if self.planted else 1.0

    def __str__(self) -> str:
        left = "".join(f"\n    survived: {s}" for s in self.survived)
        return f"{self.name}: {len(self.killed)} of {self.planted} mutants killed{left}"


@dataclass
class _Case:
    """A drawn case, with what the healthy operation makes of it."""

    drawn: Any
    kink: bool
    seed: int
    healthy: Any = None


def mutation_score(spec: OpSpec, *, examples: int = 10, formulas: int = 24) -> Score:
    """Plant wrong derivatives into an operation and count how many its own battery notices.

    Every class of node that the operation's graph consists of gets every mutant. Some change what its backward returns: sign, factor,
    offset; zeroed, averaged, transposed, rolled, flipped; a missing or swapped argument; aliased; of another type; another one at each
    call; wrong only at kinks, or only when it is recorded for the next order. Some change what it gets: a cotangent of ones, its size,
    its mean; or write on it. Some are mistakes in its source: a term dropped, ``+`` for ``-``, ``>`` for ``>=``, another axis, a call
    left out, a broadcast not undone. A mutant that changes no derivative in any drawn case is equivalent and does not count.

    Parameters
    ----------
    spec : OpSpec
        The operation.
    examples : int
        How many cases are drawn; for mutants that survive these, some more.
    formulas : int
        The most mistakes to make in the source of one backward.

    Returns
    -------
    Score
    """
    result = Score(spec.name)
    if not spec.differentiable:
        return result
    checks = [c for group, names in checks_of(spec).items() if group not in ("value", "errors") for c in names]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _run_round(spec, _cases(spec, examples), checks, formulas, result)
        if result.survived:
            again, result.survived = set(result.survived), []
            _run_round(spec, _cases(spec, _PATIENCE * examples), checks, formulas, result, again)
    return result


def _cases(spec: OpSpec, count: int) -> list[_Case]:
    """Drawn cases, beside kinks and on them, with what the healthy operation makes of them."""
    cases = [_Case(c, False, k) for k, c in enumerate(_drawn(spec.inputs, count))]
    if spec.kinks is not None:
        cases += [_Case(c, True, k) for k, c in enumerate(_drawn(spec.kinks, count))]
    for case in cases:
        case.healthy = _derivatives(spec, case)
    return cases


def _run_round(
    spec: OpSpec, cases: list[_Case], checks: list[str], formulas: int, result: Score, only: set[str] | None = None
) -> None:
    """Plant every mutant, or some, and note what became of it."""
    for cls in _node_classes(spec, cases):
        for name, plant in _plants(cls, formulas):
            label = f"{cls.__name__}: {name}"
            if only is not None and label not in only:
                continue
            with plant:
                noticed = _noticed(spec, cases, checks)
            if noticed.check is not None:
                result.killed[label] = noticed.check
            elif noticed.elsewhere or (noticed.on_kinks and spec.convention is not None):
                result.survived.append(label)
            else:
                (result.conventions if noticed.on_kinks else result.equivalent).append(label)


def survey(specs: Sequence[OpSpec], *, examples: int = 10, formulas: int = 24) -> list[Score]:
    """Scores of many operations, worst first."""
    return sorted(
        (mutation_score(s, examples=examples, formulas=formulas) for s in specs), key=lambda s: (s.score, s.name)
    )


def _plants(cls: type, formulas: int) -> Iterator[tuple[str, contextlib.AbstractContextManager[None]]]:
    for name, backward in mutants.mutants(cls, formulas).items():
        yield name, mutants.planted(cls, backward)
    if mutants.undoes_broadcast(cls):
        yield "broadcast not undone", mutants.planted(cls, None)
    if issubclass(cls, Fused):
        yield "reference doubled", mutants.doubled_reference(cls)


@dataclass
class _Notice:
    """Where a mutant changes something, and the check that fails there."""

    check: str | None = None
    on_kinks: bool = False
    elsewhere: bool = False


def _noticed(spec: OpSpec, cases: list[_Case], checks: list[str]) -> _Notice:
    """Run the checks on the cases in which a mutant changes something, until one fails."""
    notice = _Notice()
    for case in cases:
        mutants.on_kinks[0] = case.kink
        try:
            if not _differ(case.healthy, _fingerprint(spec, case)):
                continue
            notice.on_kinks |= case.kink
            notice.elsewhere |= not case.kink
            for check in checks:
                if (check == "kinks") == case.kink and _fails(CHECKS[check], spec, case):
                    notice.check = check
                    return notice
        finally:
            mutants.on_kinks[0] = False
    return notice


def _fails(check: Callable[..., None], spec: OpSpec, case: _Case) -> bool:
    try:
        check(spec, case.drawn, case.seed)
    except Exception:  # a mutant may break anything, and an error of the engine is a notice too
        return True
    return False


def _node_classes(spec: OpSpec, cases: list[_Case]) -> list[type]:
    """The classes of the nodes that the operation's graph consists of."""
    found: dict[type, None] = {}
    for case in cases:
        call, flat = flattened(spec, case.drawn)
        leaves = [x.detach().clone() if isinstance(x, Tensor) else x for x in flat]
        for i in float_places(leaves):
            leaves[i].requires_grad_()
        stack: list[Node | None] = [o._node for o in several(call(*leaves)) if isinstance(o, Tensor)]
        while stack:
            node = stack.pop()
            if node is None or node.kind == LEAF:
                continue
            if node.kind != OUTPUT:
                found[type(node)] = None
            stack.extend(node.edges)
    return list(found)


def _drawn(strategy: Any, count: int) -> list[Any]:
    """The same cases every time: of three times as many, mostly large ones, where elements can be mixed up, and some small ones."""
    cases: list[Any] = []

    @settings(
        max_examples=3 * count,
        derandomize=True,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    cases.sort(key=_elements, reverse=True)
    large = count - count // 4
    return cases[:large] + cases[large :: max((len(cases) - large) // max(count // 4, 1), 1)][: count // 4]


def _elements(case: Any) -> int:
    if isinstance(case, Tensor):
        return case.numel()
    return sum(map(_elements, case)) if isinstance(case, (tuple, list)) else 0


def _fingerprint(spec: OpSpec, case: _Case) -> Any:
    """What a mutant must change to count; a mutant may well break things, and an error is a difference too."""
    try:
        return _derivatives(spec, case)
    except Exception as error:
        return [repr(type(error))]


def _derivatives(spec: OpSpec, case: _Case) -> Any:
    """First and second derivatives, types, shared memory and the cotangents afterwards."""
    call, flat = flattened(spec, case.drawn)
    rows: list[Any] = []
    for again in range(2):
        _, cotangents, grads = run_backward(call, flat, case.seed)
        arrays = [None if g is None else host(g) for g in grads]
        rows += [*arrays, *map(host, cotangents)]
        if not again:
            there = [a for a in arrays if a is not None]
            rows.append([np.shares_memory(a, b) for a in there for b in there if a is not b])
    single = [x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in flat]
    rows.append([None if g is None else str(g.dtype) for g in run_backward(call, single, case.seed)[2]])
    return rows + (_second(call, flat, case) if spec.order > 1 else [])


def _second(call: Callable[..., Any], flat: list[Any], case: _Case) -> list[Any]:
    """The recorded gradient and, away from kinks, its derivative by inputs and cotangents."""
    rng = np.random.default_rng(case.seed)
    leaves = [x.detach().clone() if isinstance(x, Tensor) else x for x in flat]
    wanted = [leaves[i].requires_grad_() for i in float_places(leaves)]
    outs = [o for o in float_outputs(call(*leaves)) if o.requires_grad]
    weights = [tg.tensor(signed(rng, o.shape), requires_grad=True) for o in outs]
    if not outs:
        return []
    graph = tg.autograd.grad(outs, wanted, weights, create_graph=True, materialize_grads=True)
    rows = [host(g).copy() for g in graph]
    # Cotangents and no sum of products: an addition is an operation too, perhaps the one that is changed.
    slopes = [(g, tg.tensor(signed(rng, g.shape))) for g in graph]
    if not case.kink:
        leaves = [*wanted, *weights]
        there = [(g, c) for g, c in slopes if g.requires_grad]
        second = (
            tg.autograd.grad([g for g, _ in there], leaves, [c for _, c in there], materialize_grads=True)
            if there
            else [None] * len(leaves)
        )
        rows += [None if g is None else host(g).copy() for g in second]
    return rows


def _differ(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) != len(b) or any(_differ(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or a.dtype != b.dtype:
            return True
        size = max(float(np.max(np.abs(a), initial=0.0)), 1e-3)
        return not bool(np.all((np.abs(a - b) <= _SAME * size) | (np.isnan(a) & np.isnan(b)) | (a == b)))
    if a is None or b is None:  # no gradient is the same as zeros of any type
        other = a if b is None else b
        return isinstance(other, np.ndarray) and bool(np.any(other))
    return bool(a != b)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores of the library's operations, and the survivors; returns how many operations have some."""
    from tinygrad_edu.testing.specs import ALL_SPECS

    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.testing.mutation", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="operations; all of them when none is named")
    parser.add_argument("--examples", type=int, default=10, help="cases drawn for each operation")
    parser.add_argument("--formulas", type=int, default=24, help="the most mistakes in the source of one backward")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - {s.name for s in ALL_SPECS})
    if unknown:
        parser.error(f"no spec is named {', '.join(unknown)}")
    scores = []
    for spec in ALL_SPECS:
        if spec.differentiable and (not options.names or spec.name in options.names):
            scores.append(mutation_score(spec, examples=options.examples, formulas=options.formulas))
            print(scores[-1], flush=True)
    killed, planted = sum(len(s.killed) for s in scores), sum(s.planted for s in scores)
    print(f"all: {killed} of {planted} mutants of {len(scores)} specs killed ({killed / max(planted, 1):.2%})")
    equivalent, conventions = sum(len(s.equivalent) for s in scores), sum(len(s.conventions) for s in scores)
    print(f"not counted: {equivalent} that change no derivative, {conventions} that choose another slope on a kink")
    return sum(bool(s.survived) for s in scores)


if __name__ == "__main__":
    sys.exit(main() > 0)
