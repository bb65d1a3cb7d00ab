"""What an operation must not do besides computing: touch its inputs, share memory between gradients, leak, depend on layout."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.testing.probing import constant, float_outputs, float_places, host, signed, title
from tinygrad_edu.testing.report import GradientError


def _cotangent(rng: np.random.Generator, like: Tensor) -> Tensor:
    return constant(signed(rng, like.shape), like.device).to(like.dtype)


def _fresh(inputs: Sequence[Any]) -> list[Any]:
    """The same inputs as new leaves that require a gradient."""
    return [
        (x.detach().clone().requires_grad_() if x.is_floating_point() else x.clone()) if isinstance(x, Tensor) else x
        for x in inputs
    ]


def run_backward(
    f: Callable[..., Any], inputs: Sequence[Any], seed: int
) -> tuple[tuple[Tensor, ...], list[Tensor], list[Any]]:
    """Results, cotangents and the gradients of the floating-point inputs, which are made leaves if they are not."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        inputs = _fresh(inputs)
    outs = float_outputs(f(*inputs))
    rng = np.random.default_rng(seed)
    cotangents = [_cotangent(rng, o) for o in outs]
    leaves = [inputs[i] for i in float_places(inputs)]
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if pairs:
        tg.autograd.backward([o for o, _ in pairs], [c for _, c in pairs])
    return outs, cotangents, [x.grad for x in leaves]


def check_nothing_is_mutated(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """Neither forward nor backward changes an input, a result or a cotangent."""
    given = _fresh(inputs)
    before = [x.detach().numpy().copy() if isinstance(x, Tensor) else None for x in given]
    outs = float_outputs(f(*given))
    results = [o.detach().numpy().copy() for o in outs]
    rng = np.random.default_rng(seed)
    cotangents = [_cotangent(rng, o) for o in outs]
    copies = [c.numpy().copy() for c in cotangents]
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if pairs:
        tg.autograd.backward([o for o, _ in pairs], [c for _, c in pairs], retain_graph=True)
        tg.autograd.backward([o for o, _ in pairs], [c for _, c in pairs])
    for what, now, then in (
        *(("input", x.detach().numpy(), b) for x, b in zip(given, before, strict=True) if b is not None),
        *(("result", o.detach().numpy(), r) for o, r in zip(outs, results, strict=True)),
        *(("cotangent", c.numpy(), k) for c, k in zip(cotangents, copies, strict=True)),
    ):
        if not np.array_equal(now, then, equal_nan=now.dtype.kind == "f"):
            raise GradientError(f"{title(f)}: {what} was changed by computing the result or the gradient")


def check_no_aliases(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """No gradient shares memory with another, with an input, with a result or with a cotangent."""
    given = _fresh(inputs)
    outs, cotangents, grads = run_backward(f, given, seed)
    others = [("an input", x.detach().numpy()) for x in given if isinstance(x, Tensor)]
    others += [("a result", o.detach().numpy()) for o in outs]
    others += [("the cotangent", c.numpy()) for c in cotangents]
    seen: list[tuple[str, Any]] = []
    for i, g in enumerate(grads):
        if g is None:
            continue
        array = g.numpy()
        for what, other in [*others, *seen]:
            if array.size and np.may_share_memory(array, other) and np.shares_memory(array, other):
                raise GradientError(f"{title(f)}: the gradient by input {i} shares memory with {what}")
        seen.append((f"the gradient by input {i}", array))


def check_types(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """Gradients have the shape, type and device of their inputs; float32 inputs give no float64 result."""
    for dtype in (tg.float64, tg.float32):
        given = [x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs]
        given = _fresh(given)
        outs, _, grads = run_backward(f, given, seed)
        for o in outs:
            if dtype is tg.float32 and o.dtype is tg.float64:
                raise GradientError(f"{title(f)}: float32 inputs gave a float64 result")
        for i, (k, g) in enumerate(zip(float_places(given), grads, strict=True)):
            x = given[k]
            if g is not None and (g.shape != x.shape or g.dtype is not x.dtype or g.device != x.device):
                raise GradientError(
                    f"{title(f)}: the gradient by input {i} is {g.dtype} {tuple(g.shape)} on {g.device}, the input {x.dtype} "
                    f"{tuple(x.shape)} on {x.device}"
                )


def _strided(x: Tensor) -> Tensor:
    """The same values in a layout with gaps and reversed dimensions."""
    array = host(x)
    wide = np.zeros((*array.T.shape, 2), array.dtype)
    wide[..., 0] = array.T
    return tg.from_numpy(wide[..., 0].T).to(x.device) if array.ndim else x.detach().clone()


def check_layout(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """Inputs that are not contiguous in memory give the same results and gradients."""
    plain, gaps = _fresh(inputs), _fresh(inputs)
    for i in float_places(inputs):
        gaps[i] = _strided(inputs[i]).requires_grad_()
    same(f, "for inputs with gaps in memory", run_backward(f, plain, seed), run_backward(f, gaps, seed))


def check_determinism(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """The same inputs give the same bits, and the same values under no_grad."""
    once, twice = run_backward(f, _fresh(inputs), seed), run_backward(f, _fresh(inputs), seed)
    same(f, "the second time", once, twice, rtol=0.0)
    given = _fresh(inputs)
    with tg.no_grad():
        quiet = float_outputs(f(*given))
    for o, q in zip(once[0], quiet, strict=True):
        if q.requires_grad and not any(q is x for x in given):
            raise GradientError(f"{title(f)}: under no_grad the result requires a gradient")
        if not np.array_equal(host(o), host(q), equal_nan=True):
            raise GradientError(f"{title(f)}: under no_grad the result differs")


def same(f: Any, when: str, a: Any, b: Any, rtol: float | None = None) -> None:
    """Two results of :func:`run_backward` agree: to ``rtol``, by default to rounding in their type."""
    rows = [("result", p.detach(), q.detach()) for p, q in zip(a[0], b[0], strict=True)]
    rows += [("gradient", p, q) for p, q in zip(a[2], b[2], strict=True) if p is not None and q is not None]
    for what, p, q in rows:
        x, y = host(p), host(q)
        slack = rtol if rtol is not None else 1e-12 if x.dtype == np.float64 else 1e-5
        if not np.allclose(
            x, y, rtol=slack, atol=slack * max(1.0, float(np.max(np.abs(x), initial=0))), equal_nan=True
        ):
            raise GradientError(f"{title(f)}: the {what} differs {when}")


def check_graph_is_freed(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """With the garbage collector off, dropping the result frees the graph; also one that holds a derivative."""
    given = _fresh(inputs)
    enabled = gc.isenabled()
    gc.disable()
    try:
        for create_graph in (False, True):
            outs = float_outputs(f(*given))
            rng = np.random.default_rng(seed)
            pairs = [(o, _cotangent(rng, o)) for o in outs if o.requires_grad]
            watched = [weakref.ref(o) for o in outs if not any(o is x for x in given)]
            if pairs:
                grads = tg.autograd.grad(
                    [o for o, _ in pairs],
                    [given[i] for i in float_places(given)],
                    [c for _, c in pairs],
                    create_graph=create_graph,
                    allow_unused=True,
                )
                watched += [weakref.ref(g) for g in grads if g is not None]
                del grads
            del outs, pairs
            if any(w() is not None for w in watched):
                raise GradientError(f"{title(f)}: results are kept alive after the last reference to them is gone")
            del watched
    finally:
        if enabled:
            gc.enable()
