"""Small colour pictures by an AlexNet or a ResNet: CIFAR-10 from your disk, or made-up shapes of the same format.

::

    python examples/cifar.py                                  # made-up shapes, a ResNet
    python examples/cifar.py --model alexnet
    python examples/cifar.py --data ~/cifar-10-batches-bin --epochs 20 --device cuda

What there is to learn from it:

* **AlexNet** (Krizhevsky, Sutskever and Hinton, 2012): convolutions with relu, pooling, dropout before the linear layers.
  Here in small, for 32×32 pixels, and with batch normalisation in place of the older local one.
* **ResNet** (He, Zhang, Ren and Sun, 2016): each block adds what it found to what came in, x + f(x), so that the
  gradient has a way around every block. Batch normalisation is in each of them.
* **Augmentation**: mirrored and shifted pictures, from a `DataLoader` with transforms.
* **The schedule**: the learning rate rises and falls again within one run (one cycle; Smith and Topin, 2018), which
  takes fewer epochs than a constant one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import datasets, nn, optim, plots, transforms
from tinygrad_edu.utils.data import DataLoader

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)  # of CIFAR-10, by colour


def alexnet(width: int, classes: int = 10) -> nn.Sequential:
    """Build five convolutions and two linear layers for pictures (N, 3, 32, 32)."""
    w = width
    parts: list[nn.Module] = []
    for before, after, size, pool in (
        (3, w, 5, True),
        (w, 2 * w, 3, True),
        (2 * w, 4 * w, 3, False),
        (4 * w, 4 * w, 3, False),
        (4 * w, 2 * w, 3, True),
    ):
        parts += [nn.Conv2d(before, after, size, padding=size // 2), nn.BatchNorm2d(after), nn.ReLU()]
        parts += [nn.MaxPool2d(3, 2, 1)] if pool else []
    head = [nn.Dropout(0.5), nn.Linear(2 * w * 16, 8 * w), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8 * w, classes)]
    return nn.Sequential(*parts, nn.Flatten(), *head)


class Block(nn.Module):
    """Two convolutions, and a way around them: relu(x + f(x)).

    Parameters
    ----------
    before, after
        Channels that come in and go out.
    stride
        2 halves height and width; then, or for other channels, the way around is a convolution of size 1.
    """

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.around(x))


def resnet(width: int, classes: int = 10, blocks: int = 1) -> nn.Sequential:
    """Build three stages of blocks, each at half the height and width of the one before, for pictures (N, 3, "
    "32, 32)."""
    parts: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage in range(3):
        for i in range(blocks):
            after = width * 2**stage
            parts.append(Block(channels, after, 2 if stage and not i else 1))
            channels = after
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


MODELS = {"alexnet": alexnet, "resnet": resnet}


def load(folder: Path | None, images: int | None, augment: bool) -> tuple[Any, Any]:
    """Return the data sets to train and to test: CIFAR-10 from a folder, or made-up shapes."""
    plain = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    changed = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augment else []
    kinds = (True, transforms.Compose([*changed, *plain])), (False, transforms.Compose(plain))
    if folder is not None:
        train, test = (datasets.CIFAR10(folder, train, transform) for train, transform in kinds)
    else:
        counts = (None, None) if images is None else (images, max(images // 5, 10))
        train, test = (
            datasets.Shapes(train, n, transform) for (train, transform), n in zip(kinds, counts, strict=True)
        )
    return train, test


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train, and return the accuracy on the test pictures and the pictures a second."""
    parser = build_parser(__doc__, "cifar")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="a folder with CIFAR-10's binary files (default: made-up shapes)"
    )
    parser.add_argument("--images", type=number(int, 100), help="made-up shapes to train on (default: 5000)")
    parser.add_argument("--model", choices=MODELS, default="resnet", help="the network")
    parser.add_argument("--width", type=number(int, 1), default=16, help="channels of its first layer")
    parser.add_argument("--epochs", type=number(int, 1), default=6, help="passes over the training pictures")
    parser.add_argument("--batch", type=number(int, 2), default=64, help="pictures in a step")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=5e-3, help="highest learning rate of AdamW")
    parser.add_argument("--workers", type=number(int, 0), default=0, help="processes that prepare pictures")
    parser.add_argument("--no-augmentation", action="store_true", help="show the pictures as they are")
    args = begin(parser, argv)
    try:
        train, test = load(args.data, args.images, not args.no_augmentation)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    device = tg.get_default_device()
    batches = DataLoader(train, args.batch, shuffle=True, drop_last=True, num_workers=args.workers)
    tests = DataLoader(test, 250)
    model = MODELS[args.model](args.width, len(train.classes))
    print(tg.summary(model, (1, 3, 32, 32), depth=1))
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.02)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=args.epochs * len(batches))
    history: dict[str, list[float]] = {"train/loss": [], "test/loss": [], "accuracy": []}
    seen, start = 0, time.perf_counter()
    targets, guesses = [], []
    for epoch in range(args.epochs):
        model.train()
        losses = []
        bar = progress(batches, f"epoch {epoch + 1} of {args.epochs}")
        for x, y in bar:
            error = F.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
            losses.append(error.item())
            seen += len(y)
            bar.set_postfix(loss=f"{losses[-1]:.3f}", speed=f"{seen / (time.perf_counter() - start):.0f}/s")
        model.eval()
        targets, guesses, total = [], [], 0.0
        with tg.no_grad():
            for x, y in tests:
                logits = model(x.to(device))
                total += F.cross_entropy(logits, y.to(device), reduction="sum").item()
                targets += y.tolist()
                guesses += logits.argmax(1).tolist()
        history["train/loss"].append(sum(losses) / len(losses))
        history["test/loss"].append(total / len(targets))
        history["accuracy"].append(sum(a == b for a, b in zip(targets, guesses, strict=True)) / len(targets))
        loss, test_loss, right = (values[-1] for values in history.values())
        print(f"epoch {epoch + 1}: loss {loss:.3f}, test {test_loss:.3f}, {right:.1%} right")
    speed = seen / (time.perf_counter() - start)
    first = next(layer for layer in model if isinstance(layer, nn.Conv2d))
    confusion = plots.confusion_matrix(targets, guesses, len(train.classes))
    finish(
        args,
        {
            "history.png": plots.plot_history(history),
            "confusion.png": plots.plot_confusion_matrix(confusion, train.classes),
            "filters.png": plots.plot_filters(first, title="filters of the first layer"),
            "pictures.png": plots.plot_images(
                test.data[:36], labels=[train.classes[i] for i in test.targets[:36].tolist()]
            ),
        },
        "In confusion.png see which kinds are taken for which, and ask whether you would be sure in "
        "pictures.png. In filters.png look for edges of colour.",
    )
    return {
        "accuracy": history["accuracy"][-1],
        "first": history["train/loss"][0],
        "last": history["train/loss"][-1],
        "speed": speed,
    }


if __name__ == "__main__":
    main()
