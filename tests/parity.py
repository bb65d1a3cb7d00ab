"""An operation beside PyTorch: values, gradients and the types of results, on arguments drawn from its spec."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu.testing.spec import OpSpec


def theirs(spec: OpSpec, torch: Any) -> Any:
    """The function of PyTorch that a spec names."""
    if callable(spec.torch):
        return functools.partial(spec.torch, torch)
    return functools.reduce(getattr, spec.torch.split("."), torch)


def _convert(value: Any, leaf: Any) -> Any:
    """Replace every tensor, also inside lists, by ``leaf`` of it."""
    if isinstance(value, tg.Tensor):
        return leaf(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_convert(v, leaf) for v in value)
    return value


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _array(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else np.asarray(value)


def _name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def _run(torch: Any, spec: OpSpec, case: Any, seed: int) -> None:
    """Values, and gradients for the same cotangents."""
    ours_leaves: list[Any] = []
    their_leaves: list[Any] = []

    def mine(x: tg.Tensor) -> tg.Tensor:
        y = x.detach().clone()
        if spec.differentiable and x.is_floating_point():
            ours_leaves.append(y.requires_grad_())
        return y

    def other(x: tg.Tensor) -> Any:
        y = torch.from_numpy(np.array(_array(x)))
        if spec.differentiable and x.is_floating_point():
            their_leaves.append(y.requires_grad_())
        return y

    args = case if isinstance(case, (tuple, list)) else (case,)
    ours = _parts(spec.function(*[_convert(a, mine) for a in args]))
    want = _parts(theirs(spec, torch)(*[_convert(a, other) for a in args]))
    assert len(ours) == len(want), f"{spec.name}: {len(ours)} results, PyTorch gives {len(want)}"
    rng = np.random.default_rng(seed)
    pairs = []
    for a, b in zip(ours, want, strict=True):
        x, y = _array(a), _array(b)
        assert x.shape == y.shape and x.dtype == y.dtype, f"{spec.name}: {x.dtype}{x.shape}, PyTorch {y.dtype}{y.shape}"
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=f"{spec.name}: the value")
        if isinstance(a, tg.Tensor) and y.dtype.kind == "f":
            assert a.requires_grad == b.requires_grad, f"{spec.name}: requires_grad is {a.requires_grad}"
            if a.requires_grad:
                pairs.append((a, b, rng.normal(size=y.shape).astype(y.dtype)))
    if not pairs:
        return
    tg.autograd.backward([a for a, _, _ in pairs], [tg.tensor(c) for _, _, c in pairs])
    torch.autograd.backward([b for _, b, _ in pairs], [torch.from_numpy(np.array(c)) for _, _, c in pairs])
    for i, (x, y) in enumerate(zip(ours_leaves, their_leaves, strict=True)):
        got = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
        expected = np.zeros(x.shape) if y.grad is None else y.grad.numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9, err_msg=f"{spec.name}: gradient {i}")


def check_values(torch: Any, spec: OpSpec, case: Any, seed: int) -> None:
    """Results and gradients agree in float64."""
    _run(torch, spec, case, seed)


def check_types(torch: Any, spec: OpSpec, case: Any) -> None:
    """For every mixture of the spec's types the results have PyTorch's types, or both refuse."""
    args = case if isinstance(case, (tuple, list)) else (case,)
    floats: list[tg.Tensor] = []
    _convert(list(args), lambda x: floats.append(x) if x.is_floating_point() else None)
    kinds = spec.dtypes.split()
    mixtures = itertools.product(kinds, repeat=len(floats)) if len(floats) <= 2 else ([k] * len(floats) for k in kinds)
    for mixture in mixtures:
        ours, their = list(mixture), list(mixture)

        def mine(x: tg.Tensor, ours: list[str] = ours) -> tg.Tensor:
            return x.to(getattr(tg, ours.pop(0))) if x.is_floating_point() else x

        def other(x: tg.Tensor, their: list[str] = their) -> Any:
            y = torch.from_numpy(np.array(_array(x)))
            return y.to(getattr(torch, their.pop(0))) if x.is_floating_point() else y

        try:
            want = _parts(theirs(spec, torch)(*[_convert(a, other) for a in args]))
        except (RuntimeError, TypeError, ValueError, IndexError):
            continue  # PyTorch has no kernel for some types that are no mistake
        got = _parts(spec.function(*[_convert(a, mine) for a in args]))
        for g, w in zip(got, want, strict=True):
            if hasattr(w, "dtype"):
                assert _name(g.dtype) == _name(w.dtype), f"{spec.name} of {mixture}: {g.dtype}, PyTorch {w.dtype}"
