"""Views: the same elements in the same memory under another shape, order of dimensions, or broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.function import Op, run, run1
from tinygrad_edu.node import VIEW
from tinygrad_edu.ops._types import axes_of, axis_of, count, fit, shape_of, sizes_of, xp

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


class Alias(Op):
    """The same values as a new node."""

    __slots__ = ()
    kind = VIEW
    keeps = ()

    def forward(self, x: Any) -> Any:
        return xp(x).alias(x)

    def backward(self, g: Any) -> Any:
        return g


def alias(input: Tensor) -> Tensor:
    """Another tensor on the same memory, through which the gradient passes."""
    return run1(Alias, input)


class Reshape(Op):
    """The same elements under another shape."""

    __slots__ = ("shape",)
    kind = VIEW
    keeps = ()

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

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    have = shape_of(input)
    return _reshaped(input, _complete("reshape", count(have), sizes_of(shape), have))


def _reshaped(input: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """:func:`reshape` to sizes that fit."""
    if not isinstance(input, function.Tensor):  # a derivative, computed with raw arrays
        return xp(input).reshape(input, sizes)
    return run1(Reshape, input, sizes)


def _complete(name: str, n: int, sizes: tuple[int, ...], have: Any) -> tuple[int, ...]:
    """``sizes`` for ``n`` elements with -1 filled in."""
    if -1 not in sizes:
        if count(sizes) != n or min(sizes, default=0) < 0:
            raise ValueError(f"{name}: {n} elements of {have} do not fit into shape {sizes}")
        return sizes
    known = count([s for s in sizes if s != -1])
    if min(sizes) < -1 or sizes.count(-1) > 1:
        raise ValueError(f"{name}: at most one size of {sizes} may be -1, and none smaller")
    if not known or n % known:
        raise ValueError(f"{name}: {n} elements of {have} do not fit into shape {sizes}")
    return tuple(n // known if s == -1 else s for s in sizes)


def view(input: Tensor, *shape: Any) -> Tensor:
    """Another shape for the same memory; :func:`reshape` copies where there is none.

    Raises
    ------
    RuntimeError
        When the elements of ``input``, which shares its memory with another tensor or array, do not lie there in the order of
        its dimensions, so that only a copy can have this shape.
    """
    if not isinstance(input, function.Tensor):
        return reshape(input, *shape)
    ns = xp(input._data)
    if input._view is None and ns.owns(input._data) and not ns.is_contiguous(input._data):
        input._data = ns.contiguous(input._data)  # the result of an operation lies in memory as it likes
    out = reshape(input, *shape)
    if not (0 in input.shape or ns.is_contiguous(input._data) or ns.is_view(out._data, input._data)):
        raise RuntimeError(
            f"view: the elements of this tensor of shape {tuple(input.shape)} do not lie in memory in the order of its dimensions, "
            f"so it cannot be seen as {tuple(out.shape)}; use reshape(), which copies"
        )
    return out


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """:func:`view` in the shape of ``other``."""
    return view(input, shape_of(other))


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Reshape to the shape of ``other``."""
    return reshape(input, shape_of(other))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions ``start_dim`` … ``end_dim`` into one.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.flatten(tg.zeros(2, 3, 4), 1).shape
    Size([2, 12])
    """
    shape = shape_of(input)
    a, b = axis_of(start_dim, len(shape)), axis_of(end_dim, len(shape))
    if a > b:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, (*shape[:a], count(shape[a : b + 1]), *shape[b + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, (-1,) if count(shape_of(input)) else (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split one dimension into several; one size may be -1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unflatten(tg.zeros(2, 12), 1, (3, -1)).shape
    Size([2, 3, 4])
    """
    shape = shape_of(input)
    if not shape or not len(sizes):
        raise ValueError(f"unflatten: cannot split a dimension of shape {shape} into {tuple(sizes)}")
    axis = axis_of(dim, len(shape))
    parts = _complete("unflatten", shape[axis], sizes_of((sizes,)), f"dimension {axis}")
    return reshape(input, (*shape[:axis], *parts, *shape[axis + 1 :]))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Remove dimensions of size 1: all of them, or those in ``dim`` that have size 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.squeeze(tg.zeros(1, 2, 1)).shape, tg.squeeze(tg.zeros(1, 2, 1), (0, 1)).shape
    (Size([2]), Size([2, 1]))
    """
    shape = shape_of(input)
    axes = () if isinstance(dim, (tuple, list)) and not dim else axes_of(dim, len(shape))
    return _reshaped(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in axes))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 before place ``dim``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.unsqueeze(tg.zeros(2), -1).shape
    Size([2, 1])
    """
    shape = shape_of(input)
    axis = axis_of(dim, len(shape) + 1)
    return _reshaped(input, (*shape[:axis], 1, *shape[axis:]))


class Permute(Op):
    """The dimensions in another order."""

    __slots__ = ("order",)
    kind = VIEW
    keeps = ()

    def forward(self, x: Any, order: tuple[int, ...]) -> Any:
        self.order = order
        return xp(x).permute_dims(x, order)

    def backward(self, g: Any) -> Any:
        back = tuple(sorted(range(len(self.order)), key=self.order.__getitem__))
        return permute(g, back) if isinstance(g, function.Tensor) else xp(g).permute_dims(g, back)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Reorder the dimensions; a view.

    Raises
    ------
    ValueError
        When ``dims`` does not name every dimension once.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.permute(tg.zeros(2, 3, 4), (2, 0, 1)).shape
    Size([4, 2, 3])
    """
    ndim = len(shape_of(input))
    given = sizes_of(dims)
    order = tuple(axis_of(d, ndim) for d in given)
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"permute: {given} is no reordering of {ndim} dimensions")
    return run1(Permute, input, order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Swap two dimensions; a view.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.transpose(tg.zeros(2, 3, 4), 0, -1).shape
    Size([4, 3, 2])
    """
    ndim = len(shape_of(input))
    order = list(range(ndim))
    a, b = axis_of(dim0, ndim), axis_of(dim1, ndim)
    if ndim:
        order[a], order[b] = order[b], order[a]
    return run1(Permute, input, tuple(order))


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """Transpose of a matrix; tensors with fewer dimensions stay as they are.

    Raises
    ------
    ValueError
        When there are more than two dimensions.
    """
    if len(shape_of(input)) > 2:
        raise ValueError(f"t: expected at most 2 dimensions, got shape {tuple(input.shape)}; use transpose(dim0, dim1)")
    return permute(input, tuple(reversed(range(len(input.shape)))))


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions swapped (numbers are real, so nothing is conjugated); a view."""
    if len(shape_of(input)) < 2:
        raise ValueError(f"adjoint: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Move dimensions to other places; the rest keep their order.

    Raises
    ------
    ValueError
        When source and destination do not pair distinct dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.movedim(tg.zeros(2, 3, 4), 0, -1).shape
    Size([3, 4, 2])
    """
    ndim = len(shape_of(input))
    src = [axis_of(d, ndim) for d in ([source] if isinstance(source, int) else source)]
    dst = [axis_of(d, ndim) for d in ([destination] if isinstance(destination, int) else destination)]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise ValueError(f"movedim: source {source} and destination {destination} must pair distinct dimensions")
    rest = iter(i for i in range(ndim) if i not in src)
    places = dict(zip(dst, src, strict=True))
    return permute(input, tuple(places[i] if i in places else next(rest) for i in range(ndim)))


moveaxis = movedim


class Expand(Op):
    """Dimensions of size 1 repeated without copying."""

    __slots__ = ("shape",)
    kind = VIEW
    keeps = ()

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

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    wanted = sizes_of(sizes)
    have = shape_of(input)
    lead = len(wanted) - len(have)
    target = tuple(have[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(wanted))
    if lead < 0 or any(n not in (1, target[lead + i]) for i, n in enumerate(have)) or min(target, default=0) < 0:
        raise ValueError(f"expand: shape {have} cannot be expanded to {wanted}; only dimensions of size 1 repeat")
    return run1(Expand, input, target)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """:func:`expand` with one argument."""
    return expand(input, tuple(size))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expand to the shape of ``other``."""
    return expand(input, shape_of(other))


def broadcast_shapes(*shapes: int | Sequence[int]) -> Any:
    """The shape that tensors of these shapes have together.

    Raises
    ------
    ValueError
        When a dimension has two different sizes, neither of them 1.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.broadcast_shapes((3, 1), (2,))
    Size([3, 2])
    """
    from tinygrad_edu.values import Size

    full = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max(map(len, full), default=0)
    for shape in full:
        for i, n in enumerate(reversed(shape), 1):
            if n < 0 or (n != 1 and out[-i] not in (1, n)):
                raise ValueError(f"broadcast_shapes: {' and '.join(map(str, full))} do not broadcast")
            out[-i] = n if out[-i] == 1 else out[-i]
    return Size(out)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to the shape that they have together; views.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> [x.shape for x in tg.broadcast_tensors(tg.zeros(3, 1), tg.zeros(2))]
    [Size([3, 2]), Size([3, 2])]
    """
    shape = tuple(broadcast_shapes(*(shape_of(x) for x in tensors)))
    return tuple(expand(x, shape) for x in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """Tensors without dimensions get one; a tuple for several tensors or a sequence of them."""
    return _each(tensors, lambda x: reshape(x, shape_of(x) or (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with fewer than two dimensions get dimensions of size 1 in front."""
    return _each(tensors, lambda x: reshape(x, (1,) * (2 - len(shape_of(x))) + shape_of(x)))


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with fewer than three dimensions get some: (n,) becomes (1, n, 1), and (n, m) becomes (n, m, 1).

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.atleast_3d(tg.zeros(2)).shape, tg.atleast_3d(tg.zeros(2, 3)).shape
    (Size([1, 2, 1]), Size([2, 3, 1]))
    """

    def deepen(x: Any) -> Any:
        shape = shape_of(x)
        if len(shape) > 2:
            return reshape(x, shape)
        return reshape(x, (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1))

    return _each(tensors, deepen)


def _each(tensors: tuple[Any, ...], change: Any) -> Any:
    """``change`` of one tensor, or of each of several."""
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return change(tensors[0])
    return tuple(map(change, tensors[0] if len(tensors) == 1 else tensors))


class Triangle(Op):
    __slots__ = ("k", "upper")

    def forward(self, x: Any, k: int, upper: bool) -> Any:
        if len(x.shape) < 2:
            raise ValueError(
                f"{'triu' if upper else 'tril'}: expected a matrix or a batch of them, got shape {tuple(x.shape)}"
            )
        self.k, self.upper = k, upper
        return xp(x).triu(x, k=k) if upper else xp(x).tril(x, k=k)

    def backward(self, g: Any) -> Any:
        return triu(g, self.k) if self.upper else tril(g, self.k)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions; zeros above ``diagonal``.

    Raises
    ------
    ValueError
        When there are fewer than two dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.tril(tg.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return run(Triangle(), (input, diagonal, False))


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions; zeros below ``diagonal``.

    Raises
    ------
    ValueError
        When there are fewer than two dimensions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.triu(tg.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return run(Triangle(), (input, diagonal, True))
