"""Wrong derivatives, to be planted into operations.

A mutant wraps the backward of one class of nodes, or rewrites its source: a term dropped, a sign changed, a call left out, ``>`` for
``>=``. What a mutant gets and returns are raw arrays in a plain backward pass and tensors in a recorded one.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.function import Fused

Backward = Callable[..., Any]
Grads = tuple[Any, ...]

# Whether the case that is run lies on kinks; "wrong at kinks" is wrong there alone.
on_kinks = [False]


# Changes of one gradient ----------------------------------------------------------------------------------------------


def _dense(x: Any) -> Any:
    return x.dense() if hasattr(x, "dense") else x


def _constant(array: Any, like: Any) -> Any:
    """A NumPy array as what ``like`` is, tensor or raw array, in its type."""
    return tg.tensor(array, dtype=like.dtype) if isinstance(like, Tensor) else array.astype(like.dtype)


def _rearranged(how: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A permutation of the elements, told by what it does to their numbers."""

    def change(x: Any) -> Any:
        numbers = np.arange(int(np.prod(x.shape))).reshape(tuple(x.shape))
        order = np.ascontiguousarray(how(numbers)).reshape(-1)
        flat = x.reshape(-1)
        picked = flat[tg.tensor(order)] if isinstance(x, Tensor) else np.asarray(flat)[order]
        return picked.reshape(x.shape)

    return change


def _scaled_at(where: int, factor: float) -> Callable[[Any], Any]:
    """One element, counted in memory order, times a factor."""

    def change(x: Any) -> Any:
        scale = np.ones(int(np.prod(x.shape)))
        scale[where : where + 1 or None] = factor
        return x * _constant(scale.reshape(tuple(x.shape)), x)

    return change


def _averaged(axis: int) -> Callable[[Any], Any]:
    def change(x: Any) -> Any:
        if not len(x.shape):
            return x
        mean = x.mean(axis, keepdim=True) if isinstance(x, Tensor) else np.mean(x, axis, keepdims=True)
        return x * 0 + mean

    return change


EACH: dict[str, Callable[[Any], Any]] = {
    "sign": lambda x: -x,
    "factor 2": lambda x: x * 2,
    "factor 7": lambda x: x * 7,
    "factor 1/2": lambda x: x * 0.5,
    "factor 1.001": lambda x: x * 1.001,
    "zeroed": lambda x: x * 0,
    "offset": lambda x: x + 0.1,
    "squared": lambda x: x * x,
    "size only": abs,
    "first element dropped": _scaled_at(0, 0.0),
    "last element off by 1%": _scaled_at(-1, 1.01),
    "averaged over the last axis": _averaged(-1),
    "averaged over the first axis": _averaged(0),
    "transposed": _rearranged(lambda a: a.T),
    "last two axes swapped": _rearranged(lambda a: a.swapaxes(-1, -2) if a.ndim > 1 else a),
    "rolled": _rearranged(lambda a: np.roll(a, 1)),
    "rolled along the last axis": _rearranged(lambda a: np.roll(a, 1, -1) if a.ndim else a),
    "rolled along the first axis": _rearranged(lambda a: np.roll(a, 1, 0) if a.ndim else a),
    "flipped along the first axis": _rearranged(lambda a: np.flip(a, 0) if a.ndim else a),
    "flipped along the last axis": _rearranged(lambda a: np.flip(a, -1) if a.ndim else a),
}

IN_GRAPH: dict[str, Callable[[Any], Any]] = {
    "factor 2 in the graph": lambda x: x * 2,
    "sign in the graph": lambda x: -x,
    "zeroed in the graph": lambda x: x * 0,
    "cut off the graph": lambda x: x.detach(),
}

COTANGENT: dict[str, Callable[[Any], Any]] = {
    "cotangent taken as ones": lambda g: g * 0 + 1,
    "cotangent's size only": abs,
    "cotangent averaged": lambda g: g * 0 + g.mean(),
}


# Changes of all gradients ---------------------------------------------------------------------------------------------


def _each(grads: Grads, change: Callable[[Any], Any]) -> Grads:
    return tuple(None if x is None else change(_dense(x)) for x in grads)


def _missing(number: int) -> Callable[[Grads], Grads]:
    return lambda grads: tuple(_dense(x) * 0 if k == number and x is not None else x for k, x in enumerate(grads))


def _swapped(grads: Grads) -> Grads:
    """The first two gradients exchanged, where their shapes allow it."""
    there = [k for k, x in enumerate(grads) if x is not None]
    if len(there) < 2 or tuple(_dense(grads[there[0]]).shape) != tuple(_dense(grads[there[1]]).shape):
        return grads
    out = list(grads)
    out[there[0]], out[there[1]] = out[there[1]], out[there[0]]
    return tuple(out)


def _aliased(grads: Grads) -> Grads:
    """The very same array for every argument of the same shape."""
    first = next((x for x in grads if isinstance(x, np.ndarray)), None)
    if first is None:
        return grads
    return tuple(first if isinstance(x, np.ndarray) and x.shape == first.shape else x for x in grads)


def _widened(grads: Grads) -> Grads:
    return tuple(x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in grads)


ALL: dict[str, Callable[[Grads], Grads]] = {
    "first argument's missing": _missing(0),
    "second argument's missing": _missing(1),
    "third argument's missing": _missing(2),
    "arguments swapped": _swapped,
    "aliased": _aliased,
    "type widened": _widened,
}


# Mutants of a backward ------------------------------------------------------------------------------------------------


def _on_grads(change: Callable[[Grads], Grads]) -> Callable[[Backward], Backward]:
    """Change what a backward returns."""

    def mutate(original: Backward) -> Backward:
        def backward(self: Any, *gs: Any) -> Any:
            grads = original(self, *gs)
            return change(tuple(grads) if isinstance(grads, (tuple, list)) else (grads,))

        return backward

    return mutate


def _on_cotangents(change: Callable[[Any], Any]) -> Callable[[Backward], Backward]:
    """Change what a backward gets."""
    return lambda original: lambda self, *gs: original(self, *[None if g is None else change(_dense(g)) for g in gs])


def _written(g: Any) -> Any:
    raw = getattr(g, "_data", g)
    if isinstance(raw, np.ndarray) and raw.flags.writeable and not tg.is_grad_enabled():
        raw *= 1.5
    return g


def _kept_as_constants(original: Backward) -> Backward:
    def backward(self: Any, *gs: Any) -> Any:
        if tg.is_grad_enabled() and type(self.saved) is tuple:
            self.saved = tuple(v.detach() if isinstance(v, Tensor) else v for v in self.saved)
        return original(self, *gs)

    return backward


def _drifting() -> Callable[[Grads], Grads]:
    calls = [0]

    def change(grads: Grads) -> Grads:
        calls[0] += 1
        return _each(grads, lambda x: x * (1 + 1e-3 * (calls[0] % 7)))

    return change


def _alike(change: Callable[[Any], Any]) -> Callable[[Backward], Backward]:
    return _on_grads(lambda grads: _each(grads, change))


def _when_recorded(change: Callable[[Any], Any]) -> Callable[[Backward], Backward]:
    return _on_grads(lambda grads: _each(grads, change) if tg.is_grad_enabled() else grads)


def _at_kinks(change: Callable[[Any], Any]) -> Callable[[Backward], Backward]:
    return _on_grads(lambda grads: _each(grads, change) if on_kinks[0] else grads)


WRAPPED: dict[str, Callable[[Backward], Backward]] = {
    **{name: _alike(c) for name, c in EACH.items()},
    **{name: _on_grads(c) for name, c in ALL.items()},
    **{name: _when_recorded(c) for name, c in IN_GRAPH.items()},
    **{name: _on_cotangents(c) for name, c in COTANGENT.items()},
    "wrong at kinks": _at_kinks(lambda x: x * 5),
    "missing at kinks": _at_kinks(lambda x: x * 0 - 3),
    "different at each call": _on_grads(_drifting()),
    "cotangent written on": _on_cotangents(_written),
    "kept values as constants": _kept_as_constants,
}


# Mutants of the source ------------------------------------------------------------------------------------------------

_OTHER_OPERATORS = {
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in an expression's place by mistake."""
    if isinstance(node, ast.BinOp):
        yield node.left
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
            yield node.right
        other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}.get(type(node.op))
        if other is not None:
            yield ast.BinOp(node.left, other(), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OTHER_OPERATORS:
        yield ast.Compare(node.left, [_OTHER_OPERATORS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Constant):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in ("needs", "len", "range", "tuple", "list", "zip", "enumerate", "isinstance"):
            yield node.args[0]


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _compiled(tree: ast.FunctionDef, original: Any) -> Backward:
    """A function from its tree, with the globals and the closure of the original."""
    free = original.__code__.co_freevars
    outer = ast.parse(f"def outer({', '.join(free)}): pass")
    outer.body[0].body = [tree]  # type: ignore[attr-defined]
    code = compile(ast.fix_missing_locations(outer), f"<mutant of {original.__qualname__}>", "exec")
    made = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    inner = next(c for c in made.co_consts if isinstance(c, types.CodeType))
    cells = dict(zip(free, original.__closure__ or (), strict=True))
    closure = tuple(cells[n] for n in inner.co_freevars)
    return types.FunctionType(inner, original.__globals__, original.__name__, original.__defaults__, closure)


def rewritten(cls: type, most: int) -> dict[str, Backward]:
    """Backwards with one mistake in their source, by what the mistake is; at most so many, evenly over the source."""
    original = inspect.unwrap(cls.backward)  # type: ignore[attr-defined]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(original))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    if not isinstance(tree, ast.FunctionDef):
        return {}
    tree.decorator_list = []
    docstring = {id(n) for n in ast.walk(tree.body[0])} if ast.get_docstring(tree) else set()
    sites: list[tuple[str, ast.FunctionDef]] = []
    for statement in tree.body:
        for node in ast.walk(statement):
            if id(node) in docstring:
                continue
            for new in _variants(node):
                changed = _Replace(node, new).visit(_copied(tree, node))
                sites.append((f"`{ast.unparse(node)}` as `{ast.unparse(new)}`", changed))
    step = max(len(sites) / most, 1.0)
    chosen = [sites[int(k * step)] for k in range(min(most, len(sites)))]
    made: dict[str, Backward] = {}
    for name, changed in chosen:
        again = sum(n.partition(" (")[0] == name for n in made)  # the same mistake may be made in several places
        made[f"{name} ({again + 1})" if again else name] = _compiled(changed, original)
    return made


def _copied(tree: ast.FunctionDef, kept: ast.AST) -> ast.FunctionDef:
    """A copy of a tree in which one node is still itself, so that it can be found and replaced."""
    return copy.deepcopy(tree, {id(kept): kept})


# Planting -------------------------------------------------------------------------------------------------------------


def mutants(cls: type, most: int = 24) -> dict[str, Backward]:
    """Every mutant of a class of nodes: its name and the wrong backward."""
    original = cls.backward  # type: ignore[attr-defined]
    found = {name: wrap(original) for name, wrap in WRAPPED.items()}
    if issubclass(cls, Fused):  # its recorded derivative is its reference's
        found = {n: b for n, b in found.items() if n not in IN_GRAPH and n != "kept values as constants"}
    return {**found, **rewritten(cls, most)}


@contextlib.contextmanager
def replaced(cls: type, attribute: str, value: Any) -> Iterator[None]:
    """Another attribute of a class, for the time of a ``with`` block."""
    own = cls.__dict__.get(attribute)
    setattr(cls, attribute, value)
    try:
        yield
    finally:
        if own is None:
            delattr(cls, attribute)
        else:
            setattr(cls, attribute, own)


def _corner(g: Any, shape: Any) -> Any:
    """The gradient without the sum over what was broadcast: its first slice."""
    if g is None:
        return None
    lead = len(g.shape) - len(shape)
    index = (0,) * lead + tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)
    return g[index] * 1 if index else g


@contextlib.contextmanager
def planted(cls: type, backward: Backward | None) -> Iterator[None]:
    """A wrong backward, or None for broadcasting that is never undone, or a doubled reference in a fused operation."""
    if backward is not None:
        with replaced(cls, "backward", backward):
            yield
        return
    names = _names_of_fit(cls)
    original = names["fit"]
    names["fit"] = _corner
    try:
        yield
    finally:
        names["fit"] = original


def undoes_broadcast(cls: type) -> bool:
    """Whether the backward of a class calls ``fit``, which sums over what was broadcast, by itself or by a method."""
    return "fit" in inspect.unwrap(cls.backward).__code__.co_names and bool(_names_of_fit(cls))  # type: ignore[attr-defined]


def _names_of_fit(cls: type) -> dict[str, Any]:
    """The module's names among which the backward of a class finds ``fit``."""
    for function in (getattr(cls, "fit", None), cls.backward):  # type: ignore[attr-defined]
        names = getattr(inspect.unwrap(function), "__globals__", {}) if function is not None else {}
        if "fit" in names:
            return names
    return {}


@contextlib.contextmanager
def doubled_reference(cls: type) -> Iterator[None]:
    """A fused operation whose reference, and so whose recorded derivative, is twice what it should be."""
    original = cls.reference  # type: ignore[attr-defined]

    def twice(*args: Any) -> Any:
        out = original(*args)
        return tuple(o * 2 for o in out) if isinstance(out, tuple) else out * 2

    with replaced(cls, "reference", staticmethod(twice)):
        yield
