"""Objects from one process to another over a connection; large arrays travel in shared memory that no crash can leak.

Arrays are pickled out of band: the message holds everything but their bytes. These go into memory without a name (Linux
calls it a memfd), of which the other process gets a descriptor. It is freed when nobody uses it any more, however the
processes end. Systems that have no such memory, and small arrays, send the bytes through the connection.
"""

from __future__ import annotations

import mmap
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

_SMALL = 1 << 16  # bytes that go through the connection as fast
_ALIGNED = 64
_MANY = 256  # open files, of 1024 that a process may have in many places
_SHARED = hasattr(os, "memfd_create")


def send(connection: Connection, value: Any) -> None:
    """Send `value`, of which nothing is sent when it can't be pickled."""
    buffers: list[pickle.PickleBuffer] = []
    message = pickle.dumps(value, 5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    shared = _SHARED and sum(sizes) > _SMALL
    connection.send_bytes(pickle.dumps((sizes, shared)))
    connection.send_bytes(message)
    if shared:
        descriptor = os.memfd_create("tinygrad_edu")
        try:
            for view, start in zip(views, _starts(sizes), strict=False):
                _write(descriptor, view, start)
            reduction.send_handle(connection, descriptor, None)
        finally:
            os.close(descriptor)
    else:
        for view in views:
            connection.send_bytes(view)


def receive(connection: Connection) -> Any:
    """Wait for what the other side sends; arrays in it can be written to.

    Raises
    ------
    EOFError, OSError
        If the other side is gone.
    """
    sizes, shared = pickle.loads(connection.recv_bytes())
    message = connection.recv_bytes()
    if not shared:
        return pickle.loads(message, buffers=[bytearray(connection.recv_bytes()) for _ in sizes])
    descriptor = reduction.recv_handle(connection)
    try:
        *starts, end = _starts(sizes)
        memory = _mapped(descriptor, end)
    finally:
        os.close(descriptor)
    return pickle.loads(message, buffers=[memory[s : s + n] for s, n in zip(starts, sizes, strict=True)])


def _mapped(descriptor: int, size: int) -> memoryview:
    """Return the shared memory itself, or a copy where so many batches are kept that descriptors might run out."""
    if descriptor < _MANY:  # a mapping holds one as long as it lives
        return memoryview(mmap.mmap(descriptor, size, mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)))
    memory, done = memoryview(bytearray(size)), 0
    while done < size:
        done += os.preadv(descriptor, [memory[done:]], done)
    return memory


def _starts(sizes: list[int]) -> list[int]:
    """Where each buffer starts, and where the last one ends."""
    starts = [0]
    for size in sizes:
        starts.append(-(-(starts[-1] + size) // _ALIGNED) * _ALIGNED)
    return starts


def _write(descriptor: int, view: memoryview, start: int) -> None:
    """Write all of `view`, and make the memory long enough for what follows it."""
    os.ftruncate(descriptor, -(-(start + view.nbytes) // _ALIGNED) * _ALIGNED)
    done = 0
    while done < view.nbytes:
        done += os.pwrite(descriptor, view[done:], start + done)
