"""Settings that all tests share; choose with --hypothesis-profile=everyday (the default), ci or long."""

from __future__ import annotations

from tinygrad_edu.testing.profiles import register_profiles

register_profiles()
