"""Word vectors by counting: co-occurrence, positive mutual information, singular values.

You shall know a word by the company it keeps: count how often each word stands near each other one, ask how much more often
than by chance, and keep the few directions in which words differ most. No gradient is needed, and a few seconds are enough::

    python examples/word_counts.py --ask python integer
    python examples/word_counts.py --text book.txt --window 2

On the bundled text (some 400,000 words about Python, 5,000 kinds) it takes 5 s of one core. Nearest to "client" are then server,
connection and smtp, to "year" month, day and week. A small window finds words that can stand for each other, a large one
words of one subject.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number
from word_corpus import add_options, ask, load, picture

from tinygrad_edu import plots
from tinygrad_edu.text import WordVectors, cooccurrence, positive_pmi, truncated_svd


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Count, decompose, ask; return the neighbours and the singular values."""
    parser = build_parser(__doc__, "word_counts")
    add_options(parser)
    parser.add_argument("--window", type=number(int, 1), default=5, help="how many words to either side are near")
    parser.add_argument("--dim", type=number(int, 1), default=100, help="directions to keep")
    parser.add_argument(
        "--shift",
        type=number(float, 0, above=True),
        default=1.0,
        help="its log is subtracted from information",
    )
    parser.add_argument("--smoothing", type=number(float, 0), default=0.75, help="exponent of the counts of contexts")
    parser.add_argument("--weight", type=number(float, 0), default=0.5, help="exponent of the singular values")
    args = begin(parser, argv)
    started = time.process_time()
    corpus = load(args, parser)
    size = len(corpus.vocabulary)
    if args.dim > size:
        parser.error(f"--dim {args.dim} is more than the {size} kinds of words")
    try:
        counts = cooccurrence(corpus.sentences, size, args.window, weighting="harmonic")
    except ValueError as error:
        parser.error(str(error))
    information = positive_pmi(counts, shift=args.shift, smoothing=args.smoothing)
    print(
        f"{counts.size} pairs of words meet ({counts.size / size**2:.1%} of all), {information.size} more often than by chance"
    )
    u, s, _ = truncated_svd(information, args.dim, generator=np.random.default_rng(args.seed))
    vectors = WordVectors(corpus.vocabulary, u * s**args.weight)
    print(f"vectors of {args.dim} dimensions after {time.process_time() - started:.1f} s of one core\n")
    nearest = ask(vectors, args.ask)
    (curve,) = plots.new_axes()
    curve.loglog(np.arange(1, args.dim + 1), s, "o-", markersize=3)
    curve.set(title="Singular values of positive mutual information", xlabel="number")
    curve.grid(alpha=0.3)
    points = picture(vectors, "Words by counting")
    finish(
        args,
        {"words.png": points, "singular_values.png": curve},
        "Neighbours are words that could stand in the same sentence, or of the same subject. In the picture words of one "
        "group lie near each other, though two of a hundred directions show little of the whole. Singular values fall slowly: "
        "there is no clear number of directions.",
    )
    return {"nearest": nearest, "singular values": s}


if __name__ == "__main__":
    main()
