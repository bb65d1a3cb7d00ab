"""Largest and smallest elements, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu import function
from tinygrad_edu.function import RESULT, Op, run
from tinygrad_edu.node import CONSTANT
from tinygrad_edu.ops._reduction import Dims, ValuesAndIndices, spread
from tinygrad_edu.ops._types import axes_of, axis_of, count, shape_of, xp
from tinygrad_edu.ops.elementwise import as_type_of, clone, maximum, minimum
from tinygrad_edu.ops.indexing import GetItem
from tinygrad_edu.ops.shape import unsqueeze

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Extremes(NamedTuple):
    """What :func:`aminmax` returns: ``min`` and ``max``."""

    min: Any
    max: Any


class Extreme(Op):
    """Elements that tie for the extreme share the gradient evenly; NaN, which wins, shares it too."""

    __slots__ = ("axes",)
    keeps = (0, RESULT)

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, name: str) -> Any:
        self.axes = axes
        out = getattr(xp(x), name)(x, axis=axes, keepdims=keepdim)
        self.saved = x, out
        return out

    def backward(self, g: Any) -> Any:
        x, out = self.saved
        return shared(g, x, out, self.axes)


def shared(g: Any, x: Any, out: Any, axes: tuple[int, ...]) -> Any:
    """The gradient of a result that is one of the elements of ``x``: all that are equal to it share it evenly."""
    level = spread(out, x.shape, axes)
    ties = as_type_of((x == level) | ((x != x) & (level != level)), g)
    return spread(g, x.shape, axes) * (ties / xp(ties).sum(ties, axis=axes, keepdims=True))


def _extreme(name: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    axes = axes_of(dim, len(shape_of(x)))
    refuse_empty(f"a{name}", x, axes, dim)
    return run(Extreme(), (x, axes, keepdim, name))


def refuse_empty(name: str, x: Tensor, axes: tuple[int, ...], dim: Any) -> None:
    """There is no extreme of nothing."""
    if 0 in [x.shape[a] for a in axes]:
        kind = ValueError if dim is None else IndexError
        raise kind(f"{name}: there is no extreme of nothing (shape {tuple(x.shape)}, dim {dim})")


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element over ``dim``; ties share the gradient evenly.

    Raises
    ------
    ValueError, IndexError
        When there is nothing to take the largest of.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([2.0, 5.0, 5.0], requires_grad=True)
    >>> tg.amax(x).backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    return _extreme("max", input, dim, keepdim)


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element over ``dim``; ties share the gradient evenly."""
    return _extreme("min", input, dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """The smallest and the largest element, of all or along ``dim``: (min, max); ties share the gradient evenly."""
    return Extremes(amin(input, dim, keepdim), amax(input, dim, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The largest of all elements; with ``dim`` a pair (values, indices); with a tensor the elementwise maximum.

    Over everything ties share the gradient; along ``dim`` the first of them is named and gets all of it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor([[1.0, 4.0], [7.0, 2.0]])
    >>> tg.max(x), tg.max(x, dim=1).indices
    (tensor(7.), tensor([1, 0]))
    """
    if isinstance(dim, function.Tensor) or other is not None:
        return maximum(input, dim if other is None else other)
    return amax(input) if dim is None else _with_indices(argmax, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The smallest of all elements; with ``dim`` a pair (values, indices); with a tensor the elementwise minimum.

    Ties as in :func:`max`.
    """
    if isinstance(dim, function.Tensor) or other is not None:
        return minimum(input, dim if other is None else other)
    return amin(input) if dim is None else _with_indices(argmin, input, dim, keepdim)


def _with_indices(place: Any, x: Tensor, dim: int, keepdim: bool) -> ValuesAndIndices:
    """The extreme along ``dim`` and the first place where it stands, which alone gets the gradient."""
    if not shape_of(x):
        return ValuesAndIndices(clone(x), place(x, dim))
    axis = axis_of(dim, len(x.shape))
    where = place(x, axis, keepdim)
    ns = xp(where._data)
    others = [n for i, n in enumerate(x.shape) if i != axis]
    lines = [
        ns.reshape(ns.arange(n), (*(1 for _ in others[:i]), n, *(1 for _ in others[i + 1 :])))
        for i, n in enumerate(others)
    ]
    index = ns.reshape(where._data, tuple(others))
    values = run(GetItem(), (x, (*lines[:axis], index, *lines[axis:])))
    return ValuesAndIndices(unsqueeze(values, axis) if keepdim else values, where)


class Place(Op):
    """Where the first extreme stands."""

    __slots__ = ()
    kind = CONSTANT

    def forward(self, x: Any, axis: int | None, keepdim: bool, name: str) -> Any:
        ns = xp(x)
        shape = (1,) * len(x.shape)
        if axis is None:
            x = ns.reshape(x, (count(x.shape),))
        elif not x.shape:
            return ns.zeros((), dtype=ns.int64)
        out = ns.astype(getattr(ns, name)(x, axis=axis or 0, keepdims=keepdim and axis is not None), ns.int64)
        return ns.reshape(out, shape) if keepdim and axis is None else out


def _place(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axis = None if dim is None else axis_of(dim, len(input.shape))
    refuse_empty(name, input, axes_of(axis, len(shape_of(input))), dim)
    return run(Place(), (input, axis, keepdim, name))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The (first) place of the largest element: in the flattened tensor, or along ``dim``; NaN counts as largest.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.argmax(tg.tensor([[1.0, 4.0], [7.0, 2.0]]), dim=0)
    tensor([1, 0])
    """
    return _place("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The (first) place of the smallest element: in the flattened tensor, or along ``dim``; NaN counts as smallest."""
    return _place("argmin", input, dim, keepdim)
