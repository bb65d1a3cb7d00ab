"""The parent process: two workers, asked in turn, and what their answers say together."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.machine import BUSY_PAIR, LoadProbe, wait_until_quiet
from benchmarks.registry import Workload

ROOT = Path(__file__).resolve().parent.parent
PAUSE_SECONDS = 0.1  # idle threads of the side that just ran may spin for a while: let them fall asleep
MIN_STEPS = 3

# Find `benchmarks` in the checkout, then let installed packages come first: the checkout's own `tinygrad_edu` folder is
# not the whole package, whose `nn` and `backends` live beside it and are put together by the installation.
_BOOT = """
import sys
root = sys.argv.pop(1)
sys.path.insert(0, root)
from benchmarks.worker import main
sys.path.remove(root)
sys.path.append(root)
main()
"""

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class WorkerError(RuntimeError):
    """A worker could not do what it was asked; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure: see ``python -m benchmarks --help``."""

    ours: str = "tinygrad_edu"
    peer: str | None = "torch"
    device: str = "cpu"
    threads: int = 1
    pairs: int = 7
    seconds: float = 0.15
    wait: float = 0.0


class Worker:
    """A worker process with one library."""

    def __init__(self, library: str, options: Options) -> None:
        self.library = library
        self.workload = ""
        self.cpu_seconds = 0.0
        self.peak_mb = 0.0
        arguments = (library, options.device, str(options.threads))
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(options.threads))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, str(ROOT), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def build(self, workload: Workload) -> None:
        """Make a workload's models and data."""
        self.workload = workload.name
        self.ask("build", name=workload.name)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.workload} on {self.library}: the worker died (exit {self._process.wait()})")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerError(f"{self.workload} on {self.library}: {reply['error']}")
        self.cpu_seconds, self.peak_mb = reply.pop("cpu_seconds"), reply.pop("peak_mb")
        return reply

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Bench:
    """The worker processes, ours and the peer's; a context manager that ends them."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._workers: dict[str, Worker] = {}
        self._group = ""

    def measure(self, workload: Workload) -> dict[str, Any]:
        """Measure one workload: compare the first steps, warm up, then time the sides in turn, pair after pair.

        Returns
        -------
        dict
            ``sides`` (ours first) with the medians and every block, ``ratios`` ours/peer of each pair, ``agreement`` of
            the losses, and ``other_cores``, the load by others during each pair.

        Raises
        ------
        WorkerError
            When a side cannot run the workload.
        """
        libraries = [self.options.ours]
        if self.options.peer is not None and not workload.only_ours:
            libraries.append(self.options.peer)
        return _measure(workload, self.options, self._built(workload, libraries))

    def profile(self, workload: Workload, *, seconds: float = 2.0, lines: int = 30) -> str:
        """The profile of our side's steps as text."""
        (ours,) = self._built(workload, [self.options.ours])
        ours.ask("check", steps=2)
        reply = ours.ask("profile", seconds=seconds, lines=lines)
        return f"{workload.name} on {self.options.ours}, {reply['steps']} steps\n\n{reply['text']}"

    def _built(self, workload: Workload, libraries: list[str]) -> list[Worker]:
        """Workers that have built the workload: fresh ones, whose memory is its own, unless it is a small operation."""
        if workload.group != "operations" or workload.group != self._group:
            self.close()
        self._group = workload.group
        for library in libraries:
            if library not in self._workers:
                self._workers[library] = Worker(library, self.options)
            self._workers[library].build(workload)
        return [self._workers[library] for library in libraries]

    def close(self) -> None:
        """End the worker processes."""
        while self._workers:
            self._workers.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _measure(workload: Workload, options: Options, workers: list[Worker]) -> dict[str, Any]:
    hellos = [worker.ask("hello") for worker in workers]
    checks = [worker.ask("check", steps=workload.check_steps)["values"] for worker in workers]
    agreement = compare(checks[0], checks[1], workload.rtol) if len(workers) == 2 else None

    # Both sides do the same number of steps, enough for the faster one's block. The fastest step tells how many: the
    # median of a few could be a disturbed one. The second round, with more steps, knows better, and warms up.
    steps = MIN_STEPS
    for _ in range(2):
        fastest = min(worker.ask("run", steps=steps)["fastest_ms"] for worker in workers)
        steps = max(steps, math.ceil(options.seconds / max(fastest / 1e3, 1e-6)))

    blocks: list[list[dict[str, Any]]] = [[] for _ in workers]
    other_cores: list[float | None] = []
    repeated = 0
    deadline = time.perf_counter() + options.wait
    while len(other_cores) < options.pairs:
        wait_until_quiet(deadline)
        probe = LoadProbe(_cpu_seconds(workers))
        pair = []
        for worker in workers:
            time.sleep(PAUSE_SECONDS)
            pair.append(worker.ask("run", steps=steps))
        cores = probe.other_cores(_cpu_seconds(workers))
        if cores is not None and cores > BUSY_PAIR and time.perf_counter() < deadline:
            repeated += 1  # judged by the load alone, never by the times, so this favours neither side
            continue
        other_cores.append(cores)
        for mine, block in zip(blocks, pair, strict=True):
            mine.append(block)

    sides = [
        {
            **hello,
            "ms": statistics.median(block["ms"] for block in mine),
            "peak_mb": worker.peak_mb,
            "card_ms": statistics.median(block["card_ms"] for block in mine)
            if mine[0]["card_ms"] is not None
            else None,
            "finite": all(block["finite"] for block in mine),
            "block_ms": [block["ms"] for block in mine],
            "block_mean_ms": [block["mean_ms"] for block in mine],
        }
        for worker, hello, mine in zip(workers, hellos, blocks, strict=True)
    ]
    return {
        "workload": workload.name,
        "group": workload.group,
        "steps_per_block": steps,
        "sides": sides,
        "ratios": [a["ms"] / b["ms"] for a, b in zip(*blocks, strict=True)] if len(blocks) == 2 else [],
        "agreement": agreement,
        "other_cores": [cores for cores in other_cores if cores is not None],
        "pairs_repeated": repeated,
    }


def _cpu_seconds(workers: list[Worker]) -> float:
    return sum(worker.cpu_seconds for worker in workers)


def compare(ours: list[Any], peer: list[Any], rtol: Sequence[float]) -> dict[str, Any]:
    """Compare the fingerprints of the first steps.

    Returns
    -------
    dict
        ``agrees``; ``difference``, the largest relative difference of the steps' first value, the loss; and ``worst``,
        the value that came nearest to its tolerance, or went furthest beyond, in words.
    """
    agrees, loss_gap, worst, where = True, 0.0, -1.0, ""
    for number, (mine, theirs) in enumerate(zip(ours, peer, strict=True), start=1):
        if len(mine) != len(theirs):
            where = f"step {number}: {len(mine)} values against {len(theirs)}"
            return {"agrees": False, "difference": math.inf, "worst": where}
        for index, ((a, a_scale), (b, b_scale)) in enumerate(zip(mine, theirs, strict=True)):
            gap = abs(a - b) / (max(a_scale, b_scale) or 1.0)
            gap = gap if math.isfinite(gap) else math.inf
            limit = rtol[min(index, len(rtol) - 1)]
            agrees = agrees and gap <= limit
            if index == 0:
                loss_gap = max(loss_gap, gap)
            if gap / limit > worst:
                worst = gap / limit
                numbers = f"{a:.9g} against {b:.9g}, relative difference {gap:.1e}, allowed {limit:.0e}"
                where = f"step {number}, value {index}: {numbers}"
    return {"agrees": agrees, "difference": loss_gap, "worst": where}
