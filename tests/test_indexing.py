"""Indexing, gathering, scattering, masks, searching and counting, drawn, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import on_memory_that_views_share, views_share
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.nn import functional as F

torch = pytest.importorskip("torch")

from agreement import LAYOUTS, agree, filled, shapes  # noqa: E402

Call = Callable[..., Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]

READS: dict[str, Callable[[Draw, Shape], Call]] = {}
WRITES: dict[str, Callable[[Draw, Shape], Call]] = {}


def reads(make: Callable[[Draw, Shape], Call]) -> Callable[[Draw, Shape], Call]:
    """A case that gives new values."""
    READS[make.__name__] = make
    return make


def writes(make: Callable[[Draw, Shape], Call]) -> Callable[[Draw, Shape], Call]:
    """A case ``call(lib, x, method)``, whose method exists with and without an underscore."""
    WRITES[make.__name__] = make
    return make


def once(draw: Draw, chance: int = 8) -> bool:
    return draw(st.integers(0, chance - 1)) == 0


def a_dim(draw: Draw, shape: Shape) -> int:
    n = len(shape)
    return draw(st.integers(-n - 1, n) if n == 0 or once(draw, 12) else st.integers(-n, n - 1))


def size_of(shape: Shape, dim: int) -> int:
    return shape[dim] if shape and -len(shape) <= dim < len(shape) else 1


def numbers(draw: Draw, shape: Shape, n: int, negative: bool = False) -> np.ndarray:
    """Integers in range, or now and then just outside of it."""
    low, high = (-n if negative else 0), n - 1
    if once(draw, 12):
        low, high = low - 1, high + 1
    k = int(np.prod(shape))
    if low > high:
        low, high = 0, 0
    drawn = draw(st.lists(st.integers(low, high), min_size=k, max_size=k))
    return np.array(drawn, dtype=np.int64).reshape(shape)


def booleans(draw: Draw, shape: Shape) -> np.ndarray:
    k = int(np.prod(shape))
    return np.array(draw(st.lists(st.booleans(), min_size=k, max_size=k)), dtype=bool).reshape(shape)


def part_of(draw: Draw, n: int, common: Shape) -> Any:
    """One part of an index for a dimension of size n."""
    kind = draw(st.sampled_from(["slice", "slice", "int", "array", "list", "tensor", "scalar"]))
    if kind == "slice":
        ends = st.none() | st.integers(-n - 1, n + 1)
        return slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3])))
    if kind == "int" or (kind in ("array", "list", "tensor") and not n):
        return draw(st.integers(-n - (once(draw)), max(n - 1, 0)))
    if kind == "scalar":
        return np.array(draw(st.integers(-n, max(n - 1, 0))))
    values = numbers(draw, draw(st.sampled_from([common, common[:1]])), n, negative=True)
    return values.tolist() if kind == "list" and values.size else values


def an_index(draw: Draw, shape: Shape) -> Any:
    """Any form of index that fits a shape, or nearly."""
    if once(draw, 6):
        return booleans(draw, shape)
    common = draw(shapes(1, 2, 1, 2))
    parts: list[Any] = []
    left = list(shape)
    while left:
        if len(left) > 1 and once(draw, 6):
            pair = (left.pop(0), left.pop(0))
            parts.append(booleans(draw, pair))
        else:
            parts.append(part_of(draw, left.pop(0), common))
    keep = draw(st.integers(0, len(parts)))
    if keep < len(parts) and draw(st.booleans()):
        back = draw(st.integers(0, len(parts) - keep))
        parts = [*parts[:keep], ..., *parts[len(parts) - back :]]
    else:
        parts = parts[:keep]
    for _ in range(draw(st.integers(0, 2))):
        if once(draw, 3):
            parts.insert(draw(st.integers(0, len(parts))), None)
    if once(draw, 15):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.booleans()))
    if len(parts) == 1:  # PyTorch still takes a list of lists for a tuple
        return np.array(parts[0]) if isinstance(parts[0], list) else parts[0]
    return tuple(parts)


def to(lib: Any, index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(to(lib, i) for i in index)
    return lib.tensor(index) if isinstance(index, np.ndarray) else index


@reads
def getitem(draw: Draw, shape: Shape) -> Call:
    index = an_index(draw, shape)
    return lambda lib, x: x[to(lib, index)]


@reads
def gather(draw: Draw, shape: Shape) -> Call:
    dim = a_dim(draw, shape)
    want = tuple(draw(st.integers(0, n)) if once(draw, 3) else n for n in shape)
    index = numbers(draw, want, size_of(shape, dim))
    return draw(
        st.sampled_from(
            [lambda lib, x: lib.gather(x, dim, to(lib, index)), lambda lib, x: x.gather(dim, to(lib, index))]
        )
    )


@reads
def index_select(draw: Draw, shape: Shape) -> Call:
    dim = a_dim(draw, shape)
    index = numbers(draw, draw(shapes(0, 1, 0, 4)), size_of(shape, dim))
    return lambda lib, x: lib.index_select(x, dim, to(lib, index))


@reads
def take(draw: Draw, shape: Shape) -> Call:
    index = numbers(draw, draw(shapes(0, 2)), int(np.prod(shape)), negative=True)
    return lambda lib, x: lib.take(x.contiguous(), to(lib, index))


@reads
def take_along_dim(draw: Draw, shape: Shape) -> Call:
    if once(draw, 4):
        index = numbers(draw, draw(shapes(0, 2)), int(np.prod(shape)))
        return lambda lib, x: lib.take_along_dim(x.contiguous(), to(lib, index))
    dim = a_dim(draw, shape)
    want = tuple(1 if draw(st.booleans()) else n for n in shape)
    index = numbers(draw, want, size_of(shape, dim)) % max(size_of(shape, dim), 1)  # PyTorch reads beyond the end
    return lambda lib, x: lib.take_along_dim(x, to(lib, index), dim)


def a_mask(draw: Draw, shape: Shape) -> np.ndarray:
    """A mask that broadcasts with a shape."""
    own = tuple(1 if once(draw, 4) else n for n in shape[draw(st.integers(0, len(shape))) if once(draw, 3) else 0 :])
    return booleans(draw, own)


@reads
def masked_select(draw: Draw, shape: Shape) -> Call:
    mask = a_mask(draw, shape)
    return lambda lib, x: lib.masked_select(x, to(lib, mask))


@reads
def nonzero(draw: Draw, shape: Shape) -> Call:
    mask = a_mask(draw, shape)
    kind = draw(st.sampled_from(["nonzero", "tuple", "argwhere"]))
    if kind == "tuple":
        return lambda lib, x: lib.nonzero(to(lib, mask), as_tuple=True)
    return lambda lib, x: getattr(lib, kind)(to(lib, mask))


@reads
def unique(draw: Draw, shape: Shape) -> Call:
    inverse, counts = draw(st.booleans()), draw(st.booleans())
    dim = draw(st.none() | st.just(a_dim(draw, shape)))
    name = draw(st.sampled_from(["unique", "unique_consecutive"]))
    span = draw(st.integers(1, 3))

    def call(lib: Any, x: Any) -> Any:
        small = (x.detach().to(lib.int64) % span).to(x.dtype)
        return getattr(lib, name)(small, return_inverse=inverse, return_counts=counts, dim=dim)

    return call


@reads
def searchsorted(draw: Draw, shape: Shape) -> Call:
    n = draw(st.integers(0, 5))
    rows = shape[:-1] if draw(st.booleans()) and shape else ()
    k = n * int(np.prod(rows))
    sequence = np.array(draw(st.lists(st.integers(-4, 4), min_size=k, max_size=k)), dtype=np.float64)
    sequence = np.sort(sequence.reshape(*rows, n), axis=-1)
    right, small = draw(st.booleans()), draw(st.booleans())
    if not rows and draw(st.booleans()):
        return lambda lib, x: lib.bucketize(x.detach().to(lib.float64).round(), lib.tensor(sequence), right=right)
    return lambda lib, x: lib.searchsorted(
        lib.tensor(sequence), x.detach().to(lib.float64).round(), right=right, out_int32=small
    )


@reads
def isin(draw: Draw, shape: Shape) -> Call:
    among = np.array(draw(st.lists(st.integers(-3, 3), max_size=4)), dtype=np.int64)
    invert = draw(st.booleans())
    return lambda lib, x: lib.isin(x.detach().to(lib.int64), lib.tensor(among), invert=invert)


@reads
def bincount(draw: Draw, shape: Shape) -> Call:
    index = numbers(draw, draw(shapes(0, 1, 0, 5)), 4)
    least = draw(st.integers(-1, 6))
    weights = draw(st.sampled_from([None, "float32", "float64", "int64"])) if index.size else None

    def call(lib: Any, x: Any) -> Any:
        given = None if weights is None else lib.tensor(np.arange(index.size).astype(weights).reshape(index.shape))
        return lib.bincount(lib.tensor(index), given, least)

    return call


@reads
def histc(draw: Draw, shape: Shape) -> Call:
    bins, low, high = draw(st.integers(0, 5)), draw(st.integers(-3, 1)), draw(st.integers(-1, 3))
    return lambda lib, x: lib.histc(x.detach(), bins, low, high)


@reads
def one_hot(draw: Draw, shape: Shape) -> Call:
    index, n = numbers(draw, shape, 3), draw(st.sampled_from([-1, 3, 4, 2, 0]))
    return lambda lib, x: (F if lib is tg else torch.nn.functional).one_hot(lib.tensor(index), n)


# Writing -----------------------------------------------------------------------------------------------------------------


def distinct(draw: Draw, shape: Shape, dim: int, n: int) -> np.ndarray:
    """An index for ``scatter`` that names no element twice, since PyTorch leaves open which value stays."""
    lines = np.argsort(
        np.random.default_rng(draw(st.integers(0, 99))).random((*shape[:dim], max(n, shape[dim]), *shape[dim + 1 :])),
        axis=dim,
    )
    return np.take(lines, np.arange(shape[dim]), axis=dim).astype(np.int64)


@writes
def scatter(draw: Draw, shape: Shape) -> Call:
    dim = draw(st.integers(0, len(shape) - 1)) if shape else 0
    want = tuple(draw(st.integers(0, n)) if once(draw, 3) else n for n in shape)
    index = distinct(draw, want, dim, shape[dim]) if shape else np.array(0)
    bigger = draw(st.integers(0, 1))
    number = draw(st.booleans())
    source = tuple(n + bigger for n in want)

    def call(lib: Any, x: Any, mode: str) -> Any:
        src = 2 if number else x.new_ones(source) * x.sum() if x.is_floating_point() else x.new_ones(source)
        return getattr(x, "scatter" + mode)(dim, to(lib, index), src)

    return call


@writes
def scatter_add(draw: Draw, shape: Shape) -> Call:
    dim = a_dim(draw, shape)
    want = tuple(draw(st.integers(0, n + 1)) if once(draw, 3) else n for n in shape)
    index = numbers(draw, want, size_of(shape, dim))
    bigger = draw(st.integers(0, 1))

    def call(lib: Any, x: Any, mode: str) -> Any:
        src = lib.tensor(np.arange(int(np.prod([n + bigger for n in want]))).reshape([n + bigger for n in want])).to(
            x.dtype
        )
        return getattr(x, "scatter_add" + mode)(dim, to(lib, index), src * x.sum() if x.is_floating_point() else src)

    return call


@writes
def scatter_reduce(draw: Draw, shape: Shape) -> Call:
    dim = a_dim(draw, shape)
    index = numbers(draw, shape, size_of(shape, dim))
    how = draw(st.sampled_from(["sum", "prod", "mean", "amax", "amin", "median"]))
    self_too = draw(st.booleans())
    values = np.array(draw(st.lists(st.integers(-3, 3), min_size=index.size, max_size=index.size))).reshape(shape)
    values = (
        np.where(values == 0, 1, values) if how == "prod" else values
    )  # PyTorch's gradient refuses or errs at zeros

    # The factor keeps elements of the two apart: PyTorch takes an excluded one that ties for an extreme.
    def call(lib: Any, x: Any, mode: str) -> Any:
        src = lib.tensor(values).to(x.dtype) * (x.sum() * 1.37 if x.is_floating_point() else 1)
        return getattr(x, "scatter_reduce" + mode)(dim, to(lib, index), src, how, include_self=self_too)

    return call


@writes
def index_add(draw: Draw, shape: Shape) -> Call:
    dim = a_dim(draw, shape)
    index = numbers(draw, (draw(st.integers(0, 4)),), size_of(shape, dim))
    axis = dim % max(len(shape), 1)
    source = (*shape[:axis], index.size + once(draw, 12), *shape[axis + 1 :])
    alpha = draw(st.sampled_from([1, 2]))

    def call(lib: Any, x: Any, mode: str) -> Any:
        given = lib.tensor(np.arange(int(np.prod(source))).reshape(source)).to(x.dtype)
        return getattr(x, "index_add" + mode)(
            dim, to(lib, index), given * x.sum() if x.is_floating_point() else given, alpha=alpha
        )

    return call


@writes
def index_copy(draw: Draw, shape: Shape) -> Call:
    dim = draw(st.integers(0, len(shape) - 1)) if shape else 0
    index = np.random.default_rng(draw(st.integers(0, 99))).permutation(shape[dim] if shape else 1)
    index = index[: draw(st.integers(0, index.size))]
    source = (*shape[:dim], index.size, *shape[dim + 1 :])
    value = draw(st.booleans())

    def call(lib: Any, x: Any, mode: str) -> Any:
        if value:
            return getattr(x, "index_fill" + mode)(dim, to(lib, index), 3)
        given = x.new_ones(source) * x.sum() if x.is_floating_point() else x.new_ones(source)
        return getattr(x, "index_copy" + mode)(dim, to(lib, index), given)

    return call


@writes
def index_put(draw: Draw, shape: Shape) -> Call:
    common = draw(shapes(1, 2, 1, 2))
    k = draw(st.integers(1, len(shape))) if shape else 1
    indices = tuple(numbers(draw, common, n, negative=True) for n in shape[:k])
    add = draw(st.booleans())
    if not add:
        add = (
            any(
                np.unique(i, axis=0).shape != i.shape
                for i in [np.stack([j.reshape(-1) % max(n, 1) for j, n in zip(indices, shape, strict=False)], 1)]
            )
            if indices
            else False
        )

    def call(lib: Any, x: Any, mode: str) -> Any:
        value = x.sum() if x.is_floating_point() else x.new_ones(())
        return getattr(x, "index_put" + mode)(to(lib, indices), value, accumulate=add)

    return call


@writes
def put(draw: Draw, shape: Shape) -> Call:
    n = int(np.prod(shape))
    index = np.random.default_rng(draw(st.integers(0, 99))).permutation(n)[: draw(st.integers(0, n))].astype(np.int64)
    index = index - n * draw(st.integers(0, 1))
    add = draw(st.booleans())

    def call(lib: Any, x: Any, mode: str) -> Any:
        return getattr(x, "put" + mode)(
            to(lib, index), x.new_ones(index.shape) * x.detach().sum().to(x.dtype), accumulate=add
        )

    return call


@writes
def masked_fill(draw: Draw, shape: Shape) -> Call:
    mask = a_mask(draw, shape)
    tensor = draw(st.booleans())

    def call(lib: Any, x: Any, mode: str) -> Any:
        value = x.sum() * 2 if tensor and x.is_floating_point() else 3
        return getattr(x, "masked_fill" + mode)(to(lib, mask), value)

    return call


@writes
def masked_scatter(draw: Draw, shape: Shape) -> Call:
    mask = a_mask(draw, shape)
    n = int(np.prod(shape)) + draw(st.integers(-1, 1))

    def call(lib: Any, x: Any, mode: str) -> Any:
        source = x.new_ones((max(n, 0),)) * (x.sum() if x.is_floating_point() else 1)
        return getattr(x, "masked_scatter" + mode)(to(lib, mask), source)

    return call


@writes
def setitem(draw: Draw, shape: Shape) -> Call:
    index = an_index(draw, shape)
    plain = to(torch, index)
    flat = torch.arange(int(np.prod(shape))).reshape(shape)
    try:
        chosen = flat[plain]
    except (IndexError, RuntimeError, ValueError):
        chosen = flat[:0]
    # PyTorch leaves open which value stays where an element is named twice, and takes any value for x[False].
    if chosen.unique().numel() != chosen.numel() or index is False:
        index = ...
        chosen = flat
    target = tuple(chosen.shape)
    own = tuple(1 if draw(st.booleans()) else n for n in target[draw(st.integers(0, len(target))) :])

    def call(lib: Any, x: Any, mode: str) -> Any:
        y = x if mode else x.clone()
        y[to(lib, index)] = x.new_ones(own) * x.sum() if x.is_floating_point() else 7
        return y

    return call


DTYPES = st.sampled_from(["float64", "float64", "float32", "int64"])


@pytest.mark.parametrize("name", sorted(READS))
@settings(max_examples=30)
@given(data=st.data())
def test_reading_agrees_with_torch(name: str, data: st.DataObject) -> None:
    """Values, shapes, types, gradients, shared memory and refusals."""
    shape = data.draw(shapes(0, 3))
    dtype, layout = data.draw(DTYPES), data.draw(st.sampled_from(LAYOUTS))
    call = READS[name](data.draw, shape)
    agree(call, [filled(shape, dtype, data.draw(st.integers(0, 99)))], [layout], exact=False, share=name == "getitem")


@pytest.mark.parametrize("name", sorted(WRITES))
@settings(max_examples=30)
@given(data=st.data())
def test_writing_agrees_with_torch(name: str, data: st.DataObject) -> None:
    """The same on a copy and in place, on a tensor inside a graph, on a view of one, and without a graph."""
    shape = data.draw(shapes(0, 3))
    dtype = data.draw(DTYPES)
    call = WRITES[name](data.draw, shape)
    where = data.draw(st.sampled_from(["copy", "result", "no graph", *(["view"] if views_share else [])]))
    array = filled(shape, dtype, data.draw(st.integers(0, 99)))

    def run(lib: Any, x: Any) -> Any:
        if where == "copy":
            return call(lib, x, "")
        if where == "no graph":
            with lib.no_grad():
                y = x.detach().clone()
                call(lib, y, "_")
            return y
        if where == "result":
            y = x * 1
            out = call(lib, y, "_")
            return y, out * 2, x * 3
        base = lib.stack([x, x * 2])
        call(lib, base[0], "_")
        return base * base

    try:
        agree(run, [array], exact=False, share=False)
    except IndexError:  # PyTorch does not look at indices into nothing
        x = torch.tensor(array)
        assert np.array_equal(call(torch, x, "").numpy(), array)


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        (lambda x: x[5], "getitem", "5"),
        (lambda x: x[:, tg.tensor([0, -4])], "getitem", "-4"),
        (lambda x: x.gather(1, tg.tensor([[3]])), "gather", "3"),
        (lambda x: x.index_select(0, tg.tensor([0, 7])), "index_select", "7"),
        (lambda x: x.take(tg.tensor([6])), "take", "6"),
        (lambda x: x.take_along_dim(tg.tensor([[9]]), 1), "take_along_dim", "9"),
        (lambda x: x.scatter(0, tg.tensor([[4]]), 1.0), "scatter", "4"),
        (lambda x: x.scatter_add(0, tg.tensor([[-1]]), tg.ones(1, 1)), "scatter_add", "-1"),
        (lambda x: x.scatter_reduce(0, tg.tensor([[2]]), tg.ones(1, 1), "sum"), "scatter_reduce", "2"),
        (lambda x: x.index_add(0, tg.tensor([8]), tg.ones(1, 3)), "index_add", "8"),
        (lambda x: x.index_fill(1, tg.tensor([3]), 0.0), "index_fill", "3"),
        (lambda x: x.put(tg.tensor([-7]), tg.ones(1)), "put", "-7"),
        (lambda x: x.index_put((tg.tensor([2]),), tg.ones(3)), "index_put", "2"),
        (lambda x: x.__setitem__(slice(None, None, -1), 0.0), "getitem", "-1"),
    ],
)
def test_an_index_out_of_range_is_named_and_nothing_is_written(call: Any, name: str, value: str) -> None:
    x = tg.ones(2, 3)
    with pytest.raises((IndexError, ValueError), match=rf"{name}.*{value}\b"):
        call(x)
    assert x.tolist() == [[1.0] * 3] * 2


def test_gradients_of_repeated_rows_accumulate_in_single_precision() -> None:
    """16-bit gradients of many equal indices would lose whole units if summed in 16 bits."""
    x = tg.ones(2, 3, dtype="float16", requires_grad=True)
    x[tg.zeros(5000, dtype="int64")].sum().backward()
    assert x.grad is not None and x.grad[0].tolist() == [5000.0] * 3
    y = tg.ones(3, dtype="float16", requires_grad=True)
    y[tg.zeros(5000, dtype="int64")].sum().backward()
    assert y.grad is not None and y.grad[0].item() == 5000


@on_memory_that_views_share
def test_an_expanded_view_is_not_written() -> None:
    x = tg.zeros(2, 1).expand(2, 3)
    for write in (lambda: x.add_(1), lambda: x.__setitem__(0, 1.0), lambda: x.index_fill_(0, tg.tensor([0]), 1.0)):
        with pytest.raises(RuntimeError, match="expanded view"):
            write()


def test_fill_with_a_tensor_differentiates_the_tensor() -> None:
    agree(
        lambda lib, x, v: (x * 1).fill_(v.sum()),
        [filled((2, 3), "float64", 0), filled((2,), "float64", 1)],
        share=False,
    )


@pytest.mark.parametrize("name", ["tril_indices", "triu_indices"])
@given(
    rows=st.integers(0, 4),
    columns=st.integers(0, 4),
    offset=st.integers(-5, 5),
    dtype=st.sampled_from(["int64", "int32"]),
)
def test_indices_of_triangles_agree_with_torch(name: str, rows: int, columns: int, offset: int, dtype: str) -> None:
    agree(lambda lib: getattr(lib, name)(rows, columns, offset, dtype=getattr(lib, dtype)), [])


@pytest.mark.parametrize("shape", [(40, 50), (7, 9, 11), (2000,), (30, 40, 5)])
@pytest.mark.parametrize("span", [1, 1000], ids=["few rows, often", "many rows, seldom"])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_large_indices_are_as_right_as_small_ones(shape: Shape, span: int, kind: str) -> None:
    """Reading, writing and adding take other paths where there is much to do."""
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, shape).astype(kind)
    for dims in range(1, len(shape) + 1):
        index = tuple(rng.integers(-min(span, n), min(span, n), 3000).reshape(60, 50) for n in shape[:dims])
        index = (index[0][:, :1], *index[1:]) if dims > 1 else index
        picked = x[index]
        value = rng.integers(-8, 8, picked.shape).astype(kind)
        ours = tuple(tg.tensor(i) for i in index)
        leaf = tg.tensor(x, requires_grad=True)
        out = leaf[ours]
        np.testing.assert_array_equal(out.detach().numpy(), picked)
        (out * tg.tensor(value)).sum().backward()
        expected = np.zeros_like(x)
        np.add.at(expected, index, value)
        np.testing.assert_array_equal(leaf.grad.numpy(), expected)
        added = tg.tensor(x).index_put(ours, tg.tensor(value), accumulate=True)
        np.testing.assert_array_equal(added.numpy(), x + expected)
        written, wanted = tg.tensor(x), x.copy()
        written[ours] = tg.tensor(picked * 2)
        wanted[index] = picked * 2
        np.testing.assert_array_equal(written.numpy(), wanted)
        ours[-1][0, 0] = shape[dims - 1]
        with pytest.raises(IndexError, match=rf"\b{shape[dims - 1]}\b"):
            leaf[ours]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_slices_of_inner_dimensions_add_up_where_they_repeat(dim: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-8, 8, (20, 30, 40)).astype("float32")
    rows = rng.integers(0, x.shape[dim], 700)
    source = rng.integers(-8, 8, np.take(x, rows, dim).shape).astype("float32")
    expected = np.moveaxis(x, dim, 0).copy()
    np.add.at(expected, rows, np.moveaxis(source, dim, 0))
    found = tg.tensor(x).index_add(dim, tg.tensor(rows), tg.tensor(source))
    np.testing.assert_array_equal(found.numpy(), np.moveaxis(expected, 0, dim))


def test_dots_that_stand_for_nothing_do_not_part_the_tensors_beside_them() -> None:
    def read_and_write(lib: Any, x: Any) -> Any:
        rows, columns = lib.tensor([0]), lib.tensor([[0, 1]])
        y = x * 1
        y[None, rows, ..., columns] = x[None, rows, ..., columns].cumsum(-1)
        return y, x[None, rows, ..., columns]

    agree(read_and_write, [filled((2, 3), "float64", 0)], share=False)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("ranges", [((0, 2), (2, 3), (3, 6)), ((0, 2), (3, 6)), ((0, 4), (3, 6)), ((1, 6), (0, 1))])
def test_gradients_of_parts_meet_where_the_parts_do(dim: int, ranges: tuple[tuple[int, int], ...]) -> None:
    x = tg.zeros(6, 6, 6, requires_grad=True)
    expected = np.zeros(6)
    total = tg.tensor(0.0)
    for i, (start, stop) in enumerate(ranges, 1):
        total = total + (x.narrow(dim, start, stop - start) * float(i)).sum()
        expected[start:stop] += i
    total.backward()
    assert x.grad is not None
    shape = [1, 1, 1]
    shape[dim] = 6
    np.testing.assert_array_equal(x.grad.numpy(), np.broadcast_to(expected.reshape(shape), (6, 6, 6)))


def test_gradients_of_an_index_with_an_array_and_of_parts_add_up() -> None:
    x = tg.ones(2, 4, dtype=tg.float64, requires_grad=True)
    rows = tg.tensor([1, 1])
    left, right = x.split(2, 1)
    (x[rows, 1:3].sum() + 2 * x[rows, 0:2].sum() + 3 * left.sum() + 4 * right.sum()).backward()
    assert x.grad is not None and x.grad.tolist() == [[3, 3, 4, 4], [7, 9, 6, 4]]


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("how", ["prod", "mean", "amax", "amin"])
def test_reducing_slices_agrees_with_pytorch(how, include):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for dim in (0, 1, -1):
        x = rng.permutation(18).reshape(3, 3, 2) - 8.5
        source = np.moveaxis(rng.permutation(4 * 18 // x.shape[dim]).reshape(4, -1) - 8.25, 0, -1)
        other = [n for i, n in enumerate(x.shape) if i != dim % 3]
        source = np.moveaxis(source.reshape(*other, 4), -1, dim)
        index, cotangent = rng.integers(0, x.shape[dim], 4), rng.normal(size=x.shape)

        def all_of(library, x=x, source=source, index=index, cotangent=cotangent, dim=dim):
            a, b = (library.tensor(t, requires_grad=True) for t in (x, source))
            out = a.index_reduce(dim, library.tensor(index), b, how, include_self=include)
            out.backward(library.tensor(cotangent))
            return [t.detach().numpy() for t in (out, a.grad, b.grad)]

        for ours, theirs in zip(all_of(tg), all_of(torch), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
