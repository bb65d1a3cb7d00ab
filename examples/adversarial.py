"""What a network looks at, and how little it takes to deceive it: gradients with respect to the image.

::

    python examples/adversarial.py --strength 0.2

What there is to learn from it: ``backward()`` gives the gradient of whatever requires one, so also of the input.

* **Saliency** (Simonyan, Vedaldi and Zisserman, 2014): the pixels of which a small change moves the answer most.
* **Adversarial examples** (Goodfellow, Shlens and Szegedy, 2015): a step of the same small size in every pixel, in
  the direction that makes the loss larger, x + ε sign(∂loss/∂x). Noise of the same size hardly matters; this does."""

from __future__ import annotations

from classify import accuracy, fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots


def input_gradient(model: nn.Module, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    """Return the gradient of the loss with respect to images."""
    x = x.detach().requires_grad_()
    return tg.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    """Train, attack, and return the accuracies by the strength of the attack and of noise as strong."""
    parser = build_parser(__doc__, "adversarial")
    parser.add_argument("--epochs", type=number(int, 1), default=15, help="passes over the training images")
    parser.add_argument(
        "--strength", type=number(float, 0, 1), default=0.15, help="change of each pixel in the pictures"
    )
    args = begin(parser, argv)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 36, 10)
    )
    fit(model, (x, y), (x_test, y_test), epochs=args.epochs, optimizer=optim.Adam(model.parameters(), lr=2e-3))
    model.eval()
    gradient = input_gradient(model, x_test, y_test)
    noise = tg.randint(0, 2, gradient.shape).to(gradient.dtype) * 2 - 1
    strengths = [0.0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3]
    result: dict[str, list[float]] = {"strength": strengths, "adversarial": [], "noise": []}
    for e in strengths:
        for name, direction in (("adversarial", gradient.sign()), ("noise", noise)):
            result[name].append(accuracy(model, ((x_test + e * direction).clamp(0, 1), y_test)))
        print(
            f"a change of {e:.3f} in each pixel: adversarial {result['adversarial'][-1]:6.1%} right, noise {result['noise'][-1]:6.1%}"
        )
    axes = plots.new_axes(1, 4, (3, 3))
    attacked = (x_test + args.strength * gradient.sign()).clamp(0, 1)
    with tg.no_grad():
        guess = model(attacked[:16]).argmax(1).tolist()
    plots.plot_images(x_test[:16], labels=y_test[:16].tolist(), title="images", ax=axes[0])
    plots.plot_images(gradient[:16].abs(), normalize="each", title="saliency", ax=axes[1])
    plots.plot_images(attacked[:16], labels=guess, title=f"attacked, strength {args.strength:g}", ax=axes[2])
    for name in ("noise", "adversarial"):
        axes[3].plot(strengths, result[name], "o-", markersize=3, label=name)
    axes[3].set(title="accuracy", xlabel="change of each pixel")
    axes[3].legend()
    finish(
        args,
        {"adversarial.png": axes},
        "You still read the attacked images; below them stands what the network reads. The saliency lights up on "
        "the strokes, and on empty places where a stroke would make another digit.",
    )
    return result


if __name__ == "__main__":
    main()
