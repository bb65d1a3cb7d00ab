"""Word vectors by prediction: skip-gram and CBOW, with negative sampling or a softmax of three kinds.

A word's vector is trained to tell which words stand near it. On the bundled text four passes take 25 s of a busy
core, some 61,000 words a second (gensim's C code in one thread: 353,000), and the loss of a pair falls from 6 log 2 = 4.16 to 2.3::

    python examples/word2vec.py
    python examples/word2vec.py --model cbow --loss hierarchical
    python examples/word2vec.py --text book.txt --epochs 2 --save vectors.txt
    python examples/word2vec.py --compare gensim

Compare with ``word_counts.py``: counting needs less text for the same quality, prediction less memory for a lot of text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number, progress
from word_corpus import Corpus, add_options, ask, load, picture

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.models import CBOW, AdaptiveSoftmax, FullSoftmax, HierarchicalSoftmax, NegativeSampling, SkipGram
from tinygrad_edu.text import WordVectors, contexts, pairs, subsample

RATES = {"negative": 0.05, "hierarchical": 0.05, "full": 0.05, "adaptive": 0.05}


def build(args: Any, corpus: Corpus) -> SkipGram | CBOW:
    """The model of the command line."""
    size, counts = len(corpus.vocabulary), corpus.vocabulary.counts
    output: nn.Module
    if args.loss == "negative":
        output = NegativeSampling(args.dim, counts, args.negatives)
    elif args.loss == "hierarchical":
        output = HierarchicalSoftmax(args.dim, counts)
    elif args.loss == "full":
        output = FullSoftmax(args.dim, size)
    else:
        output = AdaptiveSoftmax(args.dim, size, [max(1, size // 20), max(2, size // 4)])
    return (SkipGram if args.model == "skip-gram" else CBOW)(size, args.dim, output).to(args.device)


def batches(args: Any, corpus: Corpus, rng: np.random.Generator) -> Iterator[tuple[tg.Tensor, tg.Tensor]]:
    """Yield the inputs and targets of one pass in random order: windows and left-out frequent words are drawn anew each time."""
    kept = subsample(corpus.sentences, corpus.vocabulary.counts, args.subsample, rng)
    if args.model == "skip-gram":
        inputs, targets = pairs(kept, args.window, generator=rng)
    else:
        targets, inputs = contexts(kept, args.window, generator=rng, padding=len(corpus.vocabulary))
    order = rng.permutation(len(targets))
    for start in range(0, len(order), args.batch_size):
        chosen = order[start : start + args.batch_size]
        yield tg.tensor(inputs[chosen]), tg.tensor(targets[chosen])


def train(args: Any, corpus: Corpus, model: SkipGram | CBOW) -> tuple[list[float], float]:
    """Train by plain SGD with a falling rate; return the mean loss of each pass, and the words a second."""
    optimizer = optim.SGD(model.parameters(), lr=args.lr * args.batch_size)  # the rate is that of one example
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: max(0.05, 1 - epoch / args.epochs))
    rng = np.random.default_rng(args.seed)
    losses, started = [], time.perf_counter()
    for epoch in range(args.epochs):
        total, steps = tg.zeros(()), 0
        bar = progress(batches(args, corpus, rng), f"epoch {epoch + 1}/{args.epochs}")
        for inputs, targets in bar:
            optimizer.zero_grad()
            loss = model(inputs, targets)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            steps += 1
            if steps % 100 == 0:
                bar.set_postfix(loss=f"{total.item() / steps:.3f}")
        schedule.step()
        losses.append(total.item() / steps)
        print(f"epoch {epoch + 1}: loss {losses[-1]:.3f}")
    return losses, args.epochs * corpus.words / (time.perf_counter() - started)


def gensim(args: Any, corpus: Corpus) -> WordVectors:
    """Train the Word2Vec of gensim, C code with one thread, on the same sentences with the same options; print its words a second."""
    from gensim.models import Word2Vec

    sentences = [corpus.vocabulary.decode(sentence) for sentence in corpus.sentences]
    hierarchical = args.loss == "hierarchical"
    theirs = Word2Vec(
        vector_size=args.dim, window=args.window, min_count=1, sg=args.model == "skip-gram", hs=hierarchical,
        negative=0 if hierarchical else args.negatives, sample=args.subsample, seed=args.seed, workers=1,
    )  # fmt: skip
    theirs.build_vocab(sentences)
    started = time.perf_counter()
    theirs.train(sentences, total_examples=len(sentences), epochs=args.epochs)
    print(f"\ngensim: {args.epochs * corpus.words / (time.perf_counter() - started):.0f} words a second")
    return WordVectors(corpus.vocabulary, np.stack([theirs.wv[word] for word in corpus.vocabulary]))


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Train, ask; return the losses, the neighbours and the words a second."""
    parser = build_parser(__doc__, "word2vec")
    add_options(parser)
    option = parser.add_argument
    option("--model", choices=["skip-gram", "cbow"], default="skip-gram", help="what is predicted from what")
    option("--loss", choices=list(RATES), default="negative", help="how words are scored")
    option("--dim", type=number(int, 1), default=100, help="length of a vector")
    option("--window", type=number(int, 1), default=5, help="the widest window, in words to either side")
    option("--negatives", type=number(int, 1), default=5, help="words to tell from the right one")
    option(
        "--subsample", type=number(float, 0, above=True), default=1e-3, help="leave out some of what is more frequent"
    )
    option("--epochs", type=number(int, 1), default=4, help="passes over the text")
    option("--batch-size", type=number(int, 1), default=512, help="examples a step")
    option(
        "--lr", type=number(float, 0, above=True), help="learning rate of an example; the default depends on the loss"
    )
    option("--save", metavar="FILE", type=Path, help="write the vectors in word2vec's text format")
    option("--compare", choices=["gensim"], help="train another program beside it (extra: gensim)")
    parser.set_defaults(min_count=10)
    args = begin(parser, argv)
    args.lr = args.lr or RATES[args.loss]
    if args.compare:
        try:
            import gensim as _  # noqa: F401
        except ImportError:
            parser.error("--compare gensim needs it: pip install 'tinygrad_edu[gensim]'")
    corpus = load(args, parser)
    try:
        model = build(args, corpus)
        losses, speed = train(args, corpus, model)
        print(f"{speed:.0f} words a second\n")
        vectors = WordVectors(corpus.vocabulary, model.vectors.cpu())
    except ValueError as error:
        parser.error(str(error))
    nearest = ask(vectors, args.ask)
    if args.save:
        vectors.save(args.save)
        print(f"vectors: {args.save}")
    result = {"losses": losses, "nearest": nearest, "words a second": speed}
    if args.compare:
        result["gensim"] = ask(gensim(args, corpus), args.ask)
    finish(
        args,
        {"words.png": picture(vectors, f"Words by {args.model}"), "loss.png": plots.plot_history({"loss": losses})},
        "Neighbours are words that could stand in the same sentence, or of the same subject, and rare words crowd in where the text "
        "is short. In the picture words of one group lie near each other, though two of many directions show little of the whole.",
    )
    return result


if __name__ == "__main__":
    main()
