"""Threads for NumPy: the BLAS library's own, and one persistent helper that shares large elementwise work."""

from __future__ import annotations

import math
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.backends import _numpy_blas

# A NumPy call releases the GIL, so two Python threads can share an array; handing over and joining costs some 15 µs,
# so work
# under this many elements a thread is not worth splitting.
GRAIN = 1 << 16
# Elements of a piece, where several passes follow one another: small ones, which would stay in the inner cache, lose more to
# threads that wait for the GIL after each of their calls.
BLOCK = 1 << 18
PRODUCTS = 1 << 22  # likewise, for multiplications and additions in matrix products
LATE = 0.4  # the work, in such grains, that the caller does before a helper has woken up


def _available() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class _Helper(threading.Thread):
    """A daemon that runs one function at a time and says when it is done."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="tinygrad_edu-helper")
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            job = self.jobs.get()
            try:
                job()
            except BaseException as error:  # handed to the thread that waits
                self.done.put(error)
            else:
                self.done.put(None)
            del job


_threads = int(os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or 0) or _available()
_blas_threads = _threads
_helpers: list[_Helper] = []
_owner_pid = os.getpid()
_busy = threading.Lock()


def split(function: Callable[[slice], Any], length: int, elements: int) -> None:
    """Call ``function`` on slices that cover ``range(length)``, in several threads where the work is large.

    Parameters
    ----------
    function : callable
        Takes a slice of the first axis and works on that part alone.
    length : int
        Size of the first axis.
    elements : int
        Elements touched in all, to judge whether splitting pays.
    """
    _spread(function, length, elements / GRAIN)


def pieces(part: slice, block: int = BLOCK) -> list[slice]:
    """``part`` cut into slices of one size, of ``block`` elements at most."""
    length = part.stop - part.start
    count = max(1, -(-length // block))
    return [slice(part.start + length * i // count, part.start + length * (i + 1) // count) for i in range(count)]


def share(function: Callable[[slice], Any], length: int, products: int) -> None:
    """Like :func:`split` for work that is matrix products, so many ``products`` of numbers in all.

    Each thread multiplies for itself, so BLAS goes down to one thread, and stays there: its threads, left alone after a
    product, spin for some 20 ms beside ours. :func:`together` brings them back.
    """
    if _threads > 1:
        _set_blas(1)
    _spread(function, length, products / PRODUCTS)


def matmul(x: Any, y: Any) -> Any:
    """``x @ y``, shared by rows, columns or matrices while BLAS is at one thread."""
    if x.ndim == y.ndim > 2 and x.shape[-1] == 1 and x.dtype == y.dtype and x.dtype.kind == "f":
        # Outer products: matmul takes several times as long over so many small ones.
        return np.einsum("...n,...m->...nm", x[..., 0], y[..., 0, :])
    if _blas_threads == _threads or min(x.ndim, y.ndim) < 2 or x.dtype.kind != "f" or x.dtype != y.dtype:
        return x @ y
    products = x.size * y.shape[-1]
    if products < 2 * PRODUCTS:
        return x @ y
    if x.ndim > 2:
        if x.shape[:-2] != y.shape[:-2]:
            return x @ y
        out = np.empty((*x.shape[:-1], y.shape[-1]), x.dtype)
        _spread(lambda part: np.matmul(x[part], y[part], out=out[part]), len(x), products / PRODUCTS)
    elif y.ndim > 2:
        return x @ y
    else:
        out = np.empty((len(x), y.shape[1]), x.dtype)
        if len(x) >= y.shape[1]:
            _spread(lambda part: np.matmul(x[part], y, out=out[part]), len(x), products / PRODUCTS)
        else:
            _spread(lambda part: np.matmul(x, y[:, part], out=out[:, part]), y.shape[1], products / PRODUCTS)
    return out


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b, with b added by the thread that has the rows in its cache."""
    if bias is None:
        return matmul(x, weight.T)
    products = x.size * len(weight)
    if _blas_threads == _threads or products < 2 * PRODUCTS or x.dtype != weight.dtype or len(x) < len(weight):
        out = matmul(x, weight.T)
        split(lambda part: np.add(out[part], bias, out=out[part]), len(x), out.size)
        return out
    out = np.empty((len(x), len(weight)), x.dtype)

    def rows(part: slice) -> None:
        np.matmul(x[part], weight.T, out=out[part])
        out[part] += bias

    _spread(rows, len(x), products / PRODUCTS)
    return out


def linear_backward(g: Any, x: Any, weight: Any, with_bias: bool) -> tuple[Any, Any, Any] | None:
    """Gradients of the arguments of :func:`linear`, g W, gᵀ x and the sum of g; of those that are None, None.

    All in one go, since threads that meet after each product would wait for one another each time. None where they are not
    to share: then each product is made for itself.
    """
    n, outs = g.shape
    widths = [y.shape[1] for y in (weight, x) if y is not None]
    work = n * outs * sum(widths) / PRODUCTS
    if (
        _blas_threads == _threads
        or work < 2
        or n < outs / 4
        or any(y is not None and y.dtype != g.dtype for y in (x, weight))
    ):
        return None
    gx = None if weight is None else np.empty((n, widths[0]), g.dtype)
    gw = None if x is None else np.empty((outs, widths[-1]), g.dtype)
    gb = np.empty(outs, g.dtype) if with_bias else None
    ones = np.ones(n, g.dtype)

    def part(rows: slice) -> None:
        columns = slice(outs * rows.start // n, outs * rows.stop // n)
        if gx is not None:
            np.matmul(g[rows], weight, out=gx[rows])
        if gw is not None:
            np.matmul(g[:, columns].T, x, out=gw[columns])
        if gb is not None:
            np.matmul(ones, g[:, columns], out=gb[columns])

    _spread(part, n, work)
    return gx, gw, gb


def together() -> None:
    """Let BLAS use all threads again, for products that follow each other too fast to be shared."""
    if _blas_threads != _threads:
        _set_blas(_threads)


def _set_blas(n: int) -> None:
    """Set the number of threads of matrix products, where NumPy carries OpenBLAS."""
    global _blas_threads
    if n != _blas_threads:
        _blas_threads = n
        setter = _numpy_blas.function("openblas_set_num_threads")
        if setter is not None:
            setter[0](n)


def _bounds(length: int, parts: int, grains: float) -> list[int]:
    """Where the shares of ``range(length)`` begin and end: the caller's is larger than the helpers', who start late, but of few
    things, such as samples, by one at most."""
    share = length * (1 - LATE / grains) / parts
    bounds = [0, *(length - min(math.ceil(share * i), length * i // parts) for i in range(parts - 1, -1, -1))]
    return [n + -n % 8 for n in bounds[:-1]] + [length] if share > 128 else bounds  # whole vectors of matrix products


def _spread(function: Callable[[slice], Any], length: int, grains: float) -> None:
    """Call ``function`` on slices that cover ``range(length)``, a thread each, where there is work for several."""
    global _owner_pid
    parts = min(_threads, length, int(grains))
    if parts < 2 or not _busy.acquire(blocking=False):  # small, or called from another thread's share
        function(slice(0, length))
        return
    try:
        if os.getpid() != _owner_pid:  # threads do not survive a fork
            _helpers.clear()
            _owner_pid = os.getpid()
        while len(_helpers) < parts - 1:
            _helpers.append(_Helper())
        bounds = _bounds(length, parts, grains)
        used = _helpers[: parts - 1]
        for helper, lo, hi in zip(used, bounds[1:], bounds[2:], strict=False):
            helper.jobs.put(lambda lo=lo, hi=hi: function(slice(lo, hi)))  # type: ignore[misc]
        failure: BaseException | None = None
        try:
            function(slice(0, bounds[1]))
        except BaseException as error:
            failure = error
        for helper in used:
            failure = helper.done.get() or failure
        if failure is not None:
            raise failure
    finally:
        _busy.release()


def set_num_threads(n: int) -> None:
    """Set the number of threads of matrix products (where NumPy carries OpenBLAS) and of large elementwise work."""
    global _threads
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive number of threads, got {n!r}")
    _threads = n
    _set_blas(n)


def get_num_threads() -> int:
    """The number of threads in use."""
    return _threads
