"""Choosing between values."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import function
from tinygrad_edu._state import modes
from tinygrad_edu.dtypes import bool_, int64
from tinygrad_edu.errors import describe
from tinygrad_edu.function import Op, run
from tinygrad_edu.ops._types import fit, same_type, xp
from tinygrad_edu.ops.elementwise._base import any_tensor


class Where(Op):
    __slots__ = ("shapes",)

    def forward(self, condition: Any, x: Any, y: Any) -> Any:
        self.shapes = getattr(x, "shape", ()), getattr(y, "shape", ())
        self.saved = (condition,)
        return xp(condition).where(condition, x, y)

    def backward(self, g: Any) -> Any:
        (condition,) = self.saved
        sx, sy = self.shapes
        return (
            None,
            fit(where(condition, g, 0.0), sx) if self.needs(1) else None,
            fit(where(condition, 0.0, g), sy) if self.needs(2) else None,
        )


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, other elsewhere; all three broadcast.

    With a condition alone, the indices of its true elements, one tensor a dimension.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([-1.0, 2.0])
    >>> tg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    >>> tg.where(x > 0)
    (tensor([1]),)
    """
    if input is None or other is None:
        if input is not other:
            raise TypeError("where: give both input and other, or neither")
        from tinygrad_edu.ops.searching import nonzero

        return nonzero(condition, as_tuple=True)
    raw = getattr(condition, "_data", condition)
    if str(getattr(raw, "dtype", "")).rsplit(".", 1)[-1] != "bool":
        raise TypeError(f"where: the condition must be a boolean tensor, got {describe(condition)}")
    if isinstance(condition, function.Tensor) and not any_tensor(input, other):
        kinds = {type(input), type(other)}
        dtype = bool_ if kinds == {bool} else int64 if kinds <= {int, bool} else modes.dtype
        input = condition.new_tensor(input, dtype=dtype)
    x, y = same_type(input, other)
    return run(Where(), (condition, x, y))


def where_method(self: Any, condition: Any, other: Any) -> Any:
    """The method: the tensor where condition holds, other elsewhere."""
    return where(condition, self, other)
