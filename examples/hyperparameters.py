"""Looking for a learning rate and a weight decay: random search on a logarithmic scale, judged on a validation set.

::

    python examples/hyperparameters.py --trials 40

What there is to learn from it:

* **Three sets.** The weights are fitted to the training set, the settings chosen by the validation set, and the test
  set is asked once, at the end: a score that was searched for is too good.
* **A logarithmic scale**: between 10⁻⁶ and 10⁻² the steps that matter are factors.
* **Random, not a grid** (Bergstra and Bengio, 2012): of two settings one usually matters more, and random trials try
  a new value of it each time."""

from __future__ import annotations

from classify import accuracy, fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots


def log_uniform(low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(low * (high / low) ** tg.rand(1).item())


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Search, and return the best settings with their accuracies, and how far apart the trials were."""
    parser = build_parser(__doc__, "hyperparameters")
    parser.add_argument("--trials", type=number(int, 2), default=30, help="settings to try")
    parser.add_argument("--epochs", type=number(int, 1), default=15, help="passes of each trial")
    parser.add_argument(
        "--images",
        type=number(int, 20),
        default=500,
        help="training and validation images, one fifth of them for validation",
    )
    args = begin(parser, argv)
    x, y, x_test, y_test = digits()
    x, y = x[: args.images], y[: args.images]
    cut = len(y) * 4 // 5
    train, validation = (x[:cut], y[:cut]), (x[cut:], y[cut:])
    trials = []
    for i in range(args.trials):
        lr, decay = log_uniform(1e-4, 3.0), log_uniform(1e-8, 1e-1)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=decay)
        history = fit(
            model, train, validation, epochs=args.epochs, optimizer=optimizer, label=f"trial {i + 1} of {args.trials}"
        )
        trials.append((history["test/accuracy"][-1], lr, decay, model, history["test/accuracy"]))
    trials.sort(key=lambda trial: -trial[0])
    for score, lr, decay, _, _ in trials[:5]:
        print(f"validation {score:.1%}  learning rate {lr:.1e}  weight decay {decay:.1e}")
    score, lr, decay, model, _ = trials[0]
    result = {
        "validation": score,
        "worst": trials[-1][0],
        "lr": lr,
        "decay": decay,
        "test": accuracy(model, (x_test, y_test)),
    }
    print(
        f"\nthe best of {args.trials}: {score:.1%} on the validation images that chose it, {result['test']:.1%} "
        f"on the test images"
    )
    left, right = plots.new_axes(1, 2, (5, 4))
    points = left.scatter(
        [t[1] for t in trials], [t[2] for t in trials], c=[t[0] for t in trials], cmap="viridis", edgecolors="gray"
    )
    left.set(
        xscale="log", yscale="log", xlabel="learning rate", ylabel="weight decay", title="validation accuracy by trial"
    )
    left.figure.colorbar(points, ax=left)
    for score, lr, _, _, curve in trials:
        right.plot(range(1, args.epochs + 1), curve, alpha=0.6, label=f"lr {lr:.0e}" if score == trials[0][0] else None)
    right.set(title="validation accuracy while training", xlabel="epoch")
    finish(
        args,
        {"search.png": left},
        "Along the learning rate the colours change within a factor of ten or so; along the weight decay hardly "
        "at all over many powers of ten. A grid would have spent most trials on the second.",
    )
    return result


if __name__ == "__main__":
    main()
