"""Calculus on samples of a function: differences, slopes and areas along one dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_edu import function
from tinygrad_edu.errors import describe
from tinygrad_edu.ops._types import axis_of, kind_of, shape_of, to_float
from tinygrad_edu.ops.elementwise import clone
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.ops.parts import narrow
from tinygrad_edu.ops.reduce import sum as sum_
from tinygrad_edu.ops.scan import cumsum

if TYPE_CHECKING:
    from tinygrad_edu.tensor import Tensor


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along ``dim``, ``n`` times: out[k] = x[k+1] - x[k]; of booleans, whether they differ.

    Parameters
    ----------
    prepend, append : Tensor, optional
        What to join to the front and the end first.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.diff(tg.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if not shape_of(input):
        raise ValueError("diff: expected a tensor with at least one dimension")
    if n < 0:
        raise ValueError(f"diff: the order must not be negative, got n = {n}")
    axis = axis_of(dim, len(input.shape))
    parts = [p for p in (prepend, input, append) if p is not None]
    x = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[axis])):
        size = x.shape[axis]
        later, earlier = narrow(x, axis, min(1, size), max(size - 1, 0)), narrow(x, axis, 0, max(size - 1, 0))
        x = later != earlier if kind_of(x).category == 0 else later - earlier
    return clone(x) if n == 0 else x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule: Σ (x[k+1] - x[k]) (y[k+1] + y[k]) / 2.

    Parameters
    ----------
    x : Tensor, optional
        The points, of one dimension or broadcastable to ``y``; by default they are ``dx`` apart.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.trapezoid(tg.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    return sum_(_trapezoids("trapezoid", y, x, dx, dim), dim)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The running integral of ``y`` along ``dim`` by the trapezoidal rule; one element shorter than ``y``."""
    return cumsum(_trapezoids("cumulative_trapezoid", y, x, dx, dim), dim)


def _trapezoids(name: str, y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    """The area of each strip."""
    if not shape_of(y):
        raise ValueError(f"{name}: expected a tensor with at least one dimension")
    axis = axis_of(dim, len(y.shape))
    size = y.shape[axis]
    width: Any = dx
    if x is not None:
        if len(shape_of(x)) == 1:
            if x.shape[0] != size:
                raise ValueError(f"{name}: {x.shape[0]} points for {size} values along dim {dim}")
            x = x.reshape(tuple(-1 if i == axis else 1 for i in range(len(y.shape))))
        width = diff(x, dim=axis - len(y.shape))
    count = max(size - 1, 0)
    return (narrow(y, axis, min(1, size), count) + narrow(y, axis, 0, count)) * width / 2


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slopes of a function of which ``input`` holds samples, along each dimension of ``dim``, by finite differences.

    With the distance a to the sample before and b to the one behind, the slope at a sample is

    .. math:: f' = \\frac{a}{b (a + b)} f(x + b) + \\frac{b - a}{a b} f(x) - \\frac{b}{a (a + b)} f(x - a)

    whose error is of second order; at the two ends the line (or, with ``edge_order=2``, the parabola) through the outermost
    samples gives it. This is no derivative by a graph, see ``autograd.grad`` for those; it has one itself.

    Parameters
    ----------
    spacing : number, or list of numbers or of vectors
        The distance of neighbours, for all dimensions or for each of ``dim``; or where the samples of each lie.
    dim : int or sequence of int, optional
        By default all dimensions.
    edge_order : {1, 2}
        The degree of the polynomial at the ends.

    Returns
    -------
    tuple of Tensor
        One in the shape of ``input`` for each dimension.

    Raises
    ------
    ValueError
        When a dimension has fewer than ``edge_order`` + 1 samples, or ``spacing`` does not go with ``dim``.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> tg.gradient(tg.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    >>> tg.gradient(tg.tensor([1.0, 4.0, 16.0]), spacing=[tg.tensor([1.0, 2.0, 4.0])], edge_order=2)  # of x²
    (tensor([2.0000, 4.0000, 8.0000]),)
    """
    x = to_float(input)
    ndim = len(x.shape)
    wanted = range(ndim) if dim is None else dim if isinstance(dim, Sequence) else [dim]
    axes = [axis_of(d, ndim) for d in wanted]
    if len(set(axes)) != len(axes):
        raise ValueError(f"gradient: dim {dim!r} names a dimension twice")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order!r}")
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise ValueError(f"gradient: {len(steps)} spacings for {len(axes)} dimensions")
    for axis in axes:
        if x.shape[axis] <= edge_order:
            raise ValueError(
                f"gradient: edge_order {edge_order} takes more than {edge_order} samples along dim {axis}, got shape {tuple(x.shape)}"
            )
    return tuple(_slopes(x, axis, _gaps(x, axis, step), edge_order) for axis, step in zip(axes, steps, strict=True))


def _gaps(x: Tensor, axis: int, step: Any) -> Any:
    """The distances of neighbours along a dimension: one number, or a tensor that broadcasts."""
    if not isinstance(step, function.Tensor):
        if isinstance(step, bool) or not isinstance(step, (int, float)):
            raise TypeError(f"gradient: a spacing must be a number or a vector of places, got {describe(step)}")
        return float(step)
    if not step.shape:
        return step
    if tuple(step.shape) != (x.shape[axis],):
        raise ValueError(
            f"gradient: places of shape {tuple(step.shape)} for {x.shape[axis]} samples along dim {axis} of {tuple(x.shape)}"
        )
    return diff(to_float(step)).reshape([-1 if i == axis else 1 for i in range(len(x.shape))])


def _slopes(x: Any, axis: int, gaps: Any, edge_order: int) -> Tensor:
    """The slope at each sample along a dimension."""
    n = x.shape[axis]
    alike = isinstance(gaps, float) or not gaps.shape

    def gap(start: int, length: int = 1) -> Any:
        return gaps if alike else narrow(gaps, axis, start, length)

    def at(start: int, length: int = 1) -> Any:
        return narrow(x, axis, start, length)

    if edge_order == 1:
        first, last = (at(1) - at(0)) / gap(0), (at(n - 1) - at(n - 2)) / gap(n - 2)
    else:
        (a, b), (c, d) = (gap(0), gap(1)), (gap(n - 3), gap(n - 2))
        first = at(1) * ((a + b) / (a * b)) - at(0) * ((2 * a + b) / (a * (a + b))) - at(2) * (a / (b * (a + b)))
        last = (
            at(n - 3) * (d / (c * (c + d)))
            - at(n - 2) * ((c + d) / (c * d))
            + at(n - 1) * ((c + 2 * d) / (d * (c + d)))
        )
    if n == 2:
        return cat([first, last], axis)
    a, b = gap(0, n - 2), gap(1, n - 2)
    before, here, after = at(0, n - 2), at(1, n - 2), at(2, n - 2)
    inner = after * (a / (b * (a + b))) - before * (b / (a * (a + b)))
    if not alike:
        inner = inner + here * ((b - a) / (a * b))
    return cat([first, inner, last], axis)
