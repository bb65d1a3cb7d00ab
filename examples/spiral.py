"""Classes that no straight line separates: spirals and moons, and the border that a network finds.

::

    python examples/spiral.py
    python examples/spiral.py --hidden 3          # too small: look at what it gives up first

What there is to learn from it: a linear model cuts the plane by straight lines; one hidden layer bends them. The
pictures show the border before training, on the way, and at the end."""

from __future__ import annotations

from classify import accuracy, fit
from common import begin, build_parser, finish, number

from tinygrad_edu import datasets, nn, optim, plots


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train on both sets, and return the accuracies on fresh points."""
    parser = build_parser(__doc__, "spiral")
    parser.add_argument("--epochs", type=number(int, 1), default=100, help="passes over the points")
    parser.add_argument("--hidden", type=number(int, 1), default=32, help="hidden units")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=0.02, help="learning rate of Adam")
    parser.add_argument("--points", type=number(int, 10), default=300, help="points to train on")
    args = begin(parser, argv)
    makers = {"spiral": (datasets.spiral, 3), "moons": (datasets.two_moons, 2)}
    axes = plots.new_axes(len(makers), 4, (3, 3))
    results = {}
    for row, (name, (make, classes)) in enumerate(makers.items()):
        train, test = make(args.points), make(args.points)
        models = {
            "linear": nn.Sequential(nn.Linear(2, classes)),
            "hidden layer": nn.Sequential(nn.Linear(2, args.hidden), nn.Tanh(), nn.Linear(args.hidden, classes)),
        }
        for kind, model in models.items():
            optimizer = optim.Adam(model.parameters(), lr=args.lr)
            stages = {"before": 0, "on the way": args.epochs // 5, "at the end": args.epochs - args.epochs // 5}
            for k, (stage, epochs) in enumerate(stages.items()):
                if epochs:
                    fit(model, train, test, epochs=epochs, optimizer=optimizer, batch=30, label=f"{name}, {kind}")
                if kind != "linear":
                    title = f"{name}, {stage}: {accuracy(model, test):.0%}"
                    plots.plot_decision_boundary(model, *train, title=title, ax=axes[4 * row + 1 + k])
            results[f"{name}, {kind}"] = accuracy(model, test)
            print(f"{name:6} {kind:12} {results[f'{name}, {kind}']:.1%} of fresh points right")
        title = f"{name}, linear: {results[f'{name}, linear']:.0%}"
        plots.plot_decision_boundary(models["linear"], *train, title=title, ax=axes[4 * row])
    finish(
        args,
        {"borders.png": axes},
        "The linear model leaves whole arms of the spiral on the wrong side. Follow the other border from before "
        "training to its end: it first finds a rough cut and then bends.",
    )
    return results


if __name__ == "__main__":
    main()
