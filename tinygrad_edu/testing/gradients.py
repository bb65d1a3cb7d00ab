"""``check_gradients``: is this derivative right?"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Function, Tensor
from tinygrad_edu.testing.numeric import Slope, slope
from tinygrad_edu.testing.report import GradientError, Place, disagreement, formulas, recorded, where

Array = Any
Call = Callable[..., tuple[Tensor, ...]]

FULL = 16  # inputs of at most so many elements are moved one by one; larger ones along random directions
ROWS = 8  # results of at most so many elements are differentiated one by one
AT_KINKS = 64  # both, at kinks, where sums over several elements say little
_DIRECTIONS = 2
_NEARBY = 8  # points around a kink whose gradients are compared with the one on it
_NEIGHBOURS = 64  # and points that are looked at before a slope is said not to occur there
_ROUNDINGS = 2000  # so many times the last digit may a gradient of lower precision be off
_NTH = ("first", "second", "third", "fourth", "fifth", "sixth")


def check_gradients(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 2,
    kink: bool = False,
    seed: int = 0,
    rtol: float = 1e-7,
    names: Sequence[str] | None = None,
) -> None:
    """Compare the derivatives of ``f`` with numerical ones, with random signed cotangents.

    The check runs in float64, on a shadow of the inputs, so that a wrong formula is told from rounding; inputs of lower precision are
    then run as they are and compared with the shadow. A small case is checked element by element, the Jacobian row by row and column
    by column; a large one along random directions, and a disagreement is then traced to one element.

    For order 2 the gradient that ``create_graph=True`` records must be the plain one, and its derivatives, by the inputs *and* by the
    cotangent, must be those of the plain gradient; and so on.

    Parameters
    ----------
    f : callable
        Takes the inputs and returns a Tensor, or a tuple of them.
    *inputs
        Tensors of floating point are differentiated; everything else is passed on as it is.
    order : int
        Up to which order derivatives are checked.
    kink : bool
        Whether the inputs may lie on a kink. There the analytic derivative must lie between the left and the right one, and no second
        derivative is looked at.
    seed : int
        Of cotangents and directions.
    rtol : float
        What is tolerated relative to the size of the gradient, on top of the estimated error of the numerical derivative.
    names : sequence of str, optional
        Names of the inputs for the report.

    Raises
    ------
    GradientError
        With a report: which input and element, analytic and numerical value, left and right derivative, and where the formula stands.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_gradients(lambda x, y: (x * y).sin(), tg.randn(3), tg.randn(2, 3))
    """
    if order < 1:
        raise ValueError(f"check_gradients: order must be at least 1, got {order}")
    places = float_places(inputs)
    if not places:
        raise ValueError("check_gradients: there is no floating-point tensor among the inputs")
    labels = list(names) if names is not None else _names(f, len(inputs))
    call = on_floats(f, inputs)
    values = [inputs[i].detach().double().cpu().numpy() for i in places]
    devices = [inputs[i].device for i in places]
    outs = call(*[leaf(v, d) for v, d in zip(values, devices, strict=True)])
    if not any(o.requires_grad for o in outs):
        raise GradientError(
            f"{title(f)}: no result depends on an input through the graph; was it computed under no_grad?"
        )
    rng = np.random.default_rng(seed)
    cotangents = [signed(rng, o.shape) for o in outs]
    first = Level(title(f), call, values, devices, cotangents, [labels[i] for i in places], order, kink, rng, rtol)
    first.check()
    if any(inputs[i].dtype is not tg.float64 for i in places):
        _compare_precision(f, inputs, cotangents, first)


def check_precision(f: Callable[..., Any], *inputs: Any, seed: int = 0) -> None:
    """In float32 the gradient has the type of its input, and agrees with the one in float64 to rounding."""
    rng = np.random.default_rng(seed)
    single = [x.float() if i in float_places(inputs) else x for i, x in enumerate(inputs)]
    values = [host(single[i].double()) for i in float_places(inputs)]
    devices = [inputs[i].device for i in float_places(inputs)]
    labels = [_names(f, len(inputs))[i] for i in float_places(inputs)]
    call = on_floats(f, inputs)
    outs = call(*[constant(v, d) for v, d in zip(values, devices, strict=True)])
    cotangents = [signed(rng, o.shape) for o in outs]
    shadow = Level(title(f), call, values, devices, cotangents, labels, 1, False, rng, 0.0)
    _compare_precision(f, single, cotangents, shadow)


# What the other checks use as well ------------------------------------------------------------------------------------


def title(f: Callable[..., Any]) -> str:
    """What a report calls the function: a name, or the class whose ``apply`` it is."""
    owner = getattr(f, "__self__", None)
    if isinstance(owner, type):
        return owner.__name__
    return getattr(f, "__name__", type(f).__name__)


def float_places(inputs: Sequence[Any]) -> list[int]:
    """Which inputs are differentiated."""
    return [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.is_floating_point()]


def on_floats(f: Callable[..., Any], inputs: Sequence[Any]) -> Call:
    """The function of the floating-point inputs alone, with a tuple of the floating-point results."""
    places = float_places(inputs)

    def call(*xs: Tensor) -> tuple[Tensor, ...]:
        full = list(inputs)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        return float_outputs(f(*full))

    return call


def float_outputs(result: Any) -> tuple[Tensor, ...]:
    """The results that can carry a gradient."""
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    found = tuple(p for p in parts if isinstance(p, Tensor) and p.is_floating_point())
    if not found:
        raise TypeError(
            f"check_gradients: the function must return a floating-point Tensor, got {type(result).__name__}"
        )
    return found


def signed(rng: np.random.Generator, shape: Sequence[int]) -> Array:
    """Numbers of size 0.5 to 1.5 with random signs: none is 0, none is 1 by design, no two are alike."""
    return rng.uniform(0.5, 1.5, tuple(shape)) * rng.choice((-1.0, 1.0), tuple(shape))


def host(t: Tensor) -> Array:
    """The values as a NumPy array."""
    return t.detach().cpu().numpy()


def constant(array: Array, device: Any) -> Tensor:
    """A tensor of an array, which it may share memory with."""
    t = tg.from_numpy(np.asarray(array))
    return t if device.type == "cpu" else t.to(device)


def leaf(array: Array, device: Any) -> Tensor:
    """A tensor of its own memory that asks for a gradient."""
    return constant(np.array(array), device).requires_grad_()


def vjp(call: Call, leaves: Sequence[Tensor], cotangents: Sequence[Tensor], graph: bool = False) -> list[Tensor | None]:
    """Jᵀ · cotangents for each leaf; None where no result depends on it."""
    outs = call(*leaves)
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    return list(
        tg.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], create_graph=graph, allow_unused=True)
    )


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the arguments, a Function's as its forward has them."""
    owner = getattr(f, "__self__", f)
    forward = getattr(owner, "forward", None) if isinstance(owner, (type, Function)) else None
    try:
        found = list(inspect.signature(f if forward is None else forward).parameters.values())
    except (TypeError, ValueError):
        found = []
    names = [p.name for p in found if p.kind <= p.POSITIONAL_OR_KEYWORD and p.name not in ("self", "ctx")]
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]


# One order of derivative ----------------------------------------------------------------------------------------------


@dataclass
class Level:
    """A function of float64 tensors at one point, and the check of its gradient; the next order's function is that gradient."""

    name: str
    call: Call
    values: list[Array]
    devices: list[Any]
    cotangents: list[Array]
    labels: list[str]
    order: int
    kink: bool
    rng: np.random.Generator
    rtol: float
    depth: int = 1
    plain: list[Array] = field(default_factory=list)  # the gradient, and the largest value of each
    scales: list[float] = field(default_factory=list)

    @property
    def what(self) -> str:
        """Which derivative is checked here."""
        return f"{_NTH[self.depth - 1]} derivative" if self.depth <= len(_NTH) else f"{self.depth}th derivative"

    def check(self) -> None:
        """Compare this order, then the next."""
        self.plain = self.gradient(self.cotangents, graph=False)
        self.scales = [float(np.max(np.abs(p), initial=0.0)) for p in self.plain]
        deeper = self.order > 1 and not self.kink
        if self.order > 1:
            self._compare_recorded()
        size = sum(v.size for v in self.values)
        if not size:
            return
        if self.depth == 1 and size <= (AT_KINKS if self.kink else FULL):
            self._compare_elements()
        else:
            self._compare_directions()
        if self.kink:
            self._compare_nearby()
        if deeper:
            self._next().check()

    # Values and gradients

    def result(self, moved: Sequence[Array]) -> Array:
        """All results at other values, in one flat array."""
        outs = self.call(*[constant(v, d) for v, d in zip(moved, self.devices, strict=True)])
        return host(outs[0]).reshape(-1) if len(outs) == 1 else np.concatenate([host(o).reshape(-1) for o in outs])

    def gradient(self, cotangents: Sequence[Array], graph: bool, values: Sequence[Array] | None = None) -> list[Array]:
        """Jᵀ · cotangents for each input, checked for shape and for being finite."""
        at = self.values if values is None else values
        leaves = [leaf(v, d) for v, d in zip(at, self.devices, strict=True)]
        found = vjp(self.call, leaves, [constant(c, self.devices[0]) for c in cotangents], graph)
        arrays = [np.zeros(v.shape) if g is None else host(g) for g, v in zip(found, at, strict=True)]
        for label, array, value in zip(self.labels, arrays, at, strict=True):
            if array.shape != value.shape:
                raise GradientError(
                    f"{self.name}: the {self.what} by {label} has shape {array.shape}, but {label} has shape {value.shape}"
                )
            if not np.isfinite(array).all():
                index = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
                raise GradientError(
                    f"{self.name}: the {self.what} by {where(label, index)} is {array[index]}, at "
                    f"{where(label, index)} = {value[index]:.6g}\n{formulas(self.call, leaves)}"
                )
        return arrays

    def _compare_recorded(self) -> None:
        """The gradient that is recorded for further differentiation is the plain one."""
        graph = self.gradient(self.cotangents, graph=True)
        for i, (p, g) in enumerate(zip(self.plain, graph, strict=True)):
            off = np.abs(p - g)
            if np.max(off, initial=0.0) > 1e-9 * max(self.scales[i], 1e-3):
                index = tuple(int(k) for k in np.unravel_index(np.argmax(off), off.shape))
                raise GradientError(
                    recorded(
                        self.name, self.what, self.labels[i], index, float(p[index]), float(g[index]), self._formulas()
                    )
                )

    # Along directions

    def along(self, directions: dict[int, Array]) -> Slope:
        """The numerical derivative of all results when some inputs move."""

        def phi(h: float) -> Array:
            return self.result([v + h * directions[i] if i in directions else v for i, v in enumerate(self.values)])

        return slope(phi, self.magnitude)

    @cached_property
    def magnitude(self) -> float:
        """The size of the results, which says how much rounding is to be expected."""
        return float(np.max(np.abs(self.result(self.values)), initial=0.0))

    def _compare_directions(self) -> None:
        for _ in range(_DIRECTIONS if self.depth == 1 else 1):
            directions = {i: signed(self.rng, v.shape) for i, v in enumerate(self.values)}
            if self._agrees(directions):
                continue
            for i, index in self._traced(directions):
                self._compare_element(i, index)
            raise GradientError(self._report(self._judge(directions), Place(None, None, None)))

    def _agrees(self, directions: dict[int, Array]) -> bool:
        return self._judge(directions).fine

    def _judge(self, directions: dict[int, Array]) -> Judgement:
        scale = max(self.scales[i] for i in directions)
        got = sum(float(np.sum(self.plain[i] * d)) for i, d in directions.items())
        return Judgement(got, self.along(directions), self._flat_cotangent(), scale, self.rtol, self.kink)

    def _flat_cotangent(self) -> Array:
        return np.concatenate([np.reshape(c, -1) for c in self.cotangents])

    def _traced(self, directions: dict[int, Array]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Elements that a disagreement along a direction can be traced to, by halving the set of elements that move."""
        for i, d in directions.items():
            chosen = np.arange(d.size)
            while chosen.size > 1:
                for half in (chosen[: chosen.size // 2], chosen[chosen.size // 2 :]):
                    part = np.zeros(d.size)
                    part[half] = d.reshape(-1)[half]
                    if not self._agrees({i: part.reshape(d.shape)}):
                        chosen = half
                        break
                else:
                    break
            if chosen.size == 1:
                yield i, tuple(int(k) for k in np.unravel_index(int(chosen[0]), d.shape))

    # Element by element

    def _compare_elements(self) -> None:
        columns = {
            (i, index): self._compare_element(i, index)
            for i, v in enumerate(self.values)
            for index in itertools.product(*map(range, v.shape))
        }
        for place, cotangents in self._single_results():
            rows = self.gradient(cotangents, graph=False)
            flat = np.concatenate([np.reshape(c, -1) for c in cotangents])
            for (i, index), column in columns.items():
                judgement = Judgement(
                    float(rows[i][index]), column, flat, float(np.max(np.abs(rows[i]))), self.rtol, self.kink
                )
                if not judgement.fine and not self._seen_nearby(i, index, judgement):
                    raise GradientError(self._report(judgement, Place(i, index, place)))

    def _compare_element(self, i: int, index: tuple[int, ...]) -> Slope:
        direction = np.zeros(self.values[i].shape)
        direction[index] = 1.0
        column = self.along({i: direction})
        got = float(self.plain[i][index])
        judgement = Judgement(got, column, self._flat_cotangent(), self.scales[i], self.rtol, self.kink)
        if not judgement.fine and not self._seen_nearby(i, index, judgement):
            raise GradientError(self._report(judgement, Place(i, index, None)))
        return column

    def _single_results(self) -> Iterator[tuple[str, list[Array]]]:
        """Cotangents that pick one element of one result, where there are few."""
        if sum(c.size for c in self.cotangents) > (AT_KINKS if self.kink else ROWS):
            return
        for k, c in enumerate(self.cotangents):
            for index in itertools.product(*map(range, c.shape)):
                single = [np.zeros(other.shape) for other in self.cotangents]
                single[k][index] = 1.0
                yield where("result" if len(self.cotangents) == 1 else f"result {k}", index), single

    def _seen_nearby(self, i: int, index: tuple[int, ...], judgement: Judgement) -> bool:
        """Whether the function has such slopes close to a kink: the middle one of three tied numbers, say, is any of the three."""
        if not self.kink:
            return False
        direction = np.zeros(self.values[i].shape)
        direction[index] = 1.0
        at, low, high = self.values, np.inf, -np.inf
        slack = 1e-2 * max(judgement.scale, 1e-6)
        try:
            for _ in range(_NEIGHBOURS):
                self.values = [v + 1e-4 * signed(self.rng, v.shape) for v in at]
                numerical = self.along({i: direction})
                value = Judgement(0.0, numerical, judgement.cotangent, judgement.scale, self.rtol, False).value
                low, high = min(low, value), max(high, value)
                if low - slack <= judgement.got <= high + slack:
                    return True
        finally:
            self.values = at
        return False

    def _compare_nearby(self) -> None:
        """Where all gradients close to a kink agree along a direction, the gradient on it must agree too.

        That is what tells a maximum that gives its gradient to every tied element in full from one that shares it out.
        """
        directions = [np.ones(v.shape) for v in self.values]

        def total(grads: list[Array]) -> float:
            return sum(float(np.sum(g * d)) for g, d in zip(grads, directions, strict=True))

        near = []
        for k in range(_NEARBY):
            if k % 2 == 0:  # each step in both senses, so that no kink can show only one of its sides
                steps = [1e-7 * signed(self.rng, v.shape) for v in self.values]
            moved = [v + d if k % 2 else v - d for v, d in zip(self.values, steps, strict=True)]
            try:
                near.append(total(self.gradient(self.cotangents, False, moved)))
            except GradientError:
                return  # not finite close by: nothing to compare with
        here, size = total(self.plain), max(max(self.scales), 1e-3)
        if max(near) - min(near) < 1e-5 * size and abs(here - near[0]) > 1e-4 * size:
            raise GradientError(
                f"{self.name}: at a kink the gradient adds up to {here:.6g} over all elements, but everywhere close by to "
                f"{near[0]:.6g}: tied elements share one gradient\n{self._formulas()}"
            )

    # The next order and reports

    def _next(self) -> Level:
        """The gradient, as a function of the inputs and of the cotangents."""
        count = len(self.values)
        call, devices = self.call, [*self.devices, *[self.devices[0]] * len(self.cotangents)]

        def derivative(*xs: Tensor) -> tuple[Tensor, ...]:
            graph = any(x.requires_grad for x in xs)
            ys = [x if x.requires_grad else x.detach().requires_grad_() for x in xs]
            found = vjp(call, ys[:count], ys[count:], graph)
            return tuple(g if g is not None else y * 0 for g, y in zip(found, ys[:count], strict=True))

        names = [*self.labels, *(f"the cotangent{'' if len(self.cotangents) == 1 else f' {k}'}" for k in range(9))]
        values = [*self.values, *self.cotangents]
        weights = [signed(self.rng, v.shape) for v in self.values]
        return Level(
            self.name,
            derivative,
            values,
            devices,
            weights,
            names[: len(values)],
            self.order - 1,
            False,
            self.rng,
            self.rtol,
            depth=self.depth + 1,
        )

    def _formulas(self) -> str:
        return formulas(self.call, [leaf(v, d) for v, d in zip(self.values, self.devices, strict=True)])

    def _report(self, judgement: Judgement, place: Place) -> str:
        return disagreement(
            self.name, self.what, self.labels, self.values, self.cotangents, place, judgement, self._formulas()
        )


@dataclass
class Judgement:
    """An analytic derivative beside the numerical one, contracted with the cotangent."""

    got: float
    numerical: Slope
    cotangent: Array
    scale: float
    rtol: float
    kink: bool

    def _sum(self, terms: Array) -> float:
        """Add up what the cotangent looks at: an element with weight 0 may well be without derivative."""
        return float(np.sum(terms[self.cotangent != 0]))

    @cached_property
    def value(self) -> float:
        """The numerical derivative."""
        return self._sum(self.cotangent * self.numerical.value)

    @cached_property
    def error(self) -> float:
        """How far off it may be."""
        return self._sum(np.abs(self.cotangent) * self.numerical.error)

    @property
    def fine(self) -> bool:
        """Whether the two agree, or the analytic one lies between left and right where that is allowed."""
        size = max(self.scale, abs(self.value), 1e-6)
        if abs(self.got - self.value) <= 4 * self.error + self.rtol * size and not self.error > 1e-3 * max(size, 1e-2):
            return True
        if not self.kink or not self.kinked:
            return False
        low, high, slack = self.between
        return bool(low - slack <= self.got <= high + slack)

    @property
    def kinked(self) -> bool:
        """Whether some result has a kink here."""
        return bool(np.any(self.numerical.kinked & (self.cotangent != 0)))

    @property
    def between(self) -> tuple[float, float, float]:
        """The smallest and the largest sum of one-sided derivatives, and how far off they may be."""
        left, right, error = (self.cotangent * side for side in self.numerical.sides)
        slack = 4 * self._sum(np.abs(error)) + self.rtol * max(self.scale, 1e-6)
        return self._sum(np.minimum(left, right)), self._sum(np.maximum(left, right)), slack

    @property
    def sides(self) -> tuple[float, float]:
        """The derivatives from the left and from the right."""
        left, right, _ = self.numerical.sides
        return self._sum(self.cotangent * left), self._sum(self.cotangent * right)


def _compare_precision(f: Callable[..., Any], inputs: Sequence[Any], cotangents: list[Array], shadow: Level) -> None:
    """The gradient of inputs of lower precision has their type and agrees with the shadow's to rounding."""
    given = [inputs[i].detach().clone().requires_grad_() for i in float_places(inputs)]
    call = on_floats(f, inputs)
    kinds = [o.dtype for o in call(*given)]
    weights = [constant(c, shadow.devices[0]).to(k) for c, k in zip(cotangents, kinds, strict=True)]
    exact = shadow.gradient([host(w.double()) for w in weights], False)
    for label, x, g, want in zip(shadow.labels, given, vjp(call, given, weights), exact, strict=True):
        if g is None:
            continue
        if g.dtype is not x.dtype:
            raise GradientError(f"{shadow.name}: the gradient by {label} is {g.dtype}, but {label} is {x.dtype}")
        eps = {tg.float64: 2.0**-52, tg.float32: 2.0**-23}.get(g.dtype, 2.0**-10)
        size = float(np.max(np.abs(want), initial=0.0))
        off = float(np.max(np.abs(host(g.double()) - want), initial=0.0))
        if not off <= _ROUNDINGS * eps * max(size, 1.0):
            raise GradientError(
                f"{shadow.name}: in {g.dtype} the gradient by {label} is off by {off:.3g} (largest value {size:.3g}), though its "
                "formula is right in float64: it loses precision"
            )
