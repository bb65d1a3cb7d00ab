"""What the examples of word vectors share: the text, the questions to ask of the vectors, and the picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Parser, number

from tinygrad_edu import plots
from tinygrad_edu.text import Vocabulary, WordVectors, bundled_text, read_text, split_sentences

__all__ = ["Corpus", "add_options", "ask", "load", "picture"]

# Words that the bundled text is about; those that another text doesn't have are passed over.
GROUPS = {
    "time": "year month week day hour minute second",
    "containers": "list tuple dict dictionary set sequence mapping",
    "network": "server client socket host port connection",
    "files": "file directory path filename folder archive",
    "errors": "typeerror valueerror keyerror indexerror attributeerror",
    "size": "width height left right top bottom",
    "ordinals": "first second third last next previous",
    "colors": "red green blue color",
}
ASKED = "first left read client year width true file tuple thread raise red".split()
ANALOGIES = ("list lists string", "client server read", "is are was", "day month minute", "width height left")


@dataclass(frozen=True)
class Corpus:
    """A text as integers, sentence by sentence."""

    vocabulary: Vocabulary
    sentences: list[np.ndarray[Any, Any]]

    @property
    def words(self) -> int:
        """Words in the text that the vocabulary lists."""
        return sum(map(len, self.sentences))


def add_options(parser: Parser) -> None:
    """Add the options of the text and of the questions to a command line."""
    parser.add_argument("--text", metavar="FILE", help="a UTF-8 text; without it, the prose that Python itself carries")
    parser.add_argument("--min-count", type=number(int, 1), default=5, help="leave out words that are rarer")
    parser.add_argument("--ask", metavar="WORD", nargs="+", default=ASKED, help="whose neighbours to list")


def load(args: Any, parser: Parser) -> Corpus:
    """Read the text, list its words, and cut it into sentences of integers; a file that won't do ends with one line."""
    try:
        text = split_sentences(bundled_text() if args.text is None else read_text(args.text))
        vocabulary = Vocabulary.build((word for sentence in text for word in sentence), min_count=args.min_count)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    corpus = Corpus(vocabulary, [vocabulary.encode(sentence, skip_unknown=True) for sentence in text])
    share = corpus.words / sum(map(len, text))
    print(
        f"{corpus.words} words of {len(vocabulary)} kinds: {share:.1%} of the text, without what is rarer than {args.min_count}"
    )
    return corpus


def ask(vectors: WordVectors, words: list[str], count: int = 6) -> dict[str, list[str]]:
    """Print the neighbours of words and some analogies; return the neighbours."""
    nearest = {}
    for word in words:
        try:
            nearest[word] = [other for other, _ in vectors.most_similar(word, count)]
        except KeyError as error:
            print(f"{word:>12}: {error.args[0]}")
        else:
            print(f"{word:>12}: {', '.join(nearest[word])}")
    for line in ANALOGIES:
        a, b, c = line.split()
        if all(word in vectors.vocabulary for word in (a, b, c)):
            print(f"{a} is to {b} as {c} to: {', '.join(other for other, _ in vectors.analogy(a, b, c, 4))}")
    return nearest


def picture(vectors: WordVectors, title: str) -> Any:
    """Draw words of the groups above in the plane in which they differ most; of another text its frequent words."""
    chosen: dict[str, str] = {}
    for group, line in GROUPS.items():
        for word in line.split():
            if word in vectors.vocabulary:
                chosen.setdefault(word, group)
    if len(chosen) < 10:
        chosen = dict.fromkeys(vectors.vocabulary.tokens[30:80] or vectors.vocabulary.tokens, "frequent")
    (ax,) = plots.new_axes(size=(9.0, 7.5))
    plots.plot_points(vectors.principal(chosen), list(chosen), groups=list(chosen.values()), ax=ax)
    ax.set(title=title, xlabel="first principal direction", ylabel="second")
    return ax
