"""How exact matrix products of float32 are on a GPU."""

from __future__ import annotations

from tinygrad_edu.backends import cuda

_ALLOWED = ("highest", "high", "medium")


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how float32 matrices are multiplied on a GPU: "highest" in single precision, "high" or "medium" in TF32.

    TF32 has the range of float32 and 10 bits of the mantissa. The CPU always multiplies in single precision.

    Raises
    ------
    ValueError
        For another word.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.set_float32_matmul_precision("high")
    >>> tg.backends.cuda.matmul.allow_tf32
    True
    >>> tg.set_float32_matmul_precision("highest")
    """
    if precision not in _ALLOWED:
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    cuda.matmul.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` chose: "high" wherever TF32 is allowed."""
    return "high" if cuda.matmul.allow_tf32 else "highest"
