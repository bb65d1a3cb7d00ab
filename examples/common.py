"""What the examples share: the command line, the progress bar, the picture at the end."""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

import tinygrad_edu as tg
from tinygrad_edu import datasets, plots
from tinygrad_edu.random import default_generator

__all__ = ["Parser", "Training", "begin", "build_parser", "digits", "finish", "number", "progress"]

SAVE_EVERY = 10.0  # seconds between two checkpoints


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


def build_parser(doc: str | None, name: str, *, resume: bool = False) -> Parser:
    """Begin a command line with what every example has: ``--device``, ``--seed`` and ``--out``.

    Parameters
    ----------
    doc
        The docstring of the example; its first line describes the command.
    name
        The folder under ``runs/`` where the picture goes.
    resume
        Whether there is a `Training` that can go on: ``--resume``.
    """
    parser = Parser(description=(doc or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--device",
        default=os.environ.get("TINYGRAD_EDU_DEVICE", "cpu"),
        help="where to compute: cpu, cuda, cuda:1, ...",
    )
    parser.add_argument("--seed", type=number(int, 0), default=0, help="fixes everything random")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("runs") / name, help="where the pictures go")
    if resume:
        parser.add_argument("--resume", action="store_true", help="go on where the same command was interrupted")
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


def progress(items: Iterable[Any], label: str, unit: str = "step", *, tokens: int = 0, **settings: Any) -> Any:
    """Show how far a loop has come; what ``set_postfix`` is given stands behind it.

    With ``tokens``, the number that each item has, it counts and times these.
    """
    if tokens:
        settings |= {"unit_scale": tokens}
        unit = "tok"
    return tqdm(items, desc=label, unit=unit, leave=False, dynamic_ncols=True, **settings)


class Training:
    """A training run that may be interrupted: resumed, it goes on bit for bit as if it had not been.

    Every few seconds, and after the last step, everything that the next step depends on is written to ``--out``. With
    ``--resume`` it is read again, after a look whether it was the same command.

    Parameters
    ----------
    args, parser
        The command line; its parser has ``resume=True``.
    free
        Names of options that may differ when a run is resumed.
    parts
        What changes while it trains: things with a ``state_dict``, lists and dictionaries of numbers. A string is what it
        learns from, and must be the same one.
    """

    def __init__(self, args: argparse.Namespace, parser: Parser, *, free: Sequence[str] = (), **parts: Any) -> None:
        self.path: Path = args.out / "checkpoint"
        self.devices = sorted({"cpu", args.device})
        self.options = {
            name: value if isinstance(value, (int, float, str, type(None))) else str(value)
            for name, value in vars(args).items()
            if name not in {"device", "out", "resume", *free}
        }
        self.sources = {
            name: hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
            for name, part in parts.items()
            if isinstance(part, str)
        }
        self.parts = {name: part for name, part in parts.items() if name not in self.sources}
        self.done = 0
        if args.resume:
            self._load(parser)

    def progress(self, total: int, label: str, unit: str = "step", *, tokens: int = 0) -> Any:
        """Show `progress` through the numbers of the steps that are still to be made."""
        return progress(self._steps(total), label, unit, tokens=tokens, total=total, initial=self.done)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        states = {name: part.state_dict() if hasattr(part, "state_dict") else part for name, part in self.parts.items()}
        saved = {"options": self.options, "sources": self.sources, "parts": states, "done": self.done}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        tg.save(saved | {"rng": [default_generator(device).get_state() for device in self.devices]}, self.path)

    def _steps(self, total: int) -> Iterator[int]:
        saved = time.monotonic()
        for step in range(self.done, total):
            yield step
            self.done = step + 1
            if time.monotonic() - saved >= SAVE_EVERY or self.done == total:
                self.save()
                saved = time.monotonic()

    def _load(self, parser: Parser) -> None:
        try:
            saved = tg.load(self.path)
            before, sources, states, done, rng = (saved[key] for key in "options sources parts done rng".split())
            changed = [name for name, value in self.options.items() if before[name] != value]
        except FileNotFoundError:
            parser.error(f"there is no checkpoint {self.path} to continue from")
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            parser.error(f"{self.path} is not a checkpoint of this example: {error}")
        if changed:
            was = " ".join(f"--{name.replace('_', '-')} {before[name]}" for name in changed)
            parser.error(f"argument --resume: {self.path} was made with {was}")
        if other := [name for name, digest in self.sources.items() if sources[name] != digest]:
            parser.error(f"argument --resume: {self.path} was made from another {other[0]}")
        for name, part in self.parts.items():
            if hasattr(part, "load_state_dict"):
                part.load_state_dict(states[name])
            elif isinstance(part, dict):
                part.update(states[name])
            else:
                part[:] = states[name]
        self.done = done
        for device, state in zip(self.devices, rng, strict=True):  # last, since building the model drew from them
            default_generator(device).set_state(state)


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
