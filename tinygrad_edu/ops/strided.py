"""Views of any form on the memory of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tinygrad_edu.errors import check_tensors
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import count, sizes_of, xp
from tinygrad_edu.ops.indexing import placed
from tinygrad_edu.ops.shape import ravel, reshape

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor

Sizes = tuple[int, ...]


class AsStrided(Op):
    """Element (i, j, …) is the element offset + i · stride[0] + j · stride[1] + … of the memory; a view."""

    __slots__ = ("places", "shape")
    kind = VIEW

    def forward(self, x: Any, size: Sizes, stride: Sizes, offset: int) -> Any:
        ns = xp(x)
        self.shape, self.places = x.shape, partial(ns.strided_places, size, stride, offset)
        return ns.as_strided(x, size, stride, offset)

    def backward(self, g: Any) -> Any:
        places = self.places()
        flat = xp(places).reshape(places, (-1,))
        return reshape(placed(ravel(g), (flat,), (count(self.shape),)), self.shape)


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view in which neighbours along dimension k are ``stride[k]`` elements of the memory apart.

    An element that is seen several times gets the sum of its gradients, and a view that shows one must not be written to.

    Parameters
    ----------
    storage_offset : int, optional
        Where the first element lies, counted from the first element of ``input``.

    Raises
    ------
    RuntimeError
        When ``input`` is not contiguous, or the view would leave its memory.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.as_strided(tg.arange(5), (3, 2), (1, 2))
    tensor([[0, 2],
            [1, 3],
            [2, 4]])
    """
    check_tensors("as_strided", input=input)
    sizes, steps, offset = sizes_of((size,)), sizes_of((stride,)), storage_offset or 0
    if len(sizes) != len(steps) or min((*sizes, *steps, offset), default=0) < 0:
        raise ValueError(
            f"as_strided: size and stride must be equally long, and nothing negative, got {sizes}, {steps}, {offset}"
        )
    if not xp(input._data).is_contiguous(input._data):
        raise RuntimeError(
            "as_strided: the elements do not lie in memory in the order of the dimensions; use contiguous()"
        )
    last = offset + sum((n - 1) * step for n, step in zip(sizes, steps, strict=True))
    if 0 not in sizes and last >= count(input.shape):
        raise RuntimeError(
            f"as_strided: size {sizes}, stride {steps} and offset {offset} reach element {last} of a memory of {count(input.shape)}"
        )
    return run(AsStrided(), (input, sizes, steps, offset))
