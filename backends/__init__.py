"""Array backends: how they are found, and which one an array belongs to.

A backend registers under a name, in code with :func:`register` or through the entry-point group
``tinygrad_edu.backends``; ``device="name"`` then chooses it. NumPy is ``"cpu"``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from tinygrad_edu.backends import cuda, cudnn, mps
from tinygrad_edu.backends.base import Array, Backend, BackendError
from tinygrad_edu.backends.switches import mkl, mkldnn, openmp

__all__ = [
    "Array",
    "Backend",
    "BackendError",
    "available",
    "cuda",
    "cudnn",
    "get",
    "mkl",
    "mkldnn",
    "mps",
    "of",
    "openmp",
    "register",
]

ENTRY_POINTS = "tinygrad_edu.backends"

_factories: dict[str, Callable[[], Backend]] = {}
_loaded: dict[str, Backend] = {}
_by_type: dict[type, Backend] = {}  # of backends whose arrays are all on one device
_of_several: dict[type, Backend] = {}
device_errors: tuple[type[Exception], ...] = ()  # what libraries raise when a kernel or an allocation fails
# What array libraries raise when arguments do not fit; some say with a RuntimeError what others call a ValueError.
mistakes: tuple[type[Exception], ...] = (ValueError, TypeError, IndexError, OverflowError, AttributeError, RuntimeError)
failures = mistakes  # and what devices raise
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
    if not callable(factory):
        raise TypeError(f"register: expected the class of a backend, or a function that makes one, got {factory!r}")
    if not name.isidentifier():
        raise ValueError(f"register: a device name must be a word like 'cuda', without a number, got {name!r}")
    _factories[name] = factory
    _loaded.pop(name, None)


def get(name: str) -> Backend:
    """The backend of a device name (``"cpu"``, ``"cuda:1"``), loading it at its first use."""
    if ":" in name:
        family, _, number = name.partition(":")
        return get(family).at(int(number))
    global device_errors, failures, several_loaded
    backend = _loaded.get(name)
    if backend is None:
        factory = _factories.get(name) or _from_entry_point(name)
        if factory is None:
            raise BackendError(f"there is no device {name!r}; devices that can be named here: {', '.join(_names())}")
        backend = factory()
        _refuse_misfit(name, backend)
        _loaded[name] = backend
        for table in (_by_type, _of_several):  # a class that is registered again takes the place of its predecessor
            for kind in [kind for kind, other in table.items() if other.name == name]:
                del table[kind]
        for kind in backend.array_types:
            (_of_several if backend.several else _by_type)[kind] = backend
        several_loaded = name != "cpu" or several_loaded
        device_errors = (*device_errors, *backend.device_errors)
        failures = (*failures, *backend.device_errors)
    return backend


def _refuse_misfit(name: str, backend: Any) -> None:
    """Raise, in words for its author, where a backend cannot work."""
    about = f"backend {name!r} ({type(backend).__name__})"
    if not isinstance(backend, Backend):
        raise TypeError(f"{about}: the registered class or function must make a Backend, this is no subclass of it")
    if "_family" not in vars(backend):
        raise TypeError(f"{about}: its __init__ must call super().__init__(index)")
    if backend.name != name:
        raise TypeError(
            f"{about}: its attribute name is {backend.name!r}; it must be {name!r}, under which it is registered"
        )
    if backend.namespace is None:
        raise TypeError(f"{about}: set namespace to a module that follows the array-API standard")
    kinds = backend.array_types
    if not (isinstance(kinds, tuple) and kinds and all(isinstance(kind, type) for kind in kinds)):
        raise TypeError(f"{about}: array_types must be a tuple of the classes of its arrays, got {kinds!r}")
    for kind in kinds:
        other = _by_type.get(kind) or _of_several.get(kind)
        if other is not None and other.name != name:
            raise TypeError(
                f"{about}: arrays of class {kind.__name__} belong to {other.name!r} already, and an array's class tells its "
                "backend; make a subclass of it"
            )
    needed = ["to_host", *(["place", "placed", "device_count"] if backend.several else [])]
    missing = [method for method in needed if getattr(type(backend), method) is getattr(Backend, method)]
    if missing:
        why = ", since several is True" if backend.several and missing != ["to_host"] else ""
        raise TypeError(f"{about}: define {', '.join(missing)}{why}")


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
        except Exception as error:  # somebody else's package, which must not keep us from seeing the others
            report[name] = f"does not load: {type(error).__name__}: {error}"
    return report


def _names() -> list[str]:
    found = [point.name for point in entry_points(group=ENTRY_POINTS)]
    return [*_factories, *(name for name in found if name not in _factories)]


def _from_entry_point(name: str) -> Callable[[], Backend] | None:
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            try:
                factory: Any = point.load()
            except (ImportError, AttributeError) as error:
                raise BackendError(
                    f"device {name!r} is {point.value!r} of a plug-in, which does not load: {error}"
                ) from error
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
