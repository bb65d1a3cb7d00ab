"""Whether sums whose order would depend on chance are made in a fixed order."""

from __future__ import annotations

from tinygrad_edu.backends import Backend


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Give the same numbers, bit for bit, from run to run on the same machine, where that is slower.

    On the CPU results never depend on chance. On a GPU the gradients of indexing and embeddings are otherwise summed in the order in
    which threads come.

    Parameters
    ----------
    mode : bool
    warn_only : bool
        Accepted and without effect: every operation has a deterministic form.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.use_deterministic_algorithms(True)
    >>> tg.are_deterministic_algorithms_enabled()
    True
    >>> tg.use_deterministic_algorithms(False)
    """
    Backend.deterministic = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether :func:`use_deterministic_algorithms` is on."""
    return Backend.deterministic
