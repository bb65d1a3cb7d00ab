"""``python -m tinygrad_edu.testing.coverage``: which of PyTorch's public names are here; docs/pytorch.md is printed by it."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import tinygrad_edu as tg
from tinygrad_edu.absent import reason
from tinygrad_edu.testing.pytorch_names import NAMES, VERSION

__all__ = ["Coverage", "coverage", "page"]


class Coverage(NamedTuple):
    """Of an area of PyTorch the names that are here, those that are left out with the reason, and the others."""

    present: list[str]
    left_out: dict[str, str]
    absent: list[str]

    @property
    def of_all(self) -> float:
        """The share of names that are present."""
        return len(self.present) / (len(self.present) + len(self.left_out) + len(self.absent))

    @property
    def of_meant(self) -> float:
        """The share of names that are present among those that are not left out on purpose."""
        return len(self.present) / (len(self.present) + len(self.absent))


def _place(area: str) -> Any:
    place: Any = tg
    for part in area.split(".") if area != "torch" else []:
        place = getattr(place, part)
    return place


def coverage(area: str) -> Coverage:
    """Compare an area, such as ``"nn.functional"``, with PyTorch's names.

    Examples
    --------
    >>> coverage("optim").absent
    []
    """
    place = _place(area)
    present = [name for name in NAMES[area] if hasattr(place, name)]
    others = [name for name in NAMES[area] if name not in present]
    left_out = {name: why for name in others if (why := reason(area, name)) is not None}
    return Coverage(present, left_out, [name for name in others if name not in left_out])


_HEAD = f"""# PyTorch's names

Code that was written for PyTorch runs here when its import lines change:

```python
import tinygrad_edu as torch
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.utils.data import DataLoader
```

or, with no line changed at all, by `python -m tinygrad_edu.run script.py ARGS`. While a script runs in this way, `import torch`,
its submodules, and the data sets, transforms and grids of torchvision give this library's modules of the same name. A name that is not
here says so when it is used: with the reason where it was left out on purpose, and with the nearest name that is here:

```
AttributeError: module 'tinygrad_edu.nn': there is no nn.Liner here; the nearest name is Linear
```

What does nothing says so, once: `compile` and `jit.script` return what they are given, and the switches of libraries that are not used
(`backends.cudnn.benchmark = True`) have no effect.

What differs although the name is the same:

- Random numbers are those of NumPy: a seed gives the same run here, but not the run that it gives in PyTorch.
- A function of a user cannot write on its arguments, which PyTorch allows with `mark_dirty`: other gradients may need them.
- Whole models are saved as a pickle that `load(..., weights_only=False)` reads; whole models that PyTorch saved are never unpickled.
- Types print as `tg.float32`, shapes as `Size([2])`; under `tinygrad_edu.run` as `torch.float32` and `torch.Size([2])`.

Below are the public names of PyTorch {VERSION}. The page is printed by `python -m tinygrad_edu.testing.coverage`.
"""


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def page() -> str:
    """The text of docs/pytorch.md."""
    parts = [
        _HEAD,
        "| area | names | here | left out on purpose | absent | here, of those not left out |",
        "|---|---|---|---|---|---|",
    ]
    found = {area: coverage(area) for area in NAMES}
    for area, c in found.items():
        total = len(c.present) + len(c.left_out) + len(c.absent)
        parts.append(
            f"| `{area}` | {total} | {len(c.present)} | {len(c.left_out)} | {len(c.absent)} | {c.of_meant:.0%} |"
        )
    for area, c in found.items():
        parts += ["", f"## {area}", "", f"Here: {_code(c.present)}.", "", f"Absent: {_code(c.absent)}."]
        reasons = list(dict.fromkeys(c.left_out.values()))
        if reasons:
            parts += ["", "| left out, since | names |", "|---|---|"]
        for why in reasons:
            parts.append(f"| {why} | {_code([name for name, its in c.left_out.items() if its == why])} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
