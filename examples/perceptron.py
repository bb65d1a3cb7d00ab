"""Logic gates by a perceptron, and XOR, which takes two layers.

::

    python examples/perceptron.py

What there is to learn from it:

* **A perceptron draws one straight line.** It adds up its weighted inputs and answers 1 where the sum is positive.
  Rosenblatt's rule (1958) moves the line
  whenever an answer is wrong: w ← w + (target - answer) x. For AND, NAND and OR it finds a line within a few passes.
* **No line separates XOR** (Minsky and Papert, 1969): the rule never comes to rest, and three answers of four is the
  best that it can reach.
* **Two layers can.** A hidden layer bends the plane; its weights are learned by backpropagation, since no rule tells
  what a hidden unit should have answered.
"""

from __future__ import annotations

from typing import Any

from common import begin, build_parser, finish, number

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots

INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
GATES = {"AND": [0, 0, 0, 1], "NAND": [1, 1, 1, 0], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}


class Perceptron:
    """Answer 1 where w · x + b is positive."""

    def __init__(self) -> None:
        self.w = tg.zeros(2)
        self.b = tg.zeros(1)

    def __call__(self, x: tg.Tensor) -> tg.Tensor:
        """Compute the sums of points (N, 2), whose sign is the answer."""
        return x @ self.w + self.b

    def learn(self, x: tg.Tensor, targets: tg.Tensor, passes: int) -> int:
        """Apply Rosenblatt's rule point by point; return the pass in which no answer was wrong, or `passes`."""
        for i in range(passes):
            wrong = 0
            for point, target in zip(x, targets, strict=True):
                error = target - (self(point) > 0).float()
                self.w += error * point
                self.b += error
                wrong += int(error.abs().sum().item())
            if not wrong:
                return i + 1
        return passes


def two_layers(x: tg.Tensor, targets: tg.Tensor, hidden: int, steps: int) -> nn.Module:
    """Learn a gate by backpropagation through one hidden layer."""
    model = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 1), nn.Flatten(0))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(model(x), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Learn all gates, and return the share of right answers for each."""
    parser = build_parser(__doc__, "perceptron")
    parser.add_argument("--passes", type=number(int, 1), default=100, help="passes of the perceptron's rule")
    parser.add_argument("--hidden", type=number(int, 1), default=4, help="hidden units of the network of two layers")
    parser.add_argument("--steps", type=number(int, 1), default=200, help="its steps of gradient descent")
    args = begin(parser, argv)
    x = tg.tensor(INPUTS)
    models: dict[str, Any] = {}
    right: dict[str, float] = {}
    for gate, answers in GATES.items():
        targets = tg.tensor(answers).float()
        models[gate] = Perceptron()
        took = models[gate].learn(x, targets, args.passes)
        right[gate] = ((models[gate](x) > 0) == (targets > 0)).float().mean().item()
        found = f"found a line in pass {took}" if right[gate] == 1 else f"found no line in {took} passes"
        print(f"{gate:5} perceptron: {right[gate]:.0%} right, {found}")
    targets = tg.tensor(GATES["XOR"]).float()
    models["XOR, two layers"] = two_layers(x, targets, args.hidden, args.steps)
    right["XOR, two layers"] = ((models["XOR, two layers"](x) > 0) == (targets > 0)).float().mean().item()
    print(f"XOR   two layers: {right['XOR, two layers']:.0%} right")
    axes = plots.new_axes(1, len(models), (2.6, 2.6))
    for ax, (title, model) in zip(axes, models.items(), strict=True):
        answers = GATES[title.split(",")[0]]
        plots.plot_decision_boundary(model, x, tg.tensor(answers), margin=0.5, title=title, ax=ax)
    finish(
        args,
        {"gates.png": axes},
        "The colours are what each model answers, the dots what it should. One straight border is enough for "
        "AND, NAND and OR and can't be for XOR; "
        "with a hidden layer the border bends.",
    )
    return right


if __name__ == "__main__":
    main()
