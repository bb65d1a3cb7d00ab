"""Hypothesis profiles: for every day, for CI, and for a long search.

Choose one with ``pytest --hypothesis-profile=long``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def register_profiles() -> None:
    """Make the profiles ``everyday``, ``ci`` and ``long`` known to Hypothesis, and load ``everyday``."""
    settings.register_profile("everyday", max_examples=20, deadline=None, suppress_health_check=_SLOW)
    settings.register_profile("ci", max_examples=20, deadline=None, suppress_health_check=_SLOW, print_blob=True)
    settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
    settings.load_profile("everyday")
