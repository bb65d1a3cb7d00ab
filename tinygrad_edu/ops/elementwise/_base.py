"""What elementwise operations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from tinygrad_edu import function
from tinygrad_edu.dtypes import from_raw
from tinygrad_edu.function import Op
from tinygrad_edu.ops._types import fit, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Operand: TypeAlias = "Tensor | float"


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


def any_tensor(*values: Any) -> bool:
    return any(isinstance(v, function.Tensor) for v in values)


def as_type_of(x: Any, like: Any) -> Any:
    """A boolean or other constant in the type of a gradient."""
    raw = getattr(x, "_data", x)
    target = getattr(like, "_data", like)
    return xp(raw).astype(raw, target.dtype)
