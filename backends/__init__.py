"""Array backends: how they are found, and which one an array belongs to.

A backend registers under a name, in code with :func:`register` or through the entry-point group
``tinygrad_edu.backends``; ``device="name"`` then chooses it. NumPy is ``"cpu"``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from tinygrad_edu.backends.base import Array, Backend, BackendError

__all__ = ["Array", "Backend", "BackendError", "available", "get", "of", "register"]

ENTRY_POINTS = "tinygrad_edu.backends"

_factories: dict[str, Callable[[], Backend]] = {}
_loaded: dict[str, Backend] = {}
_by_type: dict[type, Backend] = {}  # of backends whose arrays are all on one device
_of_several: dict[type, Backend] = {}
several_loaded = False  # whether arrays of more than one device can meet


def register(name: str, factory: Callable[[], Backend]) -> None:
    """Make ``device=name`` available; ``factory`` is called at the first use, so it may import a heavy library.

    Parameters
    ----------
    name : str
        Device name, without an index.
    factory : callable
        Returns the :class:`Backend`; raises :class:`BackendError` with one clear line when something is missing.
    """
    _factories[name] = factory
    _loaded.pop(name, None)


def get(name: str) -> Backend:
    """The backend of a device name (``"cpu"``, ``"cuda:1"``), loading it at its first use."""
    if ":" in name:
        family, _, number = name.partition(":")
        return get(family).at(int(number))
    global several_loaded
    backend = _loaded.get(name)
    if backend is None:
        factory = _factories.get(name) or _from_entry_point(name)
        if factory is None:
            raise BackendError(f"there is no device {name!r}; devices that can be named here: {', '.join(_names())}")
        backend = _loaded[name] = factory()
        for kind in backend.array_types:
            (_of_several if backend.several else _by_type).setdefault(kind, backend)
        several_loaded = name != "cpu" or several_loaded
    return backend


def of(x: Array) -> Backend:
    """The backend that an array belongs to, told by its class."""
    kind = type(x)
    try:
        return _by_type[kind]
    except KeyError:
        known = _of_several.get(kind)
    if known is not None:
        return known.at(known.place(x))
    for table in (_by_type, _of_several):
        for base, backend in table.items():
            if issubclass(kind, base):
                table[kind] = backend
                return of(x)
    raise TypeError(f"expected a Tensor or an array of a loaded backend, got {kind.__name__}")


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array of a loaded backend."""
    kind = type(x)
    return kind in _by_type or kind in _of_several or any(issubclass(kind, k) for k in (*_by_type, *_of_several))


def available() -> dict[str, str]:
    """Every known device name with ``"ready"`` or the reason why it can't be used.

    Examples
    --------
    >>> available()["cpu"]
    'ready'
    """
    report = {}
    for name in _names():
        try:
            report[name] = "ready" if get(name).device_count() else "no device of this kind was found"
        except BackendError as error:
            report[name] = str(error)
    return report


def _names() -> list[str]:
    found = [point.name for point in entry_points(group=ENTRY_POINTS)]
    return [*_factories, *(name for name in found if name not in _factories)]


def _from_entry_point(name: str) -> Callable[[], Backend] | None:
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            factory: Any = point.load()
            return factory
    return None


def _numpy() -> Backend:
    from tinygrad_edu.backends.numpy_backend import NumpyBackend

    return NumpyBackend()


def _cupy() -> Backend:
    from tinygrad_edu.backends.cupy_backend import CupyBackend

    return CupyBackend()


register("cpu", _numpy)
register("cuda", _cupy)
get("cpu")
