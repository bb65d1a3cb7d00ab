"""Whole objects, such as models, as pickles: written where a checkpoint cannot hold them, read where that is allowed.

A pickle runs what it names, so such a file is read with ``weights_only=False`` alone, or when all that it names was declared safe.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.serialization._errors import CheckpointError

__all__ = ["MAGIC", "add_safe_globals", "clear_safe_globals", "get_safe_globals", "read", "safe_globals", "to_bytes"]

MAGIC = b"tinygrad_edu: a pickled object\n"

_safe: list[Any] = []
# What arrays, tensors and modules are made of when they are read.
_PARTS = {
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("tinygrad_edu.values", "_restored"),
    ("tinygrad_edu.tensor", "Tensor"),
    ("tinygrad_edu.nn.parameter", "Parameter"),
    ("tinygrad_edu.nn.parameter", "Buffer"),
    ("builtins", "set"),
}


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Declare classes and functions, or pairs of one and its name in files, safe to be read with ``weights_only=True``."""
    _safe.extend(safe_globals)


def get_safe_globals() -> list[Any]:
    """What was declared safe."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Take back what was declared safe."""
    _safe.clear()


@contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """Declare classes and functions safe for a block."""
    before = list(_safe)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _safe[:] = before


def to_bytes(obj: Any) -> bytes:
    """The file of an object."""
    return MAGIC + pickle.dumps(obj, protocol=4)


class _Careful(pickle.Unpickler):
    """Looks up only what was declared safe."""

    def find_class(self, module: str, name: str) -> Any:
        for known in _safe:
            found, path = known if isinstance(known, tuple) else (known, f"{known.__module__}.{known.__qualname__}")
            if path == f"{module}.{name}":
                return found
        if (module, name) in _PARTS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def read(data: bytes, name: str, weights_only: bool) -> Any:
    """The object of a file.

    Raises
    ------
    CheckpointError
        With `weights_only`, when the file names what was not declared safe; or when it is damaged.
    """
    stream = io.BytesIO(data[len(MAGIC) :])
    try:
        return (_Careful if weights_only else pickle.Unpickler)(stream).load()
    except pickle.UnpicklingError as error:
        if not weights_only:
            raise CheckpointError(f"load: {name!r} is damaged: {error}") from None
        raise CheckpointError(
            f"load: {name!r} holds a whole object, which names {error}; reading it runs what it names: pass weights_only=False if you "
            "trust the file, or declare that safe by tg.serialization.add_safe_globals"
        ) from None
    except (EOFError, ImportError, AttributeError, IndexError, ValueError, TypeError) as error:
        raise CheckpointError(f"load: {name!r} can't be read: {type(error).__name__}: {error}") from error
