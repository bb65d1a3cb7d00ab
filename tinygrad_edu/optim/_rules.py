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
    alike: ClassVar[bool] = True  # whether all parameters have arrays of the same names
    counts_in_tensors: ClassVar[bool] = True  # else a counter is a Python number
    waits_for_rows: ClassVar[bool] = False  # whether a gradient's rows are worth waiting for a lazy device

    def _first(self, group: dict[str, Any]) -> dict[str, float]:
        """What the counters of a parameter begin with."""
        return dict.fromkeys(self.counters, 0.0)

    def _arrays(self, group: dict[str, Any], p: Tensor) -> dict[str, float]:
        """The names of a parameter's arrays, in the order of the rule, and what they are filled with."""
        raise NotImplementedError

    def _constants(self, group: dict[str, Any], counters: dict[str, Any], new: bool) -> dict[str, Any]:
        """The constants of the rule in this step; `new` tells that the arrays were made just now."""
        raise NotImplementedError

    @staticmethod
    def rule(xp: Backend, p: Array, g: Array, *arrays: Array, **constants: Any) -> tuple[Array, ...]:
        """The new p and arrays, from the old ones and the gradient g."""
        raise NotImplementedError

    def _by_rows(self, group: dict[str, Any]) -> bool:
        """Whether rows that a sparse gradient does not touch stay as they are."""
        return False

    def _check(self, group: dict[str, Any]) -> None:
        check_ways(self._name(), group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for values in self.state.values():
            for name in [name for name, value in values.items() if value is None]:
                del values[name]
            for name in self.counters if self.counts_in_tensors else ():  # older states have numbers
                if isinstance(values.get(name), (int, float)):
                    values[name] = Tensor._wrap(_number(values[name]))

    # Steps -----------------------------------------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Update all parameters once; see :meth:`Optimizer.step`."""
        loss = self._loss(closure)
        work = [(group, [p for p in group["params"] if p._grad is not None]) for group in self.param_groups]
        for _, params in work:
            self._check_gradients(params)
        for group, params in work:
            if params:
                self._step_group(group, params)
        return loss

    def _check_gradients(self, params: list[Tensor]) -> None:
        """Raise, before anything is changed, when a gradient cannot be used."""
        self._check_shapes("gradient", params, [getattr(p._grad, "_data", p._grad) for p in params])

    def _check_shapes(self, what: str, params: list[Tensor], arrays: list[Any]) -> None:
        """Raise when one has not the shape of its parameter: joined to others it would go unnoticed."""
        shapes, found = [p._data.shape for p in params], [a.shape for a in arrays]
        if found != shapes:
            want, got = next((a, b) for a, b in zip(shapes, found, strict=True) if a != b)
            raise RuntimeError(
                f"{self._name()}.step: a parameter of shape {tuple(want)} has a {what} of shape {tuple(got)}"
            )

    def _check_loaded(self, number: Any, p: Tensor, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if self.alike and isinstance(value, Tensor) and name not in self.counters and value.shape != p.shape:
                raise ValueError(
                    f"{self._name()}.load_state_dict: {name!r} of parameter {number} has the shape {tuple(value.shape)}, "
                    f"the parameter {tuple(p.shape)}"
                )

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """Update the parameters of a group that have a gradient."""
        for some in [params] if self.alike else [[p] for p in params]:
            self._step_alike(group, some, self._arrays(group, some[0]))

    def _step_alike(self, group: dict[str, Any], params: list[Tensor], names: dict[str, float]) -> None:
        """Update parameters whose arrays have the same names."""
        wanted = {*self.counters, *names}
        if not wanted:  # nothing to remember: then no parameter gets a state
            self._update(group, params, [], self._constants(group, {}, False))
            return
        states = [self.state[p] for p in params]
        pairs = zip(params, states, strict=True)
        new = [not wanted <= state.keys() and self._begin(p, state, group, names) for p, state in pairs]
        for name in names if self.alike else ():
            self._check_shapes(f"state {name!r}", params, [state[name]._data for state in states])
        for constants, places in self._advance(group, states, new):
            columns = [[states[i][name] for i in places] for name in names]
            self._update(group, [params[i] for i in places], columns, constants)

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any], names: dict[str, float]) -> bool:
        """Give a parameter the state that it lacks; whether it had none."""
        new = not any(isinstance(value, Tensor) for value in state.values())
        for name, value in self._first(group).items():
            if name not in state:
                state[name] = Tensor._wrap(_number(value)) if self.counts_in_tensors else value
        for name, fill in names.items():
            if name not in state:
                state[name] = Tensor._wrap(self._first_array(name, fill, p._data))
        return new

    def _first_array(self, name: str, fill: float, p: Array) -> Array:
        """What an array of a parameter begins with."""
        xp = backends.of(p)
        return xp.full_like(p, fill) if fill else xp.zeros_like(p)

    def _advance(
        self, group: dict[str, Any], states: list[dict[str, Any]], new: list[bool]
    ) -> list[tuple[dict[str, Any], list[int]]]:
        """Advance the counters; the constants of the rule, and the numbers of the parameters that share them."""
        columns = [[state[name] for state in states] for name in self.counters]
        raws = [[t._data for t in column] for column in columns] if self.counts_in_tensors else columns
        if not any(new) and all(len(set(map(id, column))) == 1 for column in raws):
            buckets = {(): list(range(len(states)))}  # after a step the parameters have their counters in common
        else:
            buckets = {}
            for i, key in enumerate(zip(new, *[map(float, column) for column in raws], strict=True)):
                buckets.setdefault(key, []).append(i)
        found = []
        for places in buckets.values():
            counters = {name: column[places[0]] for name, column in zip(self.counters, raws, strict=True)}
            before = list(counters.values())
            found.append((self._constants(group, counters, new[places[0]]), places))
            for name, old, column in zip(self.counters, before, columns, strict=True):
                if not self.counts_in_tensors:
                    for i in places:
                        states[i][name] = counters[name]
                    continue
                value = _number(counters[name], old.dtype)
                for i in places:
                    column[i]._data = value
        return found

    def _update(
        self, group: dict[str, Any], params: list[Tensor], columns: list[list[Tensor]], constants: dict[str, Any]
    ) -> None:
        """Update parameters with the same constants; `columns` has their arrays, name by name."""
        if self._by_rows(group):
            sparse = [self._step_rows([p, *state], constants) for p, *state in zip(params, *columns, strict=True)]
            if any(sparse):
                columns = [[t for t, done in zip(column, sparse, strict=True) if not done] for column in columns]
                params = [p for p, done in zip(params, sparse, strict=True) if not done]
        grads: list[Any] = [p.grad if type(p._grad) is SparseGrad else p._grad for p in params]
        rows = [_writable(params), [g._data for g in grads], *map(_writable, columns)]
        held = [list(arrays) for arrays in zip(*rows, strict=True)]
        self._run(held, constants)
        for p, arrays in zip(params, held, strict=True):
            p._data = arrays[0]
        for k, column in enumerate(columns, 2):
            for t, arrays in zip(column, held, strict=True):
                t._data = arrays[k]

    def _run(self, held: list[list[Array]], constants: dict[str, Any]) -> None:
        """Run the rule on the arrays of each parameter, together where they are on one device and of one type."""
        batches: dict[tuple[Any, Any], list[list[Array]]] = {}
        for arrays in held:
            batches.setdefault((backends.of(arrays[0]), arrays[0].dtype), []).append(arrays)
        for (xp, _), some in batches.items():
            owners = [xp.root(arrays[0]) for arrays in some]
            apart = len(set(map(id, owners))) == len(owners)  # else one after the other: they may share elements
            for part in [some] if apart else [[arrays] for arrays in some]:
                self._apply(xp, part, constants)
            writes.record_owners(owners if xp.mutable else [xp.root(arrays[0]) for arrays in some])

    def _apply(self, xp: Backend, held: list[list[Array]], constants: dict[str, Any]) -> None:
        """Run the backend's kernel, or else the rule."""
        kernel = xp.kernels.get(self.kernel)
        if kernel is not None:
            kernel(held, **constants)
        else:
            xp.apply_rule(functools.partial(self.rule, xp, **constants), held, self.elementwise)

    def _step_rows(self, tensors: list[Tensor], constants: dict[str, Any]) -> bool:
        """Update the rows of a parameter and its arrays that a sparse gradient touches; False where it is none of rows."""
        grad = tensors[0]._grad
        found = grad.rows(self.waits_for_rows) if type(grad) is SparseGrad else None
        if found is None:
            return False
        rows, values = found
        xp = backends.of(values)
        p, *state = [xp.take_rows(t._data, rows) for t in tensors]
        held = [[p, values, *state]]
        self._apply(xp, held, constants)
        p, _, *state = held[0]
        for t, new in zip(tensors, (p, *state), strict=True):
            t._data = xp.setitem(t._data, rows, new)
        writes.record(tensors[0]._data)
        return True


def _writable(tensors: list[Tensor]) -> list[Array]:
    """The arrays of tensors, to be overwritten: a scalar that cannot be is replaced by an array."""
    for t in tensors:
        if not t._data.shape:
            t._data = backends.of(t._data).alias(t._data)
    return [t._data for t in tensors]


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
