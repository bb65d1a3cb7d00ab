"""Newton's method and the Rosenbrock valley: what second derivatives are good for.

::

    python examples/newton.py

What there is to learn from it:

* **Newton's method** divides the slope by the curvature, x ← x - H⁻¹ ∇f. Near a minimum the number of right digits
  doubles at each step. The Hessian H comes
  from differentiating the gradient: ``autograd.grad(..., create_graph=True)`` and then once more for each coordinate.
* **Rosenbrock's function** f(x, y) = 100 (y - x²)² + (1 - x)² hides its minimum in a curved valley, where gradient
  descent crawls.
* **L-BFGS** guesses the curvature from the gradients alone, and is what one uses where a Hessian would be too large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import optim, plots

Function = Callable[[tg.Tensor], tg.Tensor]
TOLERANCE = 1e-6


def quartic(x: tg.Tensor) -> tg.Tensor:
    """Compute x⁴ - 2x², with minima at -1 and 1."""
    return (x**4 - 2 * x**2).sum()


def rosenbrock(p: tg.Tensor) -> tg.Tensor:
    """Compute 100 (y - x²)² + (1 - x)², with its minimum at (1, 1)."""
    x, y = p
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


def newton_step(f: Function, p: tg.Tensor) -> None:
    """Move p (n,) by -H⁻¹ ∇f, in place."""
    (gradient,) = tg.autograd.grad(f(p), p, create_graph=True)
    rows = [tg.autograd.grad(part, p, retain_graph=True)[0] for part in gradient]
    with tg.no_grad():
        p -= tg.linalg.solve(tg.stack(rows), gradient)


def minimize(f: Function, start: list[float], method: str, goal: list[float], most: int) -> np.ndarray[Any, Any]:
    """Return the places (steps + 1, n) visited on the way to within TOLERANCE of the goal, or in `most` steps."""
    p = tg.tensor(start, dtype=tg.float64, requires_grad=True)
    target = tg.tensor(goal, dtype=tg.float64)
    makers = {
        "gradient descent": lambda: optim.SGD([p], lr=0.01 if len(start) == 1 else 1e-3),
        "L-BFGS": lambda: optim.LBFGS([p], max_iter=1, max_eval=25, tolerance_change=0, line_search_fn="strong_wolfe"),
    }
    optimizer = makers[method]() if method in makers else None

    def closure() -> tg.Tensor:
        assert optimizer is not None
        optimizer.zero_grad()
        loss = f(p)
        loss.backward()
        return loss

    places = [p.detach().cpu().numpy().copy()]
    while len(places) <= most and (p - target).abs().max().item() > TOLERANCE:
        if optimizer is None:
            newton_step(f, p)
        else:
            optimizer.step(closure)
        places.append(p.detach().cpu().numpy().copy())
    return np.array(places)


def main(argv: list[str] | None = None) -> dict[str, int]:
    """Minimize both functions by each method, and return the numbers of steps."""
    parser = build_parser(__doc__, "newton")
    parser.add_argument("--most", type=number(int, 1), default=50_000, help="the most steps of a method")
    args = begin(parser, argv)
    steps: dict[str, int] = {}
    paths: dict[str, np.ndarray[Any, Any]] = {}
    for title, f, start, goal, methods in (
        ("x^4 - 2x^2", quartic, [2.0], [1.0], ("gradient descent", "Newton")),
        ("Rosenbrock", rosenbrock, [0.0, 2.0], [1.0, 1.0], ("gradient descent", "Newton", "L-BFGS")),
    ):
        for method in methods:
            name = f"{title}, {method}"
            paths[name] = minimize(f, start, method, goal, args.most)
            steps[name] = len(paths[name]) - 1
            error = np.abs(paths[name][-1] - goal).max()
            print(f"{name:30} {steps[name]:6} steps, error {error:.0e}")
    axes = plots.new_axes(1, 2, (5, 4))
    for name in ("x^4 - 2x^2, gradient descent", "x^4 - 2x^2, Newton"):
        errors = np.abs(paths[name][:, 0] - 1)
        axes[0].semilogy(errors[:60], "o-", markersize=3, label=name.split(", ")[1])
    axes[0].set(title="x^4 - 2x^2: distance from the minimum", xlabel="step")
    axes[0].legend()
    xs, ys = np.meshgrid(np.linspace(-1.5, 1.6, 200), np.linspace(-0.5, 2.4, 200))
    axes[1].contour(
        xs, ys, 100 * (ys - xs**2) ** 2 + (1 - xs) ** 2, levels=np.geomspace(0.1, 1000, 12), colors="lightgray"
    )
    for method in ("gradient descent", "Newton", "L-BFGS"):
        path = paths[f"Rosenbrock, {method}"]
        axes[1].plot(*path.T, "o-", markersize=2, linewidth=1, label=f"{method}: {len(path) - 1} steps")
    axes[1].set(title="Rosenbrock's valley", xlim=(-1.5, 1.6), ylim=(-0.5, 2.4))
    axes[1].legend(fontsize=8)
    finish(
        args,
        {"newton.png": axes},
        "On the left the error of Newton's method falls faster with each step (a parabola on this scale), that "
        "of gradient descent along a line. On the right gradient "
        "descent creeps along the bottom of the valley, Newton's method takes a few jumps, and L-BFGS, without a "
        "Hessian, comes close to it.",
    )
    return steps


if __name__ == "__main__":
    main()
