"""What machine this is, and how busy other programs kept it while we measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

BUSY_MEAN = 0.10  # cores' worth of other work, over a workload, above which a ratio is not to be believed
BUSY_PAIR = 0.35  # the same in a single pair


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> list[float] | None:
    """The 1, 5 and 15 minute load averages where the system keeps them."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    """The processor's own name, from where the system keeps it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _commit(root: Path) -> str | None:
    """The checkout's commit, with a plus sign when files differ from it; None outside a repository."""
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def describe(root: Path) -> dict[str, Any]:
    """The machine, as saved with the results."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(root),
        "load_average": load_average(),
    }


class LoadProbe:
    """Measures what other programs (and, in a virtual machine, other guests) take from this one's cores.

    It is the machine's busy time less that of our own processes, per second: 1.0 is one core fully taken. Only Linux
    tells; elsewhere `other_cores` returns None.
    """

    def __init__(self, own_cpu_seconds: float) -> None:
        self._start = (time.perf_counter(), _busy_seconds(), own_cpu_seconds + time.process_time())

    def other_cores(self, own_cpu_seconds: float) -> float | None:
        """Cores taken by others since the probe was made; the argument is our workers' CPU time up to now."""
        wall, busy, own = self._start
        now_busy = _busy_seconds()
        if busy is None or now_busy is None:
            return None
        others = (now_busy - busy) - (own_cpu_seconds + time.process_time() - own)
        return max(0.0, others / (time.perf_counter() - wall))


def wait_until_quiet(deadline: float) -> None:
    """Wait until others leave the cores alone for a fifth of a second; give up at `deadline`, a ``perf_counter``."""
    while time.perf_counter() < deadline:
        probe = LoadProbe(0.0)
        time.sleep(0.2)
        cores = probe.other_cores(0.0)
        if cores is None or cores <= BUSY_MEAN:
            return


def _busy_seconds() -> float | None:
    """Seconds that all cores together have been busy since the start, time stolen by the hypervisor included."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (fields + [0] * 8)[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
