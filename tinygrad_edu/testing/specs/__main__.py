"""``python -m tinygrad_edu.testing.specs`` prints the table of all operations, from their specs."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable

from tinygrad_edu.testing.spec import OpSpec
from tinygrad_edu.testing.specs import FAMILIES, operation_of, public_operations

_HEAD = """# Operations

Every operation on tensors, from the specs that they are tested by (`tinygrad_edu/testing/specs/`): values, derivatives, properties,
errors, and, where PyTorch has the same one, its values, types and gradients. *Order* is the highest order of derivative that is
checked; — stands for no derivative. The page is printed by `python -m tinygrad_edu.testing.specs`; [testing.md](testing.md) tells
what is checked.
"""


def _cell(text: str) -> str:
    return re.sub(r":\w+:(?=`)", "", " ".join(text.split())).replace("|", "\\|")


def _summary(name: str) -> str:
    """The first line of what the operation's docstring says."""
    documented = public_operations().get(name)
    return ((documented and documented.__doc__) or "").strip().partition("\n")[0]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _row(name: str, specs: list[OpSpec]) -> str:
    methods = dict.fromkeys(n for s in specs for n in f"{s.methods} {s.inplace}".split())
    order = max((s.order for s in specs if s.differentiable), default=0)
    domains = dict.fromkeys(s.domain for s in specs if s.domain != OpSpec.domain)
    notes = dict.fromkeys(s.notes for s in specs if s.notes)
    cells = [f"`{name}`", _summary(name), _code(methods), str(order or "—"), "; ".join(domains), " ".join(notes)]
    return f"| {' | '.join(map(_cell, cells))} |"


def table() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for family, specs in FAMILIES.items():
        module = importlib.import_module(f"tinygrad_edu.testing.specs.{family}")
        title = (module.__doc__ or family).strip().partition("\n")[0].rstrip(".")
        by_name: dict[str, list[OpSpec]] = {}
        for spec in specs:
            by_name.setdefault(operation_of(spec), []).append(spec)
        parts += [
            f"\n## {title}\n",
            "| operation | what it is | methods | order | domain | conventions |",
            "|---|---|---|---|---|---|",
        ]
        parts += [_row(name, found) for name, found in by_name.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    print(table())
