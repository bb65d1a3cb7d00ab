"""Shaping: every function here rearranges elements without computing on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import Op, run
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import axes_of, axis_of, count, fit, sizes_of, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Alias(Op):
    """The same values as a new node."""

    __slots__ = ()
    kind = VIEW

    def forward(self, x: Any) -> Any:
        return xp(x).alias(x)

    def backward(self, g: Any) -> Any:
        return g


def alias(input: Tensor) -> Tensor:
    """Another tensor on the same memory, through which the gradient passes."""
    return run(Alias(), (input,))


class Reshape(Op):
    __slots__ = ("shape",)
    kind = VIEW

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        self.shape = x.shape
        return xp(x).reshape(x, shape)

    def backward(self, g: Any) -> Any:
        return reshape(g, self.shape) if isinstance(g, function.Tensor) else xp(g).reshape(g, self.shape)


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1, meaning what is left. A view where possible.

    Raises
    ------
    ValueError
        When the number of elements differs.
    """
    sizes = sizes_of(shape)
    n, known = count(input.shape), count([s for s in sizes if s != -1])
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
        raise ValueError(f"reshape: at most one size of {sizes} may be -1, and none smaller")
    if known != n if -1 not in sizes else (n % known if known else True):
        raise ValueError(f"reshape: {n} elements of shape {tuple(input.shape)} do not fit into shape {sizes}")
    if -1 in sizes:
        sizes = tuple(n // known if s == -1 else s for s in sizes)
    return run(Reshape(), (input, sizes))


def view(input: Tensor, *shape: Any) -> Tensor:
    """Like :func:`reshape`; ``view(dtype)`` is not offered."""
    return reshape(input, *shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Reshape to the shape of ``other``."""
    return reshape(input, tuple(other.shape))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions ``start_dim`` … ``end_dim`` into one."""
    shape = tuple(input.shape)
    a, b = axis_of(start_dim, len(shape)), axis_of(end_dim, len(shape))
    if a > b:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if not shape:
        return reshape(input, (1,))
    return reshape(input, (*shape[:a], count(shape[a : b + 1]), *shape[b + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several."""
    axis = axis_of(dim, len(input.shape))
    return reshape(input, (*input.shape[:axis], *_inferred(input.shape[axis], sizes), *input.shape[axis + 1 :]))


def _inferred(n: int, sizes: Sequence[int]) -> tuple[int, ...]:
    known = count([s for s in sizes if s != -1])
    return tuple(n // known if s == -1 else s for s in sizes)


class Permute(Op):
    __slots__ = ("order",)
    kind = VIEW

    def forward(self, x: Any, order: tuple[int, ...]) -> Any:
        self.order = order
        return xp(x).permute_dims(x, order)

    def backward(self, g: Any) -> Any:
        back = tuple(sorted(range(len(self.order)), key=self.order.__getitem__))
        return permute(g, back) if isinstance(g, function.Tensor) else xp(g).permute_dims(g, back)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Reorder the dimensions; a view."""
    ndim = len(input.shape)
    order = tuple(axis_of(d, ndim) for d in sizes_of(dims))
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"permute: {dims} is no reordering of {ndim} dimensions")
    return run(Permute(), (input, order))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions; a view."""
    ndim = len(input.shape)
    order = list(range(ndim))
    a, b = axis_of(dim0, ndim), axis_of(dim1, ndim)
    if ndim:
        order[a], order[b] = order[b], order[a]
    return run(Permute(), (input, tuple(order)))


def t(input: Tensor) -> Tensor:
    """Transpose of a matrix; tensors with fewer dimensions stay as they are."""
    if len(input.shape) > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {tuple(input.shape)}; use transpose(dim0, dim1)")
    return permute(input, tuple(reversed(range(len(input.shape)))))


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move dimensions to other places; the rest keep their order."""
    ndim = len(input.shape)
    src = [axis_of(d, ndim) for d in ([source] if isinstance(source, int) else source)]
    dst = [axis_of(d, ndim) for d in ([destination] if isinstance(destination, int) else destination)]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ValueError(f"movedim: source {source} and destination {destination} must pair distinct dimensions")
    rest = iter(i for i in range(ndim) if i not in src)
    places = dict(zip(dst, src, strict=True))
    return permute(input, tuple(places[i] if i in places else next(rest) for i in range(ndim)))


class Expand(Op):
    __slots__ = ("shape",)
    kind = VIEW

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        self.shape = x.shape
        return xp(x).broadcast_to(x, shape)

    def backward(self, g: Any) -> Any:
        return fit(g, self.shape)


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Repeat dimensions of size 1 without copying; -1 keeps a size. The result must not be written to.

    Raises
    ------
    ValueError
        When a dimension that is not of size 1 would change.
    """
    wanted = sizes_of(sizes)
    have = tuple(input.shape)
    lead = len(wanted) - len(have)
    target = tuple(have[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(wanted))
    if lead < 0 or any(n not in (1, target[lead + i]) for i, n in enumerate(have)) or min(target, default=0) < 0:
        raise ValueError(f"expand: shape {have} cannot be expanded to {wanted}; only dimensions of size 1 repeat")
    return run(Expand(), (input, target))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """:func:`expand` with one argument."""
    return expand(input, tuple(size))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expand to the shape of ``other``."""
    return expand(input, tuple(other.shape))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Remove dimensions of size 1: all of them, or those in ``dim`` that have size 1."""
    axes = axes_of(dim, len(input.shape))
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in axes))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 before place ``dim``."""
    axis = axis_of(dim, len(input.shape) + 1)
    return reshape(input, (*input.shape[:axis], 1, *input.shape[axis:]))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The part ``start`` … ``start + length`` of a dimension; a view."""
    from tinygrad_edu.ops.indexing import getitem

    axis = axis_of(dim, len(input.shape))
    n = input.shape[axis]
    if start < 0:
        start += n
    if not (0 <= start and 0 <= length and start + length <= n):
        raise IndexError(f"narrow: {start} to {start + length} is outside of dimension {dim}, which has size {n}")
    return getitem(input, (*[slice(None)] * axis, slice(start, start + length)))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice ``index`` of a dimension, which disappears; a view."""
    from tinygrad_edu.ops.indexing import getitem

    return getitem(input, (*[slice(None)] * axis_of(dim, len(input.shape)), index))


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of a given size (the last may be smaller), or of the given sizes; views."""
    n = tensor.shape[axis_of(dim, len(tensor.shape))]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size <= 0 and n:
            raise ValueError(f"split: the size of a part must be positive, got {size}")
        sections = [min(size, n - i) for i in range(0, n, size)] if n else [0]
    else:
        sections = list(split_size_or_sections)
        if sum(sections) != n:
            raise ValueError(f"split: the sizes {sections} add up to {sum(sections)}, dimension {dim} has {n}")
    starts = [sum(sections[:i]) for i in range(len(sections))]
    return tuple(narrow(tensor, dim, s, k) for s, k in zip(starts, sections, strict=True))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of equal size (the last may be smaller); views."""
    if chunks < 1:
        raise ValueError(f"chunk: expected at least one chunk, got {chunks}")
    n = input.shape[axis_of(dim, len(input.shape))]
    return split(input, max(-(-n // chunks), 1), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension; views."""
    axis = axis_of(dim, len(input.shape))
    if not len(input.shape):
        raise ValueError("unbind: a tensor without dimensions has no slices")
    return tuple(select(input, axis, i) for i in range(input.shape[axis]))


class Triangle(Op):
    __slots__ = ("k", "upper")

    def forward(self, x: Any, k: int, upper: bool) -> Any:
        self.k, self.upper = k, upper
        return xp(x).triu(x, k=k) if upper else xp(x).tril(x, k=k)

    def backward(self, g: Any) -> Any:
        return triu(g, self.k) if self.upper else tril(g, self.k)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions; zeros above ``diagonal``."""
    return run(Triangle(), (input, diagonal, False))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions; zeros below ``diagonal``."""
    return run(Triangle(), (input, diagonal, True))
