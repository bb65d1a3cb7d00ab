"""Sums of scaled vectors by the OpenBLAS library that NumPy carries, which NumPy itself offers in two or three passes."""

from __future__ import annotations

import ctypes
import functools
import glob
import os
from collections.abc import Callable
from typing import Any

import numpy as np

Routine = Callable[..., None]


@functools.cache
def function(name: str) -> tuple[Any, bool] | None:
    """A function of the library and whether its integers have 64 bits; None where NumPy uses another library."""
    folder = os.path.join(os.path.dirname(np.__file__), os.pardir, "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            for suffix in ("64_", "_64", ""):
                if hasattr(library, f"{prefix}{name}{suffix}"):
                    return getattr(library, f"{prefix}{name}{suffix}"), suffix != ""
    return None


def _sum(letter: str, scalar: Any) -> Routine | None:
    found = function(f"cblas_{letter}axpby")
    if found is None:
        return None
    routine, wide = found
    integer = ctypes.c_int64 if wide else ctypes.c_int
    routine.argtypes = [integer, scalar, ctypes.c_void_p, integer, scalar, ctypes.c_void_p, integer]
    routine.restype = None
    return routine


# For each type y ← a x + b y, called as (n, a, address of x, 1, b, address of y, 1); None where there is no such library.
# (OpenBLAS never starts threads for this one, as it does for y ← a x + y, so that callers can share the work themselves.)
SUMS: dict[Any, Routine | None] = {
    np.dtype("float32"): _sum("s", ctypes.c_float),
    np.dtype("float64"): _sum("d", ctypes.c_double),
}


def address(x: Any) -> int:
    """Where the elements of an array begin."""
    return int(x.__array_interface__["data"][0])
