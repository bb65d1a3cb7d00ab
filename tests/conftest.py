"""Settings that all tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Drawn examples differ from run to run, so that time finds what one run misses; a failure prints the blob that repeats it.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=False,
    max_examples=40,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector off, after one last run: what is freed inside is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
