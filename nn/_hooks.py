"""Hooks of a Module: the table they stand in, and the call that runs them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_edu._state import modes
from tinygrad_edu.function import Function
from tinygrad_edu.hooks import RemovableHandle
from tinygrad_edu.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_edu.nn.module import Module

FORWARD_PRE, FORWARD, BACKWARD_PRE, BACKWARD = "forward_pre", "forward", "backward_pre", "backward"
STATE_PRE, STATE_POST, LOAD_PRE, LOAD_POST = "state_pre", "state_post", "load_pre", "load_post"

_numbers = itertools.count()


class Hook(NamedTuple):
    """One registered hook: when it runs, and what."""

    when: str
    fn: Callable[..., Any]
    with_kwargs: bool


def add(
    table: OrderedDict[int, Hook], when: str, fn: Callable[..., Any], prepend: bool = False, with_kwargs: bool = False
) -> RemovableHandle:
    """Enter a hook into `table`, at its front with `prepend`."""
    if not callable(fn):
        raise TypeError(f"a hook must be callable, got a {type(fn).__name__}")
    handle = RemovableHandle(table)
    handle.id = next(_numbers)  # never given twice, so that removing twice can't hit another hook
    table[handle.id] = Hook(when, fn, with_kwargs)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def select(table: OrderedDict[int, Hook], when: str) -> list[Hook]:
    """Return the hooks for one occasion, in order."""
    return [hook for hook in table.values() if hook.when == when]


def call(module: Module, table: OrderedDict[int, Hook], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``module.forward`` with its hooks around it."""
    for hook in select(table, FORWARD_PRE):
        if hook.with_kwargs:
            result = hook.fn(module, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(f"a pre-hook with kwargs returns None or (args, kwargs), not {result!r}")
                args, kwargs = result
        else:
            result = hook.fn(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
    backward, backward_pre = select(table, BACKWARD), select(table, BACKWARD_PRE)
    gates = _Gates(module, backward, backward_pre) if backward or backward_pre else None
    if gates:
        args = gates.wrap_inputs(args)
    output = module.forward(*args, **kwargs)
    for hook in select(table, FORWARD):
        result = hook.fn(module, args, kwargs, output) if hook.with_kwargs else hook.fn(module, args, output)
        if result is not None:
            output = result
    return gates.wrap_outputs(output) if gates else output


class _Gate(Function):
    """The identity on several tensors, whose `on_gradient` sees their gradients together and may replace them."""

    @staticmethod
    def forward(
        ctx: Any, on_gradient: Callable[[tuple[Tensor, ...]], list[Any]], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.on_gradient = on_gradient
        ctx.set_materialize_grads(False)  # a hook sees which outputs were not used
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return None, *ctx.on_gradient(grads)


class _Gates:
    """The two gates of one call of a module: gradients come in at its outputs and leave at its inputs."""

    def __init__(self, module: Module, hooks: list[Hook], pre_hooks: list[Hook]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.entered: list[int] = []  # which positional arguments and which outputs need a gradient
        self.left: list[int] = []
        self.arguments = 0
        self.outputs = 0
        self.grad_output: tuple[Any, ...] | None = None

    def wrap_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.arguments = len(args)
        self.entered = _differentiable(args)
        return _through_gate(self._at_inputs, args, self.entered)

    def wrap_outputs(self, output: Any) -> Any:
        outputs = output if isinstance(output, tuple) else (output,)
        self.outputs = len(outputs)
        self.left = _differentiable(outputs)
        wrapped = _through_gate(self._at_outputs, outputs, self.left)
        return wrapped if isinstance(output, tuple) else wrapped[0]

    def _at_outputs(self, grads: tuple[Any, ...]) -> list[Any]:
        given = _spread(grads, self.left, self.outputs)
        for hook in self.pre_hooks:
            given = _replaced(given, hook.fn(self.module, given), "full backward pre-hook")
        self.grad_output = given
        if not self.entered:  # no gradient will leave at the inputs, so this is the moment
            self._run(_spread((), [], self.arguments))
        return [given[i] for i in self.left]

    def _at_inputs(self, grads: tuple[Any, ...]) -> list[Any]:
        if self.grad_output is None:  # the gradient came through a value that left the module by another way
            return list(grads)
        given = self._run(_spread(grads, self.entered, self.arguments))
        return [given[i] for i in self.entered]

    def _run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.hooks:
            grad_input = _replaced(grad_input, hook.fn(self.module, grad_input, self.grad_output), "full backward hook")
        return grad_input


def _differentiable(values: tuple[Any, ...]) -> list[int]:
    if not modes.grad:
        return []
    return [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]


def _through_gate(
    on_gradient: Callable[[tuple[Any, ...]], list[Any]], values: tuple[Any, ...], positions: list[int]
) -> tuple[Any, ...]:
    if not positions:
        return values
    passed = _Gate.apply(on_gradient, *(values[i] for i in positions))
    by_position = dict(zip(positions, passed, strict=True))
    return tuple(by_position.get(i, value) for i, value in enumerate(values))


def _spread(grads: tuple[Any, ...], positions: list[int], length: int) -> tuple[Any, ...]:
    """Put each gradient at its position, and None at the others."""
    by_position = dict(zip(positions, grads, strict=True))
    return tuple(by_position.get(i) for i in range(length))


def _replaced(old: tuple[Any, ...], result: Any, what: str) -> tuple[Any, ...]:
    """Return what a hook made of the gradients `old`."""
    if result is None:
        return old
    new = result if isinstance(result, tuple) else (result,)
    if len(new) != len(old):
        raise RuntimeError(f"a {what} returned {len(new)} gradients where it was given {len(old)}")
    return new
