"""The main process's side of workers: starting them, one epoch of batches in order, and ending them whatever happens."""

from __future__ import annotations

import os
import pickle
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection, wait
from typing import Any

from tinygrad_edu.utils.data import transport
from tinygrad_edu.utils.data.fetch import Recipe, Task
from tinygrad_edu.utils.data.worker import END, ERROR, STOP, WorkerInfo, work

_GRACE = 5.0  # seconds in which a worker may finish its last batch


_open: weakref.WeakSet[Connection] = weakref.WeakSet()  # the main process's ends of all pools


class Pool:
    """Worker processes, each with a connection of its own: one that dies takes no lock with it.

    Parameters
    ----------
    recipe : Recipe
        How batches are made.
    number : int
        How many processes.
    context : multiprocessing context
        How processes are started.
    seed : int
        Worker i is seeded by ``seed + i``.
    init : callable, optional
        Called with its number in each worker at its start.
    """

    def __init__(
        self, recipe: Recipe, number: int, context: Any, seed: int, init: Callable[[int], None] | None
    ) -> None:
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        self.epoch = 0
        # Also called when the pool is forgotten, and when the interpreter ends.
        self.stop = weakref.finalize(self, _stop, self.processes, self.connections, os.getpid())
        try:
            for i in range(number):
                ours, theirs = context.Pipe()
                info = WorkerInfo(i, number, (seed + i) % (1 << 64), recipe.dataset)
                # Only a fork hands open connections on; other ways of starting can't, and needn't close them.
                _open.add(ours)
                inherited = list(_open) if context.get_start_method() == "fork" else []
                process = context.Process(target=work, args=(theirs, inherited, recipe, info, init), daemon=True)
                self.connections.append(ours)
                process.start()
                self.processes.append(process)
                theirs.close()
        except BaseException:
            self.stop()
            raise

    def send(self, worker: int, task: Task) -> None:
        """Give a worker a task; if it is dead, this is noticed when its answer is waited for."""
        try:
            self.connections[worker].send_bytes(pickle.dumps(tuple(task)))
        except OSError:
            pass
        except BaseException:  # an interrupt may come in the middle of a message
            self.stop()
            raise

    def receive(self, timeout: float | None) -> list[Any]:
        """Wait for at least one answer, and return all that are there.

        Raises
        ------
        RuntimeError
            If a worker has died, or nothing came in time; all workers are ended then.
        """
        sentinels = {process.sentinel: i for i, process in enumerate(self.processes)}
        ready = wait([*self.connections, *sentinels], timeout)
        if not ready:
            self.stop()
            raise RuntimeError(f"DataLoader timed out: no batch came from its workers for {timeout} seconds")
        found = []
        for i, connection in enumerate(self.connections):
            if connection in ready:
                try:
                    found.append(transport.receive(connection))
                except (EOFError, OSError):
                    self._died(i)
        if not found:
            self._died(sentinels[ready[0]])
        return found

    def _died(self, worker: int) -> None:
        process = self.processes[worker]
        process.join(1)
        code = process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else f"signal {signal.Signals(-code).name}"
        self.stop()
        raise RuntimeError(
            f"DataLoader worker {worker} (process {process.pid}) died with {how}; a process is killed when memory runs "
            "out, or when native code crashes: num_workers=0 shows where"
        )


def _stop(processes: list[Any], connections: list[Connection], owner: int) -> None:
    """Hang up, and see to it that no process is left."""
    if os.getpid() != owner:  # a forked process has a copy of all this
        return
    for connection in connections:
        # Said as well as done: other processes that were forked meanwhile may hold the connection open.
        with suppress(OSError):
            connection.send_bytes(STOP)
        connection.close()
    deadline = time.monotonic() + _GRACE
    for end in (None, "terminate", "kill"):
        for process in processes:
            if end is not None and process.is_alive():
                getattr(process, end)()
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()) if end is None else 1.0)


class Epoch:
    """An iterator over the batches of one pass, which keeps all workers supplied with tasks."""

    def __init__(
        self, pool: Pool, batches: Iterator[Any], seed: int, ahead: int, timeout: float, in_order: bool, lasting: bool
    ) -> None:
        self._pool = pool
        self._batches = batches  # what each task asks for
        self._seed = seed
        self._ahead = ahead
        self._timeout = timeout or None
        self._in_order = in_order
        self._lasting = lasting  # whether the workers live on
        pool.epoch += 1
        self._epoch = pool.epoch
        self._numbers = count()
        self._waiting: dict[int, int] = {}  # tasks that were given out, in order, and to whom
        self._ready: dict[int, tuple[str, Any]] = {}
        self._load = [0] * len(pool.processes)
        self._exhausted: set[int] = set()
        self._turn = 0
        for _ in range(ahead * len(pool.processes)):
            self._give()

    def __iter__(self) -> Epoch:
        return self

    def __next__(self) -> Any:
        if self._pool.epoch != self._epoch:
            raise RuntimeError(
                "this pass over the DataLoader ended when a new one began: persistent workers make one pass at a time"
            )
        if not self._pool.stop.alive:
            raise StopIteration
        while self._waiting:
            number = next(iter(self._waiting)) if self._in_order else next(iter(self._ready), None)
            if number not in self._ready:
                self._take_in()
                continue
            assert number is not None
            worker, (kind, answer) = self._waiting.pop(number), self._ready.pop(number)
            self._load[worker] -= 1
            if kind == END:
                self._exhausted.add(worker)
                continue
            self._give()
            if kind == ERROR:
                raise answer.unpack(worker)
            return answer
        if not self._lasting:
            self._pool.stop()
        raise StopIteration

    def _give(self) -> None:
        """Give the next task to the worker whose turn it is and who has not enough to do."""
        workers = len(self._load)
        for i in range(self._turn, self._turn + workers):
            worker = i % workers
            if worker not in self._exhausted and self._load[worker] < self._ahead:
                break
        else:
            return
        try:
            indices = next(self._batches)
        except StopIteration:
            return
        self._turn = worker + 1
        task = Task(self._epoch, next(self._numbers), indices, self._seed)
        self._waiting[task.number] = worker
        self._load[worker] += 1
        self._pool.send(worker, task)

    def _take_in(self) -> None:
        try:
            for epoch, number, kind, answer in self._pool.receive(self._timeout):
                if epoch == self._epoch:
                    self._ready[number] = kind, answer
        except BaseException:  # an interrupt may come in the middle of a message
            self._pool.stop()
            raise
