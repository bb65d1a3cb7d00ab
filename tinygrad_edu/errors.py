"""Error messages that say which operation was called with what."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tinygrad_edu import backends
from tinygrad_edu.anomaly import where
from tinygrad_edu.node import Node


class OutOfMemoryError(RuntimeError):
    """A device has not enough memory left for what an operation asked for."""


def describe(value: Any) -> str:
    """An argument in a few words: ``float32[2, 3]``, ``int``, ``'abc'``."""
    raw = getattr(value, "_data", value)
    if backends.is_array(raw):
        return f"{str(raw.dtype).rsplit('.', 1)[-1]}{list(raw.shape)}"
    if isinstance(raw, (int, float, bool, str, type(None), slice)):
        return repr(raw)
    if isinstance(raw, (tuple, list)) and len(raw) < 8:
        return f"({', '.join(describe(v) for v in raw)})"
    return type(raw).__name__


# Modules whose public functions are operations: of these the outermost is the one that was called.
_OPERATIONS = ("tinygrad_edu.ops.", "tinygrad_edu.linalg", "tinygrad_edu.nn.functional", "tinygrad_edu.inplace")


def running() -> str:
    """``"name: "`` of the operation whose arguments are being checked; empty when the user's own code checks."""
    frame: Any = sys._getframe(1)
    found = ""
    while frame is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if not module.startswith(_OPERATIONS if found else "tinygrad_edu") or name == "backward":
            break
        if not (
            name.startswith(("_", "<"))
            or name == "forward"
            or module.endswith(("._types", "._base", "._casting", ".function", ".errors"))
        ):
            found = f"{name}: "
        frame = frame.f_back
    return found


def not_a_tensor(value: Any) -> TypeError:
    """The error of an operation that was called with something else where it takes a tensor."""
    return TypeError(f"{running()}expected a Tensor, got {describe(value)}; make one with tg.tensor(...)")


def check_tensors(name: str, **arguments: Any) -> None:
    """Raise when an argument is no tensor (or raw array, which formulas compute with)."""
    for what, value in arguments.items():
        if not hasattr(value, "_data") and not backends.is_array(value):
            raise TypeError(f"{name}: expected a Tensor as {what}, got {describe(value)}; make one with tg.tensor(...)")


def explained(error: Exception, name: str, raws: list[Any]) -> Exception:
    """The same kind of error, saying which operation was called with what."""
    if isinstance(error, backends.device_errors):
        return failed(error, name, raws)
    if isinstance(error, RuntimeError) and type(error) is not RuntimeError:
        return error  # what we or a library have a class for
    if isinstance(error, AttributeError):
        strangers = [r for r in raws if not backends.is_array(r)]
        return not_a_tensor(raws[0]) if strangers[:1] == raws[:1] else error
    text = str(error).strip()
    called = running().removesuffix(": ")
    if text.startswith((f"{name}:", f"{called}:")):
        return error
    name = called or name
    try:
        refuse_mixed(name, raws)
    except RuntimeError as mixed:
        return mixed
    kind = type(error) if type(error) in backends.mistakes else ValueError
    if "broadcast" in text or "must match the size" in text:  # every backend says it in other words
        kind = ValueError
        shapes = " and ".join(str(tuple(r.shape)) for r in raws if backends.is_array(r))
        text = f"shapes {shapes} do not broadcast: counted from the last dimension, sizes must be equal or 1"
    return kind(f"{name}: {text} (called with {', '.join(map(describe, raws))})")


def failed(error: Exception, name: str, raws: Iterable[Any]) -> Exception:
    """What to raise when a device could not do an operation."""
    kind = OutOfMemoryError if isinstance(error, MemoryError) else RuntimeError
    return kind(f"{name}: {error} (called with {', '.join(map(describe, raws))})")


def refuse_mixed(node: Any, raws: Iterable[Any]) -> None:
    """Raise where arguments of an operation (or of a name), or arrays in tuples of them, are on different devices."""
    arrays = [r for r in raws if backends.is_array(r)]
    arrays += [r for part in raws if type(part) is tuple for r in part if backends.is_array(r)]
    places = {id(backends.of(r)): r for r in arrays}
    if len(places) > 1:
        where = " and ".join(f"{describe(r)} on {backends.of(r).device_of(r)}" for r in places.values())
        name = node if isinstance(node, str) else getattr(node, "name", type(node).__name__.lower())
        raise RuntimeError(f"{name}: the arguments are on different devices ({where}); move one with .to(device)")


def overwritten(node: Node, value: Any) -> RuntimeError:
    """What a backward raises that needs a value which is no longer there."""
    return RuntimeError(
        f"backward: a value that {node.name} kept ({describe(value)}) was overwritten in place after it was computed, "
        f"so its gradient would be wrong; clone() the tensor before the in-place write; {where(node)}"
    )
