"""How tensors are printed: as PyTorch prints them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

_PRECISION = 4
_THRESHOLD = 1000  # more elements are summarised
_EDGE = 3
_WIDTH = 80


def tensor_repr(t: Tensor) -> str:
    """``tensor([...], dtype=..., requires_grad=True)``."""
    from tinygrad_edu._state import modes

    prefix = "Parameter containing:\n" if type(t).__name__ == "Parameter" else ""
    host = t.detach().cpu().numpy()
    summarise = host.size > _THRESHOLD
    body = "[]" if host.size == 0 else _body(host, _formatter(host, summarise), 7, summarise)
    tail = []
    if host.size == 0 and host.ndim != 1:
        tail.append(f"size={tuple(t.shape)}")
    if t.device.type != "cpu":
        tail.append(f"device='{t.device}'")
    usual = ("bool", "int64", modes.dtype.name) if host.size else (modes.dtype.name,)
    if t.dtype.name not in usual:
        tail.append(f"dtype={t.dtype}")
    if t.grad_fn is not None:
        name = t.grad_fn.name
        tail.append(f"grad_fn=<{''.join(p.capitalize() for p in name.split('_')) if name.islower() else name}>")
    elif t.requires_grad:
        tail.append("requires_grad=True")
    text = f"tensor({body}"
    for part in tail:
        last = len(text) - text.rfind("\n") - 1
        text += f",\n       {part}" if last + len(part) + 3 > _WIDTH else f", {part}"
    return f"{prefix}{text})"


def _formatter(host: Any, summarise: bool) -> Any:
    """A function that formats one element so that all take the same width."""
    values = _edges(host).reshape(-1).tolist() if summarise else host.reshape(-1).tolist()
    if host.dtype.kind != "f":
        width = max(len(str(v)) for v in values)
        return lambda v: str(v).rjust(width)
    finite = [abs(v) for v in values if math.isfinite(v)]
    nonzero = [v for v in finite if v]
    largest, smallest = max(nonzero, default=0.0), min(nonzero, default=0.0)
    whole = all(v == math.floor(v) for v in finite)
    if whole:
        scientific = largest >= 1e8
        plain = "{:.0f}."
    else:
        scientific = largest >= 1e8 or smallest < 1e-4 or largest / smallest > 1000
        plain = f"{{:.{_PRECISION}f}}"
    style = f"{{:.{_PRECISION}e}}" if scientific else plain

    def show(v: float) -> str:
        return style.format(v) if math.isfinite(v) else str(v)

    width = max(len(show(v)) for v in values)
    return lambda v: show(v).rjust(width)


def _edges(host: Any) -> Any:
    """The elements that a summary shows."""
    for axis in range(host.ndim):
        n = host.shape[axis]
        if n > 2 * _EDGE:
            host = host.take([*range(_EDGE), *range(n - _EDGE, n)], axis=axis)
    return host


def _body(host: Any, show: Any, indent: int, summarise: bool) -> str:
    if host.ndim == 0:
        return str(show(host.item())).strip()
    n = len(host)
    cut = summarise and n > 2 * _EDGE
    rows = [*range(_EDGE), None, *range(n - _EDGE, n)] if cut else list(range(n))
    if host.ndim == 1:
        shown = ["..." if i is None else show(host[i].item()) for i in rows]
        per_line = max(1, (_WIDTH - indent) // (max(map(len, shown)) + 2))
        lines = [", ".join(shown[i : i + per_line]) for i in range(0, len(shown), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = ["..." if i is None else _body(host[i], show, indent + 1, summarise) for i in rows]
    return "[" + ("," + "\n" * (host.ndim - 1) + " " * (indent + 1)).join(parts) + "]"
