"""Worker processes of the DataLoader: the same batches for any number of them, and none that hangs or is left behind."""

import copy
import gc
import itertools
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    get_worker_info,
    pool,
    transport,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the tests fork")


@pytest.fixture(autouse=True)
def by_fork():
    """Some tests hand over functions that can't be pickled; newer versions of Python don't fork unless asked to."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


class Noisy(Dataset):
    """Samples with random numbers of the library in them, as augmentation makes them."""

    def __init__(self, size, width=3):
        self.size, self.width = size, width

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return {"i": i, "x": tg.rand(self.width) + i, "n": (np.full(2, i, np.int32), f"sample {i}")}


class Shared(IterableDataset):
    """The numbers below a size, dealt out to the workers."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return ((i, tg.rand(1)) for i in range(first, self.size, step))


class Doing(Dataset):
    """Does something for sample 5."""

    def __init__(self, action, size=12):
        self.action, self.size = action, size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return self.action(i) if i == 5 else i


class TwoWords(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def plain(batch):
    if isinstance(batch, dict):
        return {k: plain(v) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [plain(v) for v in batch]
    return batch.tolist() if isinstance(batch, tg.Tensor) else batch


def nobody_left():
    for process in multiprocessing.active_children():
        process.join(5)
    return not multiprocessing.active_children()


# The same as without workers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["map", "subset", "tensors", "repeated", "single", "stream of one"])
def test_batches_are_the_same_for_any_number_of_workers(kind):
    def epochs(workers):
        tg.manual_seed(3)
        arguments = {"batch_size": 4, "shuffle": True}
        dataset = Noisy(18)
        if kind == "subset":
            dataset = Subset(dataset, range(3, 15))
        elif kind == "tensors":
            dataset = TensorDataset(tg.arange(18), tg.rand(18, 40_000))
        elif kind == "repeated":
            arguments = {"batch_size": 4, "sampler": RandomSampler(dataset, num_samples=50)}
        elif kind == "single":
            arguments = {"batch_size": None}
        elif kind == "stream of one":
            dataset, arguments = Shared(11), {"batch_size": 3, "drop_last": True}
            workers = min(workers, 1)
        loader = DataLoader(dataset, num_workers=workers, **arguments)
        found = []
        for _ in range(2):
            for batch in loader:
                found.append((plain(batch), float(tg.rand(()))))  # training uses random numbers meanwhile
        return found

    expected = epochs(0)
    assert epochs(1) == expected and epochs(3) == expected
    assert expected[0] != expected[len(expected) // 2]
    assert nobody_left()


def test_a_stream_is_shared_by_its_workers():
    loader = DataLoader(Shared(11), batch_size=2, num_workers=3)
    batches = [x.tolist() for x, _ in loader]
    assert batches == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8]]
    assert nobody_left()


def test_any_order_has_every_batch():
    loader = DataLoader(Noisy(20), batch_size=3, num_workers=2, in_order=False, prefetch_factor=3)
    assert sorted(i for batch in loader for i in batch["i"].tolist()) == list(range(20))


def in_main(i):
    return os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_of_starting_processes(method):
    tg.manual_seed(1)
    expected = [plain(batch) for batch in DataLoader(Noisy(6), batch_size=3)]
    tg.manual_seed(1)
    context = multiprocessing.get_context(method)
    loader = DataLoader(Noisy(6), batch_size=3, num_workers=1, multiprocessing_context=context)
    assert [plain(batch) for batch in loader] == expected
    assert nobody_left()


# What workers know and how they start --------------------------------------------------------------------------------


class About(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        info = get_worker_info()
        return os.getpid(), info.id, info.num_workers, info.seed, random.random(), np.random.rand(), Started.by


class Started:
    by = None


def start(worker):
    Started.by = worker


def test_workers_know_who_they_are():
    assert get_worker_info() is None
    tg.manual_seed(0)
    loader = DataLoader(About(), batch_size=None, num_workers=2, worker_init_fn=start)
    pids, ids, counts, seeds, drawn, numpys, inits = zip(*loader, strict=True)
    assert ids == inits == (0, 1) * 4 and set(counts) == {2}
    assert len(set(pids)) == 2 and os.getpid() not in pids and len(set(seeds)) == 2
    assert len(set(drawn)) == len(set(numpys)) == 8, "workers draw different numbers"


def test_persistent_workers_live_on_and_others_do_not():
    for persistent, expected in ((True, 2), (False, 4)):
        loader = DataLoader(About(), batch_size=None, num_workers=2, persistent_workers=persistent)
        assert len({sample[0] for _ in range(2) for sample in loader}) == expected
        assert (len(multiprocessing.active_children()) == 2) is persistent
        del loader
        assert nobody_left()


def test_a_new_pass_with_persistent_workers_ends_the_old_one():
    loader = DataLoader(Noisy(9), num_workers=2, persistent_workers=True)
    old = iter(loader)
    next(old)
    assert [batch["i"].item() for batch in loader] == list(range(9))
    with pytest.raises(RuntimeError, match="one pass at a time"):
        next(old)
    for _ in range(3):  # left early, again and again
        assert [batch["i"].item() for batch in itertools.islice(loader, 3)] == [0, 1, 2]


# What goes wrong -----------------------------------------------------------------------------------------------------


def fail(i):
    raise KeyError(f"no sample {i}")


def fail_oddly(i):
    raise TwoWords("two", "words")


def fail_unpicklably(i):
    error = ValueError("with a lock")
    error.lock = multiprocessing.get_context().Lock
    error.function = lambda: None
    raise error


@pytest.mark.parametrize(
    ("action", "kind", "message"),
    [
        (fail, KeyError, "no sample 5"),
        (fail_oddly, RuntimeError, "TwoWords in worker process 1 .*two words"),
        (fail_unpicklably, RuntimeError, "ValueError in worker process 1 .*with a lock"),
        (lambda i: lambda: None, (AttributeError, pickle.PicklingError), "pickle"),
        (lambda i: tg.ones(1, requires_grad=True) * 2, RuntimeError, "only leaf tensors can be pickled"),
    ],
)
def test_an_exception_comes_back_with_its_traceback(action, kind, message):
    loader = DataLoader(Doing(action), batch_size=None, num_workers=2)
    batches = iter(loader)
    assert [next(batches) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(kind, match="(?s)" + message) as info:
        next(batches)
    told = str(info.value) + "".join(getattr(info.value, "__notes__", []))
    assert "worker process 1 of the DataLoader" in told and "Traceback" in told and "in " in told
    assert list(batches) == [6, 7, 8, 9, 10, 11], "the other batches are fine"
    assert nobody_left()


def refuse(worker):
    raise OSError(f"worker {worker} can't open the file")


def test_an_init_function_that_fails():
    with pytest.raises(OSError, match="can't open the file"):
        next(iter(DataLoader(Noisy(3), num_workers=2, worker_init_fn=refuse)))
    assert nobody_left()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda i: os.kill(os.getpid(), signal.SIGKILL), "worker 1 .* died with signal SIGKILL"),
        (lambda i: sys.exit(3), "worker 1 .* died with exit code 3"),
        (lambda i: os._exit(0), "worker 1 .* died with exit code 0"),
    ],
)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_dies_is_reported(action, message, persistent):
    dataset = Doing(action)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=persistent)
    with pytest.raises(RuntimeError, match=message):
        list(loader)
    assert nobody_left()
    assert next(iter(loader)) == 0, "a new pass starts new workers"


def test_a_wait_that_is_too_long(monkeypatch):
    monkeypatch.setattr(pool, "_GRACE", 0.2)
    loader = DataLoader(Doing(lambda i: time.sleep(60), 6), batch_size=None, num_workers=1, timeout=0.3)
    batches = iter(loader)
    assert [next(batches) for _ in range(5)] == [0, 1, 2, 3, 4]
    before = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out.*0\.3 seconds"):
        next(batches)
    assert nobody_left() and time.monotonic() - before < 30


def test_large_requests_and_large_answers_do_not_block_each_other():
    """Both are larger than what a connection holds: the loader must not wait for a worker that waits for the loader."""

    class Long(Noisy):
        def __getitem__(self, i):
            return "x" * 100

    loader = DataLoader(Long(60_000), 20_000, num_workers=1, prefetch_factor=3, collate_fn="".join)
    assert [len(batch) for batch in loader] == [2_000_000] * 3


# Nobody is left behind -----------------------------------------------------------------------------------------------


def test_leaving_early_ends_the_workers():
    for batch in DataLoader(Noisy(1000), num_workers=2):
        assert batch["i"].item() == 0
        break
    assert nobody_left()
    batches = iter(DataLoader(Noisy(1000, 50_000), num_workers=2))
    next(batches)
    del batches
    assert nobody_left()
    with pytest.raises(ZeroDivisionError):
        for _ in DataLoader(Noisy(1000), num_workers=2):
            raise ZeroDivisionError
    assert nobody_left()


def test_loaders_that_live_together_end_apart():
    """Workers of the second are forked while the first has its connections open, and must not keep them so."""
    loaders = [DataLoader(Noisy(9), num_workers=2, persistent_workers=True) for _ in range(2)]
    for loader in loaders:
        list(loader)
    before = time.monotonic()
    del loader, loaders[0]
    assert len(multiprocessing.active_children()) == 2 and time.monotonic() - before < 4
    assert len(list(loaders[0])) == 9
    loaders.clear()
    assert nobody_left()


SCRIPT = """
import multiprocessing, os, signal, sys, time
import tinygrad_edu as tg
from tinygrad_edu.utils.data import DataLoader, Dataset

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without one
multiprocessing.set_start_method("fork")

class Slow(Dataset):
    def __len__(self): return 1000
    def __getitem__(self, i):
        time.sleep(0.01)
        return os.getpid()

loader = DataLoader(Slow(), batch_size=None, num_workers=2, persistent_workers=sys.argv[1] == "persistent")
batches = iter(loader)
pids = {next(batches) for _ in range(4)}
print(*pids, flush=True)
if sys.argv[2] == "exit":
    sys.exit(7)
if sys.argv[2] == "error":
    raise RuntimeError
while True:
    next(batches)
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
@pytest.mark.parametrize(
    ("end", "persistent"),
    [
        ("exit", "no"),
        ("exit", "persistent"),
        ("error", "no"),
        ("INT", "no"),
        ("INT", "persistent"),
        ("KILL", "no"),
        ("TERM", "no"),
    ],
)
def test_the_end_of_the_main_process_is_the_end_of_all(end, persistent):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, persistent, end]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as child:
        pids = [int(pid) for pid in child.stdout.readline().split()]
        assert len(pids) == 2
        if end == "INT":
            os.killpg(child.pid, signal.SIGINT)  # as the terminal does
        elif end in ("KILL", "TERM"):
            child.send_signal(getattr(signal, f"SIG{end}"))
        _, errors = child.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    if end == "exit":
        assert child.returncode == 7 and errors == ""
    if end == "INT":
        assert errors.count("KeyboardInterrupt") == 1, "workers leave interrupts to the main process"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="shared memory without a name")
def test_arrays_come_in_shared_memory_that_is_given_back(monkeypatch):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    def mappings():
        with open("/proc/self/maps") as maps:
            return sum("memfd:tinygrad_edu" in line for line in maps)

    gc.collect()  # what tests before this one left in tracebacks
    loader = DataLoader(Noisy(40, 30_000), batch_size=2, num_workers=2)
    before = descriptors()
    for batch in loader:
        assert 1 <= mappings() <= 5, "one mapping a batch: this one, and those that are made ahead"
        batch["x"] += 1  # ours to write to
        assert descriptors() <= before + 12
    del batch
    assert mappings() == 0 and descriptors() == before
    monkeypatch.setattr(transport, "_MANY", before + 12)
    kept = list(loader)
    assert descriptors() <= before + 12, "who keeps many batches keeps no descriptors"
    assert [x for batch in kept for x in batch["i"].tolist()] == list(range(40))
    assert all(((batch["x"] - batch["i"].reshape(2, 1)).abs() <= 1).all() for batch in kept)


def test_without_shared_memory_arrays_come_through_the_connection(monkeypatch):
    def batches():
        tg.manual_seed(0)
        return [plain(batch) for batch in DataLoader(Noisy(6, 30_000), batch_size=2, num_workers=2)]

    expected = batches()
    monkeypatch.setattr(transport, "_SHARED", False)
    assert batches() == expected


# Tensors in pickles --------------------------------------------------------------------------------------------------


def test_leaves_can_be_pickled():
    base = tg.rand(1000, 10)
    weight = nn.Parameter(tg.ones(2), requires_grad=True)
    weight.no_decay = True
    view, again = pickle.loads(pickle.dumps((base[1], weight)))
    assert view.tolist() == base[1].tolist() and len(pickle.dumps(base[1])) < 1000, "a view leaves its base behind"
    assert type(again) is nn.Parameter and again.requires_grad and again.no_decay and again.tolist() == [1, 1]
    (again * 3).sum().backward()
    assert again.grad.tolist() == [3, 3] and weight.grad is None
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        pickle.dumps(weight * 2)
    model = pickle.loads(pickle.dumps(nn.Sequential(nn.Linear(2, 3), nn.Tanh())))
    assert model(tg.ones(1, 2)).shape == (1, 3)
    twin = copy.copy(base)
    twin += 1
    assert twin.tolist() == base.tolist(), "copy.copy shares memory, as it always did"


def test_tensors_of_other_devices_come_back_to_them():
    pytest.importorskip("array_api_strict")
    x = tg.arange(3.0, device="strict").requires_grad_()
    again = pickle.loads(pickle.dumps(x))
    assert again.device == "strict" and again.tolist() == [0, 1, 2] and again.requires_grad
