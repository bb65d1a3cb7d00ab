"""What holds on every backend that is here: the engine, layers, training and checkpoints give what the CPU gives."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, backends, nn, optim
from tinygrad_edu.testing import conformance
from tinygrad_edu.testing._extensions import EXTENSIONS
from tinygrad_edu.testing.specs import ALL_SPECS

F = nn.functional
ROOT = Path(__file__).parent.parent
OWN_BACKEND = ROOT / "examples" / "own_backend.py"
LIBRARIES = {"strict": ["array_api_strict"], "torch": ["torch", "array_api_compat"], "jax": ["jax"]}


def _marked(name: str) -> Any:
    missing = [module for module in LIBRARIES[name] if find_spec(module) is None]
    marks = [pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")]
    # JAX compiles every operation for every shape.
    return pytest.param(name, marks=[*marks, pytest.mark.slow] if name == "jax" else marks)


@pytest.fixture(params=[_marked(name) for name in LIBRARIES])
def device(request: pytest.FixtureRequest) -> str:
    """Each plug-in backend whose library is installed."""
    name: str = request.param
    return name


def moved(values: Any, device: str) -> Tensor:
    return tg.tensor(values, device=device, dtype=tg.float64)


def agree(f: Callable[[Callable[[Any], Tensor]], Any], device: str) -> None:
    """``f`` gets what makes leaves on a device, and returns tensors: the same on ``device`` as on the CPU."""
    found = []
    for name in ("cpu", device):
        out = f(lambda v, name=name: moved(v, name).requires_grad_())
        out = out if isinstance(out, (tuple, list)) else [out]
        assert all(t.device.type == name for t in out)
        found.append([t.detach().numpy() for t in out])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


# The battery -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extensions_agree(device: str, name: str) -> None:
    assert conformance.check_extension(name, EXTENSIONS[name], device).failures == []


CHOSEN = {"strict": 4, "torch": 4, "jax": 12}


def test_operations_agree(device: str) -> None:
    """Every so many operations; ``python -m tinygrad_edu.testing.conformance`` runs them all."""
    rows = [conformance.check_operation(spec, device, 1) for spec in ALL_SPECS[:: CHOSEN[device]]]
    assert [text for row in rows for text in row.failures] == []


def test_a_wrong_result_is_noticed(
    device: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = type(backends.get(device)).relu
    monkeypatch.setattr(type(backends.get(device)), "relu", lambda self, x: right(self, x) * 1.01)
    assert conformance.check_extension("relu", EXTENSIONS["relu"], device).failures
    assert conformance.check_extension("softmax", EXTENSIONS["softmax"], device).failures == []


def test_the_command_tells_by_its_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "EXTENSIONS", {"relu": EXTENSIONS["relu"]})
    assert conformance.main(["cpu", "--only", "softmax", "--examples", "2"]) == 0
    assert "0 failed" in capsys.readouterr().out
    monkeypatch.setattr(
        conformance, "EXTENSIONS", {"relu": lambda b, put: put(np.array(float(b.name == "cpu")) + id(put))}
    )
    assert conformance.main(["cpu", "--only", "no such operation"]) == 1
    assert "relu" in capsys.readouterr().out
    assert conformance.main(["nowhere"]) == 2


def test_misspelt_names_of_a_backend_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    class Misspelt(Good):
        def to_hots(self, x: Any) -> Any:
            return x

        def exp(self, x: Any) -> Any:
            return np.exp(x)

    assert conformance.unknown_names(Misspelt()) == ["Array", "to_hots"]
    assert all(
        conformance.unknown_names(backends.get(name)) == []
        for name in LIBRARIES
        if backends.available()[name] == "ready"
    )


# The engine --------------------------------------------------------------------------------------------------------------


def test_backward_accumulates(device: str) -> None:
    def f(leaf: Any) -> Any:
        x = leaf([[1.0, 2.0], [3.0, 4.0]])
        ((x * x).exp().sum() / 1e5).backward()
        (x.sigmoid() @ x).sum().backward()
        assert x.grad is not None
        return x.grad

    agree(f, device)


def test_derivatives_of_third_order(device: str) -> None:
    def f(leaf: Any) -> Any:
        x = leaf([0.3, 0.7])
        y = (x.tanh() * x[0]).sum()
        for _ in range(3):
            (y,) = tg.autograd.grad(y.sum(), x, create_graph=True)
        return y

    agree(f, device)


def test_writing_in_place_inside_a_graph(device: str) -> None:
    def f(leaf: Any) -> Any:
        x, v = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), leaf([7.0, 8.0])
        y = x * 2
        y[:, 1] = v
        y[0] = 0.5
        y[y > 11] = 3.0
        y *= x
        y.add_(1.0).relu_()
        y.square().sum().backward()
        return [y, x.grad, v.grad]

    agree(f, device)


def test_indexing_of_every_kind(device: str) -> None:
    def f(leaf: Any) -> Any:
        x = leaf(np.arange(24.0).reshape(2, 3, 4))
        rows = tg.tensor([2, 0, 2], device=x.device)
        mask = x[0, :, 0] < 5
        parts = [
            x[1],
            x[..., -1],
            x[:, rows],
            x[:, mask],
            x[0, rows, rows],
            x[:, None, 1:, ::2],
            x[[0, 1, 0]],
            x[x > 20],
        ]
        sum((i + 1) * p.square().sum() for i, p in enumerate(parts)).backward()
        return [*parts, x.grad]

    agree(f, device)


def test_a_write_at_numbers_and_arrays_arrives(device: str) -> None:
    def f(values: Any, source: Any) -> Any:
        x, v = values.clone(), source.square()
        x[0, 1:, [0, 2]] = v
        x[:, 0, x[0, 0] > 5] = -1.0
        (x * x).sum().backward()
        return [x, values.grad, source.grad]

    def run(where: str) -> Any:
        values = moved([[[float(i * 12 + j * 4 + k) for k in range(4)] for j in range(3)] for i in range(2)], where)
        source = moved([[1.0, 2.0], [3.0, 4.0]], where)
        return f(values.requires_grad_(), source.requires_grad_())

    for here, there in zip(run("cpu"), run(device), strict=True):
        assert here.tolist() == there.tolist()


# Each is given a table (3, 4) and what makes an index tensor; the message names the operation, the number and the size.
OUT_OF_RANGE: dict[str, tuple[Callable[[Tensor, Any], Any], str]] = {
    "a number": (lambda x, at: x[3], "getitem: .*3.*size 3"),
    "a negative number": (lambda x, at: x[0, -5], "getitem: .*-5.*size 4"),
    "a list": (lambda x, at: x[[0, 3]], "getitem: .*3.*size 3"),
    "a tensor": (lambda x, at: x[at([-4])], "getitem: .*-4.*size 3"),
    "two tensors": (lambda x, at: x[at([0, 1]), at([0, 4])], "getitem: .*4.*size 4"),
    "writing at a number": (lambda x, at: x.__setitem__(3, 1.0), "setitem: .*3.*size 3"),
    "writing at a tensor": (lambda x, at: x.__setitem__((0, at([4])), 1.0), "setitem: .*4.*size 4"),
    "select": (lambda x, at: x.select(0, 3), "select: .*3.*size 3"),
    "narrow": (lambda x, at: x.narrow(0, 2, 2), "narrow: .*size 3"),
    "index_put": (lambda x, at: x.index_put((at([3]),), at([1.0])), "index_put: .*3.*size 3"),
    "gather": (lambda x, at: x.gather(1, at([[0, 4]])), "gather: .*4.*size 4"),
    "gather, negative": (lambda x, at: x.gather(1, at([[0, -1]])), "gather: .*-1.*size 4"),
    "take_along_dim": (lambda x, at: x.take_along_dim(at([[4]]), 1), "take_along_dim: .*4.*size 4"),
    "take_along_dim, flat": (lambda x, at: x.take_along_dim(at([12])), "take_along_dim: .*12.*size 12"),
    "scatter": (lambda x, at: x.scatter(1, at([[0, 4]]), 1.0), "scatter: .*4.*size 4"),
    "scatter_": (lambda x, at: x.scatter_(1, at([[0, 4]]), 1.0), "scatter_?: .*4.*size 4"),
    "scatter_add": (lambda x, at: x.scatter_add(0, at([[0, 3]]), x), "scatter_add: .*3.*size 3"),
    "scatter_reduce": (lambda x, at: x.scatter_reduce(0, at([[3]]), x, "amax"), "scatter_reduce: .*3.*size 3"),
    "index_select": (lambda x, at: x.index_select(0, at([0, 3])), "index_select: .*3.*size 3"),
    "index_add": (lambda x, at: x.index_add(0, at([3]), x[:1]), "index_add: .*3.*size 3"),
    "index_copy": (lambda x, at: x.index_copy(0, at([-1]), x[:1]), "index_copy: .*-1.*size 3"),
    "index_fill": (lambda x, at: x.index_fill(0, at([3]), 0.0), "index_fill: .*3.*size 3"),
    "take": (lambda x, at: x.take(at([-13])), "take: .*-13.*size 12"),
    "put": (lambda x, at: x.put(at([12]), at([1.0])), "put: .*12.*size 12"),
    "embedding": (lambda x, at: F.embedding(at([3]), x), "embedding: .*3.*3 rows"),
    "embedding, negative": (lambda x, at: F.embedding(at([-1]), x), "embedding: .*-1.*3 rows"),
    "Embedding": (lambda x, at: nn.Embedding(3, 2).to(x.device)(at([3])), "embedding: .*3.*3 rows"),
    "cross_entropy": (lambda x, at: F.cross_entropy(x, at([0, 1, 4])), "cross_entropy: .*4.*4 classes"),
    "cross_entropy, negative": (lambda x, at: F.cross_entropy(x, at([0, 1, -1])), "cross_entropy: .*-1.*4 classes"),
    "nll_loss": (lambda x, at: F.nll_loss(x, at([0, 1, 4])), "nll_loss: .*4.*4 classes"),
    "multi_margin_loss": (lambda x, at: F.multi_margin_loss(x, at([0, 1, 4])), "multi_margin_loss: .*4.*4 classes"),
    "one_hot": (lambda x, at: F.one_hot(at([0, 4]), 4), "one_hot: .*4.*4 classes"),
    "one_hot, negative": (lambda x, at: F.one_hot(at([1, -1])), "one_hot: .*-1.*2 classes"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
@pytest.mark.parametrize("place", ["cpu", *(_marked(name) for name in LIBRARIES)])
def test_an_index_out_of_range_raises_and_writes_nothing(place: str, name: str) -> None:
    call, message = OUT_OF_RANGE[name]
    x = tg.arange(12.0, device=place).reshape(3, 4)
    with pytest.raises(IndexError, match=f"^{message}"):
        call(x, lambda values: tg.tensor(values, device=place))
    assert x.flatten().tolist() == list(range(12))


def test_views_share_memory_where_the_backend_has_them() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    x = tg.zeros(2, 3, device="torch")
    x[0].fill_(1.0)
    x.t()[2] += 5
    assert x.tolist() == [[1, 1, 6], [0, 0, 5]]


def test_a_kept_value_that_is_overwritten_is_noticed_or_kept(device: str) -> None:
    x = moved([1.0, 2.0], device).requires_grad_()
    y = x.exp()
    z = y * y
    y.detach().zero_()
    if backends.get(device).mutable:
        with pytest.raises(RuntimeError, match="overwritten in place"):
            z.sum().backward()
    else:
        z.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([2.0, 4.0]))


# Layers and training -----------------------------------------------------------------------------------------------------


class Tagger(nn.Module):
    """Words to classes: an embedding, a recurrent layer, a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.recurrent = nn.LSTM(4, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.recurrent(self.embedding(words))[0]).reshape(-1, 3)


def trained(device: str, steps: int, make: Callable[[Any], optim.Optimizer]) -> tuple[list[float], Tagger, Any]:
    tg.manual_seed(0)
    model = Tagger().to(device)
    optimizer = make(model.parameters())
    words = tg.tensor([[0, 1], [2, 3], [1, 6]], device=device)
    classes = tg.tensor([0, 1, 2, 1, -100, 2], device=device)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(words), classes)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses, model, optimizer


OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "adamw": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True),
    "sgd": lambda p: optim.SGD(p, lr=0.5, momentum=0.9, nesterov=True, weight_decay=0.01),
}


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name", ["Adam", "SGD", "Adagrad", "LBFGS"])
def test_an_optimizer_follows_a_model_that_moves(device: str, name: str, steps: int) -> None:
    """The optimizer is made before the model moves, and its state goes along, there and back."""
    made: dict[str, Callable[[Any], optim.Optimizer]] = {
        "Adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
        "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
        "LBFGS": lambda p: optim.LBFGS(p, lr=0.5, max_iter=2),
    }

    def run(places: list[str]) -> list[float]:
        tg.manual_seed(1)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        data = tg.rand(6, 3)
        optimizer, losses = made[name](model.parameters()), []
        for place in places:
            assert model.to(place) is model

            def closure(place: str = place) -> Tensor:
                optimizer.zero_grad()
                loss = (model(data.to(place)) - 1).square().mean()
                loss.backward()
                return loss

            losses.append(optimizer.step(closure).item())
        states = [v for state in optimizer.state.values() for n, v in state.items() if n != "step"]
        assert all(v.device == places[-1] for v in states if isinstance(v, Tensor))
        return losses

    here, there = ["cpu"] * steps, [device] * 2
    np.testing.assert_allclose(run([*here, *there, "cpu"]), run(["cpu"] * (steps + 3)), rtol=1e-5)


class Perceptron(nn.Module):
    """Layers with buffers and a mode: the moving averages of a normalisation are trained along."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def test_training_a_perceptron_gives_the_losses_of_the_cpu(device: str) -> None:
    def run(place: str) -> tuple[list[float], list[float]]:
        tg.manual_seed(0)
        model = Perceptron().to(place)
        x, labels = tg.randn(10, 4).to(place), tg.arange(10, device=place) % 3
        optimizer, losses = optim.SGD(model.parameters(), lr=0.3, momentum=0.9), []
        for _ in range(6):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        assert all(t.device.type == place for t in model.state_dict().values())
        return losses, model.eval()(x).flatten().tolist()

    for got, want in zip(run(device), run("cpu"), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_gives_the_losses_of_the_cpu(device: str, name: str) -> None:
    want, *_ = trained("cpu", 4, OPTIMIZERS[name])
    got, model, _ = trained(device, 4, OPTIMIZERS[name])
    np.testing.assert_allclose(got, want, rtol=2e-5)
    assert want[-1] < want[0] and all(p.device.type == device for p in model.parameters())


def test_a_checkpoint_moves_between_devices(device: str) -> None:
    make = OPTIMIZERS["adamw"]
    _, model, optimizer = trained(device, 1, make)
    file = io.BytesIO()
    tg.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    loaded = tg.load(file, map_location="cpu")
    twin = Tagger()
    twin.load_state_dict(loaded["model"])
    again = make(twin.parameters())
    again.load_state_dict(loaded["optimizer"])
    assert all(p.device == "cpu" for p in twin.parameters())
    words = tg.tensor([[5, 1]])
    np.testing.assert_allclose(
        twin(words).detach().numpy(), model(words.to(device)).detach().numpy(), rtol=1e-5, atol=1e-6
    )
    twin(words).sum().backward()
    model.zero_grad()
    model(words.to(device)).sum().backward()
    again.step()
    optimizer.step()
    for p, q in zip(twin.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_half_precision_where_the_library_has_it(device: str) -> None:
    if device == "strict":
        with pytest.raises(TypeError, match="float16 is not supported on strict"):
            tg.ones(2, dtype=tg.float16, device=device)
        return
    x = tg.full((4096,), 1.0, dtype=tg.float16, device=device)
    assert x.dtype is tg.float16 and (x * 2.0).dtype is tg.float16 and x.sum().item() == 4096


# Devices -----------------------------------------------------------------------------------------------------------------


def test_devices_are_chosen_in_every_way(device: str) -> None:
    assert tg.zeros(2, device=device).device == device
    assert tg.zeros(2).to(device).device == device
    with tg.device(device):
        x = tg.rand(3, requires_grad=True)
        assert x.device == device and tg.arange(3).device == device and tg.tensor([1.0]).device == device
        assert nn.Linear(2, 2).weight.device == device
    try:
        tg.set_default_device(device)
        assert tg.eye(2).device == device
    finally:
        tg.set_default_device(None)
    assert tg.zeros(1).device == "cpu"
    x.to("cpu").exp().sum().backward()
    assert x.grad.device == device
    np.testing.assert_allclose(x.grad.numpy(), np.exp(x.detach().numpy()), rtol=1e-6)


def test_a_device_number_that_is_not_there(device: str) -> None:
    with pytest.raises(backends.BackendError, match=rf"'{device}:99': there are \d+ devices"):
        tg.zeros(1, device=f"{device}:99")


MIXED: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "add": lambda a, b: a + b,
    "matmul": lambda a, b: a @ b,
    "cat": lambda a, b: tg.cat([a, b]),
    "where": lambda a, b: tg.where(a > 0, a, b),
    "linear": F.linear,
    "lstm": lambda a, b: nn.LSTM(2, 3).to(a.device)(b.reshape(2, 1, 2)),
    "cross_entropy": lambda a, b: F.cross_entropy(a, b[0].long()),
    "embedding": lambda a, b: F.embedding(b.long(), a),
    "setitem": lambda a, b: a.__setitem__(0, b[0]),
    "add_": lambda a, b: a.add_(b),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixing_devices_raises_and_names_both(device: str, name: str) -> None:
    here, there = tg.ones(2, 2), tg.ones(2, 2, device=device)
    for a, b in ((here, there), (there, here)):
        with pytest.raises(
            RuntimeError, match=rf"on different devices .*(cpu.*{device}|{device}.*cpu).*\.to\(device\)"
        ):
            MIXED[name](a, b)
    assert bool((here == 1).all()) and bool((there == 1).all())


def test_two_devices_of_one_kind_are_not_mixed() -> None:
    pytest.importorskip("array_api_strict")
    a, b = (tg.ones(3, device=f"strict:{i}", requires_grad=True) for i in (1, 2))
    with pytest.raises(RuntimeError, match=r"strict:1 .*strict:2"):
        a * b
    (a.to("strict:2") * b)[[0, 2, 0]].cumsum(0).sum().backward()
    assert a.grad.device == "strict:1" and b.grad.device == "strict:2"
    assert a.grad.tolist() == [4.0, 0.0, 2.0]


def test_what_operations_create_is_where_their_arguments_are() -> None:
    """On an imaginary second device, where an array made on the first would be refused."""
    pytest.importorskip("array_api_strict")
    rows = [conformance.check_operation(spec, "strict:1", 1) for spec in ALL_SPECS[1::4]]
    rows += [conformance.check_extension(name, check, "strict:1") for name, check in EXTENSIONS.items()]
    assert [text for row in rows for text in row.failures] == []


def test_a_view_does_not_own_its_memory_however_large_it_is(device: str) -> None:
    """What owns its memory may be added to in place: a view of the whole of an array of one element must not."""
    raw = tg.ones(1, 1, device=device)._data
    ns = tg.backends.of(raw)
    views = [ns.reshape(raw, (1,)), ns.broadcast_to(raw, (1, 1)), ns.permute_dims(raw, (1, 0)), ns.alias(raw), raw[...]]
    assert not any(ns.owns(view) for view in views if view is not raw)


def test_second_derivatives_of_sequences_of_one_element_are_those_of_the_cpu(device: str) -> None:
    def derivatives(where: str) -> list[float]:
        values = ([[[0.5]], [[-1.0]]], [[0.75]], [[-0.5]], [0.25], [1.0])
        leaves = [tg.tensor(v, dtype=tg.float64, device=where, requires_grad=True) for v in values]
        x, w, u, b, c = leaves
        h = tg.zeros(1, 1, dtype=tg.float64, device=where)
        for x_t in x:
            h = (F.linear(x_t, w, b) + F.linear(h, u, c)).tanh()
        first = tg.autograd.grad(h.sum(), leaves, create_graph=True)
        total = sum((g * (i + 1)).sum() for i, g in enumerate(first))
        return [v for g in tg.autograd.grad(total, leaves) for v in g.flatten().tolist()]

    assert derivatives(device) == pytest.approx(derivatives("cpu"), abs=1e-12)


def test_each_device_has_random_numbers_of_its_own(device: str) -> None:
    tg.manual_seed(3)
    first = tg.rand(4, device=device)
    state = tg.random.default_generator(device).get_state()
    second = tg.rand(4, device=device)
    tg.rand(4)  # the CPU's generator is another one
    tg.random.default_generator(device).set_state(state)
    assert tg.rand(4, device=device).equal(second) and not first.equal(second)
    tg.manual_seed(3)
    assert tg.rand(4, device=device).equal(first)
    with pytest.raises(RuntimeError, match="the generator is on"):
        tg.rand(2, device=device, generator=tg.Generator())


def test_the_environment_names_the_default_device() -> None:
    pytest.importorskip("array_api_strict")
    code = "import tinygrad_edu as tg; print(tg.zeros(1).device, tg.nn.Linear(1, 1).weight.device)"
    env = {"TINYGRAD_EDU_DEVICE": "strict", "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.split() == ["strict:0", "strict:0"], done.stderr


# Plugging in -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_one_clear_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [*LIBRARIES[name], "array_api_compat.torch"]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
    with pytest.raises(backends.BackendError, match=r"pip install 'tinygrad_edu\[") as caught:
        tg.zeros(1, device=name)
    assert "\n" not in str(caught.value)
    assert backends.available()[name] == str(caught.value)


def test_importing_the_package_loads_no_other_array_library() -> None:
    code = "import sys, tinygrad_edu; print({'torch', 'jax', 'array_api_strict', 'cupy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


def test_the_example_is_a_backend_and_the_page_shows_it() -> None:
    """It prints what docs/backends.md says; in a process of its own, as it registers a class."""
    pytest.importorskip("array_api_strict")
    page, example = (ROOT / "docs" / "backends.md").read_text(), OWN_BACKEND
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, re.M | re.S)
    assert code in example.read_text() and "](../examples/own_backend.py)" in page
    done = subprocess.run([sys.executable, str(example), "--check", "relu"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(shown) and "; 0 failed" in done.stdout


@pytest.mark.slow
def test_the_example_conforms() -> None:
    pytest.importorskip("array_api_strict")
    check = "import sys, own_backend as b; b.conformance.EXTENSIONS = {}; sys.exit(b.conformance.main(['example', '--examples', '1']))"
    done = subprocess.run([sys.executable, "-c", check], cwd=OWN_BACKEND.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_what_there_is() -> None:
    page = (ROOT / "docs" / "backends.md").read_text()
    methods = set(re.findall(r"`(\w+)`", page[page.index("**Extensions") : page.index("**Kernels")]))
    assert {name for name in methods - {"linalg"} if not hasattr(backends.Backend, name)} == set()
    assert all(f"`{name}`" in page for name in LIBRARIES)


NAMES_A_BACKEND = re.compile(
    r"\b(numpy|np|cupy|cp|jax|jnp|torch|array_api_strict)\b\s*[.\[(]|import (numpy|cupy|jax|torch)\b"
)


@pytest.mark.parametrize("folder", ["tinygrad_edu/ops", "tinygrad_edu/optim", "nn"])
def test_no_operation_layer_or_optimizer_names_a_backend(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = re.sub(r'""".*?"""|"[^"\n]*"|#[^\n]*', "", path.read_text(), flags=re.S)
        found += [f"{path.name}: {m.group()}" for m in NAMES_A_BACKEND.finditer(text)]
    assert found == []


# The default device ------------------------------------------------------------------------------------------------------


def test_one_device_object_is_entered_again_and_left_by_an_error() -> None:
    pytest.importorskip("array_api_strict")
    strict = tg.device("strict")
    seen = []
    with strict:
        with strict, tg.device("cpu"):
            seen.append(tg.zeros(1).device)
        seen.append(tg.zeros(1).device)
        with pytest.raises(KeyError), tg.device("strict:1"):
            seen.append(tg.zeros(1).device)
            raise KeyError
        seen.append(tg.zeros(1).device)
    assert [str(d) for d in (*seen, tg.zeros(1).device)] == ["cpu", "strict:0", "strict:1", "strict:0", "cpu"]


def test_the_default_device_is_that_of_the_thread() -> None:
    pytest.importorskip("array_api_strict")
    shared, found, inside = tg.device("strict"), {}, threading.Barrier(2)

    def work(name: str) -> None:
        found[name, "before"] = str(tg.zeros(1).device)
        with shared:
            inside.wait(10)
            found[name, "inside"] = str(tg.zeros(1).device)
        found[name, "after"] = str(tg.zeros(1).device)

    with tg.device("cpu"):
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {
        (n, t): "strict:0" if t == "inside" else "cpu" for n in "ab" for t in ("before", "inside", "after")
    }


@pytest.mark.parametrize("bad", ["toaster", "cpu:1", "cuda:99", "cpu:", "cpu:x", "", ":1", 3.5, [1], -1])
def test_a_device_that_is_not_there_changes_nothing(bad: Any) -> None:
    def enter() -> None:
        with tg.device(bad):
            raise AssertionError("a device that is not there was entered")

    for use in (
        enter,
        lambda: tg.set_default_device(bad),
        lambda: tg.zeros(1, device=bad),
        lambda: tg.zeros(1).to(bad),
    ):
        with pytest.raises((backends.BackendError, ValueError, TypeError), match=r"device|data type") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert tg.get_default_device() == tg.zeros(1).device == "cpu"


def test_a_wrong_name_in_the_environment_says_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAD_EDU_DEVICE", "toaster")
    with pytest.raises(backends.BackendError, match=r"'toaster'.*TINYGRAD_EDU_DEVICE"):
        tg.zeros(1)
    assert tg.zeros(1, device="cpu").device == "cpu"


# Mistakes of a plug-in's author -----------------------------------------------------------------------------------------


class Good(backends.Backend):
    """Arrays are a subclass of NumPy's, so that nothing has to be installed."""

    class Array(np.ndarray):
        pass

    name = "newcomer"
    namespace = np
    array_types: Any = (Array,)

    def to_host(self, x: Any) -> Any:
        return np.asarray(x)


def broken(**attributes: Any) -> type[backends.Backend]:
    return type("Newcomer", (Good,), attributes)


class NotABackend:
    pass


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "no subclass": (NotABackend, "must make a Backend"),
    "another name": (broken(name="mine"), "its attribute name is 'mine'; it must be 'newcomer'"),
    "no namespace": (broken(namespace=None), "set namespace to a module that follows the array-API standard"),
    "no tuple of classes": (broken(array_types=np.ndarray), "array_types must be a tuple"),
    "no classes": (broken(array_types=()), "array_types must be a tuple"),
    "classes of another": (broken(array_types=(np.ndarray,)), "class ndarray belong to 'cpu' already"),
    "no way to the host": (broken(to_host=backends.Backend.to_host), "define to_host"),
    "several devices": (broken(several=True), "define place, placed, device_count, since several is True"),
    "no super": (broken(__init__=lambda self, index=0: None), r"must call super\(\)\.__init__\(index\)"),
}


@pytest.fixture
def newcomer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean registry, which is put back."""
    for table in ("_factories", "_loaded", "_by_type", "_of_several"):
        monkeypatch.setattr(backends, table, dict(getattr(backends, table)))
    monkeypatch.setattr(backends, "several_loaded", backends.several_loaded)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_backend_that_cannot_work_says_why(newcomer: None, name: str) -> None:
    make, message = MISTAKES[name]
    backends.register("newcomer", make)
    with pytest.raises(TypeError, match=rf"backend 'newcomer' \((Newcomer|NotABackend)\): .*{message}"):
        tg.zeros(1, device="newcomer")
    assert re.search(message, backends.available()["newcomer"])
    backends.register("newcomer", Good)
    assert backends.get("newcomer").name == "newcomer"


def test_what_cannot_be_registered(newcomer: None) -> None:
    with pytest.raises(TypeError, match="expected the class of a backend"):
        backends.register("newcomer", Good())
    for name in ("a:1", "", "two words"):
        with pytest.raises(ValueError, match="must be a word"):
            backends.register(name, Good)


def test_a_class_that_is_registered_again_takes_over(newcomer: None) -> None:
    backends.register("newcomer", Good)
    array = np.zeros(1).view(Good.Array)
    first = backends.get("newcomer")
    assert backends.of(array) is first
    backends.register("newcomer", broken())
    assert backends.get("newcomer") is backends.of(array) is not first


def test_a_plug_in_that_does_not_load_hides_no_other(newcomer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name, value, backends.ENTRY_POINTS)
        for name, value in (("gone", "no_such_module:X"), ("json", "json:X"))
    ]
    monkeypatch.setattr(backends, "entry_points", lambda group: points)
    backends.register("newcomer", broken(to_host=lambda self, x: 1 / 0, __init__=lambda self: 1 / 0))
    found = backends.available()
    assert found["cpu"] == "ready" and "does not load: No module named 'no_such_module'" in found["gone"]
    assert (
        "does not load" in found["json"] and found["newcomer"] == "does not load: ZeroDivisionError: division by zero"
    )
    with pytest.raises(backends.BackendError, match="'no_such_module:X' of a plug-in, which does not load"):
        tg.zeros(1, device="gone")
