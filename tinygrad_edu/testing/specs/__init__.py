"""What every public operation is: one :class:`~tinygrad_edu.testing.OpSpec` each, in one module a family.

A module of this package has a list ``SPECS``; ``ALL_SPECS`` collects them all. Its ``ORDER`` says up to which order all of them are
checked, but for those that ``LOWER`` names. The name of a spec is the operation's public name:
``"exp"`` for ``tinygrad_edu.exp``, ``"linalg.solve"`` and ``"F.normalize"`` for functions of ``linalg`` and ``nn.functional``,
``"Tensor.expand"`` for what is a method alone. A second spec of the same operation, for other arguments, says so in brackets:
``"norm (p=1)"``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tinygrad_edu as tg
from tinygrad_edu.nn import functional
from tinygrad_edu.testing.spec import OpSpec


def families() -> dict[str, list[OpSpec]]:
    """The specs of each family, by the name of its module; smooth ones are checked up to the module's ``ORDER``."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    found = {}
    for name in names:
        module = importlib.import_module(f"{__name__}.{name}")
        kinked = getattr(module, "LOWER", ())
        found[name] = [
            s if s.name in kinked else replace(s, order=max(s.order, getattr(module, "ORDER", 0))) for s in module.SPECS
        ]
    return found


FAMILIES = families()
ALL_SPECS = [spec for family in FAMILIES.values() for spec in family]


_NOT_ON_TENSORS = {"broadcast_shapes"}  # takes sizes
_NOT_EVERYWHERE = {"cuda", "pin_memory", "is_pinned"}  # need a GPU; tests/test_cuda.py has them


def _is_operation(value: Any) -> bool:
    if not inspect.isfunction(value) or value.__name__ in _NOT_ON_TENSORS | _NOT_EVERYWHERE:
        return False
    return value.__module__.startswith("tinygrad_edu.ops.") or value.__module__ == functional.__name__


@functools.cache
def public_operations() -> dict[str, Callable[..., Any]]:
    """Every operation on tensors under its public name, in the first place that has it; an alias does not count again."""
    found: dict[str, Callable[..., Any]] = {}
    rooms: list[tuple[str, Any, list[str]]] = [
        ("", tg, list(tg.__all__)),
        ("linalg.", tg.linalg, list(tg.linalg.__all__)),
        ("special.", tg.special, list(tg.special.__all__)),
        ("F.", functional, list(functional.__all__)),
        (
            "Tensor.",
            tg.Tensor,
            [n for n in dir(tg.Tensor) if not n.startswith("_") and hasattr(tg.Tensor, n)] + ["__getitem__"],
        ),
    ]
    known: set[int] = set()
    by_functional = {operation_of(s).removeprefix("F.") for s in ALL_SPECS if s.name.startswith("F.")}
    rooms[0] = ("", tg, [name for name in tg.__all__ if name not in by_functional])
    for prefix, room, names in rooms:
        for name in sorted(names):
            value = getattr(room, name)
            value = inspect.unwrap(value) if callable(value) else value
            if _is_operation(value) and id(value) not in known:
                known.add(id(value))
                own = value.__name__
                found[prefix + (own if getattr(room, own, None) is value else name)] = value
    return found


def operation_of(spec: OpSpec) -> str:
    """The public name that a spec is about: its own name without what stands in brackets."""
    return spec.name.partition(" (")[0]
