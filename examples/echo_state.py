"""An echo-state network continues a chaotic series: a recurrent network that is never trained, and a read-out that is.

::

    python examples/echo_state.py

What there is to learn from it:

* **A random recurrent network remembers.** The state is a mixture of what came in, near past and far, and a linear read-out
  finds in it what is needed. So learning is linear regression: one equation, no backpropagation through time (Jaeger, 2001).
* **The series** of Mackey and Glass (1977), dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)¹⁰) - 0.1 x, was made for blood cells. It is
  chaotic: two courses that start a little apart go apart for good, so that any prediction fails in the end.
* **Closed form against gradient:** an optimizer works on the same read-out. What ridge regression finds at once, Adam has not
  found after hundreds of steps, since the states of a reservoir are nearly linearly dependent.
* **The spectral radius** of the recurrent weights: with 0.1 hardly anything is remembered, and near 1 most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots

RADII = (0.1, 0.5, 0.9, 1.1)
WASHOUT, AHEAD = 100, 300


def mackey_glass(steps: int, delay: int = 17, per_step: int = 10) -> np.ndarray[Any, Any]:
    """The series by Euler's method, ten small steps for each one kept; what comes before its course has settled is left out."""
    history = [1.2] * (delay * per_step + 1)
    kept = []
    for i in range((steps + 200) * per_step):
        x, late = history[-1], history[-1 - delay * per_step]
        history.append(x + (0.2 * late / (1 + late**10) - 0.1 * x) / per_step)
        if i % per_step == 0:
            kept.append(x)
    return np.array(kept[200:])


def reservoir(args: Any, radius: float) -> nn.EchoState:
    """A network of the given spectral radius, the same draw for each."""
    tg.manual_seed(args.seed)
    return nn.EchoState(1, args.size, 1, spectral_radius=radius, leak=0.3, dtype=tg.float64)


def by_gradient(net: nn.EchoState, x: tg.Tensor, y: tg.Tensor, epochs: int) -> tg.Tensor:
    """Train the read-out by Adam, and return the last state."""
    with tg.no_grad():
        states, last = net.states(x)
    optimizer = optim.Adam(net.readout.parameters(), lr=0.01)
    bar = progress(range(epochs), "Adam")
    for _ in bar:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net.readout(states[WASHOUT:]), y[WASHOUT:])
        loss.backward()
        optimizer.step()
        bar.set_postfix(mse=f"{loss.item():.1e}", refresh=False)
    return last


@tg.no_grad()
def dream(net: nn.EchoState, x: tg.Tensor, state: tg.Tensor, steps: int) -> np.ndarray[Any, Any]:
    """Let the network read its own predictions, from the last value (1, 1, 1) on."""
    made = []
    for _ in range(steps):
        x, state = net(x, state)
        made.append(x.item())
    return np.array(made)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Fit, let the networks go on by themselves, and return their errors relative to the spread of the series."""
    parser = build_parser(__doc__, "echo_state")
    parser.add_argument("--steps", type=number(int, 500), default=3000, help="steps to learn from")
    parser.add_argument("--size", type=number(int, 2), default=300, help="units of the reservoir")
    parser.add_argument("--epochs", type=number(int, 1), default=500, help="steps of Adam")
    args = begin(parser, argv)
    series = mackey_glass(args.steps + AHEAD + 1)
    x = tg.tensor(series - series.mean()).reshape(-1, 1, 1)
    truth = x[args.steps + 1 :].flatten().cpu().numpy()
    spread = truth.std()

    def error(made: np.ndarray[Any, Any], steps: int) -> float:
        return float(np.sqrt(np.mean((made - truth)[:steps] ** 2)) / spread)

    dreams: dict[str, np.ndarray[Any, Any]] = {}
    for radius in RADII:
        net = reservoir(args, radius)
        state = net.fit(x[: args.steps], x[1 : args.steps + 1], penalty=1e-7, washout=WASHOUT)
        dreams[f"ridge, radius {radius:g}"] = dream(net, x[args.steps : args.steps + 1], state, AHEAD)
    net = reservoir(args, 0.9)
    state = by_gradient(net, x[: args.steps], x[1 : args.steps + 1], args.epochs)
    dreams["Adam, radius 0.9"] = dream(net, x[args.steps : args.steps + 1], state, AHEAD)

    errors = {name: error(made, 100) for name, made in dreams.items()}
    for name, value in errors.items():
        print(f"{name:18} error over 100 steps {value:7.4f} of the spread")
    axes = plots.new_axes(2, 1, (9, 2.8))
    for ax, names in zip(
        axes, (("ridge, radius 0.9", "Adam, radius 0.9"), ("ridge, radius 0.1", "ridge, radius 0.5")), strict=True
    ):
        ax.plot(truth, color="black", linewidth=1.5, label="the series goes on")
        for name in names:
            made = np.clip(dreams[name], truth.min() - 0.5, truth.max() + 0.5)
            ax.plot(made, "--", linewidth=1.2, label=name)
        ax.set(xlabel="steps after the last value that was read")
        ax.legend(fontsize=8, loc="upper right")
    axes[0].set_title("a reservoir that reads its own predictions")
    finish(
        args,
        {"echo_state.png": axes},
        "Above, what ridge regression found follows the series so closely that one line covers the other; what Adam found, on "
        "the same states, soon does not. Below, the same with a spectral radius with which the network hardly remembers.",
    )
    return {"errors": errors, "long": error(dreams["ridge, radius 0.9"], AHEAD)}


if __name__ == "__main__":
    main()
