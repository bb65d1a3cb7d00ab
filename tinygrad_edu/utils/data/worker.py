"""A worker process: makes the batches that it is asked for, until the loader hangs up or is gone."""

from __future__ import annotations

import os
import pickle
import queue
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.generator import manual_seed
from tinygrad_edu.threads import set_num_threads
from tinygrad_edu.utils.data import transport
from tinygrad_edu.utils.data.fetch import Exhausted, Recipe, Task

__all__ = ["WorkerInfo", "get_worker_info"]


class WorkerInfo(NamedTuple):
    """Which worker this process is: its number, of how many, its seed, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return which worker of a `DataLoader` this process is; None in the main process.

    An `IterableDataset` asks for it, to give each worker a share of its samples.

    Examples
    --------
    >>> from tinygrad_edu.utils.data import IterableDataset, get_worker_info
    >>> class Count(IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()
    ...         first, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(first, 10, step))
    >>> list(Count())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    return _info


class Failure(NamedTuple):
    """An exception in a worker: pickled where that is possible, and as text."""

    error: bytes | None
    kind: str
    text: str

    @staticmethod
    def of(error: BaseException) -> Failure:
        """Pack `error`."""
        text = "".join(traceback.format_exception(error))
        try:
            packed = pickle.dumps(error)
            pickle.loads(packed)  # exceptions whose arguments are not those of their class pickle, and don't come back
        except Exception:
            packed = None
        return Failure(packed, type(error).__qualname__, text)

    def unpack(self, worker: int) -> BaseException:
        """Return the exception, with the worker's traceback as a note."""
        where = f"in worker process {worker} of the DataLoader"
        if self.error is None:
            return RuntimeError(f"{self.kind} {where}:\n{self.text}")
        error: BaseException = pickle.loads(self.error)
        error.add_note(f"raised {where}:\n{self.text}")
        return error


# What an answer is.
BATCH, END, ERROR = "batch", "end", "error"

STOP = b""  # in the place of a task: there will be no more

LINGER = 10.0  # seconds after which a worker ends that nobody listens to


def work(
    connection: Connection,
    others: list[Connection],
    recipe: Recipe,
    info: WorkerInfo,
    init: Callable[[int], None] | None,
) -> None:
    """Answer tasks that come over `connection`; what a forked process found open in `others` is not its own."""
    global _info
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides what an interrupt means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    set_num_threads(1)
    manual_seed(info.seed)
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    _info = info
    broken = None
    if init is not None:
        try:
            init(info.id)
        except Exception as error:
            broken = Failure.of(error)
    inbox = _Inbox(connection)
    epoch, fetch = -1, recipe.fetcher()
    while (task := inbox.get()) is not None:
        if task.epoch != epoch:
            epoch, fetch = task.epoch, recipe.fetcher()
        kind, answer = (ERROR, broken) if broken else _answer(fetch, task)
        try:
            _reply(connection, task, kind, answer)
        except OSError:
            return  # nobody listens any more


def _answer(fetch: Callable[[Task], Any], task: Task) -> tuple[str, Any]:
    try:
        return BATCH, fetch(task)
    except Exhausted:
        return END, None
    except Exception as error:
        return ERROR, Failure.of(error)


def _reply(connection: Connection, task: Task, kind: str, answer: Any) -> None:
    try:
        transport.send(connection, (task.epoch, task.number, kind, answer))
    except OSError:
        raise
    except Exception as error:  # it can't be pickled
        error.add_note("a batch that a worker makes is pickled to be sent to the main process")
        transport.send(connection, (task.epoch, task.number, ERROR, Failure.of(error)))


class _Inbox:
    """Takes in tasks as they come, so that the loader never waits for a worker that waits for the loader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._newest = -1
        threading.Thread(target=self._listen, daemon=True).start()

    def get(self) -> Task | None:
        """Return the next task of the newest epoch, or None when there will be no more."""
        while (task := self._tasks.get()) is not None and task.epoch < self._newest:
            pass  # nobody wants it any more
        return task

    def _listen(self) -> None:
        parent, main = os.getppid(), parent_process()
        watched: list[Any] = [self._connection] if main is None else [self._connection, main.sentinel]
        try:
            while True:
                ready = wait(watched, 5.0)
                if self._connection in ready:
                    message = self._connection.recv_bytes()
                    if message == STOP:
                        raise EOFError
                    task = Task(*pickle.loads(message))
                    self._newest = max(self._newest, task.epoch)
                    self._tasks.put(task)
                elif ready or os.getppid() != parent:
                    os._exit(1)  # the main process was killed
        except Exception:  # the connection is closed, or was broken off in the middle of a message
            self._newest += 1  # what is still to be done is not wanted
            self._tasks.put(None)
            time.sleep(LINGER)
            os._exit(1)
