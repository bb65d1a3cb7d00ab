"""The benchmark command, in its smallest form on the CPU, and its GPU part on the stand-in for CuPy."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cupy_stub
import pytest

import tinygrad_edu as tg
from tinygrad_edu import backends, generator

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of the benchmarks, which are no part of the package, and the stand-in as device ``cuda``."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    monkeypatch.delenv("TINYGRAD_EDU_DEVICE", raising=False)
    for name, module in cupy_stub.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
    for name in ("device_errors", "failures", "several_loaded"):
        monkeypatch.setattr(backends, name, getattr(backends, name))
    monkeypatch.setattr(generator._defaults, "by_device", {})
    importlib.import_module("benchmarks.workloads")
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    backends._of_several.pop(cupy_stub.ndarray, None)


@pytest.mark.parametrize("name", ["gelu/64/backward", "softmax/64/forward"])
def test_a_session_on_a_card_names_it_and_waits_at_both_ends_alone(parts: Any, name: str) -> None:
    registry, worker = parts("registry"), parts("worker")
    ctx = registry.Context(tg, "cuda", name)
    session = worker.Session(ctx, registry.WORKLOADS[name].build(ctx))
    assert session.hello()["gpu"] == "Imaginary"
    before = cupy_stub.Waits.count
    session.step()
    assert cupy_stub.Waits.count == before
    found = session.run(3)
    assert found["finite"] and found["card_ms"] > 0 and found["ms"] == found["mean_ms"]


def test_on_a_card_elementwise_operations_are_measured_too(
    parts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = parts("__main__")
    asked: list[Any] = []
    monkeypatch.setattr(command, "run", lambda names, options, *_, **__: asked.append((names, options)) or 0)
    assert command.main(["--device", "cuda", "--no-torch"]) == 0
    assert command.main(["--no-torch"]) == 0
    (cuda, options), (cpu, _) = asked
    assert options.device == "cuda" and {"mlp", "lstm_lm", "gelu/1024/backward", "add/1/forward"} <= set(cuda)
    assert "gelu/1024/backward" not in cpu and {"mlp", "lstm_lm"} <= set(cpu)


def test_results_on_a_card_have_its_name(parts: Any) -> None:
    report = parts("report")
    side = {
        "library": "tinygrad_edu",
        "version": "0",
        "ms": 1.0,
        "peak_mb": 1.0,
        "numpy": "2",
        "blas": "b",
        "gpu": "Imaginary",
    }
    result = {
        "workload": "mlp",
        "group": "training",
        "sides": [side],
        "ratios": [],
        "agreement": None,
        "other_cores": [],
    }
    machine = {"processor": "p", "cores": 2, "python": "3", "commit": None}
    options = {"ours": "tinygrad_edu", "peer": None, "threads": 2, "device": "cuda", "pairs": 1}
    assert report.card(result) == "Imaginary"
    assert "\nImaginary, 2 cores" in report.markdown([result], machine, options)


@pytest.mark.slow
def test_the_command_measures_and_saves(tmp_path: Path) -> None:
    saved = tmp_path / "out.json"
    settings = ["--device", "cpu", "--no-torch", "--pairs", "1", "--seconds", "0.001", "--json", str(saved)]
    command = [sys.executable, "-m", "benchmarks", "relu/1/forward", *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(saved.read_text())["results"]
    assert result["sides"][0]["ms"] > 0 and result["sides"][0]["card_ms"] is None
