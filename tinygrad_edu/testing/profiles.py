"""Hypothesis profiles: for every day, for CI, and for a long search.

Choose one with ``pytest --hypothesis-profile=long``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
EXAMPLES = {"everyday": 40, "ci": 100, "long": 1000}


def register_profiles() -> None:
    """Make the profiles ``everyday``, ``ci`` and ``long`` known to Hypothesis, and load ``everyday``.

    ``everyday`` draws the same examples each time, so that a commit passes or fails whoever runs it. ``ci`` and ``long`` draw new ones
    from run to run, so that time finds what one run misses; a failure prints the blob that repeats it.
    """
    for name, count in EXAMPLES.items():
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            suppress_health_check=_SLOW,
            print_blob=True,
            derandomize=name == "everyday",
        )
    settings.load_profile("everyday")
