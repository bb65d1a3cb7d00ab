"""Language models of words: counting, a plain LSTM, a better one, and one that points to what it has read.

::

    python examples/word_lm.py                                 # Python's help topics
    python examples/word_lm.py --pointer                       # and the pointer sentinel mixture model
    python examples/word_lm.py --ptb DIR --hidden 650 --epochs 40 --device cuda
    python examples/word_lm.py --text my.txt --prompt "once upon a time" --top-p 0.9

What there is to learn from it: all models read the same words and are judged by their perplexity on words that none of them
has seen, that is, among how many equally likely words they hesitate on average.

* **Counting.** An n-gram model with Kneser-Ney smoothing (``ngram.py``); with little text it is hard to beat.
* **The plain LSTM** has one layer and nothing against over-fitting: its training loss goes on falling when its perplexity
  on other text has long begun to rise.
* **The better LSTM** has several layers, dropout with one mask for all steps (Gal and Ghahramani, 2016), and one matrix for
  embeddings and outputs (Press and Wolf, 2017), which halves its parameters and teaches rare words twice.
* **The pointer** (Merity et al., 2017) may also say a word of the last ``--window`` words again.

On Python's help, with the default options: n-gram 25.8, plain LSTM 23.7, better LSTM 20.5, with a pointer 18.0
(perplexity on the test text).

The learning rate falls where the validation text says that an epoch has not helped, and what counts in the end are the
weights that it liked best.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Parser, begin, build_parser, finish, number, progress
from ngram import KneserNey

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots, text
from tinygrad_edu.models import PointerSentinelLM, RNNLanguageModel, generate, perplexity
from tinygrad_edu.models.language_model import KINDS
from tinygrad_edu.utils.bptt import TruncatedBPTT, parallel_streams

STREAMS = 10  # the judges' text is read as so many streams side by side


@dataclass
class Texts:
    """The three parts of a corpus as streams (T, N)."""

    train: tg.Tensor
    valid: tg.Tensor
    test: tg.Tensor


def load(args: argparse.Namespace, parser: Parser) -> text.WordCorpus:
    """Read the text that the command line asks for."""
    try:
        if args.ptb is not None:
            return text.read_penn_treebank(args.ptb, max_size=args.max_words)
        raw = text.help_topics() if args.text is None else text.read_text(args.text)
        return text.split_words(text.drop_repeats(raw), min_count=args.min_count, max_size=args.max_words)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def as_streams(corpus: text.WordCorpus, args: argparse.Namespace, parser: Parser) -> Texts:
    """Lay the words out in streams."""
    parts = []
    for name, streams in (("train", args.batch_size), ("valid", STREAMS), ("test", STREAMS)):
        codes = getattr(corpus, name)
        if codes.size < 2 * streams:
            parser.error(f"the {name} text has {codes.size} words, which is too short for {streams} streams")
        parts.append(parallel_streams(tg.tensor(codes), streams))
    return Texts(*parts)


def count(corpus: text.WordCorpus, texts: Texts, orders: int) -> tuple[int, float]:
    """Choose the best order of an n-gram model by the validation text; return it with its perplexity on the test text."""
    model = KneserNey(corpus.train, len(corpus.vocabulary), orders)

    def losses(streams: tg.Tensor) -> np.ndarray:
        columns = [model.sequence_probabilities(column)[:, 1:] for column in streams.cpu().numpy().T]
        return -np.log(np.concatenate(columns, axis=1)).mean(axis=1)

    best = int(losses(texts.valid).argmin())
    return best + 1, float(np.exp(losses(texts.test)[best]))


def train(model: RNNLanguageModel, texts: Texts, args: argparse.Namespace, label: str) -> list[float]:
    """Train until the last epoch or until the learning rate is exhausted; leave the best weights in the model.

    Returns
    -------
    list of float
        The perplexity on the validation text after each epoch.
    """
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=0, threshold=0.005)
    walk = TruncatedBPTT(lambda pair, state: model.loss(*pair.unbind(-1), state), args.bptt)
    pairs = tg.stack([texts.train[:-1], texts.train[1:]], -1)
    found: list[float] = []
    best: dict[str, Any] = {}
    bar = progress(range(args.epochs), label, "epoch")
    for _ in bar:
        began, total = time.perf_counter(), 0.0
        walk.reset()
        # Chunks are cut elsewhere in every epoch.
        start = int(tg.randint(0, min(args.bptt, len(pairs) - 1), ()).item())
        for chunk in walk.walk(pairs[start:]):
            optimizer.zero_grad()
            chunk.output.backward()
            nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            total += chunk.output.item() * chunk.steps
        if not math.isfinite(total):
            raise SystemExit(f"word_lm.py: the loss of the {label} is {total}: try a lower --lr or --clip")
        speed = pairs.shape[0] * pairs.shape[1] / (time.perf_counter() - began)
        found.append(perplexity(model, texts.valid))
        if found[-1] == min(found):
            best = {name: value.clone() for name, value in model.state_dict().items()}
        schedule.step(found[-1])
        # With the pointer's supervision the training loss is no perplexity, so only that of the judges is shown.
        bar.set_postfix(valid=f"{found[-1]:.1f}", lr=f"{schedule.get_last_lr()[0]:.1e}", words_s=f"{speed:.0f}")
        if schedule.get_last_lr()[0] < args.lr / 300:
            break
    model.load_state_dict(best)
    return found


def samples(model: RNNLanguageModel, corpus: text.WordCorpus, args: argparse.Namespace) -> list[str]:
    """Continue the prompt a few times, until a sentence ends."""
    vocabulary = corpus.vocabulary
    prompt = vocabulary.encode(text.words(args.prompt))
    rows = generate(
        model,
        tg.tensor(np.tile(prompt, (args.samples, 1))),
        args.sample_length,
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        banned=[vocabulary[text.UNK]],
        stop=[vocabulary[text.EOS]],
        generator=tg.Generator(args.device).manual_seed(args.seed),
    )
    return [text.join_words([*vocabulary.decode(prompt), *vocabulary.decode(row)]) for row in rows]


def options(parser: Parser) -> None:
    """Add the example's own options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--ptb", metavar="DIR", help="a folder with ptb.train.txt, ptb.valid.txt and ptb.test.txt")
    source.add_argument("--text", metavar="FILE", help="a UTF-8 text, by default the topics of Python's help()")
    parser.add_argument("--min-count", type=number(int, 1), default=3, help="rarer words become <unk>")
    parser.add_argument("--max-words", type=number(int, 10), help="the size of the vocabulary, where it has a limit")
    parser.add_argument("--cell", choices=sorted(KINDS), default="LSTM", help="the recurrent layers")
    parser.add_argument("--hidden", type=number(int, 1), default=200, help="units of each layer, and of embeddings")
    parser.add_argument("--layers", type=number(int, 1), default=2, help="of the better model")
    parser.add_argument("--dropout", type=number(float, 0, 1), default=0.4, help="of the better model")
    parser.add_argument("--pointer", action="store_true", help="also train the pointer sentinel mixture model")
    parser.add_argument("--window", type=number(int, 1), default=100, help="words that it can point to")
    parser.add_argument("--epochs", type=number(int, 1), default=16, help="at most; training ends when nothing helps")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=0.004, help="Adam's first learning rate")
    parser.add_argument("--clip", type=number(float, 0, above=True), default=0.5, help="the largest norm of a gradient")
    parser.add_argument("--batch-size", type=number(int, 1), default=20, help="streams side by side")
    parser.add_argument("--bptt", type=number(int, 1), default=35, help="steps that gradients flow back")
    parser.add_argument("--orders", type=number(int, 1, 10), default=5, help="the longest n-gram to count")
    parser.add_argument("--prompt", default="the value of the", help="what the samples begin with")
    parser.add_argument("--samples", type=number(int, 1), default=4, help="how many")
    parser.add_argument("--sample-length", type=number(int, 0), default=40, help="words of each at most")
    parser.add_argument("--temperature", type=number(float, 0), default=0.8, help="of sampling; 0: the likeliest word")
    parser.add_argument("--top-k", type=number(int, 1), help="sample among so many words only")
    parser.add_argument("--top-p", type=number(float, 0, 1, above=True), help="sample among the words of this nucleus")


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train all models; return the perplexity of each on the test text."""
    parser = build_parser(__doc__, "word_lm")
    options(parser)
    args = begin(parser, argv)
    corpus = load(args, parser)
    texts = as_streams(corpus, args, parser)
    if not text.words(args.prompt):
        parser.error("--prompt needs one word at least")
    size = len(corpus.vocabulary)
    print(
        f"{corpus.train.size:,} words to train, {corpus.valid.size:,} to choose, {corpus.test.size:,} to judge; "
        f"{size:,} different ones, {corpus.unknown():.1%} unknown"
    )
    better = {
        "num_layers": args.layers,
        "dropout": args.dropout,
        "variational": True,
        "tie_weights": True,
    }
    models: dict[str, tuple[type[RNNLanguageModel], dict[str, Any]]] = {
        f"plain {args.cell}": (RNNLanguageModel, {}),
        f"better {args.cell}": (RNNLanguageModel, better),
    }
    if args.pointer:
        models["with a pointer"] = (PointerSentinelLM, {**better, "window": args.window})
    order, counted = count(corpus, texts, args.orders)
    results = {"n-gram": counted}
    print(f"{f'n-gram of order {order}':18} perplexity {counted:6.1f}")
    curves: dict[str, list[float]] = {}
    for name, (kind, settings) in models.items():
        tg.manual_seed(args.seed)
        model = kind(args.cell, size, args.hidden, args.hidden, **settings)
        curves[f"{name}/perplexity"] = train(model, texts, args, name)
        results[name] = perplexity(model, texts.test)
        parameters = sum(p.numel() for p in model.parameters())
        print(f"{name:18} perplexity {results[name]:6.1f}, {parameters:,} parameters")
    print("\nsamples:")
    for line in samples(model, corpus, args):
        print(f"  | {line}")
    (axes,) = plots.plot_history(curves)
    axes.axhline(counted, color="black", linestyle="--", label=f"n-gram of order {order}, other text")
    axes.set(title="perplexity on the validation text", ylim=(0.8 * min(results.values()), 2 * max(results.values())))
    axes.legend()
    finish(
        args,
        {"perplexity.png": axes},
        "The plain network is best after few epochs and then learns by heart. The better one, with fewer parameters, goes on "
        "for longer and ends lower. Give counting more text and it will be left behind further.",
    )
    return results


if __name__ == "__main__":
    main()
