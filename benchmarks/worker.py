"""The process that holds one library: it builds a workload and runs its steps when asked.

It reads one JSON request a line from standard input and answers with one JSON object a line on the standard output it
was started with; whatever the library prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import cProfile
import importlib
import io
import itertools
import json
import os
import pstats
import statistics
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import benchmarks.workloads  # noqa: F401  (registers the workloads)
from benchmarks.registry import WORKLOADS, Context, Step

LEAD_IN_SECONDS = 0.01  # untimed steps before a block, to refill caches after the other side's turn


def load_library(name: str, threads: int) -> Any:
    """Import a library with the parts that workloads use, and set its number of threads.

    NumPy's BLAS takes its number from the environment, which the harness set before this process started.
    """
    lib = importlib.import_module(name)
    for part in ("nn", "nn.functional", "nn.utils", "optim"):
        with contextlib.suppress(ModuleNotFoundError):  # a part that is missing matters to the workloads that use it
            importlib.import_module(f"{name}.{part}")
    if hasattr(lib, "set_num_threads"):
        lib.set_num_threads(threads)
    return lib


def peak_mb() -> float:
    """The most resident memory this process ever had, in MB (10^6 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss on Linux starts at the parent's value; this counter is our own
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def fingerprint(values: list[np.ndarray[Any, Any]]) -> list[tuple[float, float]]:
    """Each array as (value, scale): a number as itself, an array as a seeded random signed sum of it and its norm."""
    pairs = []
    for array in values:
        signs = np.ones(1) if array.size == 1 else np.random.default_rng(0).choice([-1.0, 1.0], array.size)
        pairs.append((float(array @ signs), float(np.linalg.norm(array))))
    return pairs


class Session:
    """One built workload and the requests that it answers, each a method named after it."""

    def __init__(self, ctx: Context, step: Step) -> None:
        self.ctx = ctx
        self.step = step
        self.after_import_mb = peak_mb()

    def _values(self, result: Any) -> list[np.ndarray[Any, Any]]:
        results = result if isinstance(result, tuple) else (result,)
        return [self.ctx.numpy(value) for value in results if value is not None]

    def hello(self) -> dict[str, Any]:
        """Versions, threads and memory before the first step."""
        lib, ctx = self.ctx.lib, self.ctx
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        info = {
            "library": lib.__name__,
            "version": str(getattr(lib, "__version__", "unknown")),
            "numpy": np.__version__,
            "blas": f"{blas.get('name')} {blas.get('version')}",
            "threads": lib.get_num_threads() if hasattr(lib, "get_num_threads") else None,
            "built_mb": self.after_import_mb,
        }
        if ctx.on_gpu:
            info["gpu"] = ctx.gpu_name
        return info

    def check(self, steps: int) -> dict[str, Any]:
        """Run the first steps and return what each of them computed."""
        return {"values": [fingerprint(self._values(self.step())) for _ in range(steps)]}

    def run(self, steps: int) -> dict[str, Any]:
        """Time a block of steps: their median on the CPU; on a GPU, whose work is queued, the mean of the block."""
        step, clock = self.step, time.perf_counter
        start = clock()
        step()
        while clock() - start < LEAD_IN_SECONDS:
            step()
        self.ctx.synchronize()
        first = self.ctx.event()
        marks = [clock()]
        for _ in range(steps):
            result = step()
            marks.append(clock())
        last = self.ctx.event()
        self.ctx.synchronize()
        laps = [(after - before) * 1e3 for before, after in itertools.pairwise(marks)]
        mean = (clock() - marks[0]) / steps * 1e3
        return {
            "card_ms": first.elapsed_time(last) / steps if self.ctx.on_gpu else None,
            "ms": mean if self.ctx.on_gpu else statistics.median(laps),
            "mean_ms": mean,
            "fastest_ms": mean if self.ctx.on_gpu else min(laps),
            "finite": all(bool(np.isfinite(array).all()) for array in self._values(result)),
        }

    def profile(self, seconds: float, lines: int) -> dict[str, Any]:
        """Profile steps for about so many seconds; the report is ordered by time inside each function."""
        self.step()
        profiler = cProfile.Profile()
        steps, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            profiler.runcall(self.step)
            steps += 1
        self.ctx.synchronize()
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(lines)
        return {"text": text.getvalue().strip(), "steps": steps}


def main() -> None:
    """Serve requests until the pipe closes. Arguments: library, device, threads."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library that prints must not break the protocol
    library, device, threads = sys.argv[1:]
    lib: Any = None
    session: Session | None = None
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            request = json.loads(line)
            command = request.pop("command")
            try:
                if command == "build":
                    session = None  # the workload before is freed first
                    lib = lib or load_library(library, int(threads))
                    ctx = Context(lib, device, request["name"])
                    session = Session(ctx, WORKLOADS[request["name"]].build(ctx))
                    reply = {}
                else:
                    reply = getattr(session, command)(**request)
                reply |= {"peak_mb": peak_mb(), "cpu_seconds": time.process_time()}
            except Exception as error:
                traceback.print_exc()
                reply = {"error": f"{type(error).__name__}: {error}"}
            pipe.write(json.dumps(reply) + "\n")
