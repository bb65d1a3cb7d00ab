"""What elementwise operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tinygrad_edu import backends, function
from tinygrad_edu.dtypes import float32, from_raw
from tinygrad_edu.function import Op, run1
from tinygrad_edu.ops._types import fit, number, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Operand: TypeAlias = "Tensor | float"


class Unary(Op):
    """A function of one tensor, known to the backend under ``function``, whose derivative needs the argument."""

    __slots__ = ()
    keeps: ClassVar[tuple[int, ...] | None] = (0,)
    function: ClassVar[str] = ""

    def forward(self, x: Any) -> Any:
        self.saved = (x,)
        return getattr(xp(x), self.function)(x)


class Binary(Op):
    """An operation of two tensors that broadcast against each other."""

    __slots__ = ("shapes",)
    keeps: ClassVar[tuple[int, ...] | None] = (0, 1)

    def note_shapes(self, x: Any, y: Any) -> None:
        """Remember the shapes if they differ, so that ``fit`` can undo the broadcast."""
        sx, sy = getattr(x, "shape", ()), getattr(y, "shape", ())
        self.shapes = None if sx == sy else (sx, sy)

    def fit(self, gx: Any, gy: Any) -> tuple[Any, Any]:
        """Bring both gradients to the shapes of their operands."""
        if self.shapes is None:
            return gx, gy
        sx, sy = self.shapes
        return fit(gx, sx) if self.edges[0] is not None else None, fit(gy, sy) if self.edges[1] is not None else None


def with_number(x: Any, y: Any) -> bool:
    """Whether this is a floating-point tensor with a Python number, the common case that needs no conversion."""
    return (
        (type(y) is float or type(y) is int)
        and isinstance(x, function.Tensor)
        and from_raw(x._data.dtype).category == 2
    )


def are_alike(x: Any, y: Any) -> bool:
    """Whether these are two tensors of one type, which need no conversion: asked first, since it is the commonest case."""
    return isinstance(x, function.Tensor) and isinstance(y, function.Tensor) and x._data.dtype is y._data.dtype


def any_tensor(*values: Any) -> bool:
    return any(isinstance(v, function.Tensor) for v in values)


def as_type_of(x: Any, like: Any) -> Any:
    """A boolean or other constant in the type of a gradient."""
    raw = getattr(x, "_data", x)
    target = getattr(like, "_data", like)
    return xp(raw).astype(raw, target.dtype)


def floating(name: str, x: Any) -> Any:
    """``x`` itself; an operation that is defined on floating-point numbers alone refuses the others."""
    if not isinstance(x, function.Tensor):
        refuse_numbers(name, x)
    elif from_raw(x._data.dtype).category != 2:
        raise TypeError(f"{name}: expected a floating-point tensor, got {x.dtype}; convert it with .float()")
    return x


def refuse_numbers(name: str, *operands: Any) -> None:
    """Refuse operands that are Python numbers all; raw arrays pass, for derivatives are computed with them."""
    # By type: a raw value without dimensions may be a NumPy scalar, which is a kind of float.
    if all(type(v) in (int, float, bool) for v in operands):
        x = operands[0]
        raise TypeError(f"{name}: expected a Tensor, got the number {x!r}; wrap it: tg.tensor({x!r})")
    for v in operands:
        number("an operand", v)


def run_single(cls: type[Op], x: Any, *settings: Any) -> Any:
    """:func:`run1` of a formula of several steps: half precision is computed in single, to round once and not at each
    step."""
    if isinstance(x, function.Tensor) and (dtype := from_raw(x._data.dtype)).bits == 16:
        return run1(cls, x.to(float32), *settings).to(dtype)
    return run1(cls, x, *settings)


def in_blocks(formula: Callable[..., Any], *args: Any) -> Any:
    """A formula of several elementwise steps: on large raw arrays block by block, on tensors as it is."""
    if any(isinstance(a, function.Tensor) for a in args):
        return formula(*args)
    return xp(args[0]).in_blocks(formula, *args)


def own_kernel(name: str, *args: Any) -> Any:
    """The kernel that the backend of raw arrays has under a name; None for tensors, whose graph needs the formula."""
    if not backends.several_loaded or any(isinstance(a, function.Tensor) for a in args):
        return None
    return xp(args[0]).kernels.get(name)


def fill_in(input: Any, out: Any, inplace: bool) -> Any:
    """The result, written into the input where ``inplace`` is asked for."""
    return input._rebind(out) if inplace else out
