"""The same computation here and in PyTorch: results, gradients, and derivatives of the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg


def agree(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    parameters: tuple[Sequence[Any], Sequence[Any]] = ((), ()),
    *,
    seed: int = 0,
    order: int = 2,
    tolerance: float = 1e-9,
) -> None:
    """Assert that two functions of `arrays` have the same results and derivatives.

    Parameters
    ----------
    ours, theirs : callable
        Take a tensor for each array, of this library and of PyTorch.
    arrays : sequence of array
        Those of floating point are differentiated.
    parameters : pair of sequences of Tensor
        Further leaves of ours and of theirs to differentiate by.
    order : 1 or 2
        With 2, a random functional of the gradients is differentiated as well.
    tolerance : float
        Absolute, and relative to the largest element of what is compared.
    """
    torch = pytest.importorskip("torch")
    found = derivatives(tg, ours, arrays, parameters[0], seed, order)
    expected = derivatives(torch, theirs, arrays, parameters[1], seed, order)
    assert list(found) == list(expected)
    for what, values in expected.items():
        assert len(found[what]) == len(values)
        for i, (a, b) in enumerate(zip(found[what], values, strict=True)):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{what} {i}: {a.shape} {a.dtype}, not {b.shape} {b.dtype}"
            size = np.abs(b[np.isfinite(b)]).max(initial=1.0) if b.dtype.kind == "f" else 1.0
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size, err_msg=f"{what} {i}")


def derivatives(
    library: Any,
    function: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    parameters: Sequence[Any],
    seed: int,
    order: int,
) -> dict[str, list[np.ndarray]]:
    """Results, gradients by a plain pass and by one that builds a graph, and derivatives of the latter."""
    leaves = [library.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    outs = list(_flat(function(*leaves)))
    wanted = [x for x in [*leaves, *parameters] if x.requires_grad]
    found = {"result": [o.detach().numpy() for o in outs]}

    def gradients(of: list[Any], seed: list[int], **how: bool) -> list[Any]:
        # Each position has numbers of its own, so that a result which needs no gradient shifts none of the others.
        pairs = [(v, _random(library, v, [*seed, i])) for i, v in enumerate(of) if v is not None and v.requires_grad]
        if not pairs:
            return [None] * len(wanted)
        return list(
            library.autograd.grad([v for v, _ in pairs], wanted, [c for _, c in pairs], allow_unused=True, **how)
        )

    def keep(what: str, grads: list[Any]) -> None:
        found[what] = [
            np.zeros(tuple(x.shape), x.detach().numpy().dtype) if g is None else g.numpy(force=True)
            for x, g in zip(wanted, grads, strict=True)
        ]

    keep("gradient", gradients(outs, [seed, 1], retain_graph=True))
    if order == 2:
        first = gradients(outs, [seed, 1], create_graph=True)
        keep("gradient with create_graph", first)
        keep("second derivative", gradients(first, [seed, 2]))
    return found


def _random(library: Any, like: Any, seed: list[int]) -> Any:
    """Numbers of both signs and different sizes in the shape of a result: a cotangent of ones hides wrong gradients."""
    return library.tensor(
        np.asarray(np.random.default_rng(seed).normal(size=tuple(like.shape)), like.detach().numpy().dtype)
    )


def _flat(value: Any) -> Iterator[Any]:
    """The tensors of a result, which may be a tensor or nested tuples."""
    if isinstance(value, (tuple, list)):
        for v in value:
            yield from _flat(v)
    else:
        yield value


def same_state(ours: Any, theirs: Any, seed: int = 0, scale: float = 0.7) -> None:
    """Give a module and PyTorch's the same random floating-point state, after comparing keys, shapes and types."""
    torch = pytest.importorskip("torch")
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    rng = np.random.default_rng(seed)
    values = {}
    for key, value in state.items():
        held = ours.state_dict()[key].numpy()
        assert (held.shape, held.dtype) == (tuple(value.shape), value.numpy().dtype), key
        values[key] = np.asarray(rng.normal(scale=scale, size=held.shape), held.dtype)
    theirs.load_state_dict({key: torch.tensor(v) for key, v in values.items()})
    ours.load_state_dict({key: tg.tensor(v) for key, v in values.items()})
