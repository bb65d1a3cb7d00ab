"""A cliff in the loss of a recurrent network, and what clipping the gradient does there.

::

    python examples/clipping_cliff.py
    python examples/clipping_cliff.py --clip 1

What there is to learn from it:

* **One unit that feeds on itself**, h' = max(0, w h + b), for 20 steps: where it ends goes with the 20th power of w. So the loss is
  flat for w below 1 and rises like a wall above, and the best w and b lie in a narrow valley at the foot of this wall
  (the cliff of Goodfellow, Bengio and Courville, Deep Learning, figure 10.17; Pascanu, Mikolov and Bengio, 2013).
* **Gradient descent** walks down the flat side, steps over the bottom onto the wall, meets a gradient that is thousands of times
  larger than all before, and is thrown to where nothing is left to learn from: the unit is dead and its gradient zero.
* **With the norm of the gradient clipped** the direction is the same and the step short: it bounces at the foot of the wall
  and goes on along the valley.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, optim

STEPS, TARGET = 20, 4.0
START = (0.75, 0.02)  # w and b


def loss_at(w: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
    """Let the unit run from 1, and compare where it ends with the target; w and b may be whole grids."""
    h = tg.ones_like(w)
    for _ in range(STEPS):
        h = (w * h + b).relu()
    return (h - TARGET) ** 2


def descend(lr: float, clip: float, epochs: int) -> dict[str, np.ndarray[Any, Any]]:
    """Train w and b; return the places (epochs + 1, 2), and the loss and the norm of the gradient at each of them."""
    w, b = (tg.tensor(value, dtype=tg.float64, requires_grad=True) for value in START)
    optimizer = optim.SGD([w, b], lr=lr)
    places, losses, norms = [], [], []
    for epoch in range(epochs + 1):
        optimizer.zero_grad()
        loss = loss_at(w, b)
        loss.backward()
        norm = nn.utils.clip_grad_norm_([w, b], clip)  # the norm before it was clipped
        places.append((w.item(), b.item()))
        losses.append(loss.item())
        norms.append(norm.item())
        if epoch < epochs:
            optimizer.step()
    return {"places": np.array(places), "losses": np.array(losses), "norms": np.array(norms)}


def surface() -> tuple[np.ndarray[Any, Any], ...]:
    """The loss and the norm of its gradient over a grid of w and b."""
    w, b = tg.meshgrid(
        tg.linspace(0.7, 1.1, 120, dtype=tg.float64), tg.linspace(0.0, 0.45, 120, dtype=tg.float64), indexing="xy"
    )
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    loss = loss_at(w, b)
    slopes = tg.autograd.grad(loss.sum(), (w, b))
    norm = (slopes[0] ** 2 + slopes[1] ** 2).sqrt()
    return tuple(v.detach().cpu().numpy() for v in (w, b, loss, norm))


def draw(runs: dict[str, dict[str, Any]]) -> list[Any]:
    """The surface as a mountain, the same from above, and the losses of both runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 5), layout="constrained")
    mountain = figure.add_subplot(1, 3, 1, projection="3d", computed_zorder=False)
    above, history = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
    w, b, loss, norm = surface()
    top = 30.0
    mountain.plot_surface(w, b, np.minimum(loss, top), cmap="viridis", rstride=1, cstride=1, alpha=0.8)
    mountain.set(xlabel="w", ylabel="b", zlabel="loss", zlim=(0, top), title="the loss: a plain, a valley, a wall")
    mountain.view_init(elev=38, azim=-120)
    mountain.set_box_aspect(None, zoom=0.85)
    mesh = above.pcolormesh(w, b, np.log10(norm + 1e-3), cmap="magma", shading="nearest")
    figure.colorbar(mesh, ax=above, label="log10 of the norm of the gradient")
    above.contour(w, b, loss, levels=[0.1, 1, 4, 9, 15], colors="white", linewidths=0.6)
    above.set(xlabel="w", ylabel="b", title="from above", xlim=(w.min(), w.max()), ylim=(b.min(), b.max()))
    for (name, run), color in zip(runs.items(), ("tab:red", "tab:cyan"), strict=True):
        places, losses = run["places"], run["losses"]
        inside = (places[:, 0] > w.min()) & (places[:, 0] < w.max()) & (places[:, 1] > b.min()) & (losses < top)
        inside &= np.cumprod(inside).astype(bool)  # up to where it leaves
        mountain.plot(*places[inside].T, losses[inside] + 0.7, "o-", color=color, markersize=3, linewidth=1)
        above.plot(*places.T, "o-", color=color, markersize=3, linewidth=1.2, label=name)
        history.semilogy(np.maximum(losses, 1e-4), color=color, label=name)
    above.legend(fontsize=8)
    history.set(title="loss", xlabel="step")
    history.legend(fontsize=8)
    return [mountain, above, history]


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Train with and without clipping; return for each the longest step and the loss at the end."""
    parser = build_parser(__doc__, "clipping_cliff")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=0.003, help="learning rate")
    parser.add_argument("--clip", type=number(float, 0, above=True), default=5.0, help="the norm to clip to")
    parser.add_argument("--epochs", type=number(int, 1), default=150, help="steps of gradient descent")
    args = begin(parser, argv)
    runs = {
        "not clipped": descend(args.lr, float("inf"), args.epochs),
        f"clipped to {args.clip:g}": descend(args.lr, args.clip, args.epochs),
    }
    result = {}
    for name, run in runs.items():
        steps = np.linalg.norm(np.diff(run["places"], axis=0), axis=1)
        result[name.split(" to")[0]] = {
            "longest": float(steps.max()),
            "end": float(run["losses"][-1]),
            "steepest": float(run["norms"].max()),
        }
        w, b = run["places"][-1]
        print(
            f"{name:15} longest step {steps.max():8.3f}, largest gradient {run['norms'].max():10.1f}, "
            f"ends at w = {w:.2f}, b = {b:.2f} with a loss of {run['losses'][-1]:.2g}"
        )
    finish(
        args,
        {"clipping_cliff.png": draw(runs)},
        "Both start on the plain and walk the same way, until the red one steps onto the wall: from there a line leaves the "
        "picture, and its loss stays at 16 for ever, that of a dead unit. The blue one stands on the same wall "
        "again and again, and each time goes back by a short step.",
    )
    return result


if __name__ == "__main__":
    main()
