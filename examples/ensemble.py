"""An ensemble: several networks asked together are right more often than each alone.

::

    python examples/ensemble.py --members 15

What there is to learn from it: networks that start from other weights make other errors. The mean of their
probabilities cancels what each got wrong by chance. The gain is the larger the less they agree on their errors; all
of them together cost as much as one of that many times the size."""

from __future__ import annotations

from classify import fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train all members, and return the accuracies of the mean member, the best one, and all together."""
    parser = build_parser(__doc__, "ensemble")
    parser.add_argument("--members", type=number(int, 2), default=7, help="how many networks")
    parser.add_argument("--epochs", type=number(int, 1), default=20, help="passes of each")
    parser.add_argument("--images", type=number(int, 20), default=200, help="training images")
    args = begin(parser, argv)
    x, y, x_test, y_test = digits()
    train, test = (x[: args.images], y[: args.images]), (x_test, y_test)
    probabilities, alone = [], []
    for i in range(args.members):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = optim.Adam(model.parameters(), lr=5e-3)
        history = fit(model, train, test, epochs=args.epochs, optimizer=optimizer, label=f"member {i + 1}")
        alone.append(history["test/accuracy"][-1])
        with tg.no_grad():
            probabilities.append(F.softmax(model(x_test), 1))
    stacked = tg.stack(probabilities)
    together = [(stacked[:k].mean(0).argmax(1) == y_test).float().mean().item() for k in range(1, args.members + 1)]
    guesses = stacked.argmax(2)
    agree = (guesses == guesses[0]).all(0).float().mean().item()
    result = {"mean": sum(alone) / len(alone), "best": max(alone), "together": together[-1], "agree": agree}
    print(f"alone: {', '.join(f'{a:.1%}' for a in alone)}; on the average {result['mean']:.1%}")
    print(f"together: {result['together']:.1%}; all members give the same answer on {agree:.1%} of the images")
    ax = plots.plot_history({"together": together}, xlabel="members")[0]
    ax.axhline(result["mean"], color="gray", linestyle="--", label="mean of the members")
    ax.legend()
    finish(
        args,
        {"members.png": ax},
        "The curve rises steeply with the first members and then flattens: compare it with the mean member, and "
        "with the best one.",
    )
    return result


if __name__ == "__main__":
    main()
