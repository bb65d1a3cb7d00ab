"""Four optimizers walk down a long valley: the zigzag of SGD, and what the others do about it.

::

    python examples/optimizer_race.py

What there is to learn from it: f(x, y) = x²/20 + y² is twenty times steeper across the valley than along it. A
learning rate that makes
progress along x overshoots in y at each step.

* **SGD** jumps from one side to the other.
* **Momentum** adds up the steps: those across cancel, those along do not.
* **AdaGrad** divides each coordinate by the size of the gradients that it has seen, so that y calms down at once.
* **Adam** does both.

Source of the function and the starting point: Saito, Deep Learning from Scratch (2016), chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import optim, plots

START = (-7.0, 2.0)
RACERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.95),
    "Momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "AdaGrad": lambda p: optim.Adagrad(p, lr=1.5),
    "Adam": lambda p: optim.Adam(p, lr=0.3),
}


def valley(x: Any, y: Any) -> Any:
    """Compute f(x, y) = x²/20 + y²."""
    return x**2 / 20 + y**2


def walk(make: Callable[[Any], optim.Optimizer], steps: int) -> np.ndarray[Any, Any]:
    """Return the places (steps + 1, 2) that an optimizer visits."""
    x, y = (tg.tensor(value, requires_grad=True) for value in START)
    optimizer = make([x, y])
    places = [START]
    for _ in range(steps):
        optimizer.zero_grad()
        valley(x, y).backward()
        optimizer.step()
        places.append((x.item(), y.item()))
    return np.array(places)


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Race, and return for each optimizer how often it crossed the valley, how far it walked, and where it ended."""
    parser = build_parser(__doc__, "optimizer_race")
    parser.add_argument("--steps", type=number(int, 1), default=30, help="steps of each optimizer")
    args = begin(parser, argv)
    results: dict[str, dict[str, float]] = {}
    axes = plots.new_axes(2, 2, (4.5, 3.2))
    xs, ys = np.meshgrid(np.linspace(-10, 10, 100), np.linspace(-5, 5, 100))
    for ax, (name, make) in zip(axes, RACERS.items(), strict=True):
        places = walk(make, args.steps)
        moves = np.diff(places, axis=0)
        results[name] = {
            "crossings": float((np.sign(places[1:, 1]) != np.sign(places[:-1, 1])).sum()),
            "walked": float(np.hypot(*moves.T).sum()),
            "end": float(valley(*places[-1])),
        }
        r = results[name]
        print(
            f"{name:9} crossed the valley {r['crossings']:2.0f} times, walked {r['walked']:5.1f}, ended at f = "
            f"{r['end']:.4f}"
        )
        ax.contour(xs, ys, valley(xs, ys), levels=np.geomspace(0.1, 30, 12), colors="lightgray", linewidths=0.8)
        ax.plot(*places.T, "o-", markersize=3, linewidth=1)
        ax.plot(0, 0, "r+")
        ax.set_title(name)
    finish(
        args,
        {"paths.png": axes},
        "SGD changes sides at almost every step; Momentum swings out and comes back; AdaGrad and Adam soon walk "
        "along the bottom of the valley.",
    )
    return results


if __name__ == "__main__":
    main()
