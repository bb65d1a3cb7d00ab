"""autograd.functional beside PyTorch's, and gradcheck under its name."""

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
import tinygrad_edu.testing
from tinygrad_edu.autograd import functional as AF

FUNCTIONS: dict[str, tuple[Any, list[tuple[int, ...]]]] = {
    "vector": (lambda x: x * x.sum(), [(3,)]),
    "matrix": (lambda x: (x @ x).exp(), [(2, 2)]),
    "two": (lambda x, y: (x * y, x.sum() + (y**3).sum()), [(2,), (2,)]),
    "number": (lambda x: (x**3).sum() * x[0], [(3,)]),
    "of two": (lambda x, y: (x**2 * y).sum(), [(2,), (2,)]),
    "unused": (lambda x, y: (x**2).sum() + 0 * x[0], [(2,), (3,)]),
}


def flat(value: Any) -> list[Any]:
    return [a for v in value for a in flat(v)] if isinstance(value, tuple) else [value.detach().numpy()]


def assert_like(ours: Any, theirs: Any) -> None:
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert a.shape == b.shape


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("product", ["jacobian", "vjp", "jvp", "hessian", "hvp", "vhp"])
def test_like_pytorch(name: str, product: str) -> None:
    torch = pytest.importorskip("torch")
    f, shapes = FUNCTIONS[name]
    numbers = name in ("number", "of two", "unused")
    if product in ("hessian", "hvp", "vhp") and not numbers:
        with pytest.raises(RuntimeError, match="must return a single number"):
            getattr(AF, product)(f, tuple(tg.ones(s) for s in shapes), tuple(tg.ones(s) for s in shapes))
        return
    rng = np.random.default_rng(0)
    points = [rng.normal(size=s) for s in shapes]
    vectors = [rng.normal(size=s) for s in shapes]
    found = []
    for library, module in ((tg, AF), (torch, torch.autograd.functional)):
        x, v = (tuple(library.tensor(a) for a in arrays) for arrays in (points, vectors))
        if product == "vjp":
            out = f(*x)
            v = (
                tuple(library.ones_like(o) * 1.5 for o in out)
                if isinstance(out, tuple)
                else library.ones_like(out) * 1.5
            )
        x = x if len(x) > 1 else x[0]
        v = v[0] if isinstance(v, tuple) and len(v) == 1 else v
        arguments = () if product in ("jacobian", "hessian") else (v,)
        found.append(getattr(module, product)(f, x, *arguments))
    assert_like(*found)


def test_results_can_be_differentiated_again() -> None:
    x = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    for f in (
        lambda t: AF.jacobian(lambda s: s**3, t, create_graph=True),
        lambda t: AF.jvp(lambda s: s**3, t, tg.ones(2, dtype=tg.float64), create_graph=True)[1],
        lambda t: AF.hvp(lambda s: (s**3).sum(), t, tg.ones(2, dtype=tg.float64), create_graph=True)[1],
    ):
        assert tg.autograd.gradcheck(f, x)
    assert not AF.jacobian(lambda s: s**3, x).requires_grad and x.grad is None


def test_errors() -> None:
    x = tg.ones(2)
    with pytest.raises(TypeError, match="jacobian: inputs must be a Tensor"):
        AF.jacobian(tg.exp, 3)
    with pytest.raises(RuntimeError, match=r"vjp: v must have the form \(float32\[2\]\)"):
        AF.vjp(tg.exp, x, tg.ones(3))
    with pytest.raises(RuntimeError, match="vjp: v may be left out for a single number only"):
        AF.vjp(tg.exp, x)
    with pytest.raises(RuntimeError, match="does not depend on the inputs"):
        AF.jacobian(lambda t: tg.ones(2), x, strict=True)
    assert AF.jacobian(lambda t: tg.ones(2), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert AF.jacobian(lambda t: t[:0], x).shape == (0, 2)


class WrongDouble(tg.Function):
    def forward(self, x: Any) -> Any:
        return 2 * x

    def backward(self, g: Any) -> Any:
        return 3 * g


def test_gradcheck_finds_a_wrong_formula() -> None:
    x = tg.tensor([0.3, -1.0], dtype=tg.float64, requires_grad=True)
    assert tg.autograd.gradcheck(tg.sin, x) and tg.autograd.gradgradcheck(tg.sin, (x,))
    assert not tg.autograd.gradcheck(WrongDouble.apply, (x,), raise_exception=False)
    with pytest.raises(tg.testing.GradientError):
        tg.autograd.gradgradcheck(WrongDouble.apply, (x,))


@pytest.mark.parametrize("create", [False, True])
def test_batched_cotangents_are_walked_one_by_one(create: bool) -> None:
    x = tg.tensor([1.0, 2.0, 3.0], dtype=tg.float64, requires_grad=True)
    unused = tg.zeros(1, requires_grad=True)
    y = x**3 + x.sum()
    rows = tg.tensor([[1.0, 0.0, -2.0], [0.5, 1.0, 0.0]], dtype=tg.float64)
    found, nothing = tg.autograd.grad(
        y, [x, unused], rows, create_graph=create, allow_unused=True, is_grads_batched=True
    )
    for i in range(2):
        (one,) = tg.autograd.grad(x**3 + x.sum(), x, rows[i])
        assert found[i].equal(one)
    assert nothing is None and found.requires_grad is create
    if create:
        (second,) = tg.autograd.grad(found[0, 2], x)
        assert second.tolist() == [0.0, 0.0, -36.0]
    else:
        with pytest.raises(RuntimeError):  # the graph was used up, as without batches
            y.sum().backward()


def test_wrong_batches_of_cotangents_are_refused() -> None:
    x = tg.ones(2, requires_grad=True)
    for rows in (tg.tensor(1.0), None, tg.ones(0, 2)):
        with pytest.raises(ValueError, match="batched"):
            tg.autograd.grad(x * 2, x, rows, is_grads_batched=True)
    with pytest.raises(ValueError, match=r"same number of slices.*\[1, 2\]"):
        tg.autograd.grad([x * 2, x * 3], x, [tg.ones(1, 2), tg.ones(2, 2)], is_grads_batched=True)
