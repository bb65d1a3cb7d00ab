"""A convolutional network reads sentences: filters that look for phrases of two, three and four words.

::

    python examples/text_cnn.py
    python examples/text_cnn.py --csv reviews.csv

Two tasks need no download. *Source*: a sentence about Python is from the language reference, from a docstring, or from a comment.
*Order*: its words stand as somebody wrote them, or in a random order. `--csv` learns any other classes from a file of yours with two
columns, text and label, a row on each line.

What there is to learn from it:

* **A filter is a phrase detector.** It slides over the sentence and answers to some phrase wherever it stands; the largest answer
  over time (max pooling) says whether it is there at all. What is printed last are the phrases that excite some of the filters most.
* **A bag of words is a strong baseline**: a weight for each word and class, added up, knows everything about a sentence but the order
  of its words. On *source* it gets 77% of new sentences right, and the network 75%: what a sentence is about, its words
  say, and 8700 sentences are few to learn an embedding from.
* **Order** is what it cannot see: it guesses (50%), and the network is right in 89%.

Both keep the parameters of the epoch that was best on held-out sentences; the figures are of others, after half
a minute on one core.
Source: Kim, Convolutional neural networks for sentence classification, EMNLP 2014."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from itertools import pairwise

from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.text import PAD, UNK, Vocabulary, comments, docstrings, help_topics, join_words, sentences, words

Sentence = tuple[list[str], int]


class TextCNN(nn.Module):
    """Words (N, T) to logits (N, C): filters of several widths, their largest answers over time, and a linear layer."""

    def __init__(
        self, tokens: int, classes: int, dim: int, filters: int, widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight, 0, 0.1)  # narrow, so that rare words are not loud
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(filters * len(widths), classes)

    def answers(self, tokens: tg.Tensor) -> list[tg.Tensor]:
        """What the filters of each width say at each place, (N, filters, places)."""
        x = self.embedding(tokens).transpose(1, 2)
        return [F.relu(convolution(x)) for convolution in self.convolutions]

    def forward(self, tokens: tg.Tensor) -> tg.Tensor:
        return self.linear(self.dropout(tg.cat([a.amax(2) for a in self.answers(tokens)], 1)))


class BagOfWords(nn.Module):
    """Words (N, T) to logits (N, C): for each class the sum of the weights of the words."""

    def __init__(self, tokens: int, classes: int) -> None:
        super().__init__()
        self.weights = nn.EmbeddingBag(tokens, classes, mode="sum", padding_idx=0)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(tg.zeros(classes))

    def forward(self, tokens: tg.Tensor) -> tg.Tensor:
        return self.weights(tokens) + self.bias


def sentences_about_python(each: int) -> tuple[list[Sentence], list[str]]:
    """Distinct sentences of 5 to 40 words from three sources, as many of each."""
    found: list[Sentence] = []
    names = ["reference", "docstring", "comment"]
    seen: set[tuple[str, ...]] = set()
    for label, text in enumerate((help_topics(), docstrings(), comments())):
        mine = []
        for sentence in sentences(text):
            tokens = words(sentence)
            if 5 <= len(tokens) <= 40 and ">>>" not in sentence and tuple(tokens) not in seen:
                seen.add(tuple(tokens))
                mine.append((tokens, label))
        found += random.Random(label).sample(mine, min(each, len(mine)))
    return found, names


def shuffled(rows: list[Sentence], seed: int) -> tuple[list[Sentence], list[str]]:
    """Put the words of half of the sentences into a random order."""
    draw = random.Random(seed)
    found = []
    for tokens, _ in rows:
        label = draw.randrange(2)
        found.append((draw.sample(tokens, len(tokens)) if label else tokens, label))
    return found, ["as written", "shuffled"]


def read_csv(path: str) -> tuple[list[Sentence], list[str]]:
    """Read rows of text and label."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    short = [i for i, row in enumerate(rows) if len(row) < 2]
    if short:
        raise ValueError(f"{path}: row {short[0] + 1} has no second column")
    names = sorted({row[1].strip() for row in rows})
    if len(names) < 2 or len(rows) < 10:
        raise ValueError(f"{path}: expected ten rows of text and label with two different labels, got {len(rows)} rows")
    return [(words(row[0]) or [UNK], names.index(row[1].strip())) for row in rows], names


class Data:
    """Sentences as numbers, in batches of about one length."""

    def __init__(self, rows: list[Sentence], vocabulary: Vocabulary, shortest: int) -> None:
        self.rows = sorted(rows, key=lambda row: len(row[0]))
        self.vocabulary, self.shortest = vocabulary, shortest

    def batches(self, size: int = 50, shuffle: bool = False) -> list[tuple[tg.Tensor, tg.Tensor]]:
        groups = [self.rows[i : i + size] for i in range(0, len(self.rows), size)]
        if shuffle:
            groups = [groups[i] for i in tg.randperm(len(groups)).tolist()]
        return [self.batch(group) for group in groups]

    def batch(self, group: list[Sentence]) -> tuple[tg.Tensor, tg.Tensor]:
        length = max(self.shortest, max(len(tokens) for tokens, _ in group))
        padded = [tokens + [PAD] * (length - len(tokens)) for tokens, _ in group]
        codes = [self.vocabulary.encode(tokens).tolist() for tokens in padded]
        return tg.tensor(codes), tg.tensor([label for _, label in group])


def predict(model: nn.Module, data: Data) -> tuple[tg.Tensor, tg.Tensor]:
    """The true and the predicted classes."""
    model.eval()
    with tg.no_grad():
        pairs = [(y, model(x).argmax(1)) for x, y in data.batches(200)]
    model.train()
    true, found = zip(*pairs, strict=True)
    return tg.cat(true), tg.cat(found)


def accuracy(model: nn.Module, data: Data) -> float:
    true, found = predict(model, data)
    return (true == found).float().mean().item()


def train(model: nn.Module, parts: list[Data], epochs: int, lr: float, label: str) -> list[float]:
    """Train, and leave the parameters of the epoch with the best accuracy on the second part, whose course is returned."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    course: list[float] = []
    best = model.state_dict()
    bar = progress(range(epochs), label, "epoch")
    for _ in bar:
        for x, y in parts[0].batches(shuffle=True):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        course.append(accuracy(model, parts[1]))
        if course[-1] == max(course):
            best = {name: value.clone() for name, value in model.state_dict().items()}
        bar.set_postfix(loss=f"{loss.item():.3f}", right=f"{course[-1]:.1%}")
    model.load_state_dict(best)
    return course


def phrases(model: TextCNN, data: Data, widths: Sequence[int], each: int = 2) -> list[tuple[int, list[str]]]:
    """The phrases that some filters of each width answer to most, and the class that the answer speaks for."""
    model.eval()
    lines = []
    filters = model.convolutions[0].out_channels
    weight = model.linear.weight.detach()
    spread = weight.amax(0) - weight.mean(0)
    with tg.no_grad():
        found = [(x, model.answers(x)) for x, _ in data.batches(200)]
    for i, width in enumerate(widths):
        for k in spread[i * filters : (i + 1) * filters].topk(each).indices.tolist():
            places = []
            for x, answers in found:
                values, where = answers[i][:, k].max(1)
                places += [
                    (v, x[n, t : t + width])
                    for n, (v, t) in enumerate(zip(values.tolist(), where.tolist(), strict=True))
                ]
            top = sorted(places, key=lambda p: -p[0])[:40]
            texts = list(dict.fromkeys(join_words(data.vocabulary.decode(w)) for _, w in top))[:4]
            lines.append((int(weight[:, i * filters + k].argmax().item()), texts))
    model.train()
    return lines


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train both, and return their accuracies on sentences that neither has seen."""
    parser = build_parser(__doc__, "text_cnn")
    parser.add_argument("--csv", metavar="FILE", help="rows of text and label, in place of sentences about Python")
    parser.add_argument("--sentences", type=number(int, 100), default=4000, help="sentences of each source")
    parser.add_argument("--epochs", type=number(int, 1), default=6, help="passes over the training sentences")
    parser.add_argument("--dim", type=number(int, 1), default=64, help="numbers that stand for a word")
    parser.add_argument("--filters", type=number(int, 1), default=64, help="filters of each width")
    parser.add_argument("--widths", type=number(int, 1), nargs="+", default=[2, 3, 4], help="words that a filter sees")
    parser.add_argument("--dropout", type=number(float, 0, 1), default=0.5, help="share of values dropped in training")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=2e-3, help="learning rate of Adam")
    args = begin(parser, argv)
    try:
        source = sentences_about_python(args.sentences) if args.csv is None else read_csv(args.csv)
    except (OSError, ValueError, csv.Error) as error:
        parser.error(str(error))
    tasks = {"source": source, "order": shuffled(source[0], args.seed)} if args.csv is None else {"label": source}
    result: dict[str, float] = {}
    history: dict[str, list[float]] = {}
    matrices = plots.new_axes(1, len(tasks), (4.2, 4))
    for ax, (task, (rows, names)) in zip(matrices, tasks.items(), strict=True):
        random.Random(args.seed).shuffle(rows)
        cuts = [0, int(0.8 * len(rows)), int(0.9 * len(rows)), len(rows)]
        parts = [rows[a:b] for a, b in pairwise(cuts)]
        vocabulary = Vocabulary.build((t for tokens, _ in parts[0] for t in tokens), min_count=2, specials=(PAD, UNK))
        data = [Data(part, vocabulary, max(args.widths)) for part in parts]
        bag = BagOfWords(len(vocabulary), len(names))
        cnn = TextCNN(len(vocabulary), len(names), args.dim, args.filters, args.widths, args.dropout)
        print(f"{task}: {' or '.join(names)}? {len(parts[0])} sentences to learn from, {len(vocabulary)} words")
        for name, model, lr in (("bag of words", bag, 5 * args.lr), ("CNN", cnn, args.lr)):
            key = f"{task}, {name}"
            history[key] = train(model, data, args.epochs, lr, key)
            result[key] = accuracy(model, data[2])
            print(f"    {name:13}{result[key]:.1%} of {len(parts[2])} new sentences right")
        for label, texts in phrases(cnn, data[2], args.widths):
            print(f"    a filter for {names[label]!r} answers to: {' | '.join(texts)}")
        plots.plot_confusion_matrix(plots.confusion_matrix(*predict(cnn, data[2]), len(names)), names, ax=ax)
    finish(
        args,
        {"confusion.png": matrices, "history.png": plots.plot_history(history)},
        "The phrases: some filters have found turns of speech that only one source uses. In history.png, the CNN and the bag of "
        "words on held-out sentences, epoch by epoch.",
    )
    return result


if __name__ == "__main__":
    main()
