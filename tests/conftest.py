"""Settings that all tests share; choose a profile with --hypothesis-profile=everyday (the default), ci or long."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core, with a thread each; before the array library counts cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tinygrad_edu as tg
from tinygrad_edu.testing.profiles import register_profiles

register_profiles()
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--backend=NAME`` makes another device the default one: the whole suite then runs on it."""
    parser.addoption(
        "--backend", default="", metavar="NAME", help="run the tests on this device, such as cuda or torch"
    )
    parser.addoption(
        "--stand-in", action="store_true", help="with --backend=cuda: on the stand-in for CuPy, without a card"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the device before any test module makes a tensor."""
    name = config.getoption("--backend")
    if name:
        os.environ["TINYGRAD_EDU_DEVICE"] = name
    if config.getoption("--stand-in"):
        import cupy_stub

        sys.modules.update(cupy_stub.modules())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the CPU alone when the tests run on another device."""
    if config.getoption("--backend") not in ("", "cpu"):
        for item in items:
            if item.get_closest_marker("cpu"):
                item.add_marker(pytest.mark.skip(reason="is about the NumPy backend"))


def pytest_report_header(config: pytest.Config) -> str:
    """Say where the tests run."""
    return f"tinygrad_edu: tests on {tg.get_default_device()}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """On a device whose library lacks a type (``--backend=strict`` has no half precision), what needs it is skipped."""
    outcome: Any = yield
    report = outcome.get_result()
    error = call.excinfo.value if call.excinfo else None
    if (
        isinstance(error, TypeError)
        and item.config.getoption("--backend")
        and "its array library has no such type" in str(error)
    ):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {error}")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector off, after one last run: what is freed inside is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Run an example with options in a folder of its own; return what its main returns."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = tg.get_default_device()

    def call(name: str, *options: str) -> Any:
        out = tmp_path / name
        result = importlib.import_module(name).main([*options, "--out", str(out)])
        assert any(path.stat().st_size > 1000 for path in out.iterdir()), "no picture"
        return result

    yield call
    tg.set_default_device(before)
