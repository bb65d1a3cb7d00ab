"""One order of derivative: the gradient of a function at a point, compared with numbers; the next order is that of the gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_edu import Tensor
from tinygrad_edu.testing.numeric import Slope, slope
from tinygrad_edu.testing.probing import Array, Call, constant, host, leaf, signed, vjp
from tinygrad_edu.testing.report import GradientError, Place, disagreement, formulas, recorded, where

FULL = 16  # inputs of at most so many elements are moved one by one; larger ones along random directions
ROWS = 8  # results of at most so many elements are differentiated one by one
AT_KINKS = 64  # both, at kinks, where sums over several elements say little
_DIRECTIONS = 2
_NEARBY = 8  # points around a kink whose gradients are compared with the one on it
_NEIGHBOURS = 64  # and points that are looked at before a slope is said not to occur there
_NTH = ("first", "second", "third", "fourth", "fifth", "sixth")


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
        """The size of arguments and results, which says how much rounding is to be expected."""
        return max(float(np.max(np.abs(a), initial=0.0)) for a in [*self.values, self.result(self.values)])

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
        size = max(self.scale, abs(self.value), 1e-5)
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
