"""``python -m tinygrad_edu.run script.py ARGS``: run a script that was written for PyTorch, unchanged.

While it runs, ``import torch``, its submodules, and ``torchvision``'s data sets and transforms give this library's modules of
the same name, types print as ``torch.float32``, and ``torch.__version__`` is that of the PyTorch whose names they are.
``-m module`` runs a module instead of a file. Nothing of this is in force anywhere else: importing this module changes nothing.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, ModuleType, TracebackType
from typing import Any

import tinygrad_edu
from tinygrad_edu import dtypes
from tinygrad_edu.absent import no_module

USAGE = "usage: python -m tinygrad_edu.run script.py [ARGS ...]   or   python -m tinygrad_edu.run -m module [ARGS ...]"
PYTORCH = "2.13.0"  # whose names and behaviour these are: what scripts that ask for torch.__version__ want to know
_RUNNING = "TINYGRAD_EDU_RUN"  # tells processes that the script starts what runs: "file PATH" or "module NAME"

# What PyTorch keeps in other places than this library: the longest name that fits counts.
_PLACES = {
    "torch": "tinygrad_edu",
    "torch.autograd.function": "tinygrad_edu.function",
    "torch.autograd.grad_mode": "tinygrad_edu.grad_mode",
    "torch.autograd.variable": "tinygrad_edu.legacy",
    "torch.nn.modules": "tinygrad_edu.nn",
    "torch.utils.data.dataset": "tinygrad_edu.utils.data",
    "torch.utils.data.sampler": "tinygrad_edu.utils.data",
    "torchvision": "tinygrad_edu.vision",
    "torchvision.datasets": "tinygrad_edu.datasets",
    "torchvision.transforms": "tinygrad_edu.transforms",
}


class StandIn(importlib.abc.MetaPathFinder):
    """Finds this library's modules under PyTorch's names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """How to load a module of PyTorch's; None for any other.

        Raises
        ------
        ModuleNotFoundError
            When this library has no such module; the message says why, or which is the nearest.
        """
        if fullname.partition(".")[0] not in ("torch", "torchvision"):
            return None
        found = next(filter(None, map(_imported, _candidates(fullname))), None)
        if found is None:
            raise ModuleNotFoundError(no_module(fullname), name=fullname)
        # Every module can have submodules: PyTorch has packages where this library has one file.
        return importlib.machinery.ModuleSpec(fullname, _AsItIs(found), is_package=True)


class _AsItIs(importlib.abc.Loader):
    """Hands out a module that is loaded already, and leaves it as it was."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def _candidates(fullname: str) -> Iterator[str]:
    """Where this library may have a module: under the places that PyTorch's packages have here, the longest name first."""
    if fullname.startswith("torch.nn.modules."):  # there a file for each kind of layer; here all are in nn
        yield "tinygrad_edu.nn"
    parts = fullname.split(".")
    for n in range(len(parts), 0, -1):
        place = _PLACES.get(".".join(parts[:n]))
        if place is not None:
            yield ".".join([place, *parts[n:]])


def _imported(name: str) -> ModuleType | None:
    """A module of this library, or None where there is none of this name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return None


def install() -> None:
    """Let this process import this library under PyTorch's names."""
    if not any(isinstance(finder, StandIn) for finder in sys.meta_path):
        sys.meta_path.insert(0, StandIn())
    dtypes.library = "torch"
    tinygrad_edu.__version__ = f"{PYTORCH}+tinygrad_edu"


def _code(runs: str) -> tuple[CodeType, dict[str, Any]]:
    """The code of a file or of a module, and what its namespace begins with."""
    kind, _, what = runs.partition(" ")
    if kind == "file":
        with io.open_code(what) as file:
            return compile(file.read(), what, "exec"), {"__file__": what, "__package__": None}
    spec = importlib.util.find_spec(what)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{what}.__main__")
    if spec is None or spec.origin is None or not isinstance(spec.loader, importlib.abc.InspectLoader):
        raise SystemExit(f"tinygrad_edu.run: there is no module {what!r} that can be run")
    code = spec.loader.get_code(spec.name)
    assert code is not None
    return code, {"__file__": spec.origin, "__package__": spec.parent}


def main(arguments: list[str]) -> None:
    """Run what the arguments name as ``__main__``, with a traceback that begins in it."""
    if arguments[:1] == ["-m"] and len(arguments) > 1:
        runs, rest = f"module {arguments[1]}", arguments[2:]
    elif arguments and not arguments[0].startswith("-"):
        runs, rest = f"file {arguments[0]}", arguments[1:]
    else:
        print(__doc__, USAGE, sep="\n", file=sys.stdout if arguments in (["-h"], ["--help"]) else sys.stderr)
        raise SystemExit(0 if arguments in (["-h"], ["--help"]) else 2)
    kind, _, what = runs.partition(" ")
    if kind == "file" and not os.path.isfile(what):
        raise SystemExit(f"tinygrad_edu.run: there is no file {what!r}\n{USAGE}")
    install()
    sys.path[0] = os.path.dirname(os.path.abspath(what)) if kind == "file" else os.getcwd()
    sys.argv = [what, *rest]
    os.environ[_RUNNING] = f"file {os.path.abspath(what)}" if kind == "file" else runs
    script = ModuleType("__main__")
    # Processes that are spawned import this module again as their main one, and it runs the script there.
    script.__spec__ = importlib.util.find_spec("tinygrad_edu.run")
    sys.modules["__main__"] = script
    code, names = _code(runs)
    sys.argv[0] = names["__file__"]
    vars(script).update(names, __builtins__=__builtins__)
    try:
        exec(code, vars(script))
    except Exception as error:
        error.__traceback__ = _of_the_script(error.__traceback__)
        _say_what_is_missing(error)
        sys.excepthook(type(error), error, error.__traceback__)
        raise SystemExit(1) from None


def _of_the_script(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this file, at its beginning and at its end."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    step = trace
    while step is not None:
        if step.tb_next is not None and step.tb_next.tb_frame.f_code.co_filename == __file__:
            step.tb_next = None
        step = step.tb_next
    return trace


def _say_what_is_missing(error: Exception) -> None:
    """Add to an ImportError of one of this library's names what reading the name would have said."""
    found = re.search(r"cannot import name '(\w+)' from '(tinygrad_edu[\w.]*)'", str(error))
    if isinstance(error, ImportError) and found:
        try:
            getattr(sys.modules[found[2]], found[1])
        except AttributeError as reason:
            error.add_note(str(reason))


if __name__ == "__main__":
    main(sys.argv[1:])
elif __name__ == "__mp_main__":
    install()
    _found, _names = _code(os.environ[_RUNNING])
    globals().update(_names)
    exec(_found, globals())
