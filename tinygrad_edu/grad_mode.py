"""Whether operations record the graph: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from tinygrad_edu._state import modes, swap

_F = TypeVar("_F", bound=Callable[..., Any])


class Mode:
    """Settings of this thread that hold in a ``with`` block or, as a decorator, in a function or generator."""

    settings: dict[str, Any]
    # What to go back to: a stack, so that one object can be entered again while it is active.
    _before: list[dict[str, Any]]
    _early = False  # set already when it was made, and not yet entered

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        mode = super().__new__(cls)
        mode._before = []
        return mode

    def _set_now(self) -> None:
        """Be effective at once, without ``with``; a ``with`` restores what was before this call."""
        self._before.append(swap(self.settings))
        self._early = True

    def __enter__(self) -> None:
        if not self._early:
            self._before.append(swap(self.settings))
        self._early = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        swap(self._before.pop())

    def __call__(self, function: _F) -> _F:
        if self._early:  # a decorator must not change the mode of the code around the function
            self._early = False
            swap(self._before.pop())
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator's own lines run, not between them."""

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
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

        return generate


class set_grad_enabled(Mode):
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
        self.settings = {"grad": bool(mode)}
        self._set_now()


class no_grad(Mode):
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

    settings = {"grad": False}

    def __new__(cls, function: Callable[..., Any] | None = None) -> Self:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)  # type: ignore[return-value]  # ``@no_grad`` alone


class enable_grad(no_grad):
    """Record the graph again inside a :class:`no_grad` block."""

    settings = {"grad": True}


class inference_mode(Mode):
    """``no_grad`` that also says so: ``is_inference_mode_enabled()`` is true inside.

    PyTorch additionally forbids the results in a later graph; here they are ordinary tensors that need no gradient.
    """

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Self:
        self = super().__new__(cls)
        self.settings = {"grad": False, "inference": True} if mode else {"inference": False}
        return self(mode) if callable(mode) else self  # type: ignore[return-value]


def is_grad_enabled() -> bool:
    """Whether operations record the graph in this thread."""
    return modes.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside :class:`inference_mode`."""
    return modes.inference
