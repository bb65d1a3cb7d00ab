"""Lazy modules, fused ones, ones without starting values, and parameters that several modules share."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from pytorch_peer import agree

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.optim import SGD

LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("LazyLinear", (3,), {}, (2, 5)),
    ("LazyLinear", (3, False), {}, (2, 4, 5)),
    *((f"LazyConv{d}d", (4, 2), {"padding": 1, "groups": 2}, (2, 4, *[3] * d)) for d in (1, 2, 3)),
    ("LazyConv2d", (4, 2, 1, "same", 1, 1, False, "reflect"), {}, (6, 3, 3)),
    *((f"LazyConvTranspose{d}d", (4, 3, 2), {"output_padding": 1}, (2, 3, *[3] * d)) for d in (1, 2, 3)),
    ("LazyConvTranspose2d", (4, 3, 2, 0, 1, 2, False), {}, (2, 6, 3, 3)),
    *((f"LazyBatchNorm{d}d", (), {}, (2, 3, *[2] * d)) for d in (1, 2, 3)),
    ("LazyBatchNorm1d", (0.1, None, False), {}, (4, 3)),
    *((f"LazyInstanceNorm{d}d", (), {}, (2, 3, *[2] * d)) for d in (1, 2, 3)),
    ("LazyInstanceNorm2d", (0.1, 0.1, True, False), {"bias": False}, (2, 3, 2, 2)),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_lazy_layers_become_those_of_pytorch(name: str, args: Any, kwargs: Any, shape: Any) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    ours.double(), theirs.double()
    params = list(ours.parameters())
    x = np.random.default_rng(0).normal(size=shape)
    ours(tg.tensor(x)), theirs(torch.tensor(x))
    assert repr(ours) == repr(theirs) and type(ours).__name__ == name.removeprefix("Lazy")
    assert all(a is b for a, b in zip(params, ours.parameters(), strict=True))  # an optimizer may hold them already
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    agree(ours, theirs, [x], (list(ours.parameters()), list(theirs.parameters())), order=1)


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_a_checkpoint_gives_lazy_layers_their_shapes(name: str, args: Any, kwargs: Any, shape: Any) -> None:
    x = tg.randn(shape)
    first = getattr(nn, name)(*args, **kwargs)
    twin = copy.deepcopy(first)
    first(x)
    keys = twin.load_state_dict(first.state_dict())
    assert keys.missing_keys == keys.unexpected_keys == []
    assert all(a.equal(b) for a, b in zip(first.parameters(), twin.parameters(), strict=True))
    first.eval(), twin.eval()
    assert first(x).equal(twin(x)) and repr(first) == repr(twin)


def test_what_has_no_shape_says_so() -> None:
    layer = nn.LazyLinear(3)
    assert repr(layer.weight) == "<UninitializedParameter>" and layer.weight.requires_grad
    for use in (lambda: layer.weight.shape, lambda: layer.weight * 2, lambda: layer.forward(tg.zeros(2, 2))):
        with pytest.raises(RuntimeError, match=r"UninitializedParameter: it has no shape.*call the module once"):
            use()
    state = layer.state_dict()
    assert isinstance(state["weight"], nn.UninitializedParameter)
    nn.LazyLinear(3).load_state_dict(state)
    with pytest.raises(RuntimeError, match='"weight" has no shape'):
        nn.Linear(2, 3).load_state_dict(state)
    with pytest.raises(ValueError, match="LazyConv2d: expected an input of 3 or 4 dimensions"):
        nn.LazyConv2d(3, 3)(tg.zeros(2, 2))
    with pytest.raises(ValueError, match="divisible by groups=2, got 3"):
        nn.LazyConv2d(4, 1, groups=2)(tg.zeros(1, 3, 2, 2))


def test_lazy_modules_are_moved_before_they_have_a_shape() -> None:
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    net.half().double()
    net(tg.zeros(2, 4, dtype=tg.float64))
    assert {t.dtype for t in net.state_dict().values()} == {tg.float64, tg.int64}


# Parameters that several modules share ---------------------------------------------------------------------------------


def test_tied_weights_are_one_parameter_with_the_sum_of_the_gradients() -> None:
    torch = pytest.importorskip("torch")

    class Tied:
        def __init__(self, lib: Any) -> None:
            self.net = lib.nn.Sequential(lib.nn.Embedding(5, 3), lib.nn.Linear(3, 5, bias=False))
            self.net[1].weight = self.net[0].weight

    ours, theirs = Tied(tg).net, Tied(torch).net
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["0.weight", "1.weight"]
    assert len(list(ours.parameters())) == 1
    start = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    state = dict.fromkeys(ours.state_dict(), start)
    ours.load_state_dict({k: tg.tensor(v) for k, v in state.items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    mine, other = SGD(ours.parameters(), 0.1, momentum=0.9), torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    for _ in range(3):
        for net, lib, step in ((ours, tg, mine), (theirs, torch, other)):
            step.zero_grad()
            lib.nn.functional.cross_entropy(net(lib.tensor([0, 2, 2])), lib.tensor([1, 3, 0])).backward()
            step.step()
    assert ours[0].weight is ours[1].weight
    np.testing.assert_allclose(ours[0].weight.detach().numpy(), theirs[0].weight.detach().numpy(), rtol=1e-5, atol=1e-6)


# Fusing and skipping ---------------------------------------------------------------------------------------------------


def _used(norm: Any) -> Any:
    """A batch norm that has seen something."""
    for t in (norm.weight, norm.bias, norm.running_mean):
        t.data.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    return norm.eval()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_fused_convolution_does_the_work_of_its_batch_norm(groups: int, transpose: bool, bias: bool) -> None:
    kind = nn.ConvTranspose2d if transpose else nn.Conv2d
    conv = kind(4, 6, 3, groups=groups, bias=bias).double().eval()
    norm = _used(nn.BatchNorm2d(6).double())
    x = tg.randn(2, 4, 5, 5, dtype=tg.float64)
    fused = nn.utils.fuse_conv_bn_eval(conv, norm, transpose)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(conv(x)).detach().numpy(), atol=1e-12)
    assert (conv.bias is None) == (not bias)  # the original is as it was
    with pytest.raises(ValueError, match="evaluation mode"):
        nn.utils.fuse_conv_bn_eval(conv.train(), norm)


def test_a_fused_linear_layer_does_the_work_of_its_batch_norm() -> None:
    layer, norm = nn.Linear(3, 4).double().eval(), _used(nn.BatchNorm1d(4).double())
    x = tg.randn(5, 3, dtype=tg.float64)
    fused = nn.utils.fuse_linear_bn_eval(layer, norm)
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(layer(x)).detach().numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="4 outputs, the batch norm 3 channels"):
        nn.utils.fuse_linear_bn_eval(layer, nn.BatchNorm1d(3).eval())
    with pytest.raises(ValueError, match="no running statistics"):
        nn.utils.fuse_linear_bn_eval(layer, nn.BatchNorm1d(4, track_running_stats=False).eval())


def test_skipping_the_starting_values_draws_no_random_numbers() -> None:
    before = tg.get_rng_state()
    layer = nn.utils.skip_init(nn.Conv2d, 2, 3, 3, bias=False)
    assert tg.get_rng_state().equal(before)
    assert type(layer) is nn.Conv2d and layer.weight.shape == (3, 2, 3, 3)
    layer.reset_parameters()
    assert not tg.get_rng_state().equal(before)
    with pytest.raises(TypeError, match="subclass of Module"):
        nn.utils.skip_init(tg.zeros, 2)
