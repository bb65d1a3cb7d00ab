"""Shaping, parts, joining, rearranging, padding and windows, drawn, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F

torch = pytest.importorskip("torch")

from agreement import LAYOUTS, agree, filled, shapes  # noqa: E402
from gradcheck import check  # noqa: E402

Call = Callable[..., Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
DTYPES = st.sampled_from(["float64", "float64", "float32", "int64", "bool"])


def functional(lib: Any) -> Any:
    return F if lib is tg else torch.nn.functional


def dim(draw: Draw, shape: tuple[int, ...], extra: int = 0) -> int:
    """A dimension, sometimes one that is not there."""
    n = len(shape) + extra
    return draw(st.integers(-n - 1, n) if draw(st.integers(0, 9)) == 0 or n == 0 else st.integers(-n, n - 1))


def dims(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(-len(shape), max(len(shape) - 1, 0)), max_size=3)))


def order(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    if draw(st.integers(0, 9)) == 0:
        return dims(draw, shape)
    return tuple(i - len(shape) * draw(st.integers(0, 1)) for i in draw(st.permutations(range(len(shape)))))


def factors(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with as many elements, or nearly."""
    n = int(np.prod(shape))
    first = draw(st.sampled_from([k for k in range(1, n + 1) if n % k == 0] or [0, 1]))
    return draw(
        st.sampled_from(
            [(first, n // max(first, 1)), (first, -1), (-1,), (n,), (n, 1), (-1, first), (-1, -1), (3, 2), ()]
        )
    )


CASES: dict[str, Callable[[Draw, tuple[int, ...]], Call]] = {}


def case(make: Callable[[Draw, tuple[int, ...]], Call]) -> Callable[[Draw, tuple[int, ...]], Call]:
    CASES[make.__name__] = make
    return make


@case
def reshape(draw: Draw, shape: tuple[int, ...]) -> Call:
    to = factors(draw, shape)
    kind = draw(st.sampled_from(["function", "method", "star", "view_as"]))
    if kind == "function":
        return lambda lib, x: lib.reshape(x, to)
    if kind == "star" and to:
        return lambda lib, x: x.reshape(*to)
    if kind == "view_as":
        return lambda lib, x: x.contiguous().view_as(lib.zeros(to))
    return lambda lib, x: x.reshape(to)


@case
def flatten(draw: Draw, shape: tuple[int, ...]) -> Call:
    a, b = dim(draw, shape), dim(draw, shape)
    if draw(st.booleans()):
        return lambda lib, x: lib.flatten(x, a, b)
    return draw(st.sampled_from([lambda lib, x: lib.ravel(x), lambda lib, x: x.flatten()]))


@case
def unflatten(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = dim(draw, shape)
    n = shape[axis] if shape and -len(shape) <= axis < len(shape) else 2
    sizes = factors(draw, (n,))
    return lambda lib, x: lib.unflatten(x, axis, sizes)


@case
def squeeze(draw: Draw, shape: tuple[int, ...]) -> Call:
    kind = draw(st.sampled_from(["all", "one", "several"]))
    if kind == "all":
        return lambda lib, x: lib.squeeze(x)
    where = dim(draw, shape) if kind == "one" else dims(draw, shape)
    return lambda lib, x: x.squeeze(where)


@case
def unsqueeze(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = dim(draw, shape, 1)
    return lambda lib, x: lib.unsqueeze(x, axis)


@case
def permute(draw: Draw, shape: tuple[int, ...]) -> Call:
    to = order(draw, shape)
    return draw(st.sampled_from([lambda lib, x: lib.permute(x, to), lambda lib, x: x.permute(to)]))


@case
def transpose(draw: Draw, shape: tuple[int, ...]) -> Call:
    a, b = dim(draw, shape), dim(draw, shape)
    name = draw(st.sampled_from(["transpose", "swapaxes", "swapdims"]))
    return lambda lib, x: getattr(lib, name)(x, a, b)


@case
def transposed_matrix(draw: Draw, shape: tuple[int, ...]) -> Call:
    kind = draw(st.sampled_from(["t", "T", "mT", "H", "mH", "adjoint"]))
    if (kind == "T" and len(shape) != 2) or (kind in ("H", "mH", "mT", "adjoint") and len(shape) < 2):
        kind = "t"  # what PyTorch warns of
    return lambda lib, x: getattr(x, kind)() if kind in ("t", "adjoint") else getattr(x, kind)


@case
def movedim(draw: Draw, shape: tuple[int, ...]) -> Call:
    if draw(st.booleans()):
        a, b = dim(draw, shape), dim(draw, shape)
        return lambda lib, x: lib.movedim(x, a, b)
    k = draw(st.integers(0, len(shape)))
    source, target = tuple(order(draw, shape)[:k]), tuple(order(draw, shape)[:k])
    return lambda lib, x: lib.moveaxis(x, source, target)


@case
def expand(draw: Draw, shape: tuple[int, ...]) -> Call:
    lead = draw(shapes(0, 2))
    sizes = lead + tuple(
        draw(st.sampled_from([n, n, -1, 2])) if n == 1 else draw(st.sampled_from([n, n, -1])) for n in shape
    )
    kind = draw(st.sampled_from(["method", "broadcast_to", "as"]))
    if kind == "method":
        return lambda lib, x: x.expand(sizes)
    if kind == "broadcast_to":
        return lambda lib, x: lib.broadcast_to(x, sizes)
    return lambda lib, x: x.expand_as(lib.zeros([abs(s) for s in sizes]))


@case
def broadcast_tensors(draw: Draw, shape: tuple[int, ...]) -> Call:
    other = draw(shapes(0, 2))
    return lambda lib, x: lib.broadcast_tensors(x, lib.zeros(other))


@case
def atleast(draw: Draw, shape: tuple[int, ...]) -> Call:
    name = draw(st.sampled_from(["atleast_1d", "atleast_2d", "atleast_3d"]))
    if draw(st.booleans()):
        return lambda lib, x: getattr(lib, name)(x)
    return lambda lib, x: getattr(lib, name)([x, lib.zeros(2)])


@case
def narrow(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis, start, length = dim(draw, shape), draw(st.integers(-4, 4)), draw(st.integers(-1, 4))
    return lambda lib, x: lib.narrow(x, axis, start, length)


@case
def select(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis, i = dim(draw, shape), draw(st.integers(-4, 4))
    return lambda lib, x: lib.select(x, axis, i)


@case
def split(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = dim(draw, shape)
    n = shape[axis] if shape and -len(shape) <= axis < len(shape) else 2
    kind = draw(st.sampled_from(["size", "sections", "chunk", "positions", "parts"]))
    if kind == "size":
        size = draw(st.integers(-1, 5))
        return lambda lib, x: lib.split(x, size, axis)
    if kind == "sections":
        first = draw(st.integers(-1, n + 1))
        sections = [first, n - first]
        return lambda lib, x: lib.split(x, sections, axis)
    if kind == "chunk":
        k = draw(st.integers(0, 5))
        return lambda lib, x: lib.chunk(x, k, axis)
    if kind == "positions":
        places = draw(st.lists(st.integers(-4, 4), max_size=3))
        return lambda lib, x: lib.tensor_split(x, places, axis)
    k = draw(st.integers(0, 5))
    return lambda lib, x: lib.tensor_split(x, k, dim=axis)


@case
def split_by_name(draw: Draw, shape: tuple[int, ...]) -> Call:
    name = draw(st.sampled_from(["hsplit", "vsplit", "dsplit"]))
    sections = draw(st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2))
    return lambda lib, x: getattr(lib, name)(x, sections)


@case
def unbind(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = dim(draw, shape)
    return lambda lib, x: lib.unbind(x, axis)


@case
def window_view(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis, size, step = dim(draw, shape), draw(st.integers(0, 4)), draw(st.integers(0, 3))
    return lambda lib, x: x.unfold(axis, size, step)


@case
def cat(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = dim(draw, shape)
    other = draw(st.sampled_from(["float64", "float32", "int64", "same"]))
    name = draw(st.sampled_from(["cat", "concat", "concatenate"]))
    empty = draw(st.booleans())

    def join(lib: Any, x: Any) -> Any:
        second = x * 2 if other == "same" else lib.ones(shape, dtype=getattr(lib, other))
        return getattr(lib, name)([x, second, *([lib.zeros(0)] if empty else [])], dim=axis)

    return join


@case
def stack(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis, k = dim(draw, shape, 1), draw(st.integers(1, 3))
    return lambda lib, x: lib.stack([x] * k, axis)


@case
def stack_by_name(draw: Draw, shape: tuple[int, ...]) -> Call:
    name = draw(st.sampled_from(["hstack", "vstack", "dstack", "column_stack", "row_stack"]))
    other = draw(st.sampled_from([shape, shape, (2,), ()]))
    return lambda lib, x: getattr(lib, name)([x, lib.ones(other)])


@case
def block_diag(draw: Draw, shape: tuple[int, ...]) -> Call:
    other = draw(shapes(0, 2, min_size=1))  # PyTorch's gradient is wrong where a block is empty
    return lambda lib, x: lib.block_diag(x, lib.ones(other), x)


@case
def flip(draw: Draw, shape: tuple[int, ...]) -> Call:
    if draw(st.booleans()):
        where = dims(draw, shape)
        return lambda lib, x: lib.flip(x, where)
    name = draw(st.sampled_from(["fliplr", "flipud"]))
    return lambda lib, x: getattr(lib, name)(x)


@case
def rot90(draw: Draw, shape: tuple[int, ...]) -> Call:
    k, a, b = draw(st.integers(-5, 5)), dim(draw, shape), dim(draw, shape)
    return lambda lib, x: lib.rot90(x, k, [a, b])


@case
def roll(draw: Draw, shape: tuple[int, ...]) -> Call:
    along = dims(draw, shape)
    by = tuple(draw(st.lists(st.integers(-5, 5), min_size=len(along), max_size=len(along))))
    kind = draw(st.sampled_from(["flat", "one", "several"]))
    if kind == "flat":
        return lambda lib, x: lib.roll(x, 3)
    if kind == "one":
        axis = dim(draw, shape)
        return lambda lib, x: lib.roll(x, -2, axis)
    return lambda lib, x: lib.roll(x, by, along)


@case
def repeat(draw: Draw, shape: tuple[int, ...]) -> Call:
    times = tuple(draw(st.lists(st.integers(0, 2), min_size=max(len(shape) - 1, 0), max_size=len(shape) + 1)))
    return draw(st.sampled_from([lambda lib, x: x.repeat(times), lambda lib, x: lib.tile(x, times)]))


@case
def repeat_interleave(draw: Draw, shape: tuple[int, ...]) -> Call:
    axis = draw(st.none() | st.just(dim(draw, shape)))
    n = int(np.prod(shape)) if axis is None else (shape[axis] if shape and -len(shape) <= axis < len(shape) else 1)
    if draw(st.booleans()):
        k = draw(st.integers(-1, 3))
        return lambda lib, x: lib.repeat_interleave(x, k, axis)
    counts = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return lambda lib, x: lib.repeat_interleave(x, lib.tensor(counts, dtype=lib.int64), axis)


@case
def pixel_shuffle(draw: Draw, shape: tuple[int, ...]) -> Call:
    k = draw(st.integers(0, 2))
    lead = shape[:1] * draw(st.integers(0, 1))
    if 0 in shape or draw(st.booleans()):
        return lambda lib, x: functional(lib).pixel_shuffle(x.new_ones((*lead, k * k * 2, 3, 2)), k)
    return lambda lib, x: functional(lib).pixel_unshuffle(x.new_ones((*lead, 2, k * 2, k)), k)


MODES = ["constant", "constant", "reflect", "replicate", "circular"]


@case
def pad(draw: Draw, shape: tuple[int, ...]) -> Call:
    mode = draw(st.sampled_from(MODES))
    if mode == "constant":
        widths = draw(st.lists(st.integers(-2, 3), max_size=2 * len(shape)))
        value = draw(st.sampled_from([None, 0, 1.5, -2])) if len(shape) else None
        return lambda lib, x: functional(lib).pad(x * 1.0, widths, mode, value)
    inner = draw(st.integers(1, 3))
    whole = draw(shapes(inner + 1, inner + 2, 1, 4))
    widths = draw(st.lists(st.integers(0, 3), min_size=2 * inner, max_size=2 * inner))
    n = int(np.prod(whole))

    def filled_in(lib: Any, x: Any) -> Any:
        y = lib.arange(n, dtype=lib.float64).reshape(whole)
        return functional(lib).pad(y * x.double().sum(), widths, mode)

    return filled_in


@case
def columns(draw: Draw, shape: tuple[int, ...]) -> Call:
    """F.unfold of a picture, and F.fold of what comes out."""
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    lead = draw(st.sampled_from([(2,), (1,), (2, 3)]))
    settings = {
        "kernel_size": draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "dilation": draw(st.integers(1, 2) | st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "padding": draw(st.integers(0, 2)),
        "stride": draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 2))),
    }
    n = int(np.prod(lead + size))

    def there_and_back(lib: Any, x: Any) -> Any:
        y = lib.arange(n, dtype=lib.float64).reshape(lead + size) * x.double().sum()
        found = functional(lib).unfold(y, **settings)
        return found, functional(lib).fold(found * found, size, **settings)

    return there_and_back


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=30)
@given(data=st.data())
def test_agrees_with_torch(name: str, data: st.DataObject) -> None:
    """Values, shapes, types, gradients, shared memory and refusals, for drawn shapes, types, layouts and settings."""
    shape = data.draw(shapes())
    dtype = data.draw(DTYPES)
    layout = data.draw(st.sampled_from(LAYOUTS))
    seed = data.draw(st.integers(0, 1000))
    call = CASES[name](data.draw, shape)
    # A reshape that follows another layout may have to copy in one library alone: only plain memory is compared.
    share = layout == "plain" or name not in ("reshape", "flatten", "unflatten", "atleast")
    agree(call, [filled(shape, dtype, seed)], [layout], seed, exact="float" not in dtype, share=share)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.unsqueeze_(0),
        lambda y: y.unsqueeze_(1).squeeze_(1),
        lambda y: y.t_(),
        lambda y: y.transpose_(0, 1).unsqueeze_(-1),
        lambda y: y.swapaxes_(0, 1),
    ],
)
def test_a_tensor_that_becomes_a_view_in_place_keeps_its_relatives_right(change: Any) -> None:
    """Views made before, writes through them and through the tensor, and gradients, as in PyTorch."""

    def run(lib: Any, x: Any) -> Any:
        y = x * 2
        row, middle = y[1], y[:, 1:]
        change(y)
        y.mul_(x.sum())
        row.add_(x[0])
        middle.mul_(3)
        change(middle)
        return y * y, row * 1, middle * y.sum()

    array = filled((2, 3), "float64", 3)
    agree(run, [array], exact=False, share=False)
    # Outside of the graph at first, and brought into it by a write.
    second = np.cos(array)
    check(lambda x, w: change_outside(x, w, change), array, second)


def change_outside(x: Any, w: Any, change: Any) -> Any:
    y = tg.arange(6.0, dtype=tg.float64).reshape(2, 3) + 1
    row = y[1]
    change(y)
    row.mul_(w[0])
    y.mul_(x.sum())
    row.add_(x[1])
    return y * y, row * w[1]


def test_a_leaf_does_not_become_a_view_inside_a_graph() -> None:
    x = tg.zeros(1, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.squeeze_()
    with tg.no_grad():
        assert x.t_().shape == (2, 1)
