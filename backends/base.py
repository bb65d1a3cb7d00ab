"""What a backend is: an array namespace, and the functions that the array standard lacks.

A backend gives its arrays, which the engine never looks into, and functions on them. The functions of the Python array-API standard
(https://data-apis.org/array-api) are taken from :attr:`Backend.namespace` and become attributes of the backend, so that operations
write ``xp.exp(x)``. The rest, the *extensions*, have a portable default written on the standard alone; a backend overrides those
that its library does better. They stand in one module a subject: :mod:`_face` (devices, types, memory), :mod:`_face_indexing`,
:mod:`_face_arithmetic`, :mod:`_face_linalg` and :mod:`_face_random`.
"""

from __future__ import annotations

import importlib
from typing import Any

from tinygrad_edu.backends._face import CREATION, DTYPES, HALF, STANDARD, Array, BackendError, in_single, name_of
from tinygrad_edu.backends._face_arithmetic import Arithmetic
from tinygrad_edu.backends._face_indexing import Indexing
from tinygrad_edu.backends._face_linalg import LinearAlgebra
from tinygrad_edu.backends._face_random import RandomNumbers

__all__ = [
    "CREATION",
    "DTYPES",
    "HALF",
    "STANDARD",
    "Array",
    "Backend",
    "BackendError",
    "in_single",
    "load",
    "name_of",
]


class Backend(Indexing, Arithmetic, LinearAlgebra, RandomNumbers):
    """An array library behind a uniform face: what a backend inherits from, to override what its library does better."""


def load(device: str, module: str, extra: str, other: str = "") -> Any:
    """Import the array library behind a device, or say in one line what is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        hint = f"pip install 'tinygrad_edu[{extra}]'{other and ' ' + other}"
        raise BackendError(f"device {device!r} needs {module} ({error}): {hint}") from None
