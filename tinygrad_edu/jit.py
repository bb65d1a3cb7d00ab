"""What PyTorch compiles runs here as it is written: `compile`, `script` and `trace` return what they are given, and say so once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad_edu.absent import explain_missing

__all__ = ["compile", "export", "ignore", "is_scripting", "is_tracing", "script", "script_method", "trace", "unused"]

T = TypeVar("T")
_said: set[str] = set()


def say_once(text: str) -> None:
    """A warning that comes once in a program."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, stacklevel=3)


def compile(model: T | None = None, **options: Any) -> T | Callable[[T], T]:
    """Return a function or a model as it is: this library runs what is written, and compiles nothing.

    The first call says so. The options of PyTorch's function are accepted and without effect.

    Examples
    --------
    >>> import warnings
    >>> import tinygrad_edu as tg
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     double = tg.compile(lambda x: 2 * x)
    >>> double(tg.ones(2))
    tensor([2., 2.])
    """
    say_once("compile: nothing is compiled here; the function or model is returned as it is")
    return (lambda function: function) if model is None else model


def script(obj: T, **options: Any) -> T:
    """Return a function, class or model as it is; the first call says so."""
    say_once("jit.script: nothing is compiled here; the function or model is returned as it is")
    return obj


def trace(func: T, example_inputs: Any = None, **options: Any) -> T:
    """Return a function or a model as it is; the first call says so."""
    say_once("jit.trace: nothing is compiled here; the function or model is returned as it is")
    return func


def _as_it_is(function: T) -> T:
    """Return a function as it is: a mark for PyTorch's compiler."""
    return function


export = script_method = _as_it_is


def ignore(drop: Any = False, **options: Any) -> Any:
    """Return a function as it is: a mark for PyTorch's compiler, with or without arguments."""
    return drop if callable(drop) else _as_it_is


unused = _as_it_is


def is_scripting() -> bool:
    """Whether PyTorch's compiler reads the code: never."""
    return False


is_tracing = is_scripting
explain_missing(globals(), "jit")
