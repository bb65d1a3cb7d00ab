"""Anomaly mode: where was this operation called, who made the first NaN, and who writes on kept memory."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import Any

from tinygrad_edu import _state, backends
from tinygrad_edu._state import modes
from tinygrad_edu.grad_mode import Mode
from tinygrad_edu.node import CONSTANT, Node, extra_of

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_ROOMS = tuple(
    os.path.dirname(os.path.abspath(str(m))) + os.sep for m in (__file__, backends.__file__) if m is not None
)


class set_detect_anomaly(Mode):
    """Find the line that makes the first NaN, and the line that overwrites a value which a backward will need.

    While it is on, every operation remembers the line that called it; an operation or a backward formula whose result
    holds a NaN that was in none of its inputs raises a ``RuntimeError`` naming that line, and the arrays kept for the
    backward pass are write-protected where the backend can. It is slow: for debugging.

    Parameters
    ----------
    mode : bool
        Switch on or off, at once or for a ``with`` block.
    check_nan : bool
        Look for NaNs; otherwise only the lines are remembered.
    """

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.settings = {"anomaly": bool(mode), "check_nan": bool(check_nan)}
        self._set_now()
        _lift_all()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _lift_all()


class detect_anomaly(Mode):
    """``with detect_anomaly():`` — see :class:`set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        self.settings = {"anomaly": True, "check_nan": bool(check_nan)}

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _lift_all()


def caller() -> str:
    """The user's line that is being run, as ``file:line, in function: code``."""
    nn = os.path.join(os.path.dirname(_PACKAGE), "nn") + os.sep
    for frame in reversed(traceback.extract_stack()):
        path = os.path.abspath(frame.filename)
        if not path.startswith((*_ROOMS, nn)):
            return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
    return "an unknown line"


def has_nan(x: Any) -> bool:
    """Whether a raw array of floating point holds a NaN."""
    xp = backends.of(x)
    return "float" in str(x.dtype) and bool(xp.any(xp.isnan(x)))


def settle(name: str, out: Any, raws: Sequence[Any]) -> None:
    """Wait for the device, so that what fails there fails here, under the operation's name."""
    from tinygrad_edu.errors import failed

    try:
        backends.of(out).synchronize()
    except RuntimeError as error:
        if not isinstance(error.__cause__, backends.device_errors):
            raise
        raise failed(error.__cause__, name, raws) from error


def watch(node: Node, outs: Sequence[Any], raws: Sequence[Any]) -> None:
    """Called for every operation in anomaly mode, or where an observer is set."""
    if modes.observe is not None:
        modes.observe(node, outs, raws)
    if not modes.anomaly:
        return
    line = caller()
    for out in outs:
        inherit_protection(out)
    settle(node.name, outs[0], raws)
    if modes.check_nan and any(map(has_nan, outs)) and not any(backends.is_array(r) and has_nan(r) for r in raws):
        raise RuntimeError(f"anomaly mode: {node.name} made the first NaN at {line}")
    if node.kind == CONSTANT or not any(e is not None for e in node.edges):
        return
    extra = extra_of(node)
    extra.trace = line
    extra.locks = Locks(f"the backward of {node.name} needs it ({where(node)})")
    for value in node.saved or ():
        if backends.is_array(value):
            extra.locks.add(value)


class _Protection:
    """Why memory must not be written, and the arrays on it that were made to refuse it."""

    __slots__ = ("arrays", "reasons")

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}  # by the node's Locks
        self.arrays: list[Any] = []

    def lift(self) -> None:
        """Let the arrays be written again: first the owner of the memory, without which its views cannot be."""
        for array in sorted(self.arrays, key=lambda a: backends.of(a).root(a) is not a):
            backends.of(array).unlock(array)


_protected: dict[int, _Protection] = {}  # by the identity of the object that owns the memory


class Locks:
    """Write protection of what a node kept, until it is released, the node goes, or the mode ends."""

    __slots__ = ("held", "reason")

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.held: list[tuple[Any, int]] = []

    def add(self, value: Any) -> None:
        """Protect an array, where its backend can."""
        xp = backends.of(value)
        root = xp.root(value)
        locked = xp.lock(value)
        if locked or root is not value or id(root) in _protected:
            protection = _protected.setdefault(id(root), _Protection())
            protection.reasons[id(self)] = self.reason
            if locked:
                protection.arrays.append(value)
            self.held.append((value, id(root)))

    def release(self, only: Any = None) -> None:
        """Give up all arrays, or one; memory that no other node needs may be written again."""
        for value, key in self.held:
            if only is None or value is only:
                protection = _protected.get(key)
                if protection is not None:
                    protection.reasons.pop(id(self), None)
                    if not protection.reasons:
                        del _protected[key]
                        protection.lift()
        self.held = [] if only is None else [h for h in self.held if h[0] is not only]

    __del__ = release


def inherit_protection(view: Any) -> Any:
    """A view of write-protected memory refuses writes as well; let that be lifted together with the others."""
    xp = backends.of(view)
    protection = _protected.get(id(xp.root(view))) if _protected else None
    if protection is not None and not xp.is_writable(view):
        protection.arrays.append(view)
    return view


def _lift_all() -> None:
    """Outside of the mode nothing is protected; overwritten values are then found by the backward pass."""
    if not _state.anomaly_threads:
        while _protected:
            _protected.popitem()[1].lift()


def refuse_protected(raw: Any) -> None:
    """Raise when memory that is about to be written is protected."""
    if _protected and (found := _protected.get(id(backends.of(raw).root(raw)))):
        raise RuntimeError(
            f"in-place: anomaly mode protects this value, because {next(iter(found.reasons.values()))}; clone() it before the write"
        )


def unlock(node: Node, only: Any = None) -> None:
    """Lift the write protection of what a node kept, or of one array among it."""
    if node.extra is not None and node.extra.locks is not None:
        node.extra.locks.release(only)


def where(node: Node) -> str:
    """The forward line of a node, if anomaly mode was on when it was made; otherwise how to learn it."""
    trace = node.extra.trace if node.extra is not None else None
    if trace:
        return f"the forward pass called it at {trace}"
    return "run the forward pass under autograd.detect_anomaly() to learn which line called it"


def check_gradients(node: Node, cotangents: Any, grads: tuple[Any, ...]) -> None:
    """Raise when a backward formula made a NaN that was not in its cotangents."""
    if not modes.check_nan:
        return
    given = cotangents if type(cotangents) is list else [cotangents]
    raw = [getattr(g, "_data", g) for g in given]
    if any(backends.is_array(g) and has_nan(g) for g in raw):
        return
    for i, g in enumerate(grads):
        g = getattr(g, "_data", g)
        if backends.is_array(g) and has_nan(g):
            raise RuntimeError(
                f"anomaly mode: the backward of {node.name} made the first NaN, in the gradient of argument {i}; {where(node)}"
            )
