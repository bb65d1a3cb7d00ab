"""How results look: a line a workload while it runs, a Markdown table, and the saved JSON."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

from benchmarks.machine import BUSY_MEAN, BUSY_PAIR


def milliseconds(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def headline(machine: dict[str, Any], options: dict[str, Any]) -> str:
    """What was measured on what, for the top of the screen."""
    load = machine["load_average"]
    peer = f"{options['ours']} against {options['peer']}" if options["peer"] else f"{options['ours']} alone"
    return (
        f"{peer}, device {options['device']}, {options['threads']} threads, {options['pairs']} pairs\n"
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
        + (f", load average {load[0]:.2f}" if load else "")
    )


def columns(options: dict[str, Any]) -> str:
    """The heading over `line`."""
    ours, peer = "ours ms", f"{options['peer'] or 'peer'} ms"
    return f"{'workload':<24}{ours:>10}{peer:>10}   {'ours/peer: median (min–max)':<30}{'peak MB':>12}   checks"


def line(result: dict[str, Any]) -> str:
    """One workload in one line."""
    sides, ratios = result["sides"], result["ratios"]
    times = [milliseconds(side["ms"]) for side in sides] + ["–"] * (2 - len(sides))
    ratio = f"{statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})" if ratios else "–"
    peak = " / ".join(f"{side['peak_mb']:.0f}" for side in sides)
    notes = []
    if (agreement := result["agreement"]) is not None:
        word = "agree" if agreement["agrees"] else "DISAGREE"
        notes.append(f"losses {word} to {agreement['difference']:.0e}")
    if result["other_cores"]:
        notes.append(f"others {statistics.mean(result['other_cores']):.2f} cores")
    return f"{result['workload']:<24}{times[0]:>10}{times[1]:>10}   {ratio:<30}{peak:>12}   {', '.join(notes)}"


def card(result: dict[str, Any]) -> str | None:
    """The name of the GPU that a workload ran on, if it did."""
    return next((side["gpu"] for side in result["sides"] if side.get("gpu")), None)


def errors(result: dict[str, Any]) -> list[str]:
    """What makes the numbers worthless: different losses, or losses that are not finite."""
    found = []
    agreement = result["agreement"]
    if agreement is not None and not agreement["agrees"]:
        found.append(f"the sides computed different values: {agreement['worst']}")
    found += [f"the loss of {side['library']} is not finite" for side in result["sides"] if not side["finite"]]
    return found


def warnings(result: dict[str, Any]) -> list[str]:
    """What makes the ratio doubtful."""
    load = result["other_cores"]
    if load and (statistics.mean(load) > BUSY_MEAN or max(load) > BUSY_PAIR):
        return [
            f"the machine was not quiet: others took {statistics.mean(load):.2f} cores on average, {max(load):.2f} in "
            "the worst pair; do not believe this ratio, measure again"
        ]
    return []


def markdown(results: list[dict[str, Any]], machine: dict[str, Any], options: dict[str, Any]) -> str:
    """Tables with a caption that says what they were measured on."""
    training = [r for r in results if r["group"] == "training"]
    operations = [r for r in results if r["group"] == "operations"]
    tables = [_training_table(training, options)] if training else []
    tables += [_operations_table(operations)] if operations else []
    return "\n\n".join([*tables, _caption(results, machine, options)])


def _training_table(results: list[dict[str, Any]], options: dict[str, Any]) -> str:
    peer = options["peer"] or "peer"
    rows = [
        f"| workload | {options['ours']}, ms | {peer}, ms | ratio: min **median** max | peak MB, ours / {peer} |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        sides, ratios = result["sides"], result["ratios"]
        times = [milliseconds(side["ms"]) for side in sides] + ["–"] * (2 - len(sides))
        peaks = [f"{side['peak_mb']:.0f}" for side in sides] + ["–"] * (2 - len(sides))
        ratio = f"{min(ratios):.2f} **{statistics.median(ratios):.2f}** {max(ratios):.2f}" if ratios else "–"
        doubt = " (machine not quiet)" if warnings(result) else ""
        rows.append(f"| {result['workload']} | {times[0]} | {times[1]} | {ratio}{doubt} | {' / '.join(peaks)} |")
    return "\n".join(rows)


def _operations_table(results: list[dict[str, Any]]) -> str:
    """Median ratios, an operation a row; a column for each size, forward alone and forward with backward."""
    cells: dict[str, dict[tuple[int, str], str]] = {}
    for result in results:
        name, size, kind = result["workload"].split("/")
        ours = milliseconds(result["sides"][0]["ms"])
        ratio = f"{statistics.median(result['ratios']):.2f}" if result["ratios"] else f"{ours} ms"
        cells.setdefault(name, {})[int(size), kind] = ratio + ("?" if warnings(result) else "")
    keys = sorted({key for row in cells.values() for key in row}, key=lambda key: (key[0], key[1] != "forward"))
    words = {"forward": "forward", "backward": "with backward"}
    heads = [f"{size}×{size}, {words[kind]}" if size > 1 else f"1, {words[kind]}" for size, kind in keys]
    rows = [f"| operation | {' | '.join(heads)} |", "|---" * (len(keys) + 1) + "|"]
    rows += [f"| {name} | {' | '.join(row.get(key, '–') for key in keys)} |" for name, row in cells.items()]
    doubt = "\n\n`?`: the machine was not quiet." if any("?" in row for row in rows) else ""
    return "\n".join(rows) + doubt


def _caption(results: list[dict[str, Any]], machine: dict[str, Any], options: dict[str, Any]) -> str:
    versions: dict[str, str] = {"Python": machine["python"]}
    for result in results:
        versions["NumPy"] = f"{result['sides'][0]['numpy']} ({result['sides'][0]['blas']})"
        versions |= {side["library"]: side["version"] for side in result["sides"]}
    gpu = next(filter(None, map(card, results)), None)
    return (
        f"{gpu or machine['processor']}, {machine['cores']} cores, {options['threads']} threads, device "
        f"{options['device']}, {options['pairs']} pairs; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + (f"; commit {machine['commit']}" if machine["commit"] else "")
        + ". Median ms per step; ratios are ours / peer of paired blocks, below 1 is faster."
    )


def save(path: Path, report: dict[str, Any]) -> None:
    """Write the report as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
