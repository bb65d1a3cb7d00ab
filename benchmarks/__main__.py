"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import benchmarks.workloads  # noqa: F401  (registers the workloads)
from benchmarks import report
from benchmarks.harness import ROOT, Bench, Options, WorkerError
from benchmarks.machine import available_cores, describe
from benchmarks.registry import WORKLOADS
from benchmarks.workloads.operations import ELEMENTWISE


def positive(text: str) -> int:
    """An argparse type: a whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def parser() -> argparse.ArgumentParser:
    """The options; their help texts are the manual."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time training steps of tinygrad_edu and, where it is installed, of PyTorch. The two run the same "
        "code from the same weights, in a process each, and are timed in turn; a ratio below 1 means ours is faster.",
        epilog="Exit status: 0 when all is well, 1 when a workload failed or the two sides computed different losses, "
        "2 for a mistake on the command line.",
    )
    p.add_argument(
        "workloads",
        nargs="*",
        metavar="WORKLOAD",
        help="what to measure: workloads or the groups training (the default; on a GPU with elementwise), elementwise and "
        "operations; see --list",
    )
    p.add_argument("--list", action="store_true", help="list the workloads and exit")
    p.add_argument(
        "--pairs", type=positive, default=7, metavar="N", help="timed pairs of blocks (default: %(default)s)"
    )
    p.add_argument(
        "--seconds",
        type=float,
        default=0.15,
        metavar="S",
        help="shortest length of a block; a block has at least 3 steps (default: %(default)s)",
    )
    p.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="S",
        help="spend up to S seconds a workload on waiting for other programs to leave the machine alone, and on "
        "measuring pairs again that they disturbed (Linux; default: 0, measure at once and warn)",
    )
    p.add_argument(
        "--threads",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="threads of each side (default: the cores available, here %(default)s)",
    )
    p.add_argument("--device", default="cpu", help="where both sides create their tensors: cpu, cuda (default: cpu)")
    p.add_argument("--no-torch", action="store_true", help="measure our side alone")
    p.add_argument(
        "--ours",
        default="tinygrad_edu",
        metavar="MODULE",
        help="module to measure as ours; sanity check: '--ours torch', torch against itself, should give 1.0",
    )
    p.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where to save the results (default: runs/benchmarks/<time>.json in the checkout)",
    )
    p.add_argument("--markdown", action="store_true", help="also print the results as a Markdown table")
    p.add_argument("--profile", metavar="NAME", help="profile our side in one workload instead of timing it")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parser().parse_args(arguments)
    groups: dict[str, list[str]] = {}  # an operation is a group of its sizes and kinds
    for workload in WORKLOADS.values():
        name = workload.name.partition("/")[0]
        for group in {workload.group, name, *(["elementwise"] if name in ELEMENTWISE else [])}:
            groups.setdefault(group, []).append(workload.name)
    if args.list:
        for workload in WORKLOADS.values():
            if workload.group == "training":
                print(f"{workload.name:<28}{workload.summary}{' (ours alone)' if workload.only_ours else ''}")
        single = dict.fromkeys(w.name.partition("/")[0] for w in WORKLOADS.values() if w.group == "operations")
        print(f"{'operations':<28}Single operations: {', '.join(single)}")
        return 0
    usual = ["training", "elementwise"] if args.device.startswith("cuda") else ["training"]
    asked = [args.profile] if args.profile else args.workloads or usual
    names = list(dict.fromkeys(name for entry in asked for name in groups.get(entry, [entry])))
    if unknown := [name for name in names if name not in WORKLOADS]:
        print(f"unknown workload: {', '.join(unknown)} (python -m benchmarks --list names them)", file=sys.stderr)
        return 2
    with_torch = not args.no_torch and importlib.util.find_spec("torch") is not None
    options = Options(
        ours=args.ours,
        peer="torch" if with_torch else None,
        device=args.device,
        threads=args.threads,
        pairs=args.pairs,
        seconds=args.seconds,
        wait=args.wait,
    )
    if args.profile:
        try:
            with Bench(options) as bench:
                print(bench.profile(WORKLOADS[args.profile]))
        except WorkerError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    if not with_torch and not args.no_torch:
        print("PyTorch is not installed: measuring our side alone", file=sys.stderr)
    return run(names, options, args.json, markdown=args.markdown)


def run(names: list[str], options: Options, path: Path | None, *, markdown: bool) -> int:
    """Measure the named workloads, print and save the results, and return the exit status."""
    now = datetime.now(UTC)
    machine, settings = describe(ROOT), dataclasses.asdict(options)
    print(report.headline(machine, settings), report.columns(settings), sep="\n\n", flush=True)
    results: list[dict[str, Any]] = []
    failures: dict[str, list[str]] = {}
    with Bench(options) as bench:
        for name in names:
            try:
                result = bench.measure(WORKLOADS[name])
            except WorkerError as error:
                print(f"  error: {error}", flush=True)
                failures[name] = [str(error)]
                bench.close()
                continue
            if not results and (card := report.card(result)):
                print(f"on {card}", flush=True)
            results.append(result)
            print(report.line(result), flush=True)
            for warning in report.warnings(result):
                print(f"  warning: {warning}", flush=True)
            if found := report.errors(result):
                failures[name] = found
                print(*(f"  error: {error}" for error in found), sep="\n", flush=True)
    if markdown and results:
        print("", report.markdown(results, machine, settings), sep="\n")
    path = path or ROOT / "runs" / "benchmarks" / f"{now:%Y%m%dT%H%M%SZ}.json"
    saved = {
        "time": now.isoformat(timespec="seconds"),
        "machine": machine,
        "options": settings,
        "results": results,
        "failures": failures,
    }
    try:
        report.save(path, saved)
    except OSError as error:
        print(f"could not save the results: {error}", file=sys.stderr)
        return 1
    print(f"\nsaved {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
