"""LeNet-5 reads handwritten digits; its filters before and after training.

::

    python examples/lenet.py

What there is to learn from it:

* **Convolution** looks at the image through small windows, the same weights at each place: 5×5 numbers find a stroke
  wherever it is. **Pooling** keeps the strongest answer of each 2×2 neighbourhood, so that a stroke may move a
  little. Compare the parameters of the convolutions with those of the linear layers in the table that is printed
  first.
* **Augmentation**: digits that are shifted, turned and made larger or smaller are still the same digits, and there
  are only 1438 others to learn from.
* **Filters** are noise before training; afterwards many are edges and strokes. Feature maps show where in one image
  each of them answers.

Source of the network: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
1998; with max pooling and relu, as it is usually built today."""

from __future__ import annotations

import time

from classify import fit
from common import begin, build_parser, digits, finish, number

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots

SIZE = 28


class LeNet(nn.Sequential):
    """Two convolutions with pooling and three linear layers: images (N, 1, 28, 28) to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )


def jitter(x: tg.Tensor) -> tg.Tensor:
    """Turn each image by up to 12 degrees, scale it by up to a tenth, and shift it by up to two pixels."""
    n = len(x)
    angle = (tg.rand(n) - 0.5) * 0.4
    scale = 1 + (tg.rand(n) - 0.5) * 0.2
    shift = (tg.rand(n, 2) - 0.5) * (8 / SIZE)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = tg.stack([tg.stack([cos, -sin, shift[:, 0]], 1), tg.stack([sin, cos, shift[:, 1]], 1)], 1)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train, and return the accuracies and the seconds that it took."""
    parser = build_parser(__doc__, "lenet")
    parser.add_argument("--epochs", type=number(int, 1), default=30, help="passes over the training images")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=3e-3, help="peak learning rate of Adam")
    parser.add_argument("--no-augmentation", action="store_true", help="show the images as they are")
    args = begin(parser, argv)
    x, y, x_test, y_test = digits(SIZE)
    model = LeNet()
    nn.init.normal_(model[0].weight, 0, 0.05)  # narrow, so that what is learned stands out from the noise
    print(tg.summary(model, x[:1]))
    before = model[0].weight.detach().clone()
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    start = time.perf_counter()
    history = fit(
        model,
        (x, y),
        (x_test, y_test),
        epochs=args.epochs,
        optimizer=optimizer,
        scheduler=scheduler,
        augment=None if args.no_augmentation else jitter,
    )
    seconds = time.perf_counter() - start
    result = {"train": history["train/accuracy"][-1], "test": history["test/accuracy"][-1], "seconds": seconds}
    print(f"\n{result['test']:.2%} of {len(y_test)} unseen digits right after {seconds:.0f} seconds")
    filters = plots.new_axes(1, 2, (3, 2.4))
    plots.plot_filters(before, columns=3, title="filters before", ax=filters[0])
    plots.plot_filters(model[0], columns=3, title="after", ax=filters[1])
    maps = plots.new_axes(1, 3, (3, 2.4))
    plots.plot_images(x_test[:1], title="an image", ax=maps[0])
    for ax, layer in zip(maps[1:], ("1", "4"), strict=True):
        plots.plot_feature_maps(model, layer, x_test[:1], ax=ax)
    finish(
        args,
        {"history.png": plots.plot_history(history), "filters.png": filters, "feature_maps.png": maps},
        "In filters.png noise has become bright and dark sides: detectors of edges and strokes. In "
        "feature_maps.png each small image is where one filter answers: the first layer draws outlines, the second "
        "keeps a few spots.",
    )
    return result


if __name__ == "__main__":
    main()
