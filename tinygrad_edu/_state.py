"""Modes that belong to a thread: grad mode, inference mode, anomaly mode, default device and dtype."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from tinygrad_edu.dtypes import DType, float32, to_dtype

_F = TypeVar("_F", bound=Callable[..., Any])

# Switched on while any thread is in anomaly mode: a plain global is cheaper to ask than a thread-local.
anomaly_threads = 0


class _Modes(threading.local):
    """The modes of the running thread; a new thread starts with these defaults."""

    grad = True
    inference = False
    anomaly = False
    check_nan = True
    retain = True  # whether the backward pass that is running keeps saved values, so that formulas must not use them up
    device: str | None = None
    dtype: DType = float32


modes = _Modes()


class _Mode:
    """A mode that is entered with ``with`` or put on a function as a decorator (generators included)."""

    def _enter(self) -> Any:
        raise RuntimeError("a mode says how it is entered")

    def _leave(self, before: Any) -> None:
        raise RuntimeError("a mode says how it is left")

    def __enter__(self) -> None:
        # A stack, so that one object can be entered again while it is active.
        self.__dict__.setdefault("_before", []).append(self._enter())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._leave(self.__dict__["_before"].pop())

    def __call__(self, function: _F) -> _F:
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                # The mode holds while the generator's own lines run, not between them.
                iterator = function(*args, **kwargs)
                resume: Callable[[], Any] = functools.partial(next, iterator)
                while True:
                    with self:
                        try:
                            value = resume()
                        except StopIteration as stop:
                            return stop.value
                    try:
                        resume = functools.partial(iterator.send, (yield value))
                    except GeneratorExit:
                        with self:
                            iterator.close()
                        raise
                    except BaseException as error:
                        resume = functools.partial(iterator.throw, error)

            return generate  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


class set_grad_enabled(_Mode):
    """Switch the recording of the graph on or off, at once or for a ``with`` block.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor(1.0, requires_grad=True)
    >>> with tg.set_grad_enabled(False):
    ...     (2 * x).requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        # Effective at once, like PyTorch's; ``with`` restores what was before the call.
        self._initial: list[bool] = [modes.grad]
        modes.grad = self.mode

    def _enter(self) -> bool:
        before = self._initial.pop() if self._initial else modes.grad
        modes.grad = self.mode
        return before

    def _leave(self, before: bool) -> None:
        modes.grad = before

    def __call__(self, function: _F) -> _F:
        if self._initial:  # as a decorator it must not change the mode of the code around the function
            modes.grad = self._initial.pop()
        return super().__call__(function)


class _Grad(_Mode):
    mode: bool

    def __new__(cls, function: Callable[..., Any] | None = None) -> Self:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)  # type: ignore[return-value]  # ``@no_grad`` alone

    def _enter(self) -> bool:
        before = modes.grad
        modes.grad = self.mode
        return before

    def _leave(self, before: bool) -> None:
        modes.grad = before


class no_grad(_Grad):
    """Record no graph: as ``with no_grad():`` or as a decorator.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> with tg.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_Grad):
    """Record the graph again inside a :class:`no_grad` block."""

    mode = True


class inference_mode(_Mode):
    """``no_grad`` that also says so: ``is_inference_mode_enabled()`` is true inside.

    PyTorch additionally forbids the results in a later graph; here they are ordinary tensors that need no gradient.
    """

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        self = super().__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        self.mode = bool(mode)
        return self

    def _enter(self) -> tuple[bool, bool]:
        before = modes.grad, modes.inference
        if self.mode:
            modes.grad = False
        modes.inference = self.mode
        return before

    def _leave(self, before: tuple[bool, bool]) -> None:
        modes.grad, modes.inference = before

    mode: bool


class set_detect_anomaly(_Mode):
    """Find the line that makes the first NaN, and the line that overwrites a value which a backward will need.

    While it is on, every operation remembers the line that called it; an operation or a backward formula whose result
    holds
    a NaN that was in none of its inputs raises a ``RuntimeError`` naming that line, and the arrays kept for the
    backward
    pass are write-protected where the backend can. It is slow: for debugging.

    Parameters
    ----------
    mode : bool
        Switch on or off.
    check_nan : bool
        Look for NaNs; otherwise only the lines are remembered.
    """

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.mode, self.check_nan = bool(mode), bool(check_nan)
        # Effective at once, like set_grad_enabled; ``with`` restores what was before the call.
        self._initial = [(modes.anomaly, modes.check_nan)]
        self._set(self.mode, self.check_nan)

    def _enter(self) -> tuple[bool, bool]:
        before = self._initial.pop() if self._initial else (modes.anomaly, modes.check_nan)
        self._set(self.mode, self.check_nan)
        return before

    def __call__(self, function: _F) -> _F:
        if self._initial:
            self._set(*self._initial.pop())
        return super().__call__(function)

    def _leave(self, before: tuple[bool, bool]) -> None:
        self._set(*before)

    @staticmethod
    def _set(mode: bool, check_nan: bool) -> None:
        global anomaly_threads
        anomaly_threads += mode - modes.anomaly
        modes.anomaly, modes.check_nan = mode, check_nan


class detect_anomaly(set_detect_anomaly):
    """``with detect_anomaly():`` — see :class:`set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
        self._set(*self._initial.pop())  # only inside of the block


def is_grad_enabled() -> bool:
    """Whether operations record the graph in this thread."""
    return modes.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside :class:`inference_mode`."""
    return modes.inference


def get_default_dtype() -> DType:
    """The floating-point type of tensors made from Python numbers (``float32`` unless changed)."""
    return modes.dtype


def set_default_dtype(dtype: Any) -> None:
    """Set the floating-point type of tensors made from Python numbers, for this thread."""
    dtype = to_dtype(dtype)
    if not dtype.is_floating_point:
        raise TypeError(f"set_default_dtype: expected a floating-point dtype, got {dtype}")
    modes.dtype = dtype


def default_device() -> str:
    """The device of tensors made without ``device=``: this thread's, else ``TINYGRAD_EDU_DEVICE``, else ``cpu``."""
    return modes.device or os.environ.get("TINYGRAD_EDU_DEVICE") or "cpu"
