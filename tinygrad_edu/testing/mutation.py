"""How good are an operation's tests? Plant wrong derivatives and count how many are noticed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.function import Fused
from tinygrad_edu.node import LEAF, OUTPUT, Node
from tinygrad_edu.testing import spec as battery
from tinygrad_edu.testing.spec import OpSpec, _flattened, _several, checks_of, run_check

Grads = tuple[Any, ...]


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
        Mutants that no check noticed.
    equivalent : int
        Mutants that changed no gradient in any drawn case, and were not counted.
    """

    name: str
    killed: dict[str, str] = field(default_factory=dict)
    survived: list[str] = field(default_factory=list)
    equivalent: int = 0

    @property
    def planted(self) -> int:
        """How many mutants changed something."""
        return len(self.killed) + len(self.survived)

    @property
    def score(self) -> float:
        """The share of planted mutants that were noticed; 1 when there were none."""
        return len(self.killed) / self.planted if self.planted else 1.0

    def __str__(self) -> str:
        left = f"; survived: {', '.join(self.survived)}" if self.survived else ""
        return f"{self.name}: {len(self.killed)} of {self.planted} mutants killed{left}"


def _each(change: Callable[[Any], Any]) -> Callable[[Any, Any, Grads], Grads]:
    """A mutant that changes every gradient alike."""
    return lambda node, g, grads: tuple(None if x is None else change(x) for x in grads)


def _in_graph(change: Callable[[Any], Any]) -> Callable[[Any, Any, Grads], Grads]:
    """A mutant that is wrong only when the derivative is itself recorded."""
    return lambda node, g, grads: tuple(change(x) if isinstance(x, Tensor) else x for x in grads)


def _array(x: Any) -> Any:
    return x.dense() if hasattr(x, "dense") else x


def _rearranged(how: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Apply a NumPy rearrangement to a gradient; for tensors a constant permutation of the elements."""

    def change(x: Any) -> Any:
        x = _array(x)
        if not isinstance(x, Tensor):
            a = np.asarray(x)
            return np.ascontiguousarray(how(a)).reshape(a.shape)
        order = np.ascontiguousarray(how(np.arange(x.numel()).reshape(x.shape))).reshape(-1)
        return x.reshape(-1)[tg.tensor(order)].reshape(x.shape) if x.numel() else x

    return change


def _without(i: int) -> Callable[[Any, Any, Grads], Grads]:
    return lambda node, g, grads: tuple(_array(x) * 0 if k == i and x is not None else x for k, x in enumerate(grads))


def _swapped(node: Any, g: Any, grads: Grads) -> Grads:
    there = [k for k, x in enumerate(grads) if x is not None]
    if len(there) < 2 or _array(grads[there[0]]).shape != _array(grads[there[1]]).shape:
        return grads
    out = list(grads)
    out[there[0]], out[there[1]] = out[there[1]], out[there[0]]
    return tuple(out)


def _first_zeroed(x: Any) -> Any:
    x = _array(x)
    mask = np.ones(x.shape)
    mask.reshape(-1)[:1] = 0
    return x * (tg.tensor(mask, dtype=x.dtype) if isinstance(x, Tensor) else mask.astype(x.dtype))


def _last_off(x: Any) -> Any:
    x = _array(x)
    mask = np.ones(x.shape)
    mask.reshape(-1)[-1:] = 1.01
    return x * (tg.tensor(mask, dtype=x.dtype) if isinstance(x, Tensor) else mask.astype(x.dtype))


def _averaged(x: Any) -> Any:
    x = _array(x)
    if not len(x.shape):
        return x
    return x * 0 + (x.mean(-1, keepdim=True) if isinstance(x, Tensor) else np.mean(x, -1, keepdims=True))


def _aliased(node: Any, g: Any, grads: Grads) -> Grads:
    """Give every argument of the same shape the very same array."""
    if isinstance(g, (list, Tensor)):
        return grads
    there = [x for x in grads if x is not None and not hasattr(x, "dense")]
    return (
        tuple(there[0] if x is not None and np.shape(x) == np.shape(there[0]) else x for x in grads) if there else grads
    )


_calls = [0]


def _drifting(x: Any) -> Any:
    _calls[0] += 1
    return _array(x) * (1 + 1e-3 * (_calls[0] % 7))


RESULT_MUTANTS: dict[str, Callable[[Any, Any, Grads], Grads]] = {
    "sign": _each(lambda x: -_array(x)),
    "factor 2": _each(lambda x: _array(x) * 2),
    "factor 7": _each(lambda x: _array(x) * 7),
    "factor 1/2": _each(lambda x: _array(x) * 0.5),
    "factor 1.001": _each(lambda x: _array(x) * 1.001),
    "zero": _each(lambda x: _array(x) * 0),
    "offset": _each(lambda x: _array(x) + 0.1),
    "squared": _each(lambda x: _array(x) * _array(x)),
    "first element dropped": _each(_first_zeroed),
    "last element off by 1%": _each(_last_off),
    "averaged over the last axis": _each(_averaged),
    "transposed": _each(_rearranged(lambda a: a.T)),
    "last two axes swapped": _each(_rearranged(lambda a: a.swapaxes(-1, -2) if a.ndim > 1 else a)),
    "rolled": _each(_rearranged(lambda a: np.roll(a, 1))),
    "rolled along the last axis": _each(_rearranged(lambda a: np.roll(a, 1, -1) if a.ndim else a)),
    "flipped": _each(_rearranged(lambda a: np.flip(a, 0) if a.ndim else a)),
    "first argument missing": _without(0),
    "second argument missing": _without(1),
    "third argument missing": _without(2),
    "arguments swapped": _swapped,
    "aliased": _aliased,
    "different at each call": _each(_drifting),
    "wrong in the graph": _in_graph(lambda x: x * 2),
    "sign in the graph": _in_graph(lambda x: -x),
    "cut off the graph": _in_graph(lambda x: x.detach()),
}


def _ones_like(g: Any) -> Any:
    if g is None:
        return None
    return tg.ones_like(g) if isinstance(g, Tensor) else np.ones_like(g)


def _absolute(g: Any) -> Any:
    return None if g is None else abs(g)


COTANGENT_MUTANTS: dict[str, Callable[[Any], Any]] = {
    "cotangent taken as ones": _ones_like,
    "cotangent's size only": _absolute,
}


def _patched(cls: type, name: str) -> Callable[..., Any]:
    """The backward of ``cls`` with the mutant ``name``."""
    original = cls.backward  # type: ignore[attr-defined]

    def backward(self: Any, *gs: Any) -> Any:
        if name in COTANGENT_MUTANTS:
            return original(self, *[COTANGENT_MUTANTS[name](g) for g in gs])
        if name == "cotangent mutated":
            for g in gs:
                if isinstance(g, np.ndarray) and g.flags.writeable:
                    g *= 1.5
            return original(self, *gs)
        if name == "kept values as constants" and any(isinstance(g, Tensor) for g in gs) and self.saved is not None:
            self.saved = tuple(v.detach() if isinstance(v, Tensor) else v for v in self.saved)
        grads = original(self, *gs)
        single = type(grads) is not tuple
        grads = (grads,) if single else grads
        if name == "wrong at kinks":
            return tuple(None if x is None else _array(x) * 5 for x in grads) if _on_kinks[0] else grads
        if name == "type widened":
            return tuple(x.astype(np.float64) if isinstance(x, np.ndarray) else x for x in grads)
        mutate = RESULT_MUTANTS.get(name)
        return grads if mutate is None else mutate(self, gs[0] if len(gs) == 1 else list(gs), grads)

    return backward


_on_kinks = [False]
OTHER_MUTANTS = (
    "cotangent mutated",
    "kept values as constants",
    "type widened",
    "broadcast not undone",
    "wrong at kinks",
)


@contextlib.contextmanager
def planted(cls: type, name: str) -> Iterator[None]:
    """Make one derivative wrong, for the time of a ``with`` block."""
    if name == "broadcast not undone":
        module = sys.modules[cls.__module__]
        original = getattr(module, "fit", None)
        if original is None:
            yield
            return
        module.fit = lambda g, shape: None if g is None else original(g, shape) * 0 + _corner(g, shape)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            module.fit = original  # type: ignore[attr-defined]
        return
    own = cls.__dict__.get("backward")
    cls.backward = _patched(cls, name)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if own is None:
            del cls.backward  # type: ignore[attr-defined]
        else:
            cls.backward = own  # type: ignore[attr-defined]


def _corner(g: Any, shape: tuple[int, ...]) -> Any:
    """The gradient without the sum over what was broadcast: its first slice."""
    lead = len(g.shape) - len(shape)
    index = (0,) * lead + tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)
    return g[index] if index else g


def node_classes(spec: OpSpec, cases: list[Any]) -> list[type]:
    """The classes of the nodes that the operation's graph consists of."""
    found: dict[type, None] = {}
    for case in cases:
        call, flat = _flattened(spec, case)
        leaves = [
            x.detach().clone().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x for x in flat
        ]
        stack: list[Node | None] = [o._node for o in _several(call(*leaves)) if isinstance(o, Tensor)]
        while stack:
            node = stack.pop()
            if node is None or node.kind == LEAF:
                continue
            if node.kind != OUTPUT:
                found[type(node)] = None
            stack.extend(node.edges)
    return list(found)


def _drawn(strategy: Any, count: int) -> list[Any]:
    cases: list[Any] = []

    @settings(
        max_examples=count,
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
    return cases


def _fingerprint(spec: OpSpec, cases: list[Any], kinks: list[Any]) -> list[Any]:
    """First and second derivatives over the cases: what a mutant must change to count."""
    prints: list[Any] = []
    for on_kinks, group in ((False, cases), (True, kinks)):
        _on_kinks[0] = on_kinks
        for case in group:
            prints.append(_derivatives(spec, case, on_kinks))
    _on_kinks[0] = False
    return prints


def _derivatives(spec: OpSpec, case: Any, first_only: bool) -> Any:
    call, flat = _flattened(spec, case)
    leaves = [
        x.detach().clone().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x for x in flat
    ]
    wanted = [x for x in leaves if isinstance(x, Tensor) and x.requires_grad]
    try:
        outs = [o for o in _several(call(*leaves)) if isinstance(o, Tensor) and o.requires_grad]
        weights = [
            tg.linspace(-1.3, 1.7, o.numel(), dtype=tg.float64).reshape(o.shape) if o.numel() else o.detach()
            for o in outs
        ]
        if not outs:
            return None
        kept = [w.clone() for w in weights]
        plain = tg.autograd.grad(outs, wanted, weights, retain_graph=True, materialize_grads=True)
        aliases = [np.may_share_memory(a.numpy(), b.numpy()) for a in plain for b in plain if a is not b]
        rows = [p.numpy().copy() for p in plain] + [w.numpy() - k.numpy() for w, k in zip(weights, kept, strict=True)]
        if first_only:
            return [rows, aliases]
        graph = tg.autograd.grad(outs, wanted, kept, create_graph=True, materialize_grads=True)
        rows += [g.detach().numpy().copy() for g in graph]
        total = sum(((g * (k + 1.3)).sum() for k, g in enumerate(graph)), tg.zeros((), dtype=tg.float64))
        if total.requires_grad:
            rows += [g.numpy().copy() for g in tg.autograd.grad(total, wanted, materialize_grads=True)]
        return [rows, aliases, [r.dtype.name for r in rows]]
    except Exception as error:  # a mutant may well break things: that is a difference
        return repr(type(error))


def _differ(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) != len(b) or any(_differ(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape != b.shape or not np.array_equal(a, b, equal_nan=True)
    return bool(a != b)


def mutation_score(spec: OpSpec, *, examples: int = 12) -> Score:
    """Plant wrong derivatives into an operation and count how many its own battery notices.

    Every class of node that the operation's graph consists of gets every mutant: sign, factors, dropped terms, missing or swapped
    arguments,
    rearranged or averaged gradients, a broadcast that is not undone, a cotangent taken as ones or written on, aliased results, an
    error
    only in the recorded derivative, only at kinks, or another one at each call.

    Parameters
    ----------
    spec : OpSpec
        The operation.
    examples : int
        How many cases each check draws.

    Returns
    -------
    Score
    """
    result = Score(spec.name)
    if not spec.differentiable:
        return result
    cases = _drawn(spec.inputs, examples)
    kinks = [] if spec.kinks is None else _drawn(spec.kinks, examples)
    healthy = _fingerprint(spec, cases, kinks)
    names = [*RESULT_MUTANTS, *COTANGENT_MUTANTS, *OTHER_MUTANTS]
    checks = [c for c in checks_of(spec) if c in battery.SMOOTH or c == "kinks"]
    for cls in node_classes(spec, cases + kinks):
        for name in names:
            if issubclass(cls, Fused) and name in ("wrong in the graph", "sign in the graph", "cut off the graph"):
                continue  # a fused operation's recorded derivative is its reference's
            with planted(cls, name):
                if not _differ(healthy, _fingerprint(spec, cases, kinks)):
                    result.equivalent += 1
                    continue
                noticed = _noticed(spec, checks, examples)
            label = f"{cls.__name__}: {name}"
            if noticed is None:
                result.survived.append(label)
            else:
                result.killed[label] = noticed
    return result


def _noticed(spec: OpSpec, checks: list[str], examples: int) -> str | None:
    """The first check that fails."""
    for check in checks:
        _on_kinks[0] = check == "kinks"
        try:
            run_check(spec, check, max_examples=examples, search=False)
        except Exception:
            return check
        finally:
            _on_kinks[0] = False
    return None


def survey(specs: list[OpSpec], *, examples: int = 12) -> list[Score]:
    """Scores of many operations, worst first."""
    return sorted((mutation_score(s, examples=examples) for s in specs), key=lambda s: s.score)
