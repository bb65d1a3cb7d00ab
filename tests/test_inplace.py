"""Writing in place: drawn programs of views, writes and operations, run here and in PyTorch, must agree.

A program works on a pool of tensors. After each step all values and ``requires_grad`` flags are compared, which tells whether the
same
tensors share memory; at the end the gradients are. Where PyTorch refuses a backward pass and this library does not, differences
of the program's own values decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import on_memory_that_views_share
from hypothesis import event, given, note, reject, settings
from hypothesis import strategies as st

import tinygrad_edu as tg

torch = pytest.importorskip("torch")

SLICES = [slice(None), slice(1, None), slice(None, -1), slice(None, None, 2), slice(0, 1), slice(-1, None)]


def both(array: Any) -> tuple[Any, Any]:
    return tg.tensor(array), torch.tensor(array)


class Refused(Exception):
    """Our library raised where PyTorch did not."""


class Machine:
    """A pool of tensors in both libraries, and the steps that were run on them."""

    def __init__(self, arrays: list[np.ndarray], tracked: list[bool]) -> None:
        self.ours = [tg.tensor(a, requires_grad=t) for a, t in zip(arrays, tracked, strict=True)]
        self.theirs = [torch.tensor(a, requires_grad=t) for a, t in zip(arrays, tracked, strict=True)]
        self.leaves = [i for i, t in enumerate(tracked) if t]
        self.kept = [(self.ours[i], self.theirs[i]) for i in self.leaves]
        self.steps: list[Callable[[list[Any], Any], Any]] = []
        self.pure = True

    def shape(self, i: int) -> tuple[int, ...]:
        return tuple(self.theirs[i].shape)

    def run(self, text: str, step: Callable[[list[Any], Any], Any], new: bool) -> None:
        """Run one step in both libraries; ``step(pool, library)`` returns a tensor to add when ``new``."""
        note(text)
        try:
            theirs = step(self.theirs, torch)
        except RuntimeError as refusal:
            note(f"  torch refuses: {str(refusal)[:70]}")
            try:
                step(self.ours, tg)
            except (RuntimeError, ValueError):
                return
            event("torch refused a step that we ran")
            reject()  # the pools differ from here on
        try:
            ours = step(self.ours, tg)
        except (RuntimeError, ValueError) as error:
            raise Refused(f"{text}: {error}") from error
        if new:
            self.ours.append(ours)
            self.theirs.append(theirs)
        self.steps.append(lambda pool, lib: pool.append(step(pool, lib)) if new else step(pool, lib))
        self.compare(text)

    def compare(self, text: str) -> None:
        for i, (a, b) in enumerate(zip(self.ours, self.theirs, strict=True)):
            assert tuple(a.shape) == tuple(b.shape), f"{text}: t{i} has shape {tuple(a.shape)}, torch {tuple(b.shape)}"
            values = a.detach().numpy()
            np.testing.assert_allclose(values, b.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=f"{text}: t{i}")
            try:
                tracked = b.requires_grad
            except RuntimeError:
                continue
            assert a.requires_grad == tracked, f"{text}: t{i}.requires_grad is {a.requires_grad}, torch says {tracked}"

    def loss(self, pool: list[Any], weights: list[np.ndarray], lib: Any) -> Any:
        total = None
        for x, w in zip(pool, weights, strict=True):
            if lib is None:
                term = (x * torch.tensor(w)).sum()
            elif not x.requires_grad:
                continue
            else:
                term = (x * lib.tensor(w)).sum()
            total = term if total is None else total + term
        return total

    def values(self, arrays: list[np.ndarray], weights: list[np.ndarray], tracked: list[bool]) -> float:
        """The loss as a function of the leaves, without any graph."""
        with torch.no_grad():
            pool = [torch.tensor(a) for a in arrays]
            for step in self.steps:
                step(pool, torch)
            return float(self.loss(pool, [w if t else 0 * w for w, t in zip(weights, tracked, strict=True)], None))


def draw_index(data: st.DataObject, shape: tuple[int, ...], fancy: bool) -> tuple[str, Callable[[Any], Any]]:
    """An index that fits ``shape``, as text and as a function of the library."""
    parts: list[Any] = []
    count = data.draw(st.integers(1, 3)) if fancy else 0  # of all arrays in one index, which go together
    for n in shape:
        kinds = ["slice", "int", "stop"] + (["array", "list"] if fancy else [])
        kind = data.draw(st.sampled_from(kinds if n else ["slice", "stop"]))
        if kind == "stop":
            break
        if kind == "slice":
            parts.append(data.draw(st.sampled_from(SLICES)))
        elif kind == "int":
            parts.append(data.draw(st.integers(-n, n - 1)))
        else:
            drawn = data.draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            parts.append(np.array(drawn) if kind == "array" else drawn)
    if data.draw(st.integers(0, 5)) == 0:
        parts.insert(data.draw(st.integers(0, len(parts))), None)
    if fancy and shape and data.draw(st.integers(0, 3)) == 0:
        mask = np.array(
            data.draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))), dtype=bool
        )
        parts = [mask.reshape(shape)]
    if not parts or data.draw(st.integers(0, 9)) == 0:
        parts.append(...)

    def index(lib: Any) -> Any:
        made = [lib.tensor(p) if isinstance(p, np.ndarray) else p for p in parts]
        return made[0] if len(made) == 1 else tuple(made)

    return re.sub(r"\s+", " ", repr(parts)), index


def repeats(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether an index names an element twice, where PyTorch leaves the result of a write open."""
    flat = np.arange(int(np.prod(shape))).reshape(shape)
    plain = tuple(i.numpy() if isinstance(i, torch.Tensor) else i for i in index) if isinstance(index, tuple) else index
    chosen = flat[plain.numpy() if isinstance(plain, torch.Tensor) else plain]
    return np.unique(chosen).size != chosen.size


UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "tanh": lambda x, lib: lib.tanh(x),
    "sin": lambda x, lib: lib.sin(x),
    "sigmoid": lambda x, lib: lib.sigmoid(x),
    "square": lambda x, lib: lib.square(x),
    "neg": lambda x, lib: -x,
    "times 2": lambda x, lib: x * 2,
    "plus 1": lambda x, lib: x + 1,
    "clone": lambda x, lib: x.clone(),
    "sum": lambda x, lib: x.sum(),
    "sum dim": lambda x, lib: x.sum(-1) if x.ndim else x.sum(),
    "cumsum": lambda x, lib: lib.cumsum(x, 0) if x.ndim else x * 1,
    "softmax": lambda x, lib: lib.softmax(x, -1),
    "max": lambda x, lib: lib.max(x, -1)[0] if x.ndim else x * 1,
    "reversed": lambda x, lib: lib.flip(x, [0]) if x.ndim else x * 3,
    "masked": lambda x, lib: x.masked_fill(x.detach() > 0.5, -0.25),
    "repeated": lambda x, lib: x.repeat(*([1] * max(x.ndim, 1))),
    "gathered": lambda x, lib: x[lib.tensor([0, -1, 0])] if x.ndim else x * 1,
}
BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda x, y, lib: x + y,
    "sub": lambda x, y, lib: x - y,
    "mul": lambda x, y, lib: x * y,
    "div": lambda x, y, lib: x / (y * y + 2),
    "where": lambda x, y, lib: lib.where(x.detach() > 0.3, x, y),
    "maximum": lambda x, y, lib: lib.maximum(x, y + 0.01),
}
WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "mul_(2)": lambda x, lib: x.mul_(2),
    "add_(1)": lambda x, lib: x.add_(1),
    "neg_": lambda x, lib: x.neg_(),
    "tanh_": lambda x, lib: x.tanh_(),
    "sigmoid_": lambda x, lib: x.sigmoid_(),
    "relu_": lambda x, lib: x.relu_(),
    "clamp_": lambda x, lib: x.clamp_(-0.77, 0.83),
    "pow_(2)": lambda x, lib: x.pow_(2),
    "mul_(itself)": lambda x, lib: x.mul_(x),
    "zero_": lambda x, lib: x.zero_(),
    "fill_": lambda x, lib: x.fill_(0.7),
    "masked_fill_": lambda x, lib: x.masked_fill_(x.detach() > 0.1, 0.4),
}
WRITES2: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add_": lambda x, y, lib: x.add_(y),
    "sub_": lambda x, y, lib: x.sub_(y),
    "mul_": lambda x, y, lib: x.mul_(y),
    "div_": lambda x, y, lib: x.div_(y * y + 2),
    "copy_": lambda x, y, lib: x.copy_(y),
}
UNRECORDED: dict[str, Callable[[Any, Any], Any]] = {
    "no_grad mul_": lambda x, lib: without_graph(x, lib),
    "detach mul_": lambda x, lib: x.detach().mul_(-1.5),
    "detach of a view add_": lambda x, lib: (
        x.view(-1).detach().add_(0.25) if x.is_contiguous() else x.detach().add_(0.25)
    ),
}


def without_graph(x: Any, lib: Any) -> Any:
    with lib.no_grad():
        return x.mul_(1.5)


def draw_view(data: st.DataObject, shape: tuple[int, ...]) -> tuple[str, Callable[[Any, Any], Any]]:
    ndim = len(shape)
    kinds = ["index", "view", "unsqueeze", "detach"] + (
        ["transpose", "narrow", "select", "split", "expand", "flatten"] if ndim else []
    )
    kind = data.draw(st.sampled_from(kinds))
    dim = data.draw(st.integers(0, ndim - 1)) if ndim else 0
    if kind == "index":
        text, index = draw_index(data, shape, fancy=False)
        return text, lambda x, lib: x[index(lib)]
    if kind == "view":
        target = data.draw(st.sampled_from([(-1,), (1, *shape), (*shape, 1), tuple(reversed(shape))]))
        target = target if np.prod(shape) or -1 not in target else shape
        return f"view{target}", lambda x, lib: x.view(*target) if target else x.view(())
    if kind == "transpose":
        other = data.draw(st.integers(0, ndim - 1))
        return f"transpose({dim}, {other})", lambda x, lib: x.transpose(dim, other)
    if kind == "narrow":
        start = data.draw(st.integers(0, shape[dim]))
        length = data.draw(st.integers(0, shape[dim] - start))
        return f"narrow({dim}, {start}, {length})", lambda x, lib: x.narrow(dim, start, length)
    if kind == "select" and shape[dim]:
        i = data.draw(st.integers(0, shape[dim] - 1))
        return f"select({dim}, {i})", lambda x, lib: x.select(dim, i)
    if kind == "split":
        return f"split({dim})[0]", lambda x, lib: x.split(2, dim)[0]
    if kind == "expand":
        return "expand(2, ...)", lambda x, lib: x.expand(2, *shape)
    if kind == "flatten":
        return "squeeze", lambda x, lib: x.squeeze()
    if kind == "detach":
        return "detach", lambda x, lib: x.detach()
    return f"unsqueeze({dim})", lambda x, lib: x.unsqueeze(dim)


def shares(pool: list[Any], i: int, lib: Any) -> bool:
    """Whether tensor ``i`` and the newest are on the same memory."""
    x, y = pool[i], pool[-1]
    if lib is torch:
        return bool(x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr())
    return np.shares_memory(x.detach().numpy(), y.detach().numpy())


def overlaps(x: Any) -> bool:
    """Whether several elements of a torch tensor are one in memory, which makes writes undefined."""
    return any(stride == 0 and n > 1 for stride, n in zip(x.stride(), x.shape, strict=True))


def half_shared(x: Any, y: Any) -> bool:
    """Whether two torch tensors are on the same memory in different ways: PyTorch may then read what it has just written."""
    same = x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
    return same and (x.data_ptr(), x.shape, x.stride()) != (y.data_ptr(), y.shape, y.stride())


def draw_step(data: st.DataObject, machine: Machine, unrecorded: bool) -> None:
    n = len(machine.theirs)
    i = data.draw(st.integers(0, n - 1))
    j = data.draw(st.integers(0, n - 1))
    shape, other = machine.shape(i), machine.shape(j)
    kinds = ["unary", "binary", "view", "view", "write", "write2", "setitem", "setitem", "index write"]
    kind = data.draw(st.sampled_from(kinds + (["unrecorded"] if unrecorded else [])))
    if kind not in ("unary", "binary", "view") and overlaps(machine.theirs[i]):
        return
    if kind in ("write2", "setitem", "index write") and half_shared(machine.theirs[i], machine.theirs[j]):
        return
    if kind == "unary":
        name = data.draw(st.sampled_from(sorted(UNARY)))
        if 0 in shape and name in ("max", "gathered", "softmax"):
            return
        machine.run(f"t{n} = {name} t{i}", lambda pool, lib: UNARY[name](pool[i], lib), new=True)
    elif kind == "binary":
        name = data.draw(st.sampled_from(sorted(BINARY)))
        try:
            np.broadcast_shapes(shape, other)
        except ValueError:
            return
        machine.run(f"t{n} = {name} t{i} t{j}", lambda pool, lib: BINARY[name](pool[i], pool[j], lib), new=True)
    elif kind == "view":
        text, view = draw_view(data, shape)
        if text == "detach":
            machine.pure = False
        before = len(machine.theirs)
        machine.run(f"t{n} = t{i}.{text}", lambda pool, lib: view(pool[i], lib), new=True)
        viewed = len(machine.theirs) > before and text.startswith("view") and 0 not in shape
        # Both libraries may lay out results differently, so that only one of them can view what the other must copy.
        if viewed and shares(machine.ours, i, tg) != shares(machine.theirs, i, torch):
            event("layouts differ")
            reject()
    elif kind == "write":
        name = data.draw(st.sampled_from(sorted(WRITES)))
        machine.run(f"t{i}.{name}", lambda pool, lib: WRITES[name](pool[i], lib), new=False)
    elif kind == "write2":
        name = data.draw(st.sampled_from(sorted(WRITES2)))
        try:
            fits = np.broadcast_shapes(shape, other) == shape
        except ValueError:
            fits = False
        if fits:
            machine.run(f"t{i}.{name}(t{j})", lambda pool, lib: WRITES2[name](pool[i], pool[j], lib), new=False)
    elif kind == "unrecorded":
        machine.pure = False
        name = data.draw(st.sampled_from(sorted(UNRECORDED)))
        machine.run(f"t{i}.{name}", lambda pool, lib: UNRECORDED[name](pool[i], lib), new=False)
    else:
        text, index = draw_index(data, shape, fancy=True)
        part = tuple(torch.zeros(shape)[index(torch)].shape)
        if repeats(index(torch), shape):
            return
        try:
            fits = np.broadcast_shapes(part, other) == part
        except ValueError:
            fits = False

        def set_item(pool: list[Any], lib: Any) -> None:
            pool[i][index(lib)] = pool[j] if fits else 0.9

        def change_item(pool: list[Any], lib: Any) -> None:
            if fits:
                pool[i][index(lib)] += pool[j]
            else:
                pool[i][index(lib)] *= 1.1

        step = set_item if kind == "setitem" else change_item
        machine.run(f"t{i}[{text}] {kind} {f't{j}' if fits else 'number'}", step, new=False)


def finish(machine: Machine, arrays: list[np.ndarray], seed: int) -> None:
    """Backward in both libraries; gradients agree, or one of them refuses."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=machine.shape(i)) for i in range(len(machine.theirs))]
    tracked = [x.requires_grad for x in machine.ours]
    mine = machine.loss(machine.ours, weights, tg)
    try:
        theirs = machine.loss(machine.theirs, weights, torch)
    except RuntimeError:
        reject()
    assert (mine is None) == (theirs is None)
    if mine is None:
        return
    try:
        theirs.backward()
        refused = False
    except RuntimeError:
        refused = True
    try:
        mine.backward()
    except RuntimeError as error:
        assert "overwritten" in str(error), error
        event("both refuse" if refused else "only we refuse the backward pass")
        return
    if not refused:
        for (a, b), i in zip(machine.kept, machine.leaves, strict=True):
            expected = np.zeros_like(arrays[i]) if b.grad is None else b.grad.numpy()
            found = np.zeros_like(arrays[i]) if a.grad is None else a.grad.numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10, err_msg=f"gradient of leaf t{i}")
        event("gradients agree")
    elif machine.pure:
        event("only torch refuses; compared with differences")
        directions = [rng.normal(size=a.shape) if i in machine.leaves else 0 * a for i, a in enumerate(arrays)]
        step = 1e-6
        up = machine.values([a + step * d for a, d in zip(arrays, directions, strict=True)], weights, tracked)
        down = machine.values([a - step * d for a, d in zip(arrays, directions, strict=True)], weights, tracked)
        expected = (up - down) / (2 * step)
        grads = [a.grad for a, _ in machine.kept]
        found = sum(
            float(np.sum(g.numpy() * directions[i]))
            for g, i in zip(grads, machine.leaves, strict=True)
            if g is not None
        )
        assert abs(found - expected) <= 1e-4 * max(1.0, abs(expected)), (found, expected)


@st.composite
def starts(draw: st.DrawFn) -> tuple[list[np.ndarray], list[bool], int]:
    """Some leaves of related shapes; at least one needs a gradient."""
    full = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    shapes = [tuple(full), tuple(full), tuple(full[draw(st.integers(0, len(full))) :])][: draw(st.integers(2, 3))]
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    # Far enough from each other and from the bounds of clamp_ that a difference never crosses a kink.
    arrays = [
        np.round(rng.uniform(-1.5, 1.5, size=s), 2)
        + 0.003 * (1 + rng.permutation(max(int(np.prod(s)), 1)).reshape(s) / 50)
        for s in shapes
    ]
    return arrays, [True, *(draw(st.booleans()) for _ in shapes[1:])], seed


def run_program(data: st.DataObject, unrecorded: bool, length: int) -> None:
    arrays, tracked, seed = data.draw(starts())
    machine = Machine(arrays, tracked)
    # Leaves cannot be written inside a graph, so programs start from results as well.
    for i in range(len(arrays)):
        name = data.draw(st.sampled_from(["times 2", "tanh", "clone", "plus 1"]))
        machine.run(
            f"t{len(machine.theirs)} = {name} t{i}",
            lambda pool, lib, i=i, name=name: UNARY[name](pool[i], lib),
            new=True,
        )
    for _ in range(data.draw(st.integers(1, length))):
        draw_step(data, machine, unrecorded)
    finish(machine, arrays, seed)


@on_memory_that_views_share
@settings(max_examples=250)
@given(st.data())
def test_programs_of_views_and_writes_agree_with_torch(data: st.DataObject) -> None:
    """Values after each step and gradients at the end; a write that is not recorded is never part of these programs."""
    run_program(data, unrecorded=False, length=9)


@on_memory_that_views_share
@settings(max_examples=100)
@given(st.data())
def test_programs_with_unrecorded_writes_agree_with_torch(data: st.DataObject) -> None:
    """The same with writes under no_grad() and through detach(): right, or refused when a kept value was overwritten."""
    run_program(data, unrecorded=True, length=8)


@on_memory_that_views_share
@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.sum(0),
        lambda p: p.softmax(1),
        lambda p: tg.cat([p, p], 1),
        lambda p: tg.stack([p, p]),
        lambda p: p.cumsum(1),
        lambda p: p * 2,
        lambda p: p.clone(),
    ],
)
def test_a_view_of_a_result_is_one_however_it_lies_in_memory(make):
    """An array library may give the results of what was turned in any order; writes through a view of them count."""
    out = make(tg.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1).requires_grad_())
    flat = out.view(-1)
    flat[1:3] = 7.0
    assert out.flatten()[1:3].tolist() == [7.0, 7.0]
    flat.sum().backward()


@on_memory_that_views_share
def test_shared_memory_is_never_left_behind_by_a_view():
    turned = tg.arange(6.0).reshape(2, 3).t()
    for x in (turned, turned.detach(), tg.from_numpy(np.arange(6.0).reshape(2, 3).T)):
        with pytest.raises(RuntimeError, match=r"view: .* use reshape"):
            x.view(-1)
        assert x.view(3, 2, 1).shape == (3, 2, 1)
