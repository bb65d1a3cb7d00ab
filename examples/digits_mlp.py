"""Handwritten digits by a network of two hidden layers, and the digits that it takes for others.

::

    python examples/digits_mlp.py

What there is to learn from it: the whole of training in one page. Minibatches in a new order each epoch, loss,
``backward()``, a step; and then looking: curves of training and test, the confusion matrix, and the images behind its
errors."""

from __future__ import annotations

from classify import fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train, and return the accuracies."""
    parser = build_parser(__doc__, "digits_mlp")
    parser.add_argument("--epochs", type=number(int, 1), default=40, help="passes over the training images")
    parser.add_argument("--hidden", type=number(int, 1), default=64, help="units of each hidden layer")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=2e-3, help="learning rate of Adam")
    args = begin(parser, argv)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, args.hidden),
        nn.ReLU(),
        nn.Linear(args.hidden, args.hidden),
        nn.ReLU(),
        nn.Linear(args.hidden, 10),
    )
    print(tg.summary(model, x[:1]))
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    history = fit(model, (x, y), (x_test, y_test), epochs=args.epochs, optimizer=optimizer)
    model.eval()
    with tg.no_grad():
        logits = model(x_test)
    guess = logits.argmax(1)
    wrong = (guess != y_test).nonzero()[:, 0]
    result = {"train": history["train/accuracy"][-1], "test": history["test/accuracy"][-1]}
    print(
        f"\nright: {result['train']:.1%} of the training images, {result['test']:.1%} of {len(y_test)} that it "
        f"has not seen"
    )
    pictures = {
        "history.png": plots.plot_history(history),
        "confusion.png": plots.plot_confusion_matrix(plots.confusion_matrix(y_test, guess, 10)),
    }
    if len(wrong):
        labels = [f"{t} as {g}" for t, g in zip(y_test[wrong].tolist(), guess[wrong].tolist(), strict=True)]
        pictures["errors.png"] = plots.plot_images(x_test[wrong], labels=labels, title="what it got wrong")
    finish(
        args,
        pictures,
        "The training curve goes on to 100% when the test curve has long been flat. Which digits are taken for "
        "which? Look at errors.png: would you have known?",
    )
    return result


if __name__ == "__main__":
    main()
