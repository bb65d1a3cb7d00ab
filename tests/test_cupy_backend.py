"""The CuPy backend's code on a stand-in for CuPy that keeps its rules: nothing here has run on a card."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

import cupy_stub
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import backends, generator, nn, optim
from tinygrad_edu.testing import conformance
from tinygrad_edu.testing._extensions import EXTENSIONS
from tinygrad_edu.testing.specs import ALL_SPECS

F = nn.functional


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The backend on the stand-in, under its own name."""
    monkeypatch.delenv("TINYGRAD_EDU_DEVICE", raising=False)
    for name, module in cupy_stub.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
    monkeypatch.setattr(generator._defaults, "by_device", {})
    yield backends.get("cuda")
    backends._of_several.pop(cupy_stub.ndarray, None)


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extensions_agree(cuda: Any, name: str) -> None:
    assert conformance.check_extension(name, EXTENSIONS[name], "cuda").failures == []


def test_operations_agree(cuda: Any) -> None:
    rows = [conformance.check_operation(spec, "cuda", 1) for spec in ALL_SPECS[::3]]
    assert [text for row in rows for text in row.failures] == []


class Tagger(nn.Module):
    def __init__(self, cell: type[nn.Module], drop: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4, padding_idx=0)
        self.recurrent = cell(4, 5)
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(5, 3)

    def forward(self, words: Any) -> Any:
        return self.head(self.drop(self.recurrent(self.embedding(words))[0])).reshape(-1, 3)


MAKERS: dict[str, Any] = {
    "adamw": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True),
    "adam": lambda p: optim.Adam(p, lr=0.1, weight_decay=0.1, maximize=False),
    "sgd": lambda p: optim.SGD(p, lr=0.5, momentum=0.9, nesterov=True, weight_decay=0.01),
    "plain sgd": lambda p: optim.SGD(p, lr=0.5),
    "nadam": lambda p: optim.NAdam(p, lr=0.1),
    "rprop": lambda p: optim.Rprop(p, lr=0.01),
    "adafactor": lambda p: optim.Adafactor(p, lr=0.1),
    "muon": lambda p: optim.Muon([q for q in p if q.ndim == 2], lr=0.1),
}


def trained(
    device: str, make: Any, cell: type[nn.Module] = nn.LSTM, drop: float = 0.0
) -> tuple[list[float], list[int]]:
    """The losses of a training run and how often each step waited for the device."""
    tg.manual_seed(0)
    model = Tagger(cell, drop).to(device)
    optimizer = make(model.parameters())
    words = tg.tensor([[0, 1], [2, 3], [1, 6]], device=device)
    classes = tg.tensor([0, 1, 2, 1, -100, 2], device=device)
    losses, waits = [], []
    for _ in range(3):
        before = cupy_stub.Waits.count
        optimizer.zero_grad()
        loss = F.cross_entropy(model(words), classes)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        waits.append(cupy_stub.Waits.count - before)
        losses.append(loss)
    return [loss.item() for loss in losses], waits


@pytest.mark.parametrize("name", MAKERS)
def test_a_training_step_never_waits_for_the_card(cuda: Any, name: str) -> None:
    want, _ = trained("cpu", MAKERS[name])
    got, waits = trained("cuda", MAKERS[name])
    np.testing.assert_allclose(got, want, rtol=2e-5)
    assert waits == [0, 0, 0]


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8),
            nn.LayerNorm(8),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(8, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Linear(8, 3),
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x)


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x.reshape(-1, 1, 4, 4))


@pytest.mark.parametrize(("model", "width"), [(Perceptron, 6), (Pictures, 16)])
def test_a_step_with_clipping_and_adam_never_waits(cuda: Any, model: type[nn.Module], width: int) -> None:
    tg.manual_seed(0)
    net = model().to("cuda")
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    x = tg.randn(5, width, device="cuda")
    classes = tg.tensor([0, 1, 2, 1, 0], device="cuda")
    losses = []
    before = cupy_stub.Waits.count
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), classes)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
    assert cupy_stub.Waits.count == before
    assert np.isfinite([loss.item() for loss in losses]).all()


@pytest.mark.parametrize("cell", [nn.GRU, nn.RNN])
def test_other_recurrent_layers_do_not_wait_either(cuda: Any, cell: type[nn.Module]) -> None:
    assert trained("cuda", MAKERS["adamw"], cell, drop=0.2)[1] == [0, 0, 0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_kernels_of_recurrent_layers_agree_with_the_cpu(cuda: Any, cell: type[nn.Module], bias: bool) -> None:
    tg.manual_seed(1)
    here = cell(3, 4, num_layers=2, bias=bias, bidirectional=True, dtype=tg.float64)
    x = tg.randn(5, 2, 3, dtype=tg.float64)
    found = []
    for device in ("cpu", "cuda"):
        layer = copy.deepcopy(here).to(device)
        leaf = x.clone().to(device).requires_grad_()
        out, state = layer(leaf)
        parts = state if isinstance(state, tuple) else (state,)
        (out.square().sum() + sum((p * (i + 1)).sum() for i, p in enumerate(parts))).backward()
        found.append([t.detach().numpy() for t in (out, *parts, leaf.grad, *(p.grad for p in layer.parameters()))])
    for want, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_asking_for_a_value_is_counted(cuda: Any) -> None:
    x = tg.ones(2, device="cuda")
    for ask in (lambda: x.sum().item(), lambda: bool(x.any()), lambda: x.nonzero(), lambda: x.tolist()):
        before = cupy_stub.Waits.count
        ask()
        assert cupy_stub.Waits.count > before


def test_a_loss_over_no_targets_is_no_number_and_its_gradient_zero(cuda: Any) -> None:
    x = tg.zeros(2, 3, device="cuda", requires_grad=True)
    loss = F.cross_entropy(x, tg.full((2,), -100, device="cuda"))
    loss.backward()
    assert np.isnan(loss.item()) and x.grad.tolist() == [[0.0] * 3] * 2


def _put(x: Any, index: Any) -> None:
    x[index] = 0.0


USES: dict[str, Any] = {
    "getitem": lambda x, i: x[i],
    "getitem of integers": lambda x, i: x.long()[i],
    "getitem beside a slice": lambda x, i: x.reshape(1, 3)[:, i],
    "__setitem__": lambda x, i: _put(x.clone(), i),
    "embedding": lambda x, i: F.embedding(i, x.reshape(3, 1)),
    "gather": lambda x, i: x.gather(0, i),
    "index_select": lambda x, i: x.index_select(0, i),
    "take": lambda x, i: x.take(i),
    "index_add": lambda x, i: x.index_add(0, i, tg.ones(2, device="cuda")),
    "scatter": lambda x, i: x.scatter(0, i, tg.ones(2, device="cuda")),
    "cross_entropy": lambda x, i: F.cross_entropy(tg.zeros(2, 3, device="cuda"), i),
    "cross_entropy with weights": lambda x, i: F.cross_entropy(
        tg.zeros(2, 3, device="cuda"), i, tg.ones(3, device="cuda")
    ),
    "nll_loss": lambda x, i: F.nll_loss(tg.zeros(2, 3, device="cuda"), i),
}


@pytest.mark.parametrize("name", USES)
def test_an_index_out_of_range_is_reported_when_one_next_waits(
    cuda: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = tg.arange(3, device="cuda", dtype=tg.float32)
    wrong = tg.tensor([0, 3], device="cuda")
    use = USES[name]
    before = cupy_stub.Waits.count
    use(x, wrong)
    assert cupy_stub.Waits.count == before
    word = name.split()[0].strip("_")
    with pytest.raises(IndexError, match=rf"^{word}.*3 is out of range"):
        x.sum().item()
    assert x.sum().item() == 3.0
    with tg.autograd.detect_anomaly(), pytest.raises(IndexError, match="3 is out of range"):
        use(x, wrong)
    monkeypatch.setattr(cuda, "checks_indices", True)
    with pytest.raises(IndexError, match="3 is out of range"):
        use(x, wrong)


def test_gradients_of_rows_are_summed_in_a_fixed_order_where_that_is_asked_for(cuda: Any) -> None:
    rng = np.random.default_rng(0)
    for kind, tolerance in (("float16", 2e-2), ("float32", 1e-5), ("float64", 1e-12)):
        values = rng.normal(size=(50, 3)).astype(kind)
        rows = rng.integers(-4, 4, 50)
        want = np.zeros((4, 3))
        np.add.at(want, rows, values.astype("float64"))
        for fixed in (False, True):
            tg.use_deterministic_algorithms(fixed)
            table = tg.zeros(4, 3, dtype=kind, device="cuda", requires_grad=True)
            picked = table[tg.tensor(rows, device="cuda")]
            picked.backward(tg.tensor(values, device="cuda"))
            np.testing.assert_allclose(table.grad.double().numpy(), want, rtol=tolerance, atol=tolerance)
    tg.use_deterministic_algorithms(False)


def test_host_arrays_are_not_taken_for_device_arrays(cuda: Any) -> None:
    x = tg.ones(2, device="cuda")
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(x._data)
    assert (x + np.ones(2, np.float32)).device == "cuda"
    assert (x + np.ones(2, np.float32)).tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match=r"cpu.*cuda|cuda.*cpu"):
        x + tg.ones(2)


def test_views_and_memory(cuda: Any) -> None:
    x = tg.zeros(2, 3, device="cuda")
    x[0].fill_(1.0)
    x.t()[2].add_(5)
    assert x.tolist() == [[1, 1, 6], [0, 0, 5]]
    assert cuda.memory_stats() == {"used_bytes": 3, "reserved_bytes": 5}
    cuda.synchronize()
    y = tg.ones(2, device="cuda", requires_grad=True).exp()
    z = (y * y).sum()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="overwritten in place"):
        z.backward()


def test_without_a_card_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = cupy_stub.modules()

    def none() -> int:
        raise RuntimeError("no driver")

    monkeypatch.setattr(modules["cupy"].cuda.runtime, "getDeviceCount", none)
    monkeypatch.setitem(sys.modules, "cupy", modules["cupy"])
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
    with pytest.raises(backends.BackendError, match=r"finds no card or driver \(no driver\)$"):
        tg.zeros(1, device="cuda")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(backends.BackendError, match=r"'tinygrad_edu\[cuda13\]' or \[cuda12\]$"):
        tg.zeros(1, device="cuda")
