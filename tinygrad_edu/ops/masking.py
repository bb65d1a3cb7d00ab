"""Reading and writing where a boolean mask holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_edu import function, inplace
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import count, kind_of, shape_of, xp
from tinygrad_edu.ops.elementwise import where
from tinygrad_edu.ops.indexing import getitem
from tinygrad_edu.ops.scatter import same_dtype, write
from tinygrad_edu.ops.shape import broadcast_shapes, expand, ravel, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the boolean ``mask`` holds, in one dimension; both are broadcast.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([1, -2, 3])
    >>> tg.masked_select(x, x > 0)
    tensor([1, 3])
    """
    check_mask("masked_select", mask)
    shape = tuple(broadcast_shapes(shape_of(input), shape_of(mask)))
    return getitem(expand(input, shape), expand(mask, shape))


def check_mask(name: str, mask: Any) -> None:
    """Refuse a mask that is not boolean."""
    if not str(getattr(mask, "dtype", "")).endswith("bool"):
        raise TypeError(f"{name}: the mask must be a boolean tensor, got {describe(mask)}")


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` (a number, or a tensor without dimensions) where the boolean ``mask`` holds, ``input`` elsewhere.

    Raises
    ------
    TypeError
        When the mask is not boolean.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.masked_fill(tg.arange(3), tg.tensor([True, False, True]), -1)
    tensor([-1,  1, -1])
    """
    check_mask("masked_fill", mask)
    if isinstance(value, function.Tensor):
        if value.shape:
            raise ValueError(f"masked_fill: the value must have no dimensions, got shape {tuple(value.shape)}")
        value = value.to(kind_of(input))
    out = where(mask, value, input)
    return out if out.dtype is input.dtype else out.to(input.dtype)


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place :func:`masked_fill`."""
    return inplace.rebind(input, masked_fill(input, mask, value))


def _masked_scatter(input: Tensor, mask: Tensor, source: Tensor, here: bool) -> Any:
    """Both forms of ``masked_scatter``."""
    check_mask("masked_scatter", mask)
    same_dtype("masked_scatter", input, source)
    shape = tuple(input.shape) if here else tuple(broadcast_shapes(tuple(input.shape), tuple(mask.shape)))
    chosen = expand(mask, shape)
    places = xp(chosen._data).nonzero(chosen._data) if shape else None
    n = int(bool(chosen)) if places is None else places[0].shape[0]
    if n > count(shape_of(source)):
        raise ValueError(f"masked_scatter: the mask chooses {n} elements, the source has {source.numel()}")
    x = input if tuple(input.shape) == shape else expand(input, shape)
    if places is None:
        return write(x, (), reshape(getitem(ravel(source), slice(0, 1)), ()), here) if n else (x if here else x.clone())
    return write(x, tuple(places), getitem(ravel(source), slice(0, n)), here)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Write the elements of ``source``, one after the other, where the boolean ``mask`` holds, into a copy.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.masked_scatter(tg.zeros(3), tg.tensor([True, False, True]), tg.tensor([5.0, 6.0]))
    tensor([5., 0., 6.])
    """
    return _masked_scatter(input, mask, source, False)


def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place :func:`masked_scatter`."""
    return _masked_scatter(input, mask, source, True)
