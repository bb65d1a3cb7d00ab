"""Check the gradients of a network against numerical ones, and see why that takes care.

::

    python examples/gradient_check.py

What there is to learn from it:

* **A numerical derivative** (f(x + h) - f(x - h)) / 2h needs no calculus, so it can judge a backward pass. It is as
  slow as one forward pass for each number.
* **Its step is a compromise.** A large h sees the curvature (error ~ h²), a small one drowns in rounding (error ~
  ε/h): the picture shows both.
* **A wrong derivative is found** and named; here one is planted. ``tinygrad_edu.testing.check_gradients`` chooses the
  steps and estimates the errors by itself.
"""

from __future__ import annotations

import numpy as np
from common import begin, build_parser, finish, number

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, plots
from tinygrad_edu.testing import GradientError, check_gradients


class WrongTanh(tg.Function):
    """A tanh whose derivative forgets the square: 1 - y instead of 1 - y²."""

    def forward(self, x):  # type: ignore[no-untyped-def]
        y = tg.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, g):  # type: ignore[no-untyped-def]
        (y,) = self.saved_tensors
        return g * (1 - y)


def numerical(model: nn.Module, x: tg.Tensor, target: tg.Tensor, parameter: tg.Tensor, h: float) -> np.ndarray:
    """Differentiate the loss by central differences of step h, one number of the parameter after the other."""
    out = np.empty(parameter.numel())
    with tg.no_grad():
        flat = parameter.view(-1)
        for i in range(len(out)):
            before = flat[i].item()
            losses = []
            for value in (before + h, before - h):
                flat[i] = value
                losses.append(F.cross_entropy(model(x), target).item())
            flat[i] = before
            out[i] = (losses[0] - losses[1]) / (2 * h)
    return out.reshape(parameter.shape)


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Compare gradients, and return the errors by step and type, and the report on the planted error."""
    parser = build_parser(__doc__, "gradient_check")
    parser.add_argument("--hidden", type=number(int, 1), default=8, help="hidden units")
    args = begin(parser, argv)
    steps = np.geomspace(1e-12, 1e-1, 23)
    errors: dict[str, list[float]] = {}
    ax = plots.new_axes(size=(5.5, 4))[0]
    model = nn.Sequential(nn.Linear(4, args.hidden), nn.Tanh(), nn.Linear(args.hidden, 3))
    x, target = tg.randn(10, 4), tg.randint(0, 3, (10,))
    for dtype in (tg.float32, tg.float64):
        model.to(dtype)
        model.zero_grad()
        F.cross_entropy(model(x.to(dtype)), target).backward()
        weight = model[0].weight
        analytic = weight.grad.cpu().numpy()
        name = str(dtype).split(".")[-1]
        errors[name] = [
            float(np.abs(numerical(model, x.to(dtype), target, weight, h) - analytic).max() / np.abs(analytic).max())
            for h in steps
        ]
        best = int(np.argmin(errors[name]))
        print(
            f"{name}: the best step is {steps[best]:.0e}, where the gradients differ by {errors[name][best]:.0e} "
            f"of the largest"
        )
        ax.loglog(steps, np.maximum(errors[name], 1e-16), "o-", markersize=3, label=name)
    ax.set(title="error of numerical gradients", xlabel="step h", ylabel="relative error")
    ax.legend()

    parameters = [p.detach().requires_grad_() for p in model.parameters()]

    def loss(*weights: tg.Tensor) -> tg.Tensor:
        w1, b1, w2, b2 = weights
        return F.cross_entropy(F.linear(F.linear(x.double(), w1, b1).tanh(), w2, b2), target)

    check_gradients(loss, *parameters)
    print("check_gradients: first and second derivatives of the network are right")
    report = ""
    try:
        check_gradients(WrongTanh.apply, tg.tensor([0.5, -1.0], dtype=tg.float64, requires_grad=True))
    except GradientError as error:
        report = str(error)
    print(f"\nWhat it says of the planted error:\n{report}")
    finish(
        args,
        {"steps.png": ax},
        "Both curves are a V: rounding on the left, curvature on the right. In single precision even the best "
        "step leaves three digits or so, which is why gradients are checked in double precision.",
    )
    return {"errors": errors, "steps": steps.tolist(), "report": report}


if __name__ == "__main__":
    main()
