"""Does a backend compute what the CPU computes? ``python -m tinygrad_edu.testing.conformance NAME``.

Every operation with an :class:`OpSpec` runs on the backend and on the CPU, on the same drawn arguments: its values, its gradients, and
the gradients of its gradients. Then every extension of :class:`~tinygrad_edu.backends.Backend`, the backend's own version or the
portable default, is compared with the CPU's. What passes, what fails and what is a default is printed; the exit status is 1 when
anything failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor, backends
from tinygrad_edu.backends.base import DTYPES, STANDARD
from tinygrad_edu.testing._extensions import EXTENSIONS
from tinygrad_edu.testing.probing import signed

EXAMPLES = 5
CLOSE = {"float16": 2e-2, "float32": 1e-4, "float64": 1e-8}


class Disagreement(AssertionError):
    """The backend's result is not the CPU's."""


@dataclass
class Row:
    """What became of one operation or extension.

    Attributes
    ----------
    name : str
    parts : dict of str to str
        For each check ``"ok"``, ``"default"`` (a portable default is used), ``"no type"`` (the library lacks a type that is asked
        for), ``"-"`` (does not apply), or the error.
    ratio : float or None
        Time on the backend divided by time on the CPU.
    """

    name: str
    parts: dict[str, str] = field(default_factory=dict)
    ratio: float | None = None

    @property
    def failures(self) -> list[str]:
        """Checks that failed, each with its error."""
        return [f"{self.name}, {check}: {text}" for check, text in self.parts.items() if text not in _FINE]


_FINE = ("ok", "default", "no type", "own numbers", "-")


def compare(got: Any, want: Any, what: str = "result") -> None:
    """Raise :class:`Disagreement` unless two arrays (or tuples of them) agree in shape, type and values."""
    if isinstance(want, (tuple, list)):
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            compare(g, w, f"{what} {i}")
        return
    if want is None or got is None:
        if want is not got:
            raise Disagreement(f"{what} is {'missing' if got is None else 'there'}, unlike on the cpu")
        return
    g, w = _to_host(got), _to_host(want)
    if g.shape != w.shape or g.dtype != w.dtype:
        raise Disagreement(f"{what} is {g.dtype}{list(g.shape)}, on the cpu {w.dtype}{list(w.shape)}")
    close = CLOSE.get(w.dtype.name, 0.0)
    scale = np.max(np.abs(w[np.isfinite(w)]), initial=1.0) if w.dtype.kind == "f" else 1.0
    if not np.allclose(g, w, rtol=close, atol=close * scale, equal_nan=w.dtype.kind == "f"):
        raise Disagreement(f"{what} is {g!r:.80}, on the cpu {w!r:.80}")


def _to_host(x: Any) -> Any:
    if isinstance(x, Tensor):
        x = x.detach()._data
    return np.asarray(backends.of(x).to_host(x)) if backends.is_array(x) else np.asarray(x)


def _moved(value: Any, device: str) -> Any:
    """The same arguments on another device, as new leaves that require a gradient where they can."""
    if isinstance(value, Tensor):
        leaf = value.detach().clone().to(device)
        return leaf.requires_grad_() if leaf.is_floating_point() else leaf
    if type(value) in (tuple, list) and any(isinstance(v, Tensor) for v in value):
        return type(value)(_moved(v, device) for v in value)
    if isinstance(value, dict):
        return {name: _moved(v, device) for name, v in value.items()}
    return value


def _leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value] if value.requires_grad else []
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for v in value for leaf in _leaves(v)] if isinstance(value, (tuple, list)) else []


def _run(spec: Any, case: tuple[Any, ...], device: str, seed: int, order: int) -> tuple[Any, list[Any], list[Any]]:
    """Values, gradients and gradients of gradients of an operation on a device, with cotangents drawn from ``seed``."""
    args = _moved(case, device)
    tg.manual_seed(seed)
    result = spec.function(*args)
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    outs = [o for o in values if isinstance(o, Tensor) and o.requires_grad] if spec.differentiable else []
    leaves = _leaves(args)
    if not outs or not leaves:
        return values, [], []
    rng = np.random.default_rng(seed)
    first = tg.autograd.grad(outs, leaves, _cotangents(rng, outs), create_graph=order > 1, allow_unused=True)
    again = [g for g in first if g is not None and g.requires_grad]
    if not again:
        return values, list(first), []
    second = tg.autograd.grad(again, leaves, _cotangents(rng, again), allow_unused=True)
    return (
        values,
        list(first),
        [g if g is not None else leaf.new_zeros(leaf.shape) for g, leaf in zip(second, leaves, strict=True)],
    )


def _cotangents(rng: np.random.Generator, outs: Sequence[Tensor]) -> list[Tensor]:
    return [tg.tensor(signed(rng, o.shape), dtype=o.dtype, device=o.device) for o in outs]


def check_operation(spec: Any, device: str, examples: int = EXAMPLES) -> Row:
    """Run one operation on ``device`` and on the CPU and compare."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    if spec.draws and type(backends.get(device)).generator is not backends.Backend.generator:
        return Row(spec.name, {"values": "own numbers"})
    row = Row(spec.name, {"values": "ok", "gradients": "-", "second": "-"})
    times: list[list[float]] = [[], []]
    checks = list(row.parts)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=spec.inputs, seed=st.integers(0, 2**16))
    def test(case: Any, seed: int) -> None:
        args = tuple(case) if isinstance(case, (tuple, list)) else (case,)
        results = []
        for i, name in enumerate(("cpu", device)):
            start = time.perf_counter()
            results.append(_run(spec, args, name, seed, spec.order))
            times[i].append(time.perf_counter() - start)
        want, got = results
        for check, g, w in zip(checks, got, want, strict=True):
            if w and row.parts[check] == "-":
                row.parts[check] = "ok"
            try:
                compare(g, w)
            except Disagreement as error:
                row.parts[check] = str(error)
                raise

    try:
        test()
    except Disagreement:
        return row
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        row.parts["values"] = "no type" if f"is not supported on {tg.device(device).type}" in text else text
        return row
    here, there = (sum(t[1:] or t) for t in times)  # the first call of all also compiles, loads and fills caches
    row.ratio = there / here if here else None
    return row


def check_extension(name: str, check: Callable[[Any, Callable[[Any], Any]], Any], device: str) -> Row:
    """Compare an extension, the backend's own version or the portable default, with the CPU's."""
    backend = backends.get(device)
    row = Row(name)
    own = getattr(type(backend), name, None) is not getattr(backends.Backend, name, None)
    kind = "ok" if own else "default"
    try:
        cpu = backends.get("cpu")
        got = check(backend, lambda x: backend.from_host(np.array(x), backend.index))
        compare(got, check(cpu, np.array))
        row.parts["values"] = kind
    except Exception as error:
        row.parts["values"] = f"{type(error).__name__}: {error}".splitlines()[0]
    return row


def check_kernels(device: str) -> list[Row]:
    """Names of the fused operations for which the backend has a kernel of its own; the operations above have run them."""
    known = sorted(backends.get("cpu").kernels)
    own = backends.get(device).kernels
    return [Row(name, {"values": "ok" if name in own else "default"}) for name in known]


def unknown_names(backend: Any) -> list[str]:
    """What a backend's class defines under names that are no part of the interface: its own helpers, or typing errors."""
    own = {name for kind in type(backend).__mro__ if not issubclass(backends.Backend, kind) for name in vars(kind)}
    public = {name for name in own if not name.startswith("_") and not hasattr(backends.Backend, name)}
    return sorted(public - {*STANDARD, *DTYPES})


def run(
    device: str, specs: Iterable[Any], examples: int = EXAMPLES, report: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Check a device by name; ``report`` is called with each row as it is done."""
    rows = []
    for spec in specs:
        rows.append(check_operation(spec, device, examples))
        report(rows[-1])
    for name, check in EXTENSIONS.items():
        rows.append(check_extension(name, check, device))
        report(rows[-1])
    for row in check_kernels(device):
        rows.append(row)
        report(row)
    return rows


def _line(row: Row) -> str:
    cells = [row.parts.get(c, "") for c in ("values", "gradients", "second")]
    cells = [c if c in (*_FINE, "") else "FAIL" for c in cells]
    time_text = "" if row.ratio is None else f"{row.ratio:8.1f}"
    return f"{row.name:<40}{cells[0]:<10}{cells[1]:<11}{cells[2]:<8}{time_text}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_edu.testing.conformance", description=__doc__)
    parser.add_argument("name", help="device name of the backend, such as 'strict' or 'cuda:1'")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="drawn cases an operation (default %(default)s)")
    parser.add_argument("--all", action="store_true", help="as many cases as the long profile draws")
    parser.add_argument("--only", default="", help="only operations whose name contains this")
    options = parser.parse_args(arguments)
    from tinygrad_edu.testing.profiles import EXAMPLES as PROFILES
    from tinygrad_edu.testing.specs import ALL_SPECS

    try:
        target = str(tg.zeros(1, device=options.name).device)
    except (backends.BackendError, ValueError) as error:
        print(error)
        return 2
    print(f"{'on ' + target:<40}{'values':<10}{'gradients':<11}{'second':<8}time beside cpu")
    specs = [s for s in ALL_SPECS if options.only in s.name]
    rows = run(
        target, specs, PROFILES["long"] if options.all else options.examples, lambda row: print(_line(row), flush=True)
    )
    failures = [text for row in rows for text in row.failures]
    defaults = sum("default" in row.parts.values() for row in rows)
    bad = sum(bool(row.failures) for row in rows)
    print(f"{len(rows) - bad} passed, of which {defaults} run a portable default; {bad} failed")
    unknown = unknown_names(backends.get(target))
    if unknown:
        print(f"nothing asks for {', '.join(unknown)}: is a name misspelt?")
    for text in failures:
        print(f"  {text}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
