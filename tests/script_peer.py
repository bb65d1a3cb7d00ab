"""Runs what tutorials do twice, on this library and on PyTorch, from the same initial weights, and compares losses step by step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import tinygrad_edu as tg

try:
    import torch
except ModuleNotFoundError:
    torch = None

Step = Callable[[], Any]  # does one step of training and returns its loss
Script = Callable[[Any], tuple[Any, Step]]  # of a library: a model, or its tensors, and a step


@contextmanager
def double_precision(library: Any) -> Iterator[None]:
    """Make new tensors in float64, so that curves agree to the last digits."""
    before = library.get_default_dtype()
    library.set_default_dtype(library.float64)
    try:
        yield
    finally:
        library.set_default_dtype(before)


def copy_weights(source: Any, target: Any) -> None:
    """Give a model, or a list of tensors, of this library the values of one of PyTorch."""
    if isinstance(source, list):
        for mine, theirs in zip(target, source, strict=True):
            mine.data = tg.tensor(theirs.detach().numpy().copy())
        return
    state = {name: tg.tensor(value.numpy().copy()) for name, value in source.state_dict().items()}
    assert list(state) == list(target.state_dict())
    target.load_state_dict(state)


def curve(step: Step, steps: int) -> list[float]:
    """The losses of some steps."""
    return [float(step()) for _ in range(steps)]


def assert_same_curve(script: Script, steps: int = 20, rtol: float = 1e-8, falls: bool = True) -> None:
    """Train for some steps; the loss falls and, where PyTorch is installed, is that of PyTorch in every step."""
    with double_precision(tg):
        ours, our_step = script(tg)
        if torch is None:
            losses = curve(our_step, steps)
        else:
            with double_precision(torch):
                theirs, their_step = script(torch)
                copy_weights(theirs, ours)
                expected = curve(their_step, steps)
            losses = curve(our_step, steps)
            np.testing.assert_allclose(losses, expected, rtol=rtol)
    assert np.isfinite(losses).all()
    assert not falls or losses[-1] < losses[0]
