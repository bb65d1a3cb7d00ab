"""``tg.cuda`` on the stand-in for CuPy, and without a card."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import cupy_stub
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import backends, generator
from tinygrad_edu.utils.data import DataLoader


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The backend on the stand-in, under its own name."""
    monkeypatch.delenv("TINYGRAD_EDU_DEVICE", raising=False)
    for name, module in cupy_stub.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})
    for name in ("device_errors", "failures", "several_loaded"):
        monkeypatch.setattr(backends, name, getattr(backends, name))
    monkeypatch.setattr(generator._defaults, "by_device", {})
    monkeypatch.setattr(tg.cuda, "_peaks", {})
    monkeypatch.setattr(backends.cuda.matmul, "_routines", None)
    yield backends.get("cuda")
    backends._of_several.pop(cupy_stub.ndarray, None)


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(backends, "_loaded", {"cpu": backends.get("cpu")})


def test_without_a_card_everything_says_what_is_missing(no_card: None) -> None:
    assert not tg.cuda.is_available() and tg.cuda.device_count() == 0
    tg.cuda.manual_seed(0)
    tg.cuda.manual_seed_all(0)
    missing = [
        tg.cuda.current_device,
        tg.cuda.synchronize,
        tg.cuda.memory_allocated,
        tg.cuda.memory_reserved,
        tg.cuda.max_memory_allocated,
        tg.cuda.memory_stats,
        tg.cuda.empty_cache,
        tg.cuda.get_device_name,
        tg.cuda.current_stream,
        tg.cuda.Stream,
        tg.cuda.Event,
        lambda: tg.cuda.set_device(0),
        lambda: tg.ones(2).pin_memory(),
        lambda: tg.ones(2).cuda(),
    ]
    for ask in missing:
        with pytest.raises(
            backends.BackendError, match=r"device 'cuda' needs cupy .*: pip install 'tinygrad_edu\[cuda13\]'"
        ):
            ask()
    assert not tg.ones(2).is_pinned()


def test_devices(cuda: Any) -> None:
    assert tg.cuda.is_available() and tg.cuda.device_count() == 1 and tg.cuda.current_device() == 0
    tg.cuda.set_device("cuda:0")
    assert tg.cuda.get_device_name() == "Imaginary" and tg.cuda.get_device_capability(0) == (9, 0)
    assert tg.cuda.get_device_properties("cuda").total_memory == 80
    for wrong, error in (("cpu", ValueError), (1, backends.BackendError), (1.0, TypeError)):
        with pytest.raises(error):
            tg.cuda.set_device(wrong)
    with tg.cuda.device(0):
        assert tg.ones(1, device="cuda").is_cuda


def test_the_name_without_a_number_means_the_current_card(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_count", 2)
    monkeypatch.setattr(cuda.runtime.runtime, "getDeviceCount", lambda: 2)
    used = []
    monkeypatch.setattr(cupy_stub.Place, "use", lambda self: used.append(self))
    with tg.cuda.device(1):
        assert tg.cuda.current_device() == 1 and str(_resolved("cuda")) == "cuda:1"
    assert tg.cuda.current_device() == 0 and str(_resolved("cuda")) == "cuda"
    assert used


def _resolved(name: str) -> Any:
    from tinygrad_edu.device import resolve

    return resolve(name)


def test_memory(cuda: Any) -> None:
    assert (tg.cuda.memory_allocated(), tg.cuda.memory_reserved()) == (3, 5)
    assert tg.cuda.mem_get_info() == (40, 80)
    assert "allocated_bytes.all.peak" not in tg.cuda.memory_stats()
    assert tg.cuda.max_memory_allocated() == 3
    counter = tg.cuda._peaks[0]
    counter.malloc_postprocess(device_id=0, mem_size=10, mem_ptr=1)
    counter.malloc_postprocess(device_id=0, mem_size=10, mem_ptr=0)  # an allocation that failed
    counter.malloc_postprocess(device_id=1, mem_size=10, mem_ptr=1)
    counter.free_postprocess(device_id=0, mem_size=4, mem_ptr=1)
    assert tg.cuda.max_memory_allocated() == 13
    tg.cuda.reset_peak_memory_stats()
    assert tg.cuda.memory_stats()["allocated_bytes.all.peak"] == 9
    freed = cupy_stub.Pool.freed
    tg.cuda.empty_cache()
    assert cupy_stub.Pool.freed == freed + 2


def test_seeds(cuda: Any) -> None:
    tg.cuda.manual_seed(3)
    first = tg.rand(4, device="cuda").tolist()
    tg.cuda.manual_seed_all(3)
    assert tg.rand(4, device="cuda").tolist() == first
    state = tg.cuda.get_rng_state()
    after = tg.rand(4, device="cuda").tolist()
    tg.cuda.set_rng_state(state)
    assert tg.rand(4, device="cuda").tolist() == after
    tg.manual_seed(3)
    assert tg.rand(4, device="cuda").tolist() == first


def test_streams_and_events(cuda: Any) -> None:
    assert tg.cuda.current_stream() == tg.cuda.default_stream()
    side = tg.cuda.Stream()
    start, end = tg.cuda.Event(enable_timing=True), tg.cuda.Event(enable_timing=True)
    with tg.cuda.stream(side):
        assert tg.cuda.current_stream() == side
        start.record()
        end.record()
    assert start.elapsed_time(end) == 1.0 and end.query() and side.query()
    with pytest.raises(ValueError, match="enable_timing=True"):
        tg.cuda.Event().elapsed_time(end)
    tg.cuda.default_stream().wait_stream(side)
    assert tg.cuda.default_stream().raw.waited
    before = cupy_stub.Waits.count
    end.synchronize()
    side.synchronize()
    assert cupy_stub.Waits.count == before + 2
    with tg.cuda.stream(None):
        assert tg.cuda.current_stream() == tg.cuda.default_stream()


def test_synchronize_raises_what_the_card_found(cuda: Any) -> None:
    tg.arange(3.0, device="cuda")[tg.tensor([5], device="cuda")]
    with pytest.raises(IndexError, match="5 is out of range"):
        tg.cuda.synchronize()


def test_pinned_memory_is_copied_without_waiting(cuda: Any) -> None:
    x = tg.arange(6.0).reshape(2, 3)
    held = x.pin_memory()
    assert held.is_pinned() and not x.is_pinned() and held.pin_memory() is held and held.equal(x)
    assert held[0].is_pinned()
    before = cupy_stub.Waits.count
    there = held.to("cuda", non_blocking=True)
    back = there.to("cpu", non_blocking=True)
    model = tg.nn.Linear(3, 1).to("cuda", non_blocking=True)
    assert cupy_stub.Waits.count == before
    tg.cuda.synchronize()
    assert back.equal(x) and back.is_pinned() and model.weight.is_cuda
    with pytest.raises(RuntimeError, match="only tensors on the CPU can be pinned"):
        there.pin_memory()


def test_batches_of_any_structure_are_pinned_where_there_is_a_card(cuda: Any) -> None:
    data = [{"x": tg.ones(2) * i, "names": "ab", "pair": (i, [tg.zeros(1)])} for i in range(4)]
    batches = list(DataLoader(data, batch_size=2, pin_memory=True))
    assert len(batches) == 2 and batches[1]["names"] == ["ab", "ab"]
    for batch in batches:
        assert batch["x"].is_pinned() and batch["pair"][0].is_pinned() and batch["pair"][1][0].is_pinned()
    assert batches[1]["x"].tolist() == [[2, 2], [3, 3]]


def test_without_a_card_a_pass_says_that_nothing_is_pinned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader = DataLoader([1.0, 2.0], pin_memory=True)
    with pytest.warns(UserWarning, match="pin_memory=True has no effect"):
        assert [batch.item() for batch in loader] == [1, 2]


def test_switches_of_matrix_products(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = cupy_stub.ComputeTypes
    monkeypatch.setattr(kinds, "now", {})
    assert tg.get_float32_matmul_precision() == "highest"
    tg.set_float32_matmul_precision("high")
    assert tg.backends.cuda.matmul.allow_tf32 and kinds.now["float32"] == kinds.COMPUTE_TYPE_TF32
    tg.backends.cuda.matmul.allow_tf32 = False
    assert tg.get_float32_matmul_precision() == "highest" and kinds.now["float32"] == kinds.COMPUTE_TYPE_DEFAULT
    tg.backends.cuda.matmul.allow_fp16_accumulation = True
    assert kinds.now["float16"] == kinds.COMPUTE_TYPE_FP16
    tg.backends.cuda.matmul.allow_fp16_accumulation = False
    with pytest.raises(ValueError, match="'highest', 'high' or 'medium'"):
        tg.set_float32_matmul_precision("low")


def test_a_switch_that_was_set_before_a_card_was_used(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_stub.ComputeTypes, "now", {})
    matmul = backends.cuda.Matmul()
    matmul.allow_tf32 = True
    matmul.attach(cupy_stub.ComputeTypes)
    assert cupy_stub.ComputeTypes.now == {"float32": cupy_stub.ComputeTypes.COMPUTE_TYPE_TF32}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (cupy_stub.CUDARuntimeError("cudaErrorLaunchFailure"), RuntimeError),
        (cupy_stub.OutOfMemoryError("out of memory allocating 9 bytes"), tg.cuda.OutOfMemoryError),
        (cupy_stub.CompileException("expected a ;"), RuntimeError),
    ],
)
def test_a_failing_kernel_names_its_operation(
    cuda: Any, monkeypatch: pytest.MonkeyPatch, error: Any, kind: Any
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    x = tg.ones(2, 3, device="cuda", requires_grad=True)
    y = tg.nn.functional.gelu(x)
    monkeypatch.setitem(cuda.kernels, "gelu", fail)
    monkeypatch.setitem(cuda.kernels, "gelu_backward", fail)
    with pytest.raises(kind, match=rf"^gelu: {error}.*float32\[2, 3\]"):
        tg.nn.functional.gelu(x)
    with pytest.raises(kind, match=rf"^the backward of gelu: {error}"):
        y.sum().backward()


def test_a_failure_that_shows_later_is_named_in_anomaly_mode(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tg.ones(2, device="cuda")

    def fail(*_: Any) -> None:
        raise cupy_stub.CUDARuntimeError("cudaErrorIllegalAddress")

    monkeypatch.setattr(cuda._cupy, "asnumpy", fail)
    with pytest.raises(RuntimeError, match=r"started earlier failed on the card: autograd.detect_anomaly\(\)"):
        x.tolist()
    monkeypatch.setattr(cupy_stub.Place, "synchronize", fail)
    with (
        tg.autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"^exp: cudaErrorIllegalAddress \(called with"),
    ):
        x.exp()


def test_values_of_pinned_memory_are_those_of_numpy(cuda: Any) -> None:
    x = np.arange(3)
    assert cuda.pinned(x).tolist() == [0, 1, 2] and not cuda.is_pinned(x)
