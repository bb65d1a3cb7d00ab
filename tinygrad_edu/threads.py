"""How many threads the CPU backend uses."""

from __future__ import annotations

from tinygrad_edu import backends


def set_num_threads(n: int) -> None:
    """Use ``n`` threads on the CPU, for matrix products and for large elementwise work.

    Results depend on the number only by rounding.

    Raises
    ------
    ValueError
        When ``n`` is not a positive integer.
    """
    backends.get("cpu").set_num_threads(n)


def get_num_threads() -> int:
    """The number of threads in use on the CPU."""
    return int(backends.get("cpu").get_num_threads())
