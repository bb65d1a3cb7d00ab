"""Every optimizer and scheduler goes on from a file as if nothing had happened; so it does from a file of PyTorch."""

import io

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn, optim
from tinygrad_edu.serialization import load, save

OPTIMIZERS = {name: {} for name in optim.__all__ if name[0].isupper() and name not in ("Optimizer", "SparseAdam")} | {
    "SGD": {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "RMSprop": {"lr": 0.01, "momentum": 0.5, "centered": True},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1},
    "LBFGS": {"lr": 0.3, "max_iter": 3, "history_size": 4},
    "Muon": {"lr": 0.01},
}
SCHEDULERS = {
    "ConstantLR": {"total_iters": 4},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3},
    "ExponentialLR": {"gamma": 0.9},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "LinearLR": {},
    "MultiStepLR": {"milestones": [2, 5, 5]},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.9},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 20},
    "PolynomialLR": {"total_iters": 8, "power": 2.0},
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.5},
}


def through_file(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


def steps(model, optimizer, count, x):
    """Train for some steps, in this library or in PyTorch."""
    for _ in range(count):

        def closure():
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
    return [p.detach().numpy().copy() for p in model.parameters()]


def make(library, name, seed=0):
    """A model with drawn weights, the same in both libraries, and an optimizer of it."""
    bias = name != "Muon"  # which is for matrices
    layers = library.nn
    model = layers.Sequential(layers.Linear(3, 4, bias=bias), layers.Tanh(), layers.Linear(4, 2, bias=bias)).double()
    rng = np.random.default_rng(seed)
    values = {key: rng.normal(size=tuple(value.shape)) for key, value in model.state_dict().items()}
    model.load_state_dict({key: library.from_numpy(value) for key, value in values.items()})
    options = OPTIMIZERS[name]
    return model, getattr(library.optim, name)(model.parameters(), **options)


X = np.random.default_rng(1).normal(size=(5, 3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on_from_a_file_bit_for_bit(name):
    x = tg.from_numpy(X)
    model, optimizer = make(tg, name)
    steps(model, optimizer, 4, x)
    state = through_file({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    expected = steps(model, optimizer, 4, x)
    again, other = make(tg, name, seed=5)
    again.load_state_dict(state["model"])
    other.load_state_dict(state["optimizer"])
    for a, b in zip(steps(again, other, 4, x), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "Lion"])
def test_an_optimizer_goes_on_from_a_file_of_pytorch(name):
    torch = pytest.importorskip("torch")
    theirs, torch_optimizer = make(torch, name)
    steps(theirs, torch_optimizer, 4, torch.from_numpy(X))
    file = io.BytesIO()
    torch.save({"model": theirs.state_dict(), "optimizer": torch_optimizer.state_dict()}, file)
    file.seek(0)
    state = load(file)
    model, optimizer = make(tg, name, seed=5)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    expected = steps(theirs, torch_optimizer, 4, torch.from_numpy(X))
    tolerance = 1e-3 if name == "Muon" else 1e-7  # it computes in half precision in PyTorch
    for a, b in zip(steps(model, optimizer, 4, tg.from_numpy(X)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def rates(library, name, optimizer):
    return getattr(library.optim.lr_scheduler, name)(optimizer, **SCHEDULERS[name])


def epochs(scheduler, optimizer, count, name):
    found = []
    for i in range(count):
        optimizer.step()
        scheduler.step(*([1.0 + i % 3] if name == "ReduceLROnPlateau" else []))
        found.append(optimizer.param_groups[0]["lr"])
    return found


def optimizer_of(library):
    p = library.zeros(1, requires_grad=True)
    p.grad = library.ones(1)
    return library.optim.SGD([p], lr=0.2, momentum=0.9)


@pytest.mark.parametrize("source", ["ours", "PyTorch"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_goes_on_from_a_file(name, source):
    library = tg if source == "ours" else pytest.importorskip("torch")
    optimizer = optimizer_of(library)
    scheduler = rates(library, name, optimizer)
    epochs(scheduler, optimizer, 3, name)
    state = {"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()}
    if source == "ours":
        state = through_file(state)
    else:
        file = io.BytesIO()
        library.save(state, file)
        file.seek(0)
        state = load(file)
    expected = epochs(scheduler, optimizer, 8, name)
    new_optimizer = optimizer_of(tg)
    new = rates(tg, name, new_optimizer)
    new.load_state_dict(state["scheduler"])
    new_optimizer.load_state_dict(state["optimizer"])
    assert epochs(new, new_optimizer, 8, name) == pytest.approx(expected, rel=1e-12)


def test_every_optimizer_and_scheduler_is_here():
    given = {name for name in optim.lr_scheduler.__all__ if name[0].isupper()}
    assert given - set(SCHEDULERS) == {"LRScheduler", "ChainedScheduler", "SequentialLR"}


@pytest.mark.parametrize("composed", ["SequentialLR", "ChainedScheduler"])
def test_composed_schedulers_go_on_from_a_file(composed):
    def build():
        optimizer = optimizer_of(tg)
        parts = [
            optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4),
            optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        ]
        if composed == "SequentialLR":
            return optimizer, optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=[4])
        return optimizer, optim.lr_scheduler.ChainedScheduler(parts)

    optimizer, scheduler = build()
    epochs(scheduler, optimizer, 3, composed)
    state = through_file({"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()})
    expected = epochs(scheduler, optimizer, 8, composed)
    optimizer, scheduler = build()
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    assert epochs(scheduler, optimizer, 8, composed) == expected


def test_a_model_with_batch_norm_and_lstm_comes_from_pytorch():
    torch = pytest.importorskip("torch")

    def build(layers):
        return layers.ModuleDict(
            {
                "rnn": layers.LSTM(3, 4, 2, bidirectional=True),
                "norm": layers.BatchNorm1d(8),
                "table": layers.Embedding(5, 3),
            }
        )

    theirs, ours = build(torch.nn), build(nn)
    theirs["norm"](torch.randn(6, 8))
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    state = load(file)
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    words = np.array([[1, 2], [3, 4]])
    for m in (theirs, ours):
        m.eval()
    expected = theirs["norm"](theirs["rnn"](theirs["table"](torch.from_numpy(words)))[0][0]).detach().numpy()
    found = ours["norm"](ours["rnn"](ours["table"](tg.from_numpy(words)))[0][0]).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
