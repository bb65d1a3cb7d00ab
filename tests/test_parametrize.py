"""Parametrizations: PyTorch's keys, values and derivatives, and what registering and removing them does to a module."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn.utils import parametrizations, parametrize
from tinygrad_edu.testing import check_gradients


def pair(make: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """A module of ours and one of PyTorch's in float64, each made by ``make(lib)``, in the same state."""
    torch = pytest.importorskip("torch")
    ours, theirs = make(tg, *args, **kwargs).double(), make(torch, *args, **kwargs).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours).split("(")[0] == repr(theirs).split("(")[0]
    ours.load_state_dict({k: tg.tensor(v.detach().numpy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def parameters(ours: Any, theirs: Any) -> Any:
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    return list(ours.parameters()), list(theirs.parameters())


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("layer", ["Linear", "Conv2d"])
def test_weight_norm_is_that_of_pytorch(layer: str, dim: Any) -> None:
    sizes, shape = ((3, 4), (2, 3)) if layer == "Linear" else ((3, 4, 2), (2, 3, 3, 3))
    ours, theirs = pair(lambda lib: lib.nn.utils.parametrizations.weight_norm(getattr(lib.nn, layer)(*sizes), dim=dim))
    agree(ours, theirs, [numbers(*shape)], parameters(ours, theirs), order=1)  # PyTorch's second derivative is wrong
    held = ours.parametrizations.weight
    check_gradients(held[0], held.original0.detach(), held.original1.detach(), order=2)
    before = ours.weight.detach().numpy()
    parametrize.remove_parametrizations(ours, "weight")
    np.testing.assert_allclose(ours.weight.detach().numpy(), before, rtol=1e-12)
    assert type(ours) is getattr(nn, layer) and isinstance(ours.weight, nn.Parameter)


def test_weight_norm_reads_older_checkpoints() -> None:
    layer = parametrizations.weight_norm(nn.Linear(2, 3))
    state = {"bias": tg.zeros(3), "weight_g": tg.full((3, 1), 2.0), "weight_v": tg.ones(3, 2)}
    layer.load_state_dict(state)
    np.testing.assert_allclose(layer.weight.detach().numpy(), np.full((3, 2), 2**0.5), rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "sizes", "shape"), [("Linear", (3, 4), (2, 3)), ("ConvTranspose1d", (2, 3, 2), (1, 2, 4))]
)
def test_spectral_norm_is_that_of_pytorch(layer: str, sizes: Any, shape: Any) -> None:
    ours, theirs = pair(
        lambda lib: lib.nn.utils.parametrizations.spectral_norm(getattr(lib.nn, layer)(*sizes), eps=1e-12)
    )
    x = numbers(*shape)
    agree(lambda t: ours(t) + ours(t), lambda t: theirs(t) + theirs(t), [x], parameters(ours, theirs))
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
    agree(ours.eval(), theirs.eval(), [x], parameters(ours, theirs))
    for _ in range(200):
        ours.train().weight  # noqa: B018  # each use does a step
    assert abs(float(tg.linalg.matrix_norm(ours.weight.movedim(layer[0] == "C", 0).flatten(1), 2)) - 1) < 1e-6


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_weights_are_those_of_pytorch(how: str, shape: Any, trivial: bool) -> None:
    torch = pytest.importorskip("torch")

    def make(lib: Any) -> Any:
        layer = lib.nn.Linear(shape[1], shape[0]).double()
        return lib.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=how, use_trivialization=trivial)

    ours, theirs = make(tg), make(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    start = numbers(*shape)
    if how == "householder":
        np.fill_diagonal(start, [1, -1, 1][: min(shape)])
    held = {k: v.detach().numpy() for k, v in theirs.state_dict().items()} | {"parametrizations.weight.original": start}
    ours.load_state_dict({k: tg.tensor(v) for k, v in held.items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in held.items()})
    agree(ours, theirs, [numbers(2, shape[1])], parameters(ours, theirs), order=1 if how == "householder" else 2)
    w = ours.weight if shape[0] >= shape[1] else ours.weight.mT
    np.testing.assert_allclose((w.mT @ w).detach().numpy(), np.eye(min(shape)), atol=1e-12)


@pytest.mark.parametrize("how", ["matrix_exp", "cayley", "householder"])
def test_an_orthogonal_weight_starts_from_the_present_one_and_can_be_assigned(how: str) -> None:
    for shape in [(3, 3), (4, 2), (2, 4)]:
        layer = nn.Linear(shape[1], shape[0]).double()
        nn.init.orthogonal_(layer.weight)
        before = layer.weight.detach().clone().numpy()
        parametrizations.orthogonal(layer, orthogonal_map=how)
        np.testing.assert_allclose(layer.weight.detach().numpy(), before, atol=1e-12)
        new = nn.init.orthogonal_(tg.empty(shape, dtype=tg.float64))
        layer.weight = new
        np.testing.assert_allclose(layer.weight.detach().numpy(), new.numpy(), atol=1e-12)


def test_reflections_start_from_the_present_weight_without_a_base() -> None:
    for shape in [(3, 3), (4, 2), (2, 4)]:
        layer = nn.Linear(shape[1], shape[0]).double()
        nn.init.orthogonal_(layer.weight)
        before = layer.weight.detach().clone().numpy()
        parametrizations.orthogonal(layer, orthogonal_map="householder", use_trivialization=False)
        np.testing.assert_allclose(layer.weight.detach().numpy(), before, atol=1e-12)
    layer = parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="use_trivialization=True"):
        layer.weight = tg.eye(2)


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x: Any) -> Any:
        return x.triu()


class Scaled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return x * self.factor

    def right_inverse(self, x: Any) -> Any:
        return x / self.factor


def test_a_parametrization_takes_the_place_of_the_parameter() -> None:
    layer = nn.Linear(3, 3)
    held = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.register_parametrization(layer, "weight", Scaled(2.0))
    assert repr(layer) == (
        "ParametrizedLinear(\n  in_features=3, out_features=3, bias=True\n  (parametrizations): ModuleDict(\n"
        "    (weight): ParametrizationList(\n      (0): Symmetric()\n      (1): Scaled()\n    )\n  )\n)"
    )
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original is held  # an optimizer may hold it
    assert layer.weight.equal(layer.weight.mT) and layer.weight.requires_grad
    layer(tg.randn(2, 3)).sum().backward()
    assert held.grad is not None and not held.grad.tril(-1).numpy().any()
    value = tg.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    layer.weight = value
    assert layer.weight.equal(value) and layer.parametrizations.weight.original is held
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    parametrize.remove_parametrizations(layer, "weight")
    assert layer.weight is held and layer.weight.equal(value) and type(layer) is nn.Linear
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_copies_of_a_parametrized_module_live_on_their_own() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    twin = copy.deepcopy(layer)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert parametrize.is_parametrized(twin, "weight") and not parametrize.is_parametrized(layer)
    assert twin.weight.equal(twin.weight.mT)
    twin.load_state_dict(parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric()).state_dict())
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(twin)


def test_inside_of_cached_a_tensor_is_computed_once() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first


def test_parametrizations_are_handed_over_with_their_values() -> None:
    source = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    target = parametrize.transfer_parametrizations_and_params(source, nn.Linear(2, 2))
    assert target.weight.equal(source.weight)
    assert target.parametrizations.weight.original is not source.parametrizations.weight.original


def test_what_does_not_fit_is_refused() -> None:
    class Wider(nn.Module):
        def forward(self, x: Any) -> Any:
            return tg.cat([x, x])

    register = parametrize.register_parametrization
    with pytest.raises(ValueError, match="Linear has no parameter, buffer or parametrized tensor 'w'"):
        register(nn.Linear(2, 2), "w", Symmetric())
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"expected a tensor of tg.float32 and shape \(2, 2\) as before"):
        register(layer, "weight", Wider())
    assert type(layer) is nn.Linear and "weight" in layer.state_dict()
    assert register(layer, "weight", Wider(), unsafe=True).weight.shape == (4, 2)
    with pytest.raises(RuntimeError, match="Wider has no right_inverse"):
        layer.weight = tg.zeros(4, 2)
    with pytest.raises(ValueError, match="no parametrization of 'bias'"):
        parametrize.remove_parametrizations(layer, "bias")
    with pytest.raises(ValueError, match="here are several"):
        parametrize.remove_parametrizations(parametrizations.weight_norm(nn.Linear(2, 2)), "weight", False)
    for bad, text in [("bias", "two dimensions or more"), ("w", "no parameter or buffer 'w'")]:
        with pytest.raises(ValueError, match=text):
            parametrizations.orthogonal(nn.Linear(2, 2), bad)
    with pytest.raises(ValueError, match="orthogonal_map must be one of"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="n_power_iterations must be positive"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


@pytest.mark.parametrize(
    ("layer", "sizes", "shape"), [("Linear", (3, 4), (2, 3)), ("ConvTranspose1d", (2, 3, 2), (1, 2, 4))]
)
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_norms_by_hooks_are_those_of_pytorch(kind: str, layer: str, sizes: Any, shape: Any) -> None:
    ours, theirs = pair(lambda lib: getattr(lib.nn.utils, kind)(getattr(lib.nn, layer)(*sizes)))
    x = numbers(*shape)
    for _ in range(2):
        agree(ours, theirs, [x], parameters(ours, theirs), order=1)
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
    with pytest.raises(RuntimeError, match=f"{kind}: {layer} has it on 'weight' already"):
        getattr(nn.utils, kind)(ours)
    value = ours.eval()(tg.tensor(x)).detach().numpy()
    getattr(nn.utils, f"remove_{kind}")(ours)
    assert sorted(ours.state_dict()) == ["bias", "weight"] and not ours._hooks
    np.testing.assert_allclose(ours(tg.tensor(x)).detach().numpy(), value, atol=1e-12)
    with pytest.raises(ValueError, match=f"{kind}: {layer} has none on 'weight'"):
        getattr(nn.utils, f"remove_{kind}")(ours)
