"""The command line of ``char_lm.py``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from common import Parser, number

__all__ = ["MODEL_OPTIONS", "RUN_OPTIONS", "build_parser"]

MODEL_OPTIONS = ("cell", "hidden", "layers", "embedding", "dropout", "input_dropout")
# What the losses of a run depend on, besides the text. A resumed run must agree in all of them.
RUN_OPTIONS = (*MODEL_OPTIONS, "epochs", "batch_size", "bptt", "lr", "warmup", "clip", "seed")


def stop(text: str) -> str:
    """What ends a sample: ``\\n`` stands for the end of a line."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text would end every sample before it begins")
    return text.replace("\\n", "\n")


def build_parser() -> Parser:
    """Describe the command line."""
    parser = Parser(
        description="Train a character-level language model and compare it with n-grams.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    text = parser.add_argument_group("text")
    text.add_argument("--text", metavar="FILE", help="a UTF-8 text (default: the topics of Python's help())")
    text.add_argument("--keep-repeats", action="store_true", help="keep paragraphs that occur more than once")
    text.add_argument("--ngram-order", type=number(int, 0), default=12, help="longest n-gram; 0: no baseline")

    model = parser.add_argument_group("model")
    model.add_argument("--cell", choices=("rnn", "gru", "lstm"), default="lstm", help="the recurrent layer")
    model.add_argument("--hidden", type=number(int, 1), default=384, help="hidden units H")
    model.add_argument("--layers", type=number(int, 1), default=1, help="recurrent layers")
    model.add_argument("--embedding", type=number(int, 1), default=64, help="size of a character's vector")
    model.add_argument("--dropout", type=number(float, 0, 1), default=0.4, help="share of a layer's outputs dropped")
    model.add_argument("--input-dropout", type=number(float, 0, 1), default=0.1, help="share of embeddings dropped")

    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=number(int, 1), default=10, help="passes over the training text")
    training.add_argument("--batch-size", type=number(int, 1), default=32, help="parallel streams N")
    training.add_argument("--bptt", type=number(int, 1), default=32, help="characters T that a gradient reaches back")
    training.add_argument("--lr", type=number(float, 0, above=True), default=8e-3, help="peak learning rate of Adam")
    training.add_argument("--warmup", type=number(float, 0, 1), default=0.05, help="share of steps in which it rises")
    training.add_argument("--clip", type=number(float, 0, above=True), default=1.0, help="largest norm of the gradient")
    training.add_argument("--seed", type=number(int, 0), default=0, help="fixes parameters, dropout and samples")
    training.add_argument(
        "--device",
        default=os.environ.get("TINYGRAD_EDU_DEVICE", "cpu"),
        help="where to compute: cpu, cuda, cuda:1, ...",
    )

    files = parser.add_argument_group("files")
    files.add_argument("--out", metavar="DIR", type=Path, default=Path("runs/char_lm"), help="where to save everything")
    files.add_argument("--checkpoint-every", metavar="STEPS", type=number(int, 1), default=200, help="and after epochs")
    files.add_argument("--resume", action="store_true", help="continue from DIR/checkpoint, with its options")

    samples = parser.add_argument_group("sample")
    samples.add_argument("--sample-only", action="store_true", help="only print a sample from DIR/checkpoint")
    samples.add_argument("--sample-length", type=number(int, 1), default=600, help="characters in the last sample")
    samples.add_argument("--temperature", type=number(float, 0), default=0.7, help="0: always the likeliest character")
    samples.add_argument("--top-k", type=number(int, 1), help="draw among so many characters only")
    samples.add_argument(
        "--top-p", type=number(float, 0, 1, above=True), help="draw among the fewest of this probability"
    )
    samples.add_argument(
        "--stop", metavar="TEXT", type=stop, action="append", default=[], help="ends the sample; repeatable"
    )
    samples.add_argument("--prompt", default="The ", help="how the sample begins")
    return parser
