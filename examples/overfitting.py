"""Over-fitting, and two things against it: weight decay and dropout.

::

    python examples/overfitting.py

What there is to learn from it: a large network learns 300 digits by heart, even where the label is wrong (one of five is
drawn at random here), and what it learned so is worth nothing on other images.

* **Weight decay** pulls all weights towards zero at each step, so that only what many examples agree on grows large.
* **Dropout** (Srivastava et al., 2014) switches off half of the units at each step, so that none can rely on another.

Both make the training accuracy worse and the test accuracy better: there is less that they know by heart.
"""

from __future__ import annotations

from classify import fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots


def network(hidden: int, layers: int, dropout: float) -> nn.Sequential:
    """Stack linear layers, each with relu and, where asked for, dropout behind it."""
    parts: list[nn.Module] = [nn.Flatten()]
    for i in range(layers):
        parts += [nn.Linear(hidden if i else 64, hidden), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*parts, nn.Linear(hidden, 10))


def main(argv: list[str] | None = None) -> dict[str, dict[str, float]]:
    """Train three networks, and return the accuracies and the size of the weights of each."""
    parser = build_parser(__doc__, "overfitting")
    parser.add_argument("--epochs", type=number(int, 1), default=150, help="passes over the training images")
    parser.add_argument("--images", type=number(int, 10), default=300, help="training images")
    parser.add_argument("--wrong", type=number(float, 0, 1), default=0.2, help="share of them with a random label")
    parser.add_argument("--hidden", type=number(int, 1), default=200, help="units of each hidden layer")
    parser.add_argument("--layers", type=number(int, 1), default=2, help="hidden layers")
    parser.add_argument("--weight-decay", type=number(float, 0), default=0.03, help="of the second network")
    parser.add_argument("--dropout", type=number(float, 0, 1), default=0.5, help="of the third network")
    args = begin(parser, argv)
    x, y, x_test, y_test = digits()
    few = (x[: args.images], y[: args.images].clone())
    wrong = tg.rand(len(few[1])) < args.wrong
    few[1][wrong] = tg.randint(0, 10, (int(wrong.sum().item()),))
    curves: dict[str, list[float]] = {}
    results: dict[str, dict[str, float]] = {}
    for name, decay, dropout in (
        ("plain", 0.0, 0.0),
        (f"weight decay {args.weight_decay:g}", args.weight_decay, 0.0),
        (f"dropout {args.dropout:g}", 0.0, args.dropout),
    ):
        tg.manual_seed(args.seed)  # the same first weights for all three
        model = network(args.hidden, args.layers, dropout)
        optimizer = optim.Adam(model.parameters(), lr=1e-3, weight_decay=decay)
        history = fit(model, few, (x_test, y_test), epochs=args.epochs, optimizer=optimizer, batch=50, label=name)
        curves[f"train/{name}"], curves[f"test/{name}"] = history["train/accuracy"], history["test/accuracy"]
        train, test = history["train/accuracy"][-1], history["test/accuracy"][-1]
        size = sum((p.detach() ** 2).sum().item() for p in model.parameters()) ** 0.5
        results[name] = {
            "train": train,
            "test": test,
            "gap": train - test,
            "loss": history["train/loss"][-1],
            "weights": size,
        }
        print(f"{name:18} train {train:.1%}, test {test:.1%}, gap {train - test:.1%}, norm of all weights {size:.1f}")
    finish(
        args,
        {"curves.png": plots.plot_history(curves)},
        "The plain network ends with nearly all training labels right, the wrong ones too, and its test curve "
        "falls as it learns them. With weight decay or dropout the "
        "training curve stops where the labels are right, and the test curve stays up. Try --wrong 0 and fewer "
        "--images.",
    )
    return results


if __name__ == "__main__":
    main()
