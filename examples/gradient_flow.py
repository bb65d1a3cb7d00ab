"""Gradients through time: how far back an RNN, an LSTM and a GRU can learn from, and what the spectral radius has to do with it.

::

    python examples/gradient_flow.py

What there is to learn from it, from one backward pass through networks of random weights:

* **A gradient goes back in time by one and the same matrix, again and again.** So its norm shrinks or grows like a power of the
  spectral radius of W_hh, the largest absolute value of an eigenvalue: below 1 it vanishes, above 1 it explodes
  (Bengio, Simard and Frasconi, 1994; Pascanu, Mikolov and Bengio, 2013).
* **tanh only shrinks.** Its slope is at most 1 and less wherever a unit is driven, so that the border lies at a larger radius
  the larger the inputs are.
* **An LSTM has a second way**, c' = f ⊙ c + …, on which a gradient is multiplied by the forget gate alone. How far it reaches is a
  matter of this gate: at the usual start (bias 0, f near 1/2) an LSTM forgets as fast as anything else, with a bias of 3
  (f near 0.95) it reaches back ten times as far. A GRU has such a way too, with its update gate z as the factor.

A probe, a zero that wants a gradient, is added to the state behind each step: its gradient is what arrives there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, plots
from tinygrad_edu.utils.bptt import map_state

RADII = (0.5, 0.8, 1.0, 1.2, 1.5)


def arriving(cell: Any, x: tg.Tensor) -> np.ndarray[Any, Any]:
    """The norm of the gradient of the last output that arrives behind each step, (T,), the last step's being 1.

    Parameters
    ----------
    cell
        Any cell.
    x : Tensor, (T, N, I)
    """
    probes: list[list[tg.Tensor]] = []

    def probed(x_t: tg.Tensor, state: Any) -> Any:
        here: list[tg.Tensor] = []
        probes.append(here)

        def add(s: tg.Tensor) -> tg.Tensor:
            here.append(tg.zeros(s.shape, dtype=s.dtype, requires_grad=True))
            return s + here[-1]

        return map_state(add, cell(x_t, state))

    outputs, _ = nn.unroll(probed, x)
    last = outputs[-1]
    last.backward(nn.functional.normalize(tg.randn(last.shape, dtype=last.dtype), dim=1))
    norms = []
    for here in probes:
        squares = [p.grad.square().sum(1) for p in here if p.grad is not None]  # of h, and of c where there is one
        norms.append(sum(squares[1:], squares[0]).sqrt().mean().item())
    return np.array(norms)


def factor(norms: np.ndarray[Any, Any]) -> float:
    """By how much a gradient is multiplied in a step, on the average of the first half of the way back."""
    back = len(norms) // 2
    return float((norms[-1 - back] / norms[-1]) ** (1 / back))


def plain(size: int, radius: float, activation: Any, scale: float) -> Any:
    """A cell h' = f(scale · x + W h) with a spectral radius of W."""
    w = nn.init.spectral_radius_(tg.empty(size, size, dtype=tg.float64), radius)
    return lambda x, h: activation(scale * x + (0 if h is None else h @ w.mT))


def gated(size: int) -> dict[str, nn.Module]:
    """Cells as they start, and an LSTM whose forget gates start open."""
    cells: dict[str, nn.Module] = {
        "RNN": nn.RNNCell(size, size, dtype=tg.float64),
        "GRU": nn.GRUCell(size, size, dtype=tg.float64),
        "LSTM": nn.LSTMCell(size, size, dtype=tg.float64),
        "LSTM, forget bias 3": nn.LSTMCell(size, size, dtype=tg.float64),
    }
    with tg.no_grad():
        cells["LSTM, forget bias 3"].bias_ih[size : 2 * size] += 3.0
    return cells


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure; return the factors a step by radius, and how much of a gradient each kind of cell has left."""
    parser = build_parser(__doc__, "gradient_flow")
    parser.add_argument("--steps", type=number(int, 4), default=50, help="length of the sequences")
    parser.add_argument("--size", type=number(int, 2), default=64, help="units")
    args = begin(parser, argv)
    x = tg.randn(args.steps, 16, args.size, dtype=tg.float64)
    axes = plots.new_axes(1, 3, (5, 4))
    distance = np.arange(args.steps)[::-1]

    for radius in RADII:
        norms = arriving(plain(args.size, radius, tg.tanh, 0.01), x)
        axes[0].semilogy(distance, norms, label=f"radius {radius:g}")
    axes[0].set(title="tanh RNN on small inputs", xlabel="steps back", ylabel="norm of the gradient")

    radii = np.linspace(0.2, 2.0, 10)
    factors: dict[str, list[float]] = {}
    for name, activation, scale in (
        ("linear", lambda a: a, 0.1),
        ("tanh, inputs 0.1", tg.tanh, 0.1),
        ("tanh, inputs 1", tg.tanh, 1.0),
    ):
        factors[name] = [factor(arriving(plain(args.size, radius, activation, scale), x)) for radius in radii]
        axes[1].plot(radii, factors[name], "o-", markersize=4, label=name)
    axes[1].axhline(1, color="gray", linewidth=0.8)
    axes[1].annotate("explodes", (0.25, 1.05), color="gray")
    axes[1].annotate("vanishes", (0.25, 0.9), color="gray")
    axes[1].set(title="where gradients vanish or explode", xlabel="spectral radius", ylabel="factor a step")

    left: dict[str, float] = {}
    for name, cell in gated(args.size).items():
        norms = arriving(cell, x)
        back = min(20, args.steps - 1)
        left[name] = float(norms[-1 - back] / norms[-1])
        print(f"{name:20} a factor of {factor(norms):.2f} a step, {left[name]:.1e} is left after {back} steps")
        axes[2].semilogy(distance, norms, label=name)
    axes[2].set(title="cells as they start", xlabel="steps back")
    for ax in axes:
        ax.legend(fontsize=8)
    for name, values in factors.items():
        print(f"{name:20} at radius 1: {np.interp(1.0, radii, values):.2f} a step")
    finish(
        args,
        {"gradient_flow.png": axes},
        "On the left straight lines on a logarithmic scale: the same factor at each step, the spectral radius. Above 1 the "
        "gradient grows only far back, where the states are still small: later they have grown until tanh is flat. In the middle "
        "the linear network crosses 1 at radius 1, the tanh network later, the later the larger its inputs. On the right "
        "every cell forgets as it starts, but an LSTM's forget gate can be opened.",
    )
    return {"radii": radii.tolist(), "factors": factors, "left": left}


if __name__ == "__main__":
    main()
