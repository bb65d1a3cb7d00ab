"""Ways to call that PyTorch allows besides its own signatures: NumPy's words, out=, older forms."""

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.nn import functional as F

CALLS = {
    "sum": lambda t, x: (t.sum(x, axis=1, keepdims=True), x.sum(axis=0)),
    "max": lambda t, x: (t.max(x, axis=1).values, x.argmax(axis=-1)),
    "var": lambda t, x: (t.var_mean(x, axis=1)[0], x.std(axis=(0, 1))),
    "cat": lambda t, x: (t.cat([x, x], axis=1), t.stack([x, x], axis=1)),
    "softmax": lambda t, x: (t.softmax(x, axis=1), x.cumsum(axis=1), x.unsqueeze(axis=0).squeeze(axis=0)),
    "x": lambda t, x: (t.sum(x=x), t.gather(x, axis=1, index=t.argmax(x, axis=1, keepdims=True))),
    "out": lambda t, x: written(t, lambda out: t.mul(x, 2, out=out)),
    "out of no size": lambda t, x: written(t, lambda out: t.matmul(x, x.T, out=out), 0),
    "out of another type": lambda t, x: written(t, lambda out: t.sum(x, axis=1, out=out.double()), 3),
    "several": lambda t, x: t.max(x, 1, out=(t.empty(0), t.empty(0, dtype=t.long))),
    "made": lambda t, x: (t.arange(3, out=t.empty(3, dtype=t.long)), t.zeros(2, 2, out=t.empty(0))),
    "factors": lambda t, x: (t.add(x, 2, x), x.add(-1, x), x.clone().add_(-3, x), x.sub(2, x)),
    "values": lambda t, x: (t.addcmul(x, 2, x, x), x.clone().addcdiv_(-0.5, x, x + 9), x.addcmul(3, x, x)),
}


def written(t: Any, f: Any, *shape: int) -> tuple[Any, ...]:
    out = t.empty(*(shape or (3, 4)))
    return f(out), out


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_like_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    for ours, theirs in zip(CALLS[name](tg, tg.tensor(array)), CALLS[name](torch, torch.tensor(array)), strict=True):
        if name != "out of another type":  # there the tensor that is looked at is not the one that was written to
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
            assert str(ours.dtype).removeprefix("tg.") == str(theirs.dtype).removeprefix("torch.")


def test_out_is_the_tensor_that_was_given() -> None:
    x, out = tg.ones(2, 3), tg.empty(2, 3)
    assert tg.exp(x, out=out) is out and out.tolist() == tg.exp(x).tolist()
    with pytest.raises(RuntimeError, match=r"add: a result that is written to out= cannot be differentiated"):
        tg.add(x.requires_grad_(), 1, out=out)
    with pytest.raises(RuntimeError, match=r"exp: a result of tg.float32 cannot be written to a tensor of tg.int64"):
        tg.exp(x.detach(), out=tg.empty(2, 3, dtype=tg.int64))
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        tg.sum(x, axes=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        tg.sum(x, 0, axis=1)  # type: ignore[call-arg]


LOSSES: dict[str, Any] = {
    "CrossEntropyLoss": (lambda t, x: (x, t.tensor([0, 2, 1])), "cross_entropy"),
    "NLLLoss": (lambda t, x: (x, t.tensor([0, 2, 1])), "nll_loss"),
    "MSELoss": (lambda t, x: (x, x * 0.5), "mse_loss"),
    "L1Loss": (lambda t, x: (x, x * 0.5), "l1_loss"),
    "BCEWithLogitsLoss": (lambda t, x: (x, x.sigmoid()), "binary_cross_entropy_with_logits"),
    "KLDivLoss": (lambda t, x: (x, x.sigmoid()), "kl_div"),
    "SmoothL1Loss": (lambda t, x: (x, x * 0.5), "smooth_l1_loss"),
    "MarginRankingLoss": (lambda t, x: (x, x * 0.5, x.sign()), "margin_ranking_loss"),
    "TripletMarginLoss": (lambda t, x: (x, x * 0.5, x * 3), "triplet_margin_loss"),
    "PoissonNLLLoss": (lambda t, x: (x, x.exp()), "poisson_nll_loss"),
    "MultiMarginLoss": (lambda t, x: (x, t.tensor([0, 2, 1])), "multi_margin_loss"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_with_older_arguments(name: str) -> None:
    torch = pytest.importorskip("torch")
    array = np.random.default_rng(0).normal(size=(3, 4))
    data, function = LOSSES[name]
    for kwargs in (
        {"size_average": False},
        {"reduce": False},
        {"size_average": True},
        {"size_average": False, "reduce": True},
    ):
        values = []
        for t, layers, f in ((tg, nn, F), (torch, torch.nn, torch.nn.functional)):
            arguments = data(t, t.tensor(array))
            values += [getattr(layers, name)(**kwargs)(*arguments), getattr(f, function)(*arguments, **kwargs)]
        for value in values[1:]:
            np.testing.assert_allclose(values[0].numpy(), value.numpy(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_losses_with_arguments_in_the_places_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x, w = np.random.default_rng(0).normal(size=(3, 4)), [1.0, 2.0, 3.0, 0.5]
    values = []
    for t, layers, f in ((tg, nn, F), (torch, torch.nn, torch.nn.functional)):
        logits, target, weight = t.tensor(x), t.tensor([0, 2, 1]), t.tensor(w, dtype=t.float64)
        values.append(
            [
                f.cross_entropy(logits, target, weight, None, 2).item(),
                f.nll_loss(logits, target, weight, False).item(),
                f.mse_loss(logits, logits * 0.5, False, None).item(),
                layers.CrossEntropyLoss(weight, None, 1)(logits, target).item(),
                layers.MSELoss(False)(logits, logits * 0.5).item(),
            ]
        )
    assert values[0] == pytest.approx(values[1])
    assert F.cross_entropy(tg.tensor(x), tg.tensor([0, 2, 1]), None, 2).shape == ()  # our own order still holds
    with pytest.warns(UserWarning, match=r"old forms of reduction='sum'"):
        nn.MSELoss(size_average=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 2, 2, 2)])
def test_softmax_without_a_dimension(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=shape)
    for name in ("softmax", "log_softmax", "softmin"):
        theirs = getattr(torch.nn.functional, name)(torch.tensor(x)).numpy()
        np.testing.assert_allclose(getattr(F, name)(tg.tensor(x)).numpy(), theirs)
    np.testing.assert_allclose(nn.Softmax()(tg.tensor(x)).numpy(), torch.nn.Softmax()(torch.tensor(x)).numpy())
    with pytest.warns(UserWarning, match="softmax: no dim was given, so it is"):
        F.softmax(tg.tensor(x))


def test_parts_of_shapes_are_shapes() -> None:
    shape = tg.zeros(2, 3, 4).shape
    for part in (shape[1:], shape[:-1], shape + (1,), (1, *shape) and (1,) + shape, shape * 2, 2 * shape):
        assert type(part) is tg.Size
    assert shape[1:].numel() == 12 and shape[0] == 2 and (5,) + shape == (5, 2, 3, 4)


def test_any_sequence_makes_a_tensor() -> None:
    from collections import deque

    assert tg.tensor(deque([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert tg.tensor([deque([1, 2]), (3, 4)]).tolist() == [[1, 2], [3, 4]]
    assert tg.FloatTensor(deque([1])).tolist() == [1.0]
    with pytest.raises(TypeError, match="elements must be numbers"):
        tg.tensor("ab")


def test_one_limit_and_a_size_by_name() -> None:
    x = tg.randint(3, size=(1000,))
    assert x.shape == (1000,) and set(x.tolist()) == {0, 1, 2}


def test_dropping_channels_where_there_are_no_places() -> None:
    tg.manual_seed(0)
    for drop in (F.dropout2d, F.dropout3d):
        with pytest.warns(UserWarning, match="has no places, so single elements are dropped"):
            y = drop(tg.ones(100, 20), 0.25)
        assert (
            sorted(set(y.flatten().tolist())) == pytest.approx([0.0, 4 / 3])
            and 0.2 < (y == 0).float().mean().item() < 0.3
        )
