"""The n-th derivative of tanh, by differentiating derivatives.

::

    python examples/tanh_derivatives.py --order 8

What there is to learn from it: a backward pass under ``create_graph=True`` is a computation like any other, so it has
a graph of its own and can be
differentiated again, and again. The graph of each derivative is larger than the one before: look at how it grows, and
at the picture of a small one.

The result is compared with calculus by hand: with t = tanh(x), tanh' = 1 - t², so each derivative is a polynomial in
t, and the next one is P'(t)(1 - t²).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import plots


def by_hand(x: np.ndarray[Any, Any], order: int) -> np.ndarray[Any, Any]:
    """Compute the derivative of an order from the polynomial in tanh(x)."""
    polynomial = np.polynomial.Polynomial([0, 1])
    for _ in range(order):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([1, 0, -1])
    return polynomial(np.tanh(x))


def nodes(result: tg.Tensor) -> int:
    """Count the operations behind a tensor."""
    return plots.graph_to_dot(result, max_nodes=1_000_000).count("#e8eef8")


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    """Differentiate, and return the largest relative error and the size of the graph for each order."""
    parser = build_parser(__doc__, "tanh_derivatives")
    parser.add_argument("--order", type=number(int, 1), default=6, help="the highest derivative")
    args = begin(parser, argv)
    x = tg.linspace(-3, 3, 201, dtype=tg.float64).requires_grad_()
    y = x.tanh()
    ax = plots.new_axes(size=(6, 4))[0]
    points = x.detach().cpu().numpy()
    errors, sizes = [], []
    for order in range(1, args.order + 1):
        start = time.perf_counter()
        (y,) = tg.autograd.grad(y.sum(), x, create_graph=True)
        seconds = time.perf_counter() - start
        expected = by_hand(points, order)
        values = y.detach().cpu().numpy()
        errors.append(float(np.abs(values - expected).max() / np.abs(expected).max()))
        sizes.append(nodes(y))
        print(
            f"order {order}: {sizes[-1]:6} operations, {seconds * 1e3:7.1f} ms, error beside calculus {errors[-1]:.1e}"
        )
        ax.plot(points, values / np.abs(values).max(), label=f"order {order}")
    ax.set(title="derivatives of tanh, each divided by its largest value", xlabel="x")
    ax.legend(fontsize=8)
    one = tg.tensor(0.5, requires_grad=True)
    (first,) = tg.autograd.grad(one.tanh(), one, create_graph=True)
    (second,) = tg.autograd.grad(first, one, create_graph=True)
    print(f"picture: {plots.save_graph(second, args.out / 'second_derivative.html', {'x': one})}")
    finish(
        args,
        {"derivatives.png": ax},
        "Each derivative has one zero more than the one before. In second_derivative.html follow the arrows from "
        "x: the value of tanh is used by both derivatives.",
    )
    return {"errors": errors, "operations": sizes}


if __name__ == "__main__":
    main()
