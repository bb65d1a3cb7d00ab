"""The public names of the PyTorch that is installed; run as a script, it prints the file that the library keeps of them."""

import functools
import importlib
import inspect
import textwrap
from types import ModuleType
from typing import Any

AREAS = ["torch", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "utils.data"]
HELPERS = ("torch.overrides", "torch._jit_internal", "torch._sources", "torch._torch_docs", "torch._prims_common")

# Built-in functions and classes without a home that PyTorch's modules use for themselves.
OWN_USE = {
    "assert_int_or_pair",
    "bisect_right",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
}
OWN_USE |= {"BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "TYPE_CHECKING"}


def belongs(area: str, value: Any) -> bool:
    """Whether what a module of PyTorch holds is its own: no module, no helper, nothing that was imported for it."""
    if isinstance(value, ModuleType) or (
        area != "torch" and isinstance(value, (str, list, tuple, dict, int, float, bool))
    ):
        return False
    home = getattr(value, "__module__", None)
    if not isinstance(home, str) or not (inspect.isclass(value) or inspect.isfunction(value)):
        return not str(type(value).__module__).startswith("typing")
    place = "torch" if area == "torch" else f"torch.{area}"
    return home.startswith(place) and not home.startswith(HELPERS)


def names(area: str) -> list[str]:
    """The public names of an area."""
    torch = importlib.import_module("torch")
    if area == "Tensor":
        return sorted(n for n in dir(torch.Tensor) if not n.startswith("_"))
    module = torch if area == "torch" else importlib.import_module(f"torch.{area}")
    return sorted(
        n for n in dir(module) if not n.startswith("_") and n not in OWN_USE and belongs(area, getattr(module, n))
    )


def file() -> str:
    """The text of ``tinygrad_edu/testing/pytorch_names.py``."""
    version = importlib.import_module("torch").__version__.partition("+")[0]
    parts = [
        f'"""The public names of PyTorch {version}, by area; printed by tests/pytorch_names.py."""\n\nVERSION = "{version}"\n'
    ]
    wrap = functools.partial(
        textwrap.fill, width=110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
    )
    parts += ["NAMES = {"]
    parts += [f'    "{area}": """\n{wrap(" ".join(names(area)))}\n    """.split(),' for area in AREAS]
    return "\n".join([*parts, "}"])


if __name__ == "__main__":
    print(file())
