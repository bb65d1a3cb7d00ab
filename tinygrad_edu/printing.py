"""How tensors are printed: as PyTorch prints them."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tinygrad_edu.node_names import shown

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


@dataclasses.dataclass
class _Options:
    """The settings of :func:`set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is left out stays as it is, but for `sci_mode`.

    Parameters
    ----------
    precision : int
        Digits after the point.
    threshold : int
        A tensor with more elements is summarised.
    edgeitems : int
        How many elements a summary shows at each end of a dimension.
    linewidth : int
        After how many characters a line is broken.
    profile : "default", "short" or "full"
        Sets all of the above, before they are applied; ``"full"`` never summarises.
    sci_mode : bool, optional
        Whether to print numbers as 1.0000e+00; where it is left out this depends on their sizes.

    Raises
    ------
    ValueError
        When there is no such profile.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.set_printoptions(precision=2)
    >>> tg.tensor([1.12345])
    tensor([1.12])
    >>> tg.set_printoptions(profile="default")
    """
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: profile must be 'default', 'short' or 'full', got {profile!r}")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes = {**_PROFILES.get(profile or "", {}), **{name: v for name, v in given.items() if v is not None}}
    for name, value in changes.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The settings of :func:`set_printoptions`, by name."""
    return dataclasses.asdict(_options)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with the given settings of :func:`set_printoptions` in a ``with`` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(t: Tensor) -> str:
    """``tensor([...], dtype=..., requires_grad=True)``."""
    from tinygrad_edu._state import modes

    host = t.detach().cpu().numpy()
    notes = []
    if t.device.type != "cpu":
        notes.append(f"device='{t.device}'")
    if not host.size and host.ndim != 1:
        notes.append(f"size={tuple(t.shape)}")
    # Elements show that they are booleans or integers; where there are none the type must say so.
    if t.dtype is not modes.dtype and (not host.size or t.dtype.name not in ("bool", "int64")):
        notes.append(f"dtype={t.dtype}")
    if t.grad_fn is not None:
        notes.append(f"grad_fn=<{shown(t.grad_fn)}>")
    elif t.requires_grad:
        notes.append("requires_grad=True")
    start = "tensor("
    text = start + (_body(host, len(start)) if host.size else "[]")
    column = len(text) - text.rfind("\n") + 1  # PyTorch's count, by which its lines break
    for note in notes:
        if column + len(note) + 2 > _options.linewidth:
            text += ",\n" + " " * len(start) + note
            column = len(start) + len(note)
        else:
            text += ", " + note
            column += len(note) + 2
    return text + ")"


def _body(host: Any, indent: int) -> str:
    """The elements in brackets."""
    cut = host.size > _options.threshold
    shown = _summary(host) if cut else host
    show, width = _formatter(shown.reshape(-1).tolist(), host.dtype.kind == "f")
    per_line = max(1, (_options.linewidth - indent - host.ndim + 1) // (width + 2))
    return _nested(shown.tolist(), host.shape, indent, cut, show, per_line)


def _summary(host: Any) -> Any:
    """The elements that a summary shows."""
    edge = _options.edgeitems
    for axis, n in enumerate(host.shape):
        if n > 2 * edge:
            host = host.take([*range(edge), *range(n - edge, n)], axis=axis)
    return host


def _nested(
    values: Any, shape: tuple[int, ...], indent: int, cut: bool, show: Callable[[Any], str], per_line: int
) -> str:
    """A nested list as text: the last dimension in lines, the others one below the other."""
    if not shape:
        return show(values)
    last = len(shape) == 1
    parts = [show(v) if last else _nested(v, shape[1:], indent + 1, cut, show, per_line) for v in values]
    if cut and shape[0] > 2 * _options.edgeitems:
        parts.insert(_options.edgeitems, " ..." if last else "...")
    margin = " " * (indent + 1)
    if not last:
        return "[" + ("," + "\n" * (len(shape) - 1) + margin).join(parts) + "]"
    lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
    return "[" + (",\n" + margin).join(lines) + "]"


def _formatter(values: list[Any], real: bool) -> tuple[Callable[[Any], str], int]:
    """A function that writes one element, and the width that it fills."""
    if not real:
        width = max((len(str(v)) for v in values), default=1)
        return lambda v: str(v).rjust(width), width
    usual = [v for v in values if v and math.isfinite(v)]
    sizes = [abs(v) for v in usual]
    whole = all(v == math.floor(v) for v in usual)
    powers = _options.sci_mode
    if powers is None:
        powers = bool(usual) and (max(sizes) / min(sizes) > 1000 or max(sizes) > 1e8 or min(sizes) < 1e-4)
    style = f".{_options.precision}{'e' if powers else 'f'}"

    def write(v: float) -> str:
        if whole and not powers:
            return f"{v:.0f}." if math.isfinite(v) else str(v)
        return format(v, style)

    width = max((len(write(v)) for v in usual), default=1)
    return lambda v: write(v).rjust(width), width
