"""Graphs drawn at random, with shared parts, views, writes and operations of several results, beside PyTorch.

A program works on a pool of tensors: each step takes some of them and adds its results. It is built while PyTorch runs
it, so that every step fits the shapes, and values stay of moderate size. Then both libraries run it from the start, and
values, gradients, and the derivatives of a random functional of the gradients are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pytorch_peer import agree, derivatives

import tinygrad_edu as tg

torch = pytest.importorskip("torch")

Shape = tuple[int, ...]
Call = Callable[..., Any]  # of the library and the tensors of the step; returns a tensor or a tuple of them


def smooth(draw: Any, shape: Shape) -> tuple[str, Call]:
    """An operation of one element at a time, with arguments moved to where it is smooth and of moderate size."""
    name = draw(st.sampled_from(sorted(SMOOTH)))
    return name, SMOOTH[name]


SMOOTH: dict[str, Call] = {
    "exp": lambda lib, x: lib.exp(lib.tanh(x)),
    "log": lambda lib, x: lib.log(x * x + 0.5),
    "sqrt": lambda lib, x: lib.sqrt(x * x + 0.3),
    "rsqrt": lambda lib, x: lib.rsqrt(x * x + 0.3),
    "reciprocal": lambda lib, x: 1 / (x * x + 1),
    "sin": lambda lib, x: lib.sin(x),
    "cos": lambda lib, x: lib.cos(x),
    "tanh": lambda lib, x: lib.tanh(x),
    "sigmoid": lambda lib, x: x.sigmoid(),
    "cube": lambda lib, x: lib.tanh(x) ** 3,
    "power": lambda lib, x: (x * x + 0.5) ** 0.7,
    "relu": lambda lib, x: lib.relu(x - 0.1234),
    "abs": lambda lib, x: lib.abs(x + 0.1234),
    "clamp": lambda lib, x: lib.clamp(x, -0.777, 0.555),
    "neg": lambda lib, x: -x,
    "affine": lambda lib, x: 0.5 * x - 2,
    "expm1": lambda lib, x: lib.expm1(-(x * x)),
    "erf": lambda lib, x: lib.erf(x),
    "atan": lambda lib, x: lib.atan(x),
    "asinh": lambda lib, x: lib.asinh(x),
    "clone": lambda lib, x: x.clone(),
    "detach": lambda lib, x: x.detach() * x,
}


def axis(draw: Any, shape: Shape) -> int:
    return int(draw(st.integers(-len(shape), len(shape) - 1)))


def reduction(draw: Any, shape: Shape) -> tuple[str, Call]:
    keep = draw(st.booleans())
    dims = tuple(draw(st.permutations(range(len(shape))))[: draw(st.integers(1, max(len(shape), 1)))])
    name = draw(
        st.sampled_from(["sum", "mean", "amax", "amin", "logsumexp", "prod", "cumsum", "cumprod", "norm", "var"])
    )
    if not shape:
        return "sum()", lambda lib, x: x.sum()
    if name in ("prod", "cumsum", "cumprod"):
        d = axis(draw, shape)
        return f"{name}({d})", lambda lib, x: getattr(lib, name)(lib.tanh(x) + 0.3, d)
    if name == "var":
        return f"var({dims})", lambda lib, x: lib.var(x, dims, correction=0, keepdim=keep)
    if name == "norm":
        return f"norm({dims})", lambda lib, x: lib.norm(x * x + 0.2, 2, dims, keep)
    return f"{name}({dims}, {keep})", lambda lib, x: getattr(lib, name)(x, dims, keep)


def normalisation(draw: Any, shape: Shape) -> tuple[str, Call]:
    d = axis(draw, shape) if shape else 0
    name = draw(st.sampled_from(["softmax", "log_softmax"]))
    return f"{name}({d})", lambda lib, x: getattr(lib, name)(x, d)


def slices(draw: Any, shape: Shape) -> tuple[Any, ...]:
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        a = draw(st.integers(0, n - 1))
        parts.append(draw(st.sampled_from([a, slice(a, None), slice(None, a + 1), slice(None, None, 2), slice(None)])))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return tuple(parts)


def view(draw: Any, shape: Shape) -> tuple[str, Call]:
    kind = draw(st.sampled_from(["index", "permute", "flatten", "unsqueeze", "expand", "flip", "movedim", "reshape"]))
    if kind == "index":
        index = slices(draw, shape)
        return f"[{index}]", lambda lib, x: x[index]
    if kind == "permute":
        order = tuple(draw(st.permutations(range(len(shape)))))
        return f"permute{order}", lambda lib, x: x.permute(order)
    if kind == "unsqueeze":
        d = draw(st.integers(0, len(shape)))
        return f"unsqueeze({d})", lambda lib, x: x.unsqueeze(d)
    if kind == "expand":
        wide = (draw(st.integers(1, 2)), *shape)
        return f"expand{wide}", lambda lib, x: x.expand(wide)
    if kind == "flip" and shape:
        d = axis(draw, shape)
        return f"flip({d})", lambda lib, x: lib.flip(x, (d,))
    if kind == "movedim" and shape:
        a, b = axis(draw, shape), axis(draw, shape)
        return f"movedim({a}, {b})", lambda lib, x: lib.movedim(x, a, b)
    if kind == "reshape" and len(shape) > 1:
        return "reshape", lambda lib, x: x.reshape(shape[0] * shape[1], *shape[2:])
    return "flatten", lambda lib, x: x.reshape(-1)


def pick(draw: Any, shape: Shape) -> tuple[str, Call]:
    """Indices that repeat, and masks."""
    if not shape:
        return view(draw, shape)
    d = axis(draw, shape) % len(shape)
    rows = draw(st.lists(st.integers(-shape[d], shape[d] - 1), min_size=1, max_size=3))
    kind = draw(st.sampled_from(["rows", "roll", "gather", "where"]))
    if kind == "roll":
        return f"roll({rows[0]}, {d})", lambda lib, x: lib.roll(x, rows[0], d)
    if kind == "gather":
        back = tuple(shape)
        return f"gather({d})", lambda lib, x: lib.gather(x, d, lib.tensor(np.indices(back)[d] // 2))
    if kind == "rows":
        return f"[rows {rows} of {d}]", lambda lib, x: x[(*[slice(None)] * d, lib.tensor(rows))]
    mask = np.array(draw(st.lists(st.booleans(), min_size=shape[0], max_size=shape[0])))
    return f"where(mask {mask})", lambda lib, x: lib.where(lib.tensor(mask).reshape(-1, *[1] * (x.ndim - 1)), x, x * x)


def several(draw: Any, shape: Shape) -> tuple[str, Call]:
    """Operations with several results, of which any may stay unused."""
    if not shape:
        return smooth(draw, shape)
    d = axis(draw, shape)
    kind = draw(st.sampled_from(["unbind", "split", "chunk", "max", "sort"]))
    if kind in ("max", "sort"):  # of values that differ, so that it is the same everywhere who wins
        return f"{kind}({d})", lambda lib, x: getattr(lib, kind)(x + spread(lib, x), d)[0]
    if kind == "unbind":
        return f"unbind({d})", lambda lib, x: tuple(x.unbind(d))
    n = draw(st.integers(1, 2))
    return f"{kind}({n}, {d})", lambda lib, x: tuple(getattr(lib, kind)(x, n, d))


def spread(lib: Any, x: Any) -> Any:
    """Constants that are all different, in the shape of ``x``."""
    n = int(np.prod(tuple(x.shape)))
    return lib.tensor(np.sin(np.arange(n) * 1.7).reshape(tuple(x.shape)) * 3)


def write(draw: Any, shape: Shape) -> tuple[str, Call]:
    """A copy that is written to: as a whole, through a view, or at an index."""
    kind = draw(st.sampled_from(["mul_", "view", "setitem", "masked"]))
    index = slices(draw, shape)

    def call(lib: Any, x: Any) -> Any:
        y = x * 1.5
        if kind == "mul_":
            return y.mul_(x)
        if kind == "view":
            part = y[index]
            part.add_(x[index] * 2)
            return y, part
        if kind == "masked":
            return y.masked_fill_(y.detach() > 0.2, 0.7)
        y[index] = lib.sin(x)[index] if x.ndim else lib.sin(x)
        return y

    return f"{kind} {index}", call


TWO: dict[str, Call] = {
    "add": lambda lib, x, y: x + y,
    "sub": lambda lib, x, y: x - 2 * y,
    "mul": lambda lib, x, y: x * y,
    "div": lambda lib, x, y: x / (y * y + 1),
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "minimum": lambda lib, x, y: lib.minimum(x, y - 0.01234),
    "where": lambda lib, x, y: lib.where(x.detach() > 0.1, x, y),
    "power": lambda lib, x, y: (x * x + 0.5) ** lib.tanh(y),
    "hypot": lambda lib, x, y: lib.hypot(x, y * y + 0.4),
    "atan2": lambda lib, x, y: lib.atan2(x, y * y + 0.4),
    "logaddexp": lambda lib, x, y: lib.logaddexp(x, y),
    "lerp": lambda lib, x, y: lib.lerp(*lib.broadcast_tensors(x, y), 0.3),
}

ONE = [smooth, smooth, reduction, normalisation, view, view, pick, several, write]


def join(draw: Any, a: Shape, b: Shape) -> tuple[str, Call] | None:
    """An operation of two tensors, if one fits."""
    choices: list[tuple[str, Call]] = []
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        pass
    else:
        name = draw(st.sampled_from(sorted(TWO)))
        choices.append((name, TWO[name]))
    if a and b and a[-1] == b[-2 if len(b) > 1 else 0]:
        try:
            np.broadcast_shapes(a[:-2], b[:-2])
        except ValueError:
            pass
        else:
            choices.append(("matmul", lambda lib, x, y: x @ y))
    if a and a == b:
        d = axis(draw, a)
        choices.append((f"cat({d})", lambda lib, x, y: lib.cat([x, y, x], d)))
        choices.append((f"stack({d})", lambda lib, x, y: lib.stack([y, x], d)))
        choices.append(("einsum", lambda lib, x, y: lib.einsum("...i,...i->...i", x, y)))
        choices.append((f"index_add({d})", lambda lib, x, y: lib.index_add(x, d, lib.tensor([0] * a[d]), y * y)))
    return draw(st.sampled_from(choices)) if choices else None


class Program:
    """Steps on a pool of tensors, built one by one while PyTorch runs them."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays
        self.steps: list[tuple[str, Call, list[int]]] = []
        self.pool = [torch.tensor(a) for a in arrays]

    def add(self, text: str, call: Call, of: list[int]) -> None:
        """Add a step if its values are of moderate size and there is something in them."""
        out = call(torch, *(self.pool[i] for i in of))
        outs = list(out) if isinstance(out, tuple) else [out]
        if any(o.numel() == 0 or o.numel() > 60 or o.ndim > 4 or o.abs().max() > 30 for o in outs):
            return
        note(f"{', '.join(f't{len(self.pool) + k}' for k in range(len(outs)))} = {text} of {[f't{i}' for i in of]}")
        self.steps.append((text, call, of))
        self.pool.extend(outs)

    def run(self, *leaves: Any) -> list[Any]:
        lib = tg if isinstance(leaves[0], tg.Tensor) else torch
        pool = list(leaves)
        for _, call, of in self.steps:
            out = call(lib, *(pool[i] for i in of))
            pool.extend(out if isinstance(out, tuple) else [out])
        return pool


def build(data: st.DataObject, most: int) -> tuple[Program, list[int]]:
    """A program, and which of its tensors are its results."""
    draw = data.draw
    shapes = draw(
        st.lists(st.sampled_from([(), (1,), (3,), (2, 3), (3, 2), (2, 1), (2, 2, 2)]), min_size=1, max_size=3)
    )
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    program = Program([rng.normal(size=s) for s in shapes])
    for _ in range(draw(st.integers(most // 2, most))):
        i = draw(st.integers(0, len(program.pool) - 1))
        shape = tuple(program.pool[i].shape)
        if draw(st.sampled_from([True, True, False])):
            text, call = draw(st.sampled_from(ONE))(draw, shape)
            program.add(text, call, [i])
        else:
            j = draw(st.integers(0, len(program.pool) - 1))
            found = join(draw, shape, tuple(program.pool[j].shape))
            if found is not None:
                program.add(*found, [i, j])
    last = len(program.pool) - 1
    results = draw(st.lists(st.integers(len(shapes), last), max_size=3, unique=True)) if last >= len(shapes) else []
    return program, sorted({last, *results})


@given(st.data())
@settings(max_examples=60)
def test_two_derivatives_of_drawn_graphs(data: st.DataObject) -> None:
    program, results = build(data, 9)

    def function(*leaves: Any) -> list[Any]:
        pool = program.run(*leaves)
        return [pool[i] for i in results]

    agree(function, function, program.arrays, tolerance=1e-8)


@given(st.data())
@settings(max_examples=15)
def test_three_derivatives_of_small_drawn_graphs(data: st.DataObject) -> None:
    program, results = build(data, 4)

    def function(*leaves: Any) -> list[Any]:
        pool = program.run(*leaves)
        return [pool[i] for i in results]

    agree(function, function, program.arrays, order=3, tolerance=1e-7)


@given(st.data())
@settings(max_examples=30)
def test_gradients_by_inner_tensors_and_by_parts(data: st.DataObject) -> None:
    """By the tensors inside of the graph, and accumulated over its results one at a time as well as at once."""
    program, results = build(data, 7)

    def gradients(lib: Any, at_once: bool) -> list[np.ndarray]:
        leaves = [lib.tensor(a, requires_grad=True) for a in program.arrays]
        pool = program.run(*leaves)
        inner = [t for t in pool[len(leaves) : -1] if t.requires_grad]
        for t in inner:
            t.retain_grad()
        outs = [pool[i] for i in results if pool[i].requires_grad]
        weights = [spread(lib, o) for o in outs]
        if at_once:
            lib.autograd.backward(outs, weights)
        else:
            for o, w in zip(outs, weights, strict=True):
                o.backward(w, retain_graph=True)
        found = [t.grad for t in [*leaves, *inner]]
        return [np.zeros(()) if g is None else g.numpy() for g in found]

    ours = gradients(tg, True)
    for other in (gradients(torch, True), gradients(tg, False)):
        for a, b in zip(ours, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(b).max()))


@given(st.data())
@settings(max_examples=15)
def test_drawn_graphs_in_anomaly_mode(data: st.DataObject) -> None:
    """A right program is not accused, its results are the same, and no memory stays protected."""
    program, results = build(data, 8)
    pools: list[list[tg.Tensor]] = []

    def function(*leaves: Any) -> list[Any]:
        pools.append(program.run(*leaves))
        return [pools[-1][i] for i in results]

    expected = derivatives(tg, function, program.arrays, (), 0, 2)
    with tg.autograd.detect_anomaly():
        found = derivatives(tg, function, program.arrays, (), 0, 2)
    for what, arrays in expected.items():
        for a, b in zip(found[what], arrays, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    values = [t.detach() for pool in pools for t in pool]
    pools.clear()
    for t in values:
        if not any(stride == 0 for stride in t.numpy().strides):  # an expanded view is never written to
            t.add_(1)
