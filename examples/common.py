"""What the examples share: the command line, the progress bar, the picture at the end."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

import tinygrad_edu as tg
from tinygrad_edu import datasets, plots

__all__ = ["Parser", "begin", "build_parser", "digits", "finish", "number", "progress"]


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def number(kind: type, low: float, high: float = math.inf, *, above: bool = False) -> Any:
    """Return an argparse type: an int or a float from ``low`` (or above it) up to, but excluding ``high``."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {'an integer' if kind is int else 'a number'}") from None
        if not (low < value if above else low <= value) or not value < high:
            limit = f"{'above' if above else 'at least'} {low:g}" + (f" and below {high:g}" if high < math.inf else "")
            raise argparse.ArgumentTypeError(f"{text} must be {limit}")
        return value

    return convert


def build_parser(doc: str | None, name: str) -> Parser:
    """Begin a command line with what every example has: ``--device``, ``--seed`` and ``--out``.

    Parameters
    ----------
    doc
        The docstring of the example; its first line describes the command.
    name
        The folder under ``runs/`` where the picture goes.
    """
    parser = Parser(description=(doc or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--device",
        default=os.environ.get("TINYGRAD_EDU_DEVICE", "cpu"),
        help="where to compute: cpu, cuda, cuda:1, ...",
    )
    parser.add_argument("--seed", type=number(int, 0), default=0, help="fixes everything random")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("runs") / name, help="where the pictures go")
    return parser


def begin(parser: Parser, argv: list[str] | None) -> argparse.Namespace:
    """Read the command line, seed the random numbers, and make its device the default one."""
    args = parser.parse_args(argv)
    try:
        tg.set_default_device(args.device)
    except tg.BackendError as error:
        parser.error(str(error))
    tg.manual_seed(args.seed)
    return args


def progress(items: Iterable[Any], label: str, unit: str = "step") -> Any:
    """Show how far a loop has come; what ``set_postfix`` is given stands behind it."""
    return tqdm(items, desc=label, unit=unit, leave=False, dynamic_ncols=True)


def finish(args: argparse.Namespace, pictures: dict[str, Any], look: str) -> None:
    """Save the pictures by their file names, and say what a person should look at."""
    for name, axes in pictures.items():
        print(f"picture: {plots.save(axes, args.out / name)}")
    print(f"\nWhat to look at: {' '.join(look.split())}")


def digits(size: int = 8) -> tuple[tg.Tensor, tg.Tensor, tg.Tensor, tg.Tensor]:
    """Load scikit-learn's handwritten digits on the default device: images (N, 1, size, size) in [0, 1] and "
    "classes, to train and to test."""
    train, test = datasets.Digits(size=size), datasets.Digits(train=False, size=size)
    x, y, x_test, y_test = (
        part.to(tg.get_default_device()) for part in (train.data, train.targets, test.data, test.targets)
    )
    return x, y, x_test, y_test
