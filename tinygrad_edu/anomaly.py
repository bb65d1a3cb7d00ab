"""Anomaly mode: where was this operation called, who made the first NaN, and who writes on kept memory."""

from __future__ import annotations

import os
import traceback
from typing import Any

from tinygrad_edu import backends
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


class detect_anomaly(Mode):
    """``with detect_anomaly():`` — see :class:`set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        self.settings = {"anomaly": True, "check_nan": bool(check_nan)}


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


def watch(node: Node, out: Any, raws: list[Any]) -> None:
    """Called for every operation in anomaly mode."""
    line = caller()
    if modes.check_nan and has_nan(out) and not any(backends.is_array(r) and has_nan(r) for r in raws):
        raise RuntimeError(f"anomaly mode: {node.name} made the first NaN at {line}")
    if node.kind == CONSTANT or not any(e is not None for e in node.edges):
        return
    extra = extra_of(node)
    extra.trace = line
    for value in node.saved or ():
        if backends.is_array(value) and backends.of(value).lock(value):
            extra.locked.append(value)


def unlock(node: Node) -> None:
    """Lift the write protection of what a node kept."""
    if node.extra is not None:
        for value in node.extra.locked:
            backends.of(value).unlock(value)
        node.extra.locked = []


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
