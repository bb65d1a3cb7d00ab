"""Settings that all tests share; choose a profile with --hypothesis-profile=everyday (the default), ci or long."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tinygrad_edu.testing.profiles import register_profiles

register_profiles()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector off, after one last run: what is freed inside is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
