"""What reductions share: arguments, results that say where, and broadcasting a gradient back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.dtypes import DType, float32
from tinygrad_edu.ops._types import kind_of, xp
from tinygrad_edu.ops.shape import expand, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Dims = int | Sequence[int] | None


class ValuesAndIndices(NamedTuple):
    """What reductions return that say where: ``values`` and ``indices``."""

    values: Any
    indices: Any


def kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction over ``axes`` with keepdim=True."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def spread(g: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Broadcast the gradient of a reduction back over what was reduced."""
    if not isinstance(g, function.Tensor):
        ns = xp(g)
        return ns.spread(g if len(g.shape) == len(shape) else ns.reshape(g, kept(shape, axes)), shape)
    if len(g.shape) != len(shape):
        g = reshape(g, kept(shape, axes))
    return expand(g, shape)


def require_float(name: str, x: Any) -> DType:
    """The type of the elements, which must be floating-point numbers."""
    kind = kind_of(x)
    if kind.category < 2:
        raise TypeError(f"{name}: expected a floating-point tensor, got {kind}; convert first, as in x.float()")
    return kind


def in_single(operation: Callable[..., Any], input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """A reduction of 16-bit numbers, computed in single precision so that nothing overflows or is lost on the way."""
    return operation(input.to(float32), *args, **kwargs).to(input.dtype)
