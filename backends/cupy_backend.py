"""The GPU's place: what ``device="cuda"`` says until CuPy and a card are there."""

from __future__ import annotations

from tinygrad_edu.backends.base import Backend, BackendError


def make() -> Backend:
    """Load CuPy, or say in one line what is missing."""
    try:
        import cupy
    except ImportError:
        raise BackendError(
            "device 'cuda' needs CuPy, which is not installed: pip install 'tinygrad_edu[cuda13]' (or [cuda12])"
        ) from None
    raise BackendError(f"device 'cuda': CuPy {cupy.__version__} is installed, but this release has no GPU backend yet")
