"""Every example in a docstring of the package runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import tinygrad_edu as tg
from tinygrad_edu import backends

OPTIONAL = {"tinygrad_edu.backends.cupy_backend": "cuda"}  # modules of a device that need not be there


def modules() -> Iterator[str]:
    """The names of all modules, the folders ``nn`` and ``backends`` included."""
    yield "tinygrad_edu"
    for module in pkgutil.walk_packages(tg.__path__, "tinygrad_edu."):
        yield module.name
    # An editable install maps these two from folders beside the package, where a walk does not find them.
    for package in ("backends", "nn"):
        name = f"tinygrad_edu.{package}"
        yield name
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            yield module.name


class OnAnyDevice(doctest.OutputChecker):
    """Compares what is printed without the device, which is not the cpu where ``--backend`` names another one."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        device = str(tg.zeros(1).device)
        return super().check_output(want, got.replace(f", device='{device}'", ""), optionflags)


NAMES = sorted(set(modules()))


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    if name in OPTIONAL and backends.available()[OPTIONAL[name]] != "ready":
        pytest.skip(f"{OPTIONAL[name]} is not there")
    module = importlib.import_module(name)
    tg.manual_seed(0)
    runner = doctest.DocTestRunner(OnAnyDevice(), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for examples in doctest.DocTestFinder().find(module, name):
        runner.run(examples)
    assert runner.failures == 0, f"{runner.failures} of {runner.tries} examples fail; the output above says which"


def test_the_walk_finds_the_rooms_and_their_examples() -> None:
    assert {"tinygrad_edu.tensor", "tinygrad_edu.nn.module", "tinygrad_edu.backends.base"} <= set(NAMES)
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        t for name in ("tinygrad_edu.function", "tinygrad_edu.nn") for t in finder.find(importlib.import_module(name))
    ]
    assert any(t.examples for t in found)
