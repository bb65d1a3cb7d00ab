"""Optimizers whose step is a rule on the arrays of one parameter, and how such a rule is run for all of them."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from tinygrad_edu import backends
from tinygrad_edu._state import get_default_dtype
from tinygrad_edu.optim._checks import check_ways
from tinygrad_edu.optim.optimizer import Closure, Optimizer
from tinygrad_edu.sparse import SparseGrad
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.writes import writes

Array = Any
Backend = Any
Batch = tuple[dict[str, Any], list[list[Tensor]], list[list[Array]]]  # constants, tensors and arrays of each parameter


class RuleOptimizer(Optimizer):
    """Base class of the optimizers here: a subclass says what it remembers of a parameter, and how one changes.

    - ``counters`` names numbers of a parameter, ``_first(group)`` their first values;
    - ``_arrays(group, p)`` names arrays, of the parameter's shape, with the number that they are filled with at first;
    - ``_constants(group, counters, new)`` advances the counters of a parameter and gives what its rule needs of settings and
      counters;
    - ``rule(xp, p, g, *arrays, **constants)`` computes the new p and arrays from the old ones and the gradient g. It may
      overwrite p and the arrays, by ``xp.mix``, and never g.

    A rule that treats every element alike (``elementwise``) is given many small parameters as one array, and large ones in
    pieces that stay in the cache. A backend may have a kernel under the name ``kernel`` instead; it takes the arrays
    ``[p, g, *arrays]`` of each parameter, which it overwrites or replaces in the list, and the constants.
    """

    kernel: ClassVar[str] = ""
    elementwise: ClassVar[bool] = True
    counts_in_tensors: ClassVar[bool] = True  # else a counter is a Python number
    waits_for_rows: ClassVar[bool] = False  # whether a gradient's rows are worth waiting for a lazy device

    def _first(self, group: dict[str, Any]) -> dict[str, float]:
        return dict.fromkeys(self.counters, 0.0)

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        raise NotImplementedError

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        raise NotImplementedError

    @staticmethod
    def rule(xp: Backend, p: Array, g: Array, *arrays: Array, **constants: Any) -> tuple[Array, ...]:
        """The new p and arrays."""
        raise NotImplementedError

    def _by_rows(self, group: dict[str, Any]) -> bool:
        """Whether rows that a sparse gradient does not touch stay as they are."""
        return False

    def _check(self, group: dict[str, Any]) -> None:
        check_ways(self._name(), group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for values in self.state.values() if self.counts_in_tensors else ():
            for name in self.counters:  # older states have numbers
                if isinstance(values.get(name), (int, float)):
                    values[name] = Tensor._wrap(_number(values[name]))

    # Steps -----------------------------------------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Update all parameters once; see :meth:`Optimizer.step`."""
        loss = self._loss(closure)
        for group in self.param_groups:
            for (xp, *_), (constants, tensors, held) in self._batches(group).items():
                self._apply(xp, held, constants)
                for (p, *state), (raw, _, *arrays) in zip(tensors, held, strict=True):
                    p._data = raw
                    writes.record(raw)
                    if not xp.mutable:
                        for t, array in zip(state, arrays, strict=True):
                            t._data = array
        return loss

    def _batches(self, group: dict[str, Any]) -> dict[tuple[Any, ...], Batch]:
        """The parameters with a gradient, grouped by backend, type and constants of the rule.

        Counters are advanced, and parameters whose gradient has few rows are updated here.
        """
        by_rows = self._by_rows(group)
        known: dict[tuple[Any, ...], tuple[list[Any], dict[str, Any]]] = {}
        batches: dict[tuple[Any, ...], Batch] = {}
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            names = self._arrays(group, p)
            new, state = self._state(p, group, names)
            before = [state[name] for name in self.counters]
            now = (new, *[float(count) for count in before])
            if now not in known:
                known[now] = self._advanced(group, before, new)
            counts, constants = known[now]
            for name, count, value in zip(self.counters, before, counts, strict=True):
                if isinstance(count, Tensor):
                    count._data = value
                else:
                    state[name] = value
            tensors = [p, *[state[name] for name in names]]
            if type(grad) is SparseGrad:
                rows = grad.rows(self.waits_for_rows) if by_rows else None
                if rows is not None:
                    self._step_rows(tensors, rows, constants)
                    continue
                grad = p.grad
            raw = writable(p)
            xp = backends.of(raw)
            batch = batches.setdefault((xp, raw.dtype, now), (constants, [], []))
            batch[1].append(tensors)
            batch[2].append([raw, grad._data, *[t._data for t in tensors[1:]]])
        return batches

    def _state(self, p: Tensor, group: dict[str, Any], names: dict[str, float]) -> tuple[bool, dict[str, Any]]:
        """Whether a parameter's state was made just now, and the state; an optimizer that remembers nothing makes none."""
        if not names and not self.counters:
            return False, {}
        state = self.state[p]
        if all(state.get(name) is not None for name in (*self.counters, *names)):
            return False, state
        new = not any(isinstance(value, Tensor) for value in state.values())
        for name, value in self._first(group).items():
            if state.get(name) is None:
                state[name] = Tensor._wrap(_number(value)) if self.counts_in_tensors else value
        for name, fill in names.items():
            if state.get(name) is None:
                state[name] = Tensor._wrap(self._first_array(name, fill, p._data))
        return new, state

    def _first_array(self, name: str, fill: float, p: Array) -> Array:
        xp = backends.of(p)
        return xp.full_like(p, fill) if fill else xp.zeros_like(p)

    def _advanced(self, group: dict[str, Any], before: list[Any], new: bool) -> tuple[list[Any], dict[str, Any]]:
        """The counters after this step, and the constants of the rule."""
        raws = [getattr(count, "_data", count) for count in before]
        counters = dict(zip(self.counters, raws, strict=True))
        constants = self._constants(group, counters, new)
        if self.counts_in_tensors:
            return [_number(v, raw.dtype) for v, raw in zip(counters.values(), raws, strict=True)], constants
        return list(counters.values()), constants

    def _apply(self, xp: Backend, held: list[list[Array]], constants: dict[str, Any]) -> None:
        kernel = xp.kernels.get(self.kernel)
        if kernel is not None:
            kernel(held, **constants)
        else:
            xp.apply_rule(functools.partial(self.rule, xp, **constants), held, self.elementwise)

    def _step_rows(self, tensors: list[Tensor], found: tuple[Array, Array], constants: dict[str, Any]) -> None:
        """Update the rows of a parameter and its state that a sparse gradient touches."""
        rows, values = found
        xp = backends.of(values)
        p, *state = [xp.take_rows(t._data, rows) for t in tensors]
        held = [[p, values, *state]]
        self._apply(xp, held, constants)
        p, _, *state = held[0]
        for t, new in zip(tensors, (p, *state), strict=True):
            t._data = xp.setitem(t._data, rows, new)
        writes.record(tensors[0]._data)


def writable(p: Tensor) -> Any:
    """The array of a parameter, to be overwritten: a scalar that cannot be is replaced by an array."""
    if not p._data.shape:
        p._data = backends.of(p._data).alias(p._data)
    return p._data


def gradient(xp: Backend, p: Array, g: Array, maximize: bool, weight_decay: float) -> Array:
    """± g + weight_decay · p: what most rules take for the gradient."""
    if maximize:
        g = -g
    if weight_decay:
        g = g + p * weight_decay
    return g


def _number(value: Any, dtype: Any = None) -> Array:
    """A counter's value as the host keeps it: of a type that it has, else of single precision, as in PyTorch."""
    host = backends.get("cpu")
    if dtype is None:
        dtype = host.float64 if get_default_dtype().name == "float64" else host.float32
    return host.asarray(value, dtype=dtype)[()]
